//! Which operating system a text speaks of.

use crate::host::ontology::name_key;

/// The system that a text speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum System {
    /// Android, alone or with others.
    Android,
    /// Another one only.
    Other,
}

/// The systems that a text names; `None` when it names none.
pub(in super::super) fn system_in(text: &str) -> Option<System> {
    let key = name_key(text);
    let has = |names: &[&str]| names.iter().any(|name| key.contains(name));
    if has(&["android", "安卓", "双端", "全端", "全平台"]) {
        return Some(System::Android);
    }
    has(&["ios", "苹果", "iphone", "ipad", "鸿蒙", "harmony", "小程序端", "windows", "macos", "linux"])
        .then_some(System::Other)
}

/// The system when the text says nothing else: "仅iOS端", "Android系统：".
pub(super) fn bare_system(text: &str) -> Option<System> {
    let system = system_in(text)?;
    let mut key = name_key(text);
    for word in [
        "android",
        "安卓",
        "双端",
        "全端",
        "全平台",
        "iphone",
        "ipados",
        "ipad",
        "ios",
        "苹果",
        "鸿蒙",
        "harmonyos",
        "windows",
        "macos",
        "linux",
        "手机",
        "平板",
        "电视",
        "手表",
        "电脑",
        "车机",
        "系统",
        "操作",
        "平台",
        "设备",
        "用户",
        "客户",
        "仅限",
        "适用于",
        "适用",
        "仅",
        "只",
        "限",
        "端",
        "版",
        "支持",
        "收集",
        "采集",
        "下",
        "如",
        "和",
        "及",
        "与",
        "for",
        "only",
        "on",
        "、",
        "/",
        ",",
        "，",
        ":",
        "：",
        "(",
        ")",
    ] {
        key = key.replace(word, "");
    }
    key.is_empty().then_some(system)
}

/// Whether a heading names a system and nothing else: "一、Android端".
pub(in super::super) fn bare_system_heading(text: &str) -> bool {
    let text = text.trim_start_matches(|character: char| {
        character.is_ascii_digit() || "一二三四五六七八九十、.（）() ".contains(character)
    });
    bare_system(text).is_some()
}

/// "iOS如IDFV", "Android 端收集 IMEI": the system, and the words without it.
pub(super) fn leading_system(head: &str) -> Option<(System, &str)> {
    const NAMES: &[(&str, System)] = &[
        ("android", System::Android),
        ("安卓", System::Android),
        ("ios", System::Other),
        ("苹果", System::Other),
        ("鸿蒙", System::Other),
    ];
    let lower = head.to_ascii_lowercase();
    let trimmed = lower.trim_start_matches(['仅', '在', ' ']);
    let skipped = lower.len() - trimmed.len();
    let (name, system) = NAMES.iter().find(|(name, _)| trimmed.starts_with(name))?;
    let mut rest = head.get(skipped + name.len()..)?;
    // "AndroidID" and "Android ID" are names.
    let key = name_key(rest);
    if key.starts_with("id") || key.starts_with("标识") || key.starts_with("版本") || key.is_empty() {
        return None;
    }
    let before = rest;
    for word in ["系统", "操作系统", "平台", "设备", "用户", "版", "端", "客户端", "手机"] {
        rest = rest.trim_start().strip_prefix(word).unwrap_or(rest);
    }
    for word in ["下", "中", "上", "如", "收集", "采集", "会收集", "包括", "：", ":", "的"] {
        rest = rest.trim_start().strip_prefix(word).unwrap_or(rest);
    }
    // Without a word between, "安卓版本号" or "Android广告标识" is one name.
    (rest.len() < before.trim_start().len() && !rest.trim().is_empty()).then_some((*system, rest.trim()))
}
