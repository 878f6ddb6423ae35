//! Keeps the thread of the probe on its processor while it asks the kernel for what maps hold.
//!
//! Meanwhile the kernel runs no program of the kind with fields on that processor (it could wait for what is being read), and
//! from Linux 7.0 on such programs see the system calls: were the thread to be interrupted there, the app's calls would go
//! unseen until it goes on. What others read of maps of theirs does the same; `skips` counts it.
//!
//! * **In, out:** nothing. **May import:** `libc`.

use std::mem::MaybeUninit;

/// The lowest priority above all threads that are not real-time.
const LOWEST: libc::c_int = 1;

/// While it lives, only real-time threads interrupt this thread. For work that is short and never waits.
pub(super) struct Uninterrupted {
    before: Option<(libc::c_long, libc::sched_param)>,
}

impl Uninterrupted {
    /// Begins it, if it is `needed`. Where the system refuses it, things are as they were.
    pub(super) fn begin(needed: bool) -> Self {
        let before = needed.then(scheduling).flatten();
        let begun = before.filter(|(_, parameter)| {
            let mut raised = *parameter;
            raised.sched_priority = LOWEST;
            schedule(libc::SCHED_FIFO.into(), &raised)
        });
        Self { before: begun }
    }
}

impl Drop for Uninterrupted {
    fn drop(&mut self) {
        if let Some((policy, parameter)) = &self.before
            && !schedule(*policy, parameter)
        {
            tracing::error!("the thread of the probe cannot go back to its own priority");
        }
    }
}

/// How this thread is scheduled now.
fn scheduling() -> Option<(libc::c_long, libc::sched_param)> {
    let mut parameter = MaybeUninit::<libc::sched_param>::zeroed();
    #[expect(unsafe_code, reason = "nix has no wrapper, and some C libraries refuse to do it")]
    // SAFETY: 0 is the calling thread; the kernel fills the structure, for which zeros are valid as well.
    unsafe {
        let policy = libc::syscall(libc::SYS_sched_getscheduler, 0);
        let filled = libc::syscall(libc::SYS_sched_getparam, 0, parameter.as_mut_ptr());
        (policy >= 0 && filled == 0).then(|| (policy, parameter.assume_init()))
    }
}

fn schedule(policy: libc::c_long, parameter: &libc::sched_param) -> bool {
    #[expect(unsafe_code, reason = "as above")]
    // SAFETY: 0 is the calling thread; the kernel reads the structure.
    unsafe {
        libc::syscall(libc::SYS_sched_setscheduler, 0, policy, std::ptr::from_ref(parameter)) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn afterwards_the_thread_is_scheduled_as_before() {
        let policy = || scheduling().unwrap().0;
        let before = policy();
        {
            let outer = Uninterrupted::begin(true);
            let during = policy();
            // Without the right to it nothing changes.
            assert_eq!(during == libc::c_long::from(libc::SCHED_FIFO), outer.before.is_some());
            drop(Uninterrupted::begin(true));
            assert_eq!(policy(), during, "one within another ends nothing");
        }
        assert_eq!(policy(), before);
        drop(Uninterrupted::begin(false));
        assert_eq!(policy(), before);
    }
}
