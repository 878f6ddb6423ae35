//! The records of the platform: release, method names, names of nodes.
//!
//! * **In:** tables and names. **Out:** raw records of one session.
//! * **May import:** `event`, `device::clock`, `super`.
//! * **Test it:** `cargo test platform`.

use super::super::record_layout::{
    HeaderFields, RECORD_MAX, RecordBuilder, binder_name_body, binder_name_what, method_names_body,
    method_names_source, platform_body, record_header, record_kind, segment_header, segment_tag,
};
use super::shipped::{FIXED, FIXED_ORIGIN, Shipped};
use super::tables::DeviceTables;
use crate::device::clock;
use crate::device::probe::{RawBatch, SessionSlot};
use crate::event::PRIVACY_INTERFACES;

/// The methods of one interface, and where they are from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MethodTable<'a> {
    interface: &'a str,
    source: u32,
    origin: String,
    methods: Vec<(u32, &'a str)>,
}

/// For each privacy interface the one table that is believed: the fixed one, else the device's own, else the shipped one.
/// They are never mixed: two names for one code would leave open which is meant.
pub(super) fn method_tables<'a>(device: Option<&'a DeviceTables>, shipped: &'a Shipped) -> Vec<MethodTable<'a>> {
    let mut tables = Vec::new();
    for interface in PRIVACY_INTERFACES.iter().map(|interface| interface.descriptor) {
        if let Some((_, methods)) = FIXED.iter().find(|(fixed, _)| *fixed == interface) {
            let (source, origin) = (method_names_source::FIXED, FIXED_ORIGIN.to_owned());
            tables.push(MethodTable { interface, source, origin, methods: methods.to_vec() });
        } else if let Some(table) = device.and_then(|device| device.interfaces.get(interface)) {
            let methods = table.methods.iter().map(|(code, name)| (*code, name.as_str())).collect();
            let (source, origin) = (method_names_source::DEVICE_DEX, table.origin.clone());
            tables.push(MethodTable { interface, source, origin, methods });
        } else if let Some(methods) = shipped.interfaces.get(interface) {
            let methods = methods.iter().map(|(code, name)| (*code, name.as_str())).collect();
            let (source, origin) = (method_names_source::SHIPPED, format!("shipped for {}", shipped.releases));
            tables.push(MethodTable { interface, source, origin, methods });
        }
    }
    tables
}

/// The header of a record that names something: it belongs to a session and to no process.
pub(super) fn header(slot: SessionSlot) -> HeaderFields {
    HeaderFields { time_ns: clock::boot_ns(), sessions: slot.bit(), ..HeaderFields::default() }
}

/// Tells the API level; 0 when it is not known.
pub(super) fn platform(slot: SessionSlot, api_level: u32, batch: &mut RawBatch) {
    batch.push(
        &RecordBuilder::new(&header(slot), record_kind::PLATFORM, 0, platform_body::SIZE)
            .body(platform_body::API_LEVEL, &api_level.to_le_bytes())
            .finish(),
    );
}

/// Tells the methods of an interface, in as many records as they need.
pub(super) fn method_names(slot: SessionSlot, table: &MethodTable<'_>, batch: &mut RawBatch) {
    let fixed = record_header::SIZE + method_names_body::SIZE + 3 * segment_header::SIZE;
    let room = RECORD_MAX.saturating_sub(fixed + table.interface.len() + table.origin.len());
    let mut segment = Vec::new();
    let mut push = |segment: &mut Vec<u8>| {
        batch.push(
            &RecordBuilder::new(&header(slot), record_kind::METHOD_NAMES, 0, method_names_body::SIZE)
                .body(method_names_body::SOURCE, &table.source.to_le_bytes())
                .segment(segment_tag::NAME, table.interface.as_bytes())
                .segment(segment_tag::ORIGIN, table.origin.as_bytes())
                .segment(segment_tag::METHODS, segment)
                .finish(),
        );
        segment.clear();
    };
    for (code, name) in &table.methods {
        if segment.len() + name.len() + 5 > room && !segment.is_empty() {
            push(&mut segment);
        }
        segment.extend(code.to_le_bytes());
        segment.extend(name.bytes());
        segment.push(0);
    }
    if !segment.is_empty() {
        push(&mut segment);
    }
}

/// Tells which nodes are which services.
pub(super) fn service_nodes(slot: SessionSlot, nodes: &[(&str, u64)], batch: &mut RawBatch) {
    for (service, node) in nodes {
        batch.push(
            &RecordBuilder::new(&header(slot), record_kind::BINDER_NAME, 0, binder_name_body::SIZE)
                .body(binder_name_body::NODE, &node.to_le_bytes())
                .body(binder_name_body::WHAT, &binder_name_what::SERVICE.to_le_bytes())
                .segment(segment_tag::NAME, service.as_bytes())
                .finish(),
        );
    }
}
