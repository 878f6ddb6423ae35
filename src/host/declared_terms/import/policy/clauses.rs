//! What a sentence says is done with data: verbs, what each governs, and whether it is denied.
//!
//! Chinese and English put the object behind the verb, except where 将 or 把 or the passive puts it before. That, and
//! where a purpose or another thought begins, is all the grammar there is here: enough for a draft.

use super::tokens::{Thing, Token};
use super::words::Word;
use crate::host::declared_terms::Act;
use crate::host::ontology::TypeId;

/// Who is named as getting data, or as collecting it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Whom {
    /// Known third parties.
    pub(super) named: Vec<String>,
    /// A third party without a name.
    pub(super) unnamed: bool,
    /// Anybody at all.
    pub(super) anybody: bool,
}

impl Whom {
    pub(super) fn is_nobody(&self) -> bool {
        self.named.is_empty() && !self.unnamed && !self.anybody
    }
}

/// One act of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) act: Act,
    pub(super) types: Vec<TypeId>,
    /// Personal data is named without saying which.
    pub(super) unsaid: bool,
    /// Who collects, or to whom it goes.
    pub(super) whom: Whom,
    /// The verb stands for "collect" only by inference.
    pub(super) inferred: bool,
    /// The objects were named before this sentence or behind it.
    pub(super) objects_elsewhere: bool,
    /// The denial is not of everything: it has a condition, or is of selling only.
    pub(super) qualified: bool,
}

/// What a sentence says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) deeds: Vec<Deed>,
    /// Data types that no deed took up.
    pub(super) loose: Vec<TypeId>,
    /// Only a permission is asked for.
    pub(super) permission: bool,
    /// A thing that only another system has is named.
    pub(super) other_system: bool,
}

/// Verbs in a row: "collect, store and share".
#[derive(Debug)]
struct Group {
    /// Indexes of the verbs' tokens.
    verbs: Vec<usize>,
    start: usize,
    end: usize,
    denied: bool,
    passive: bool,
}

/// Reads the tokens of a sentence.
pub(super) struct Clauses<'t> {
    low: &'t [char],
    tokens: &'t [Token],
}

impl<'t> Clauses<'t> {
    pub(super) fn new(low: &'t [char], tokens: &'t [Token]) -> Self {
        Self { low, tokens }
    }

    fn between(&self, start: usize, end: usize) -> String {
        self.characters(start, end).iter().collect()
    }

    fn characters(&self, start: usize, end: usize) -> &'t [char] {
        self.low.get(start..end).unwrap_or_default()
    }

    /// Tokens that lie in these characters.
    fn within(&self, start: usize, end: usize) -> impl DoubleEndedIterator<Item = &'t Token> {
        self.tokens.iter().filter(move |token| token.start >= start && token.end <= end)
    }

    fn has(&self, start: usize, end: usize, word: Word) -> bool {
        self.within(start, end).any(|token| token.is(word))
    }

    fn is_mention(token: &Token) -> bool {
        matches!(token.thing, Thing::Data(_) | Thing::OtherSystem | Thing::Unsaid)
    }

    /// Where the thought that a place belongs to begins.
    fn thought(&self, at: usize) -> usize {
        self.tokens
            .iter()
            .filter(|token| token.is(Word::Break) && token.end <= at)
            .map(|token| token.end)
            .max()
            .unwrap_or(0)
    }

    /// Who was named last before a place in its thought: the app, the user or a third party.
    fn subject(&self, at: usize) -> Option<&'t Token> {
        let named = |token: &&Token| {
            matches!(token.thing, Thing::Party(_))
                || matches!(token.word(), Some(Word::We | Word::User | Word::Third | Word::Anybody))
        };
        self.within(self.thought(at), at).filter(named).rfind(|token| !self.is_aside(token, at))
    }

    /// Whether somebody is named as a source or a goal, or as an owner ("your", 您的), not as who acts.
    fn is_aside(&self, token: &Token, at: usize) -> bool {
        if token.is(Word::User) {
            // "We read it after you have agreed": 我们在您授权后读取.
            let app_before = self.within(self.thought(at), token.start).any(|other| other.is(Word::We));
            let occasion = |character: &char| matches!(character, '后' | '时' | '前');
            if app_before && self.characters(token.end, at).iter().any(occasion) {
                return true;
            }
            if matches!(self.characters(token.end, token.end + 2), ['的' | 'r', _]) {
                return true;
            }
        }
        let before = self.tokens.iter().rfind(|other| other.end <= token.start && token.start - other.end <= 5);
        before.is_some_and(|before| matches!(before.word(), Some(Word::From | Word::To)))
    }

    /// The meaning of a verb at this place; `None` when it is none here.
    fn verb(&self, index: usize) -> Option<Word> {
        let token = self.tokens.get(index)?;
        let word = token.word().filter(|word| {
            use Word::{Collect, Else, Give, Provide, Sell, Share, Use};
            matches!(word, Collect | Use | Share | Sell | Give | Provide | Else)
        })?;
        // "The processing of your data" is a thing that is spoken of, not done here.
        let before = || self.between(token.start.saturating_sub(5), token.start);
        let is_noun = self.characters(token.start, token.end).ends_with(&['i', 'n', 'g'])
            && [" the ", " our ", "this ", " for ", " any "].contains(&before().as_str());
        if is_noun {
            return None;
        }
        let subject = self.subject(token.start);
        let by_user = subject.is_some_and(|subject| subject.is(Word::User));
        let behind = |reach: usize, wanted: Word| self.has(token.end, token.end + reach, wanted);
        match word {
            Word::Collect if by_user && !self.has(self.thought(token.start), token.start, Word::Passive) => {
                // "Photos you upload" are given; "you can read" is nothing.
                let gives =
                    ["upload", "上传"].iter().any(|form| self.between(token.start, token.end).starts_with(form));
                Some(if gives { Word::Give } else { Word::Else })
            }
            Word::Use if by_user => Some(Word::Else),
            Word::Collect | Word::Use | Word::Sell | Word::Else => Some(word),
            // "They give us your address".
            Word::Share if self.between(token.end, token.end + 4).trim_end() == " us" => Some(Word::Collect),
            Word::Share if by_user => {
                let with_us = behind(20, Word::We);
                Some(if with_us { Word::Give } else { Word::Else })
            }
            Word::Share => {
                // Sending to one's own servers is collecting.
                let home = ["our servers", "our service", "us", "我们", "服务器"];
                let rest = self.between(token.end, self.low.len());
                let goes_home = home.iter().any(|home| {
                    rest.find(&format!("to {home}")).is_some()
                        || rest.find(&format!("至{home}")).is_some()
                        || rest.contains(&format!("给{home}"))
                });
                Some(if goes_home && !self.has(token.end, self.low.len(), Word::Third) {
                    Word::Collect
                } else {
                    Word::Share
                })
            }
            Word::Give => Some(match (by_user, self.between(token.start, token.end).as_str()) {
                (true, _) => Word::Give,
                (false, "上传") => Word::Collect,
                (false, _) => Word::Else,
            }),
            Word::Provide => {
                let toward = self
                    .within(self.thought(token.start), self.low.len())
                    .any(|other| self.is_goal(other) && !other.is(Word::User) && !other.is(Word::We));
                let toward = toward || self.between(token.start.saturating_sub(2), token.start) == "向其";
                let sends = self.between(token.start, token.end) != "提供" && token.end - token.start == 2;
                Some(match (by_user, toward) {
                    (true, _) if sends => Word::Else,
                    (true, _) => Word::Give,
                    (false, true) => Word::Share,
                    (false, false) => Word::Else,
                })
            }
            _ => None,
        }
    }

    /// Whether somebody is whom something goes to.
    fn is_goal(&self, token: &Token) -> bool {
        let somebody = matches!(token.thing, Thing::Party(_))
            || matches!(token.word(), Some(Word::Third | Word::Anybody | Word::User | Word::We));
        somebody
            && self
                .tokens
                .iter()
                .filter(|other| other.end <= token.start && token.start - other.end <= 24)
                .any(|other| other.is(Word::To))
    }

    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for index in 0..self.tokens.len() {
            let (Some(token), Some(meaning)) = (self.tokens.get(index), self.verb(index)) else { continue };
            let before = groups.last_mut();
            if let Some(before) = before {
                let gap = self.between(before.end, token.start);
                if !self.has(before.end, token.start, Word::Break) && is_joint(&gap) {
                    before.verbs.push(index);
                    before.end = token.end;
                    continue;
                }
                // Within what another verb governs, "that you entered" tells which data is meant.
                let relative = self.between(token.end, token.end + 1) == "的"
                    || (meaning == Word::Give && self.thought(token.start) <= before.start);
                if relative && matches!(meaning, Word::Give | Word::Collect | Word::Use) {
                    continue;
                }
            }
            groups.push(Group {
                verbs: vec![index],
                start: token.start,
                end: token.end,
                denied: false,
                passive: false,
            });
        }
        for index in 0..groups.len() {
            let floor = index.checked_sub(1).and_then(|before| groups.get(before)).map_or(0, |before| before.end);
            let Some(group) = groups.get(index) else { continue };
            let start = group.start;
            let floor = floor.max(self.thought(start));
            let denied = self.denial(floor, start);
            let passive = self.has(start.saturating_sub(24).max(floor), start, Word::Passive);
            if let Some(group) = groups.get_mut(index) {
                (group.denied, group.passive) = (denied, passive);
            }
        }
        groups
    }

    /// Whether what begins at `start` is denied by a word behind `floor`.
    fn denial(&self, floor: usize, start: usize) -> bool {
        let negation = self.within(floor, start).rfind(|token| token.is(Word::Not));
        let Some(negation) = negation else { return false };
        let gap = self.between(negation.end, start);
        let no = ["no", "neither", "nor"].contains(&self.between(negation.start, negation.end).as_str());
        // "No location data is collected": the object stands between.
        let clear =
            no || !self.within(negation.end, start).any(Self::is_mention) || gap.contains('向') || gap.contains('将');
        let comma = gap.contains([',', '，']);
        let near = if gap.is_ascii() { gap.len() <= 60 } else { gap.chars().count() <= 16 };
        clear && near && !comma
    }

    /// The third party that was named last before a place, when a pronoun stands for it.
    fn party_before(&self, at: usize) -> Option<String> {
        let pronoun: String = self.between(at.saturating_sub(8), at);
        let mut parties = self.within(0, at).filter_map(|token| match &token.thing {
            Thing::Party(name) => Some(name.clone()),
            _ => None,
        });
        parties
            .next_back()
            .filter(|_| pronoun.contains(['该', '其', '此']) || pronoun.contains("this ") || pronoun.contains("that "))
    }

    /// Whom the sentence names behind or before a verb of sharing.
    fn goals(&self, group: &Group, until: usize) -> Whom {
        let mut whom = Whom::default();
        let after = self.within(group.end, until);
        let before = self.within(self.thought(group.start), group.start).filter(|token| self.is_goal(token));
        if self.between(group.start.saturating_sub(2), group.start) == "向其" {
            whom.named.extend(self.party_before(group.start));
        }
        for token in before.chain(after) {
            match &token.thing {
                Thing::Party(name) if !whom.named.contains(name) => whom.named.push(name.clone()),
                // "Third parties" without more is any of them; "advertisers" is some.
                Thing::Word(Word::Third)
                    if matches!(
                        self.between(token.start, token.end).as_str(),
                        "第三方" | "third party" | "third parties"
                    ) =>
                {
                    (whom.unnamed, whom.anybody) = (true, true);
                }
                Thing::Word(Word::Third) => whom.unnamed = true,
                Thing::Word(Word::Anybody) => whom.anybody = true,
                _ => {}
            }
        }
        whom
    }

    /// Who collects, when it is not the app itself.
    fn collector(&self, group: &Group) -> Whom {
        let mut whom = Whom::default();
        match self.subject(group.start).map(|token| &token.thing) {
            Some(Thing::Party(name)) => whom.named.push(name.clone()),
            // "We use Umeng; this SDK collects".
            Some(Thing::Word(Word::Third | Word::Anybody)) => match self.party_before(group.start) {
                Some(name) => whom.named.push(name),
                None => whom.unnamed = true,
            },
            _ => {}
        }
        if group.passive && whom.is_nobody() {
            let by = self
                .within(group.end, self.low.len())
                .find(|token| self.between(token.start.saturating_sub(3), token.start) == "by ");
            if let Some(Thing::Party(name)) = by.map(|token| &token.thing) {
                whom.named.push(name.clone());
            }
        }
        whom
    }

    /// The group that governs a mention.
    fn governor(&self, mention: &Token, groups: &[Group]) -> Option<usize> {
        let before = groups.iter().rposition(|group| group.end <= mention.start);
        let after = groups.iter().position(|group| group.start >= mention.end);
        if let Some(index) = after
            && let Some(group) = groups.get(index)
        {
            let floor = before.and_then(|index| groups.get(index)).map_or(0, |group| group.end);
            let fronted = self
                .within(floor.max(self.thought(mention.start)), mention.start)
                .any(|token| token.is(Word::Fronted) && token.end <= mention.start);
            let gap = self.between(mention.end, group.start);
            let one_thought = !self.has(mention.end, group.start, Word::Break);
            let between_verbs = self.between(floor, mention.start);
            // In "collect your name, and your contacts are uploaded" the second belongs to the verb behind it.
            let own_clause = before.is_none() || between_verbs.contains([',', '，']) || between_verbs.contains(" and ");
            let which = gap.contains("which") || gap.contains("that ") || gap.contains(',');
            if one_thought && (fronted || group.passive && own_clause && !which) {
                return Some(index);
            }
        }
        let index = before?;
        let group = groups.get(index)?;
        let in_thought = self.thought(mention.start) <= group.start;
        (in_thought && !self.is_cut(group.end, mention.start)).then_some(index)
    }

    /// Whether a purpose or an occasion begins between a verb and what stands behind it. One set in right behind the
    /// verb, between commas, cuts nothing off.
    fn is_cut(&self, start: usize, end: usize) -> bool {
        let Some(cut) = self.within(start, end).find(|token| token.is(Word::Purpose)) else { return false };
        let lead = self.between(start, cut.start);
        let interjected = lead.trim_matches([' ', ',', '，', '（', '(']).is_empty();
        let resumed = self.between(cut.end, end).contains([',', '，']);
        !(interjected && resumed)
    }

    /// What the sentence says.
    pub(super) fn read(&self) -> Reading {
        let groups = self.groups();
        let mut governed: Vec<Vec<&Token>> = groups.iter().map(|_| Vec::new()).collect();
        let mut reading = Reading::default();
        for mention in self.tokens.iter().filter(|token| Self::is_mention(token)) {
            reading.other_system |= mention.thing == Thing::OtherSystem;
            match self.governor(mention, &groups).and_then(|index| governed.get_mut(index)) {
                Some(objects) => objects.push(mention),
                None => loose(&mut reading.loose, mention),
            }
        }
        let mut earlier: Option<Vec<&Token>> = None;
        for (index, group) in groups.iter().enumerate() {
            let mut objects = governed.get(index).cloned().unwrap_or_default();
            let until = groups.get(index + 1).map_or(self.low.len(), |next| next.start);
            let mut objects_elsewhere = false;
            if objects.is_empty() {
                let refers = self.has(group.end, until, Word::Before)
                    || self.has(group.start.saturating_sub(16), group.start, Word::Before);
                match (&earlier, refers) {
                    (Some(known), true) => objects.clone_from(known),
                    (_, refers) => objects_elsewhere = refers || until == self.low.len(),
                }
            } else {
                earlier = Some(objects.clone());
            }
            let deeds = self.deeds(group, &objects, until, objects_elsewhere);
            if deeds.is_empty() {
                objects.iter().for_each(|object| loose(&mut reading.loose, object));
                let asks = self.has(group.end, until, Word::Permission);
                reading.permission |= asks && !objects.is_empty();
            }
            reading.deeds.extend(deeds);
        }
        reading
    }

    /// Whether a denial is one under a condition, on an occasion or for a purpose only.
    fn is_conditional(&self, group: &Group, until: usize) -> bool {
        let negation = self.within(self.thought(group.start), group.start).find(|token| token.is(Word::Not));
        let on_occasion = negation.is_some_and(|token| self.between(token.end, group.start).starts_with('在'));
        let purpose = self
            .within(group.end, until)
            .take_while(|token| !token.is(Word::Break))
            .any(|token| token.is(Word::Purpose) && !self.between(group.end, token.start).contains([',', '，']));
        on_occasion || purpose || self.tokens.iter().any(|token| token.is(Word::Condition))
    }

    fn deeds(&self, group: &Group, objects: &[&Token], until: usize, objects_elsewhere: bool) -> Vec<Deed> {
        let mut types = Vec::new();
        objects.iter().for_each(|object| loose(&mut types, object));
        let unsaid = objects.iter().any(|object| object.thing == Thing::Unsaid);
        if types.is_empty() && !unsaid && !objects_elsewhere {
            return Vec::new();
        }
        // "Access the camera permission" asks for a permission.
        let last = objects.iter().map(|object| object.end).max().unwrap_or(group.end);
        if objects.len() == 1 && self.has(last, last + 12, Word::Permission) {
            return Vec::new();
        }
        let meanings: Vec<Word> = group.verbs.iter().filter_map(|index| self.verb(*index)).collect();
        let mut deeds: Vec<Deed> = Vec::new();
        for meaning in meanings {
            let (act, inferred) = match (meaning, group.denied) {
                (Word::Collect, false) => (Act::Collect, false),
                (Word::Collect, true) => (Act::NotCollect, false),
                (Word::Give, false) => (Act::Collect, true),
                (Word::Use, false) => (Act::Collect, true),
                (Word::Use, true) => (Act::NotCollect, true),
                (Word::Share | Word::Sell, false) => (Act::Share, false),
                (Word::Share | Word::Sell, true) => (Act::NotShare, false),
                // Not having to give something denies nothing.
                _ => continue,
            };
            let denies = matches!(act, Act::NotCollect | Act::NotShare);
            let whom = if matches!(act, Act::Share | Act::NotShare) {
                self.goals(group, until)
            } else {
                self.collector(group)
            };
            let qualified = denies && (meaning == Word::Sell || self.is_conditional(group, until));
            // "We collect and store": the surer of two that say the same.
            if let Some(same) = deeds.iter_mut().find(|deed| deed.act == act && deed.whom == whom) {
                same.inferred &= inferred;
                same.qualified &= qualified;
                continue;
            }
            deeds.push(Deed { act, types: types.clone(), unsaid, whom, inferred, objects_elsewhere, qualified });
        }
        deeds
    }
}

fn loose(types: &mut Vec<TypeId>, mention: &Token) {
    if let Thing::Data(id) = mention.thing
        && !types.contains(&id)
    {
        types.push(id);
    }
}

/// Whether nothing but joints stands between two verbs: commas, "and", auxiliary words.
fn is_joint(gap: &str) -> bool {
    if gap.chars().count() > 24 {
        return false;
    }
    let joints = [
        "以及",
        "或者",
        "、",
        "，",
        ",",
        "/",
        "和",
        "或",
        "及",
        "与",
        "并",
        "会",
        "将",
        "也",
        "不",
        "向",
        "and",
        "or",
        "nor",
        "may",
        "will",
        "also",
        "be",
        "otherwise",
        "then",
        "not",
        "do",
        "any",
    ];
    let mut rest = gap.trim();
    loop {
        let Some(joint) = joints.iter().find(|joint| rest.starts_with(**joint)) else { return rest.is_empty() };
        rest = rest.strip_prefix(joint).unwrap_or_default().trim_start();
    }
}
