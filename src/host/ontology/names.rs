//! Names as lists write them: what makes no difference between two spellings, and tables of names.

use unicode_normalization::UnicodeNormalization;

/// Traditional characters, each followed by the simplified one, as far as the names of the built-in tables and the
/// labels of lists need them. A full table has thousands of entries and would turn names of people and places, too.
const TRADITIONAL: &str = "設设備备標标識识資资訊讯訪访問问碼码號号網网絡络狀状態态態态類类應应軟软裝装載载戶户帳帐賬账電电話话\
聯联繫系記记錄录簡简歷历時时間间場场景景處处規规則则權权連连接接線线藍蓝牙牙傳传感感器器剪剪貼贴闆板攝摄像像頭头麥麦克克風风\
圖图視视頻频頁页瀏浏覽览歷历運运營营商商儲储存存體体語语讀读寫写實实驗验證证件件職职業业學学術术龄龄齡龄別别婚婚銀银\
卡卡單单訂订購购買买賣卖產产開开發发單单變变據据從从與与個个們们為为於于來来後后請请務务內内對对將将無无當当並并\
廣广告告點点擊击總总執执構构樣样條条極极經经緯纬軌轨跡迹區区國国際际東东門门車车馬马龍龙龜龟鳥鸟魚鱼麗丽華华為为亞亚達达\
蘋苹雲云兩两匯汇滙汇報报紀纪約约級级細细統统計计參参屬属擴扩測测評评論论談谈誤误許许諾诺調调護护財财貨货質质賴赖贈赠趨趋\
輸输辦办選选遠远適适還还邊边鄰邻釋释針针鈕钮鍵键鏈链鎖锁長长閃闪關关閱阅隊队階阶隨随險险隱隐雙双雜杂離离難难靜静響响項项順顺\
須须預预領领顯显願愿飛飞餘余騰腾驅驱麼么黃黄齊齐專专買买價价儀仪億亿優优傳传傷伤僅仅僑侨償偿兒儿兌兑凈净減减劃划創创動动務务\
勝胜勞劳勢势區区協协卻却參参員员啟启啓启單单嘗尝嚴严園园圍围執执壓压壞坏壽寿夠够夢梦奪夺獎奖婦妇孫孙實实審审寫写寬宽寶宝將将尋寻\
導导層层屆届島岛師师帶带幣币幾几庫库廳厅彈弹彙汇復复徑径態态憑凭應应懷怀戰战戲戏拋抛損损換换掃扫採采揚扬擁拥擇择據据擬拟擊击\
敗败敵敌數数斷断暫暂曆历書书會会樂乐機机檔档檢检檯台權权歲岁歸归殘残氣气決决沒没況况測测溫温滿满潤润濟济無无熱热爾尔獨独獲获現现\
環环畫画異异療疗盡尽監监盤盘確确碼码禮礼種种稱称積积穩稳筆笔節节範范築筑簽签籍籍糧粮緊紧綜综綠绿維维綱纲網网緩缓編编練练縣县績绩織织\
繼继續续義义習习聲声聽听腦脑臉脸舉举舊旧艙舱莊庄蓋盖藝艺藥药蘭兰術术衛卫補补製制複复覺觉觀观討讨訓训託托設设診诊詞词試试詢询該该\
詳详認认誌志說说課课誰谁請请諮咨證证警警譯译議议豐丰負负責责費费貸贷貼贴貿贸賓宾賞赏賢贤賣卖質质購购赛赛軸轴較较輔辅輕轻輛辆輪轮\
轉转農农迴回這这進进過过違违遞递遷迁鄉乡醫医針针銷销錢钱錯错鎮镇門门閉闭閒闲間间陸陆陽阳際际雖虽電电頂顶頻频題题額额顏颜類类顧顾\
飯饭餐餐館馆駕驾驟骤髮发鬆松鮮鲜點点黨党郵邮蒐搜夥伙";

/// The block of ideographs that all those characters are in. None of them has a compatibility form or a lower case.
const IDEOGRAPHS: std::ops::RangeInclusive<char> = '\u{4e00}'..='\u{9fff}';

/// The simplified form of a traditional character of [`TRADITIONAL`]; any other character as it is.
fn simplified(character: char) -> char {
    // A place for each ideograph: pages are made of them, and a map took most of the time of an import.
    static TABLE: std::sync::OnceLock<Vec<char>> = std::sync::OnceLock::new();
    let place =
        |character: char| usize::try_from(u32::from(character).checked_sub(u32::from(*IDEOGRAPHS.start()))?).ok();
    let table = TABLE.get_or_init(|| {
        let mut table: Vec<char> = IDEOGRAPHS.collect();
        let characters: Vec<char> = TRADITIONAL.chars().collect();
        for pair in characters.chunks_exact(2) {
            if let [from, to] = pair
                && let Some(entry) = place(*from).and_then(|place| table.get_mut(place))
            {
                *entry = *to;
            }
        }
        table
    });
    place(character).and_then(|place| table.get(place).copied()).unwrap_or(character)
}

/// Hands over the characters of a text in the form that names are compared in, each with the one it was made from:
/// compatibility forms (full width, radicals used as characters) and traditional characters are replaced, letters are
/// lower case. One character can become several.
pub fn for_each_plain(text: &str, mut each: impl FnMut(char, char)) {
    for character in text.chars() {
        // ASCII and ideographs are most of the text of a page, and need no tables of Unicode.
        if character.is_ascii() {
            each(character.to_ascii_lowercase(), character);
        } else if IDEOGRAPHS.contains(&character) {
            each(simplified(character), character);
        } else {
            let made = std::iter::once(character).nfkc().flat_map(char::to_lowercase).map(simplified);
            made.for_each(|made| each(made, character));
        }
    }
}

/// Whether a character makes no difference between two names.
#[must_use]
pub fn is_ignored(character: char) -> bool {
    if character.is_ascii_alphanumeric() || IDEOGRAPHS.contains(&character) {
        return false;
    }
    character.is_whitespace()
        || character.is_control()
        || matches!(
            character,
            '-' | '_' | '·' | '\'' | '"' | '`' | '*' | '“' | '”' | '‘' | '’' | '\u{200b}' | '\u{feff}' | '\u{ad}'
        )
}

/// What two spellings of one name have in common: "Android ID", "android_id" and "ＡＮＤＲＯＩＤＩＤ" give the same key.
#[must_use]
pub fn name_key(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    for_each_plain(text, |character, _| {
        if !is_ignored(character) {
            key.push(character);
        }
    });
    key
}

/// A text in which names are looked for: its [`name_key`] as characters, and where words begin in it, which the key alone
/// no longer tells ("IMEI OAID").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextKey {
    characters: Vec<char>,
    /// For each character, whether something that keys leave out stands before it.
    begins: Vec<bool>,
}

impl TextKey {
    /// The key of a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let length = text.chars().count();
        let mut key = Self { characters: Vec::with_capacity(length), begins: Vec::with_capacity(length) };
        let mut begins = true;
        for_each_plain(text, |character, _| {
            if is_ignored(character) {
                begins = true;
            } else {
                key.characters.push(character);
                key.begins.push(begins);
                begins = false;
            }
        });
        key
    }

    /// The characters.
    #[must_use]
    pub fn characters(&self) -> &[char] {
        &self.characters
    }

    /// Whether a cut before the character at `place` would go through a word or number in Latin letters.
    #[must_use]
    pub fn is_within_word(&self, place: usize) -> bool {
        let latin = |place: usize| self.characters.get(place).is_some_and(char::is_ascii_alphanumeric);
        let begins = self.begins.get(place).copied().unwrap_or(true);
        !begins && latin(place) && place.checked_sub(1).is_some_and(latin)
    }

    /// Whether these characters stand anywhere in it.
    #[must_use]
    pub fn contains(&self, word: &[char]) -> bool {
        let begins = |place: usize| self.characters.get(place..).is_some_and(|rest| rest.starts_with(word));
        let first = word.first();
        self.characters.iter().enumerate().any(|(place, here)| Some(here) == first && begins(place))
    }
}

/// Names and what they mean, as a tree of characters: every place of a page is asked what name begins there.
#[derive(Debug, Clone)]
pub(super) struct NameTable<T> {
    /// The first is the root.
    nodes: Vec<Node<T>>,
    /// The node behind the root for each character of the basic plane; 0 where no name begins with it. Most places of a page
    /// begin none, so that this is what is asked most.
    first: Vec<u32>,
}

#[derive(Debug, Clone)]
struct Node<T> {
    /// What the name that ends here means.
    meaning: Option<T>,
    /// The nodes behind it, sorted by their character.
    next: Vec<(char, u32)>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { meaning: None, next: Vec::new() }
    }
}

impl<T> Default for NameTable<T> {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], first: vec![0; 1 << 16] }
    }
}

impl<T: Copy + PartialEq> NameTable<T> {
    fn node(&self, at: u32) -> Option<&Node<T>> {
        self.nodes.get(usize::try_from(at).ok()?)
    }

    fn next(&self, at: u32, character: char) -> Option<u32> {
        if at == 0
            && let Some(known) = usize::try_from(u32::from(character)).ok().and_then(|place| self.first.get(place))
        {
            return Some(*known).filter(|known| *known != 0);
        }
        let next = &self.node(at)?.next;
        let place = next.binary_search_by_key(&character, |known| known.0).ok()?;
        next.get(place).map(|found| found.1)
    }

    /// Adds a name; gives back what the name already means when that is something else. An empty name says nothing.
    pub(super) fn insert(&mut self, key: &str, meaning: T) -> Result<(), T> {
        let mut at = 0;
        for character in key.chars() {
            at = match self.next(at, character) {
                Some(next) => next,
                None => self.add(at, character),
            };
        }
        let node = usize::try_from(at).ok().filter(|at| *at > 0).and_then(|at| self.nodes.get_mut(at));
        match node.map(|node| &mut node.meaning) {
            Some(Some(known)) if *known != meaning => Err(*known),
            Some(place) => {
                *place = Some(meaning);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A new node behind another one.
    fn add(&mut self, at: u32, character: char) -> u32 {
        let new = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(Node::default());
        let place = usize::try_from(u32::from(character)).unwrap_or(usize::MAX);
        if at == 0
            && let Some(first) = self.first.get_mut(place)
        {
            *first = new;
        } else if let Some(node) = usize::try_from(at).ok().and_then(|at| self.nodes.get_mut(at)) {
            let place = node.next.partition_point(|known| known.0 < character);
            node.next.insert(place, (character, new));
        }
        new
    }

    /// The meaning of a whole key.
    pub(super) fn get(&self, key: &str) -> Option<T> {
        let mut at = 0;
        for character in key.chars() {
            at = self.next(at, character)?;
        }
        self.node(at)?.meaning
    }

    /// The longest name that the characters begin with, and its length in characters.
    pub(super) fn longest_prefix(&self, characters: &[char]) -> Option<(usize, T)> {
        let (mut at, mut found) = (0, None);
        for (index, character) in characters.iter().enumerate() {
            let Some(next) = self.next(at, *character) else { break };
            at = next;
            if let Some(meaning) = self.node(at).and_then(|node| node.meaning) {
                found = Some((index + 1, meaning));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_have_one_key() {
        for spelling in ["Android ID", "android_id", "ＡｎｄｒｏｉｄＩＤ", "Android-ID", " android\u{a0}id "] {
            assert_eq!(name_key(spelling), "androidid", "{spelling}");
        }
        assert_eq!(name_key("設備識別碼"), "设备识别码");
        assert_eq!(name_key("⽤⼾信息"), "用户信息");
    }

    #[test]
    fn the_table_of_characters_is_made_of_pairs() {
        let characters: Vec<char> = TRADITIONAL.chars().collect();
        assert_eq!(characters.len() % 2, 0);
        for pair in characters.chunks_exact(2) {
            assert_eq!(simplified(pair[1]), pair[1], "{} is both", pair[1]);
            assert!(IDEOGRAPHS.contains(&pair[0]), "{} has no place in the table", pair[0]);
            assert_eq!(simplified(pair[0]), pair[1]);
        }
        for character in IDEOGRAPHS {
            assert!(std::iter::once(character).nfkc().eq([character]), "{character} has another form");
        }
    }

    #[test]
    fn a_key_of_a_text_knows_where_words_begin() {
        let key = TextKey::new("My IMEI2 设备 MAC");
        assert_eq!(key.characters().iter().collect::<String>(), name_key("My IMEI2 设备 MAC"));
        let within: Vec<usize> = (0..=key.characters().len()).filter(|place| key.is_within_word(*place)).collect();
        assert_eq!(within, [1, 3, 4, 5, 6, 10, 11]);
        assert!(key.contains(&['设', '备', 'm']) && !key.contains(&['设', 'm']));
        assert!(key.contains(&['a', 'c']) && !key.contains(&['c', 'x']));
    }

    #[test]
    fn the_longest_name_wins() {
        let mut table = NameTable::default();
        for (name, meaning) in [("mac", 1), ("mac地址", 2)] {
            table.insert(name, meaning).unwrap();
        }
        let characters: Vec<char> = "mac地址等".chars().collect();
        assert_eq!(table.longest_prefix(&characters), Some((5, 2)));
        assert_eq!(table.insert("mac", 3), Err(1));
        assert_eq!((table.get("mac"), table.get("ma"), table.get("")), (Some(1), None, None));
        table.insert("", 4).unwrap();
        assert_eq!(table.longest_prefix(&[]), None);
        assert_eq!(table.longest_prefix(&['x']), None);
    }
}
