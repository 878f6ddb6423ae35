//! `candor mark`: a phase begins.

use clap::Args;

use super::terminal::say;
use super::{CommandError, Exit};
use crate::event::Phase;
use crate::host::client::{Address, DaemonClient, SessionRow};

/// `candor mark`.
#[derive(Debug, Args)]
pub(super) struct MarkCommand {
    /// The phase that begins: pre_consent, refused, foreground, silent, background, killed, or a name of your own
    phase: Phase,
    /// The session; may be left out when only one is running
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Anything worth keeping beside the mark
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
}

/// Marks the phase.
pub(super) async fn mark(address: &Address, command: &MarkCommand) -> Result<Exit, CommandError> {
    let mut client = DaemonClient::connect(address).await?;
    let session = match &command.session {
        Some(session) => session.clone(),
        None => only_running(&client.sessions().await?)?,
    };
    client.mark_phase(&session, &command.phase, &command.note).await?;
    say(format!("phase {} begins in session {session}", command.phase));
    Ok(Exit::Ok)
}

/// The one session that is running.
fn only_running(sessions: &[SessionRow]) -> Result<String, CommandError> {
    let running: Vec<&SessionRow> = sessions.iter().filter(|session| session.end.is_none()).collect();
    match running.as_slice() {
        [] => Err(CommandError::new(Exit::Usage, "no session is running; `candor record` starts one")),
        [session] => Ok(session.session_id.clone()),
        several => {
            let mut message = "several sessions are running; choose one with --session:".to_owned();
            for session in several {
                message.push_str(&format!("\n  {}  {}", session.session_id, session.label));
            }
            Err(CommandError::new(Exit::Usage, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ClockAnchor, Selection, SessionEnd, SessionEndReason, Totals};

    fn row(id: &str, running: bool) -> SessionRow {
        let end = SessionEnd {
            reason: SessionEndReason::Stopped,
            totals: Totals::default(),
            probes: Vec::new(),
            self_tests: Vec::new(),
        };
        SessionRow {
            session_id: id.to_owned(),
            label: format!("label of {id}"),
            started: ClockAnchor::default(),
            selection: Selection::default(),
            phase: String::new(),
            events: 0,
            dropped: 0,
            end: (!running).then_some(end),
        }
    }

    #[test]
    fn the_only_running_session_is_meant() {
        assert_eq!(only_running(&[row("a", false), row("b", true)]).unwrap(), "b");
        assert!(only_running(&[row("a", false)]).unwrap_err().message.contains("no session is running"));
        let message = only_running(&[row("a", true), row("b", true)]).unwrap_err().message;
        assert!(message.contains("\n  a  label of a\n  b  label of b"), "{message}");
    }
}
