//! The fixed bodies of `shared_layout.h` to event bodies: one function for each group of record kinds. Payloads are in
//! `payload.rs`.

use super::code_origin::code_origin;
use super::cursor::Cursor;
use super::layout::{
    BLIND_SPOT_COMPAT, BLIND_SPOT_IO_URING, RECORD_FLAG_CLOSED, RECORD_FLAG_CUT, RECORD_FLAG_MAPPED,
    RECORD_FLAG_PREEXISTING, RecordKind, SegmentTag,
};
use super::path::{self, PathText};
use super::record::{Record, SegmentTable};
use super::socket_address::{SocketEnd, SocketType, endpoint_or_family};
use super::text::printable;
use super::{DecodeError, open_flags};
use crate::device::probe::record_layout::{package_change, process_name_body};
use crate::event::{
    BlindSpot, BlindSpotKind, EventBody, FidelityReason, FileOpen, FileRename, FileTotals, FileUnlink, Importance,
    Outcome, PackageChange, PackageChangeKind, ProcessExec, ProcessExit, ProcessImportance, ProcessKey, ProcessName,
    ProcessStart, SocketAccept, SocketBind, SocketConnect, SocketListen, SocketTotals,
};

/// What a record says, besides who acted.
pub(crate) struct Decoded {
    pub(crate) outcome: Outcome,
    pub(crate) body: EventBody,
}

impl Decoded {
    fn ok(body: EventBody) -> Self {
        Self { outcome: Outcome::Ok, body }
    }
}

pub(crate) fn process_start(record: &Record<'_>) -> Result<Decoded, DecodeError> {
    let (start_ns, tgid) = record.body(|body| Some((body.u64_le()?, body.u32_le()?)))?;
    record.segment_table()?;
    Ok(Decoded::ok(EventBody::ProcessStart(ProcessStart {
        parent: (tgid != 0).then(|| ProcessKey::new(tgid, start_ns)),
        preexisting: record.header.has(RECORD_FLAG_PREEXISTING),
    })))
}

pub(crate) fn process_exec(record: &Record<'_>, hints: &mut Vec<FidelityReason>) -> Result<Decoded, DecodeError> {
    let result = record.body(Cursor::i64_le)?;
    let segments = record.segment_table()?;
    let resolved = resolve(&segments, hints);
    let command_line = segments.readable(SegmentTag::CommandLine);
    let arguments_cut = segments.get(SegmentTag::CommandLine).is_some_and(|line| line.cut() || line.unreadable());
    Ok(Decoded {
        outcome: Outcome::from_result(result),
        body: EventBody::ProcessExec(ProcessExec {
            path: resolved.path.text,
            requested_path: resolved.requested,
            arguments: command_line.map(|line| split_arguments(line.bytes)).unwrap_or_default(),
            arguments_cut,
        }),
    })
}

/// Arguments are each ended by NUL; the last one has none when it was cut.
fn split_arguments(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|byte| *byte == 0).map(printable).collect()
}

/// What a probe writes that sees the end but not how it came.
const WAIT_STATUS_UNKNOWN: i32 = -1;

pub(crate) fn process_exit(record: &Record<'_>) -> Result<Decoded, DecodeError> {
    let status = record.body(Cursor::i32_le)?;
    record.segment_table()?;
    if status == WAIT_STATUS_UNKNOWN {
        return Ok(Decoded::ok(EventBody::ProcessExit(ProcessExit { status: None, signal: None })));
    }
    let signal = status & 0x7f;
    let (status, signal) = if signal == 0 { (Some(status >> 8 & 0xff), None) } else { (None, Some(signal)) };
    Ok(Decoded::ok(EventBody::ProcessExit(ProcessExit { status, signal })))
}

pub(crate) fn process_importance(record: &Record<'_>) -> Result<Decoded, DecodeError> {
    let oom_score_adj = record.body(Cursor::i32_le)?;
    record.segment_table()?;
    let importance = Importance::of_score(oom_score_adj);
    Ok(Decoded::ok(EventBody::ProcessImportance(ProcessImportance { importance, oom_score_adj })))
}

pub(crate) fn process_name(record: &Record<'_>) -> Result<Decoded, DecodeError> {
    record.body(|body| body.skip(process_name_body::SIZE))?;
    let segments = record.segment_table()?;
    let name = segments.readable(SegmentTag::Name).map(|name| printable(name.bytes)).unwrap_or_default();
    Ok(Decoded::ok(EventBody::ProcessName(ProcessName { name })))
}

pub(crate) fn package(record: &Record<'_>) -> Result<Decoded, DecodeError> {
    let (user_id, change, traced, version) =
        record.body(|body| Some((body.u32_le()?, body.u16_le()?, body.u16_le()? != 0, body.i64_le()?)))?;
    let change = match change {
        package_change::INSTALLED => PackageChangeKind::Installed,
        package_change::REPLACED => PackageChangeKind::Replaced,
        package_change::REMOVED => PackageChangeKind::Removed,
        value => return Err(DecodeError::UnknownValue { field: "package_body.change", value: value.into() }),
    };
    let segments = record.segment_table()?;
    let text = |tag| segments.readable(tag).map(|text| printable(text.bytes)).unwrap_or_default();
    Ok(Decoded::ok(EventBody::PackageChange(PackageChange {
        package: text(SegmentTag::Name),
        user_id,
        change,
        version_code: (version != -1).then_some(version),
        data_directory: text(SegmentTag::TextPath),
        traced,
    })))
}

pub(crate) fn blind_spot(record: &Record<'_>) -> Result<Decoded, DecodeError> {
    let what = match record.body(Cursor::u32_le)? {
        BLIND_SPOT_IO_URING => BlindSpotKind::IoUring,
        BLIND_SPOT_COMPAT => BlindSpotKind::CompatSystemCall,
        value => return Err(DecodeError::UnknownValue { field: "blind_spot_body.what", value }),
    };
    record.segment_table()?;
    Ok(Decoded::ok(EventBody::BlindSpot(BlindSpot { what })))
}

pub(crate) fn file_open(record: &Record<'_>, hints: &mut Vec<FidelityReason>) -> Result<Decoded, DecodeError> {
    let (result, handle, inode, flags) = record.body(|body| {
        let (result, handle, inode) = (body.i64_le()?, body.u64_le()?, body.u64_le()?);
        body.skip(8)?;
        Some((result, handle, inode, body.u32_le()?))
    })?;
    let segments = record.segment_table()?;
    let resolved = resolve(&segments, hints);
    let opened = result >= 0;
    Ok(Decoded {
        outcome: Outcome::from_result(result),
        body: EventBody::FileOpen(FileOpen {
            path: resolved.path.text,
            requested_path: resolved.requested,
            access: open_flags::access(flags),
            flags,
            descriptor: i32::try_from(result).ok().filter(|_| opened),
            handle: if opened { handle } else { 0 },
            preexisting: record.header.has(RECORD_FLAG_PREEXISTING),
            path_cut: resolved.path.cut,
            inode: (inode != 0).then_some(inode),
        }),
    })
}

/// `struct totals_body`.
pub(crate) struct TotalsBody {
    pub(crate) handle: u64,
    bytes_in: u64,
    bytes_out: u64,
    calls_in: u64,
    calls_out: u64,
    pub(crate) descriptor: i32,
}

impl TotalsBody {
    fn read(body: &mut Cursor<'_>) -> Option<Self> {
        let totals = Self {
            handle: body.u64_le()?,
            bytes_in: body.u64_le()?,
            bytes_out: body.u64_le()?,
            calls_in: body.u64_le()?,
            calls_out: body.u64_le()?,
            descriptor: body.i32_le()?,
        };
        body.skip(4)?;
        Some(totals)
    }
}

pub(crate) fn file_totals(record: &Record<'_>) -> Result<Decoded, DecodeError> {
    let totals = record.body(TotalsBody::read)?;
    record.segment_table()?;
    Ok(Decoded::ok(EventBody::FileTotals(FileTotals {
        // The attribution knows which file the handle is.
        path: String::new(),
        descriptor: totals.descriptor,
        handle: totals.handle,
        bytes_read: totals.bytes_in,
        bytes_written: totals.bytes_out,
        read_calls: totals.calls_in,
        write_calls: totals.calls_out,
        mapped: record.header.has(RECORD_FLAG_MAPPED),
        closed: record.header.has(RECORD_FLAG_CLOSED),
    })))
}

pub(crate) fn path_change(record: &Record<'_>, hints: &mut Vec<FidelityReason>) -> Result<Decoded, DecodeError> {
    let (result, directory) = record.body(|body| {
        let result = body.i64_le()?;
        body.skip(12)?;
        Some((result, body.u32_le()? != 0))
    })?;
    let segments = record.segment_table()?;
    let path = resolve(&segments, hints).path.text;
    let body = if record.kind == RecordKind::FileRename {
        let to = from_argument(&segments, SegmentTag::Argument2, SegmentTag::Base2, SegmentTag::TextBase2, hints);
        EventBody::FileRename(FileRename { from: path, to: to.text })
    } else {
        EventBody::FileUnlink(FileUnlink { path, directory })
    };
    Ok(Decoded { outcome: Outcome::from_result(result), body })
}

struct Resolved {
    path: PathText,
    /// The argument, when the path is not simply the argument.
    requested: Option<String>,
}

/// The path of the record: from the kernel's object if it is there, then from `/proc`, then from the argument.
fn resolve(segments: &SegmentTable<'_>, hints: &mut Vec<FidelityReason>) -> Resolved {
    let path = if let Some(segment) = segments.readable(SegmentTag::Path) {
        path::from_components(segment.bytes, segment.cut())
    } else if let Some(segment) = segments.readable(SegmentTag::TextPath) {
        hints.push(FidelityReason::Sampled);
        path::from_link(segment.bytes, segment.cut())
    } else {
        from_argument(segments, SegmentTag::Argument, SegmentTag::Base, SegmentTag::TextBase, hints)
    };
    let requested = segments.readable(SegmentTag::Argument).map(|segment| {
        let mut text = printable(segment.bytes);
        if segment.cut() {
            text.push_str(path::MISSING);
        }
        text
    });
    Resolved { requested: requested.filter(|requested| *requested != path.text), path }
}

fn from_argument(
    segments: &SegmentTable<'_>,
    argument: SegmentTag,
    base: SegmentTag,
    text_base: SegmentTag,
    hints: &mut Vec<FidelityReason>,
) -> PathText {
    let Some(argument) = segments.readable(argument) else { return PathText::unknown() };
    hints.push(FidelityReason::UserMemory);
    let relative = argument.bytes.first() != Some(&b'/');
    let base = if !relative {
        None
    } else if let Some(base) = segments.readable(base) {
        Some(path::from_components(base.bytes, base.cut()))
    } else if let Some(base) = segments.readable(text_base) {
        hints.push(FidelityReason::LateDirectory);
        Some(path::from_link(base.bytes, base.cut()))
    } else {
        None
    };
    path::from_argument(argument.bytes, argument.cut(), base.as_ref())
}

pub(crate) fn socket_act(record: &Record<'_>) -> Result<Decoded, DecodeError> {
    let (result, handle, descriptor, socket, backlog, local, remote) = record.body(|body| {
        let (result, handle, descriptor) = (body.i64_le()?, body.u64_le()?, body.i32_le()?);
        let socket = SocketType::read(body)?;
        body.skip(2)?;
        Some((result, handle, descriptor, socket, body.i32_le()?, SocketEnd::read(body)?, SocketEnd::read(body)?))
    })?;
    let segments = record.segment_table()?;
    let local = local.endpoint(segments.get(SegmentTag::UnixLocal));
    let remote = remote.endpoint(segments.get(SegmentTag::UnixRemote));
    let transport = socket.transport();
    let preexisting = record.header.has(RECORD_FLAG_PREEXISTING);
    let required = |end| endpoint_or_family(end, socket.family);
    let body = match record.kind {
        RecordKind::SocketBind => {
            EventBody::SocketBind(SocketBind { transport, local: required(local), descriptor, handle })
        }
        RecordKind::SocketListen => {
            EventBody::SocketListen(SocketListen { transport, local, descriptor, handle, backlog, preexisting })
        }
        RecordKind::SocketAccept => {
            EventBody::SocketAccept(SocketAccept { transport, remote: required(remote), local, descriptor, handle })
        }
        _ => {
            let (remote, code_origin) = (required(remote), code_origin(&segments)?);
            EventBody::SocketConnect(SocketConnect {
                transport,
                remote,
                local,
                descriptor,
                handle,
                preexisting,
                code_origin,
            })
        }
    };
    Ok(Decoded { outcome: Outcome::from_result(result), body })
}

pub(crate) fn socket_totals(record: &Record<'_>) -> Result<Decoded, DecodeError> {
    let (totals, socket, local, remote) = record.body(|body| {
        let totals = TotalsBody::read(body)?;
        let socket = SocketType::read(body)?;
        body.skip(10)?;
        Some((totals, socket, SocketEnd::read(body)?, SocketEnd::read(body)?))
    })?;
    let segments = record.segment_table()?;
    Ok(Decoded::ok(EventBody::SocketTotals(SocketTotals {
        transport: socket.transport(),
        remote: remote.endpoint(segments.get(SegmentTag::UnixRemote)),
        local: local.endpoint(segments.get(SegmentTag::UnixLocal)),
        descriptor: totals.descriptor,
        handle: totals.handle,
        bytes_sent: totals.bytes_out,
        bytes_received: totals.bytes_in,
        send_calls: totals.calls_out,
        receive_calls: totals.calls_in,
        closed: record.header.has(RECORD_FLAG_CLOSED),
    })))
}

/// Whether the record says that a segment is shorter than the original.
pub(crate) fn is_cut(record: &Record<'_>) -> bool {
    record.header.has(RECORD_FLAG_CUT)
}
