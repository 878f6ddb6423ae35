//! What a text is that names no data: nothing at all, a remark, or values.

use crate::host::ontology::name_key;

/// What says that there is nothing.
pub(super) fn says_none(key: &str) -> bool {
    matches!(
        key,
        "无" | "不涉及"
            | "暂无"
            | "没有"
            | "不收集"
            | "不收集个人信息"
            | "不涉及个人信息"
            | "未收集"
            | "none"
            | "n/a"
            | "na"
            | "—"
            | "——"
            | "/"
            | ""
            | "不收集任何个人信息"
            | "不采集"
            | "不共享"
            | "不共享个人信息"
            | "无个人信息"
            | "不采集个人信息"
            | "不会收集个人信息"
            | "不收集用户个人信息"
            | "\\"
            | "不收集用户信息"
    )
}

/// Whether words can be the name of a thing, rather than tell something about one.
pub(super) fn is_noun(words: &str) -> bool {
    let key = name_key(words);
    let telling = [
        "用于",
        "为了",
        "以便",
        "如果",
        "不",
        "可以",
        "将",
        "会",
        "时",
        "是否",
        "需要",
        "通过",
        "根据",
        "仅",
        "您",
        "我们",
        "请",
        "具体",
        "因",
        "取决",
        "版本不同",
    ];
    // "展示附近节点" tells what is done with it, "展示记录" is a thing.
    let begins =
        ["展示", "显示", "区分", "确定", "判断", "统计", "识别", "计算", "实现", "提供", "保障", "优化", "帮助"];
    let ends = ["信息", "数据", "记录", "列表", "标识", "地址", "号", "码", "id", "状态", "时间", "次数", "结果"];
    let does = begins.iter().any(|word| key.starts_with(word)) && !ends.iter().any(|word| key.ends_with(word));
    key.chars().count() <= 12 && !does && !telling.iter().any(|word| key.contains(word))
}

/// Whether brackets hold values of a connection, such as "WiFi、4G".
pub(super) fn is_values(group: &str) -> bool {
    let mut values = group
        .split(['、', '/', ',', '，', ';', '；', ' ', '／', '|'])
        .map(name_key)
        .filter(|value| !value.is_empty())
        .peekable();
    let value = |value: String| {
        let value = ["例如", "比如", "包括", "如"]
            .iter()
            .find_map(|word| value.strip_prefix(word))
            .unwrap_or(&value)
            .to_owned();
        let value = value.trim_end_matches('等').to_owned();
        matches!(
            value.as_str(),
            "" | "wifi"
                | "wlan"
                | "2g"
                | "3g"
                | "4g"
                | "5g"
                | "lte"
                | "移动网络"
                | "移动数据"
                | "移动"
                | "联通"
                | "电信"
                | "有线"
                | "蜂窝"
                | "蜂窝网络"
                | "无线"
                | "男"
                | "女"
                | "数据网络"
        )
    };
    values.peek().is_some() && values.all(value)
}
