//! `struct code_origin`: whose code made a system call.

use super::DecodeError;
use super::cursor::Cursor;
use super::layout::SegmentTag;
use super::record::SegmentTable;
use super::text::printable;
use crate::device::probe::record_layout::code_confidence;
use crate::event::{CodeConfidence, CodeOrigin};

/// What the segment says; `None` where there is none.
pub(crate) fn code_origin(segments: &SegmentTable<'_>) -> Result<Option<Box<CodeOrigin>>, DecodeError> {
    let Some(segment) = segments.readable(SegmentTag::CodeOrigin) else { return Ok(None) };
    let mut cursor = Cursor::new(segment.bytes);
    let fixed = |cursor: &mut Cursor<'_>| {
        let fixed = (cursor.u64_le()?, cursor.u16_le()?, cursor.u16_le()?, cursor.u16_le()?);
        cursor.skip(2)?;
        Some(fixed)
    };
    let overrun = DecodeError::SegmentOverrun { tag: SegmentTag::CodeOrigin.number() };
    let Some((offset, confidence, depth, length)) = fixed(&mut cursor) else { return Err(overrun) };
    let confidence = match confidence {
        code_confidence::CALLER => CodeConfidence::Caller,
        code_confidence::FRAMES => CodeConfidence::Frames,
        code_confidence::LEAF => CodeConfidence::Leaf,
        value => return Err(DecodeError::UnknownValue { field: "code_origin.confidence", value: value.into() }),
    };
    let Some(build_id) = cursor.take(usize::from(length)) else { return Err(overrun) };
    let build_id: String = build_id.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(Box::new(CodeOrigin {
        file: printable(cursor.rest()),
        build_id: (!build_id.is_empty()).then_some(build_id),
        offset,
        depth: depth.into(),
        confidence,
    })))
}
