//! `candord decode`: parcels as lines of JSON to what they say, as lines of JSON. For captures by hand, and for vectors.
//!
//! * **In:** lines of text. **Out:** lines of text; the same decoder as for live records, so that what it says here is what
//!   a session would have told.
//! * **May import:** `event`, `decode`, `record_layout`, `serde_json`.
//! * **Test it:** `cargo test decode_lines`.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::device::decode::{Decoder, Observation};
use crate::device::probe::record_layout::{
    HeaderFields, RecordBuilder, binder_ending, binder_reply_body, binder_transaction_body, platform_body, record_kind,
    segment_tag,
};
use crate::event::{EventBody, Outcome};

/// A line may be this long: a parcel of 1 MiB in hexadecimal, and something around it.
const LONGEST_LINE: u64 = 4 * 1024 * 1024;
/// The number of each transaction: they do not meet.
const DEBUG_ID: u64 = 1;

/// One parcel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// API level of the release that wrote it; 0 or absent when not known.
    #[serde(default)]
    api: u32,
    /// Transaction code.
    code: u32,
    /// Interface, for a parcel whose token is missing; otherwise the token says it.
    #[serde(default)]
    interface: Option<String>,
    /// The parcel, in hexadecimal.
    payload: String,
    /// Bytes of the whole parcel, when the payload is only its beginning.
    #[serde(default)]
    data_size: Option<u64>,
    /// Where objects begin.
    #[serde(default)]
    offsets: Vec<u64>,
    /// The parcel of the reply, in hexadecimal.
    #[serde(default)]
    reply: Option<String>,
}

/// What a line says.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Answer {
    /// The act.
    Decoded { line: u64, outcome: Outcome, body: Box<EventBody> },
    /// Understood, and no act by itself: a lookup of a service.
    Nothing { line: u64, decoded: bool, reason: &'static str },
    /// Not understood.
    Failed { line: u64, error: String },
}

/// Decodes each line and writes one for it. Gives the number of lines that could not be understood.
///
/// # Errors
///
/// When reading or writing fails.
pub fn decode_lines(mut input: impl BufRead, mut output: impl Write) -> io::Result<u64> {
    let mut failed = 0;
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        // Bounded, so that a file without line ends does not fill the memory.
        let read = io::Read::take(&mut input, LONGEST_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        let ended = line.last() == Some(&b'\n');
        if line.trim_ascii().is_empty() {
            continue;
        }
        let answer = if ended || (read as u64) < LONGEST_LINE {
            answer(number, line.trim_ascii())
        } else {
            skip_line(&mut input)?;
            Answer::Failed { line: number, error: format!("the line is longer than {LONGEST_LINE} bytes") }
        };
        failed += u64::from(matches!(answer, Answer::Failed { .. }));
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(failed)
}

/// Goes to the end of the line.
fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |end| end + 1);
        input.consume(length);
        if end.is_some() || length == 0 {
            return Ok(());
        }
    }
}

fn answer(number: u64, text: &[u8]) -> Answer {
    let failed = |error: String| Answer::Failed { line: number, error };
    let line: Line = match serde_json::from_slice(text) {
        Ok(line) => line,
        Err(error) => return failed(error.to_string()),
    };
    match decode(&line) {
        Ok(Some(Observation { outcome, body, .. })) => Answer::Decoded { line: number, outcome, body: Box::new(body) },
        Ok(None) => {
            let reason = "no act by itself: it has no interface token, or only looks something up";
            Answer::Nothing { line: number, decoded: false, reason }
        }
        Err(error) => failed(error),
    }
}

fn decode(line: &Line) -> Result<Option<Observation>, String> {
    let mut payload = bytes("payload", &line.payload)?;
    if let Some(interface) = &line.interface
        && !begins_with_token(&payload, interface)
    {
        payload.splice(0..0, token(line.api, interface));
    }
    let size = line.data_size.unwrap_or(0).max(payload.len() as u64);
    let offsets: Vec<u8> = line.offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect();
    let header = HeaderFields { sessions: 1, ..HeaderFields::default() };
    let platform = RecordBuilder::new(&header, record_kind::PLATFORM, 0, platform_body::SIZE)
        .body(platform_body::API_LEVEL, &line.api.to_le_bytes());
    let request = RecordBuilder::new(&header, record_kind::BINDER_TRANSACTION, 0, binder_transaction_body::SIZE)
        .body(binder_transaction_body::DEBUG_ID, &DEBUG_ID.to_le_bytes())
        .body(binder_transaction_body::CODE, &line.code.to_le_bytes())
        .body(binder_transaction_body::DATA_SIZE, &size.to_le_bytes())
        .body(binder_transaction_body::OFFSETS_SIZE, &(offsets.len() as u64).to_le_bytes())
        .segment(segment_tag::PARCEL, &payload)
        .segment(segment_tag::OFFSETS, &offsets);
    let mut records = vec![platform.finish(), request.finish()];
    if let Some(reply) = &line.reply {
        let reply = bytes("reply", reply)?;
        let record = RecordBuilder::new(&header, record_kind::BINDER_REPLY, 0, binder_reply_body::SIZE)
            .body(binder_reply_body::REQUEST_DEBUG_ID, &DEBUG_ID.to_le_bytes())
            .body(binder_reply_body::DATA_SIZE, &(reply.len() as u64).to_le_bytes())
            .body(binder_reply_body::ENDING, &binder_ending::REPLY.to_le_bytes())
            .segment(segment_tag::PARCEL, &reply);
        records.push(record.finish());
    }
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    for record in records {
        decoder.decode(&record, &mut out).map_err(|error| error.to_string())?;
    }
    decoder.finish(&mut out);
    Ok(out.into_iter().next())
}

/// The descriptor as it stands in a parcel.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The descriptor is at one of the few places that a token has it.
fn begins_with_token(payload: &[u8], interface: &str) -> bool {
    let descriptor = utf16(interface);
    [8, 12, 16].iter().any(|place| payload.get(*place..).is_some_and(|rest| rest.starts_with(&descriptor)))
}

/// The token of a release: of the newest form when the release is not known.
fn token(api: u32, interface: &str) -> Vec<u8> {
    let units = interface.encode_utf16().count();
    let mut token = 0x8000_0000_u32.to_le_bytes().to_vec();
    if api == 0 || api >= 29 {
        token.extend((-1_i32).to_le_bytes());
    }
    if api == 0 || api >= 30 {
        token.extend(*b"TSYS");
    }
    token.extend(u32::try_from(units).unwrap_or(u32::MAX).to_le_bytes());
    token.extend(utf16(interface));
    token.extend([0, 0]);
    token.resize(token.len().next_multiple_of(4), 0);
    token
}

fn bytes(field: &str, text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(2) {
        return Err(format!("{field}: an odd number of hexadecimal digits ({})", digits.len()));
    }
    let digit = |(place, byte): (usize, &u8)| {
        let value = char::from(*byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
        value.ok_or_else(|| format!("{field}: {:?} at digit {} is not hexadecimal", char::from(*byte), place + 1))
    };
    let nibbles: Vec<u8> = digits.iter().enumerate().map(digit).collect::<Result<_, _>>()?;
    Ok(nibbles.chunks_exact(2).filter_map(|pair| Some(pair.first()? << 4 | pair.get(1)?)).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn run(lines: &str) -> (Vec<Value>, u64) {
        let mut out = Vec::new();
        let failed = decode_lines(lines.as_bytes(), &mut out).unwrap();
        let lines = String::from_utf8(out).unwrap();
        (lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), failed)
    }

    /// `getType` of `content://a/b`, API 33, written by hand: kind 1, then a text of 13 bytes.
    const GET_TYPE: &str = "01000000 0d000000 636f6e74656e743a2f2f612f62000000";

    #[test]
    fn a_parcel_without_its_token_is_given_one() {
        let line = json!({"api": 33, "code": 2, "interface": "android.content.IContentProvider", "payload": GET_TYPE,
            "reply": "ffffffff0100000058000000"});
        let (answers, failed) = run(&format!("\n{line}\n"));
        assert_eq!(failed, 0);
        assert_eq!(answers[0]["line"], 2);
        assert_eq!(answers[0]["outcome"], json!({"denied": 0}));
        let access = &answers[0]["body"]["provider_access"];
        assert_eq!((&access["method"], &access["uri"]), (&json!("get_type"), &json!("content://a/b")));
        assert_eq!(access["transaction"]["exception"], -1);

        // With its token it says the same.
        let whole: String =
            token(33, "android.content.IContentProvider").iter().map(|byte| format!("{byte:02x}")).collect();
        let line = json!({"api": 33, "code": 2, "payload": whole + GET_TYPE});
        let (answers, _) = run(&line.to_string());
        assert_eq!(answers[0]["body"]["provider_access"]["uri"], "content://a/b");
        assert_eq!(answers[0]["outcome"], "unknown");
    }

    #[test]
    fn every_bad_line_is_answered_and_counted() {
        let lines = [
            "no json",
            r#"{"code": 1, "payload": "0"}"#,
            r#"{"code": 1, "payload": "0g"}"#,
            r#"{"code": 1}"#,
            r#"{"code": 1, "payload": "", "colour": 1}"#,
            r#"{"code": 1, "payload": ""}"#,
        ];
        let (answers, failed) = run(&lines.join("\n"));
        assert_eq!((answers.len(), failed), (6, 5));
        let error = |index: usize| answers[index]["error"].as_str().unwrap().to_owned();
        assert!(error(1).contains("odd number") && error(2).contains("'g' at digit 2"), "{answers:?}");
        assert!(error(3).contains("payload") && error(4).contains("colour"));
        assert_eq!(answers[5]["decoded"], false);
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut long = vec![b'a'; usize::try_from(LONGEST_LINE).unwrap() + 10];
        long.extend(b"\n{\"code\": 1, \"payload\": \"\"}\n");
        let mut out = Vec::new();
        assert_eq!(decode_lines(long.as_slice(), &mut out).unwrap(), 1);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.contains("longer than"));
    }
}
