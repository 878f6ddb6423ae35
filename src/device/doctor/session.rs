//! The doctor's own session: traces a user id that nobody has, for as long as the self-test takes.

use std::time::Duration;

use tokio::time::timeout;

use super::Check;
use crate::device::self_test::FIRST_HELPER_USER_ID;
use crate::device::session::{SessionManager, StartRequest};
use crate::event::{EventFilter, ProbeStatus, Selection, SelfTest, SelfTestMoment, SelfTestState, StreamEntry};

/// Nobody's, and not a helper's.
const NOBODYS_USER_ID: u32 = FIRST_HELPER_USER_ID - 1;
/// The longest the self-test may take; it gives up by itself before.
const PATIENCE: Duration = Duration::from_secs(30);
/// From setting the filter to the first act that comes out.
const FIRST_EVENT_BAR_NS: u64 = 1_000_000_000;

/// Makes a session, waits for its first self-test, ends it. Gives the probes' statuses, and the test or why there is none.
pub(super) async fn test(sessions: &SessionManager) -> (Vec<ProbeStatus>, Result<SelfTest, String>) {
    let selection = Selection { user_ids: [NOBODYS_USER_ID].into(), ..Selection::default() };
    let request = StartRequest { selection, label: "doctor".to_owned(), ..StartRequest::default() };
    let session = match sessions.start_session(request).await {
        Ok(started) => started.header.session_id,
        Err(error) => return (sessions.statuses(), Err(error.to_string())),
    };
    let told = timeout(PATIENCE, first_test(sessions, &session)).await;
    let test = told.unwrap_or_else(|_| Err("the session did not tell what came of it".to_owned()));
    if let Err(error) = sessions.stop_session(&session).await {
        tracing::warn!(%error, "the doctor's session cannot be stopped");
    }
    (sessions.statuses(), test)
}

async fn first_test(sessions: &SessionManager, session: &str) -> Result<SelfTest, String> {
    let mut stream = sessions.subscribe(session, 0, EventFilter::default()).map_err(|error| error.to_string())?;
    while let Some(entries) = stream.next(1 << 20).await {
        for entry in entries {
            match &*entry {
                StreamEntry::SelfTest(test) if test.moment == SelfTestMoment::Start => return Ok((**test).clone()),
                _ => {}
            }
        }
    }
    Err("the session ended without one".to_owned())
}

/// The line about the self-test.
pub(super) fn check(test: &Result<SelfTest, String>) -> Check {
    let test = match test {
        Ok(test) => test,
        Err(why) => return Check::missing("self_test", "not made", why.clone()),
    };
    let named = |state: SelfTestState| -> Vec<&str> {
        test.results.iter().filter(|result| result.state == state).map(|result| result.family.name()).collect()
    };
    let words = |result: &crate::event::SelfTestResult| format!("{}: {}", result.family.name(), result.reason);
    let reasons = |state: SelfTestState| -> String {
        test.results.iter().filter(|result| result.state == state).map(words).collect::<Vec<_>>().join("; ")
    };
    let not_seen: Vec<_> = test.not_seen().collect();
    if !not_seen.is_empty() {
        let found = format!("known acts were not seen: {}", named(SelfTestState::NotSeen).join(", "));
        return Check::missing("self_test", found, reasons(SelfTestState::NotSeen))
            .way_out("look at the lines of these families above; candord --log debug serve says more");
    }
    let seen = named(SelfTestState::Seen);
    let first_ns = test.results.iter().filter_map(|result| result.latency_ns).min();
    let Some(first_ns) = first_ns else {
        return Check::missing("self_test", "nothing could be tested", reasons(SelfTestState::NotTested));
    };
    let found =
        format!("known acts were seen: {}; the first {} ms after tracing began", seen.join(", "), first_ns / 1_000_000);
    if first_ns > FIRST_EVENT_BAR_NS {
        return Check::limited("self_test", found, "it should take less than a second: this machine is slow or busy");
    }
    Check::ok("self_test", found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::doctor::CheckState;
    use crate::event::{Family, SelfTestResult};

    fn of(states: &[(Family, SelfTestState, Option<u64>)]) -> Check {
        let result = |(family, state, latency_ns): &(Family, SelfTestState, Option<u64>)| SelfTestResult {
            family: *family,
            state: *state,
            latency_ns: *latency_ns,
            reason: format!("because of {}", family.name()),
        };
        check(&Ok(SelfTest { moment: SelfTestMoment::Start, time_ns: 1, results: states.iter().map(result).collect() }))
    }

    #[test]
    fn the_line_is_as_bad_as_the_worst_family() {
        use SelfTestState::{NotSeen, NotTested, Seen};
        let good = of(&[(Family::File, Seen, Some(7_000_000)), (Family::Provider, NotTested, None)]);
        assert_eq!(
            (good.state, good.found.as_str()),
            (CheckState::Ok, "known acts were seen: file; the first 7 ms after tracing began")
        );
        assert_eq!(of(&[(Family::File, Seen, Some(2_000_000_000))]).state, CheckState::Limited);
        let bad = of(&[(Family::File, Seen, Some(1)), (Family::Socket, NotSeen, None)]);
        assert_eq!((bad.state, bad.reason.as_str()), (CheckState::Missing, "socket: because of socket"));
        assert_eq!(of(&[(Family::File, NotTested, None)]).state, CheckState::Missing);
        assert_eq!(check(&Err("no root".to_owned())).reason, "no root");
    }
}
