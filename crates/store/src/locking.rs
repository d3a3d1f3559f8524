//! Locks, and the order in which the engine takes them.
//!
//! 1. The *indexer* (a mutex) is held while changed traces are assembled or log files dropped:
//!    by the indexer thread, by the retention thread and by queries that need everything indexed.
//! 2. The *index* (a read-write lock) is held for look-ups and updates in memory only. No file
//!    is read or written, no document parsed and no callback called under it.
//! 3. The queue, the backlog and the retention signal are leaves: nothing is locked under them.
//!
//! Who holds one may take those behind it, never those before it. The writer thread takes the
//! index alone, after its fsync, so that an fsync holds up no reader and no assembly holds up an
//! acknowledgement.

use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::Duration;

// A poisoned lock means that a thread panicked while it held it. Callbacks and the parsing of
// documents, where a defect of ours would show first, are run without locks or caught; what
// remains are updates of memory that do not panic, so the data is whole and the store goes on.

/// Locks a mutex.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
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
