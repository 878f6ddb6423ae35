//! Who may import whom: the table, and the check that reads every source file against it.
//!
//! One package keeps `device` and `host` apart, and each stage of the pipeline replaceable, only as long as somebody
//! looks. The compiler does it between packages; within one, this test does. It reads tokens, not a syntax tree: so it
//! also sees paths inside macros, and comments and strings cannot mislead it. What is compiled for tests only
//! (`#[cfg(test)]`, files named `tests.rs`) may import anything.
#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

// ---------------------------------------------------------------------------------------------------------------------
// The table

/// What one module, with all below it that has no row of its own, may import.
struct Rule {
    /// The module, from the crate's root. `bin::candor` is `src/bin/candor.rs`; "" is `src/lib.rs`.
    module: &'static str,
    /// Modules of ours. A row of its own must be named itself: `device::probe` does not include `device::probe::ebpf`.
    ours: &'static [&'static str],
    /// Crates of others; those in [`EVERYWHERE`] need no mention.
    theirs: &'static [&'static str],
    /// Whether files, clocks, threads, processes, sockets and the environment of the machine are out of bounds.
    pure: bool,
    /// Why, shown when the rule is broken.
    reason: &'static str,
}

/// Crates that shape code without giving it abilities.
const EVERYWHERE: &[&str] = &["std", "core", "alloc", "thiserror", "serde", "schemars"];

/// What a pure module does not touch.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

#[rustfmt::skip]
const RULES: &[Rule] = &[
    Rule { module: "", ours: &[], theirs: &[], pure: true,
        reason: "lib.rs only lists the modules" },
    Rule { module: "event", ours: &[], theirs: &[], pure: true,
        reason: "the vocabulary is shared by both sides and by every stage: it stays free of wire, I/O and async" },
    Rule { module: "wire", ours: &["event"], theirs: &["prost", "prost_types", "tonic", "tonic_prost"], pure: true,
        reason: "the wire knows the vocabulary and protobuf, and neither side" },

    Rule { module: "call_filter", ours: &[], theirs: &["libc", "nix"], pure: false,
        reason: "the launch gate installs the filter that the probe recognises: one table for both sides" },
    Rule { module: "credential_files", ours: &[], theirs: &["tokio_rustls"], pure: false,
        reason: "both sides read secrets by the same rules, and from nowhere else" },

    Rule { module: "personal_data", ours: &["event"], theirs: &["fast_glob", "strsim"], pure: true,
        reason: "both sides tell by the same tables what an event reads, from nothing but the event" },
    Rule { module: "frames", ours: &[], theirs: &["crc32fast"], pure: true,
        reason: "frames are bytes, the same on both sides" },

    Rule { module: "device", ours: &[], theirs: &[], pure: true,
        reason: "device/mod.rs only lists the stages" },
    Rule { module: "device::clock", ours: &["event"], theirs: &["nix"], pure: false,
        reason: "the one place that reads clocks on the device" },
    Rule { module: "device::probe", ours: &["event"], theirs: &["nix", "procfs", "tracing"], pure: false,
        reason: "a probe hands over raw records: it knows no later stage and no sibling" },
    Rule { module: "device::probe::raw_record", ours: &["event"], theirs: &[], pure: true,
        reason: "the layout of raw records is data, and compiles on any system" },
    Rule { module: "device::probe::record_layout", ours: &[], theirs: &[], pure: true,
        reason: "the layout of raw records is data, and every probe that makes records builds them with it" },
    Rule { module: "device::probe::tiers",
        ours: &["event", "device::probe", "device::probe::binder_driver", "device::probe::ebpf", "device::probe::importance", "device::probe::platform", "device::probe::procfs", "device::probe::ptrace"],
        theirs: &["nix"], pure: false, reason: "the order of the tiers is said in one place, which knows every probe that traces" },
    Rule { module: "device::probe::ebpf", ours: &["event", "device::clock", "device::probe", "device::probe::binder_driver", "device::probe::raw_record", "device::probe::record_layout"],
        theirs: &["aya", "aya_obj", "flate2", "gimli", "libc", "nix", "procfs", "tracing"], pure: false,
        reason: "a probe hands over raw records: it knows no later stage and no sibling" },
    Rule { module: "device::probe::procfs", ours: &["event", "device::clock", "device::probe", "device::probe::raw_record", "device::probe::record_layout"],
        theirs: &["nix", "procfs", "tracing"], pure: false,
        reason: "a probe hands over raw records: it knows no later stage and no sibling" },
    Rule { module: "device::probe::importance", ours: &["event", "device::clock", "device::probe", "device::probe::raw_record", "device::probe::record_layout"], theirs: &["procfs"], pure: false,
        reason: "a probe hands over raw records: it knows no later stage and no sibling" },
    Rule { module: "device::probe::ptrace",
        ours: &["event", "call_filter", "device::clock", "device::probe", "device::probe::binder_driver", "device::probe::binder_log", "device::probe::raw_record", "device::probe::record_layout"],
        theirs: &["libc", "nix", "procfs", "tracing"], pure: false,
        reason: "a probe hands over raw records: it knows no later stage and no sibling" },
    Rule { module: "device::package_list", ours: &["event"], theirs: &[], pure: false,
        reason: "the device's list of packages is read in one place, by whoever needs it" },
    Rule { module: "device::probe::process_names",
        ours: &["event", "device::probe", "device::probe::raw_record", "device::probe::record_layout"], theirs: &[], pure: false,
        reason: "names are records like others: it knows the probes' records and no later stage" },
    Rule { module: "device::probe::platform",
        ours: &["event", "device::clock", "device::package_list", "device::probe", "device::probe::raw_record", "device::probe::record_layout",
            "device::probe::platform::dex", "device::probe::binder_driver", "device::probe::binder_log", "device::probe::platform::shipped"],
        theirs: &["crc32fast", "nix", "sha2", "tracing", "zip"], pure: false,
        reason: "a probe hands over raw records: it knows no later stage and no sibling" },
    Rule { module: "device::probe::platform::dex", ours: &[], theirs: &[], pure: true,
        reason: "a dex file is read from bytes, so that any bytes can be tried on it" },
    Rule { module: "device::probe::binder_driver", ours: &["device::probe::record_layout"], theirs: &[], pure: false,
        reason: "what the driver understands is said in one place, which looks for nothing but its device" },
    Rule { module: "device::probe::binder_log", ours: &[], theirs: &[], pure: true,
        reason: "the driver's log is read from text, so that any kernel's can be tried on it" },
    Rule { module: "device::probe::platform::shipped", ours: &[], theirs: &[], pure: true,
        reason: "shipped tables are data" },
    Rule { module: "device::probe::replay",
        ours: &["event", "device::probe", "device::probe::raw_record", "device::raw_capture"],
        theirs: &["tracing"], pure: false,
        reason: "replay is a probe whose kernel is a capture: it knows no later stage and no sibling" },
    Rule { module: "device::decode", ours: &["event", "device::probe::record_layout"], theirs: &[], pure: true,
        reason: "decoding learns everything from the record, so that a replay gives the same observations" },
    Rule { module: "device::decode_lines", ours: &["event", "device::decode", "device::probe::record_layout"],
        theirs: &["serde_json"], pure: true,
        reason: "parcels as text go through the decoder of live records, and nothing else" },
    Rule { module: "device::attribute", ours: &["event", "device::decode"], theirs: &[], pure: true,
        reason: "attribution learns everything from records and the package list it is given, so that a replay gives the same events" },
    Rule { module: "device::raw_capture", ours: &["event", "wire", "device::probe", "device::probe::raw_record"],
        theirs: &["crc32fast", "prost", "tracing"], pure: false,
        reason: "a capture is a file format: it stores what probes hand over and interprets nothing" },
    Rule { module: "device::spool_files", ours: &["event", "wire", "frames"],
        theirs: &["crc32fast", "nix", "prost", "tracing"], pure: false,
        reason: "spool files are a file format: they hold entries, and know neither where those come from nor who reads them" },
    Rule { module: "device::event_bus", ours: &["event", "personal_data", "device::spool_files"], theirs: &["tokio", "tracing", "wildmatch"], pure: true,
        reason: "the bus moves events: it knows neither where they come from nor how they leave" },
    Rule { module: "device::session",
        ours: &["event", "device::probe", "device::probe::raw_record", "device::decode", "device::attribute",
            "device::event_bus", "device::spool_files", "device::raw_capture", "device::clock", "device::self_test", "device::probe::record_layout",
            "device::probe::process_names",
            "device::token"],
        theirs: &["tokio", "tracing", "nix"], pure: false,
        reason: "a session drives the pipeline and does not know that gRPC exists" },
    Rule { module: "device::self_test", ours: &["event", "device::probe::platform"], theirs: &["nix"], pure: false,
        reason: "the helper of a self-test is a process of its own: it knows what it does, and nothing of who looks" },
    Rule { module: "device::own_process", ours: &["device::clock"], theirs: &["procfs"], pure: false,
        reason: "what the daemon costs the device" },
    Rule { module: "device::service",
        ours: &["event", "wire", "credential_files", "device::session", "device::event_bus", "device::clock", "device::own_process", "device::token"],
        theirs: &["tonic", "tonic_health", "tonic_reflection", "tokio", "tokio_stream", "prost", "tracing",
            "sha2", "subtle", "tokio_rustls", "tower_layer"], pure: false,
        reason: "the service speaks for sessions: it reaches no probe, decoder or attribution" },
    Rule { module: "device::token", ours: &[], theirs: &["sha2", "subtle"], pure: false,
        reason: "secrets are made and compared in one place, in constant time" },
    Rule { module: "device::device_info", ours: &["event"], theirs: &["nix", "tracing"], pure: false,
        reason: "what device this is, read once" },
    Rule { module: "device::keys", ours: &[], theirs: &["rcgen"], pure: false,
        reason: "keys are made apart from whoever uses them" },
    Rule { module: "device::access_settings", ours: &["device::keys", "device::service"], theirs: &["clap"], pure: false,
        reason: "settings turn what a person wrote into the daemon's options" },
    Rule { module: "device::settings",
        ours: &["wire", "device::access_settings", "device::keys", "device::probe::tiers", "device::event_bus", "device::doctor",
            "device::self_test", "device::service", "device::spool_files", "device::daemon"],
        theirs: &["clap"], pure: false,
        reason: "settings turn what a person wrote into the daemon's options" },
    Rule { module: "device::command_line", ours: &["event", "device::clock", "device::daemon", "device::decode_lines", "device::doctor", "device::keys", "device::settings"],
        theirs: &["anyhow", "serde_json", "tokio", "tracing", "tracing_subscriber"], pure: false,
        reason: "the verbs of candord run the daemon and know no stage" },
    Rule { module: "device::doctor",
        ours: &["event", "wire", "device::clock", "device::daemon", "device::device_info", "device::probe::binder_driver", "device::probe::ebpf",
            "device::probe::platform", "device::probe::tiers", "device::self_test", "device::session"],
        theirs: &["nix", "tokio", "tracing"], pure: false,
        reason: "the doctor tries what a daemon would do, with a daemon's own parts" },
    Rule { module: "device::daemon",
        ours: &["event", "wire", "credential_files", "device::clock", "device::package_list", "device::probe", "device::probe::raw_record",
            "device::probe::platform", "device::probe::tiers", "device::probe::replay", "device::decode", "device::attribute",
            "device::raw_capture", "device::event_bus", "device::spool_files", "device::session", "device::self_test", "device::service", "device::device_info"],
        theirs: &["anyhow", "clap", "libc", "nix", "tokio", "tokio_stream", "tonic", "tonic_health", "tonic_reflection",
            "tracing", "tracing_subscriber"],
        pure: false,
        reason: "the daemon puts the device's stages together" },

    Rule { module: "host", ours: &[], theirs: &[], pure: true,
        reason: "host/mod.rs only lists the stages" },
    Rule { module: "host::client", ours: &["event", "wire", "credential_files"],
        theirs: &["hyper_util", "nix", "prost", "tokio", "tokio_rustls", "tokio_stream", "tonic", "tower", "tracing"], pure: false,
        reason: "the client brings entries over the wire and does not know what becomes of them" },
    Rule { module: "host::recording", ours: &["event", "wire", "frames"],
        theirs: &["crc32fast", "prost", "serde_json", "serde_path_to_error", "strsim", "tracing", "zstd"], pure: false,
        reason: "a recording is a file format: no gRPC, no query, no verdict" },
    Rule { module: "host::toml_source", ours: &[], theirs: &["strsim", "toml", "unicode_width"], pure: false,
        reason: "places in a TOML text, for whoever reads one" },
    Rule { module: "host::ontology", ours: &["host::toml_source"], theirs: &["globset", "strsim", "toml", "unicode_normalization"], pure: false,
        reason: "what data types and recipients are does not depend on what was traced" },
    Rule { module: "host::declared_terms", ours: &["event", "host::ontology", "host::toml_source"],
        theirs: &["globset", "jiff", "serde_json", "strsim", "toml"], pure: false,
        reason: "what was declared does not depend on what was traced" },
    Rule { module: "host::declared_terms::import", ours: &["host::declared_terms", "host::ontology"],
        theirs: &["csv", "der", "encoding_rs", "html5ever", "roxmltree", "sha2", "zip"], pure: true,
        reason: "an importer turns bytes into statements: the same document gives the same terms" },
    Rule { module: "host::correlate",
        ours: &["event", "personal_data", "host::ontology", "host::declared_terms", "host::recording", "host::toml_source"],
        theirs: &["globset", "jiff", "sha2", "strsim"], pure: true,
        reason: "the same entries and terms give the same verdict, on any machine and in any year" },
    Rule { module: "host::review", ours: &["host::correlate", "host::toml_source"], theirs: &["serde_json"], pure: true,
        reason: "who is paired with what, and who ranks where, follows from names and verdicts alone" },
    Rule { module: "host::report", ours: &["event", "host::correlate", "host::declared_terms", "host::ontology", "host::review"],
        theirs: &["askama", "csv", "jiff", "kuva", "serde_json", "unicode_width", "anstyle"], pure: true,
        reason: "a report writes down a verdict and reaches none of its own" },
    Rule { module: "host::commands",
        ours: &["event", "wire", "call_filter", "credential_files", "personal_data", "host::client", "host::recording", "host::toml_source",
            "host::ontology", "host::declared_terms", "host::declared_terms::import", "host::correlate", "host::report",
            "host::review"],
        theirs: &["anstream", "anstyle", "anyhow", "axum", "clap", "clap_complete", "globset", "indicatif", "jiff", "nix",
            "prometheus_client", "serde_json", "sha2", "strsim", "terminal_size", "tokio", "tokio_stream", "toml", "tonic", "tracing",
            "tracing_subscriber", "unicode_width"],
        pure: false,
        reason: "the commands put the host's stages together, and know no device" },

    Rule { module: "bin::candord", ours: &["device::command_line", "device::self_test", "device::settings", "device::probe::ptrace"],
        theirs: &["anyhow", "clap", "tokio", "tracing", "tracing_subscriber"], pure: false,
        reason: "an entry point calls one side" },
    Rule { module: "bin::candor", ours: &["event", "host::commands", "device::daemon", "device::self_test", "device::settings", "device::probe::ptrace"],
        theirs: &["anyhow", "mimalloc", "tokio", "tracing", "tracing_subscriber"], pure: false,
        reason: "the client's entry point lends the daemon to `candor run`, because the host may not import the device" },
];

/// Names finer than a module that a row leaves out, and why.
const FORBIDDEN_ITEMS: &[(&str, &str, &str)] = &[
    (
        "host::declared_terms",
        "event::Event",
        "terms share the names of phases with events; what was traced is no concern of theirs",
    ),
    (
        "host::declared_terms",
        "event::StreamEntry",
        "terms share the names of phases with events; what was traced is no concern of theirs",
    ),
    (
        "host::correlate",
        "host::recording::RecordingReader",
        "correlation is handed entries; of recordings it knows the condition only",
    ),
    (
        "host::correlate",
        "host::recording::RecordingWriter",
        "correlation is handed entries; of recordings it knows the condition only",
    ),
];

// ---------------------------------------------------------------------------------------------------------------------
// The check

/// A path written in a source file.
#[derive(Debug, Clone)]
struct Mention {
    /// Segments as written, with the first resolved when it is `crate`, `self`, `super` or a name imported in this file.
    path: Vec<String>,
    /// Line, from 1.
    line: usize,
}

/// What a scan of a file collects.
#[derive(Default)]
struct Scan {
    /// Absolute (`crate`, ...) or external paths.
    mentions: Vec<Mention>,
    /// Names that a `use` or `mod` of this file gives a meaning: to the absolute path.
    names: BTreeMap<String, Vec<String>>,
    /// Paths that begin with neither a keyword nor a known crate; resolved when all names are known.
    relative: Vec<Mention>,
}

impl Scan {
    fn tokens(&mut self, tokens: TokenStream, module: &[String], crates: &BTreeSet<String>) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Punct(punct) if punct.as_char() == '#' && is_test_only(tokens.get(at + 1)) => {
                    at = end_of_item(&tokens, at + 2);
                }
                TokenTree::Ident(word) if word == "use" && !is_precise_capture(&tokens, at) => {
                    let end = (at..tokens.len()).find(|index| is_punct(&tokens[*index], ';')).unwrap_or(tokens.len());
                    self.use_tree(&tokens[at + 1..end], &[], module, crates);
                    at = end;
                }
                TokenTree::Ident(word) if word == "mod" => {
                    if let Some(TokenTree::Ident(name)) = tokens.get(at + 1) {
                        let name = name.to_string();
                        let mut inner = module.to_vec();
                        inner.push(name.clone());
                        let mut absolute = vec!["crate".to_owned()];
                        absolute.extend(inner.iter().cloned());
                        self.names.insert(name, absolute);
                        if let Some(TokenTree::Group(body)) = tokens.get(at + 2) {
                            self.tokens(body.stream(), &inner, crates);
                            at += 2;
                        } else {
                            at += 1;
                        }
                    }
                }
                TokenTree::Ident(_) => {
                    let line = tokens[at].span().start().line;
                    let (segments, next) = path_at(&tokens, at);
                    at = next - 1;
                    if segments.len() > 1 {
                        self.path(segments, line, module);
                    }
                }
                TokenTree::Group(group) => self.tokens(group.stream(), module, crates),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            at += 1;
        }
    }

    /// One `use` tree, with the prefix of the groups around it.
    fn use_tree(&mut self, tokens: &[TokenTree], prefix: &[String], module: &[String], crates: &BTreeSet<String>) {
        // A comma at the end leaves an empty part, which imports nothing.
        for part in tokens.split(|token| is_punct(token, ',')).filter(|part| !part.is_empty()) {
            let mut path = prefix.to_vec();
            let mut name = None;
            let mut line = 0;
            let mut at = 0;
            let mut grouped = false;
            while at < part.len() {
                match &part[at] {
                    TokenTree::Ident(word) if word == "as" => {
                        name = part.get(at + 1).map(ToString::to_string);
                        at += 1;
                    }
                    TokenTree::Ident(word) if word == "self" && !path.is_empty() => line = word.span().start().line,
                    TokenTree::Ident(word) => {
                        line = part[at].span().start().line;
                        path.push(plain(&word.to_string()));
                    }
                    TokenTree::Group(group) => {
                        let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                        self.use_tree(&inner, &path, module, crates);
                        grouped = true;
                    }
                    TokenTree::Punct(star) if star.as_char() == '*' => line = line.max(part[at].span().start().line),
                    TokenTree::Punct(_) | TokenTree::Literal(_) => {}
                }
                at += 1;
            }
            if line == 0 {
                line = part.first().map_or(0, |token| token.span().start().line);
            }
            if !grouped && !path.is_empty() {
                let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
                if let Some(absolute) = absolute(&path, module) {
                    self.names.insert(name, absolute);
                } else if crates.contains(&path[0]) || path.len() > 1 {
                    self.names.entry(name).or_insert_with(|| path.clone());
                }
                self.path(path, line, module);
            }
        }
    }

    fn path(&mut self, path: Vec<String>, line: usize, module: &[String]) {
        match absolute(&path, module) {
            Some(path) => self.mentions.push(Mention { path, line }),
            None => self.relative.push(Mention { path, line }),
        }
    }

    /// Resolves the paths that begin with a name of the file.
    fn finish(mut self, crates: &BTreeSet<String>) -> Vec<Mention> {
        for mut mention in std::mem::take(&mut self.relative) {
            // A name that stands for itself (`use tonic;`) is the crate.
            let known = self.names.get(&mention.path[0]).filter(|known| known[0] != mention.path[0]);
            if let Some(known) = known {
                mention.path.splice(0..1, known.iter().cloned());
            }
            if mention.path[0] == "crate" || crates.contains(&mention.path[0]) {
                self.mentions.push(mention);
            }
        }
        self.mentions
    }
}

/// `self::`, `super::`, `crate::` and the crate's own name, from the root; `None` for any other path.
fn absolute(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let mut base: Vec<String> = vec!["crate".to_owned()];
    let mut rest = path;
    match path.first().map(String::as_str) {
        Some("crate" | "candor") => rest = &path[1..],
        Some("self") => {
            base.extend(module.iter().cloned());
            rest = &path[1..];
        }
        Some("super") => {
            base.extend(module.iter().cloned());
        }
        _ => return None,
    }
    while rest.first().is_some_and(|first| first == "super") {
        base.pop();
        rest = &rest[1..];
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// The path that begins at a word: its segments, and where it ends.
fn path_at(tokens: &[TokenTree], start: usize) -> (Vec<String>, usize) {
    let mut segments = vec![plain(&tokens[start].to_string())];
    let mut at = start + 1;
    while tokens.get(at).is_some_and(|token| is_punct(token, ':'))
        && tokens.get(at + 1).is_some_and(|token| is_punct(token, ':'))
    {
        let Some(TokenTree::Ident(segment)) = tokens.get(at + 2) else { break };
        segments.push(plain(&segment.to_string()));
        at += 3;
    }
    (segments, at)
}

fn plain(word: &str) -> String {
    word.strip_prefix("r#").unwrap_or(word).to_owned()
}

fn is_punct(token: &TokenTree, character: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == character)
}

/// `impl Trait + use<'a>` is no import.
fn is_precise_capture(tokens: &[TokenTree], at: usize) -> bool {
    tokens.get(at + 1).is_some_and(|token| is_punct(token, '<'))
}

/// `[cfg(test)]`, or a `cfg` that demands test together with more.
fn is_test_only(token: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = token else { return false };
    let text: String = group.stream().to_string().split_whitespace().collect();
    group.delimiter() == Delimiter::Bracket && (text == "cfg(test)" || text.starts_with("cfg(all(test,"))
}

/// The index of the last token of the item that begins here.
fn end_of_item(tokens: &[TokenTree], start: usize) -> usize {
    let mut use_or_static = false;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ';' => return index,
            TokenTree::Ident(word) if word == "use" || word == "static" || word == "const" => use_or_static = true,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !use_or_static => return index,
            _ => {}
        }
    }
    tokens.len()
}

/// The rule for a path of modules: that of the longest row it begins with.
fn rule_for(path: &[String]) -> Option<&'static Rule> {
    (0..=path.len()).rev().find_map(|length| {
        let module = path[..length].join("::");
        RULES.iter().find(|rule| rule.module == module && (length > 0 || path.is_empty()))
    })
}

/// Every broken rule in one file.
fn check(file: &str, text: &str, crates: &BTreeSet<String>) -> Vec<String> {
    let module = module_of(file);
    let Some(rule) = rule_for(&module).filter(|rule| {
        // Side roots hold lists only: a new stage needs a row of its own.
        !["device", "host", "bin"].contains(&rule.module) || rule.module == module.join("::")
    }) else {
        return vec![format!(
            "{file}: no rule for module `{}`; add it to the table in tests/import_rules.rs",
            module.join("::")
        )];
    };
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file} is not Rust: {error}"));
    let mut scan = Scan::default();
    scan.tokens(tokens, &module, crates);
    // One import is used many times: each problem is told once, where it comes first.
    let mut broken: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for mention in scan.finish(crates) {
        if let Some(problem) = judge(rule, &mention) {
            let place = (mention.line, mention.path.join("::"));
            let first = broken.entry(problem).or_insert_with(|| place.clone());
            if place.0 < first.0 {
                *first = place;
            }
        }
    }
    let name = if rule.module.is_empty() { "lib.rs" } else { rule.module };
    broken
        .into_iter()
        .map(|(problem, (line, path))| format!("{file}:{line}: `{path}` {problem} (`{name}`: {})", rule.reason))
        .collect()
}

fn judge(rule: &Rule, mention: &Mention) -> Option<String> {
    let written = mention.path.join("::");
    if mention.path[0] != "crate" {
        if !EVERYWHERE.contains(&mention.path[0].as_str()) && !rule.theirs.contains(&mention.path[0].as_str()) {
            return Some(format!("uses the crate {}, which `{}` may not", mention.path[0], rule.module));
        }
        let impure = IMPURE.iter().any(|name| written == *name || written.starts_with(&format!("{name}::")));
        return (rule.pure && impure).then(|| format!("touches the machine, which `{}` may not", rule.module));
    }
    let target_path = &mention.path[1..];
    let target = target_path.join("::");
    if let Some((_, _, reason)) =
        FORBIDDEN_ITEMS.iter().find(|(module, item, _)| *module == rule.module && target.starts_with(item))
    {
        return Some(format!("is out of bounds: {reason}"));
    }
    // A module below this one, and what it is made of, is its own business.
    let own = |module: &str| module == rule.module || module.starts_with(&format!("{}::", rule.module));
    if !rule.module.is_empty() && own(&target) {
        // A sub-module with a row of its own: only who lists it (`mod.rs`) re-exports from it, by `self::`.
        return None;
    }
    let Some(found) = rule_for(target_path) else {
        // `use crate::device;` alone says nothing yet; what follows it is resolved and judged. A glob is not.
        return Some("leads to a module without a rule; add it to the table in tests/import_rules.rs".to_owned());
    };
    if ["device", "host"].contains(&found.module) {
        let side = rule.module.split("::").next().unwrap_or_default();
        let crossing = side != found.module && side != "bin";
        // The bare side root is harmless within the side, and so are names that only lead on to a stage.
        return crossing.then(|| format!("leads from `{}` to the other side", rule.module));
    }
    (!rule.ours.contains(&found.module)).then(|| format!("imports `{}`, which `{}` may not", found.module, rule.module))
}

/// `src/device/decode/mod.rs` is `device::decode`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.strip_prefix("src/").expect("a source file").strip_suffix(".rs").expect("a source file");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// The crates that `Cargo.toml` names, as code writes them, and those of the compiler.
fn crates() -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let mut crates: BTreeSet<String> = ["std", "core", "alloc", "proc_macro"].map(str::to_owned).into();
    let mut dependencies = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            dependencies = line.contains("dependencies");
        } else if dependencies && let Some((name, _)) = line.split_once('=') {
            crates.insert(name.trim().split('.').next().unwrap_or_default().replace('-', "_"));
        }
    }
    crates
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file below `src`, as a path from the root.
fn sources(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("a directory of sources").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).expect("below the root").to_str().expect("a plain name");
            found.push(name.to_owned());
        }
    }
}

/// Files that other files include under `#[cfg(test)]`.
fn test_only(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/") || file == "src/wire/strategies.rs"
}

#[test]
fn every_import_is_allowed() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    files.sort();
    assert!(files.iter().any(|file| file == "src/event/mod.rs"), "the sources were not found");
    let crates = crates();
    assert!(crates.contains("tonic") && crates.contains("tokio_stream"), "the dependencies were not found");
    let broken: Vec<String> = files
        .iter()
        .filter(|file| !test_only(file))
        .flat_map(|file| check(file, &fs::read_to_string(root().join(file)).expect("a readable source"), &crates))
        .collect();
    assert!(broken.is_empty(), "{} broken import rules:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn the_table_makes_sense() {
    let mut seen = BTreeSet::new();
    for rule in RULES {
        assert!(seen.insert(rule.module), "{} has two rows", rule.module);
        for ours in rule.ours {
            assert!(RULES.iter().any(|other| other.module == *ours), "{}: {ours} has no row", rule.module);
            let sides = (rule.module.split("::").next(), ours.split("::").next());
            assert!(
                !matches!(sides, (Some("device"), Some("host")) | (Some("host"), Some("device"))),
                "{}: {ours} is on the other side",
                rule.module
            );
        }
    }
}

/// Modules that import each other are one module in two places.
#[test]
fn the_table_has_no_cycle() {
    fn visit(module: &'static str, above: &mut Vec<&'static str>) {
        assert!(!above.contains(&module), "{} -> {module}", above.join(" -> "));
        above.push(module);
        let rule = RULES.iter().find(|rule| rule.module == module).expect("a row");
        rule.ours.iter().for_each(|ours| visit(ours, above));
        above.pop();
    }
    RULES.iter().for_each(|rule| visit(rule.module, &mut Vec::new()));
}

/// The check can fail: each fixture breaks one class of rule.
#[test]
fn each_class_of_rule_is_found_broken() {
    let crates = crates();
    #[rustfmt::skip]
    let fixtures: &[(&str, &str, &str)] = &[
        ("src/event/file.rs", "use tokio::sync::watch;", "uses the crate tokio"),
        ("src/event/file.rs", "fn f() { serde_json::to_string(&1); }", "uses the crate serde_json"),
        ("src/event/file.rs", "use crate::wire::proto;", "imports `wire`"),
        ("src/event/file.rs", "use std::time::{Duration, Instant};", "touches the machine"),
        ("src/device/service/mod.rs", "use crate::host::client::Client;", "imports `host::client`"),
        ("src/host/client/mod.rs", "use crate::{device::daemon::Daemon, event::Event};", "imports `device::daemon`"),
        ("src/host/client/mod.rs", "use crate::device; fn f() { device::daemon::start(); }", "leads from `host::client` to the other side"),
        ("src/host/client/mod.rs", "use crate::host; fn f() { host::recording::open(); }", "imports `host::recording`"),
        ("src/device/probe/procfs/mod.rs", "use super::ebpf::open;", "imports `device::probe::ebpf`"),
        ("src/device/probe/procfs/scan.rs", "use super::super::ebpf as other;", "imports `device::probe::ebpf`"),
        ("src/device/probe/procfs/mod.rs", "use aya::Ebpf;", "uses the crate aya"),
        ("src/device/decode/dns.rs", "macro_rules! m { () => { ::std::fs::read(\"/etc/hosts\") } }", "touches the machine"),
        ("src/device/decode/dns.rs", "use std::{net::UdpSocket};", "touches the machine"),
        ("src/device/decode/dns.rs", "use std::fs; fn f() { fs::read(\"x\"); }", "touches the machine"),
        ("src/device/session/mod.rs", "fn f() -> tonic::Status { todo!() }", "uses the crate tonic"),
        ("src/device/session/mod.rs", "mod inner { use super::super::service::Service; }", "imports `device::service`"),
        ("src/host/correlate/mod.rs", "use crate::host::recording::RecordingReader;", "is out of bounds"),
        ("src/host/declared_terms/mod.rs", "use crate::event::{Phase, EventKind};", "is out of bounds"),
        ("src/host/report/html.rs", "println!(\"{}\", crate::host::client::VERSION);", "imports `host::client`"),
        ("src/bin/candord.rs", "use candor::host::commands::main;", "imports `host::commands`"),
        ("src/device/new_stage/mod.rs", "", "add it to the table"),
        ("src/query.rs", "", "add it to the table"),
        ("src/event/file.rs", "#[cfg(not(test))] use nix::fcntl;", "uses the crate nix"),
        ("src/event/file.rs", "#[cfg(test)] mod tests { use nix::x; } use procfs::y;", "uses the crate procfs"),
    ];
    for (file, text, expected) in fixtures {
        let broken = check(file, text, &crates);
        assert!(
            broken.iter().any(|line| line.contains(expected)),
            "{file} with {text:?}: expected {expected:?}, found {broken:?}"
        );
    }
    let located = check("src/event/file.rs", "\n\nuse tokio::sync;\n", &crates);
    assert_eq!(
        located,
        ["src/event/file.rs:3: `tokio::sync` uses the crate tokio, which `event` may not (`event`: the vocabulary is \
          shared by both sides and by every stage: it stays free of wire, I/O and async)"]
    );
}

/// The check does not cry wolf.
#[test]
fn what_is_allowed_is_not_found() {
    let crates = crates();
    #[rustfmt::skip]
    let fixtures: &[(&str, &str)] = &[
        ("src/event/file.rs", "//! See crate::wire and tokio::sync.\nuse super::Family; use std::collections::BTreeMap;"),
        ("src/event/file.rs", "const TEXT: &str = \"use tokio::sync;\"; /// use nix::fcntl;\nstruct A;"),
        ("src/event/file.rs", "#[cfg(test)] mod tests { use serde_json::json; use crate::wire::proto; }"),
        ("src/event/file.rs", "#[cfg(test)] use tokio::{sync, time}; struct A;"),
        ("src/device/probe/mod.rs", "pub mod procfs; fn f() { procfs::open(); } pub use self::procfs::open;"),
        ("src/device/probe/ebpf/mod.rs", "use super::{Probe, RawBatch}; use crate::event::{Family, ProbeId}; use aya::Ebpf;"),
        ("src/host/commands/run.rs", "use crate::host::{client, recording::RecordingWriter}; fn f() { client::connect(); }"),
        ("src/device/decode/dns.rs", "fn f<'a>() -> impl Iterator<Item = u8> + use<'a> { std::iter::empty() }"),
        ("src/device/settings.rs", "use crate::device::{daemon::DaemonOptions, service::ListenAddress,};"),
        ("src/host/client/mod.rs", "use crate::{event::Event, wire::proto,};"),
        ("src/bin/candor.rs", "use candor::host::commands; #[cfg(feature = \"device\")] use candor::device::daemon::Daemon;"),
    ];
    for (file, text) in fixtures {
        assert_eq!(check(file, text, &crates), Vec::<String>::new(), "{file} with {text:?}");
    }
}
