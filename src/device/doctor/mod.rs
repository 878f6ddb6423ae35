//! `candord doctor`: what this device can and cannot show, why, and what would help.
//!
//! * **In:** the system's files, the kernel's answers when things are tried, and one session of its own. **Out:** a [`Report`].
//! * **May import:** `event`, `clock`, `daemon`, `device_info`, `probe` (what can be tried), `self_test`, `session`, `nix`, `tokio`.
//! * **Test it:** `cargo test device::doctor`; as root `cargo test --test doctor -- --ignored`.
//!
//! It opens its own probes beside those of a daemon that runs, which is neither asked nor touched, and detaches them
//! again. So what it says is what a daemon started now would find.

mod report;
mod session;
mod system;

use std::path::PathBuf;

pub use report::{Check, CheckState, Report, text};

use crate::device::daemon::{DaemonOptions, ProbeSource, SpoolFilesOptions};
use crate::device::probe::ebpf;
use crate::device::probe::tiers::ProbeOptions;
use crate::device::{daemon, device_info};

/// What to examine.
#[derive(Debug, Clone)]
pub struct DoctorOptions {
    /// The probes to try.
    pub probes: ProbeOptions,
    /// The program that is started as the helper of the self-test; `None`: none is made.
    pub self_test: Option<PathBuf>,
    /// What files of the system are read under: `/`, except in tests.
    pub system_root: PathBuf,
}

/// Examines this device. Must be called within a Tokio runtime.
pub async fn examine(options: DoctorOptions) -> Report {
    let root = options.system_root.clone();
    let device = device_info::read(&root);
    let mut checks = vec![system::kernel(&device), system::privileges(&root), system::type_information(&device)];
    checks.extend(system::types(&ebpf::try_types()));
    checks.push(system::tracepoints());
    checks.push(system::binder(&root));
    let daemon_options = DaemonOptions {
        probes: ProbeSource::Kernel(options.probes.clone()),
        self_test: options.self_test,
        system_root: root.clone(),
        max_sessions: 1,
        ..DaemonOptions::default()
    };
    let (statuses, self_test) = match daemon::open_sessions(daemon_options) {
        Ok(sessions) => {
            let tested = session::test(&sessions).await;
            sessions.shutdown().await;
            tested
        }
        Err(error) => (daemon::probe_statuses(&options.probes, &root), Err(error.to_string())),
    };
    checks.extend(system::families(&statuses));
    checks.push(session::check(&self_test));
    checks.extend([
        system::io_uring(&root),
        system::packages(&root),
        system::resolver(&root),
        system::memory(&root, options.probes.ring_bytes),
        system::spool(&daemon::usual_spools(&root), SpoolFilesOptions::default().total_bytes),
        system::clock(),
        system::usual_socket(),
    ]);
    Report { device, checks, self_test: self_test.ok() }
}
