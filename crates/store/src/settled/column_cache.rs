//! Decoded columns, and digests of such, in memory, within a bound.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::columns::ColumnName;
use super::digests::DigestName;

/// What a column takes on the average: only sets how much room the cache makes for its keys.
const USUAL_COLUMN_BYTES: u64 = 16 << 10;
/// What the cache itself takes for each column, about.
const ENTRY_BYTES: u64 = 128;

/// Decoded columns of all open settled files, and what is kept in mind of others.
pub struct ColumnCache {
    columns: Cache<ColumnKey, CachedColumn, ByMemory>,
    next_file: AtomicU64,
}

/// Something of a row group of a file, the file by its number in this cache.
pub(super) type ColumnKey = (u64, u32, CachedName);

/// What of a row group it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CachedName {
    Column(ColumnName),
    Digest(DigestName),
}

#[derive(Clone)]
struct CachedColumn {
    column: Arc<dyn Any + Send + Sync>,
    memory: usize,
}

#[derive(Clone)]
struct ByMemory;

impl Weighter<ColumnKey, CachedColumn> for ByMemory {
    fn weight(&self, _key: &ColumnKey, column: &CachedColumn) -> u64 {
        column.memory as u64 + ENTRY_BYTES
    }
}

impl ColumnCache {
    /// A cache that takes at most about so many bytes.
    pub fn new(bytes: u64) -> Self {
        let columns = usize::try_from(bytes / USUAL_COLUMN_BYTES).unwrap_or(usize::MAX);
        Self {
            columns: Cache::with_weighter(columns.max(16), bytes, ByMemory),
            next_file: AtomicU64::new(0),
        }
    }

    /// The memory in use.
    pub fn memory(&self) -> u64 {
        self.columns.weight()
    }

    /// A number for a file, not used before. A file that is gone leaves its columns to be
    /// replaced by those in use.
    pub(super) fn next_file(&self) -> u64 {
        self.next_file.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn get<T: Send + Sync + 'static>(&self, key: &ColumnKey) -> Option<Arc<T>> {
        self.columns.get(key)?.column.downcast().ok()
    }

    pub(super) fn insert<T: Send + Sync + 'static>(
        &self,
        key: ColumnKey,
        column: Arc<T>,
        memory: usize,
    ) {
        self.columns.insert(key, CachedColumn { column, memory });
    }
}

impl fmt::Debug for ColumnCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let memory = self.memory();
        f.debug_struct("ColumnCache").field("memory", &memory).finish_non_exhaustive()
    }
}
