//! Which batch gives way when memory is full.
//!
//! The rule that keeps destinations from each other's troubles: what only one of them still holds
//! goes first, as dropping what another one holds too frees nothing. A destination that keeps up
//! holds little, and what it is through with is held only by those that lag behind.

use std::sync::{Arc, MutexGuard};

use super::queue::Queue;
use super::sending::Line;
use crate::batch::Batch;

/// Takes a batch out of the queues of those who hold it, so that memory comes free: lost, or on its
/// way to the spool. False when there is none to take: all that is held is on its way.
pub(super) fn make_room(lines: &[Arc<Line>]) -> bool {
    let Some((batch, holders)) = take_victim(lines) else { return false };
    for line in holders {
        line.show_waiting();
        line.spill(Arc::clone(&batch));
    }
    true
}

type Victim<'a> = (Arc<Batch>, Vec<&'a Line>);

/// Nobody else locks two queues at a time.
fn take_victim(lines: &[Arc<Line>]) -> Option<Victim<'_>> {
    let mut queues: Vec<(&Line, MutexGuard<'_, Queue>)> =
        lines.iter().map(|line| (&**line, line.lock())).collect();
    // Where most waits gives first.
    queues.sort_by_key(|(_, queue)| std::cmp::Reverse(queue.bytes()));
    for (line, queue) in &mut queues {
        if let Some(batch) = queue.take_oldest(|batch| Arc::strong_count(batch) == 1) {
            return Some((batch, vec![*line]));
        }
    }
    // What is held by several comes free when all let go, which none does that sends it just now.
    let (_, longest) = queues.first()?;
    let batch = longest.oldest(|batch| {
        let holders = queues.iter().filter(|(_, queue)| queue.holds(batch)).count();
        Arc::strong_count(batch) == holders
    })?;
    let mut holders = Vec::with_capacity(queues.len());
    for (line, queue) in &mut queues {
        if queue.take_oldest(|other| Arc::ptr_eq(other, &batch)).is_some() {
            holders.push(*line);
        }
    }
    Some((batch, holders))
}
