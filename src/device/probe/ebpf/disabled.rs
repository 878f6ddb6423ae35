//! Stands in for the probe in builds without the cargo feature `ebpf`.

use super::{EbpfChoice, EbpfOptions, Opened, Trial};
use crate::event::{Family, ProbeId, ProbeState, ProbeStatus};

/// Answers that this build has no eBPF probe.
#[must_use]
pub fn open(choice: EbpfChoice) -> Opened {
    open_with(&EbpfOptions { choice, ..EbpfOptions::default() })
}

/// Answers that this build has no eBPF probe.
#[must_use]
pub fn open_with(options: &EbpfOptions) -> Opened {
    let probe = match options.choice {
        EbpfChoice::SystemCalls => ProbeId::EbpfSystemCalls,
        EbpfChoice::Auto | EbpfChoice::KernelObjects => ProbeId::EbpfKernelObjects,
    };
    let statuses = Family::TRACED
        .iter()
        .map(|family| ProbeStatus {
            probe,
            family: *family,
            state: ProbeState::Unsupported,
            reason: "built without eBPF: build with the cargo feature `ebpf`".to_owned(),
        })
        .collect();
    Opened { probe: None, statuses }
}

/// Nothing is tried.
#[must_use]
pub fn try_types() -> Vec<Trial> {
    Vec::new()
}

/// Nobody looks.
#[must_use]
pub fn tracepoints(_wanted: &[(&str, &str)]) -> Option<Vec<bool>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_answered_as_unsupported() {
        let opened = open(EbpfChoice::Auto);
        assert!(opened.probe.is_none());
        assert_eq!(opened.statuses.len(), Family::TRACED.len());
        assert!(opened.statuses.iter().all(|status| status.state == ProbeState::Unsupported));
    }
}
