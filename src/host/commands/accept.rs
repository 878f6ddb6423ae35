//! `candor accept`: what a person decided about a finding, into a file that `candor check --accepted` reads.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::civil::Date;

use super::check::read_source;
use super::terminal::say;
use super::{CommandError, Exit};
use crate::host::correlate::review::{ReviewList, is_fingerprint};
use crate::host::toml_source::SourceFile;

/// `candor accept`.
#[derive(Debug, Args)]
pub(super) struct AcceptCommand {
    /// The finding, by the fingerprint that reports give
    #[arg(value_name = "FINGERPRINT")]
    fingerprint: String,
    /// What was decided
    #[arg(long = "as", value_enum, default_value_t = DecisionWord::Accepted)]
    decision: DecisionWord,
    /// Why
    #[arg(long)]
    reason: String,
    /// Who decided it
    #[arg(long)]
    author: String,
    /// The last day on which it holds; what is accepted needs one
    #[arg(long, value_name = "YYYY-MM-DD")]
    expires: Option<Date>,
    /// The list of reviews to add it to; made if it does not exist
    #[arg(long, value_name = "FILE", default_value = "accepted.toml")]
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DecisionWord {
    /// It is so, and tolerated until it expires
    Accepted,
    /// It is so, and counts
    Confirmed,
    /// It is not so, and does not count
    Rejected,
}

/// Adds the review to the end of the file. What is in the file stays as it is.
pub(super) fn accept(command: &AcceptCommand) -> Result<Exit, CommandError> {
    if !is_fingerprint(&command.fingerprint) {
        let message =
            format!("\"{}\" is no fingerprint: reports give it, 32 characters of 0-9 and a-f", command.fingerprint);
        return Err(CommandError::new(Exit::Usage, message));
    }
    for (option, text) in [("--reason", &command.reason), ("--author", &command.author)] {
        if text.trim().is_empty() {
            return Err(CommandError::new(Exit::Usage, format!("{option} is empty: say it for those who come later")));
        }
    }
    if matches!(command.decision, DecisionWord::Accepted) && command.expires.is_none() {
        let message = "an accepted finding needs --expires, the last day on which it is accepted: --expires 2027-01-31";
        return Err(CommandError::new(Exit::Usage, message));
    }
    let before =
        if command.file.exists() { read_source(&command.file, "list of reviews")?.text } else { String::new() };
    let word = match command.decision {
        DecisionWord::Accepted => "accepted",
        DecisionWord::Confirmed => "confirmed",
        DecisionWord::Rejected => "rejected",
    };
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut entry = String::new();
    if !before.is_empty() {
        entry.push_str(if before.ends_with('\n') { "\n" } else { "\n\n" });
    }
    entry.push_str(&format!(
        "[[review]]\nfingerprint = \"{}\"\ndecision = \"{word}\"\nreason = {}\nauthor = {}\n",
        command.fingerprint,
        quoted(&command.reason),
        quoted(&command.author)
    ));
    if let Some(expires) = command.expires {
        entry.push_str(&format!("expires = \"{expires}\"\n"));
    }
    // What the file would be is read before anything is written, so that it never becomes one that cannot be.
    let after = SourceFile::new(command.file.display().to_string(), format!("{before}{entry}"));
    let list = ReviewList::parse(&after, jiff::Zoned::now().date()).map_err(|problems| {
        let message = format!("nothing was written: the list of reviews {} cannot be used\n{problems}", after.name);
        CommandError::new(Exit::BadData, message)
    })?;
    if list.reviews.last().is_some_and(|review| review.expired) {
        let message = "nothing was written: --expires is in the past".to_owned();
        return Err(CommandError::new(Exit::Usage, message));
    }
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&command.file)
        .and_then(|mut file| file.write_all(entry.as_bytes()));
    written.map_err(|error| {
        CommandError::new(Exit::CannotCreate, format!("cannot write {}: {error}", command.file.display()))
    })?;
    say(format!("{word}: {} in {}, which has {} reviews", command.fingerprint, after.name, list.reviews.len()));
    Ok(Exit::Ok)
}
