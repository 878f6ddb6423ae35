//! `candor review`: many recordings against their terms, and a league table of the apps and their operators.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sha2::{Digest as _, Sha256};
use tokio::signal::unix::{SignalKind, signal};

use super::check::{ReportLanguage, judge, language, read_ontology, read_source};
use super::terminal::{BAD, GOOD, WARN, counted, harmless, output_error, say, styled};
use super::{CommandError, Exit};
use crate::host::correlate::{CorrelateOptions, Profile, RuleOutcome, Verdict};
use crate::host::declared_terms::DeclaredTerms;
use crate::host::ontology::Ontology;
use crate::host::report;
use crate::host::review::{AppRow, Done, Ended, League, Manifest, State, pair};

/// Options of `candor review`.
#[derive(Debug, Args)]
pub(super) struct ReviewCommand {
    /// The directory with recordings (NAME.candor) and their terms (NAME.toml), folders in it too
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Where the league table and the reports go; a review that was stopped goes on from there
    #[arg(short, long, value_name = "DIRECTORY")]
    output: PathBuf,
    /// Look for the terms in this directory instead
    #[arg(long, value_name = "DIRECTORY")]
    terms: Option<PathBuf>,
    /// Who operates which app, and the terms of recordings whose names do not tell: a TOML file
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Judge everything again
    #[arg(long)]
    fresh: bool,
    /// The language in which HTML reports open; every one holds both [default: that of the locale]
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    language: Option<ReportLanguage>,
    /// Hold every run against this profile of rules as well: a name from `candor rules`, or a TOML file; may be given several
    /// times
    #[arg(long, value_name = "NAME|FILE")]
    profile: Vec<String>,
    /// Owners of further domains, in the form of data/recipients.toml; may be given several times
    #[arg(long, value_name = "FILE")]
    recipients: Vec<PathBuf>,
    /// Further data types, in the form of data/data_types.toml; may be given several times
    #[arg(long, value_name = "FILE")]
    data_types: Vec<PathBuf>,
}

const STATE: &str = "state.json";
const REPORTS: &str = "reports";
/// How deep folders are looked into.
const DEPTH: usize = 16;

/// What every recording is judged with.
struct Bench {
    ontology: Ontology,
    profiles: Vec<Profile>,
    language: report::Language,
    /// Digest of all of it.
    settings: String,
}

/// Reviews a directory.
///
/// # Errors
///
/// When the directory, the manifest, a table or a profile cannot be read, no recording is there, or the output cannot be
/// written. A recording that cannot be judged is no error of the review: the table lists it.
pub(super) fn review(command: &ReviewCommand) -> Result<Exit, CommandError> {
    let bench = prepare(command)?;
    let manifest = match &command.manifest {
        None => Manifest::default(),
        Some(path) => Manifest::parse(&read_source(path, "manifest")?).map_err(|problems| {
            CommandError::new(Exit::BadData, format!("the manifest {} cannot be used\n{problems}", path.display()))
        })?,
    };
    let terms_in = command.terms.as_deref().unwrap_or(&command.directory);
    let mut files = files_of(&command.directory, ".candor")?;
    files.extend(files_of(terms_in, ".toml")?);
    let (pairs, unpaired) = pair(&files, &manifest);
    if pairs.is_empty() && unpaired.is_empty() {
        let message = format!("there is no recording (NAME.candor) in {}", command.directory.display());
        return Err(CommandError::new(Exit::NoInput, message));
    }
    create(&command.output.join(REPORTS))?;
    let state_file = command.output.join(STATE);
    let mut state = if command.fresh { State::new() } else { read_state(&state_file)? };
    state.keep(|recording| pairs.iter().any(|pair| pair.recording == recording));

    let stopped = stop_on_interrupt()?;
    let bar = progress(pairs.len());
    let mut not_reached = Vec::new();
    let mut again = 0_usize;
    for pair in &pairs {
        if stopped.load(Ordering::Relaxed) {
            not_reached.push(pair.recording.clone());
            continue;
        }
        bar.set_message(harmless(&pair.recording));
        let (recording, terms) = (command.directory.join(&pair.recording), terms_in.join(&pair.terms));
        let inputs = digest(&bench.settings, &recording, &terms);
        let reports = report_name(&pair.recording);
        let there = command.output.join(REPORTS).join(format!("{reports}.html")).exists();
        let known = inputs.as_ref().ok().and_then(|inputs| state.result(&pair.recording, inputs));
        // A result whose report somebody removed is made again.
        if known.is_some_and(|ended| there || matches!(ended, Ended::Failed(_))) {
            again += 1;
            bar.inc(1);
            continue;
        }
        let ended = match &inputs {
            Err(reason) => Ended::Failed(reason.clone()),
            Ok(_) => one(&bench, command, pair, &recording, &terms, &reports),
        };
        bar.suspend(|| say(line(&pair.recording, &ended)));
        state.done.insert(pair.recording.clone(), Done { inputs: inputs.unwrap_or_default(), ended });
        write_whole(&state_file, serde_json::to_string(&state).map_err(internal)?.as_bytes())?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    if again > 0 {
        say(format!("{} judged before, with the same inputs: not judged again", counted(again as u64, "recording")));
    }

    let mut failed: BTreeMap<String, String> =
        unpaired.into_iter().map(|unpaired| (unpaired.recording, unpaired.reason)).collect();
    let mut apps = Vec::new();
    for (recording, done) in &state.done {
        match &done.ended {
            _ if not_reached.contains(recording) => {}
            Ended::Judged(row) => apps.push((**row).clone()),
            Ended::Failed(reason) => {
                failed.insert(recording.clone(), reason.clone());
            }
        }
    }
    let league = League::new(apps, failed, not_reached, |package| manifest.operator_of(package));
    write_league(&league, &manifest, &command.output, bench.language)?;
    tell(&league, &command.output);
    Ok(match league.outcome() {
        RuleOutcome::Violation => Exit::Violations,
        RuleOutcome::CannotTell => Exit::CannotTell,
        RuleOutcome::NoneObserved | RuleOutcome::NotApplicable => Exit::Ok,
    })
}

fn prepare(command: &ReviewCommand) -> Result<Bench, CommandError> {
    let ontology = read_ontology(&command.data_types, &command.recipients)?;
    let profiles = super::rules::read_profiles(&command.profile, &ontology)?;
    let mut hash = Sha256::new();
    add(&mut hash, env!("CARGO_PKG_VERSION").as_bytes());
    for name in &command.profile {
        add(&mut hash, name.as_bytes());
        // A built-in profile is no file, and its content is this version's.
        add(&mut hash, &fs::read(name).unwrap_or_default());
    }
    for path in command.recipients.iter().chain(&command.data_types) {
        add(&mut hash, read_source(path, "table")?.text.as_bytes());
    }
    let language = language(command.language);
    add(&mut hash, format!("{language:?}").as_bytes());
    Ok(Bench { ontology, profiles, language, settings: hex(hash) })
}

/// The files with this ending, as paths within `directory` with `/` between folders.
fn files_of(directory: &Path, ending: &str) -> Result<BTreeSet<String>, CommandError> {
    let mut found = BTreeSet::new();
    let mut open = vec![(directory.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = open.pop() {
        let cannot = |error: std::io::Error| {
            CommandError::new(Exit::NoInput, format!("cannot read the directory {}: {error}", folder.display()))
        };
        for entry in fs::read_dir(&folder).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            let Ok(name) = entry.file_name().into_string() else {
                say(format!("{}: left out, its name is not UTF-8", entry.path().display()));
                continue;
            };
            let within = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(cannot)?;
            if kind.is_dir() && depth < DEPTH {
                open.push((entry.path(), format!("{within}/"), depth + 1));
            } else if !kind.is_dir() && name.ends_with(ending) {
                found.insert(within);
            }
        }
    }
    Ok(found)
}

/// Everything that a result depends on, as a digest.
fn digest(settings: &str, recording: &Path, terms: &Path) -> Result<String, String> {
    let mut hash = Sha256::new();
    add(&mut hash, settings.as_bytes());
    for path in [terms, recording] {
        let cannot = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
        let mut file = fs::File::open(path).map_err(cannot)?;
        let mut buffer = vec![0_u8; 256 * 1024];
        let mut content = Sha256::new();
        loop {
            let read = file.read(&mut buffer).map_err(cannot)?;
            if read == 0 {
                break;
            }
            content.update(buffer.get(..read).unwrap_or_default());
        }
        add(&mut hash, hex(content).as_bytes());
    }
    Ok(hex(hash))
}

/// With the length in front, so that no two lists of parts give the same bytes.
fn add(hash: &mut Sha256, part: &[u8]) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part);
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The name of a recording's reports: readable, and never the same for two recordings.
fn report_name(recording: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(recording.as_bytes());
    let readable: String =
        recording
            .trim_end_matches(".candor")
            .chars()
            .map(|character| {
                if character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_') { character } else { '_' }
            })
            .take(80)
            .collect();
    let digest = hex(hash);
    format!("{}-{}", readable.trim_start_matches('.'), digest.get(..8).unwrap_or_default())
}

/// Judges one recording and writes its reports. Whatever goes wrong is its result: the others are judged all the same.
fn one(
    bench: &Bench,
    command: &ReviewCommand,
    pair: &crate::host::review::Pair,
    recording: &Path,
    terms: &Path,
    reports: &str,
) -> Ended {
    let attempt = catch_unwind(AssertUnwindSafe(|| -> Result<AppRow, CommandError> {
        let source = read_source(terms, "terms")?;
        let (terms, _warnings) = DeclaredTerms::parse(&source, &bench.ontology).map_err(|problems| {
            CommandError::new(Exit::BadData, format!("the terms {} cannot be used\n{problems}", source.name))
        })?;
        let verdict =
            judge(recording, &terms, &bench.ontology, bench.profiles.clone(), false, CorrelateOptions::default())?;
        write_reports(&verdict, &command.output.join(REPORTS).join(reports), bench.language)?;
        Ok(AppRow::of(&verdict, &pair.recording, &pair.terms, format!("{REPORTS}/{reports}.html")))
    }));
    match attempt {
        Ok(Ok(row)) => Ended::Judged(Box::new(row)),
        Ok(Err(error)) => Ended::Failed(error.message),
        Err(_) => Ended::Failed("an error in Candor itself broke the check off".to_owned()),
    }
}

fn write_reports(verdict: &Verdict, stem: &Path, language: report::Language) -> Result<(), CommandError> {
    let page = report::html(verdict, language).map_err(internal)?;
    write_whole(&with_ending(stem, "html"), page.as_bytes())?;
    let mut json = Vec::new();
    report::json(verdict, &mut json).map_err(output_error)?;
    write_whole(&with_ending(stem, "json"), &json)
}

/// Not `with_extension`, which takes the end of a package's name for one.
fn with_ending(stem: &Path, ending: &str) -> PathBuf {
    let mut path = stem.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    PathBuf::from(path)
}

fn write_league(
    league: &League,
    manifest: &Manifest,
    output: &Path,
    language: report::Language,
) -> Result<(), CommandError> {
    let page = report::league_html(league, language).map_err(internal)?;
    write_whole(&output.join("index.html"), page.as_bytes())?;
    let mut table = Vec::new();
    report::league_csv(league, |package| manifest.operator_of(package), &mut table).map_err(internal)?;
    write_whole(&output.join("league.csv"), &table)?;
    let mut json = Vec::new();
    report::league_json(league, &mut json).map_err(output_error)?;
    write_whole(&output.join("league.json"), &json)
}

/// Writes a file so that it is there whole or not at all: a review may be stopped at any moment.
fn write_whole(path: &Path, content: &[u8]) -> Result<(), CommandError> {
    let cannot = |error: std::io::Error| {
        CommandError::new(Exit::CannotCreate, format!("cannot write {}: {error}", path.display()))
    };
    let unfinished = with_ending(path, "unfinished");
    fs::write(&unfinished, content).and_then(|()| fs::rename(&unfinished, path)).map_err(cannot)
}

fn create(directory: &Path) -> Result<(), CommandError> {
    fs::create_dir_all(directory).map_err(|error| {
        CommandError::new(Exit::CannotCreate, format!("cannot create {}: {error}", directory.display()))
    })
}

fn read_state(path: &Path) -> Result<State, CommandError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(State::new()),
        Err(error) => {
            return Err(CommandError::new(Exit::NoInput, format!("cannot read {}: {error}", path.display())));
        }
    };
    State::parse(&text).map_err(|error| {
        let message = format!("cannot go on from {}: {error}; --fresh judges everything again", path.display());
        CommandError::new(Exit::BadData, message)
    })
}

/// Set when the user presses Ctrl-C: the recording at hand is finished, the rest is left for the next time. The second time
/// the process ends at once; the state is whole then, too.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, CommandError> {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    let runtime = super::runtime()?;
    let mut interrupts = {
        // Before anything is judged, so that no Ctrl-C is missed.
        let _entered = runtime.enter();
        signal(SignalKind::interrupt())
            .map_err(|error| CommandError::new(Exit::Internal, format!("cannot watch for Ctrl-C: {error}")))?
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            if interrupts.recv().await.is_some() {
                flag.store(true, Ordering::Relaxed);
                say("stopping after the recording at hand; press Ctrl-C again to end at once");
                if interrupts.recv().await.is_some() {
                    #[expect(clippy::exit, reason = "the user asked twice, and files are written whole or not at all")]
                    std::process::exit(i32::from(Exit::CannotTell.code()));
                }
            }
        });
    });
    Ok(stopped)
}

fn progress(count: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::stderr());
    // The template is a constant; should it ever be wrong, the default style is shown.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {elapsed} (eta {eta})  {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn line(recording: &str, ended: &Ended) -> String {
    let recording = harmless(recording);
    match ended {
        Ended::Failed(reason) => format!("{}  {recording}: {}", styled(BAD, "failed"), harmless_lines(reason)),
        Ended::Judged(row) => {
            let style = match row.outcome.as_str() {
                "violation" => BAD,
                "cannot_tell" => WARN,
                _ => GOOD,
            };
            let outcome = styled(style, &row.outcome.replace('_', " "));
            format!("{outcome}  {recording}: {}", counted(row.findings as u64, "finding"))
        }
    }
}

fn harmless_lines(text: &str) -> String {
    text.lines().map(harmless).collect::<Vec<_>>().join("\n  ")
}

fn tell(league: &League, output: &Path) {
    let with = league.apps.iter().filter(|row| row.has_problems()).count();
    say(format!(
        "{} judged, {with} with violations; {} could not be judged{}",
        counted(league.apps.len() as u64, "recording"),
        league.failed.len(),
        match league.not_reached.len() {
            0 => String::new(),
            left => format!("; {left} left: run the same command again to go on"),
        }
    ));
    say(format!("the table is {}", output.join("index.html").display()));
}

fn internal(error: impl std::fmt::Display) -> CommandError {
    CommandError::new(Exit::Internal, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_have_names_of_their_own() {
        assert_eq!(report_name("a/b.candor").split('-').next(), Some("a_b"));
        assert_ne!(report_name("a/b.candor"), report_name("a_b.candor"));
        assert!(!report_name("../../etc/x.candor").contains('/'));
        assert!(!report_name(".candor").starts_with('.'));
    }
}
