//! The two lists: what is collected, and what is shared with third parties.

use super::clause::{Check, Clause, Decidability, When, not_by_trace};
use super::{BuiltIn, checks};
use crate::event::Family;

const SOURCE: &str = "工信部信管函〔2021〕292号, fields of the two lists read in source";
const READING: &[Family] = &[Family::Process, Family::File, Family::Provider, Family::Service];

use Decidability::Decidable;

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "two-lists",
    title_en: "The two lists: collected, and shared with third parties",
    title_zh: "个人信息保护“双清单”",
    source: "工信部信管函〔2021〕292号, 2021; clauses in our words",
    clauses: &[
        Clause {
            id: "collected",
            zh: "已收集个人信息清单应涵盖App及嵌入的SDK实际收集的信息种类",
            en: "The list of collected information covers every kind that the app and its SDKs collect",
            source: SOURCE,
            decidability: Decidable,
            when: When::Any,
            families: READING,
            check: Check::Trace(checks::data_not_listed),
        },
        Clause {
            id: "collected-purpose",
            zh: "已收集个人信息清单应列明使用目的",
            en: "The list of collected information gives a purpose for each kind",
            source: SOURCE,
            decidability: Decidable,
            when: When::Any,
            families: READING,
            check: Check::Trace(checks::listed_without_purpose),
        },
        Clause {
            id: "collected-scene",
            zh: "已收集个人信息清单应列明使用场景",
            en: "The list of collected information gives a scene for each kind",
            source: SOURCE,
            decidability: Decidable,
            when: When::Any,
            families: READING,
            check: Check::Trace(checks::listed_without_scene),
        },
        Clause {
            id: "shared",
            zh: "与第三方共享个人信息清单应涵盖实际的第三方",
            en: "The list of shared information covers every third party that gets any",
            source: SOURCE,
            decidability: Decidable,
            when: When::Any,
            families: &[Family::Process, Family::Socket],
            check: Check::Trace(checks::recipients_not_listed),
        },
        not_by_trace(
            "second-level-menu",
            "双清单应在二级菜单中展示",
            "Both lists are shown in the app's second-level menu",
            SOURCE,
            "seen on the app's screens only: a tester decides",
        ),
        not_by_trace(
            "purpose-at-use",
            "调用相册、通讯录、位置等敏感权限时同步告知目的",
            "The purpose of a sensitive permission is shown when it is used",
            SOURCE,
            "seen on the app's screens only: a tester decides",
        ),
    ],
};
