//! The links of some of the traces of settled files.
//!
//! Only row groups that have links are looked at, which the footer tells: where no trace has any,
//! this reads nothing.

use std::collections::HashSet;

use roentgen_model::{LinkObservation, TraceId};

use super::filtered_graphs::{GROUPS_AT_ONCE, SelectedRows, selected_rows};
use super::group::Group;
use super::parallel::{ScanThreads, map_in_parallel};
use super::selection::Selection;
use super::{FilteredRows, QueriedFile, SettledError, Steps};

/// Links that were found together.
#[derive(Debug, Default)]
pub struct ReceivedLinks {
    /// Those of traces that count.
    pub links: Vec<LinkObservation>,
    /// Traces with links that may count.
    pub undecided: Vec<TraceId>,
}

/// Hands the links of traces of which all conditions hold to `found`, of which the (sub)segments
/// began in the range; those of some row groups at a time, so that they need not be in memory at
/// once. Ends early when more traces are undecided than wanted.
///
/// # Errors
/// [`SettledError::Io`], [`SettledError::Damaged`], or what `found` answers.
pub fn received_links<E: From<SettledError>>(
    files: &[QueriedFile<'_>],
    rows: &FilteredRows<'_>,
    steps: &Steps,
    threads: &ScanThreads,
    mut found: impl FnMut(ReceivedLinks) -> Result<(), E>,
) -> Result<(), E> {
    let mut groups = Vec::new();
    for QueriedFile { file, superseded } in files {
        let linking = file.groups().filter(|group| group.group.links.is_some());
        let in_range = linking.filter(|group| steps.touches(&group.minutes()));
        groups.extend(in_range.map(|group| (group, superseded)));
    }
    let mut undecided = 0;
    for groups in groups.chunks(GROUPS_AT_ONCE) {
        let received = map_in_parallel(threads, groups, |(group, superseded)| {
            links_of_group(group, superseded, rows, steps)
        });
        let mut together = ReceivedLinks::default();
        for received in received {
            let received = received?;
            together.links.extend(received.links);
            together.undecided.extend(received.undecided);
        }
        undecided += together.undecided.len();
        found(together)?;
        if undecided > rows.most_undecided {
            break;
        }
    }
    Ok(())
}

fn links_of_group(
    group: &Group<'_>,
    superseded: &HashSet<TraceId>,
    rows: &FilteredRows<'_>,
    steps: &Steps,
) -> Result<ReceivedLinks, SettledError> {
    let mut received = ReceivedLinks::default();
    let Some(links) = group.links()? else { return Ok(received) };
    let is_in_range = |link: &&LinkObservation| steps.of(link.start.minute()).is_some();
    let mut linking = Selection::all(group.group.rows);
    linking.clear();
    for (row, _) in links.iter().filter(|(_, link)| is_in_range(link)) {
        linking.insert(row);
    }
    let Some(SelectedRows { possible, certain, ids }) =
        selected_rows(group, superseded, rows, linking)?
    else {
        return Ok(received);
    };
    let mut is_certain = certain.iter().peekable();
    for row in possible.iter() {
        match is_certain.next_if_eq(&row) {
            Some(_) => received.links.extend(links.of_row(row).filter(is_in_range).cloned()),
            None => received.undecided.extend(ids.0.get(row)),
        }
    }
    Ok(received)
}
