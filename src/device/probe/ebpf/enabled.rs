//! Opens the probe: tries the tiers in order and reports on each.

use super::loader::{self, LoadError, Tier};
use super::reader::EbpfProbe;
use super::{EbpfChoice, EbpfOptions, Opened};
use crate::event::{Family, ProbeStatus};

pub use super::loader::{EmptyProgram, attach_empty_program};

/// Opens the tier of this choice, with the usual buffer.
#[must_use]
pub fn open(choice: EbpfChoice) -> Opened {
    open_with(&EbpfOptions { choice, ..EbpfOptions::default() })
}

/// Opens the tier that the options choose.
#[must_use]
pub fn open_with(options: &EbpfOptions) -> Opened {
    let tiers: &[Tier] = match options.choice {
        EbpfChoice::Auto => &[Tier::KernelObjects, Tier::SystemCalls],
        EbpfChoice::KernelObjects => &[Tier::KernelObjects],
        EbpfChoice::SystemCalls => &[Tier::SystemCalls],
    };
    let mut statuses = Vec::new();
    for tier in tiers {
        match loader::load(*tier, options).and_then(EbpfProbe::new) {
            Ok(probe) => {
                use crate::device::probe::Probe as _;
                statuses.extend(probe.statuses());
                return Opened { probe: Some(Box::new(probe)), statuses };
            }
            Err(error) => statuses.extend(refused(*tier, &error)),
        }
    }
    Opened { probe: None, statuses }
}

fn refused(tier: Tier, error: &LoadError) -> impl Iterator<Item = ProbeStatus> + use<> {
    let (state, reason) = (error.state(), error.to_string());
    Family::TRACED.iter().map(move |family| ProbeStatus {
        probe: tier.probe(),
        family: *family,
        state,
        reason: reason.clone(),
    })
}
