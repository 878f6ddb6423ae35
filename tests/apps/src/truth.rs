//! What a client really did, as JSON lines on standard output: what a test sets against what Candor saw.

use serde_json::{Map, Value};
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

static SEQUENCE: AtomicU32 = AtomicU32::new(1);

/// One line. `facts` is a JSON object; process, user id and a running number are added.
pub fn tell(package: &str, facts: Value) {
    let mut line = Map::new();
    line.insert("sequence".into(), SEQUENCE.fetch_add(1, Ordering::Relaxed).into());
    line.insert("app".into(), package.into());
    line.insert("uid".into(), crate::identity::uid().into());
    line.insert("pid".into(), std::process::id().into());
    line.insert("tid".into(), rustix::thread::gettid().as_raw_nonzero().get().into());
    if let Value::Object(facts) = facts {
        line.extend(facts.into_iter().filter(|(_, fact)| !fact.is_null()));
    }
    // A reader that has gone away is no reason to stop acting.
    let _ = writeln!(std::io::stdout().lock(), "{}", Value::Object(line));
}
