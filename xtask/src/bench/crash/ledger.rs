//! What was acknowledged, what may have been stored, and where in the log it must then stand.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::plan::{Plan, Sending};

/// A place in the log: number of the file, offset in it.
pub(super) type Place = (u64, u64);

/// What may be expected of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It was never sent, or is known not to be there.
    Absent,
    /// It was sent and not acknowledged, or stands where the log was tampered with.
    Doubtful,
    /// It stood in a log file that retention has dropped: it must not be there, but lists and
    /// graphs may still tell of it.
    Expired,
    /// It was acknowledged: it must be there.
    Stored,
}

/// One call of PutTraceSegments.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) slots: Range<u64>,
    /// When it was acknowledged, after 1970; none if it never was.
    pub(super) acknowledged: Option<Duration>,
    /// Between these places of the log its documents stand, if they do.
    pub(super) places: Range<Place>,
}

/// Everything sent to one data directory.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) plan: Plan,
    /// By the number of their first slot.
    calls: BTreeMap<u64, Call>,
    /// One for each slot: the states of its documents in the order of the plan.
    states: Vec<Vec<State>>,
    /// The first log file that retention has left.
    first_file: u64,
}

/// Bounds of a count, where not everything is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bounds {
    pub(super) least: u64,
    pub(super) most: u64,
}

impl Bounds {
    pub(super) fn hold(self, count: u64) -> bool {
        (self.least..=self.most).contains(&count)
    }

    /// Counts something that is there in this state.
    pub(super) fn add(&mut self, state: State) {
        self.least += u64::from(state == State::Stored);
        self.most += u64::from(state != State::Absent);
    }
}

impl Ledger {
    pub(super) fn new(plan: Plan) -> Self {
        Self { plan, calls: BTreeMap::new(), states: Vec::new(), first_file: 0 }
    }

    /// The first slot that was never sent.
    pub(super) fn next_slot(&self) -> u64 {
        u64::try_from(self.states.len()).unwrap_or(u64::MAX)
    }

    /// Notes the calls of one run; together they have all slots from [`Ledger::next_slot`] on,
    /// without a gap.
    pub(super) fn add(&mut self, mut calls: Vec<Call>) {
        calls.sort_by_key(|call| call.slots.start);
        for call in calls {
            let state = if call.acknowledged.is_some() { State::Stored } else { State::Doubtful };
            for slot in call.slots.clone() {
                self.states.push(vec![state; self.plan.of_slot(slot).len()]);
            }
            self.calls.insert(call.slots.start, call);
        }
    }

    pub(super) fn state(&self, sending: Sending) -> State {
        let states = usize::try_from(sending.slot).ok().and_then(|slot| self.states.get(slot));
        let place = self.place(sending);
        states.and_then(|states| states.get(place?)).copied().unwrap_or(State::Absent)
    }

    pub(super) fn set(&mut self, sending: Sending, state: State) {
        let place = self.place(sending);
        let states = usize::try_from(sending.slot).ok().and_then(|slot| self.states.get_mut(slot));
        if let Some(known) = states.zip(place).and_then(|(states, place)| states.get_mut(place)) {
            *known = state;
        }
    }

    /// Every document that was sent.
    pub(super) fn documents(&self) -> impl Iterator<Item = (Sending, State)> {
        (0..self.next_slot()).zip(&self.states).flat_map(|(slot, states)| {
            self.plan.of_slot(slot).into_iter().zip(states.iter().copied())
        })
    }

    /// Documents that were acknowledged, or found.
    pub(super) fn stored(&self) -> u64 {
        let states = self.states.iter().flatten().filter(|state| **state == State::Stored);
        u64::try_from(states.count()).unwrap_or(u64::MAX)
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.values()
    }

    /// Makes all documents of calls doubtful that `doubt` picks. Gives their number.
    pub(super) fn doubt(&mut self, doubt: impl Fn(&Call) -> bool) -> u64 {
        let mut doubted = 0;
        for sending in self.of_calls(doubt) {
            // Of two documents with the same bytes one was found, and nobody knows which.
            let other = self.twin(sending).filter(|_| self.state(sending) == State::Absent);
            for sending in [Some(sending), other].into_iter().flatten() {
                if self.state(sending) == State::Stored {
                    self.set(sending, State::Doubtful);
                    doubted += 1;
                }
            }
        }
        doubted
    }

    /// Notes that retention has dropped all log files before this one.
    ///
    /// Documents of a call that wrote to files on both sides are in doubt: which of them stand
    /// where is found out by asking. Gives how many have certainly gone.
    pub(super) fn expire(&mut self, first_file: u64) -> u64 {
        self.first_file = first_file;
        self.doubt(|call| call.places.start.0 < first_file);
        let mut expired = 0;
        for sending in self.of_calls(|call| call.places.end.0 < first_file) {
            // What was found may have been the other one, and stand in a later file.
            let may_be_other = |other| self.state(other) == State::Absent && !self.is_gone(other);
            let is_sure = !self.twin(sending).is_some_and(may_be_other);
            if self.state(sending) == State::Doubtful && is_sure {
                self.set(sending, State::Expired);
                expired += 1;
            }
        }
        expired
    }

    /// The other document with the same bytes, if it was sent.
    fn twin(&self, sending: Sending) -> Option<Sending> {
        let is_sent = |twin: &Sending| twin.slot < self.next_slot() && self.place(*twin).is_some();
        sending.twin().filter(is_sent)
    }

    /// Whether all that a document's call wrote has been dropped.
    fn is_gone(&self, sending: Sending) -> bool {
        self.call_of(sending).is_none_or(|call| call.places.end.0 < self.first_file)
    }

    fn call_of(&self, sending: Sending) -> Option<&Call> {
        let (_, call) = self.calls.range(..=sending.slot).next_back()?;
        Some(call)
    }

    /// What was sent in the calls that `picks` picks.
    fn of_calls(&self, picks: impl Fn(&Call) -> bool) -> Vec<Sending> {
        let calls = self.calls.values().filter(|call| picks(call));
        calls.flat_map(|call| call.slots.clone()).flat_map(|slot| self.plan.of_slot(slot)).collect()
    }

    /// What a document is that was in doubt and is not there.
    pub(super) fn missing(&self, sending: Sending) -> State {
        match self.call_of(sending) {
            Some(call) if call.places.start.0 < self.first_file => State::Expired,
            _ => State::Absent,
        }
    }

    fn place(&self, sending: Sending) -> Option<usize> {
        self.plan.of_slot(sending.slot).iter().position(|found| *found == sending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::crash::plan::Part;

    #[test]
    fn knows_every_document_of_its_calls() {
        let mut ledger = Ledger::new(Plan::new(3, Duration::from_secs(1_795_334_983)));
        let call = |slots: Range<u64>, acknowledged, end| Call {
            slots,
            acknowledged,
            places: (1, 0)..(1, end),
        };
        ledger.add(vec![call(5..9, None, 900), call(0..5, Some(Duration::ZERO), 500)]);
        assert_eq!(ledger.next_slot(), 9);
        for (sending, state) in ledger.documents() {
            let expect = if sending.slot < 5 { State::Stored } else { State::Doubtful };
            assert_eq!((state, ledger.state(sending)), (expect, expect), "{sending:?}");
        }
        let never_sent = ledger.plan.of_slot(9);
        assert_eq!(ledger.state(never_sent[0]), State::Absent);
        let stored = ledger.stored();
        assert_eq!(ledger.doubt(|call| call.places.end <= (1, 500)), stored);
        assert_eq!(ledger.stored(), 0);
        let first = ledger.plan.of_slot(0)[0];
        ledger.set(first, State::Absent);
        assert_eq!(ledger.state(first), State::Absent);
    }

    #[test]
    fn what_stood_in_dropped_files_is_gone_or_in_doubt() {
        let mut ledger = Ledger::new(Plan::new(3, Duration::from_secs(1_795_334_983)));
        let call = |slot, acknowledged: bool, files: Range<u64>| Call {
            slots: slot..slot + 1,
            acknowledged: acknowledged.then_some(Duration::ZERO),
            places: (files.start, 9)..(files.end, 9),
        };
        ledger.add(vec![
            call(0, true, 1..1),
            call(1, true, 1..2),
            call(2, false, 1..3),
            call(3, true, 2..2),
            call(4, false, 2..2),
        ]);
        let gone = u64::try_from(ledger.plan.of_slot(0).len()).expect("few");
        assert_eq!(ledger.expire(2), gone);
        assert_eq!(ledger.expire(2), 0, "they went once");
        let check = |slot, state, missing| {
            let sending = ledger.plan.of_slot(slot)[0];
            assert_eq!(
                (ledger.state(sending), ledger.missing(sending)),
                (state, missing),
                "{slot}"
            );
        };
        check(0, State::Expired, State::Expired);
        check(1, State::Doubtful, State::Expired);
        check(2, State::Doubtful, State::Expired);
        check(3, State::Stored, State::Absent);
        check(4, State::Doubtful, State::Absent);
    }

    #[test]
    fn of_two_documents_with_the_same_bytes_either_may_be_the_one_that_was_found() {
        let plan = Plan::new(3, Duration::from_secs(1_795_334_983));
        let mut sendings = (0..100).flat_map(|trace| plan.of_trace(trace));
        let again = sendings.find(|sending| sending.part == Part::OrdersAgain).expect("some");
        let first = again.twin().expect("the first");
        assert_eq!(plan.text(first.trace, first.part), plan.text(again.trace, again.part));
        assert_eq!((first.twin(), plan.of_slot(first.slot).contains(&first)), (Some(again), true));
        let ledger = || {
            let mut ledger = Ledger::new(plan);
            let call = |slot: u64| Call {
                slots: slot..slot + 1,
                acknowledged: None,
                places: (slot, 0)..(slot, 9),
            };
            ledger.add((0..again.slot + 1).map(call).collect());
            // One was found, and taken for the first.
            ledger.set(first, State::Stored);
            ledger.set(again, State::Absent);
            ledger
        };
        let mut doubted = ledger();
        assert_eq!(doubted.doubt(|call| call.places.start.0 == again.slot), 1);
        assert_eq!(doubted.state(first), State::Doubtful);
        let mut expired = ledger();
        expired.expire(first.slot + 1);
        assert_eq!(expired.state(first), State::Doubtful);
        expired.expire(again.slot + 1);
        assert_eq!(expired.state(first), State::Expired);
    }

    #[test]
    fn bounds_are_what_is_sure_and_what_may_be() {
        let mut bounds = Bounds::default();
        for state in [State::Absent, State::Doubtful, State::Expired, State::Stored] {
            bounds.add(state);
        }
        assert_eq!(bounds, Bounds { least: 1, most: 3 });
        assert!(bounds.hold(1) && bounds.hold(3) && !bounds.hold(0) && !bounds.hold(4));
    }
}
