//! Keeps credentials: one task walks the chain, before they expire and never twice at a time, and
//! everybody else reads its last outcome. A chain that failed is walked again only when somebody
//! asks, and not at once.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use roentgen_ops::Clock;
use roentgen_sigv4::Signer;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::warn;

use super::credentials::CredentialsError;

/// How long before they expire credentials are renewed: the services that issue them have new ones
/// by then, and hold to 5 minutes as well.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// Least time between two walks that succeeded, so that a source of credentials that hardly live is
/// not asked in a loop.
const LEAST_PAUSE: Duration = Duration::from_secs(5);

/// Least time from a walk to the one because AWS refused what it found: most refusals have other
/// reasons, and every request gets one.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// Waits after a failure: the first, doubled with every further one up to the last.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// What a walk gives: a signer with the credentials found, and when they expire.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) signer: Arc<Signer>,
    pub(super) expires_at: Option<SystemTime>,
}

impl Held {
    fn is_valid(&self, now: SystemTime) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

#[derive(Clone, Debug)]
enum Outcome {
    /// The first walk has not ended.
    Unknown,
    Held(Held),
    Failed(CredentialsError),
}

/// The reading end. The task ends when this is dropped.
#[derive(Debug)]
pub(super) struct Keeper {
    outcome: watch::Receiver<Outcome>,
    calls: Arc<Calls>,
    clock: Arc<dyn Clock>,
}

/// Why a walk may begin before its time.
#[derive(Debug, Default)]
struct Calls {
    /// Somebody needs credentials and there are none that are valid.
    wanted: Notify,
    /// AWS did not take those that are held.
    refused: Notify,
}

impl Keeper {
    /// A keeper and its task, which the caller spawns; it walks at once.
    pub(super) fn new<W, F>(walk: W, clock: Arc<dyn Clock>) -> (Self, impl Future<Output = ()>)
    where
        W: Fn() -> F,
        F: Future<Output = Result<Held, CredentialsError>>,
    {
        let (sender, outcome) = watch::channel(Outcome::Unknown);
        let calls = Arc::new(Calls::default());
        let task = keep(walk, sender, Arc::clone(&calls), Arc::clone(&clock));
        (Self { outcome, calls, clock }, task)
    }

    /// The signer with credentials that are valid now. Waits for the first walk and for the one
    /// that replaces expired credentials; a failure is returned at once, and has the chain walked
    /// again when its time has come.
    pub(super) async fn signer(&self) -> Result<Arc<Signer>, CredentialsError> {
        let mut outcome = self.outcome.clone();
        loop {
            match &*outcome.borrow_and_update() {
                Outcome::Unknown => {}
                Outcome::Held(held) if held.is_valid(self.clock.now()) => {
                    return Ok(Arc::clone(&held.signer));
                }
                // The clock jumped: the task sleeps by another one.
                Outcome::Held(_) => self.calls.wanted.notify_one(),
                Outcome::Failed(error) => {
                    self.calls.wanted.notify_one();
                    return Err(error.clone());
                }
            }
            if outcome.changed().await.is_err() {
                return Err(CredentialsError::new("nobody looks for credentials any more"));
            }
        }
    }

    /// Has the chain walked again: AWS refused the credentials, so they may have been replaced.
    pub(super) fn renew(&self) {
        self.calls.refused.notify_one();
    }
}

async fn keep<W, F>(
    walk: W,
    outcome: watch::Sender<Outcome>,
    calls: Arc<Calls>,
    clock: Arc<dyn Clock>,
) where
    W: Fn() -> F,
    F: Future<Output = Result<Held, CredentialsError>>,
{
    let walking = async {
        let mut failures = 0;
        loop {
            match walk().await.and_then(|held| still_valid(held, clock.now())) {
                Ok(held) => {
                    failures = 0;
                    let pause = pause_until_renewal(held.expires_at, clock.now());
                    outcome.send_replace(Outcome::Held(held));
                    sleep(LEAST_PAUSE).await;
                    let refused = async {
                        sleep(REFUSED_PAUSE - LEAST_PAUSE).await;
                        calls.refused.notified().await;
                    };
                    tokio::select! {
                        () = sleep(pause.saturating_sub(LEAST_PAUSE)) => {}
                        () = calls.wanted.notified() => {}
                        () = refused => {}
                    }
                }
                Err(error) => {
                    failures += 1;
                    let left = time_left(&outcome.borrow(), clock.now());
                    if let Some(left) = left {
                        warn!("credentials not renewed, {} s left: {error}", left.as_secs());
                        sleep(backoff(failures).min(left)).await;
                        continue;
                    }
                    outcome.send_replace(Outcome::Failed(error));
                    sleep(backoff(failures)).await;
                    calls.wanted.notified().await;
                }
            }
        }
    };
    tokio::select! {
        () = walking => {}
        () = outcome.closed() => {}
    }
}

/// Credentials that arrive expired come of a clock that is ahead; signatures by it would not be
/// taken either.
fn still_valid(held: Held, now: SystemTime) -> Result<Held, CredentialsError> {
    if held.is_valid(now) {
        return Ok(held);
    }
    Err(CredentialsError::new(
        "failed to refresh cached credentials, those that came are expired already; check the \
         clock of this machine",
    ))
}

/// How long credentials are good for; `None` when there are none or they have expired.
fn time_left(outcome: &Outcome, now: SystemTime) -> Option<Duration> {
    match outcome {
        Outcome::Held(Held { expires_at: None, .. }) => Some(LONGEST_BACKOFF),
        Outcome::Held(Held { expires_at: Some(at), .. }) => {
            at.duration_since(now).ok().filter(|left| !left.is_zero())
        }
        Outcome::Unknown | Outcome::Failed(_) => None,
    }
}

/// From now to the renewal: [`RENEW_BEFORE`] the end, and not before three quarters of a short
/// life have passed.
fn pause_until_renewal(expires_at: Option<SystemTime>, now: SystemTime) -> Duration {
    let Some(expires_at) = expires_at else { return Duration::MAX };
    let left = expires_at.duration_since(now).unwrap_or_default();
    left.saturating_sub(RENEW_BEFORE.min(left / 4)).max(LEAST_PAUSE)
}

fn backoff(failures: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(1_u32 << (failures - 1).min(6)).min(LONGEST_BACKOFF)
}
