//! The service graph of a range of time, from the rollups of settled files.

use std::ops::RangeInclusive;

use roentgen_model::ServiceGraph;

use super::parallel::{ScanThreads, map_in_parallel};
use super::rollups::{GraphSum, RollupPlace};
use super::{Sequence, SettledError, SettledFile};

/// Below so many bytes of rollups a second thread costs more than it saves.
const PARALLEL_BYTES: u64 = 512 << 10;

/// The sum of the rollups of a range of minutes over these files, less the corrections whose
/// target is one of them.
///
/// # Errors
/// [`SettledError::Io`], [`SettledError::Damaged`].
pub fn service_graph(
    files: &[&SettledFile],
    minutes: RangeInclusive<i64>,
    threads: &ScanThreads,
) -> Result<ServiceGraph, SettledError> {
    let is_live = |target: Sequence| files.iter().any(|file| file.sequences().contains(target));
    let is_wanted = |rollup: &&RollupPlace| {
        rollup.first <= *minutes.end()
            && *minutes.start() <= rollup.last
            && rollup.target.is_none_or(is_live)
    };
    let of_file = |file| -> Vec<(&SettledFile, &RollupPlace)> {
        let file: &SettledFile = file;
        file.footer.rollups.iter().filter(is_wanted).map(|rollup| (file, rollup)).collect()
    };
    let rollups: Vec<_> = files.iter().copied().flat_map(of_file).collect();
    let bytes: u64 = rollups.iter().map(|(_, rollup)| u64::from(rollup.place.raw)).sum();
    let parts = if bytes < PARALLEL_BYTES { 1 } else { 2 };
    let parts: Vec<_> = rollups.chunks(rollups.len().div_ceil(parts).max(1)).collect();
    let sums = map_in_parallel(threads, &parts, |part| {
        let mut sum = GraphSum::default();
        for (file, rollup) in *part {
            file.add_rollups(&mut sum, &minutes, rollup)?;
        }
        Ok(sum)
    });
    let mut total = GraphSum::default();
    for sum in sums {
        total.merge(sum?);
    }
    Ok(total.into_graph())
}
