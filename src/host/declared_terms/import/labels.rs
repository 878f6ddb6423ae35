//! What the head of a column, or the label before a colon, says about what stands there.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::host::ontology::name_key;

/// What stands below a head or behind a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Role {
    /// The name of an SDK or a product.
    Name,
    /// A third party: its product where no other column has that, its company otherwise.
    ThirdParty,
    /// A company.
    Company,
    /// Data types.
    Data,
    /// A kind of data: a heading over data types where another column has those, data types otherwise.
    Category,
    /// A purpose.
    Purpose,
    /// An occasion.
    Scene,
    /// How it is done.
    Method,
    /// How long it is kept.
    Retention,
    /// On which system.
    System,
    /// Permissions: what may be accessed.
    Permission,
    /// A package name.
    Package,
    /// A link, a count or a number: known, and of no interest.
    Aside,
}

/// The role of a head or label, when it is one that is known.
///
/// Whole labels are compared first; then parts of them, in an order in which the telling part comes before the general
/// one: "使用目的及场景" is a purpose, "第三方公司名称" a company, "收集个人信息的目的" a purpose.
pub(super) fn role(label: &str) -> Option<Role> {
    // A page asks this of the same few heads and cells again and again, and of each many words are looked for.
    const KEPT: usize = 4_096;
    const LONGEST: usize = 200;
    thread_local! {
        static KNOWN: RefCell<HashMap<String, Option<Role>>> = RefCell::default();
    }
    if label.len() > LONGEST {
        return find_role(label);
    }
    KNOWN.with_borrow_mut(|known| {
        if let Some(role) = known.get(label) {
            return *role;
        }
        let role = find_role(label);
        if known.len() < KEPT {
            known.insert(label.to_owned(), role);
        }
        role
    })
}

fn find_role(label: &str) -> Option<Role> {
    let key = name_key(label);
    let key: String =
        key.chars().filter(|character| !matches!(character, ':' | '(' | ')' | '/' | '、' | '[' | ']')).collect();
    let key = key
        .trim_start_matches(|character: char| character.is_ascii_digit() || matches!(character, '.' | ','))
        .to_owned();
    let longest = if key.is_ascii() { 48 } else { 24 };
    if key.is_empty() || key.chars().count() > longest {
        return None;
    }
    whole(&key).or_else(|| part(&key)).or_else(|| bilingual(&key))
}

/// A head in two languages, "数据类型 Data types": each half must be a head of its own.
fn bilingual(key: &str) -> Option<Role> {
    let (english, chinese): (String, String) = key.chars().partition(char::is_ascii);
    if english.len() < 3 || chinese.chars().count() < 2 {
        return None;
    }
    let known = |key: &str| whole(key).or_else(|| part(key));
    known(&english)?;
    known(&chinese)
}

/// Whether what stands before a colon can be a label: not the end of something in brackets, and no sentence that
/// announces what follows.
pub(super) fn can_be_label(text: &str) -> bool {
    let mut depth = 0_i32;
    for character in text.chars() {
        match character {
            '(' | '（' => depth += 1,
            ')' | '）' => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    let announces = ["以下", "如下", "下列", "下述"].iter().any(|word| name_key(text).contains(word));
    depth == 0 && !announces
}

fn whole(key: &str) -> Option<Role> {
    let role = match key {
        "产品类型" | "产品" | "产品名称" | "sdk" | "名称" | "sdk插件" | "插件" | "插件名称" | "服务名称"
        | "组件名称" | "组件" | "sdk产品" | "接入sdk" | "工具名称" | "product" | "productname" | "sdkname"
        | "使用sdk名称" | "第三方sdk" | "第三方产品" | "合作产品" | "第三方服务" | "第三方工具" | "使用sdk"
        | "sdk类型名称" | "三方sdk" | "产品功能名称" | "第三方代码" | "代码名称" => Role::Name,
        "第三方"
        | "第三方名称"
        | "合作方"
        | "合作方名称"
        | "合作伙伴"
        | "接收方"
        | "接收方名称"
        | "数据接收方"
        | "共享方"
        | "共享对象"
        | "合作伙伴名称"
        | "第三方合作方"
        | "第三方合作伙伴"
        | "第三方平台"
        | "第三方平台名称"
        | "接收方身份"
        | "thirdparty"
        | "recipient"
        | "partner"
        | "thirdpartyname"
        | "共享第三方"
        | "共享第三方名称"
        | "三方名称"
        | "合作第三方"
        | "第三方接收方"
        | "境外接收方"
        | "第三方接收方名称"
        | "被共享方" => Role::ThirdParty,
        "company" | "provider" | "operator" | "developer" | "vendor" | "运营方" | "开发者" | "厂商" | "sdk厂商"
        | "提供商" => Role::Company,
        "类型"
        | "类别"
        | "信息类型"
        | "信息类别"
        | "分类"
        | "信息分类"
        | "信息种类"
        | "个人信息类别"
        | "个人信息类型"
        | "个人信息种类"
        | "数据类别"
        | "数据类型"
        | "信息大类"
        | "category"
        | "informationcategory" => Role::Category,
        "信息"
        | "数据"
        | "信息名称"
        | "字段"
        | "信息字段"
        | "信息项"
        | "数据项"
        | "信息内容"
        | "个人信息"
        | "必选信息"
        | "可选信息"
        | "必选个人信息"
        | "可选个人信息"
        | "必选字段"
        | "可选字段"
        | "data"
        | "datatypes"
        | "datatype"
        | "datacollected"
        | "datashared"
        | "personalinformation"
        | "personaldata"
        | "personalinformationtype"
        | "informationcollected"
        | "personalinformationcollected"
        | "personalinformationshared"
        | "informationshared"
        | "dataitems"
        | "information" => Role::Data,
        "目的" | "功能" | "purpose" | "purposes" | "purposeofuse" | "purposeofprocessing" => Role::Purpose,
        "场景" | "scene" | "scenario" | "scenarios" | "usagescenario" | "频次或者时机" | "功能场景" | "业务场景"
        | "when" => Role::Scene,
        "方式" | "method" | "sharingmethod" | "collectionmethod" | "来源" | "信息来源" => Role::Method,
        "平台" | "系统" | "操作系统" | "客户端" | "端" | "适用系统" | "适用平台" | "系统平台" | "适用端"
        | "platform" | "system" | "os" | "涉及系统" | "所属平台" | "终端" | "适用终端" | "接入平台" | "集成平台"
        | "适用操作系统" | "使用平台" | "应用平台" | "涉及终端" => Role::System,
        "retention" | "retentionperiod" | "期限" => Role::Retention,
        "包名" | "应用包名" | "sdk包名" | "package" | "packagename" | "sdk包名称" => Role::Package,
        "permission" | "permissions" => Role::Permission,
        "序号"
        | "编号"
        | "no."
        | "no"
        | "备注"
        | "内容"
        | "数量"
        | "条数"
        | "频率"
        | "次数"
        | "联系方式"
        | "合作类型"
        | "合作方类型"
        | "第三方类型"
        | "sdk类型"
        | "版本"
        | "版本号"
        | "是否必选"
        | "link"
        | "privacypolicy"
        | "url"
        | "website"
        | "操作"
        | "是否敏感"
        | "是否敏感个人信息"
        | "收集情况"
        | "联系地址"
        | "count"
        | "收集频率"
        | "收集频次"
        | "频次"
        | "sdk版本"
        | "sdk版本号"
        | "更新时间"
        | "生效时间"
        | "发布日期"
        | "更新日期"
        | "生效日期"
        | "电话"
        | "邮箱"
        | "地址" => Role::Aside,
        _ => return None,
    };
    Some(role)
}

fn part(key: &str) -> Option<Role> {
    let has = |parts: &[&str]| parts.iter().any(|part| key.contains(part));
    if has(&[
        "隐私",
        "链接",
        "官网",
        "网址",
        "网站",
        "处理规则",
        "保护规则",
        "保护政策",
        "协议",
        "privacypolicy",
        "link",
        "声明",
        "url",
    ]) {
        return Some(Role::Aside);
    }
    if has(&["保存期", "存储期", "保留期", "留存", "存储时", "保存时", "保存地", "储存期", "retention"])
    {
        return Some(Role::Retention);
    }
    if has(&[
        "去标识",
        "加密",
        "安全",
        "匿名",
        "是否",
        "次数",
        "频率",
        "频次",
        "数量",
        "条数",
        "联系",
        "情况",
        "时间",
        "日期",
    ]) {
        return Some(Role::Aside);
    }
    if has(&["包名"]) {
        // "SDK名称/包名" has both, and the name tells more.
        return Some(if key.contains("sdk名称") { Role::Name } else { Role::Package });
    }
    if has(&["目的", "purpose"]) {
        return Some(Role::Purpose);
    }
    if has(&["场景", "时机", "环节", "scenario"]) {
        return Some(Role::Scene);
    }
    if has(&["用途", "功能", "作用", "业务"]) {
        return Some(Role::Purpose);
    }
    if has(&["方式", "method"]) {
        return Some(Role::Method);
    }
    // The name of a company is none of the heads that companies stand below.
    if key.ends_with("有限公司") || key.ends_with("集团") {
        return None;
    }
    if has(&[
        "公司",
        "主体",
        "运营方",
        "提供方",
        "提供者",
        "厂商",
        "开发者",
        "机构",
        "运营者",
        "所属方",
        "企业",
        "提供商",
        "开发商",
        "服务商",
        "company",
        "provider",
    ]) {
        return Some(Role::Company);
    }
    if has(&["权限"]) {
        return Some(Role::Permission);
    }
    let content =
        ["内容", "项目"].iter().any(|end| key.ends_with(end)) && has(&["收集", "共享", "采集", "获取", "涉及"]);
    let about_data = content || has(&["信息", "数据", "字段", "data", "information"]);
    let name = has(&["名称", "name"]) || key.ends_with('名');
    let mut rest = key.to_owned();
    for word in ["第三方", "接入", "使用", "集成", "合作", "嵌入", "产品", "服务", "提供", "类型", "的", "sdk"]
    {
        rest = rest.replace(word, "");
    }
    let names_nobody = name || rest.is_empty();
    if has(&["sdk"]) && names_nobody && !(about_data && has(&["收集", "共享", "采集", "获取"])) {
        return Some(Role::Name);
    }
    if about_data
        && has(&[
            "收集", "共享", "涉及", "采集", "获取", "个人", "范围", "处理", "提供", "字段", "委托", "传输", "使用",
            "collect", "shar", "personal",
        ])
    {
        let kind = has(&["类型", "种类", "类别"])
            && !has(&["收集", "共享", "涉及", "采集", "获取", "处理", "提供", "委托", "传输"]);
        return Some(if kind { Role::Category } else { Role::Data });
    }
    if has(&["第三方", "合作方", "接收方", "合作伙伴"]) && name {
        return Some(Role::ThirdParty);
    }
    if has(&["产品", "插件", "组件"]) && name {
        return Some(Role::Name);
    }
    None
}

/// A line taken apart at its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labelled<'a> {
    pub(super) role: Role,
    pub(super) label: &'a str,
    pub(super) value: &'a str,
}

/// Takes a line apart at the labels in it: "名称：甲 目的：乙" has two. What stands before the first one is given too.
pub(super) fn labelled(text: &str) -> (&str, Vec<Labelled<'_>>) {
    // Begin of the label, end of the label, begin of the value, role.
    let mut found: Vec<(usize, usize, usize, Role)> = Vec::new();
    let mut depth = 0_usize;
    for (index, character) in text.char_indices() {
        match character {
            '(' | '（' => depth += 1,
            ')' | '）' => depth = depth.saturating_sub(1),
            '【' => {
                let inner = index + character.len_utf8();
                if let Some(length) = text.get(inner..).and_then(|rest| rest.find('】'))
                    && let Some(role) = text.get(inner..inner + length).and_then(role)
                {
                    let mut value = inner + length + '】'.len_utf8();
                    if text.get(value..).is_some_and(|rest| rest.starts_with([':', '：'])) {
                        value += text.get(value..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
                    }
                    found.push((index, inner + length, value, role));
                }
            }
            ':' | '：' if depth == 0 => {
                let behind = found.last().map_or(0, |last| last.2);
                let Some(before) = text.get(behind..index) else { continue };
                // A second label begins behind a space or the end of a sentence; the first begins the line.
                let border = [' ', '；', ';', '。', '\u{3000}', '，', ','];
                let from = before.trim_end().rfind(border).map_or(0, |at| {
                    at + before.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8)
                });
                let whole = before.trim();
                let start = if found.is_empty() && role(whole).is_some() { 0 } else { from };
                let Some(label) = before.get(start..) else { continue };
                let first = found.is_empty() && before.get(..start).is_some_and(|rest| rest.trim().is_empty());
                let next = text.get(index + character.len_utf8()..).unwrap_or_default();
                if next.starts_with("//") {
                    continue;
                }
                // "IP 地址" is one name.
                if start > 0 && label.trim() == "地址" {
                    continue;
                }
                if let Some(role) = role(label)
                    && can_be_label(label)
                    && (first || start > 0)
                    && !(found.is_empty()
                        && start > 0
                        && before.get(..start).is_some_and(|rest| rest.chars().count() > 40))
                {
                    found.push((behind + start, index, index + character.len_utf8(), role));
                }
            }
            _ => {}
        }
    }
    let head = text.get(..found.first().map_or(text.len(), |first| first.0)).unwrap_or_default();
    let ends = found.iter().skip(1).map(|next| next.0).chain([text.len()]);
    let parts = found.iter().zip(ends).filter_map(|((begin, end, value, role), until)| {
        let label = text.get(*begin..*end)?.trim_start_matches('【').trim();
        let value = text.get(*value..until)?.trim();
        Some(Labelled { role: *role, label, value: value.trim_end_matches(['；', ';']) })
    });
    (head.trim(), parts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_columns_are_known_by_what_they_say() {
        for (head, wanted) in [
            ("SDK名称", Role::Name),
            ("使用SDK名称", Role::Name),
            ("產品/類型", Role::Name),
            ("第三方公司名称", Role::Company),
            ("SDK提供方", Role::Company),
            ("SDK名称/包名", Role::Name),
            ("SDK包名", Role::Package),
            ("第三方名称", Role::ThirdParty),
            ("共享信息名称", Role::Data),
            ("收集的个人信息类型", Role::Data),
            ("SDK收集的个人信息字段", Role::Data),
            ("涉及的个人信息", Role::Data),
            ("个人信息收集范围", Role::Data),
            ("信息种类", Role::Category),
            ("使用目的及场景", Role::Purpose),
            ("收集目的", Role::Purpose),
            ("场景描述", Role::Scene),
            ("共享方式", Role::Method),
            ("第三方个人信息处理规则", Role::Aside),
            ("隐私政策链接", Role::Aside),
            ("敏感系统权限", Role::Permission),
            ("保存期限", Role::Retention),
            ("適用系統", Role::System),
            ("数据是否去标识化传输", Role::Aside),
            ("Personal information collected", Role::Data),
            ("数据类型\nData types", Role::Category),
            ("使用目的与场景 Purpose", Role::Purpose),
        ] {
            assert_eq!(role(head), Some(wanted), "{head}");
        }
        for head in ["App信息", "设备信息", "微信SDK采集了什么东西我们不知道所以写得很长很长", "", "IMEI"]
        {
            assert_ne!(role(head), Some(Role::Data), "{head}");
        }
    }

    #[test]
    fn a_line_can_have_several_labels() {
        let (head, parts) = labelled(
            "SDK名称：甲 SDK 使用目的：登录；隐私政策：https://a.example/b 收集个人信息：设备信息(类型：安卓)",
        );
        assert_eq!(head, "");
        let found: Vec<(Role, &str)> = parts.iter().map(|part| (part.role, part.value)).collect();
        assert_eq!(
            found,
            [
                (Role::Name, "甲 SDK"),
                (Role::Purpose, "登录"),
                (Role::Aside, "https://a.example/b"),
                (Role::Data, "设备信息(类型：安卓)")
            ]
        );
        assert_eq!(labelled("【使用场景】分享时").1[0].value, "分享时");
        assert!(labelled("我们会收集：很多").1.is_empty());
        assert!(labelled("设备信息：IMEI").1.is_empty());
        assert!(labelled("IP 地址：联网").1.is_empty());
        assert!(labelled("网络信息（网络类型、IP 地址）：用于联网").1.is_empty());
        assert!(labelled("我们可能会收集您的以下个人信息：").1.is_empty());
    }
}
