//! A sentence to tokens: words of [`super::words`], data types and known third parties, each with where it stands.

use std::collections::BTreeMap;

use super::words::{WORDS, Word};
use crate::host::ontology::{DataName, Ontology, TypeId, for_each_plain, is_ignored};

/// What stands at a place of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Thing {
    Word(Word),
    /// A data type.
    Data(TypeId),
    /// Something that only another system has.
    OtherSystem,
    /// Personal data, not said which.
    Unsaid,
    /// A third party, by the name that terms take.
    Party(String),
}

/// A thing and the characters of the plain sentence that it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) thing: Thing,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    pub(super) fn is(&self, word: Word) -> bool {
        self.thing == Thing::Word(word)
    }

    pub(super) fn word(&self) -> Option<Word> {
        match self.thing {
            Thing::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// A form of a word.
type Form = (Vec<char>, Word);

/// The tables, made ready.
pub(super) struct Lexicon<'a> {
    ontology: &'a Ontology,
    /// Sorted by the first character; the longest of each first.
    words: Vec<(char, Vec<Form>)>,
    /// [`UNSAID`], as characters.
    unsaid: Vec<Vec<char>>,
}

/// Names that are data types in a list and mostly something else in running text.
const NOT_IN_PROSE: &[&str] = &[
    "account", "accounts", "app", "other", "content", "contents", "服务", "内容", "账户", "账号", "phone", "phones",
    "system", "apps", "services", "service", "地址", "应用", "功能", "设置", "settings", "files", "文件", "状态",
    "音乐", "music", "网络", "language", "time",
];

/// Names that are data types behind "your" and in a row with others only.
const IN_COMPANY: &[&str] = &["name", "names", "address", "addresses", "age"];

impl<'a> Lexicon<'a> {
    pub(super) fn new(ontology: &'a Ontology) -> Self {
        let mut words: BTreeMap<char, Vec<Form>> = BTreeMap::new();
        for (kind, forms) in WORDS {
            for form in *forms {
                let form: Vec<char> = form.chars().collect();
                if let Some(first) = form.first() {
                    words.entry(*first).or_default().push((form, *kind));
                }
            }
        }
        words.values_mut().for_each(|forms| forms.sort_by_key(|(form, _)| std::cmp::Reverse(form.len())));
        let unsaid = UNSAID.iter().map(|form| form.chars().collect()).collect();
        Self { ontology, words: words.into_iter().collect(), unsaid }
    }

    /// The words that begin with a character.
    fn forms(&self, first: char) -> Option<&[Form]> {
        let place = self.words.binary_search_by_key(&first, |known| known.0).ok()?;
        self.words.get(place).map(|known| known.1.as_slice())
    }

    /// The plain characters of a sentence, and the things in it, in order.
    pub(super) fn tokens(&self, text: &str) -> (Vec<char>, Vec<Token>) {
        let length = text.chars().count();
        let (mut low, mut capitals) = (Vec::with_capacity(length), Vec::with_capacity(length));
        for_each_plain(text, |character, written| {
            low.push(if character == '’' { '\'' } else { character });
            capitals.push(written.is_uppercase() || written.is_ascii_digit());
        });
        let key = Key::of(&low);
        let mut tokens = self.data(&low, &key);
        let parties = self.parties(&low, &key, &tokens, &capitals);
        tokens.extend(parties);
        let mut at = 0;
        while at < low.len() {
            let found = self.word_at(&low, at).filter(|(length, _)| is_free(&tokens, at, at + length));
            match found {
                Some((length, kind)) => {
                    tokens.push(Token { thing: Thing::Word(kind), start: at, end: at + length });
                    at += length;
                }
                None => at += 1,
            }
        }
        tokens.sort_by_key(|token| (token.start, token.end));
        for token in &mut tokens {
            if token.is(Word::Purpose)
                && low.get(token.start..token.end) == Some(&['t', 'o'])
                && goes_to(&low, token.end)
            {
                token.thing = Thing::Word(Word::To);
            }
        }
        (low, tokens)
    }

    /// "读取通讯录" is a name in lists; in a sentence the verb counts.
    fn begins_with_a_verb(&self, words: &str) -> bool {
        let characters: Vec<char> = words.chars().collect();
        let forms = characters.first().and_then(|first| self.forms(*first));
        let verb = |(form, kind): &Form| {
            matches!(kind, Word::Collect | Word::User | Word::Share | Word::Use)
                && !form.first().is_some_and(char::is_ascii)
                && characters.starts_with(form)
        };
        forms.is_some_and(|forms| forms.iter().any(verb))
    }

    fn word_at(&self, low: &[char], at: usize) -> Option<(usize, Word)> {
        if !is_border(low, at) {
            return None;
        }
        let rest = low.get(at..)?;
        let forms = self.forms(*rest.first()?)?;
        let found = forms.iter().find(|(form, _)| rest.starts_with(form) && is_whole(low, at, at + form.len()))?;
        Some((found.0.len(), found.1))
    }

    fn data(&self, low: &[char], key: &Key) -> Vec<Token> {
        let types = &self.ontology.data_types;
        let mut tokens = key.scan(
            low,
            |rest| types.longest_name(rest),
            |words, length| {
                let long_enough = length >= if words.is_ascii() { 3 } else { 2 };
                long_enough && !NOT_IN_PROSE.contains(&words) && !self.begins_with_a_verb(words)
            },
            |name| match name {
                DataName::Type(id) => Thing::Data(id),
                DataName::OtherSystem => Thing::OtherSystem,
                DataName::Group => Thing::Unsaid,
            },
        );
        let mut company: Vec<bool> = Vec::with_capacity(tokens.len());
        for token in &tokens {
            let words: String = low.get(token.start..token.end).unwrap_or_default().iter().collect();
            let index = company.len();
            let before: String = low.get(..token.start).unwrap_or_default().iter().rev().take(5).collect();
            let in_row = || {
                let last = index
                    .checked_sub(1)
                    .filter(|last| company.get(*last) == Some(&true))
                    .and_then(|last| tokens.get(last));
                last.is_some_and(|last| {
                    let gap: String = low.get(last.end..token.start).unwrap_or_default().iter().collect();
                    gap.split([',', ' ']).all(|word| matches!(word, "" | "and" | "or" | "your" | "the"))
                })
            };
            company.push(!IN_COMPANY.contains(&words.as_str()) || before == " ruoy" || in_row());
        }
        let mut keep = company.into_iter();
        tokens.retain(|_| keep.next().unwrap_or(true));
        for (start, first) in low.iter().enumerate() {
            let rest = low.get(start..).unwrap_or_default();
            let begins = |form: &&Vec<char>| form.first() == Some(first) && rest.starts_with(form);
            // None of them begins within another one.
            let Some(form) = self.unsaid.iter().find(begins) else { continue };
            let end = start + form.len();
            if is_whole(low, start, end) && is_free(&tokens, start, end) {
                tokens.push(Token { thing: Thing::Unsaid, start, end });
            }
        }
        tokens
    }

    /// Third parties that the table knows.
    fn parties(&self, low: &[char], key: &Key, taken: &[Token], capitals: &[bool]) -> Vec<Token> {
        let recipients = &self.ontology.recipients;
        let id_of = |id| recipients.get(id).map(|entry| entry.id.clone()).unwrap_or_default();
        let mut tokens =
            key.scan(low, |rest| recipients.longest_name(rest), |_, length| length >= 2, |id| Thing::Party(id_of(id)));
        // "Share" and "open" are names of SDKs and words of every policy: names in Latin letters have capitals in prose.
        let is_name = |token: &Token| {
            let latin = low.get(token.start).is_some_and(char::is_ascii);
            let capital = capitals.get(token.start..token.end).is_some_and(|letters| letters.contains(&true));
            let word = self.word_at(low, token.start).is_some_and(|(length, _)| length == token.end - token.start);
            !latin || (capital && !word)
        };
        tokens.retain(|token| is_free(taken, token.start, token.end) && is_name(token));
        tokens
    }
}

/// Words for personal data that say nothing of what it is.
const UNSAID: &[&str] =
    &["personal information", "personal data", "your information", "your data", "individual information", "user data"];

fn is_free(taken: &[Token], start: usize, end: usize) -> bool {
    !taken.iter().any(|token| token.start < end && start < token.end)
}

/// The characters of a sentence that count in names, and where each stands.
struct Key {
    characters: Vec<char>,
    places: Vec<usize>,
}

impl Key {
    fn of(low: &[char]) -> Self {
        let mut key = Self { characters: Vec::with_capacity(low.len()), places: Vec::with_capacity(low.len()) };
        for (place, character) in low.iter().enumerate().filter(|(_, character)| !is_ignored(**character)) {
            key.characters.push(*character);
            key.places.push(place);
        }
        key
    }

    /// Names that stand in the sentence as whole words, the longest at each place.
    fn scan<N>(
        &self,
        low: &[char],
        longest: impl Fn(&[char]) -> Option<(usize, N)>,
        accepts: impl Fn(&str, usize) -> bool,
        thing: impl Fn(N) -> Thing,
    ) -> Vec<Token> {
        let mut tokens = Vec::new();
        let mut index = 0;
        while let Some(start) = self.places.get(index).copied() {
            // Most places of an English text are within a word, where no name begins.
            let rest = self.characters.get(index..).filter(|_| is_border(low, start));
            let found = rest.and_then(&longest).and_then(|(length, name)| {
                let last = *self.places.get((index + length).checked_sub(1)?)?;
                let end = plural_end(low, last + 1)?;
                let words: String = low.get(start..=last)?.iter().collect();
                accepts(&words, length).then_some((length, name, start, end))
            });
            match found {
                Some((length, name, start, end)) => {
                    tokens.push(Token { thing: thing(name), start, end });
                    index += length;
                }
                None => index += 1,
            }
        }
        tokens
    }
}

/// Whether somebody, and no verb, stands behind "to".
fn goes_to(low: &[char], end: usize) -> bool {
    let rest: String = low.get(end..).unwrap_or_default().iter().take(16).collect();
    let next = rest.trim_start().split(|character: char| !character.is_ascii_alphabetic()).next().unwrap_or_default();
    const SOMEBODY: &[&str] = &[
        "us",
        "our",
        "the",
        "a",
        "an",
        "any",
        "other",
        "others",
        "those",
        "these",
        "your",
        "third",
        "partners",
        "anyone",
        "anybody",
        "companies",
        "advertisers",
        "vendors",
        "service",
        "some",
        "selected",
        "this",
        "their",
        "couriers",
        "payment",
        "it",
    ];
    SOMEBODY.contains(&next)
}

fn latin(character: Option<&char>) -> bool {
    character.is_some_and(|character| character.is_ascii_alphanumeric())
}

/// Whether a word may begin here.
fn is_border(low: &[char], at: usize) -> bool {
    !(latin(low.get(at)) && at.checked_sub(1).is_some_and(|before| latin(low.get(before))))
}

/// Whether these characters are whole words.
fn is_whole(low: &[char], start: usize, end: usize) -> bool {
    let ends = !(end.checked_sub(1).is_some_and(|last| latin(low.get(last))) && latin(low.get(end)));
    is_border(low, start) && ends
}

/// The end of a name that may stand in the plural; `None` when it is the beginning of another word.
fn plural_end(low: &[char], end: usize) -> Option<usize> {
    let last_is_latin = end.checked_sub(1).is_some_and(|last| latin(low.get(last)));
    if !last_is_latin || !latin(low.get(end)) {
        return Some(end);
    }
    let rest = |from: usize| !latin(low.get(from));
    if low.get(end) == Some(&'s') && rest(end + 1) {
        return Some(end + 1);
    }
    let es = low.get(end) == Some(&'e') && low.get(end + 1) == Some(&'s');
    let sdk = low.get(end..end + 3).is_some_and(|here| here == ['s', 'd', 'k']);
    match (es && rest(end + 2), sdk) {
        (true, _) => Some(end + 2),
        (_, true) => Some(end),
        _ => None,
    }
}
