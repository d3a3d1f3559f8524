//! The upkeep thread: retention and merging, when they are worth it, and now and then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::signal::Urgency;
use crate::state::State;
use crate::{merging, retention};

/// How often ages are looked at. What is kept too long at most is this and a sixteenth of the
/// age, the longest a file grows.
const PERIOD: Duration = Duration::from_secs(60);

/// Works until it is to end.
pub(crate) fn run(state: &State) {
    while state.upkeep.wait(Urgency::Soon, Some(PERIOD)) {
        let work = AssertUnwindSafe(|| {
            if retention::is_rotation_due(state) {
                state.queue.request_rotation();
            }
            retention::enforce(state);
        });
        if catch_unwind(work).is_err() {
            state.report_panic("retention");
        }
        merging::merge_all(state);
    }
}
