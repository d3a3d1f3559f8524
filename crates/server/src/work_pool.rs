//! Where work runs that would block the async threads: look-ups of traces in one pool, queries that
//! look at many traces in another, parsing of large bodies in a third, so that what is slow holds up
//! neither what is quick nor what comes in.

use std::sync::Arc;
use std::time::Duration;

use roentgen_protocol::{ApiError, ErrorKind};
use tokio::sync::Semaphore;

/// How long a request waits for its turn. Callers give up after a minute; half of it leaves them
/// a proper answer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Runs blocking work, so many pieces at a time.
#[derive(Clone, Debug)]
pub(crate) struct WorkPool {
    places: Arc<Semaphore>,
}

impl WorkPool {
    /// A pool for this many pieces of work at a time.
    pub(crate) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)) }
    }

    /// Runs work on a blocking thread. When the caller goes away the work still ends, and keeps
    /// its place until then.
    ///
    /// # Errors
    /// [`ErrorKind::Throttled`] when there was no place for too long; whatever the work fails
    /// with.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce() -> Result<T, ApiError> + Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned();
        let Ok(Ok(place)) = tokio::time::timeout(LONGEST_WAIT, place).await else {
            let message = "Too many requests at a time; try again later";
            return Err(ApiError::new(ErrorKind::Throttled, message));
        };
        let task = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(place);
            outcome
        });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a request ended in a panic");
            let message = "The request failed; see the server's log";
            Err(ApiError::new(ErrorKind::InternalFailure, message))
        })
    }
}

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
    async fn a_panic_is_an_answer_and_frees_its_place() {
        let pool = WorkPool::new(1);
        let outcome: Result<(), ApiError> = pool.run(|| panic!("on purpose")).await;
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::InternalFailure);
        assert_eq!(pool.run(|| Ok(3)).await, Ok(3));
    }
}
