//! What `candor --help` teaches, for every command. A change of it is a change that users see: review the snapshot.
#![cfg(feature = "host")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::process::Command;

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_candor"))
        .args(arguments)
        .env("COLUMNS", "100")
        .env_remove("CANDOR_DAEMON")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that the help of `candor` lists.
fn commands() -> Vec<String> {
    let text = help(&["-h"]);
    let list = text.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let first_words = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    first_words.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn the_help_of_every_command_is_as_reviewed() {
    insta::assert_snapshot!("candor", help(&["--help"]));
    let commands = commands();
    assert!(commands.len() >= 10, "{commands:?}");
    assert!(!commands.contains(&"launch-gate".to_owned()));
    for command in commands {
        let text = help(&[&command, "--help"]);
        assert!(text.contains("Exit status:"), "{command}");
        insta::assert_snapshot!(format!("candor-{command}"), text);
    }
}

#[test]
fn completions_are_printed_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(help(&["completions", shell]).contains("candor"), "{shell}");
    }
}
