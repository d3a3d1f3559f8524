//! Service graphs of a range of time, whole or in steps, from the rollups of settled files.

use std::collections::BTreeMap;

use roentgen_model::ServiceGraph;

use super::parallel::{ScanThreads, map_in_parallel};
use super::rollups::{GraphSums, RollupPlace};
use super::{Sequence, SettledError, SettledFile, Steps};

/// Below so many bytes of rollups a second thread costs more than it saves.
const PARALLEL_BYTES: u64 = 512 << 10;

/// For each step of which there is something, by its first minute, the sum of its rollups over
/// these files, less the corrections whose target is one of them. Each block is read once, or
/// twice when two threads share the work.
///
/// # Errors
/// [`SettledError::Io`], [`SettledError::Damaged`].
pub fn service_graphs(
    files: &[&SettledFile],
    steps: &Steps,
    threads: &ScanThreads,
) -> Result<BTreeMap<i64, ServiceGraph>, SettledError> {
    add_up(files, steps, threads, PARALLEL_BYTES)
}

/// [`service_graphs`], the work divided from so many bytes on.
pub(super) fn add_up(
    files: &[&SettledFile],
    steps: &Steps,
    threads: &ScanThreads,
    parallel_bytes: u64,
) -> Result<BTreeMap<i64, ServiceGraph>, SettledError> {
    let is_live = |target: Sequence| files.iter().any(|file| file.sequences().contains(target));
    let is_wanted =
        |rollup: &&RollupPlace| touches(rollup, steps) && rollup.target.is_none_or(is_live);
    let of_file = |file| -> Vec<(&SettledFile, &RollupPlace)> {
        let file: &SettledFile = file;
        file.footer.rollups.iter().filter(is_wanted).map(|rollup| (file, rollup)).collect()
    };
    let mut rollups: Vec<_> = files.iter().copied().flat_map(of_file).collect();
    rollups.sort_by_key(|(_, rollup)| rollup.first);
    let parts = divide(&rollups, steps, parallel_bytes);
    let sums = map_in_parallel(threads, &parts, |(rollups, steps)| {
        let mut sums = GraphSums::new(steps.clone());
        for (file, rollup) in *rollups {
            if touches(rollup, sums.steps()) {
                sums.finish_before(rollup.first);
                file.add_rollups(&mut sums, rollup)?;
            }
        }
        Ok(sums)
    });
    let mut total = GraphSums::new(steps.clone());
    for sums in sums {
        total.merge(sums?);
    }
    Ok(total.into_graphs())
}

fn touches(rollup: &RollupPlace, steps: &Steps) -> bool {
    let minutes = steps.minutes();
    rollup.first <= *minutes.end() && *minutes.start() <= rollup.last
}

/// What one thread adds up: rollups by their first minute, and the steps it looks at.
type Part<'r, 'f> = (&'r [(&'f SettledFile, &'f RollupPlace)], Steps);

/// Divides the work. The parts of a whole range have each a half of the rollups; of a range that
/// is cut, each has a half of the steps, so that each can finish its own.
fn divide<'r, 'f>(
    rollups: &'r [(&'f SettledFile, &'f RollupPlace)],
    steps: &Steps,
    parallel_bytes: u64,
) -> Vec<Part<'r, 'f>> {
    let bytes: u64 = rollups.iter().map(|(_, rollup)| u64::from(rollup.place.raw)).sum();
    let all = (rollups, steps.clone());
    let middle = rollups.len().div_ceil(2);
    let Some((_, at)) = rollups.get(middle).filter(|_| bytes >= parallel_bytes) else {
        return vec![all];
    };
    if steps.is_whole() {
        let (left, right) = rollups.split_at(middle);
        return vec![(left, steps.clone()), (right, steps.clone())];
    }
    match steps.split(at.first) {
        Some(parts) => parts.map(|part| (rollups, part)).into(),
        None => vec![all],
    }
}
