//! What a text names. A line is asked several times before it is known what it is: each answer is found once.

use std::cell::OnceCell;

use super::super::data;
use super::is_package;
use crate::host::ontology::{DataName, Ontology, TextKey, name_key};

/// What stands between the pieces of a list.
pub(super) const PIECES: &[char] = &[
    '、', '/', '／', ',', '，', ';', '；', ':', '：', '(', ')', '（', '）', '|', '｜', '。', '\n', ' ', '\t',
    '\u{3000}',
];

/// A piece without the number of an entry: "1.相册".
fn numberless(key: &str) -> &str {
    key.trim_start_matches(|character: char| character.is_ascii_digit() || character == '.')
}

/// A text and what was found in it so far.
pub(super) struct Seen<'t> {
    text: &'t str,
    ontology: &'t Ontology,
    key: OnceCell<TextKey>,
    names_data: OnceCell<bool>,
    names_party: OnceCell<bool>,
}

impl<'t> Seen<'t> {
    pub(super) fn new(text: &'t str, ontology: &'t Ontology) -> Self {
        let (key, names_data, names_party) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { text, ontology, key, names_data, names_party }
    }

    fn key(&self) -> &TextKey {
        self.key.get_or_init(|| TextKey::new(self.text))
    }

    /// Whether it says SDK.
    pub(super) fn says_sdk(&self) -> bool {
        self.key().contains(&['s', 'd', 'k'])
    }

    /// Whether it can name a third party: it says SDK, or has a name that is known.
    pub(super) fn names_party(&self) -> bool {
        let named =
            || self.says_sdk() || self.names_known() || self.ontology.recipients.company_in(self.key()).is_some();
        *self.names_party.get_or_init(named)
    }

    /// Whether it has the name of a recipient that is known.
    pub(super) fn names_known(&self) -> bool {
        self.ontology.recipients.mentioned_in(self.key()).is_some()
    }

    /// Whether it names data.
    pub(super) fn names_data(&self) -> bool {
        *self.names_data.get_or_init(|| data::names_data(self.key(), &self.ontology.data_types))
    }

    /// Whether it names data, or lists something that is data by a short name: "短信" alone, not within other words.
    pub(super) fn lists_data(&self) -> bool {
        self.names_data() || self.text.split(PIECES).any(|piece| self.is_data(numberless(&name_key(piece))))
    }

    fn is_data(&self, key: &str) -> bool {
        !key.is_empty()
            && matches!(self.ontology.data_types.named(key), Some(DataName::Type(_) | DataName::OtherSystem))
    }

    /// What it names, as keys: data, wherever it stands, and each piece that says SDK.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names = data::names_in(self.key(), &self.ontology.data_types);
        for key in self.text.split(PIECES).filter(|piece| !is_package(piece)).map(name_key) {
            // "360SDK" is a name with its number.
            if key.contains("sdk") {
                names.push(key);
            } else if self.is_data(numberless(&key)) {
                names.push(numberless(&key).to_owned());
            }
        }
        names
    }
}
