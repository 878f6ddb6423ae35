//! Lines to sentences, and where in the document each stands.

use crate::host::declared_terms::import::blocks::{Block, LineKind};

/// A sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) text: String,
    /// Line of the source in which its block begins, from 1.
    pub(super) line: u32,
    /// Characters of the source, from 0, end exclusive; `None` when it could not be found there again.
    pub(super) range: Option<(usize, usize)>,
    pub(super) role: Role,
    /// A colon ends it: what follows are its objects.
    pub(super) announces: bool,
    /// The last sentence of its line.
    pub(super) last: bool,
    /// An entry of a list by its markup, not by a number in front.
    pub(super) bulleted: bool,
}

impl Sentence {
    /// Whether it looks like a title in a text without marks: short, alone on its line, and nothing ends it.
    pub(super) fn is_title(&self) -> bool {
        let characters = self.text.chars().count();
        let ended = self.text.ends_with(['.', '。', '!', '！', '?', '？', ';', '；', ':', '：', ',', '，', '、']);
        self.last && !self.bulleted && !ended && matches!(self.role, Role::Item | Role::Text) && characters <= 40
    }
}

/// What the line of a sentence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Heading,
    Item,
    Text,
    Cell,
}

/// Hands over every sentence of a document, in order.
pub(super) fn for_each_sentence(blocks: &[Block], source: &str, mut each: impl FnMut(Sentence)) {
    let mut finder = Finder::new(source);
    let mut add = |text: &str, line: u32, role: Role, bulleted: bool| {
        let parts = split(text);
        let count = parts.len();
        for (index, part) in parts.into_iter().enumerate() {
            let range = finder.find(part, line);
            let announces = part.trim_end().ends_with([':', '：']);
            each(Sentence { text: part.to_owned(), line, range, role, announces, last: index + 1 == count, bulleted });
        }
    };
    for block in blocks {
        match block {
            Block::Line(line) => {
                let role = match line.kind {
                    LineKind::Heading => Role::Heading,
                    LineKind::Item(_) | LineKind::Term => Role::Item,
                    LineKind::Paragraph if is_numbered(&line.text) => Role::Item,
                    LineKind::Paragraph => Role::Text,
                };
                let bulleted = matches!(line.kind, LineKind::Item(_) | LineKind::Term);
                add(&line.text, line.line, role, bulleted);
            }
            Block::Table(table) => {
                for cell in &table.cells {
                    for line in cell.text.lines() {
                        add(line, cell.line, Role::Cell, false);
                    }
                }
            }
        }
    }
}

/// "1. ", "(1)", "1）", "一、", "①", "a) ".
pub(super) fn is_numbered(text: &str) -> bool {
    let text = text.trim_start_matches(['(', '（', '[']);
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return false };
    if "①②③④⑤⑥⑦⑧⑨⑩".contains(first) {
        return true;
    }
    let numeral = |character: char| character.is_ascii_digit() || "一二三四五六七八九十".contains(character);
    let rest = if numeral(first) {
        text.trim_start_matches(numeral)
    } else if first.is_ascii_lowercase() {
        characters.as_str()
    } else {
        return false;
    };
    rest.starts_with(['.', '、', ')', '）', ']', '．'])
}

/// The sentences of a line, each with what ends it.
pub(super) fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut depth = 0_usize;
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        let end = index + character.len_utf8();
        let next = characters.peek().map(|(_, next)| *next);
        match character {
            '(' | '（' => depth += 1,
            ')' | '）' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let ends = match character {
            '。' | '！' | '？' | '；' => depth == 0,
            '!' | '?' | ';' => depth == 0 && next.is_none_or(char::is_whitespace),
            '.' => depth == 0 && ends_english(text, index, end),
            '\n' => true,
            _ => false,
        };
        if ends {
            parts.extend(text.get(start..end).map(str::trim).filter(|part| !part.is_empty()));
            start = end;
        }
    }
    parts.extend(text.get(start..).map(str::trim).filter(|part| !part.is_empty()));
    parts
}

/// Whether a full stop ends a sentence: a space and something that can begin one follow, and no abbreviation or number
/// stands before.
fn ends_english(text: &str, index: usize, end: usize) -> bool {
    let after = text.get(end..).unwrap_or_default();
    if after.is_empty() {
        return true;
    }
    if !after.starts_with(char::is_whitespace) {
        return false;
    }
    let begins = after.trim_start().chars().next().is_some_and(|next| !next.is_lowercase());
    let word = text.get(..index).unwrap_or_default().rsplit(char::is_whitespace).next().unwrap_or_default();
    let abbreviation = matches!(
        word.to_ascii_lowercase().trim_start_matches('('),
        "e.g" | "i.e" | "etc" | "inc" | "ltd" | "no" | "co"
    );
    let number = !word.is_empty() && word.chars().all(|character| character.is_ascii_digit());
    begins && !(number && word.len() <= 2) && (!abbreviation || word.eq_ignore_ascii_case("etc"))
}

/// Finds sentences again in the source they were taken from, where markup stands between their words.
struct Finder {
    source: Vec<char>,
    /// Index of the first character of each line.
    lines: Vec<usize>,
    /// The search goes on behind the last one found.
    from: usize,
    /// How often a sentence was not found.
    missed: usize,
}

/// After so many sentences that were not found, the page is one that cannot be followed, and searching on costs time only.
const MISSES: usize = 200;

/// A sentence is looked for in so many characters behind the place where its line begins.
const REACH: usize = 40_000;

impl Finder {
    fn new(source: &str) -> Self {
        let mut characters = Vec::with_capacity(source.chars().count());
        characters.extend(source.chars());
        let source = characters;
        let mut lines = vec![0];
        lines.extend(source.iter().enumerate().filter(|(_, character)| **character == '\n').map(|(at, _)| at + 1));
        Self { source, lines, from: 0, missed: 0 }
    }

    /// The characters of the source that this text was made from.
    fn find(&mut self, text: &str, line: u32) -> Option<(usize, usize)> {
        if self.missed > MISSES {
            return None;
        }
        let wanted = text.chars().filter(|character| !character.is_whitespace());
        let first = wanted.clone().next()?;
        let line_start = usize::try_from(line).ok().and_then(|line| self.lines.get(line.saturating_sub(1))).copied();
        // The parser gives the line in which a node ended up, which can be later than its first character.
        let start = self.from.min(line_start.unwrap_or(self.from));
        let start = if start + REACH < self.from { self.from } else { start.max(self.from) };
        let end = self.source.len().min(start.saturating_add(REACH));
        for at in start..end {
            let character = self.source.get(at).copied()?;
            if character != first && character != '&' {
                continue;
            }
            if let Some(stop) = self.fits(at, wanted.clone()) {
                self.from = stop;
                return Some((at, stop));
            }
        }
        self.missed += 1;
        None
    }

    /// Where the wanted characters end when they begin here, markup and white space between them left out.
    fn fits(&self, at: usize, wanted: impl Iterator<Item = char>) -> Option<usize> {
        let mut index = at;
        let mut wanted = wanted.peekable();
        while let Some(next) = wanted.peek().copied() {
            let character = self.source.get(index).copied()?;
            if character == next {
                wanted.next();
                index += 1;
                continue;
            }
            match character {
                space if space.is_whitespace() => index += 1,
                '<' => {
                    let close = self.source.iter().skip(index).take(2_000).position(|close| *close == '>')?;
                    index += close + 1;
                }
                '&' => {
                    let close = self.source.iter().skip(index).take(12).position(|close| *close == ';')?;
                    let name: String = self.source.get(index + 1..index + close)?.iter().collect();
                    index += close + 1;
                    // A space is left out on both sides; any other entity stands for one character.
                    if !matches!(name.as_str(), "nbsp" | "ensp" | "emsp" | "#160" | "zwnj") {
                        wanted.next();
                    }
                }
                '*' | '_' | '[' | '`' => index += 1,
                ']' if self.source.get(index + 1) == Some(&'(') => {
                    let close = self.source.iter().skip(index).take(2_000).position(|close| *close == ')')?;
                    index += close + 1;
                }
                _ => return None,
            }
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::declared_terms::import::{html, plain};

    fn sentences(blocks: &[Block], source: &str) -> Vec<Sentence> {
        let mut found = Vec::new();
        for_each_sentence(blocks, source, |sentence| found.push(sentence));
        found
    }

    #[test]
    fn sentences_end_where_people_end_them() {
        assert_eq!(
            split("We read data, e.g. your location. It is kept 3.5 years! 我们收集位置。不收集通讯录；"),
            ["We read data, e.g. your location.", "It is kept 3.5 years!", "我们收集位置。", "不收集通讯录；"]
        );
        assert_eq!(
            split("我们收集设备信息（型号；系统。版本）用于统计。"),
            ["我们收集设备信息（型号；系统。版本）用于统计。"]
        );
    }

    #[test]
    fn numbers_begin_entries() {
        for text in ["1. a", "(1) a", "1）甲", "一、甲", "①甲", "a) b", "12、甲"] {
            assert!(is_numbered(text), "{text}");
        }
        for text in ["We", "a b", "3 days", "一般", "2021年"] {
            assert!(!is_numbered(text), "{text}");
        }
    }

    #[test]
    fn every_sentence_is_found_again_in_the_source() {
        let page = "<html><body><p>We collect your\n <b>location</b>&nbsp;data. It&#39;s kept.</p>\n<p>我们<span>收集</span>位置。</p>";
        let found = sentences(&html::read(page), page);
        let source: Vec<char> = page.chars().collect();
        let shown: Vec<String> = found
            .iter()
            .map(|sentence| {
                let (start, end) = sentence.range.unwrap();
                source[start..end].iter().collect()
            })
            .collect();
        assert_eq!(
            shown,
            ["We collect your\n <b>location</b>&nbsp;data.", "It&#39;s kept.", "我们<span>收集</span>位置。"]
        );
        let text = "# Privacy\n\nWe read **contacts** and [photos](https://a.example/x).\n";
        let found = sentences(&plain::read(text), text);
        assert_eq!(found[1].range, Some((11, 66)));
        assert_eq!((found[0].role, found[1].role, found[1].line), (Role::Heading, Role::Text, 3));
    }
}
