//! What kinds of personal data there are and what on the device tells that one was read; who stands behind a domain.
//!
//! * **In:** the tables of `data/`, built into the program, and files of the user's in the same form. **Out:** [`Ontology`].
//! * **May import:** `host::toml_source`.
//! * **Test it:** `cargo test host::ontology`; the tests lint both files.

mod app_types;
mod data_types;
mod domain;
mod names;
mod permissions;
mod platform_sources;
mod recipients;

pub use app_types::{AppType, AppTypeId, AppTypes, Need};
pub use data_types::{DataName, DataType, DataTypes, TypeId};
pub use domain::{Domain, DomainError, suffix_covers};
pub use names::{TextKey, for_each_plain, is_ignored, name_key};
pub use permissions::{Permission, Permissions};
pub use platform_sources::{PlatformSources, Taken};
pub use recipients::{Company, CompanyId, Purpose, Recipient, RecipientId, Recipients};

use super::toml_source::{Diagnostics, SourceFile};

/// A built-in table: the name that messages give it, and its text.
type Table = (&'static str, &'static str);

/// The built-in tables of data types.
const DATA_TYPES: &[Table] = &[
    ("data/data_types.toml (built in)", include_str!("../../../data/data_types.toml")),
    ("data/declared_data_types.toml (built in)", include_str!("../../../data/declared_data_types.toml")),
    ("data/data_type_names.toml (built in)", include_str!("../../../data/data_type_names.toml")),
];
/// The built-in tables of recipients.
const RECIPIENTS: &[Table] = &[
    ("data/recipients.toml (built in)", include_str!("../../../data/recipients.toml")),
    ("data/recipient_names.toml (built in)", include_str!("../../../data/recipient_names.toml")),
];

/// The built-in tables of platform sources.
const PLATFORM_SOURCES: &[Table] =
    &[("data/platform_sources.toml (built in)", include_str!("../../../data/platform_sources.toml"))];

/// The built-in tables of app types.
const APP_TYPES: &[Table] = &[("data/app_types.toml (built in)", include_str!("../../../data/app_types.toml"))];

/// The built-in tables of permissions.
const PERMISSIONS: &[Table] = &[("data/permissions.toml (built in)", include_str!("../../../data/permissions.toml"))];

/// Data types, where the platform gives them, and recipients.
#[derive(Debug)]
pub struct Ontology {
    /// Kinds of personal data.
    pub data_types: DataTypes,
    /// What content providers and system services give.
    pub platform: PlatformSources,
    /// Owners of domains and addresses.
    pub recipients: Recipients,
    /// Types of apps and what the basic function of each needs.
    pub app_types: AppTypes,
    /// What permissions of Android let an app reach.
    pub permissions: Permissions,
}

impl Ontology {
    /// The built-in tables alone.
    ///
    /// # Errors
    ///
    /// Never, as long as the tests pass: they lint the built-in tables.
    pub fn built_in() -> Result<Self, Diagnostics> {
        Self::with(&[], &[])
    }

    /// The built-in tables with files of the user's added. An entry with the id of a built-in one is an error; a domain
    /// listed by the user's file and by the built-in table belongs to the user's entry.
    ///
    /// # Errors
    ///
    /// Every problem of all the files.
    pub fn with(data_types: &[SourceFile], recipients: &[SourceFile]) -> Result<Self, Diagnostics> {
        let mut problems = Diagnostics::default();
        let with_built_in = |tables: &[Table], given: &[SourceFile]| -> Vec<SourceFile> {
            let built_in = tables.iter().map(|(name, text)| SourceFile::new(*name, *text));
            built_in.chain(given.iter().cloned()).collect()
        };
        let type_sources = with_built_in(DATA_TYPES, data_types);
        let recipient_sources = with_built_in(RECIPIENTS, recipients);
        let platform_sources = with_built_in(PLATFORM_SOURCES, &[]);
        let data_types = DataTypes::load(&type_sources, &mut problems);
        let platform = PlatformSources::load(&platform_sources, &data_types, &mut problems);
        let app_types = AppTypes::load(&with_built_in(APP_TYPES, &[]), &data_types, &mut problems);
        let permissions = Permissions::load(&with_built_in(PERMISSIONS, &[]), &data_types, &mut problems);
        let recipients = Recipients::load(&recipient_sources, &mut problems);
        if problems.has_errors() {
            return Err(problems);
        }
        Ok(Self { data_types, platform, recipients, app_types, permissions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_tables_pass_their_lint() {
        let ontology = Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}"));
        assert!(ontology.data_types.iter().count() > 40);
        assert!(ontology.recipients.iter().count() > 100);
    }

    #[test]
    fn no_line_of_the_tables_names_a_list_without_a_source() {
        for (_, text) in DATA_TYPES.iter().chain(RECIPIENTS) {
            let sources = text.lines().filter(|line| line.starts_with("source = ")).count();
            let entries = text.lines().filter(|line| matches!(*line, "[[data_type]]" | "[[recipient]]")).count();
            assert_eq!(sources, entries);
        }
    }

    #[test]
    fn names_that_lists_use_mean_what_they_should() {
        let types = Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}")).data_types;
        for (name, wanted) in [
            ("IMEI", "id.imei"),
            ("MEID", "id.imei"),
            ("IMSI", "id.imsi"),
            ("ICCID", "id.iccid"),
            ("OAID", "id.oaid"),
            ("Android ID", "id.android_id"),
            ("AndroidID", "id.android_id"),
            ("设备MAC地址", "id.mac"),
            ("BSSID", "network.wifi.bssid"),
            ("SSID", "network.wifi.ssid"),
            ("应用列表", "app_list"),
            ("已安装应用列表", "app_list"),
            ("软件列表", "app_list"),
            ("剪切板", "clipboard"),
            ("剪贴板", "clipboard"),
            ("剪貼闆", "clipboard"),
            ("位置信息", "location"),
            ("粗略位置", "location.coarse"),
            ("精确位置", "location.precise"),
            ("传感器信息", "sensors"),
            ("运营商信息", "network.carrier"),
            ("网络类型", "network.type"),
            ("installed apps", "app_list"),
        ] {
            let found = types.named(&name_key(name));
            let id = match found {
                Some(DataName::Type(id)) => types.id_of(id),
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(id, wanted, "{name}");
        }
        assert_eq!(types.named(&name_key("IDFA")), Some(DataName::OtherSystem));
        assert_eq!(types.named(&name_key("个人信息")), Some(DataName::Group));
    }

    #[test]
    fn every_type_has_a_class_and_every_id_of_the_play_form_a_type() {
        const CLASSES: &[&str] = &[
            "个人基本资料",
            "个人身份信息",
            "个人生物识别信息",
            "网络身份标识信息",
            "个人健康生理信息",
            "个人教育工作信息",
            "个人财产信息",
            "个人通信信息",
            "联系人信息",
            "个人上网记录",
            "个人常用设备信息",
            "个人位置信息",
            "其他信息",
        ];
        const PLAY: &str = "NAME EMAIL USER_ACCOUNT ADDRESS PHONE RACE_ETHNICITY POLITICAL_RELIGIOUS \
            SEXUAL_ORIENTATION_GENDER_IDENTITY OTHER_PERSONAL CREDIT_DEBIT_BANK_ACCOUNT_NUMBER PURCHASE_HISTORY \
            CREDIT_SCORE OTHER APPROX_LOCATION PRECISE_LOCATION WEB_BROWSING_HISTORY EMAILS SMS_CALL_LOG \
            OTHER_MESSAGES PHOTOS VIDEOS AUDIO MUSIC OTHER_AUDIO HEALTH FITNESS CONTACTS CALENDAR CRASH_LOGS \
            PERFORMANCE_DIAGNOSTICS OTHER_PERFORMANCE FILES_AND_DOCS USER_INTERACTION IN_APP_SEARCH_HISTORY \
            APPS_ON_DEVICE USER_GENERATED_CONTENT OTHER_APP_ACTIVITY DEVICE_ID";
        let types = Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}")).data_types;
        let known: Vec<String> = PLAY.split_whitespace().map(|id| format!("PSL_{id}")).collect();
        assert_eq!(known.len(), 38);
        for entry in types.iter() {
            assert!(CLASSES.contains(&entry.gb_35273.as_str()), "{}: {}", entry.id, entry.gb_35273);
            for id in &entry.play {
                assert!(known.contains(id), "{}: {id}", entry.id);
            }
        }
        for id in &known {
            assert!(types.iter().any(|entry| entry.play.contains(id)), "{id}");
        }
    }

    #[test]
    fn sdks_are_found_by_the_names_of_lists() {
        let recipients = Ontology::built_in().unwrap_or_else(|problems| panic!("{problems}")).recipients;
        let id = |found: Option<RecipientId>| found.and_then(|id| recipients.get(id)).map(|entry| entry.id.clone());
        assert_eq!(id(recipients.find("友盟统计 SDK")).as_deref(), Some("umeng"));
        assert_eq!(id(recipients.find("JPush")).as_deref(), Some("jiguang"));
        assert_eq!(id(recipients.mentioned("消息推送（OPPO推送SDK）")).as_deref(), Some("oppo_push"));
        assert_eq!(id(recipients.mentioned("腾讯优量汇(广点通)")).as_deref(), Some("tencent_ads"));
        assert_eq!(id(recipients.mentioned("QQQ浏览")), None);
        assert_eq!(id(recipients.mentioned("本应用自研组件")), None);
        let company = recipients.company_named("钉钉科技有限公司").unwrap();
        assert_eq!(id(recipients.only_of_company(company)).as_deref(), Some("dingtalk"));
        let parent = recipients.company(company).and_then(|company| company.parent).unwrap();
        assert_eq!(recipients.company(parent).unwrap().id, "alibaba");
        let tencent = recipients.company_named("深圳市腾讯计算机系统有限公司").unwrap();
        assert_eq!(recipients.only_of_company(tencent), None, "several products");
    }

    #[test]
    fn circles_repetitions_and_orphans_are_told() {
        let file = |text: &str| SourceFile::new("mine.toml", text);
        let types = file(
            "[[names]]\nof = \"id.mac\"\nnames = [\"IMEI\", \"my mac\"]\n[[names]]\nof = \"id.mca\"\nnames = [\"x\"]\n",
        );
        let recipients = file(concat!(
            "[[company]]\nid = \"a\"\nname_en = \"A corp\"\nparent = \"b\"\n",
            "[[company]]\nid = \"b\"\nname_en = \"B corp\"\nparent = \"a\"\n",
            "[[company]]\nid = \"lonely\"\nname_en = \"Lonely corp\"\n",
            "[[recipient]]\nid = \"nameless\"\nowner_en = \"N\"\npurpose = \"push\"\nsource = \"me\"\n",
            "[[names]]\nof = \"umeng\"\nnames = [\"JPush\"]\n[[names]]\nof = \"nobody\"\nnames = [\"x\"]\n",
        ));
        let problems = Ontology::with(&[types], &[recipients]).unwrap_err().to_string();
        for wanted in [
            "\"IMEI\" is already a name of id.imei",
            "names for \"id.mca\", which is no data type",
            "did you mean \"id.mac\"?",
            "its own parent, by a circle",
            "no recipient and no company belongs to this",
            "needs \"domains\" or \"addresses\"",
            "\"JPush\" is already a name of \"jiguang\"",
            "names for \"nobody\", which is no recipient",
        ] {
            assert!(problems.contains(wanted), "{wanted} is missing in:\n{problems}");
        }
        let mine = file("[[names]]\nof = \"app_list\"\nnames = [\"装机清单\"]\n");
        let types = Ontology::with(&[mine], &[]).unwrap().data_types;
        assert!(types.named(&name_key("装机清单")).is_some());
    }
}
