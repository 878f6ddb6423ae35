//! Words of lists that are no names: what stands before, behind and between names of data types, in the form that
//! `name_key` gives.

/// What may follow a bracket and says nothing.
#[rustfmt::skip]
pub(super) const TAILS: &[&str] = &[
    "等相关信息", "相关信息", "等信息", "的信息", "等数据", "信息", "等等", "数据", "权限", "等",
];

/// Words before a name that change nothing.
#[rustfmt::skip]
pub(super) const BEFORE: &[&str] = &[
    "您的", "用户的", "你的", "获取", "读取", "收集", "采集", "访问", "手机的", "设备的", "手机", "设备", "个人", "当前", "本机",
    "终端", "系统", "移动", "相关", "包括但不限于", "包括", "包含", "例如", "比如", "诸如", "如", "含", "使用", "开启", "上传",
    "提交", "填写", "调用", "申请", "您", "用户", "查询", "检测", "的", "所", "使用者", "主动提供的", "提供的", "注册", "登录",
    "绑定", "以及", "及", "和", "与", "或", "必要的", "基本的", "脱敏后的", "脱敏的", "脱敏", "加密后的", "加密的", "加密", "连接的",
    "接入的", "已连接的", "the", "your", "user", "users", "device", "app", "例", "必选", "可选", "你", "客户",
    "会员", "真实", "常用", "such as", "suchas", "including", "e.g.", "eg", "微信", "本人", "联系人的", "收集到的",
    "有关", "扫描", "附近的", "周边的", "应用", "产生的", "输入的", "发布的",
];

/// Words behind a name that change nothing.
#[rustfmt::skip]
pub(super) const BEHIND: &[&str] = &[
    "等相关信息", "相关信息", "等信息", "等数据", "的信息", "信息", "等等", "等", "数据", "权限", "情况", "内容", "字段", "状态", "参数",
    "的", "资料", "详情", "information", "data", "info", "列表", "记录", "参数信息", "值", "etc.", "etc", "及其他",
    "其他", "号码", "标识符", "地址", "功能",
];

/// Words between names that change nothing.
#[rustfmt::skip]
pub(super) const BETWEEN: &[&str] = &[
    "等相关信息", "相关信息", "以及", "信息", "或者", "和", "与", "及", "或", "的", "等", "您", "用户", "当前", "手机", "设备",
    "其", "中", "相关", "数据", "and", "or", "&", "+", "获取", "读取", "收集", "采集", "上", "权限", "情况", "包括", "如",
    "下", "内", "里", "其他", "其它",
];

/// Beginnings of pieces that tell why or when, not what.
#[rustfmt::skip]
pub(super) const NOTES: &[&str] = &[
    "用于", "为了", "以便", "便于", "用来", "为", "实现", "根据", "通过", "仅用于", "由于", "如果", "如为", "如您", "当", "若",
    "以", "查询本机", "需", "具体", "主要用于", "帮助", "保证", "保障", "确保", "方便", "仅在", "在您", "在", "可能会因", "因", "对",
    "由", "视", "详见", "请", "只在", "从而", "进而", "提升", "提供", "便利", "支持", "可关闭", "used", "for", "to",
    "when", "if", "in order", "inorder",
];

/// What begins a denial.
#[rustfmt::skip]
pub(super) const DENIALS: &[&str] = &[
    "不会收集", "不收集", "不会采集", "不采集", "未收集", "不获取", "不会获取", "不读取", "不会读取", "不共享", "不会共享", "无需收集",
    "不再收集", "不含", "不包括", "不包含",
];
