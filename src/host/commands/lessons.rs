//! What the help teaches: examples, and how each command can end.

use super::Exit;
use Exit::{
    BadData, CannotCreate, CannotTell, InputOutput, Internal, NoInput, NoPermission, Ok as Done, Unavailable, Usage,
    Violations,
};

/// What the help of one command teaches besides its options.
pub(super) struct Lesson {
    /// The command.
    pub(super) command: &'static str,
    /// Examples: what for, and the command line.
    pub(super) examples: &'static [(&'static str, &'static str)],
    /// How it can end.
    pub(super) exits: &'static [Exit],
}

/// The one table of commands. A test walks it.
pub(super) const LESSONS: &[Lesson] = &[
    Lesson {
        command: "run",
        examples: &[
            ("Check one run of a program", "sudo candor run --terms app.toml -- ./app --its-option"),
            (
                "As an app-like user, keeping the evidence",
                "sudo candor run --terms app.toml --user 10123 --phase pre_consent -o run.candor --html run.html -- ./app",
            ),
        ],
        exits: &[
            Done,
            Violations,
            CannotTell,
            Usage,
            BadData,
            NoInput,
            Unavailable,
            Internal,
            CannotCreate,
            InputOutput,
            NoPermission,
        ],
    },
    Lesson {
        command: "record",
        examples: &[
            ("An app of the device, until Ctrl-C", "candor record --app com.example.news -o news.candor"),
            ("Whatever has a user id", "candor record --uid 10123 -o app.candor"),
            ("A process and whatever it starts, for a minute", "candor record --pid 4711 --duration 60"),
            ("Nobody else may mark or stop it", "candor record --uid 10123 --owner owner.token -o app.candor"),
            (
                "A program from its first instruction, as another user",
                "candor record --user 10123 -- curl https://example.com",
            ),
        ],
        exits: &[Done, Usage, Unavailable, Internal, CannotCreate, InputOutput, NoPermission],
    },
    Lesson {
        command: "mark",
        examples: &[
            ("The user has just agreed to the terms", "candor mark foreground"),
            ("In one of several sessions", "candor mark refused --session ID --note \"tapped Decline\""),
        ],
        exits: &[Done, Usage, NoInput, Unavailable, NoPermission],
    },
    Lesson {
        command: "stop",
        examples: &[
            ("The only one that is running", "candor stop"),
            ("One that is owned", "candor stop SESSION-ID --owner owner.token"),
        ],
        exits: &[Done, Usage, NoInput, Unavailable, NoPermission],
    },
    Lesson {
        command: "watch",
        examples: &[
            (
                "The first contact with a domain that the app has no business with",
                "candor watch --unknown-domain --known shop.example --known *.cdn.example --matches 1",
            ),
            ("Personal data that is read before the user has agreed", "candor watch --before-consent --format json"),
            ("Contacts, for at most a minute", "candor watch --data-type contacts --timeout 60"),
            ("A burst: a hundred files in a second", "candor watch --kind file_open --count 100 --within 1"),
        ],
        exits: &[Done, Violations, CannotTell, Usage, NoInput, Unavailable, InputOutput, NoPermission],
    },
    Lesson {
        command: "check",
        examples: &[
            ("For reading", "candor check app.candor --terms app.toml"),
            ("For a build server", "candor check app.candor --terms app.toml --format json > verdict.json"),
            (
                "For a code host and a build server",
                "candor check app.candor --terms app.toml --sarif app.sarif --junit app.xml",
            ),
            (
                "For reading in a browser, in Chinese",
                "candor check app.candor --terms app.toml --html app.html --language zh",
            ),
            ("Against the 31 acts of the 2019 method", "candor check app.candor --terms app.toml --profile cac-191"),
            ("One recording for each scene", "candor check start.candor search.candor --terms app.toml"),
            (
                "Only what is new since the last release, without what was accepted",
                "candor check app.candor --terms app.toml --baseline release.json --accepted accepted.toml",
            ),
        ],
        exits: &[Done, Violations, CannotTell, Usage, BadData, NoInput, Internal, CannotCreate, InputOutput],
    },
    Lesson {
        command: "diff",
        examples: &[
            ("What is new in this version", "candor diff release.json verdict.json"),
            ("Counts may double", "candor diff release.json verdict.json --tolerance 100 --format json"),
        ],
        exits: &[Done, Violations, CannotTell, Usage, BadData, NoInput, InputOutput],
    },
    Lesson {
        command: "accept",
        examples: &[
            (
                "Tolerate a finding for a while",
                "candor accept eb9aba4bdfd96cdb5e00851a29c9d134 --reason TICKET-17 --author lee --expires 2030-06-30",
            ),
            (
                "It is so, and it counts",
                "candor accept eb9aba4bdfd96cdb5e00851a29c9d134 --as confirmed --reason reproduced --author lee",
            ),
        ],
        exits: &[Done, Usage, BadData, NoInput, CannotCreate],
    },
    Lesson {
        command: "review",
        examples: &[
            ("A folder of recordings with their terms beside them", "candor review runs -o results"),
            (
                "With the terms elsewhere, and the operators of the apps",
                "candor review runs --terms terms --manifest operators.toml --profile cac-191 -o results",
            ),
        ],
        exits: &[Done, Violations, CannotTell, Usage, BadData, NoInput, Internal, CannotCreate, InputOutput],
    },
    Lesson {
        command: "schema",
        examples: &[("For a validator", "candor schema report > candor-verdict.schema.json")],
        exits: &[Done, Usage, Internal, InputOutput],
    },
    Lesson {
        command: "rules",
        examples: &[
            ("Every rule, and the profiles", "candor rules"),
            ("The clauses of one profile, in both languages", "candor rules --profile cac-191"),
            ("What a profile of your own comes to", "candor rules --profile mine.toml --format json"),
        ],
        exits: &[Done, Usage, BadData, NoInput, InputOutput],
    },
    Lesson {
        command: "terms",
        examples: &[
            (
                "From the lists that an app publishes",
                "candor terms import two-lists list.html --package com.example.app -o app.toml",
            ),
            (
                "From the Data safety form",
                "candor terms import data-safety form.csv --package com.example.app -o form.toml",
            ),
            (
                "From the app's package: what it may access",
                "candor terms import apk app.apk -o manifest.toml && candor terms merge app.toml manifest.toml -o both.toml",
            ),
            ("What was not understood, and every statement beside its wording", "candor terms show app.toml"),
            ("What changed between two versions of the terms", "candor terms diff old.toml new.toml"),
            ("Which statement covers it", "candor terms explain IMEI umeng --terms app.toml"),
            ("Every mistake of a terms file at once", "candor terms lint app.toml"),
            ("For an editor or a build server", "candor terms lint app.toml --format json"),
            ("What data_types can name", "candor terms types"),
            ("For editors that complete TOML", "candor terms schema > terms.schema.json"),
        ],
        exits: &[Done, CannotTell, Usage, BadData, NoInput, CannotCreate, InputOutput],
    },
    Lesson {
        command: "events",
        examples: &[
            ("Everything", "candor events app.candor"),
            (
                "Which hosts were asked for before consent",
                "candor events app.candor --phase pre_consent --kind dns_query",
            ),
            ("Photos, as JSON", "candor events app.candor --family file --grep DCIM --format ndjson"),
            ("A running session, live", "candor events SESSION-ID"),
            (
                "What reads personal data in it, as JSON, for another program",
                "candor events SESSION-ID --min-severity medium --format ndjson",
            ),
        ],
        exits: &[Done, Usage, BadData, NoInput, Unavailable, InputOutput, NoPermission],
    },
    Lesson {
        command: "info",
        examples: &[
            ("What can be seen here, and why not more", "candor info"),
            (
                "A daemon on a phone, through adb",
                "adb forward localfilesystem:/tmp/phone.sock localabstract:candord && candor info --daemon unix:/tmp/phone.sock",
            ),
        ],
        exits: &[Done, Usage, Unavailable, NoPermission],
    },
    Lesson {
        command: "apps",
        examples: &[
            ("What can be traced by name", "candor apps"),
            ("Which of them are from Example", "candor apps example"),
        ],
        exits: &[Done, Usage, Unavailable, NoPermission],
    },
    Lesson {
        command: "sessions",
        examples: &[("Which session to mark", "candor sessions")],
        exits: &[Done, Usage, Unavailable, NoPermission],
    },
    Lesson {
        command: "metrics",
        examples: &[
            ("The counters now", "candor metrics"),
            ("For a Prometheus on this machine", "candor metrics --listen 127.0.0.1:9464"),
        ],
        exits: &[Done, Usage, Unavailable, CannotCreate, InputOutput, NoPermission],
    },
    Lesson {
        command: "import",
        examples: &[
            (
                "A recording written by hand, of which nothing is missing",
                "candor import hand.ndjson -o hand.candor --complete",
            ),
            (
                "Out and in again",
                "candor events a.candor --format ndjson > a.ndjson && candor import a.ndjson -o b.candor",
            ),
        ],
        exits: &[Done, Usage, BadData, NoInput, CannotCreate, InputOutput],
    },
    Lesson {
        command: "replay",
        examples: &[("Decode again, anywhere, without root", "candor replay session.candor-raw -o again.candor")],
        exits: &[Done, Usage, BadData, NoInput, Unavailable, Internal, CannotCreate, InputOutput],
    },
    Lesson {
        command: "completions",
        examples: &[("For bash", "candor completions bash > ~/.local/share/bash-completion/completions/candor")],
        exits: &[Done, Usage],
    },
];

pub(super) fn exit_list(exits: &[Exit]) -> String {
    let mut text = "Exit status:\n".to_owned();
    for exit in exits {
        text.push_str(&format!("  {:>2}  {}\n", exit.code(), exit.about()));
    }
    text
}
