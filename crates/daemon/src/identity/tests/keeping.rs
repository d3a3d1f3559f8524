//! How credentials are kept: renewed in time, by one walk at a time, with rests after failures. The
//! clock is paused, and walks are scripted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use roentgen_ops::{Clock as _, ManualClock};
use roentgen_sigv4::{Credentials, Signer};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::TokioClock;
use crate::identity::CredentialsError;
use crate::identity::keeper::{Held, Keeper};

const MINUTE: Duration = Duration::from_secs(60);

/// A keeper whose n-th walk (from 1) gives credentials for `life(n)`, or fails.
struct Kept {
    keeper: Arc<Keeper>,
    walks: Arc<AtomicU32>,
    tasks: JoinSet<()>,
}

impl Kept {
    fn new(
        life: impl Fn(u32) -> Result<Option<Duration>, &'static str> + Send + Sync + 'static,
        walk_takes: Duration,
    ) -> Self {
        let clock = TokioClock::start();
        let walks = Arc::new(AtomicU32::new(0));
        let (life, counted, now) = (Arc::new(life), Arc::clone(&walks), Arc::clone(&clock));
        let walk = move || {
            let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
            let (life, clock) = (Arc::clone(&life), Arc::clone(&now));
            async move {
                sleep(walk_takes).await;
                let life = life(number).map_err(CredentialsError::new)?;
                Ok(held(number, life.map(|life| clock.now() + life)))
            }
        };
        let (keeper, task) = Keeper::new(walk, clock);
        let mut tasks = JoinSet::new();
        tasks.spawn(task);
        Self { keeper: Arc::new(keeper), walks, tasks }
    }

    fn walks(&self) -> u32 {
        self.walks.load(Ordering::Relaxed)
    }

    /// The number of the walk that gave the signer, or what the walk failed with.
    async fn signer(&self) -> Result<String, String> {
        let signer = self.keeper.signer().await.map_err(|error| error.to_string())?;
        Ok(number_of(&signer))
    }
}

fn held(number: u32, expires_at: Option<std::time::SystemTime>) -> Held {
    let credentials = Credentials::new(format!("walk-{number}"), "secret");
    Held { signer: Arc::new(Signer::new(credentials, "eu-west-1", "xray")), expires_at }
}

fn number_of(signer: &Signer) -> String {
    super::credential_of(signer).split('/').next().unwrap().to_owned()
}

fn ok(number: u32) -> Result<String, String> {
    Ok(format!("walk-{number}"))
}

#[tokio::test(start_paused = true)]
async fn renews_five_minutes_before_the_end() {
    let kept = Kept::new(|_| Ok(Some(60 * MINUTE)), Duration::ZERO);
    assert_eq!(kept.signer().await, ok(1));
    sleep(54 * MINUTE).await;
    assert_eq!(kept.signer().await, ok(1));
    sleep(2 * MINUTE).await;
    assert_eq!(kept.signer().await, ok(2));
    // Nobody needs to ask for that.
    sleep(10 * 60 * MINUTE).await;
    assert_eq!(kept.walks(), 2 + 10);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_renewal() {
    let kept = Kept::new(|_| Ok(Some(60 * MINUTE)), Duration::from_secs(20));
    assert_eq!(kept.signer().await, ok(1));
    for _ in 0..600 {
        sleep(MINUTE).await;
        let began = tokio::time::Instant::now();
        assert!(kept.signer().await.is_ok());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn short_lives_are_renewed_in_their_last_quarter() {
    let kept = Kept::new(|_| Ok(Some(4 * MINUTE)), Duration::ZERO);
    assert_eq!(kept.signer().await, ok(1));
    sleep(Duration::from_secs(170)).await;
    assert_eq!(kept.signer().await, ok(1));
    sleep(Duration::from_secs(20)).await;
    assert_eq!(kept.signer().await, ok(2));
}

#[tokio::test(start_paused = true)]
async fn credentials_that_hardly_live_do_not_spin() {
    let kept = Kept::new(|_| Ok(Some(Duration::from_millis(1))), Duration::ZERO);
    sleep(MINUTE).await;
    assert!((2..=13).contains(&kept.walks()), "{} walks in a minute", kept.walks());
}

#[tokio::test(start_paused = true)]
async fn credentials_that_come_expired_are_a_failure() {
    let kept = Kept::new(|_| Ok(Some(Duration::ZERO)), Duration::ZERO);
    let error = kept.signer().await.unwrap_err();
    assert!(error.contains("check the clock"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn keys_without_an_end_are_kept() {
    let kept = Kept::new(|_| Ok(None), Duration::ZERO);
    assert_eq!(kept.signer().await, ok(1));
    sleep(365 * 24 * 60 * MINUTE).await;
    assert_eq!(kept.signer().await, ok(1));
    kept.keeper.renew();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(kept.signer().await, ok(2));
}

#[tokio::test(start_paused = true)]
async fn refusals_are_not_answered_with_a_walk_each() {
    let kept = Kept::new(|_| Ok(None), Duration::ZERO);
    for _ in 0..600 {
        assert!(kept.signer().await.is_ok());
        kept.keeper.renew();
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(kept.walks(), 20, "in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_askers_cost_one_walk() {
    let kept = Kept::new(|_| Ok(Some(60 * MINUTE)), Duration::from_secs(1));
    let mut askers = JoinSet::new();
    for _ in 0..100 {
        let keeper = Arc::clone(&kept.keeper);
        askers.spawn(async move { number_of(&keeper.signer().await.unwrap()) });
    }
    assert!(askers.join_all().await.iter().all(|number| number == "walk-1"));
    assert_eq!(kept.walks(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_fails_rests() {
    let kept = Kept::new(|_| Err("nothing"), Duration::from_millis(100));
    for _ in 0..36_000 {
        assert_eq!(kept.signer().await, Err("nothing".to_owned()));
        sleep(Duration::from_millis(100)).await;
    }
    // In an hour of ten requests a second: 1, 2, 4 … 32 s, then once a minute.
    assert!((60..=68).contains(&kept.walks()), "{}", kept.walks());

    let before = kept.walks();
    sleep(60 * MINUTE).await;
    assert!(kept.walks() <= before + 1, "walked though nobody asked");
}

#[tokio::test(start_paused = true)]
async fn a_chain_that_recovers_is_noticed() {
    let kept = Kept::new(
        |walk| if walk < 3 { Err("not yet") } else { Ok(Some(60 * MINUTE)) },
        Duration::ZERO,
    );
    assert_eq!(kept.signer().await, Err("not yet".to_owned()));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(kept.signer().await, Err("not yet".to_owned()));
    sleep(Duration::from_secs(3)).await;
    assert_eq!(kept.signer().await, ok(3));
}

#[tokio::test(start_paused = true)]
async fn credentials_outlive_failed_renewals_to_their_end() {
    let life = |walk| match walk {
        1 => Ok(Some(60 * MINUTE)),
        2..=12 => Err("STS is down"),
        _ => Ok(Some(60 * MINUTE)),
    };
    let kept = Kept::new(life, Duration::ZERO);
    assert_eq!(kept.signer().await, ok(1));
    sleep(59 * MINUTE + Duration::from_secs(59)).await;
    assert_eq!(kept.signer().await, ok(1));
    assert_eq!(kept.walks(), 11, "after 0, 1, 3, 7 … 63 s, then every minute");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(kept.signer().await, Err("STS is down".to_owned()));
    sleep(2 * MINUTE).await;
    assert!(kept.signer().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn expired_by_a_jump_of_the_wall_clock() {
    let clock = Arc::new(ManualClock::starting_at(TokioClock::start().now()));
    let now = Arc::clone(&clock);
    let walks = AtomicU32::new(0);
    let walk = move || {
        let number = walks.fetch_add(1, Ordering::Relaxed) + 1;
        let expires_at = now.now() + 60 * MINUTE;
        async move { Ok(held(number, Some(expires_at))) }
    };
    let (keeper, task) = Keeper::new(walk, Arc::clone(&clock) as Arc<_>);
    let mut tasks = JoinSet::new();
    tasks.spawn(task);
    assert_eq!(number_of(&keeper.signer().await.unwrap()), "walk-1");
    // The machine slept for a day; tokio's clock did not.
    clock.set_wall(clock.now() + 24 * 60 * MINUTE);
    let began = tokio::time::Instant::now();
    assert_eq!(number_of(&keeper.signer().await.unwrap()), "walk-2");
    assert!(began.elapsed() <= Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_with_its_keeper() {
    let mut kept = Kept::new(|_| Ok(None), Duration::ZERO);
    assert_eq!(kept.signer().await, ok(1));
    drop(kept.keeper);
    kept.tasks.join_next().await.unwrap().unwrap();
}
