use std::collections::BTreeMap;
use std::fs;

use zip::CompressionMethod;

use super::super::record_layout::{
    RECORD_MAX, RecordView, method_names_body, method_names_source, record_kind, segment_tag, u32_at, u64_at,
};
use super::dex::tests::stub;
use super::*;

fn slot() -> SessionSlot {
    SessionSlot::new(3).unwrap()
}

/// Source, origin and methods of each interface, put together from the records.
fn method_tables(batch: &RawBatch) -> BTreeMap<String, (u32, String, BTreeMap<u32, String>)> {
    let mut tables: BTreeMap<String, (u32, String, BTreeMap<u32, String>)> = BTreeMap::new();
    for record in batch.iter() {
        let view = RecordView::new(record);
        assert!(record.len() <= RECORD_MAX && (view.header().sessions, view.tgid(), view.flags()) == (1 << 3, 0, 0));
        if view.kind() != record_kind::METHOD_NAMES {
            continue;
        }
        let segments: BTreeMap<u8, &[u8]> =
            view.segments(method_names_body::SIZE).map(|(tag, flags, bytes)| (tag | flags << 7, bytes)).collect();
        let text = |tag| String::from_utf8(segments[&tag].to_vec()).unwrap();
        let source = u32_at(view.body(), method_names_body::SOURCE);
        let table =
            tables.entry(text(segment_tag::NAME)).or_insert((source, text(segment_tag::ORIGIN), BTreeMap::new()));
        let mut rest = segments[&segment_tag::METHODS];
        while let Some((code, after)) = rest.split_first_chunk() {
            let end = after.iter().position(|byte| *byte == 0).unwrap();
            let name = String::from_utf8(after[..end].to_vec()).unwrap();
            assert_eq!(table.2.insert(u32::from_le_bytes(*code), name), None);
            rest = &after[end + 1..];
        }
        assert!(rest.is_empty());
    }
    tables
}

fn selected(root: &Path) -> (Box<dyn Probe>, RawBatch) {
    let mut probe = open(root.to_owned(), None);
    let mut batch = RawBatch::new(probe.id());
    probe.select(slot(), &Selection::default(), &mut batch).unwrap();
    (probe, batch)
}

fn device(level: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("system/framework")).unwrap();
    fs::write(root.path().join("system/build.prop"), format!("# x\nro.build.id=Z\nro.build.version.sdk={level}\n"))
        .unwrap();
    root
}

fn told_level(batch: &RawBatch) -> u32 {
    let first = RecordView::new(batch.iter().next().unwrap());
    assert_eq!(first.kind(), record_kind::PLATFORM);
    u32_at(first.body(), 0)
}

#[test]
fn the_devices_own_names_come_before_the_shipped_ones() {
    let root = device("34");
    let dex = stub("android/location/ILocationManager", &[("getLastLocation", 9)]);
    let jar = root.path().join("system/framework/framework.jar");
    jar::tests::write(&jar, CompressionMethod::Deflated, &[("classes.dex", &dex)]);
    let (probe, batch) = selected(root.path());
    assert_eq!(told_level(&batch), 34);
    let tables = method_tables(&batch);
    let (source, origin, methods) = &tables["android.location.ILocationManager"];
    assert_eq!((*source, methods.len(), methods[&9].as_str()), (method_names_source::DEVICE_DEX, 1, "getLastLocation"));
    assert!(origin.starts_with("/system/framework/framework.jar sha256:"), "{origin}");
    let (source, origin, methods) = &tables["android.content.IClipboard"];
    assert_eq!((*source, origin.as_str()), (method_names_source::SHIPPED, "shipped for 34r1, 34r75"));
    assert_eq!(methods[&4], "getPrimaryClip");
    let (source, _, methods) = &tables["android.content.IContentProvider"];
    assert_eq!((*source, methods[&1].as_str()), (method_names_source::FIXED, "query"));
    let service = &probe.statuses()[1];
    assert_eq!((service.family, service.state), (Family::Service, ProbeState::Partial));
    for part in ["API level 34", "methods of 1 interfaces from the device's 1 jars", "there is no binder device"] {
        assert!(service.reason.contains(part), "{}", service.reason);
    }
}

#[test]
fn a_long_table_is_split_and_loses_nothing() {
    let methods: Vec<(u32, String)> =
        (1..=440).map(|code| (code, format!("aMethodWithALongNameAsTheyAre{code}"))).collect();
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("system/framework/a.jar");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    jar::tests::write(
        &path,
        CompressionMethod::Stored,
        &[("classes.dex", &stub("com/android/internal/telephony/ITelephony", &[("x", 1)]))],
    );
    let mut tables = tables::read(root.path(), &Cache::at(None));
    tables.interfaces.get_mut("com.android.internal.telephony.ITelephony").unwrap().methods =
        methods.iter().cloned().collect();
    let mut batch = RawBatch::new(ProbeId::Platform);
    for table in records::method_tables(Some(&tables), &Shipped::default()) {
        records::method_names(slot(), &table, &mut batch);
    }
    let read = method_tables(&batch);
    assert_eq!(read["com.android.internal.telephony.ITelephony"].2, methods.into_iter().collect());
    assert!(batch.len() > read.len());
}

#[test]
fn an_unknown_level_names_fixed_methods_only() {
    for level in ["31", "", "x", "99"] {
        let root = device(level);
        let (_, batch) = selected(root.path());
        assert_eq!(told_level(&batch), level.parse().unwrap_or(0));
        assert!(method_tables(&batch).values().all(|(source, ..)| *source == method_names_source::FIXED), "{level:?}");
    }
}

#[test]
fn no_android_is_no_error_and_covers_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (mut probe, batch) = selected(root.path());
    assert_eq!(told_level(&batch), 0);
    let states: Vec<_> = probe.statuses().into_iter().map(|status| (status.family, status.state)).collect();
    assert_eq!(states, [(Family::Provider, ProbeState::Unsupported), (Family::Service, ProbeState::Unsupported)]);
    let mut later = RawBatch::new(probe.id());
    assert_eq!(probe.poll(Duration::ZERO, &mut later).unwrap(), PollState::Idle);
    probe.deselect(slot(), &mut later);
    assert!(later.is_empty());
}

#[test]
fn names_that_come_late_are_told_when_they_come() {
    let root = device("34");
    let mut probe = PlatformProbe::new(root.path().to_owned(), Cache::at(None));
    probe.lookup.wait(Duration::from_secs(30));
    let (sender, receiver) = channel();
    probe.lookup = Awaited::Coming(receiver);
    let mut batch = RawBatch::new(ProbeId::Platform);
    probe.select(slot(), &Selection::default(), &mut batch).unwrap();
    let names = |batch: &RawBatch| -> Vec<(String, u64, u32)> {
        let views = batch.iter().map(RecordView::new).filter(|view| view.kind() == record_kind::BINDER_NAME);
        views
            .map(|view| {
                let name = view.segments(RecordView::body_size(view.kind())).next().unwrap();
                let (node, what) = (u64_at(view.body(), 0), u32_at(view.body(), 8));
                (String::from_utf8(name.2.to_vec()).unwrap(), node, what)
            })
            .collect()
    };
    assert_eq!(names(&batch), []);
    sender.send(Ok(vec![("phone", 4711)])).unwrap();
    let mut late = RawBatch::new(ProbeId::Platform);
    probe.poll(Duration::from_secs(30), &mut late).unwrap();
    assert_eq!(names(&late), [("phone".to_owned(), 4711, 1)]);
    // Told once; and the next session has it at once.
    let mut later = RawBatch::new(ProbeId::Platform);
    probe.poll(Duration::ZERO, &mut later).unwrap();
    assert!(later.is_empty());
}

#[test]
fn the_level_is_found_in_the_property_files() {
    assert_eq!(level_in("ro.build.version.sdk=34\n"), Some(34));
    assert_eq!(level_in("ro.system.build.version.sdk=33\nro.build.version.sdk = 1\n"), Some(33));
    assert_eq!(level_in("#ro.build.version.sdk=34\nro.build.version.sdk=\n"), None);
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("default.prop"), "ro.build.version.sdk=28\n").unwrap();
    assert_eq!(api_level(root.path()), 28);
}
