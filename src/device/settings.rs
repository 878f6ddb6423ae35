//! The command line of `candord`: text, then settings.
//!
//! * **In:** arguments. **Out:** [`Settings`], which mean something, or an error that says what does not.
//! * **May import:** `clap`, `daemon` (its options), `service` (its address), `access_settings`, `keys`.
//! * **Test it:** `cargo test device::settings`.
//!
//! Two stages: [`Arguments`] is what was typed, [`Settings`] what it means. Nothing later looks at text again.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use thiserror::Error;

use crate::device::access_settings::{AccessArguments, AccessSettingsError, KEYS_HELP, KeysArguments};
use crate::device::daemon::{DEFAULT_MAX_SESSIONS, DaemonOptions, ProbeSource, SpoolFilesOptions};
use crate::device::doctor::DoctorOptions;
use crate::device::event_bus::SpoolLimits;
use crate::device::keys::KeysOptions;
use crate::device::probe::tiers::{ProbeChoice, ProbeOptions};
use crate::device::self_test::THIS_PROGRAM;
use crate::device::service::{AccessOptions, ListenAddress, ListenAddressError};
use crate::device::spool_files::SessionBounds;
use crate::wire::DEFAULT_SOCKET_PATH;

const EXAMPLES: &str = "\
Examples:
  candord doctor                                     what this device can show, what not, why, and what would help
  candord probes                                     what can be traced here, and if not, why
  candord serve                                      listen on the usual socket; needs root
  candord serve --listen unix-abstract:candord       on a device; then, on the host:
                                                     adb forward tcp:50051 localabstract:candord
  candord keys --out keys                            make certificates and a token, once; then, for TCP:
  candord serve --listen tcp:127.0.0.1:50051 --keys keys
  candord serve --raw-captures /data/local/tmp/raw   let clients keep raw records (--keep-raw)
  candord serve --spool-directory /mnt/big/candor    keep what clients have not read yet on another disk
  candord serve --listen unix:/tmp/c.sock --replay FILE.candor-raw
                                                     give a captured session again; needs no root

Exit status: 0 done; 2 (probes, doctor) not everything can be traced; 64 the command line is wrong; 65 or 66 the capture to
replay is damaged or missing; 69 another daemon has the socket or the spools; 73 the socket or directory cannot be created; 77
not permitted, tracing needs root; or the directory of spools is open to others.";

const DOCTOR_HELP: &str = "\
Each line has a state: ok; limited (it works, and something is not seen or only a hint); missing (something that should be seen
is not). It opens probes of its own and makes a session of its own, and closes both: a daemon that runs is not disturbed.

Exit status: 0 nothing is missing; 2 something is; 64 the command line is wrong.";

const DECODE_HELP: &str = "\
Reads standard input, one parcel in each line:
  {\"api\": 33, \"code\": 1, \"payload\": \"000000800fff...\"}
Fields: code and payload (hexadecimal; spaces are fine) are required. api is the Android API level. interface is for a
parcel whose interface token is missing. data_size is that of the whole parcel, when the payload is only its beginning.
offsets is the list of places where objects begin. reply is the parcel of the reply.

Writes for each line one object: line, outcome and body, as in the events of a session; or line and error.

Example:
  echo '{\"api\": 33, \"code\": 2, \"interface\": \"android.content.IContentProvider\",
         \"payload\": \"010000000d000000636f6e74656e743a2f2f612f62000000\"}' | tr -d '\\n' | candord decode

Exit status: 0 every line was understood; 1 some were not; 74 reading or writing failed.";

/// Traces what apps do on this device and streams it over gRPC.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "candord", version, after_help = EXAMPLES, max_term_width = 120)]
pub struct Arguments {
    #[command(subcommand)]
    command: CommandArguments,
    /// What to log, to stderr: error, warn, info, debug, trace, or a filter such as "candor::device::session=debug"
    #[arg(long, global = true, env = "RUST_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum CommandArguments {
    /// Serve clients until SIGINT or SIGTERM
    #[command(after_help = EXAMPLES)]
    Serve(Box<ServeArguments>),
    /// Try every probe and tell what it can see here, and why not more
    Probes(ProbesArguments),
    /// Tell what this device can and cannot show, why, and what would help
    #[command(after_help = DOCTOR_HELP)]
    Doctor(ProbesArguments),
    /// Make an authority, certificates for daemon and client, and a token, for TCP
    #[command(after_help = KEYS_HELP)]
    Keys(KeysArguments),
    /// Decode binder parcels: lines of JSON in, lines of JSON out
    #[command(after_help = DECODE_HELP)]
    Decode,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
struct ServeArguments {
    /// Where to listen: unix:PATH, unix-abstract:NAME, or tcp:ADDRESS:PORT with --keys
    #[arg(long, default_value_t = format!("unix:{DEFAULT_SOCKET_PATH}"), value_name = "ADDRESS")]
    listen: String,
    /// Which probes may be used
    #[arg(long, value_enum, default_value_t = ProbesArgument::Auto, conflicts_with = "replay")]
    probes: ProbesArgument,
    /// Let clients keep raw records, in this directory
    #[arg(long, value_name = "DIRECTORY")]
    raw_captures: Option<PathBuf>,
    /// Give the session of a raw capture again instead of tracing
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    #[command(flatten)]
    spool: SpoolArguments,
    /// Memory between the kernel and the daemon; a power of two
    #[arg(long, default_value_t = 8, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1024))]
    ring_megabytes: u32,
    /// Sessions at a time
    #[arg(long, default_value_t = DEFAULT_MAX_SESSIONS, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=64))]
    max_sessions: usize,
    /// Where the device's files are: for a daemon that does not have them at its own root, and for tests
    #[arg(long, value_name = "DIRECTORY", default_value = "/", hide = true)]
    system_root: PathBuf,
    #[command(flatten)]
    access: AccessArguments,
}

/// Where events are held until clients have read them.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(next_help_heading = "Spools: events that clients can still read, also after the daemon was killed")]
struct SpoolArguments {
    /// Where to write them: a directory of candord's own, made with mode 0700 [default: /data/misc/candor/spool on Android,
    /// else /var/lib/candord/spool; when that cannot be had, candord says so and goes on in memory]
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["spool_in_memory", "replay"])]
    spool_directory: Option<PathBuf>,
    /// Write none: what is not read is lost with the daemon
    #[arg(long)]
    spool_in_memory: bool,
    /// How much of one session is kept, on disk [default: 256], or in memory with --spool-in-memory [default: 64]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    spool_megabytes: Option<u32>,
    /// How much of all sessions together is kept on disk: ended sessions go first, the oldest first
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    spool_total_megabytes: u32,
    /// How long it is kept on disk
    #[arg(long, value_name = "HOURS", default_value_t = 72, value_parser = clap::value_parser!(u32).range(1..=87_600))]
    spool_hours: u32,
    /// Memory in front of the disk, for all sessions together: what comes while the disk is busy
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    spool_memory_megabytes: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
struct ProbesArguments {
    /// Which probes to try
    #[arg(long, value_enum, default_value_t = ProbesArgument::Auto)]
    probes: ProbesArgument,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProbesArgument {
    /// The first that works, in this order
    Auto,
    /// eBPF, whichever of the next two works
    Ebpf,
    /// eBPF on the kernel's own objects: resolved paths, no guesses
    EbpfObjects,
    /// eBPF on system calls: arguments and results only
    EbpfSyscalls,
    /// Stop the app at its system calls: where there is no eBPF; the app can notice it, and is slowed down
    Ptrace,
    /// Look at /proc again and again: what opens and closes in between is not seen
    Procfs,
}

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For reading in a terminal
    Text,
    /// For programs: one array of objects
    Json,
}

/// What `candord` is to do.
pub struct Settings {
    /// What to log.
    pub log: String,
    /// The verb.
    pub verb: Verb,
}

/// What is to be done.
pub enum Verb {
    /// Serve clients.
    Serve(Box<DaemonOptions>),
    /// Tell about the probes.
    Probes(ProbeOptions, Format),
    /// Examine the device.
    Doctor(DoctorOptions, Format),
    /// Make certificates and a token.
    Keys(KeysOptions),
    /// Decode parcels from standard input.
    Decode,
}

/// Arguments that mean nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// The address.
    #[error("--listen {0}")]
    Listen(#[from] ListenAddressError),
    /// Who may connect.
    #[error(transparent)]
    Access(#[from] AccessSettingsError),
    /// TLS for an address that has none.
    #[error("--listen {0}: --keys and --tls-cert are for TCP; a Unix socket asks the kernel who connects")]
    TlsWithoutTcp(ListenAddress),
    /// The ring buffer.
    #[error("--ring-megabytes {0}: the size of the ring must be a power of two, such as {1}")]
    RingSize(u32, u32),
}

impl TryFrom<Arguments> for Settings {
    type Error = SettingsError;

    fn try_from(arguments: Arguments) -> Result<Self, SettingsError> {
        let verb = match arguments.command {
            CommandArguments::Probes(probes) => {
                Verb::Probes(ProbeOptions { choice: probes.probes.into(), ..ProbeOptions::default() }, probes.format)
            }
            CommandArguments::Doctor(doctor) => {
                let probes = ProbeOptions { choice: doctor.probes.into(), ..ProbeOptions::default() };
                let self_test = Some(THIS_PROGRAM.into());
                Verb::Doctor(DoctorOptions { probes, self_test, system_root: PathBuf::from("/") }, doctor.format)
            }
            CommandArguments::Serve(serve) => Verb::Serve(Box::new((*serve).try_into()?)),
            CommandArguments::Keys(keys) => Verb::Keys(keys.into()),
            CommandArguments::Decode => Verb::Decode,
        };
        Ok(Self { log: arguments.log, verb })
    }
}

impl TryFrom<ServeArguments> for DaemonOptions {
    type Error = SettingsError;

    fn try_from(serve: ServeArguments) -> Result<Self, SettingsError> {
        if !serve.ring_megabytes.is_power_of_two() {
            return Err(SettingsError::RingSize(serve.ring_megabytes, serve.ring_megabytes.next_power_of_two()));
        }
        let probes = match serve.replay {
            Some(path) => ProbeSource::Replay(path),
            None => ProbeSource::Kernel(ProbeOptions {
                choice: serve.probes.into(),
                // At most 1 GiB, so it fits.
                ring_bytes: serve.ring_megabytes << 20,
                tracer: None,
            }),
        };
        let listen: ListenAddress = serve.listen.parse()?;
        let access: AccessOptions = serve.access.try_into()?;
        if access.tls.is_some() && !matches!(listen, ListenAddress::Tcp(_)) {
            return Err(SettingsError::TlsWithoutTcp(listen));
        }
        let is_replay = matches!(probes, ProbeSource::Replay(_));
        let spool = serve.spool;
        let bytes = mebibytes(spool.spool_megabytes.unwrap_or(64));
        Ok(Self {
            listen,
            access,
            probes,
            raw_captures: serve.raw_captures,
            // With the bytes given, the number of events is not what bounds the spool.
            spool: SpoolLimits { bytes, events: usize::MAX },
            // A replay can be had again from its file.
            spool_files: (!spool.spool_in_memory && !is_replay).then(|| spool.into()),
            max_sessions: serve.max_sessions,
            self_test: Some(THIS_PROGRAM.into()),
            system_root: serve.system_root,
        })
    }
}

impl From<SpoolArguments> for SpoolFilesOptions {
    fn from(spool: SpoolArguments) -> Self {
        Self {
            directory: spool.spool_directory,
            session: SessionBounds {
                bytes: u64::from(spool.spool_megabytes.unwrap_or(256)) << 20,
                age: Duration::from_secs(u64::from(spool.spool_hours) * 3600),
            },
            total_bytes: u64::from(spool.spool_total_megabytes) << 20,
            memory_bytes: mebibytes(spool.spool_memory_megabytes),
        }
    }
}

fn mebibytes(count: u32) -> usize {
    usize::try_from(u64::from(count) << 20).unwrap_or(usize::MAX)
}

impl From<ProbesArgument> for ProbeChoice {
    fn from(argument: ProbesArgument) -> Self {
        match argument {
            ProbesArgument::Auto => Self::Auto,
            ProbesArgument::Ebpf => Self::Ebpf,
            ProbesArgument::EbpfObjects => Self::EbpfKernelObjects,
            ProbesArgument::EbpfSyscalls => Self::EbpfSystemCalls,
            ProbesArgument::Ptrace => Self::Ptrace,
            ProbesArgument::Procfs => Self::Procfs,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn settings(arguments: &[&str]) -> Result<Settings, SettingsError> {
        Arguments::try_parse_from([&["candord"], arguments].concat()).unwrap().try_into()
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn defaults() {
        let Ok(Settings { verb: Verb::Serve(options), .. }) = settings(&["serve"]) else { panic!() };
        assert_eq!(options.listen, ListenAddress::Unix(DEFAULT_SOCKET_PATH.into()));
        assert_eq!((options.spool.bytes, options.max_sessions), (64 << 20, 16));
        assert_eq!(options.spool_files, Some(SpoolFilesOptions::default()));
        let ProbeSource::Kernel(probes) = options.probes else { panic!() };
        assert_eq!(probes, ProbeOptions { choice: ProbeChoice::Auto, ring_bytes: 8 << 20, tracer: None });
    }

    #[test]
    fn who_may_connect_reaches_the_daemon() {
        let line = ["serve", "--listen", "tcp:127.0.0.1:0", "--keys", "k", "--allow-uid", "5", "--max-sessions", "3"];
        let Ok(Settings { verb: Verb::Serve(options), .. }) = settings(&line) else { panic!() };
        assert_eq!(options.listen, ListenAddress::Tcp(([127, 0, 0, 1], 0).into()));
        assert!(options.access.tls.is_some() && options.access.users.contains(&5));
        assert_eq!(options.max_sessions, 3);
        let Ok(Settings { verb: Verb::Keys(keys), .. }) = settings(&["keys", "--out", "k"]) else { panic!() };
        let expected = KeysOptions { directory: "k".into(), names: Vec::new(), days: 825, force: false };
        assert_eq!(keys, expected);
    }

    #[test]
    fn spools_are_where_one_says() {
        let line = ["serve", "--spool-directory", "d", "--spool-megabytes", "3", "--spool-hours", "2"];
        let Ok(Settings { verb: Verb::Serve(options), .. }) = settings(&line) else { panic!() };
        let files = options.spool_files.unwrap();
        assert_eq!(files.directory, Some("d".into()));
        assert_eq!(files.session, SessionBounds { bytes: 3 << 20, age: Duration::from_secs(7200) });
        for line in [&["serve", "--spool-in-memory", "--spool-megabytes", "3"][..], &["serve", "--replay", "x"]] {
            let Ok(Settings { verb: Verb::Serve(options), .. }) = settings(line) else { panic!() };
            assert!(options.spool_files.is_none());
            assert_eq!(options.spool.bytes, if line.contains(&"--replay") { 64 << 20 } else { 3 << 20 });
        }
    }

    #[test]
    fn a_replay_takes_no_other_probes() {
        let Ok(Settings { verb: Verb::Serve(options), .. }) = settings(&["serve", "--replay", "x"]) else { panic!() };
        assert!(matches!(options.probes, ProbeSource::Replay(path) if *path == *"x"));
        assert!(Arguments::try_parse_from(["candord", "serve", "--replay", "x", "--probes", "auto"]).is_err());
    }

    #[test]
    fn what_means_nothing_is_refused() {
        assert!(matches!(settings(&["serve", "--ring-megabytes", "12"]), Err(SettingsError::RingSize(12, 16))));
        let Err(error) = settings(&["serve", "--listen", "localhost:1"]) else { panic!() };
        assert!(error.to_string().contains("tcp:ADDRESS:PORT"), "{error}");
        let Err(error) = settings(&["serve", "--keys", "k"]) else { panic!() };
        assert!(error.to_string().contains("are for TCP"), "{error}");
        assert!(Arguments::try_parse_from(["candord", "serve", "--spool-megabytes", "0"]).is_err());
        let both = ["candord", "serve", "--spool-in-memory", "--spool-directory", "d"];
        assert!(Arguments::try_parse_from(both).is_err());
    }
}
