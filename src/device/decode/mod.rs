//! Raw records to observations.
//!
//! * **In:** the bytes of one record, in the layout of `probe/ebpf/programs/shared_layout.h`. **Out:** [`Observation`]s,
//!   or a [`DecodeError`] that names what is damaged.
//! * **May import:** `event` and the standard library. No I/O, no clock, no other stage: a replayed capture gives the
//!   same observations, on any system.
//! * **Test it:** `cargo test device::decode`; `fuzz/` has a target for each parser.

mod cursor;
mod error;
pub mod layout;
mod observation;

pub use error::DecodeError;
pub use observation::Observation;

/// Turns records into observations. It remembers the beginnings of streams whose first message is not whole yet, within
/// fixed bounds; everything else is decided from the record alone.
#[derive(Debug, Default)]
pub struct Decoder {}

impl Decoder {
    /// A decoder that remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes one record and appends what it says to `out`: nothing, one observation, or several (a DNS message with
    /// several questions).
    ///
    /// # Errors
    ///
    /// When the record is damaged. Then nothing was appended, and the record counts as lost for the reason given by
    /// [`DecodeError::reason`].
    pub fn decode(&mut self, record: &[u8], out: &mut Vec<Observation>) -> Result<(), DecodeError> {
        let _ = out;
        Err(DecodeError::TooShort { length: record.len() })
    }
}
