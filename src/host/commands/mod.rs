//! The verbs of `candor`, one file each.
//!
//! * **In:** a command line. **Out:** results on standard output, everything else on standard error, an [`Exit`].
//! * **May import:** every module of `host`, `event`, `wire`. Never `device`: what needs a daemon inside this process is
//!   passed in by the binary ([`StartEmbedded`]).
//! * **Test it:** `cargo test host::commands`, `tests/cli_help.rs`, `tests/cli_errors.rs`.

mod accept;
pub mod check;
mod diff;
mod embedded;
mod errors;
mod event_filter;
mod event_line;
mod events;
mod exit;
mod import;
mod info;
mod launch;
mod lessons;
mod mark;
mod metrics;
mod progress;
mod record;
mod review;
mod rules;
mod run;
mod schema;
mod stop;
mod terminal;
mod terms;
mod watch;

pub use embedded::{EmbeddedDaemon, EmbeddedRequest, StartEmbedded};
pub use exit::{CommandError, Exit};

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::host::client::{Address, Credentials};
use lessons::{LESSONS, exit_list};

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "candor",
    version,
    about = "Tells whether an app does what its privacy terms say",
    long_about = "Tells whether an app does what its privacy terms say.\n\n\
        A daemon (candord) on the device traces which files, sockets and services an app touches. This program records \
        what it sees, sets it against the app's declared terms, and reports every contradiction together with the events \
        that prove it.",
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
struct CommandLine {
    /// Where the daemon listens: unix:PATH, unix-abstract:NAME or tcp+tls:HOST:PORT
    #[arg(long, global = true, env = "CANDOR_DAEMON", hide_env_values = true, value_name = "ADDRESS", default_value_t = Address::default())]
    daemon: Address,
    #[command(flatten)]
    tls: TlsArguments,
    #[command(subcommand)]
    verb: Verb,
}

/// What a daemon behind `tcp+tls:` is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "For tcp+tls, files that `candord keys` made")]
struct TlsArguments {
    /// The authority that the daemon's certificate comes from
    #[arg(long, global = true, env = "CANDOR_CA", hide_env_values = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// This client's certificate
    #[arg(long, global = true, env = "CANDOR_CERT", hide_env_values = true, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The certificate's key
    #[arg(long, global = true, env = "CANDOR_KEY", hide_env_values = true, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The token, instead of a certificate
    #[arg(long, global = true, env = "CANDOR_TOKEN_FILE", hide_env_values = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl From<TlsArguments> for Credentials {
    fn from(arguments: TlsArguments) -> Self {
        let TlsArguments { ca, cert, key, token_file } = arguments;
        Self { authority: ca, certificate: cert, key, token: token_file }
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Trace a program and check what it did against its terms, in one go (needs root, no daemon)
    Run(run::RunCommand),
    /// Record what an app does
    Record(record::RecordCommand),
    /// Mark the beginning of a phase in a session that is being recorded
    Mark(mark::MarkCommand),
    /// Stop a session, such as one that outlives the `candor record` that began it
    Stop(stop::StopCommand),
    /// Tell when something happens in a session: an unknown domain, a reading before consent, any event
    Watch(watch::WatchCommand),
    /// Check a recording against declared terms
    Check(CheckCommand),
    /// Compare the reports of two versions of an app
    Diff(diff::DiffCommand),
    /// Note what was decided about a finding, for `candor check --accepted`
    Accept(accept::AcceptCommand),
    /// Check many recordings, and rank the apps and their operators
    Review(review::ReviewCommand),
    /// List the rules and profiles that `candor check` knows
    Rules(rules::RulesCommand),
    /// Lint declared terms, and list what they can name
    Terms(terms::TermsCommand),
    /// Show the events of a recording, or of a running session as they come
    Events(events::EventsCommand),
    /// Describe the device and what its probes can see
    Info(info::InfoCommand),
    /// List the device's apps
    Apps(info::AppsCommand),
    /// List the daemon's sessions
    Sessions(info::SessionsCommand),
    /// Print the daemon's counters, or serve them to Prometheus
    Metrics(metrics::MetricsCommand),
    /// Make a recording of a text that was written by hand or exported
    Import(import::ImportCommand),
    /// Make a recording of raw records that were kept with --keep-raw
    Replay(run::ReplayCommand),
    /// Print the JSON Schema of a report
    Schema(schema::SchemaCommand),
    /// Print completions for a shell
    Completions(CompletionsCommand),
    #[command(hide = true)]
    LaunchGate(launch::GateOptions),
}

#[derive(Debug, Args)]
struct CheckCommand {
    /// The recording; several of one app, such as one for each scene of a test, are told together
    #[arg(value_name = "FILE", required = true)]
    recordings: Vec<PathBuf>,
    #[command(flatten)]
    options: check::CheckOptions,
}

#[derive(Debug, Args)]
struct CompletionsCommand {
    /// The shell
    shell: clap_complete::Shell,
}

/// The whole command line, with what [`LESSONS`] adds to its help.
fn command_line() -> clap::Command {
    let mut command = CommandLine::command();
    for lesson in LESSONS {
        let mut text = "Examples:\n".to_owned();
        for (about, line) in lesson.examples {
            text.push_str(&format!("  {about}:\n    {line}\n"));
        }
        text.push('\n');
        text.push_str(&exit_list(lesson.exits));
        command = command.mut_subcommand(lesson.command, |subcommand| subcommand.after_help(text));
    }
    let start = "Begin here:\n  \
        sudo candor run --terms app.toml -- ./app   trace a program and check it, in one go\n  \
        candor info                                 what can be seen on the daemon's device\n  \
        candor COMMAND --help                       examples for each command\n\n";
    command.after_help(format!("{start}{}", exit_list(Exit::ALL)))
}

/// Runs a command line, the program's name first. `embedded` starts a daemon inside this process, where the build has one.
pub fn main(arguments: impl IntoIterator<Item = OsString>, embedded: StartEmbedded) -> Exit {
    let parsed =
        command_line().try_get_matches_from(arguments).and_then(|matches| CommandLine::from_arg_matches(&matches));
    let line = match parsed {
        Ok(line) => line,
        Err(error) => {
            // Help goes to standard output, errors to standard error; that nobody reads it is no failure.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    match dispatch(line, embedded) {
        Ok(exit) => exit,
        Err(error) => {
            if !error.message.is_empty() {
                terminal::say(format!("{}: {}", terminal::styled(terminal::BAD, "error"), error.message));
            }
            error.exit
        }
    }
}

fn dispatch(line: CommandLine, embedded: StartEmbedded) -> Result<Exit, CommandError> {
    let daemon = line.daemon.with_credentials(line.tls.into());
    match line.verb {
        Verb::Run(command) => run::run(&runtime()?, embedded, &command),
        Verb::Record(command) => runtime()?.block_on(record::record(&daemon, command)),
        Verb::Mark(command) => runtime()?.block_on(mark::mark(&daemon, &command)),
        Verb::Stop(command) => runtime()?.block_on(stop::stop(&daemon, &command)),
        Verb::Watch(command) => runtime()?.block_on(watch::watch(&daemon, &command)),
        Verb::Check(command) => {
            let mut out = terminal::stdout();
            let exit = check::check_recordings(&command.recordings, &command.options, &mut out)?;
            out.flush().map_err(terminal::output_error)?;
            Ok(exit)
        }
        Verb::Diff(command) => diff::diff(&command),
        Verb::Accept(command) => accept::accept(&command),
        Verb::Review(command) => review::review(&command),
        Verb::Rules(command) => rules::rules(&command),
        Verb::Schema(command) => schema::schema(&command),
        Verb::Terms(command) => terms::terms(&command),
        Verb::Events(command) => runtime()?.block_on(events::events(&daemon, &command)),
        Verb::Info(command) => runtime()?.block_on(info::info(&daemon, &command)),
        Verb::Apps(command) => runtime()?.block_on(info::apps(&daemon, &command)),
        Verb::Sessions(command) => runtime()?.block_on(info::sessions(&daemon, &command)),
        Verb::Metrics(command) => runtime()?.block_on(metrics::metrics(&daemon, &command)),
        Verb::Import(command) => import::import(&command),
        Verb::Replay(command) => run::replay(&runtime()?, embedded, &command),
        Verb::Completions(command) => {
            let mut script = Vec::new();
            clap_complete::generate(command.shell, &mut command_line(), "candor", &mut script);
            let mut out = terminal::stdout();
            out.write_all(&script).and_then(|()| out.flush()).map_err(terminal::output_error)?;
            Ok(Exit::Ok)
        }
        Verb::LaunchGate(options) => launch::gate(&options),
    }
}

fn runtime() -> Result<Runtime, CommandError> {
    Runtime::new().map_err(|error| CommandError::new(Exit::Internal, format!("cannot start the runtime: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command_line().debug_assert();
    }

    #[test]
    fn every_command_has_a_lesson_and_every_example_parses() {
        let command = command_line();
        for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
            let name = subcommand.get_name();
            let lesson = LESSONS.iter().find(|lesson| lesson.command == name);
            let lesson = lesson.unwrap_or_else(|| panic!("{name} has no lesson"));
            assert!(!lesson.examples.is_empty() && lesson.exits.contains(&Exit::Usage), "{name}");
            assert!(lesson.exits.is_sorted(), "the exits of {name} are not in order");
            for (_about, line) in lesson.examples {
                for part in line.split("&&").map(str::trim).filter_map(|part| part.split_once("candor ")) {
                    let words = part.1.split(" > ").next().unwrap().split_whitespace();
                    // The words of a quoted note are words of their own here.
                    let words = words.filter(|word| !word.ends_with("Decline\"")).map(|word| word.trim_matches('"'));
                    let parsed = command_line().try_get_matches_from(std::iter::once("candor").chain(words));
                    assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
                }
            }
        }
        for lesson in LESSONS {
            assert!(command.find_subcommand(lesson.command).is_some(), "{} is no command", lesson.command);
        }
    }
}
