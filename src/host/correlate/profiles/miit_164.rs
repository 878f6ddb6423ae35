//! Test scenes for the 2020 notice on apps that infringe users' rights. The ids of scenes are a commercial catalogue's.

use super::clause::{Check, Clause, Decidability, When, not_by_trace};
use super::{BuiltIn, checks, flow_checks, rates};
use crate::event::Family;

const SOURCE: &str = "工信部信管函〔2020〕164号, names of the items read; scene by a commercial catalogue";
const READING: &[Family] = &[Family::Process, Family::File, Family::Provider, Family::Service];
const UNATTENDED: &[&str] = &["silent", "background"];
const SCREEN: &str = "seen on the app's screens only: a tester decides";

use Decidability::{Decidable, Partly};

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "miit-164",
    title_en: "2020 notice on apps that infringe users' rights: test scenes",
    title_zh: "关于开展纵深推进APP侵害用户权益专项整治行动的通知：测试场景",
    source: "工信部信管函〔2020〕164号; scenes in our words, app and SDK not told apart",
    clauses: &[
        Clause {
            id: "1.1-before",
            zh: "违规收集：征得同意前收集个人信息（App、SDK）",
            en: "Collection before consent, by the app or an SDK",
            source: SOURCE,
            decidability: Decidable,
            when: When::All(&["pre_consent"]),
            families: Family::TRACED,
            check: Check::Trace(checks::before_consent),
        },
        Clause {
            id: "1.1-undisclosed",
            zh: "违规收集：同意后收集未告知的个人信息（App、SDK）",
            en: "Collection of what was not disclosed, by the app or an SDK",
            source: SOURCE,
            decidability: Decidable,
            when: When::Any,
            families: READING,
            check: Check::Trace(checks::data_not_listed),
        },
        not_by_trace(
            "1.1-buttons",
            "弹窗没有明确的同意、拒绝按钮，或默认勾选",
            "No plain buttons to agree and to refuse, or a pre-ticked box",
            SOURCE,
            SCREEN,
        ),
        Clause {
            id: "1.2-rate",
            zh: "超范围收集：按固定频率或高频读取",
            en: "Reading at a fixed interval, or very often",
            source: SOURCE,
            decidability: Decidable,
            when: When::Any,
            families: READING,
            check: Check::Trace(rates::too_often),
        },
        Clause {
            id: "1.2-unattended",
            zh: "超范围收集：静默状态下或在后台运行时收集",
            en: "Collection while the app is silent or in the background",
            source: SOURCE,
            decidability: Partly,
            when: When::All(UNATTENDED),
            families: READING,
            check: Check::Trace(checks::read_unattended),
        },
        Clause {
            id: "1.3",
            zh: "违规使用：向未告知的第三方发送个人信息",
            en: "Sending to third parties that the terms do not name",
            source: SOURCE,
            decidability: Decidable,
            when: When::Any,
            families: &[Family::Process, Family::Socket],
            check: Check::Trace(checks::recipients_not_listed),
        },
        Clause {
            id: "1.4",
            zh: "强制用户使用定向推送功能",
            en: "Targeted content cannot be switched off",
            source: SOURCE,
            decidability: Partly,
            when: When::All(&["personalisation_off"]),
            families: Family::TRACED,
            check: Check::Trace(flow_checks::targeting_goes_on),
        },
        Clause {
            id: "2.1-exit",
            zh: "强制索权：拒绝后应用退出或关闭",
            en: "The app ends when the user refuses",
            source: SOURCE,
            decidability: Partly,
            when: When::All(&["refused"]),
            families: &[Family::Process],
            check: Check::Trace(flow_checks::gone_after_refusal),
        },
        Clause {
            id: "2.1-burst",
            zh: "过度索权：一次性申请多个权限",
            en: "Several permissions are asked for at once",
            source: SOURCE,
            decidability: Partly,
            when: When::All(&["permission_prompt"]),
            families: &[],
            check: Check::Trace(flow_checks::prompts_in_a_row),
        },
        Clause {
            id: "2.2",
            zh: "频繁自启动和关联启动",
            en: "The app starts by itself, or is started by others",
            source: SOURCE,
            decidability: Partly,
            when: When::All(&["killed"]),
            families: &[Family::Process],
            check: Check::Trace(flow_checks::started_by_itself),
        },
        not_by_trace("3.1", "欺骗误导用户下载App", "Users are misled into downloading apps", SOURCE, SCREEN),
        not_by_trace(
            "3.2",
            "欺骗误导用户提供个人信息",
            "Users are misled into giving personal information",
            SOURCE,
            SCREEN,
        ),
        not_by_trace("4", "应用分发平台责任落实不到位", "Duties of stores", SOURCE, "about stores, not about an app"),
    ],
};
