//! Locks, and the order in which the engine takes them.
//!
//! 1. *Derived* (a mutex, `State::derived`) is held by whoever changes what is derived from the
//!    log: while traces settle, while a log file is dropped, while a merged file is put in the
//!    place of its parts, while a damaged file is replaced. Seconds, perhaps. The writer thread
//!    never takes it, and queries do only when they have met damage.
//! 2. The *gate* (a read-write lock, `State::gate`) is held for reading by a query from its
//!    beginning to its end, for writing only while a damaged settled file is replaced: for so long
//!    what is settled and what is open do not add up to everything.
//! 3. *Turns* (a mutex in [`crate::query::large`]) is held by a query while it assembles a large
//!    trace, so that one such assembly runs at a time.
//! 4. A *shard* of the open set, the list of live settled files, the extent of the log, the
//!    queue, the signals and all caches are leaves: held for look-ups and updates of memory that
//!    take microseconds. Nothing is locked under them, no file is read or written, no document
//!    parsed, no callback called.
//!
//! Who holds one may take those behind it, never those before it.
//!
//! What readers rely on, without holding any two locks at once:
//! * The writer enters documents in the open set before it acknowledges them.
//! * A settled file enters the list before its documents leave the open set.
//! * A query looks at the open set first and takes the list afterwards. So it finds each document
//!   in one of them, or in both; then its position, which is the same, tells that it is one.

use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::Duration;

// A poisoned lock means that a thread panicked while it held it. Callbacks, the parsing and the
// assembly of documents, where a defect of ours would show first, run without leaves locked and
// are caught; under leaves are updates of memory that do not panic, and what stands behind the
// long locks is replaced whole at the end of the work. So the data is whole and the store goes on.

/// Locks a mutex.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for reading.
pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks for writing.
pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// Waits while the condition holds.
pub(crate) fn wait_while<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    condition: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    condvar.wait_while(guard, condition).unwrap_or_else(PoisonError::into_inner)
}

/// Waits while the condition holds, but not longer than `timeout`.
pub(crate) fn wait_at_most<'a, T>(
    condvar: &Condvar,
    guard: MutexGuard<'a, T>,
    timeout: Duration,
    condition: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    condvar.wait_timeout_while(guard, timeout, condition).unwrap_or_else(PoisonError::into_inner).0
}
