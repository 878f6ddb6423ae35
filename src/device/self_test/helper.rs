//! What runs in the helper process.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::{KNOWN_FILE, KNOWN_INTERFACE, Step};
use crate::device::probe::platform;

/// The first argument of a helper's command line. Not in the help: it is of use to the daemon only.
pub const HELPER_VERB: &str = "self-test-helper";

/// The argument that makes a helper's child: it ends at once.
const CHILD: &str = "--child";
/// How long the service manager may take.
const SERVICE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);

/// Runs as a helper until the input ends. `arguments` are those after [`HELPER_VERB`]. Gives the exit status.
#[must_use]
pub fn run_helper(arguments: &[OsString]) -> u8 {
    let text = |index: usize| arguments.get(index).and_then(|argument| argument.to_str());
    if text(0) == Some(CHILD) {
        return 0;
    }
    let mut user_id = None;
    let mut api_level = None;
    for argument in arguments.iter().filter_map(|argument| argument.to_str()) {
        match argument.split_once('=') {
            Some(("--user", value)) => user_id = value.parse().ok(),
            Some(("--api", value)) => api_level = value.parse().ok(),
            _ => return 64,
        }
    }
    let identity = user_id.map(become_user);
    match serve(identity.as_ref(), api_level, io::stdin().lock(), &mut io::stdout().lock()) {
        Ok(()) => 0,
        // The daemon is gone: nobody is left to be told.
        Err(_) => 74,
    }
}

fn become_user(user_id: u32) -> Result<(), String> {
    let (uid, gid) = (Uid::from_raw(user_id), Gid::from_raw(user_id));
    setgroups(&[])
        .and_then(|()| setresgid(gid, gid, gid))
        .and_then(|()| setresuid(uid, uid, uid))
        .map_err(|error| format!("taking user id {user_id}: {}", error.desc()))
}

fn serve(
    identity: Option<&Result<(), String>>,
    api_level: Option<u32>,
    input: impl io::BufRead,
    output: &mut impl Write,
) -> io::Result<()> {
    for line in input.lines() {
        let line = line?;
        let Some(nonce) = line.strip_prefix("act ") else { continue };
        let mut answer = String::new();
        let mut say = |step: Step, result: Result<String, String>| {
            let (word, detail) = match result {
                Ok(detail) => ("did", detail),
                Err(why) => ("failed", why),
            };
            let detail = detail.replace('\n', " ");
            answer.push_str(&format!("{} {word} {detail}\n", step.name()));
        };
        if let Some(identity) = identity {
            say(Step::Identity, identity.clone().map(|()| String::new()));
        }
        say(Step::File, open_known(nonce));
        say(Step::Socket, connect_to_self());
        say(Step::Process, start_child(nonce));
        if let Some(level) = api_level {
            let called = platform::call_in_vain(Path::new("/"), level, KNOWN_INTERFACE, nonce, SERVICE_PATIENCE);
            say(Step::Service, called.map(|()| String::new()));
        }
        answer.push_str(&format!("done {nonce}\n"));
        output.write_all(answer.as_bytes())?;
        output.flush()?;
    }
    Ok(())
}

fn open_known(nonce: &str) -> Result<String, String> {
    File::open(KNOWN_FILE).map_err(|error| format!("opening {KNOWN_FILE}: {error}"))?;
    // Below something that is no directory nothing can be, whoever asks.
    match File::open(format!("{KNOWN_FILE}/{nonce}")) {
        Ok(_) => Err(format!("{KNOWN_FILE} is a directory here")),
        Err(_) => Ok(String::new()),
    }
}

fn connect_to_self() -> Result<String, String> {
    let failed = |what: &'static str| move |error: io::Error| format!("{what} on 127.0.0.1: {error}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed("listening"))?;
    let address = listener.local_addr().map_err(failed("listening"))?;
    let stream = TcpStream::connect(address).map_err(failed("connecting"))?;
    let (accepted, _) = listener.accept().map_err(failed("accepting"))?;
    drop((stream, accepted));
    Ok(address.port().to_string())
}

fn start_child(nonce: &str) -> Result<String, String> {
    let status = Command::new("/proc/self/exe")
        .args([HELPER_VERB, CHILD, nonce])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Ok(String::new()),
        Ok(status) => Err(format!("the program started once more ended with {status}")),
        Err(error) => Err(format!("starting the program once more: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_act_is_told_and_the_end_of_the_input_is_the_end() {
        let mut output = Vec::new();
        serve(None, None, &b"act n1\nnoise\nact n2\n"[..], &mut output).unwrap();
        let text = String::from_utf8(output).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 8, "{text}");
        assert_eq!((lines[0], lines[3], lines[7]), ("file did ", "done n1", "done n2"));
        let port: u16 = lines[1].strip_prefix("socket did ").unwrap().parse().unwrap();
        assert!(port > 0);
    }

    #[test]
    fn an_identity_that_was_refused_is_told() {
        let mut output = Vec::new();
        serve(Some(&Err("no\nway".to_owned())), None, &b"act n\n"[..], &mut output).unwrap();
        assert!(String::from_utf8(output).unwrap().starts_with("identity failed no way\n"));
    }

    #[test]
    fn a_child_ends_at_once_and_other_arguments_are_refused() {
        assert_eq!(run_helper(&[CHILD.into(), "n".into()]), 0);
        assert_eq!(run_helper(&["--what=1".into()]), 64);
    }
}
