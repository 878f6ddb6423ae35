//! `candor stop`: ends a session.

use std::path::PathBuf;

use clap::Args;

use super::mark::{own, session_or_only};
use super::terminal::say;
use super::{CommandError, Exit};
use crate::host::client::{Address, DaemonClient};

/// `candor stop`.
#[derive(Debug, Args)]
pub(super) struct StopCommand {
    /// The session; may be left out when only one is running
    #[arg(value_name = "SESSION")]
    session: Option<String>,
    /// The file with the owner's token, when the session is owned
    #[arg(long, env = "CANDOR_OWNER", hide_env_values = true, value_name = "FILE")]
    owner: Option<PathBuf>,
}

/// Stops the session. What it has stays readable while the daemon holds it.
pub(super) async fn stop(address: &Address, command: &StopCommand) -> Result<Exit, CommandError> {
    let mut client = DaemonClient::connect(address).await?;
    own(&mut client, command.owner.as_deref())?;
    let session = session_or_only(&mut client, command.session.as_deref()).await?;
    client.stop_session(&session).await?;
    say(format!("session {session} is stopped"));
    Ok(Exit::Ok)
}
