//! A cell that lists data types, taken apart: every piece becomes data types, or is given back as not understood.

mod pieces;
mod remarks;
mod systems;

use std::cell::RefCell;
use std::collections::HashMap;

use self::pieces::{Piece, pieces, strip_number};
use self::remarks::{is_noun, is_values, says_none};
pub(super) use self::systems::{System, bare_system_heading, system_in};
use self::systems::{bare_system, leading_system};
use super::words::{BEFORE, BEHIND, BETWEEN, DENIALS, NOTES};
use crate::host::declared_terms::{Confidence, NotUnderstoodReason};
use crate::host::ontology::{DataName, DataTypes, TextKey, TypeId, name_key};

/// What was read from a cell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DataCell {
    /// The data types, in the order in which they are named, each once.
    pub(super) types: Vec<TypeId>,
    /// Data types that the cell denies.
    pub(super) denied: Vec<TypeId>,
    /// The least sure of the pieces.
    pub(super) confidence: Option<Confidence>,
    /// Pieces that became nothing.
    pub(super) left: Vec<(String, NotUnderstoodReason)>,
    /// The cell says that there is nothing.
    pub(super) says_none: bool,
    /// A part was said of Android or of another system.
    pub(super) tells_systems: bool,
}

impl DataCell {
    fn add(&mut self, types: &[TypeId], confidence: Confidence) {
        for id in types {
            if !self.types.contains(id) {
                self.types.push(*id);
            }
        }
        if !types.is_empty() {
            self.confidence = self.confidence.max(Some(confidence));
        }
    }

    fn leave(&mut self, wording: &str, reason: NotUnderstoodReason) {
        let wording = wording.trim();
        if !wording.is_empty() {
            self.left.push((wording.to_owned(), reason));
        }
    }
}

/// What a piece of words is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    Types(Vec<TypeId>, Confidence),
    /// A heading that says nothing.
    Group,
    OtherSystem,
    /// Words that tell why or when.
    Note,
    Unknown,
}

/// Reads a cell with a reader made for it.
#[cfg(test)]
pub(super) fn read(text: &str, types: &DataTypes, system: Option<System>) -> DataCell {
    Reader::new(types).read(text, system)
}

/// Whether a text names a data type anywhere.
pub(super) fn names_data(text: &TextKey, types: &DataTypes) -> bool {
    (0..text.characters().len()).any(|start| name_at(text, start, types).is_some())
}

/// The names of data types in a text, as keys, in their order.
pub(super) fn names_in(text: &TextKey, types: &DataTypes) -> Vec<String> {
    let characters = text.characters();
    let mut names = Vec::new();
    let mut start = 0;
    while start < characters.len() {
        let length = name_at(text, start, types).unwrap_or(0);
        if length > 0 {
            names.push(characters.iter().skip(start).take(length).collect());
        }
        start += length.max(1);
    }
    names
}

/// The length of the name of a data type that stands at a place, alone or among words.
fn name_at(text: &TextKey, start: usize, types: &DataTypes) -> Option<usize> {
    let rest = text.characters().get(start..)?;
    let (length, DataName::Type(_) | DataName::OtherSystem) = types.longest_name(rest)? else { return None };
    (length >= 3 && !text.is_within_word(start) && !text.is_within_word(start + length)).then_some(length)
}

/// Reads cells. The same pieces come again and again in one document, so that what they mean is kept.
pub(super) struct Reader<'a> {
    types: &'a DataTypes,
    meanings: RefCell<HashMap<String, Meaning>>,
    systems: RefCell<HashMap<String, Option<System>>>,
}

/// At most so many pieces are kept.
const KEPT: usize = 20_000;

/// Brackets within brackets within brackets are read as one piece.
const DEEPEST: usize = 6;

impl<'a> Reader<'a> {
    /// A reader that knows these data types.
    pub(super) fn new(types: &'a DataTypes) -> Self {
        Self { types, meanings: RefCell::default(), systems: RefCell::default() }
    }

    /// Reads a cell. `system` is what the row or the section says of the system.
    pub(super) fn read(&self, text: &str, system: Option<System>) -> DataCell {
        let mut cell = DataCell::default();
        if says_none(name_key(text).trim_matches(|character| matches!(character, '。' | '.' | '-'))) {
            cell.says_none = true;
            return cell;
        }
        self.list(text, system, 0, &mut cell);
        if cell.types.is_empty() && cell.denied.is_empty() && cell.left.is_empty() {
            // A heading or a note alone: nobody knows what was meant.
            cell.leave(text, NotUnderstoodReason::UnknownDataType);
        }
        cell
    }

    fn list(&self, text: &str, outer: Option<System>, depth: usize, cell: &mut DataCell) {
        let mut system = outer;
        let pieces = self.whole_names(pieces(text));
        let mut index = 0;
        while let Some(piece) = pieces.get(index) {
            index += 1;
            let head = strip_number(&piece.head);
            if piece.groups.is_empty()
                && let Some(found) = self.bare_system(head)
            {
                cell.tells_systems = true;
                system = Some(found);
                // "Android:" alone on its line holds until the next one, however many lines follow.
                if piece.ends && !piece.is_label && !piece.marker {
                    continue;
                }
                index = self.labelled(&pieces, index, None, system, depth, cell);
                let strong = pieces.get(index.saturating_sub(1)).is_some_and(|last| last.ends);
                if strong && !piece.marker {
                    system = outer;
                }
                continue;
            }
            // "iOS如IDFV、IDFA": the system stands before the first of them.
            if let Some((found, rest)) = leading_system(head) {
                cell.tells_systems = true;
                system = Some(found);
                let piece = Piece { head: rest.to_owned(), ..piece.clone() };
                self.piece(&piece, system, depth, cell);
                if piece.ends {
                    system = outer;
                }
                continue;
            }
            if piece.is_label {
                index = self.labelled(&pieces, index, Some(piece), system, depth, cell);
                continue;
            }
            self.piece(piece, system, depth, cell);
        }
    }

    /// Puts names together that brackets cut in two, when only the whole is known or means something else.
    fn whole_names(&self, pieces: Vec<Piece>) -> Vec<Piece> {
        let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            if piece.joined
                && !piece.is_label
                && piece.groups.is_empty()
                && let Some(before) = out.last_mut()
                && !matches!(self.meaning(strip_number(&before.head)), Meaning::Types(..))
            {
                let whole = format!("{}{}", strip_number(&before.head), piece.head.trim());
                if matches!(self.exact(&name_key(&whole)), Some(Meaning::Types(..))) {
                    (before.head, before.ends, before.split) = (whole, piece.ends, true);
                    continue;
                }
            }
            out.push(piece);
        }
        out
    }

    /// Reads what stands behind a label, up to the next label or the end of the sentence; gives the index of what
    /// follows. The label itself counts when nothing behind it does.
    fn labelled(
        &self,
        pieces: &[Piece],
        from: usize,
        label: Option<&Piece>,
        system: Option<System>,
        depth: usize,
        cell: &mut DataCell,
    ) -> usize {
        let mut inner = DataCell::default();
        let mut index = from;
        let marker = label.is_some_and(|label| label.marker);
        let is_group = label.is_some_and(|label| self.meaning(strip_number(&label.head)) == Meaning::Group);
        while let Some(piece) = pieces.get(index) {
            let head = strip_number(&piece.head);
            // Behind a system, or a heading that says nothing, labels belong to it only as pieces of the outer list.
            if piece.is_label || leading_system(head).is_some() || self.bare_system(head).is_some() {
                break;
            }
            index += 1;
            self.piece(piece, system, depth, &mut inner);
            if piece.ends && !marker {
                break;
            }
        }
        if let Some(label) = label {
            let about = !label.groups.is_empty();
            let understood =
                !inner.types.is_empty() || inner.left.iter().any(|left| left.1 == NotUnderstoodReason::OtherSystem);
            if about || (!understood && !is_group) {
                self.piece(&Piece { is_label: false, ..label.clone() }, system, depth, cell);
                // Behind a known data type, unknown words tell what it is for.
                if !cell.types.is_empty() || about {
                    inner.left.retain(|left| left.1 != NotUnderstoodReason::UnknownDataType || is_noun(&left.0));
                }
            }
        }
        cell.add(&inner.types, inner.confidence.unwrap_or(Confidence::Structured));
        cell.denied.extend(inner.denied);
        cell.left.extend(inner.left);
        cell.tells_systems |= inner.tells_systems;
        index
    }

    fn piece(&self, piece: &Piece, system: Option<System>, depth: usize, cell: &mut DataCell) {
        let head = strip_number(&piece.head);
        let whole = || {
            let groups: String = piece.groups.iter().map(|group| format!("({group})")).collect();
            format!("{head}{groups}")
        };
        let mut system = system;
        let mut members = DataCell::default();
        let mut open = head.ends_with('等');
        let mut any_group = false;
        for group in &piece.groups {
            if let Some(found) = self.bare_system(group) {
                cell.tells_systems = true;
                system = Some(found);
                continue;
            }
            any_group = true;
            let key = name_key(group);
            open |= ["如", "例如", "比如", "诸如", "包括但不限于", "suchas", "e.g", "eg"]
                .iter()
                .any(|word| key.starts_with(word));
            open |=
                ["等", "等等", "等信息", "等相关信息", "等数据", "etc", "etc."].iter().any(|word| key.ends_with(word));
            if depth < DEEPEST {
                self.list(group, system, depth + 1, &mut members);
            } else {
                members.leave(group, NotUnderstoodReason::UnknownDataType);
            }
        }
        if piece.split {
            open = true;
            members.left.clear();
        }
        let denial = DENIALS.iter().find_map(|denial| head.strip_prefix(denial));
        let words = denial.unwrap_or(head);
        let meaning = self.meaning(words);
        if system == Some(System::Other) {
            // Brackets of a piece for another system belong to it.
            if !matches!(meaning, Meaning::Note | Meaning::Group) || any_group {
                cell.leave(&whole(), NotUnderstoodReason::OtherSystem);
            }
            return;
        }
        if denial.is_some() {
            match meaning {
                Meaning::Types(types, _) => {
                    let inner = if members.types.is_empty() || open { types } else { Vec::new() };
                    cell.denied.extend(inner.into_iter().chain(members.types));
                }
                _ if !members.types.is_empty() => cell.denied.extend(members.types),
                _ => cell.leave(&whole(), NotUnderstoodReason::UnknownDataType),
            }
            return;
        }
        if any_group {
            // "网络类型(WiFi/4G)": the brackets give values, not data.
            if let Meaning::Types(head_types, confidence) = &meaning
                && piece.groups.iter().all(|group| is_values(group))
            {
                cell.add(head_types, *confidence);
                return;
            }
        }
        let other_only = members.types.is_empty()
            && members.left.iter().any(|left| left.1 == NotUnderstoodReason::OtherSystem)
            && !members.left.iter().any(|left| left.1 == NotUnderstoodReason::UnknownDataType && is_noun(&left.0));
        if !members.types.is_empty() || other_only {
            if open && let Meaning::Types(head_types, confidence) = &meaning {
                cell.add(head_types, *confidence);
            }
            cell.add(&members.types, members.confidence.unwrap_or(Confidence::Structured));
            cell.left.extend(members.left);
            cell.denied.extend(members.denied);
            cell.tells_systems |= members.tells_systems;
            return;
        }
        match meaning {
            Meaning::Types(types, confidence) => {
                cell.add(&types, confidence);
                // What the brackets add is a remark, or a noun that is not known.
                let alone = members.left.len() == 1;
                let remark = |wording: &str| !is_noun(wording) || (alone && wording.chars().count() >= 6);
                cell.left.extend(members.left.into_iter().filter(|left| !remark(&left.0)));
            }
            Meaning::OtherSystem => cell.leave(&whole(), NotUnderstoodReason::OtherSystem),
            Meaning::Note if !any_group => {}
            Meaning::Group if members.left.is_empty() && !any_group => {}
            Meaning::Group => cell.left.extend(members.left),
            Meaning::Note | Meaning::Unknown => cell.leave(&whole(), NotUnderstoodReason::UnknownDataType),
        }
    }

    fn bare_system(&self, words: &str) -> Option<System> {
        if let Some(known) = self.systems.borrow().get(words) {
            return *known;
        }
        let system = bare_system(words);
        let mut systems = self.systems.borrow_mut();
        if systems.len() < KEPT {
            systems.insert(words.to_owned(), system);
        }
        system
    }

    fn meaning(&self, words: &str) -> Meaning {
        if let Some(known) = self.meanings.borrow().get(words) {
            return known.clone();
        }
        let meaning = self.find_meaning(words);
        let mut meanings = self.meanings.borrow_mut();
        if meanings.len() < KEPT {
            meanings.insert(words.to_owned(), meaning.clone());
        }
        meaning
    }

    fn find_meaning(&self, words: &str) -> Meaning {
        let key = name_key(words);
        let key = key.trim_matches(|character: char| {
            matches!(character, '.' | '。' | '!' | '?' | '…' | '*' | '：' | ':' | '“' | '”' | '>' | '<')
        });
        if key.is_empty() {
            return Meaning::Note;
        }
        if let Some(found) = self.exact(key) {
            return found;
        }
        if NOTES.iter().any(|note| key.starts_with(note)) && self.stripped(key).is_none() {
            return Meaning::Note;
        }
        if let Some(found) = self.stripped(key) {
            return found;
        }
        if let Some(types) = self.segmented(key) {
            return Meaning::Types(types, Confidence::PhraseMatched);
        }
        self.tail(key).unwrap_or(Meaning::Unknown)
    }

    fn exact(&self, key: &str) -> Option<Meaning> {
        Some(match self.types.named(key)? {
            DataName::Type(id) => Meaning::Types(vec![id], Confidence::Structured),
            DataName::Group => Meaning::Group,
            DataName::OtherSystem => Meaning::OtherSystem,
        })
    }

    /// Takes words off both ends until a name is left; the fewest first.
    fn stripped(&self, key: &str) -> Option<Meaning> {
        let mut tried = vec![key.to_owned()];
        let mut next = 0;
        while let Some(current) = tried.get(next).cloned() {
            next += 1;
            if next > 200 {
                return None;
            }
            if next > 1
                && let Some(found) = self.exact(&current)
            {
                return Some(match found {
                    Meaning::Types(types, _) => Meaning::Types(types, Confidence::PhraseMatched),
                    other => other,
                });
            }
            let before = BEFORE.iter().filter_map(|word| current.strip_prefix(word));
            let behind = BEHIND.iter().filter_map(|word| current.strip_suffix(word));
            for shorter in before.chain(behind) {
                if !shorter.is_empty() && !tried.iter().any(|known| known == shorter) {
                    tried.push(shorter.to_owned());
                }
            }
        }
        None
    }

    /// The data types when the whole key is made of names and words that say nothing.
    fn segmented(&self, key: &str) -> Option<Vec<TypeId>> {
        let characters: Vec<char> = key.chars().collect();
        if characters.len() > 80 {
            return None;
        }
        let mut types = Vec::new();
        let mut at = 0;
        while let Some(rest) = characters.get(at..).filter(|rest| !rest.is_empty()) {
            let filler = BETWEEN
                .iter()
                .map(|word| word.chars().count())
                .zip(BETWEEN)
                .filter(|(_, word)| {
                    word.chars().zip(rest).filter(|(left, right)| left == *right).count() == word.chars().count()
                })
                .map(|(length, _)| length)
                .max();
            match self.types.longest_name(rest) {
                Some((length, meaning)) if length >= 2 && filler.is_none_or(|filler| length >= filler) => {
                    // Part of a longer Latin word is no name.
                    let latin = |character: Option<&char>| character.is_some_and(char::is_ascii_lowercase);
                    if latin(rest.get(length - 1))
                        && latin(rest.get(length))
                        && self.types.longest_name(rest.get(length..)?).is_none()
                    {
                        return None;
                    }
                    match meaning {
                        DataName::Type(id) => types.push(id),
                        DataName::Group => {}
                        DataName::OtherSystem => return None,
                    }
                    at += length;
                }
                _ => at += filler?,
            }
        }
        (!types.is_empty()).then_some(types)
    }

    /// Chinese and English put what a thing is at its end: "注册时留存的手机号码" is a phone number.
    fn tail(&self, key: &str) -> Option<Meaning> {
        const ACTIVE: &[&str] = &[
            "用于", "为了", "实现", "以便", "方便", "通过", "进行", "提供", "保证", "帮助", "根据", "不", "除", "非",
            "加强", "优化", "展示", "统计", "生成",
        ];
        let characters: Vec<char> = key.chars().collect();
        if characters.len() > 18 || ACTIVE.iter().any(|word| key.contains(word)) {
            return None;
        }
        (1..characters.len()).find_map(|start| {
            let rest: String = characters.get(start..)?.iter().collect();
            let boundary =
                !(characters.get(start - 1)?.is_ascii_alphanumeric() && characters.get(start)?.is_ascii_alphanumeric());
            let long_enough = characters.len() - start >= 3;
            // What is left out in front may be no data: nothing vanishes.
            let front = || characters.iter().take(start).collect::<String>();
            match self.types.named(&rest) {
                Some(DataName::Type(id))
                    if boundary && long_enough && !names_data(&TextKey::new(&front()), self.types) =>
                {
                    Some(Meaning::Types(vec![id], Confidence::Guessed))
                }
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;
    use crate::host::ontology::Ontology;

    fn types() -> &'static DataTypes {
        static ONTOLOGY: OnceLock<Ontology> = OnceLock::new();
        &ONTOLOGY.get_or_init(|| Ontology::built_in().unwrap()).data_types
    }

    fn ids(text: &str) -> Vec<&'static str> {
        read(text, types(), None).types.iter().map(|id| types().id_of(*id)).collect()
    }

    fn left(text: &str) -> Vec<String> {
        read(text, types(), None).left.into_iter().map(|left| left.0).collect()
    }

    #[test]
    fn separators_and_brackets_of_every_kind() {
        for text in [
            "IMEI、MAC地址、Android ID",
            "IMEI/MAC地址/AndroidID",
            "IMEI，MAC地址；Android_ID。",
            "设备标识符（IMEI、MAC地址、Android ID）",
            "设备标识符(IMEI/MAC地址/Android ID)信息",
            "IMEI MAC地址 Android ID",
            "IMEI和MAC地址及Android ID",
            "1. IMEI\n2. MAC地址\n3. Android ID",
            "(1) IMEI (2) MAC地址 (3) Android ID",
            "1.IMEI 2.MAC地址 3.Android ID",
            "设备标识：IMEI、MAC地址、Android ID",
            "ＩＭＥＩ、設備MAC地址、Ａｎｄｒｏｉｄ ＩＤ",
            "获取您的IMEI、设备的MAC地址、读取Android ID信息",
        ] {
            assert_eq!(ids(text), ["id.imei", "id.mac", "id.android_id"], "{text}");
            assert!(left(text).is_empty(), "{text}: {:?}", left(text));
        }
    }

    #[test]
    fn an_open_enumeration_counts_its_head_too() {
        assert_eq!(ids("设备标识符（如IMEI）"), ["device_id", "id.imei"]);
        assert_eq!(ids("设备标识符（IMEI等）"), ["device_id", "id.imei"]);
        assert_eq!(ids("设备标识符（IMEI）"), ["id.imei"]);
    }

    #[test]
    fn other_systems_are_left_and_told() {
        assert_eq!(ids("Android：IMEI、OAID；iOS：IDFA、IDFV"), ["id.imei", "id.oaid"]);
        assert_eq!(left("Android：IMEI、OAID；iOS：IDFA、IDFV"), ["IDFA", "IDFV"]);
        assert_eq!(ids("【双端】设备型号【仅iOS】磁盘总空间【仅Android】OAID"), ["device.model", "id.oaid"]);
        assert_eq!(
            ids("设备标识符（Android如IMEI、OAID，iOS如IDFV、IDFA）、剪贴板"),
            ["id.imei", "id.oaid", "clipboard"]
        );
        assert_eq!(ids("IDFA（仅iOS）、位置信息"), ["location"]);
        assert_eq!(ids("设备标识符（IDFA）"), Vec::<&str>::new());
        assert!(read("IMEI", types(), Some(System::Other)).types.is_empty());
    }

    #[test]
    fn remarks_are_no_data_and_unknown_nouns_are_told() {
        assert_eq!(ids("已安装应用列表（查询本机是否安装以便显示）、位置信息：用于定位"), ["app_list", "location"]);
        assert!(left("已安装应用列表（查询本机是否安装以便显示）、位置信息：用于定位").is_empty());
        assert_eq!(ids("IMEI、量子频谱、位置信息"), ["id.imei", "location"]);
        assert_eq!(left("IMEI、量子频谱、位置信息"), ["量子频谱"]);
        assert_eq!(left("设备信息（量子频谱）"), ["量子频谱"]);
        assert_eq!(ids("网络类型（WiFi/4G）"), ["network.type"]);
        assert_eq!(ids("第三方（微信、QQ）账号信息、手机号"), ["account.third_party", "phone_number"]);
        assert_eq!(ids("IMEI、OAID及其他设备相关信息"), ["id.imei", "id.oaid", "device_info"]);
        assert_eq!(left("通讯录之外的位置信息"), ["通讯录之外的位置信息"]);
        assert!(read("不涉及", types(), None).says_none);
        let denied = read("不收集通讯录", types(), None);
        assert!(denied.types.is_empty() && denied.denied.len() == 1);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([()（）【】:：、/;；\n ]|IMEI|设备信息|Android|iOS|如|等|[a-z一-十]){0,40}") {
            let _ = read(&text, types(), None);
        }
    }
}
