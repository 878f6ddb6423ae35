//! The Data safety form of Google Play: collected is what leaves the device, so a reading alone is nothing.

use super::clause::{Check, Clause, Decidability, When, not_by_trace};
use super::{BuiltIn, flow_checks};
use crate::event::Family;

const SOURCE: &str = "Google Play, Data safety form, meanings read in the published help";

use Decidability::Partly;

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "play-data-safety",
    title_en: "Google Play Data safety form",
    title_zh: "Google Play 数据安全表单",
    source: "questions of the form; clauses in our words",
    clauses: &[
        Clause {
            id: "collected",
            zh: "离开设备的数据类型应在表单中声明为“收集”",
            en: "Every kind of data that leaves the device is declared as collected",
            source: SOURCE,
            decidability: Partly,
            when: When::Any,
            families: Family::TRACED,
            check: Check::Trace(flow_checks::left_the_device_undeclared),
        },
        Clause {
            id: "shared",
            zh: "传给第三方（包括经由SDK）的数据应声明为“共享”",
            en: "What goes to third parties, by SDKs too, is declared as shared",
            source: SOURCE,
            decidability: Partly,
            when: When::Any,
            families: &[Family::Process, Family::Socket],
            check: Check::Trace(flow_checks::shared_undeclared),
        },
        Clause {
            id: "encrypted-in-transit",
            zh: "数据在传输过程中加密",
            en: "Data is encrypted in transit",
            source: SOURCE,
            decidability: Partly,
            when: When::Any,
            families: &[Family::Process, Family::Socket],
            check: Check::Trace(flow_checks::in_clear_text),
        },
        not_by_trace(
            "ephemeral",
            "声明为临时处理的数据不作保存",
            "Data declared as ephemeral is not kept",
            SOURCE,
            "what a server keeps is not in a trace: the operator has to be asked",
        ),
        not_by_trace(
            "optional",
            "声明为可选的数据用户可以拒绝",
            "Data declared as optional can be declined",
            SOURCE,
            "seen on the app's screens only: a tester decides",
        ),
        not_by_trace(
            "deletion",
            "用户可以要求删除数据",
            "Users can ask for deletion",
            SOURCE,
            "happens at the operator: decided by asking for it",
        ),
    ],
};
