//! Where work runs that would block the async threads: look-ups of traces in one pool, queries that
//! look at many traces in another, retrievals in a third, parsing of large bodies in a fourth, so
//! that what is slow holds up neither what is quick nor what comes in.
//!
//! Threads that do such work give way to those that take segments in: see [`give_way`].

use std::num::NonZero;
use std::sync::{Arc, Weak};
use std::time::Duration;

use roentgen_protocol::{ApiError, ErrorKind};
use roentgen_store::ReadBudget;
use tokio::sync::Semaphore;

/// How long a request waits for its turn. Callers give up after a minute; half of it leaves them
/// a proper answer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How far work gives way. At 4 the kernel gives a thread four tenths of the time of one that does
/// not (sched(7)). On two processors with four clients that ask without a pause, ingest then keeps
/// more than half of its rate and they some four tenths of theirs; at 0 ingest kept a third, at 10
/// queries hardly came to an end.
const NICENESS: i32 = 4;

/// The largest nice value there is.
const MAX_NICENESS: i32 = 19;

/// Runs blocking work, so many pieces at a time.
#[derive(Clone, Debug)]
pub(crate) struct WorkPool {
    places: Arc<Semaphore>,
    /// The nice value of threads that work.
    niceness: i32,
}

/// Whoever waits for a piece of work.
#[derive(Debug)]
pub(crate) struct Caller(Weak<()>);

impl Caller {
    /// A caller, and what is to be kept as long as it waits.
    pub(crate) fn new() -> (Self, Arc<()>) {
        let waiting = Arc::new(());
        (Self(Arc::downgrade(&waiting)), waiting)
    }

    /// Whether nobody waits any more, so that the work may end anyhow.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// One of so many equal parts of what may be read for one caller, as long as it waits.
    pub(crate) fn reads(&self, parts: NonZero<usize>) -> ReadBudget {
        ReadBudget::share_of(parts).while_there_is(Weak::clone(&self.0))
    }
}

impl WorkPool {
    /// A pool for this many pieces of work at a time.
    pub(crate) fn new(places: usize) -> Self {
        let niceness = niceness().saturating_add(NICENESS).min(MAX_NICENESS);
        Self { places: Arc::new(Semaphore::new(places)), niceness }
    }

    /// Runs work on a blocking thread. When the caller goes away the work still goes on, and
    /// keeps its place until its end.
    ///
    /// # Errors
    /// [`ErrorKind::Throttled`] when there was no place for too long; whatever the work fails
    /// with.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, ApiError> + Send + 'static,
    {
        self.run_for(|_| work()).await
    }

    /// As [`WorkPool::run`], for work that ends early when its caller goes away.
    ///
    /// # Errors
    /// As [`WorkPool::run`].
    pub(crate) async fn run_for<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&Caller) -> Result<T, ApiError> + Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned();
        let Ok(Ok(place)) = tokio::time::timeout(LONGEST_WAIT, place).await else {
            let message = "Too many requests at a time; try again later";
            return Err(ApiError::new(ErrorKind::Throttled, message));
        };
        let niceness = self.niceness;
        // Gone with this future, which goes when its caller does.
        let (caller, waiting) = Caller::new();
        let task = tokio::task::spawn_blocking(move || {
            give_way(niceness);
            let outcome = work(&caller);
            drop(place);
            outcome
        });
        let outcome = task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request ended in a panic");
            let message = "The request failed; see the server's log";
            Err(ApiError::new(ErrorKind::InternalFailure, message))
        });
        drop(waiting);
        outcome
    }
}

/// The nice value of this thread.
#[cfg(target_os = "linux")]
fn niceness() -> i32 {
    rustix::process::getpriority_process(None).unwrap_or_default()
}

/// Lets the kernel prefer other threads to this one from now on; those that it starts are like it.
/// That takes nothing from it while processors are free, but who waits for an acknowledgement does
/// not wait for whole turns of those who search: of ingest at full rate and a storm of queries each
/// gets its share. No thread may take it back, so once the server has started the blocking threads of the
/// runtime are used for nothing else.
#[cfg(target_os = "linux")]
fn give_way(niceness: i32) {
    // Linux, unlike POSIX, has a nice value for each thread (setpriority(2)). Refused in some
    // sandboxes: then all threads are equal.
    let _ = rustix::process::setpriority_process(None, niceness);
}

/// Elsewhere a nice value belongs to the whole process.
#[cfg(not(target_os = "linux"))]
fn niceness() -> i32 {
    0
}

#[cfg(not(target_os = "linux"))]
fn give_way(_niceness: i32) {}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn only_so_many_pieces_run_at_a_time() {
        let pool = WorkPool::new(1);
        let (started, is_started) = mpsc::channel();
        let (finish, may_finish) = mpsc::channel::<()>();
        let tasks = tokio_util::task::TaskTracker::new();
        let first = tasks.spawn({
            let pool = pool.clone();
            let work = move || {
                started.send(()).ok();
                may_finish.recv().ok();
                Ok(1)
            };
            async move { pool.run(work).await }
        });
        is_started.recv().unwrap();
        assert_eq!(pool.places.available_permits(), 0);
        let second = tasks.spawn({
            let pool = pool.clone();
            async move { pool.run(|| Ok(2)).await }
        });
        finish.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(1));
        assert_eq!(second.await.unwrap(), Ok(2));
    }

    #[tokio::test]
    async fn work_learns_that_its_caller_has_gone() {
        let pool = WorkPool::new(1);
        let (started, is_started) = tokio::sync::oneshot::channel();
        let (finish, may_finish) = mpsc::channel::<()>();
        let (tell, told) = tokio::sync::oneshot::channel();
        let work = pool.run_for(move |caller| {
            started.send(caller.is_gone()).ok();
            may_finish.recv().ok();
            tell.send(caller.is_gone()).ok();
            Ok(())
        });
        let here = tokio::select! {
            outcome = work => panic!("{outcome:?}"),
            is_gone = is_started => is_gone,
        };
        finish.send(()).unwrap();
        assert_eq!((here, told.await), (Ok(false), Ok(true)));
        assert_eq!(pool.run_for(|caller| Ok(caller.is_gone())).await, Ok(false));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn work_gives_way_to_everything_else() {
        let pool = WorkPool::new(1);
        let here = niceness();
        let threads_of_work = || {
            let started = std::thread::spawn(niceness).join();
            Ok((niceness(), started.unwrap_or_default()))
        };
        let there = (here + NICENESS).min(MAX_NICENESS);
        for _ in 0..2 {
            assert_eq!(pool.run(threads_of_work).await, Ok((there, there)));
        }
        assert_eq!(niceness(), here);
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_frees_its_place() {
        let pool = WorkPool::new(1);
        let outcome: Result<(), ApiError> = pool.run(|| panic!("on purpose")).await;
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::InternalFailure);
        assert_eq!(pool.run(|| Ok(3)).await, Ok(3));
    }
}
