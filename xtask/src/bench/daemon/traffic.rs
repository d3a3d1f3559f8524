//! A load under way, with looks at the daemon meanwhile.

use std::time::Duration;

use anyhow::anyhow;

use crate::bench::load::Load;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What a load has sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic {
    pub(super) sent: u64,
    pub(super) seconds: f64,
}

/// Runs a load to its end, and calls `look` ten times a second until then.
pub(super) fn send(
    load: &Load,
    mut look: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Traffic> {
    std::thread::scope(|scope| {
        let running = scope.spawn(|| load.run());
        while !running.is_finished() {
            look()?;
            std::thread::sleep(LOOK_INTERVAL);
        }
        let sent = running.join().map_err(|_| anyhow!("the load panicked"))??;
        let documents = sent.documents()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of documents, which JSON spells as a number"
        )]
        let count = documents as u64;
        Ok(Traffic { sent: count, seconds: documents / sent.rate()? })
    })
}
