//! Privacy policies in running text to drafts: statements that a person has to confirm.
//!
//! * **In:** HTML, Markdown or plain text, in Chinese or English. **Out:** [`Imported`], every statement marked as a draft,
//!   with the sentence and its characters in the document. A sentence that names data and gave no draft is in the list of
//!   what was not understood.
//! * **May import:** the other parts of `import`, `host::ontology`.
//! * **Test it:** `cargo test host::declared_terms::import::policy`, and `cargo test --test policy_corpus`, which measures.
//!
//! This is no reading of the policy: words around a verb decide. `docs/IMPORT-POLICY.md` has the rules and the figures.

mod clauses;
mod sentences;
mod tokens;
mod words;

use std::collections::{HashMap, HashSet};

use self::clauses::{Clauses, Deed, Whom};
use self::sentences::{Role, Sentence, for_each_sentence};
use self::tokens::{Lexicon, Thing};
use self::words::Word;
use super::data::{System, bare_system_heading, system_in};
use super::error::ImportError;
use super::{Imported, OTHER_SYSTEM_ONLY, html, plain, text};
use crate::host::declared_terms::{
    Act, Confidence, NotUnderstood, NotUnderstoodReason, Origin, Party, Provenance, Statement, Subject,
};
use crate::host::ontology::{Ontology, TypeId};

/// The name of a third party that a policy does not name.
const UNNAMED: &str = "third parties, not named";

/// Reads a policy. Every statement is a draft.
///
/// # Errors
///
/// When the document is no text, or no sentence in it says that data is collected or shared, or not.
pub fn policy(file: &str, bytes: &[u8], ontology: &Ontology) -> Result<Imported, ImportError> {
    let decoded = text::decode(file, bytes)?;
    let is_html = html::looks_like_html(&decoded.text);
    let blocks = if is_html { html::read(&decoded.text) } else { plain::read(&decoded.text) };
    let tables = blocks.iter().filter(|block| matches!(block, super::blocks::Block::Table(_))).count();
    let mut reader = Reader::new(file, ontology);
    for_each_sentence(&blocks, &decoded.text, |sentence| reader.read(&sentence));
    if reader.statements.is_empty() && reader.not_understood.is_empty() {
        let what = match (is_html, decoded.text.trim().is_empty()) {
            (_, true) => "the file is empty",
            (true, _) if blocks.is_empty() => {
                "the page has no text of its own: it is built by a script; save it from a browser after it has been shown"
            }
            _ => "no sentence in it says that personal data is collected or shared, or that it is not",
        };
        return Err(ImportError::NoList { file: file.to_owned(), what: what.to_owned() });
    }
    let mut notes = decoded.notes;
    let drafts = reader.statements.len();
    let of_others = reader.not_understood.iter().all(|entry| entry.reason == NotUnderstoodReason::OtherSystem);
    notes.push(match drafts {
        0 if of_others => OTHER_SYSTEM_ONLY.to_owned(),
        0 => {
            "no sentence in it gave a draft: what names data stands in the file as not understood, for a person to read"
                .to_owned()
        }
        _ => format!(
            "{drafts} drafts from running text: none counts until a person has compared it with its sentence and \
             confirmed it"
        ),
    });
    if tables > 0 {
        notes.push(format!(
            "{tables} tables: only whole sentences in their cells were read; `candor terms import two-lists` reads tables"
        ));
    }
    Ok(Imported { notes, ..Imported::of(file, None, reader.statements, reader.not_understood) })
}

/// What a heading or a sentence that ends in a colon announces: the entries below are its objects.
#[derive(Debug, Clone)]
struct Announced {
    act: Act,
    whom: Whom,
    qualified: bool,
    /// Paragraphs end it; those below a heading do not.
    by_heading: bool,
}

struct Reader<'a> {
    file: &'a str,
    lexicon: Lexicon<'a>,
    ontology: &'a Ontology,
    statements: Vec<Statement>,
    not_understood: Vec<NotUnderstood>,
    announced: Option<Announced>,
    /// The line of the sentence before.
    line: u32,
    /// The data types of a sentence before in the same paragraph, which "this information" can mean.
    before: Vec<TypeId>,
    /// The section is about another system.
    other_system: bool,
    /// What was said already, by sentence, and the sentences that were given back: pages repeat themselves.
    said: HashMap<String, Vec<(Act, Vec<TypeId>, Whom)>>,
    left: HashSet<String>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, ontology: &'a Ontology) -> Self {
        Self {
            file,
            lexicon: Lexicon::new(ontology),
            ontology,
            statements: Vec::new(),
            not_understood: Vec::new(),
            announced: None,
            line: 0,
            before: Vec::new(),
            other_system: false,
            said: HashMap::new(),
            left: HashSet::new(),
        }
    }

    fn read(&mut self, sentence: &Sentence) {
        let (low, tokens) = self.lexicon.tokens(&sentence.text);
        let names_data = tokens.iter().any(|token| matches!(token.thing, Thing::Data(_) | Thing::OtherSystem));
        let role = if !names_data && sentence.is_title() { Role::Heading } else { sentence.role };
        if sentence.line != self.line {
            self.before.clear();
            self.line = sentence.line;
        }
        match role {
            Role::Heading => {
                self.other_system =
                    bare_system_heading(&sentence.text) && system_in(&sentence.text) == Some(System::Other);
                self.announced = None;
            }
            Role::Text if self.announced.as_ref().is_some_and(|announced| !announced.by_heading) => {
                self.announced = None
            }
            _ => {}
        }
        let reading = Clauses::new(&low, &tokens).read();
        let speaks_of = |word| tokens.iter().any(|token| token.is(word));
        let other_system = self.other_system || (speaks_of(Word::OtherSystem) && !speaks_of(Word::Android));
        if other_system || (reading.other_system && reading.deeds.iter().all(|deed| deed.types.is_empty())) {
            if names_data && role != Role::Heading {
                self.leave(sentence, NotUnderstoodReason::OtherSystem);
            }
            return;
        }
        let refers = tokens.iter().any(|token| token.is(Word::Before));
        let asks = sentence.text.trim_end().ends_with(['?', '？']);
        let mut said: Vec<TypeId> = Vec::new();
        let mut denial = false;
        let mut made = 0;
        for mut deed in reading.deeds {
            let mut confidence = if deed.inferred { Confidence::Guessed } else { Confidence::PhraseMatched };
            if deed.types.is_empty() && deed.objects_elsewhere && refers && !self.before.is_empty() && !deed.unsaid {
                deed.types.clone_from(&self.before);
                confidence = Confidence::Guessed;
            }
            let announces = role == Role::Heading || (sentence.announces && sentence.last);
            if deed.types.is_empty() && announces && self.announced.is_none() {
                let (act, whom) = (deed.act, deed.whom.clone());
                let by_heading = role == Role::Heading;
                self.announced = Some(Announced { act, whom, qualified: deed.qualified, by_heading });
            }
            if role == Role::Heading || asks {
                continue;
            }
            let count = self.add(sentence, &deed, confidence);
            denial |= count == 0 && matches!(deed.act, Act::NotCollect | Act::NotShare);
            if count > 0 {
                said.extend(&deed.types);
            }
            made += count;
        }
        let mut loose = reading.loose;
        let entry = role == Role::Item;
        if made == 0
            && !denial
            && entry
            && !loose.is_empty()
            && !reading.permission
            && !asks
            && let Some(announced) = self.announced.clone()
        {
            let deed = Deed {
                act: announced.act,
                types: std::mem::take(&mut loose),
                unsaid: false,
                whom: announced.whom,
                inferred: true,
                objects_elsewhere: false,
                qualified: announced.qualified,
            };
            made += self.add(sentence, &deed, Confidence::Guessed);
            denial |= deed.qualified;
            said.extend(&deed.types);
        }
        loose.retain(|id| !said.contains(id));
        let is_prose = !matches!(role, Role::Heading | Role::Cell);
        if denial {
            self.leave(sentence, NotUnderstoodReason::Denial);
        } else if made == 0 && reading.permission {
            self.leave(sentence, NotUnderstoodReason::Permission);
        } else if names_data && is_prose && (made == 0 || !loose.is_empty()) {
            self.leave(sentence, NotUnderstoodReason::Prose);
        }
        if !said.is_empty() {
            self.before = said;
        }
    }

    /// Adds the statements of a deed; gives how many.
    fn add(&mut self, sentence: &Sentence, deed: &Deed, confidence: Confidence) -> usize {
        if deed.qualified {
            return 0;
        }
        let whom = &deed.whom;
        let named = !whom.named.is_empty();
        // Without data, only who is named says something, and that nothing at all is passed on.
        let empty = deed.types.is_empty();
        let says_something = match deed.act {
            Act::Collect | Act::Share => !empty || (named && deed.unsaid),
            // A denial about a third party's collecting has no place in the model.
            Act::NotCollect => !empty && whom.is_nobody(),
            Act::NotShare => (!empty || deed.unsaid) && (named || whom.anybody || (whom.is_nobody() && !empty)),
        };
        if !says_something {
            return 0;
        }
        let place = |this: &Self| Provenance {
            file: String::new(),
            line: 0,
            origin: Some(Box::new(Origin {
                file: this.file.to_owned(),
                at: at(sentence),
                line: Some(sentence.line),
                wording: sentence.text.clone(),
                confidence,
            })),
        };
        let mut parties: Vec<Option<String>> = whom.named.iter().cloned().map(Some).collect();
        if parties.is_empty() {
            let collects_itself = deed.act == Act::Collect && whom.unnamed;
            parties.push(collects_itself.then(|| UNNAMED.to_owned()));
        }
        let said = self.said.entry(sentence.text.clone()).or_default();
        if said.iter().any(|(act, types, who)| *act == deed.act && *types == deed.types && who == whom) {
            return parties.len();
        }
        said.push((deed.act, deed.types.clone(), whom.clone()));
        let count = parties.len();
        for name in parties {
            let party =
                name.map(|name| Party { known: self.ontology.recipients.find(&name), name, domains: Vec::new() });
            let mut statement = Statement::new(deed.act, place(self));
            statement.draft = true;
            statement.data_types.clone_from(&deed.types);
            match (deed.act, party) {
                (Act::Collect, Some(party)) => statement.subject = Subject::ThirdParty(party),
                (Act::Share | Act::NotShare, party) => statement.recipient = party,
                _ => {}
            }
            self.statements.push(statement);
        }
        count
    }

    fn leave(&mut self, sentence: &Sentence, reason: NotUnderstoodReason) {
        if self.left.insert(sentence.text.clone()) {
            self.not_understood.push(NotUnderstood {
                file: self.file.to_owned(),
                at: at(sentence),
                line: Some(sentence.line),
                wording: sentence.text.clone(),
                reason,
            });
        }
    }
}

/// Where a sentence stands, in words.
fn at(sentence: &Sentence) -> String {
    match sentence.range {
        Some((start, end)) => format!("characters {start}-{end}"),
        None => format!("line {}", sentence.line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let ontology = Ontology::built_in().unwrap();
        let imported = policy("p.txt", text.as_bytes(), &ontology).unwrap();
        let said = imported.statements.iter().map(|said| {
            let types: Vec<&str> = said.data_types.iter().map(|id| ontology.data_types.id_of(*id)).collect();
            let party = said.third_party().map(|party| format!(" {}", party.name)).unwrap_or_default();
            format!("{}{party}: {}", said.act, types.join(", "))
        });
        let left = imported.not_understood.iter().map(|left| format!("left as {}", left.reason.as_str()));
        said.chain(left).collect()
    }

    #[test]
    fn what_is_denied_is_no_collection_and_half_a_denial_is_none() {
        for (text, wanted) in [
            ("We collect your location but never your contacts.", vec!["collect: location"]),
            ("We do not collect your contacts.", vec!["not_collect: contacts"]),
            ("我们收集位置信息，但不会收集通讯录。", vec!["collect: location", "not_collect: contacts"]),
            ("Without your consent we do not read your contacts.", vec!["left as denial"]),
            ("未经您同意，我们不会收集您的位置信息。", vec!["left as denial"]),
            ("We do not use your contacts for advertising.", vec!["left as denial"]),
            ("We do not sell your location.", vec!["left as denial"]),
            ("You can delete your photos at any time.", vec!["left as prose"]),
            ("您可以随时删除您的头像。", vec!["left as prose"]),
            ("我们会将您的手机号码共享给高德。", vec!["share amap: phone_number"]),
            ("On iOS we collect your location.", vec!["left as other_system"]),
            ("我们申请相机权限，用于扫码。", vec!["left as prose"]),
        ] {
            let found = read(text);
            let found: Vec<&str> = found
                .iter()
                .map(String::as_str)
                .filter(|line| *line != "left as prose" || wanted == ["left as prose"])
                .collect();
            assert_eq!(found, wanted, "{text}");
        }
    }

    #[test]
    fn a_text_without_data_is_refused_and_says_what_was_looked_for() {
        let ontology = Ontology::built_in().unwrap();
        for (text, wanted) in [("", "the file is empty"), ("Nice weather today.", "no sentence in it says")] {
            let error = policy("p.txt", text.as_bytes(), &ontology).unwrap_err().to_string();
            assert!(error.starts_with("p.txt: ") && error.contains(wanted), "{error}");
        }
        assert!(policy("p.pdf", b"%PDF-1.7", &ontology).unwrap_err().to_string().contains("PDF"));
    }

    #[test]
    fn a_policy_without_drafts_says_why() {
        let ontology = Ontology::built_in().unwrap();
        let notes = |text: &str| policy("p.txt", text.as_bytes(), &ontology).unwrap().notes.join("\n");
        assert!(notes("On iOS we collect your location.").contains("another system than Android"));
        assert!(notes("You can delete your photos at any time.").contains("no sentence in it gave a draft"));
        assert!(notes("We collect your location.").contains("1 drafts from running text"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(We (do not )?(collect|share) |我们(不会)?(收集|共享))?.{0,60}(location|位置|it)?[.。:]?.{0,20}") {
            let ontology = ONTOLOGY.get_or_init(|| Ontology::built_in().unwrap());
            let _ = policy("p.txt", text.as_bytes(), ontology);
        }
    }

    static ONTOLOGY: std::sync::OnceLock<Ontology> = std::sync::OnceLock::new();
}
