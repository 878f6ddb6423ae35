//! What the platform itself says: its release, what its methods are called, which binder node is which service, and which
//! packages come and go.
//!
//! * **In:** files of the system below a root; answers of the service manager. **Out:** raw records that name things, for
//!   the decoder, and no act of any app.
//! * **May import:** `event`, `crc32fast`, `nix`, `sha2`, `tracing`, `zip`, and `super`.
//! * **Test it:** `cargo test platform`; `tests/real_dex.rs` and `tests/binder_names.rs` where a device is needed.
//!
//! Method tables are read on a thread of their own when the daemon starts, services are looked up on another then and
//! when a session begins: a slow disk or a service manager that hangs delays names, and no other probe.

mod cache;
pub mod dex;
mod jar;
mod packages;
mod records;
mod service_lookup;
mod shipped;
mod tables;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use self::cache::Cache;
use self::packages::PackageWatch;
use self::service_lookup::LookupError;
use self::shipped::Shipped;
use self::tables::DeviceTables;
use super::{PollState, Probe, ProbeCounters, ProbeError, RawBatch, SessionSlot};
use crate::event::{Family, PRIVACY_INTERFACES, ProbeId, ProbeState, ProbeStatus, Selection};

/// How long the first session waits for the method tables. A cold cache and a slow disk need seconds; a session that
/// begins without them would name methods by the shipped tables, or not at all.
const TABLES_WAIT: Duration = Duration::from_secs(10);
/// How long the beginning of a session waits for the service manager. What comes later is told when it comes.
const NAMES_WAIT: Duration = Duration::from_millis(300);
/// How long the service manager may take for all questions together.
const LOOKUP_TIME: Duration = Duration::from_secs(3);
/// The longest property file that is read.
const PROPERTIES_MAX: u64 = 1 << 20;
/// Where the properties of the build are, below the root.
const PROPERTY_FILES: &[&str] = &["system/build.prop", "system/etc/prop.default", "default.prop"];

/// What only Android has, below the root.
const ANDROID_MARK: &str = "system/build.prop";

/// Whether the system below `root` is Android.
#[must_use]
pub fn is_android(root: &Path) -> bool {
    root.join(ANDROID_MARK).exists()
}

/// Opens the probe on the system below `root`. Tables of methods that took time to read are kept in `cache`.
#[must_use]
pub fn open(root: PathBuf, cache: Option<PathBuf>) -> Box<dyn Probe> {
    Box::new(PlatformProbe::new(root, Cache::at(cache)))
}

/// What the probe can name on the system below `root`, once it has looked.
#[must_use]
pub fn statuses(root: PathBuf, cache: Option<PathBuf>) -> Vec<ProbeStatus> {
    let mut probe = PlatformProbe::new(root, Cache::at(cache));
    probe.tables.wait(TABLES_WAIT);
    probe.take_names(LOOKUP_TIME);
    probe.statuses()
}

/// Nodes of services, or why there are none, and whether that was refused.
type Names = Result<Vec<(&'static str, u64)>, (String, bool)>;

/// Something that a thread is making.
enum Awaited<T> {
    Coming(Receiver<T>),
    Here(T),
    /// The thread ended without it.
    Lost,
}

impl<T> Awaited<T> {
    fn begin(name: &str, make: impl FnOnce() -> T + Send + 'static) -> Self
    where
        T: Send + 'static,
    {
        let (sender, receiver) = channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Nobody waits any more when the probe is gone.
            let _ = sender.send(make());
        });
        match thread {
            Ok(_) => Self::Coming(receiver),
            Err(error) => {
                tracing::error!(%error, name, "cannot start a thread");
                Self::Lost
            }
        }
    }

    /// Waits until it is there, or for `timeout`.
    fn wait(&mut self, timeout: Duration) {
        if let Self::Coming(receiver) = self {
            match receiver.recv_timeout(timeout) {
                Ok(value) => *self = Self::Here(value),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => *self = Self::Lost,
            }
        }
    }

    fn is_coming(&self) -> bool {
        matches!(self, Self::Coming(_))
    }
}

struct PlatformProbe {
    root: PathBuf,
    api_level: u32,
    shipped: Shipped,
    tables: Awaited<DeviceTables>,
    lookup: Awaited<Names>,
    /// What the last lookup said. Numbers of nodes are never given twice, so an old answer is not wrong.
    names: Names,
    /// Sessions that began before the running lookup was done.
    waiting: BTreeSet<SessionSlot>,
    packages: PackageWatch,
}

impl PlatformProbe {
    fn new(root: PathBuf, cache: Cache) -> Self {
        let api_level = api_level(&root);
        let mut probe = Self {
            shipped: shipped::of_level(api_level),
            tables: Awaited::begin("method-tables", {
                let root = root.clone();
                move || tables::read(&root, &cache)
            }),
            lookup: Awaited::Lost,
            names: Err(("services were not looked up yet".to_owned(), false)),
            waiting: BTreeSet::new(),
            packages: PackageWatch::new(root.clone()),
            api_level,
            root,
        };
        probe.look_up();
        probe
    }

    /// Begins to ask the service manager, unless that is under way.
    fn look_up(&mut self) {
        if self.lookup.is_coming() {
            return;
        }
        let (root, api_level) = (self.root.clone(), self.api_level);
        self.lookup = Awaited::begin("service-names", move || {
            let services: Vec<_> =
                PRIVACY_INTERFACES.iter().flat_map(|interface| interface.services).copied().collect();
            service_lookup::nodes_of_services(&root, api_level, &services, LOOKUP_TIME)
                .map_err(|error| (error.to_string(), LookupError::denied(&error)))
        });
    }

    /// Takes over the answer of a lookup, once it is there.
    fn take_names(&mut self, timeout: Duration) -> bool {
        self.lookup.wait(timeout);
        match std::mem::replace(&mut self.lookup, Awaited::Lost) {
            Awaited::Here(names) => {
                match &names {
                    Ok(found) => tracing::debug!(services = ?found, "the nodes of services were looked up"),
                    Err((reason, _)) => tracing::debug!(reason, "the nodes of services were not found"),
                }
                self.names = names;
                true
            }
            other => {
                self.lookup = other;
                false
            }
        }
    }

    fn device_tables(&self) -> Option<&DeviceTables> {
        match &self.tables {
            Awaited::Here(tables) => Some(tables),
            Awaited::Coming(_) | Awaited::Lost => None,
        }
    }
}

impl Probe for PlatformProbe {
    fn id(&self) -> ProbeId {
        ProbeId::Platform
    }

    fn traces(&self) -> bool {
        false
    }

    fn statuses(&self) -> Vec<ProbeStatus> {
        let status = |family, state, reason| ProbeStatus { probe: ProbeId::Platform, family, state, reason };
        let level = match self.api_level {
            0 => "the API level is not known".to_owned(),
            level => format!("API level {level}"),
        };
        let from_device = self.device_tables().map_or(0, |tables| tables.interfaces.len());
        let mut parts = vec![level];
        parts.push(match &self.tables {
            Awaited::Here(tables) => {
                format!("methods of {from_device} interfaces from the device's {} jars", tables.jars)
            }
            Awaited::Coming(_) => "the device's jars are being read".to_owned(),
            Awaited::Lost => "the device's jars could not be read".to_owned(),
        });
        if let Some(problem) = self.device_tables().and_then(|tables| tables.problems.first()) {
            parts.push(format!("not all of them: {problem}"));
        }
        parts.push(match self.shipped.releases.as_str() {
            "" => "no shipped table for this level".to_owned(),
            releases => format!("otherwise shipped tables of {releases}"),
        });
        let nothing = self.names.is_err() && from_device == 0 && self.api_level == 0;
        let denied = matches!(self.names, Err((_, true)));
        parts.push(match &self.names {
            Ok(found) => format!("nodes of {} services known", found.len()),
            Err((reason, _)) => format!("nodes of services not known: {reason}"),
        });
        // Never more than partial: it sees no act, and a family is not covered because its names are known.
        let state = match (nothing, denied) {
            (true, true) => ProbeState::Denied,
            (true, false) => ProbeState::Unsupported,
            (false, _) => ProbeState::Partial,
        };
        let provider = "names only: methods of content providers are fixed, authorities are learned from requests";
        vec![
            status(Family::Provider, state, provider.to_owned()),
            status(Family::Service, state, format!("names only: {}", parts.join("; "))),
        ]
    }

    fn select(&mut self, slot: SessionSlot, selection: &Selection, batch: &mut RawBatch) -> Result<(), ProbeError> {
        self.packages.begin(slot, selection, batch);
        self.take_names(Duration::ZERO);
        self.look_up();
        self.tables.wait(TABLES_WAIT);
        records::platform(slot, self.api_level, batch);
        for table in records::method_tables(self.device_tables(), &self.shipped) {
            records::method_names(slot, &table, batch);
        }
        if !self.take_names(NAMES_WAIT) && self.lookup.is_coming() {
            self.waiting.insert(slot);
        }
        records::service_nodes(slot, self.names.as_deref().unwrap_or_default(), batch);
        Ok(())
    }

    fn deselect(&mut self, slot: SessionSlot, _batch: &mut RawBatch) {
        self.waiting.remove(&slot);
        self.packages.end(slot);
    }

    fn poll(&mut self, timeout: Duration, batch: &mut RawBatch) -> Result<PollState, ProbeError> {
        let began = Instant::now();
        self.packages.look(batch);
        if self.take_names(timeout) {
            for slot in std::mem::take(&mut self.waiting) {
                records::service_nodes(slot, self.names.as_deref().unwrap_or_default(), batch);
            }
        } else {
            thread::sleep(timeout.saturating_sub(began.elapsed()));
        }
        Ok(PollState::Idle)
    }

    fn wanted(&mut self) -> Vec<(SessionSlot, BTreeSet<u32>)> {
        self.packages.take_wanted()
    }

    fn counters(&self) -> ProbeCounters {
        ProbeCounters::default()
    }
}

/// Calls the service manager by an interface that is not its own, which it refuses. For self-tests.
///
/// # Errors
///
/// When there is no binder, no service manager, or no answer in time: why.
pub fn call_in_vain(
    root: &Path,
    api_level: u32,
    interface: &str,
    argument: &str,
    time: Duration,
) -> Result<(), String> {
    service_lookup::call_in_vain(root, api_level, interface, argument, time).map_err(|error| error.to_string())
}

/// The API level of the system below `root`; 0 when it is not an Android system, or does not tell.
#[must_use]
pub fn api_level(root: &Path) -> u32 {
    PROPERTY_FILES.iter().find_map(|file| level_in(&read_bounded(&root.join(file))?)).unwrap_or(0)
}

/// The API level by which the service manager of the system below `root` is asked; `None` without a binder device.
#[must_use]
pub fn level_with_binder(root: &Path) -> Option<u32> {
    super::binder_driver::place(root).is_some().then(|| api_level(root))
}

fn read_bounded(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(PROPERTIES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The level in the text of a property file; the first name is the one that apps see.
fn level_in(properties: &str) -> Option<u32> {
    ["ro.build.version.sdk", "ro.system.build.version.sdk"].iter().find_map(|name| {
        let mut lines = properties.lines().filter_map(|line| line.trim().split_once('='));
        lines.find_map(|(key, value)| if key == *name { value.trim().parse().ok() } else { None })
    })
}

#[cfg(test)]
mod tests;
