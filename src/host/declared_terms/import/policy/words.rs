//! The words of policies that tell what is done with data: one table, by kind. Latin words count at word borders only.

/// What a word does in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The subject gets data.
    Collect,
    /// It is used or kept, so that it was got: less sure.
    Use,
    /// The subject passes data on.
    Share,
    /// Data is sold: a denial of it denies no sharing.
    Sell,
    /// The user gives data, which is then collected.
    Give,
    /// "Provide": given by the user, or passed on when somebody follows; a service, otherwise.
    Provide,
    /// Something else is done: what it governs is neither collected nor shared by that.
    Else,
    /// The verb behind it is denied.
    Not,
    /// Looks like a denial and is none: "not only".
    NotReally,
    /// A denial in this sentence holds under a condition.
    Condition,
    /// What follows tells what for or when.
    Purpose,
    /// Another thought begins.
    Break,
    /// The app or its developer.
    We,
    /// The user.
    User,
    /// A third party without a name.
    Third,
    /// Any third party at all.
    Anybody,
    /// What was named before: "it", "these data".
    Before,
    /// The object stands in front of the verb (将, 把).
    Fronted,
    /// What it goes to or comes from: "to", "with", 向.
    To,
    /// Where it comes from.
    From,
    /// A permission of the system.
    Permission,
    /// What stands before is the passive subject.
    Passive,
    /// Another system than Android.
    OtherSystem,
    /// Android.
    Android,
}

/// Words and their kinds; where two begin at one place, the longer counts.
#[rustfmt::skip]
pub(super) const WORDS: &[(Word, &[&str])] = &[
    (Word::Collect, &[
        "收集", "采集", "获取", "读取", "访问", "搜集", "取得", "记录您", "录制", "存取", "look at", "looks at", "接收您", "上传您", "获得您",
        "collect", "collects", "collected", "collecting", "gather", "gathers", "gathered", "gathering",
        "obtain", "obtains", "obtained", "obtaining", "receive", "receives", "received", "receiving",
        "access", "accesses", "accessed", "accessing", "read", "reads", "reading", "ask for", "asks for", "ask you for",
        "asks you for", "asked for", "upload", "uploads", "uploaded", "uploading", "capture", "captures", "captured",
        "track", "tracks", "tracked", "record", "records your", "recorded", "pick up", "picks up", "log", "logged",
    ]),
    (Word::Use, &[
        "使用您", "使用你", "存储", "保存", "储存", "留存", "处理您", "use your", "uses your", "using your", "used", "store",
        "stores", "stored", "storing", "save", "saves", "saved", "saving", "retain", "retains", "retained", "retaining",
        "need", "needs", "hold", "holds", "see", "sees", "know", "knows", "根据您", "基于您", "keep", "keeps", "kept", "keeping", "process", "processes", "processed", "processing",
    ]),
    (Word::Share, &[
        "共享", "分享", "披露", "转让", "提供给", "提供至", "传输给", "传输至", "发送给", "发送至", "传递给", "共用", "公开",
        "对外提供", "交给", "传给", "发给", "同步给", "透露给", "泄露给", "share", "shares", "shared", "sharing",
        "disclose", "discloses", "disclosed", "disclosing", "pass on", "passes on", "passed on", "pass", "passes", "passed",
        "passing", "transfer", "transfers", "transferred", "transferring", "transmit", "transmits", "transmitted",
        "send", "sends", "sent", "sending", "hand over", "hands over", "handed over", "give", "gives", "given", "forward",
        "forwards", "forwarded", "reveal", "reveals", "revealed",
    ]),
    (Word::Sell, &["出售", "售卖", "贩卖", "出租", "sell", "sells", "sold", "selling", "rent", "rents", "rented", "trade", "traded"]),
    (Word::Give, &[
        "填写", "输入", "提交", "上传", "录入", "授权我们", "绑定", "enter", "enters", "entered", "submit", "submits",
        "submitted", "fill in", "type in",
    ]),
    (Word::Provide, &["提供", "发送", "传输", "上报", "传送", "provide", "provides", "provided", "providing", "supply", "supplies", "supplied"]),
    (Word::Else, &[
        "保护", "删除", "更正", "修改", "查询", "查看", "注销", "关闭", "撤回", "管理", "加密", "公示", "展示", "推荐", "更改", "清除",
        "导出", "开启", "拒绝", "屏蔽", "停止", "说明", "介绍", "安装", "卸载", "保障", "取消", "更新", "匿名化", "限制", "推送", "发布", "结合",
        "protect", "protects", "protected", "delete", "deletes", "deleted", "deleting", "erase", "erased", "correct", "corrected",
        "update", "updates", "updated", "manage", "disable", "disabled", "turn off", "turn on", "switch off", "revoke",
        "withdraw", "encrypt", "encrypts", "encrypted", "change", "changed", "view", "review", "show", "shows", "display",
        "displays", "remove", "removed", "refuse", "decline", "deny", "object", "enable", "disconnect", "contact us", "export", "log in", "logged in", "log out",
        "hide", "request a copy of", "request", "improve", "explain", "explains", "describe", "describes", "means", "anonymise",
    ]),
    (Word::Not, &[
        "不会", "不", "未", "没有", "无需", "无须", "不得", "从不", "绝不", "从未", "并未", "并不", "禁止", "勿", "毋须",
        "not", "never", "don't", "doesn't", "won't", "didn't", "neither", "nor", "cannot", "can't", "don’t", "doesn’t",
        "won’t", "no",
    ]),
    (Word::NotReally, &["不仅", "不限于", "不同", "不断", "不但", "不止", "不时", "未来", "未成年", "不再使用本", "not only", "not limited to", "no matter",
        "no later", "whether or not", "不便", "不影响", "不正当", "不法", "未知", "not necessarily", "from time to time", "同意"]),
    (Word::Condition, &[
        "未经", "除非", "除外", "之外", "以外", "之前", "同意前", "授权前", "不再", "例外", "情况下", "情形下", "登录前", "前提下", "后不",
        "without your", "without prior", "without first", "without asking", "without obtaining", "without getting", "without permission", "without consent",
        "unless", "except", "except as", "other than", "until", "before you", "no longer", "if you do not", "as described", "after you", "规定外", "另有规定", "save as", "as set out", "subject to", "apart from", "除下列", "除以下", "除上述", "除本", "下列情形", "以下情形", "aside from", "only with your", "only if you", "in the background", "后台",
    ]),
    (Word::Purpose, &[
        "用于", "以便", "便于", "为了", "用来", "从而", "以实现", "以提供", "以确保", "以保障", "以完成", "以帮助", "以向", "以为", "以识别",
        "以防", "以及时", "以改进", "以优化", "以满足", "目的", "来为", "来实现", "以进行", "以验证", "以判断", "以显示", "以展示", "以支持", "以统计",
        "to", "for", "so that", "in order to", "when", "if", "while", "because", "so we can", "where", "whenever", "as soon as", "which lets",
        "which helps", "that lets", "after", "during", "on behalf of",
    ]),
    (Word::Break, &["但是", "但", "然而", "不过", "同时", "此外", "另外", "but", "however", "whereas", "although", "though", "；", ";", "】"]),
    (Word::We, &["我们", "本应用", "本app", "本软件", "我司", "本公司", "本平台", "本产品", "we", "us", "the app", "our app", "this app", "our company", "our servers", "our service", "our services"]),
    (Word::User, &["您", "用户", "你", "you", "users", "the user", "user", "customers"]),
    (Word::Third, &[
        "第三方", "合作方", "合作伙伴", "合作夥伴", "服务商", "供应商", "广告商", "关联公司", "关联方", "商家", "物流公司", "配送公司", "支付机构", "广告主", "广告平台",
        "合作机构", "third party", "third parties", "partner", "partners", "vendor", "vendors", "service provider", "service providers",
        "advertisers", "affiliates", "carriers", "couriers", "advertising networks", "analytics providers", "sdk", "sdks", "processors",
        "sellers", "merchants", "couriers and", "insurers", "payment provider", "payment providers", "advertising companies", "data brokers",
    ]),
    (Word::Anybody, &[
        "任何第三方", "任何公司", "任何人", "任何其他", "任何组织", "任何个人", "他人", "其他公司", "其他任何", "anyone", "anybody", "any third party", "any third parties",
        "third parties of any kind", "others", "other companies", "any other company", "any other party", "nobody", "no one", "any company",
    ]),
    (Word::Before, &[
        "其提供", "其共享", "该信息", "该等信息", "这些信息", "该列表", "该类信息", "上述信息", "前述信息", "此类信息", "这类信息", "以上信息", "该数据", "这些数据", "上述数据", "此信息", "it", "them", "this information", "this data",
        "these data", "that data", "such data", "such information", "that information", "these details", "which", "both", "they", "these",
    ]),
    (Word::Fronted, &["将", "把", "对"]),
    (Word::To, &["向", "与", "给", "同", "with"]),
    (Word::From, &["从", "自第三方", "from"]),
    (Word::Permission, &["权限", "permission", "permissions"]),
    (Word::Passive, &["被", "is", "are", "was", "were", "be", "been", "being", "gets", "get"]),
    (Word::OtherSystem, &["ios", "iphone", "iphones", "ipad", "ipads", "苹果手机", "苹果设备", "鸿蒙", "harmonyos"]),
    (Word::Android, &["android", "安卓"]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_word_has_two_kinds() {
        let mut seen: BTreeMap<&str, Word> = BTreeMap::new();
        for (kind, words) in WORDS {
            for word in *words {
                assert_eq!(word.to_lowercase(), **word);
                assert!(seen.insert(word, *kind).is_none(), "{word} is there twice");
            }
        }
    }
}
