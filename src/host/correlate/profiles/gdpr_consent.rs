//! Consent in the European Union and the United Kingdom: only what its timing tells.

use super::clause::{Check, Clause, Decidability, When, not_by_trace};
use super::{BuiltIn, checks, flow_checks};
use crate::event::Family;

const READING: &[Family] = &[Family::Process, Family::File, Family::Provider, Family::Service];
const CONTACT: &[Family] = &[Family::Process, Family::Socket];
const TERMINAL: &str = "Directive 2002/58/EC article 5(3); studies of apps, text unsourced";
const TRACKING: &str = "Regulation (EU) 2016/679 articles 6 and 7; studies of apps, text unsourced";

use Decidability::Partly;

pub(super) const PROFILE: BuiltIn = BuiltIn {
    name: "gdpr-consent",
    title_en: "Consent and its timing, EU and UK",
    title_zh: "欧盟与英国：同意及其时点",
    source: "ePrivacy Directive and GDPR; clauses in our words; what is strictly necessary needs no consent, so a person decides",
    clauses: &[
        Clause {
            id: "terminal-before",
            zh: "征得同意前读取终端设备中的信息",
            en: "Information on the terminal is read before consent",
            source: TERMINAL,
            decidability: Partly,
            when: When::All(&["pre_consent"]),
            families: READING,
            check: Check::Trace(checks::read_before_answer),
        },
        Clause {
            id: "tracking-before",
            zh: "征得同意前联系第三方跟踪方",
            en: "Trackers are contacted before consent",
            source: TRACKING,
            decidability: Partly,
            when: When::All(&["pre_consent"]),
            families: CONTACT,
            check: Check::Trace(flow_checks::tracking_before_consent),
        },
        Clause {
            id: "tracking-after-refusal",
            zh: "拒绝后仍联系第三方跟踪方",
            en: "Trackers are contacted after refusal",
            source: TRACKING,
            decidability: Partly,
            when: When::All(&["refused"]),
            families: CONTACT,
            check: Check::Trace(flow_checks::tracking_after_refusal),
        },
        Clause {
            id: "tracking-after-withdrawal",
            zh: "撤回同意后仍联系第三方跟踪方",
            en: "Trackers are contacted after consent was withdrawn",
            source: TRACKING,
            decidability: Partly,
            when: When::All(&["withdrawn"]),
            families: CONTACT,
            check: Check::Trace(flow_checks::tracking_after_withdrawal),
        },
        not_by_trace(
            "free-and-informed",
            "同意应当自愿、具体、知情、明确",
            "Consent is free, specific, informed and unambiguous",
            TRACKING,
            "seen on the app's screens only: a person decides",
        ),
    ],
};
