//! Merging: small settled files of one home become one, so that queries and look-ups have few files
//! to go through.
//!
//! Reading and writing runs beside everything else; only putting the new file in the place of the
//! old ones is for the owner of what is derived. Should one of the old files have gone in between,
//! the new one is thrown away.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::derived;
use crate::live::LiveFile;
use crate::locking::lock;
use crate::log::{FileNumber, Position};
use crate::manifest::ListedFile;
use crate::replacing::{self, Trouble};
use crate::settled::{MergeError, SettledFile, merge_settled};
use crate::state::State;

/// Merges as long as there is something worth it.
pub(crate) fn merge_all(state: &State) {
    while !state.upkeep.is_closed() {
        let merged = catch_unwind(AssertUnwindSafe(|| merge_some(state)));
        let error = match merged {
            Ok(Ok(true)) => continue,
            Ok(Ok(false)) => return,
            Ok(Err(Trouble::Failed(error))) => error,
            Ok(Err(Trouble::Damaged(damage))) => {
                match replacing::replace(state, &mut lock(&state.derived), &damage) {
                    Ok(()) => continue,
                    Err(error) => error,
                }
            }
            Err(_) => return state.report_panic("merging"),
        };
        state.counters.failed_merges.add(1);
        if let Some(held_back) = state.warning_due("merging") {
            tracing::error!(%error, held_back, "settled files could not be merged; it is tried again");
        }
        return;
    }
}

/// Merges the files that are most worth it; `false` when none are.
fn merge_some(state: &State) -> Result<bool, Trouble> {
    let live = state.live();
    let first_changing = lock(&state.derived).manifest.listing().replay_from.file();
    let Some(chosen) = choose(live.files(), first_changing, state.options.tuning.merge_files)
    else {
        return Ok(false);
    };
    let files: Vec<Arc<SettledFile>> = chosen.iter().map(|live| live.file.clone()).collect();
    let number = lock(&state.derived).take_number();
    let directory = &state.directories.settled;
    let mut damage = None;
    let written = derived::write_file(&*state.disk, directory, number, &state.cache, |sink| {
        match merge_settled(&files, sink) {
            Ok(_) => Ok(()),
            Err(MergeError::Write(cause)) => Err(std::io::Error::new(cause.kind(), cause)),
            Err(MergeError::Read(error)) => {
                Err(std::io::Error::other(damage.insert(error).to_string()))
            }
        }
    });
    if let Some(damage) = damage {
        return Err(damage.into());
    }
    let file = written?;
    let listed = ListedFile {
        number,
        sequences: file.sequences().clone(),
        home: file.home(),
        least: chosen.iter().map(|live| live.listed.least).min().unwrap_or(Position::MIN),
        greatest: chosen.iter().map(|live| live.listed.greatest).max().unwrap_or(Position::MAX),
    };
    let merged = LiveFile::new(listed, file);
    let removed: BTreeSet<_> = chosen.iter().map(|live| live.listed.number).collect();
    let mut derived = lock(&state.derived);
    if derived.check_open().is_err() || !state.live().has_all(&removed) {
        derived::remove_unpublished(state, &[merged]);
        return Ok(true);
    }
    let mut change = derived.change(&state.extent.known());
    change.removed = removed.into_iter().collect();
    derived::publish(state, &mut derived, change, vec![merged])?;
    state.counters.merges.add(1);
    Ok(true)
}

/// The files to merge into one: neighbours of one home, of which enough have a similar size; or
/// all of a home that gets no more.
fn choose(files: &[LiveFile], first_changing: FileNumber, fan_in: usize) -> Option<Vec<LiveFile>> {
    let mut homes: BTreeMap<FileNumber, Vec<&LiveFile>> = BTreeMap::new();
    for live in files {
        homes.entry(live.listed.home).or_default().push(live);
    }
    let fan_in = fan_in.max(2);
    homes.into_iter().find_map(|(home, mut files)| {
        files.sort_unstable_by_key(|live| live.file.sequences().last());
        let chosen = if home < first_changing && files.len() > 1 {
            files
        } else {
            similar_neighbours(&files, fan_in)?.to_vec()
        };
        Some(chosen.into_iter().cloned().collect())
    })
}

/// So many neighbours, none of which is much larger than the others; the newest such.
fn similar_neighbours<'a, 'f>(
    files: &'a [&'f LiveFile],
    fan_in: usize,
) -> Option<&'a [&'f LiveFile]> {
    files.windows(fan_in).rev().find(|window| {
        let sizes = || window.iter().map(|live| live.file.documents().max(1));
        let (least, greatest) = (sizes().min().unwrap_or(1), sizes().max().unwrap_or(1));
        greatest / least < fan_in as u64
    })
}
