//! One request and its reply: the first byte chooses the interface, the second the API level, the third the code, the next two
//! how much of the rest is the request's arguments.
#![no_main]

use candor::device::decode::Decoder;
use candor::device::decode::layout::SegmentTag;
use candor::device::decode::test_support::{RecordBuilder, Transaction};
use libfuzzer_sys::fuzz_target;

const INTERFACES: [&str; 5] = [
    "android.content.IContentProvider",
    "android.app.IActivityManager",
    "android.os.IServiceManager",
    "android.location.ILocationManager",
    "com.android.internal.telephony.IPhoneSubInfo",
];

fuzz_target!(|bytes: &[u8]| {
    let [which, api, code, low, high, rest @ ..] = bytes else { return };
    let interface = INTERFACES[usize::from(*which) % INTERFACES.len()];
    let api = 28 + u32::from(*api) % 9;
    let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()).min(4096);
    let (arguments, reply) = rest.split_at(length);
    let reply = &reply[..reply.len().min(2048)];

    let mut parcel = 0x8000_0000_u32.to_le_bytes().to_vec();
    if api >= 29 {
        parcel.extend((-1_i32).to_le_bytes());
    }
    if api >= 30 {
        parcel.extend(*b"TSYS");
    }
    parcel.extend((interface.len() as u32).to_le_bytes());
    parcel.extend(interface.encode_utf16().chain([0]).flat_map(u16::to_le_bytes));
    parcel.resize(parcel.len().next_multiple_of(4), 0);
    parcel.extend(arguments);

    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    let methods = [(1, "getLastLocation"), (5, "getDeviceIdForPhone"), (9, "getContentProvider"), (12, "getLine1Number")];
    for record in [
        RecordBuilder::platform(api),
        RecordBuilder::method_names(interface, &methods),
        RecordBuilder::binder_transaction(Transaction {
            debug_id: 1,
            node: 2,
            code: u32::from(*code),
            flags: 0x10,
            size: parcel.len() as u64 + u64::from(*which),
        })
        .segment(SegmentTag::Parcel, &parcel),
        RecordBuilder::binder_reply(1, 1, 0, reply.len() as u64)
            .segment(SegmentTag::Parcel, reply)
            .segment(SegmentTag::Nodes, reply),
    ] {
        decoder.decode(&record.build(), &mut out).expect("the frame of the record is whole");
    }
    assert!(out.len() <= 1 && decoder.open_binder_calls() == 0);
});
