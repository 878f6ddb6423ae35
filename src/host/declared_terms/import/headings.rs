//! What headings and short texts of lists say: whether they announce a list, name somebody, or nobody.

use crate::host::ontology::name_key;

/// Texts of cells that mean that there is nothing.
pub(super) fn is_nothing(text: &str) -> bool {
    matches!(
        name_key(text).trim_matches('。'),
        "" | "无" | "/" | "—" | "——" | "不涉及" | "暂无" | "n/a" | "none" | "\\"
    )
}

/// Names by which the app calls itself.
pub(super) fn is_the_app(text: &str) -> bool {
    matches!(
        name_key(text).as_str(),
        "我们" | "本应用" | "本app" | "app" | "本公司" | "本产品" | "本软件" | "本平台" | "自有" | "自研" | "我司"
    )
}

/// Words of headings that announce lists; longer ones before the shorter ones in them.
#[rustfmt::skip]
const GENERAL: &[&str] = &[
    "双端", "操作系统", "第三方", "个人信息", "我们", "接入", "使用", "共享", "清单", "目录", "列表", "名单", "说明", "收集", "信息", "已", "与",
    "的", "及", "和", "情况", "合作方", "合作伙伴", "嵌入", "涉及", "android", "安卓", "ios", "苹果", "系统", "版本", "平台", "端",
    "版", "sdk", "附件", "附录", "第", "部分", "章", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "、", ".", "：",
    ":", "(", ")", "（", "）", "《", "》", "类", "集成", "服务", "主要", "其他", "本应用", "app", "应用", "软件", "工具", "开发",
    "包", "通用", "数据", "对外", "提供", "委托", "处理", "内", "如下", "以下", "为", "在", "中",
];

/// Words of heads and labels, besides those.
#[rustfmt::skip]
const OF_HEADS: &[&str] = &[
    "privacypolicy", "thirdparty", "purposeof", "purpose", "provider", "package", "version", "product", "company", "collected",
    "developer", "shared", "types", "type", "data", "name", "link", "use", "of", "the", "and", "by", "名称", "包名", "提供方",
    "提供者", "提供商", "公司", "目的", "场景", "方式", "字段", "类型", "类别", "种类", "范围", "链接", "隐私", "政策", "权限", "功能",
    "用途", "描述", "版本号", "官网", "网址", "地址", "开发者", "运营方", "运营者", "所属", "机构", "主体", "厂商", "企业", "序号", "产品",
    "业务", "插件", "组件", "需要", "申请", "获取", "采集", "可能", "接收方", "合作", "项目", "内容", "作用", "处理规则", "规则",
    "保护", "声明", "敏感", "系统", "是否", "方", "名", "会", "所", "或", "由", "从", "对", "号", "用", "本",
];

/// Whether a key is one of the words that heads are made of.
pub(super) fn is_word_of_heads(key: &str) -> bool {
    GENERAL.contains(&key) || OF_HEADS.contains(&key)
}

/// The key of a text without these words.
fn without(text: &str, words: &[&str]) -> String {
    let mut key = name_key(text);
    for word in words {
        // Most words are not in it, and replacing copies.
        if key.contains(word) {
            key = key.replace(word, "");
        }
    }
    key
}

/// A heading that announces lists and names nobody: "第三方SDK目录", "一、Android系统", "SDK列表".
pub(super) fn is_general(text: &str) -> bool {
    without(text, GENERAL).chars().all(|character| character.is_ascii_digit() || character.is_ascii_punctuation())
}

/// Whether a text names an SDK of its own, and is not made of words that heads have: "某某SDK", not "SDK名称".
pub(super) fn names_own_sdk(text: &str) -> bool {
    name_key(text).contains("sdk") && {
        let rest = without(&without(text, GENERAL), OF_HEADS);
        rest.chars().any(|character| !character.is_ascii_digit() && !character.is_ascii_punctuation())
    }
}

/// Whether a text announces a list of data or of third parties.
pub(super) fn announces_list(text: &str) -> bool {
    let key = name_key(text);
    // "豌豆清单同步SDK" is the name of somebody.
    if key.ends_with("sdk") && !is_general(text) {
        return false;
    }
    // "Third-party SDKs in this app": several of them are a list.
    key.contains("sdks")
        || ["清单", "目录", "名单", "列表", "隐私政策", "声明", "说明"].iter().any(|word| key.contains(word))
            && ["sdk", "第三方", "个人信息", "共享", "收集", "隐私", "合作"].iter().any(|word| key.contains(word))
}

/// Whether a text tells how data is protected, and not how it gets anywhere: "加密、去标识化".
pub(super) fn is_protection(text: &str) -> bool {
    let mut key = name_key(text);
    let before = key.len();
    for word in [
        "去标识化",
        "匿名化",
        "加密",
        "脱敏",
        "匿名",
        "传输",
        "处理",
        "存储",
        "方式",
        "进行",
        "后",
        "等",
        "、",
        "/",
        ",",
        ";",
        "和",
        "及",
        "或",
        "。",
    ] {
        key = key.replace(word, "");
    }
    let protects = ["标识化", "匿名", "加密", "脱敏"].iter().any(|word| text.contains(word));
    key.is_empty() && before > 0 && protects
}

/// Whether a way of sharing means that the third party's code collects by itself; `None` when it does not tell.
pub(super) fn collects_itself(method: &str) -> Option<bool> {
    let key = name_key(method);
    let has = |words: &[&str]| words.iter().any(|word| key.contains(word));
    if has(&[
        "sdk",
        "本机采集",
        "嵌入",
        "自动采集",
        "自行采集",
        "自行收集",
        "插件",
        "客户端采集",
        "自动收集",
        "本地采集",
    ]) {
        return Some(true);
    }
    if has(&["接口", "后台", "服务端", "服务器", "传输", "api", "线下", "邮件", "数据对接", "server", "网络提供"])
    {
        return Some(false);
    }
    has(&["采集", "收集", "获取"]).then_some(true)
}

/// A title without its number: "1、推送通知消息（OPPO推送SDK）".
pub(super) fn title_words(text: &str) -> &str {
    let text = text.trim();
    let rest = text.trim_start_matches(|character: char| {
        character.is_ascii_digit() || "一二三四五六七八九十（()）①②③④⑤⑥⑦⑧⑨⑩".contains(character)
    });
    let stripped = rest.trim_start_matches(['、', '.', '．', ')', '）', ' ', ':', '：']);
    if stripped.is_empty()
        || rest.len() == text.len()
        || stripped.len() == rest.len() && !text.starts_with(['(', '（', '①'])
    {
        // "360SDK" begins with a number that belongs to it.
        return text.trim_end_matches([':', '：']);
    }
    stripped.trim_end_matches([':', '：'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_told_from_names_of_sdks() {
        for head in
            ["SDK名称", "SDK名称/包名", "第三方SDK提供方", "SDK隐私政策链接", "SDK name", "接入的SDK收集的个人信息字段"]
        {
            assert!(!names_own_sdk(head), "{head}");
        }
        for name in ["壬乙癸SDK", "友盟SDK收集的信息", "Kestrel SDK", "用于读取壬乙癸SDK"] {
            assert!(names_own_sdk(name), "{name}");
        }
        assert!(is_general("一、第三方SDK目录（Android端）") && !is_general("豌豆同步SDK"));
    }
}
