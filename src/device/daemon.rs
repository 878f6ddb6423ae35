//! The daemon: puts the stages together. The only file that knows them all.
//!
//! * **In:** [`DaemonOptions`]. **Out:** a running [`Daemon`], whose socket takes connections.
//! * **May import:** every stage of the device's side.
//! * **Test it:** `cargo test --test grpc_service`.

use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use thiserror::Error;

use crate::device::attribute::{Attributed, Attributor, PackageDirectory};
use crate::device::decode::{Decoder, Observation};
use crate::device::device_info;
use crate::device::event_bus::SpoolLimits;
use crate::device::probe::{Probe, ProbeError};
use crate::device::service::{ListenAddress, ListenError, Server};
use crate::device::session::{
    Interpretation, Interpreter, ManagerOptions, Preparation, Replay, SessionManager,
};
use crate::event::{Event, ProbeId, ProbeStatus, Selection};
use crate::wire::DEFAULT_SOCKET_PATH;

/// Sessions at a time, unless told otherwise.
pub const DEFAULT_MAX_SESSIONS: usize = 16;

/// How a daemon is to run.
pub struct DaemonOptions {
    /// Where it listens.
    pub listen: ListenAddress,
    /// Where its records come from.
    pub probes: ProbeSource,
    /// Where raw captures go; `None`: clients cannot ask for one.
    pub raw_captures: Option<PathBuf>,
    /// Bounds of each session's spool.
    pub spool: SpoolLimits,
    /// Sessions at a time.
    pub max_sessions: usize,
    /// What files of the system are read under: `/`, except in tests.
    pub system_root: PathBuf,
}

impl Default for DaemonOptions {
    fn default() -> Self {
        Self {
            listen: ListenAddress::Unix(PathBuf::from(DEFAULT_SOCKET_PATH)),
            probes: ProbeSource::default(),
            raw_captures: None,
            spool: SpoolLimits::default(),
            max_sessions: DEFAULT_MAX_SESSIONS,
            system_root: PathBuf::from("/"),
        }
    }
}
