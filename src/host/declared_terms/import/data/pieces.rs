//! A cell cut into pieces: at separators, brackets, labels and numbers.

use super::super::words::TAILS;

/// A piece between separators: words, what stands in brackets behind them, and whether a colon ends it.
#[derive(Debug, Clone, Default)]
pub(super) struct Piece {
    pub(super) head: String,
    pub(super) groups: Vec<String>,
    /// What follows belongs to it, up to the next one of these or the end of the line.
    pub(super) is_label: bool,
    /// A strong separator follows: the end of a line or a sentence.
    pub(super) ends: bool,
    /// It stood in thick brackets, which set it off from what follows.
    pub(super) marker: bool,
    /// It follows brackets without a separator: "第三方（微信、QQ）账号信息".
    pub(super) joined: bool,
    /// Its brackets say of what it is, in the middle of its name: they are no list of data.
    pub(super) split: bool,
}

fn closing(open: char) -> Option<char> {
    Some(match open {
        '(' | '（' => ')',
        '[' | '［' => ']',
        '{' | '｛' => '}',
        '〔' => '〕',
        '<' | '〈' | '《' => '>',
        _ => return None,
    })
}

fn closes(character: char) -> Option<char> {
    Some(match character {
        ')' | '）' => ')',
        ']' | '］' => ']',
        '}' | '｝' => '}',
        '〕' => '〕',
        '>' | '〉' | '》' => '>',
        _ => return None,
    })
}

/// The end (exclusive, without the bracket) of what a bracket at `open` encloses, and where to go on.
fn enclosed(characters: &[char], open: usize) -> (usize, usize) {
    let mut depth = 0_usize;
    for (index, character) in characters.iter().enumerate().skip(open) {
        if matches!(character, '(' | '（' | '[' | '［' | '{' | '｛' | '〔') {
            depth += 1;
        } else if matches!(closes(*character), Some(close) if close != '>') {
            // Pages mix the widths of brackets, and kinds of them, so that any close ends any open.
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return (index, index + 1);
            }
        }
    }
    // Never closed: up to the end of the line.
    let end =
        characters.iter().skip(open).position(|character| *character == '\n').map_or(characters.len(), |at| open + at);
    (end, end)
}

pub(super) fn pieces(text: &str) -> Vec<Piece> {
    let characters: Vec<char> = text.chars().collect();
    let mut out: Vec<Piece> = Vec::new();
    let mut piece = Piece::default();
    let finish = |piece: &mut Piece, out: &mut Vec<Piece>, ends: bool| {
        let mut done = std::mem::take(piece);
        done.ends = ends;
        // "1、" before an entry.
        if !ends && done.groups.is_empty() && done.head.trim().chars().all(|character| character.is_ascii_digit()) {
            return;
        }
        if !done.head.trim().is_empty() || !done.groups.is_empty() {
            out.push(done);
        } else if ends && let Some(last) = out.last_mut() {
            last.ends = true;
        }
    };
    let mut index = 0;
    while let Some(character) = characters.get(index).copied() {
        index += 1;
        match character {
            '(' | '（' | '[' | '［' | '{' | '｛' | '〔' if closing(character).is_some() => {
                let (end, next) = enclosed(&characters, index - 1);
                let inner: String = characters.get(index..end).unwrap_or_default().iter().collect();
                index = next;
                // A number in brackets begins an entry.
                let number = inner.chars().count() <= 3
                    && inner
                        .chars()
                        .all(|character| character.is_numeric() || "一二三四五六七八九十".contains(character));
                if number && piece.groups.is_empty() && piece.head.trim().is_empty() {
                    continue;
                }
                if number && (piece.head.ends_with([' ', '\n']) || !piece.groups.is_empty()) {
                    finish(&mut piece, &mut out, true);
                    continue;
                }
                piece.groups.push(inner);
            }
            '【' | '〖' => {
                finish(&mut piece, &mut out, true);
                let end = characters.iter().skip(index).position(|close| matches!(close, '】' | '〗'));
                let end = end.map_or(characters.len(), |at| index + at);
                let inner: String = characters.get(index..end).unwrap_or_default().iter().collect();
                index = end + 1;
                out.push(Piece { head: inner, is_label: true, marker: true, ..Piece::default() });
            }
            '、' | '，' | ',' | '/' | '／' | '|' | '｜' | '•' | '●' | '■' | '◆' | '○' | '·' | '▪' | '\\' | '､' =>
            {
                finish(&mut piece, &mut out, false);
            }
            ';' | '；' | '\n' | '。' => finish(&mut piece, &mut out, true),
            ':' | '：' => {
                if piece.head.trim().is_empty() && piece.groups.is_empty() {
                    // Behind a marker, or stray.
                    continue;
                }
                piece.is_label = true;
                finish(&mut piece, &mut out, false);
            }
            blank if blank.is_whitespace() && begins_entry(&characters, index).is_some() => {
                finish(&mut piece, &mut out, true);
                index = begins_entry(&characters, index).unwrap_or(index);
            }
            other => {
                // What follows a bracket without a separator is a piece of its own, unless it only rounds the words off.
                if !piece.groups.is_empty() && !other.is_whitespace() {
                    let rest: String = characters.get(index - 1..).unwrap_or_default().iter().take(6).collect();
                    match TAILS.iter().find(|tail| rest.starts_with(**tail)) {
                        Some(tail) => {
                            index += tail.chars().count() - 1;
                            continue;
                        }
                        None => {
                            finish(&mut piece, &mut out, false);
                            piece.joined = true;
                        }
                    }
                }
                piece.head.push(other);
            }
        }
    }
    finish(&mut piece, &mut out, true);
    out
}

/// Where an entry begins whose number stands at `at`: "2.MAC地址", but not "2.4G".
fn begins_entry(characters: &[char], at: usize) -> Option<usize> {
    let digits = characters.iter().skip(at).take_while(|character| character.is_ascii_digit()).count();
    let mark = characters.get(at + digits).filter(|mark| matches!(mark, '.' | '．' | '、' | ')' | '）'));
    let next = characters.get(at + digits + 1).filter(|next| !next.is_ascii_digit() && !next.is_whitespace());
    ((1..=2).contains(&digits) && mark.is_some() && next.is_some()).then_some(at + digits + 1)
}

/// "1. ", "(2)", "①", "a)" at the beginning.
pub(super) fn strip_number(text: &str) -> &str {
    let text = text.trim().trim_start_matches(|character: char| {
        ('①'..='⑳').contains(&character) || matches!(character, '-' | '*' | '—' | '–')
    });
    let text = text.trim();
    let digits = text.trim_start_matches(|character: char| character.is_ascii_digit());
    if digits.len() < text.len() {
        let rest = digits.trim_start_matches(['.', '．', ')', '）', '、', ' ']);
        // "4G" and "2.4GHz" are no numbered entries.
        if rest.len() < digits.len()
            && !rest.is_empty()
            && !rest.starts_with(|character: char| character.is_ascii_digit())
        {
            return rest.trim();
        }
    }
    text
}
