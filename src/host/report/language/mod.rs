//! The two languages of a report.
//!
//! * What the report itself says is in [`words`], a table with both languages.
//! * What the verdict says in English sentences (findings, reasons, notices) is given in Chinese by [`sentences`], by its
//!   form. The verdict keeps one language, so that the JSON report has one text for one fact; a sentence whose form is not
//!   known stays English, and a test fails for it.

mod sentences;
mod words;

use std::collections::BTreeMap;

pub(super) use words::WORDS;

use super::harmless;
use crate::host::correlate::Verdict;

/// The language in which a report opens. Every report holds both; the reader can switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// Chinese.
    Chinese,
    /// One beside the other.
    Both,
}

impl Language {
    /// The language of a locale's name, such as `zh_CN.UTF-8`; English for what is neither.
    #[must_use]
    pub fn of_locale(locale: &str) -> Self {
        if locale.starts_with("zh") { Self::Chinese } else { Self::English }
    }

    /// The value of `lang` in HTML.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English | Self::Both => "en",
        }
    }
}

/// Text in both languages, as HTML. The reader's choice hides one of them.
pub(super) fn both(english: &str, chinese: &str) -> String {
    let (english, chinese) = (escape(english), escape(chinese));
    if english == chinese {
        return english;
    }
    format!("<span class=\"en\" lang=\"en\">{english}</span><span class=\"zh\" lang=\"zh-CN\">{chinese}</span>")
}

/// Text that came from outside, as HTML: without characters that a reader's eye would obey, and without markup.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in harmless(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A text of the report, in both languages. What is not in the table stands for itself: names that users chose.
pub(super) fn word(key: &str) -> Option<(&'static str, &'static str)> {
    WORDS.iter().find(|(known, ..)| *known == key).map(|(_, english, chinese)| (*english, *chinese))
}

/// What sentences are put into Chinese with: the names of the data types that the verdict speaks of.
#[derive(Debug, Default)]
pub struct Translator {
    data_types: BTreeMap<String, String>,
}

impl Translator {
    /// For the sentences of this verdict.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Self {
        use crate::host::correlate::verdict::Subject;
        let findings =
            verdict.rules.iter().flat_map(|rule| &rule.findings).chain(
                verdict.profiles.iter().flat_map(|profile| &profile.clauses).flat_map(|clause| &clause.findings),
            );
        let subjects = findings.filter_map(|finding| match &finding.subject {
            Subject::Data(name) => Some(name),
            _ => None,
        });
        let names = subjects.chain(verdict.data.iter().map(|data| &data.data_type));
        Self { data_types: names.map(|name| (name.id.clone(), name.name_zh.clone())).collect() }
    }

    /// The sentence in Chinese; `None` when its form is not known.
    #[must_use]
    pub fn chinese(&self, sentence: &str) -> Option<String> {
        sentences::SENTENCES.iter().find_map(|(english, chinese)| {
            let held = captured(english, sentence)?;
            let mut out = String::new();
            for part in parts(chinese) {
                match part {
                    Part::Text(text) => out.push_str(text),
                    Part::Hole(name) => {
                        let (_, value) = held.iter().find(|(known, _)| *known == name)?;
                        out.push_str(&self.held(name, value));
                    }
                }
            }
            Some(out)
        })
    }

    /// What stands in a hole, in Chinese where the hole's name says what it is.
    fn held(&self, name: &str, value: &str) -> String {
        match name {
            "data" => value
                .split(", ")
                .map(|id| self.data_types.get(id).map_or_else(|| id.to_owned(), |name| format!("{name}（{id}）")))
                .collect::<Vec<_>>()
                .join("、"),
            "families" => value.split(", ").map(family_in_chinese).collect::<Vec<_>>().join("、"),
            "phase" => value.split(", ").map(phase_in_chinese).collect::<Vec<_>>().join("、"),
            "said" => {
                let said = |part: &str| self.chinese(part).unwrap_or_else(|| part.to_owned());
                // The whole first: some forms have a semicolon of their own.
                self.chinese(value).unwrap_or_else(|| value.split("; ").map(said).collect::<Vec<_>>().join("；"))
            }
            "times" => match value {
                "once" => "1次".to_owned(),
                "twice" => "2次".to_owned(),
                more => more.replace(" times", "次"),
            },
            "family" => family_in_chinese(value),
            _ => value.to_owned(),
        }
    }
}

fn family_in_chinese(name: &str) -> String {
    word(&format!("family.{name}")).map_or_else(|| name.to_owned(), |(_, chinese)| chinese.to_owned())
}

fn phase_in_chinese(name: &str) -> String {
    word(&format!("phase.{name}")).map_or_else(|| name.to_owned(), |(_, chinese)| format!("{chinese}（{name}）"))
}

/// A piece of a form.
#[derive(Debug, PartialEq, Eq)]
enum Part<'f> {
    Text(&'f str),
    Hole(&'f str),
}

/// The pieces of a form, in order. `{name}` is a hole.
fn parts(form: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = form;
    while let Some((before, after)) = rest.split_once('{') {
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        let Some((name, behind)) = after.split_once('}') else { break };
        parts.push(Part::Hole(name));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// What stands in the holes, when the sentence has this form. A hole takes as little as it can, the last one the rest: no
/// going back, so that the time is bounded whatever an app put into a name.
fn captured<'f, 's>(form: &'f str, sentence: &'s str) -> Option<Vec<(&'f str, &'s str)>> {
    let mut held = Vec::new();
    let mut rest = sentence;
    let mut open: Option<&str> = None;
    let parts = parts(form);
    let last = parts.len().saturating_sub(1);
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::Hole(name) => open = Some(name),
            Part::Text(text) => {
                let start = match (open, index == last) {
                    (None, _) => rest.starts_with(text).then_some(0)?,
                    (Some(_), true) => rest.ends_with(text).then(|| rest.len() - text.len())?,
                    (Some(_), false) => rest.find(text)?,
                };
                let (before, after) = rest.split_at_checked(start)?;
                if let Some(name) = open.take() {
                    held.push((name, before));
                }
                rest = after.get(text.len()..)?;
            }
        }
    }
    match open {
        Some(name) => held.push((name, rest)),
        None if !rest.is_empty() => return None,
        None => {}
    }
    held.iter().all(|(_, value)| !value.is_empty()).then_some(held)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn is_chinese(text: &str) -> bool {
        text.chars().any(|character| ('\u{4e00}'..='\u{9fff}').contains(&character))
    }

    #[test]
    fn every_text_of_the_report_is_in_both_languages() {
        let mut keys = BTreeSet::new();
        for (key, english, chinese) in WORDS {
            assert!(keys.insert(*key), "{key} occurs twice");
            assert!(!english.trim().is_empty(), "{key} has no English");
            assert!(is_chinese(chinese) || *english == *chinese, "{key} has no Chinese: {chinese}");
        }
    }

    #[test]
    fn every_sentence_has_the_same_holes_in_both_languages() {
        let mut seen = BTreeSet::new();
        for (english, chinese) in sentences::SENTENCES {
            assert!(seen.insert(english), "{english} occurs twice");
            assert!(is_chinese(chinese), "{chinese}");
            let holes = |form| -> BTreeSet<&str> {
                parts(form)
                    .into_iter()
                    .filter_map(|part| match part {
                        Part::Hole(name) => Some(name),
                        Part::Text(_) => None,
                    })
                    .collect()
            };
            assert_eq!(holes(english), holes(chinese), "{english}");
        }
    }

    /// A form that a more general one in front of it takes away would never be used.
    #[test]
    fn no_sentence_is_hidden_by_one_before_it() {
        let translator = Translator::default();
        for (english, chinese) in sentences::SENTENCES {
            let filled = |form: &str| {
                parts(form)
                    .iter()
                    .map(|part| match part {
                        Part::Text(text) => (*text).to_owned(),
                        Part::Hole(name) => format!("<{name}>"),
                    })
                    .collect::<String>()
            };
            assert_eq!(translator.chinese(&filled(english)).as_deref(), Some(filled(chinese).as_str()), "{english}");
        }
    }

    #[test]
    fn holes_hold_what_stands_there() {
        assert_eq!(
            captured("{a} read {b}, and {c}", "x read y, and z, and w"),
            Some(vec![("a", "x"), ("b", "y"), ("c", "z, and w")])
        );
        assert_eq!(captured("only {a}", "only"), None);
        assert_eq!(captured("the whole", "the whole and more"), None);
        assert_eq!(captured("{a} end", "the end end"), Some(vec![("a", "the end")]));
    }

    #[test]
    fn markup_from_outside_is_text() {
        assert_eq!(escape("<b a='\"'>&\u{202e}"), "&lt;b a=&#39;&quot;&#39;&gt;&amp;\u{fffd}");
        assert_eq!(both("a", "a"), "a");
    }

    #[test]
    fn locales_choose_the_language() {
        assert_eq!(Language::of_locale("zh_CN.UTF-8"), Language::Chinese);
        assert_eq!(Language::of_locale("C"), Language::English);
    }
}
