//! The helpers of running sessions, as the probe thread drives them: started before a filter is set, told to act, looked
//! after without ever waiting for them.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use super::self_test::{HelperOutcome, Round};
use crate::device::probe::{SessionSlot, process_scan};
use crate::device::self_test::{FIRST_HELPER_USER_ID, Helper, HelperProgram};
use crate::event::{ProcessKey, Selection, SelfTestMoment, SessionEndReason};

/// How long a helper may take. It needs milliseconds; a machine that is that busy may be slow, but not for ever: a session
/// that is to end waits for it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who a helper is, for whoever has to recognise it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HelperIdentity {
    /// Its process; `None` when it could not be started.
    pub(super) key: Option<ProcessKey>,
    /// The user id that it alone has, when the session selects by user id.
    pub(super) user_id: Option<u32>,
}

/// The helpers of running sessions.
#[derive(Debug, Default)]
pub(super) struct Helpers {
    /// `None`: this daemon tests nothing.
    program: Option<HelperProgram>,
    attended: BTreeMap<SessionSlot, Attended>,
}

#[derive(Debug)]
struct Attended {
    helper: Result<Helper, String>,
    /// The round that is not finished: the moment, its nonce, and since when it lasts.
    running: Option<(SelfTestMoment, String, Instant)>,
    /// Why the session ends once it has been tested for the last time.
    end: Option<SessionEndReason>,
}

/// What became of a round.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) slot: SessionSlot,
    pub(super) moment: SelfTestMoment,
    pub(super) outcome: HelperOutcome,
}

impl Helpers {
    pub(super) fn new(program: Option<HelperProgram>) -> Self {
        Self { program, attended: BTreeMap::new() }
    }

    /// Starts the helper of a session and puts it into the selection that the probes will get. `None`: nothing is tested.
    ///
    /// A session that selects user ids is tested by a user id, because that is the filter that matters to it, and one of
    /// trees by a tree. Giving the helper the app's own user id was rejected: the app could see it, and end it.
    pub(super) fn start(&mut self, slot: SessionSlot, selection: &mut Selection) -> Option<HelperIdentity> {
        let program = self.program.as_ref()?;
        let user_id = (!selection.user_ids.is_empty()).then(|| FIRST_HELPER_USER_ID + u32::from(slot.number()));
        let helper = program.start(user_id).map_err(|error| error.to_string());
        let mut identity = HelperIdentity { key: None, user_id };
        match &helper {
            Ok(helper) => {
                // It waits for a word, so it is there.
                let found = process_scan::find("/proc".as_ref(), helper.pid());
                let start_ns = found.map_or(0, |process| process.start_ns);
                identity.key = Some(ProcessKey::new(helper.pid(), start_ns));
                match user_id {
                    Some(user_id) => selection.user_ids.insert(user_id),
                    None => selection.process_trees.insert(helper.pid()),
                };
            }
            Err(error) => tracing::warn!(error, "the helper of the self-test cannot be started"),
        }
        self.attended.insert(slot, Attended { helper, running: None, end: None });
        Some(identity)
    }

    /// Tells the session's helper to act. `None`: there is none, or it is still at an earlier round.
    pub(super) fn begin(&mut self, slot: SessionSlot, moment: SelfTestMoment, since_ns: u64) -> Option<Round> {
        let attended = self.attended.get_mut(&slot).filter(|attended| attended.running.is_none())?;
        let nonce = format!("candor-{:016x}", RandomState::new().build_hasher().finish());
        if let Ok(helper) = &mut attended.helper
            && let Err(error) = helper.act(&nonce)
        {
            // It will be found gone at the next look.
            tracing::debug!(%error, "the helper of the self-test cannot be told to act");
        }
        attended.running = Some((moment, nonce.clone(), Instant::now()));
        Some(Round { moment, nonce, since_ns })
    }

    /// Asks for a last test before the session ends. `false`: nothing is tested, so it can end now.
    pub(super) fn end_after_test(&mut self, slot: SessionSlot, reason: SessionEndReason) -> bool {
        let Some(attended) = self.attended.get_mut(&slot) else { return false };
        attended.end.get_or_insert(reason);
        true
    }

    /// Why the session ends after its last test, when it is to end.
    pub(super) fn end_reason(&self, slot: SessionSlot) -> Option<SessionEndReason> {
        self.attended.get(&slot)?.end
    }

    /// The rounds that are finished now. Never waits.
    pub(super) fn finished(&mut self) -> Vec<Finished> {
        let mut finished = Vec::new();
        for (slot, attended) in &mut self.attended {
            let Some((moment, nonce, since)) = &attended.running else { continue };
            let outcome = match &mut attended.helper {
                Err(why) => HelperOutcome::Missing(why.clone()),
                Ok(helper) => match helper.report(nonce) {
                    Ok(Some(report)) => HelperOutcome::Done(report),
                    Ok(None) if since.elapsed() < PATIENCE => continue,
                    Ok(None) => HelperOutcome::Gone(format!("it took more than {} s", PATIENCE.as_secs())),
                    Err(error) => HelperOutcome::Gone(error.to_string()),
                },
            };
            finished.push(Finished { slot: *slot, moment: *moment, outcome });
            attended.running = None;
        }
        finished
    }

    /// Ends the session's helper.
    pub(super) fn remove(&mut self, slot: SessionSlot) {
        self.attended.remove(&slot);
    }
}
