//! TEMPORARY, until `wire` has the conversions: an entry as JSON inside a header message.

use crate::event::StreamEntry;
use crate::wire::proto;

pub(super) fn to_wire(entry: &StreamEntry) -> proto::StreamEntry {
    let session_id = serde_json::to_string(entry).unwrap_or_default();
    let header = proto::SessionHeader { session_id, ..Default::default() };
    proto::StreamEntry { entry: Some(proto::stream_entry::Entry::Header(header)) }
}

pub(super) fn from_wire(entry: proto::StreamEntry) -> Result<StreamEntry, String> {
    match entry.entry {
        Some(proto::stream_entry::Entry::Header(header)) => {
            serde_json::from_str(&header.session_id).map_err(|error| error.to_string())
        }
        _ => Err("no entry".to_owned()),
    }
}
