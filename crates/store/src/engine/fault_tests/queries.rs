//! What queries do when they must wait, and what they find out about open traces.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use roentgen_model::{Rollups, Trace};

use super::*;
use crate::ReadBudget;
use crate::open::Past;
use crate::query::filtered_graph::read_undecided;
use crate::query::links::{MostRead, linked_edges};
use crate::read_budget::Amount;
use crate::replacing::{self, Trouble};
use crate::settled::{SettledError, Steps};

#[test]
fn a_query_that_waits_takes_no_thread_from_those_that_scan() {
    let fixture = Fixture::new(|_| {});
    fixture.append(1).unwrap();
    fixture.store.settle().unwrap();
    let state = &fixture.store.state;
    let file = state.live().files().first().unwrap().file.clone();
    let damage = SettledError::Io {
        action: "read",
        path: file.path().to_owned(),
        cause: Arc::new(io::Error::other("the file is gone")),
    };
    replacing::lose(state, &mut lock(&state.derived), &damage);
    // The query reads the log again, and waits for the disk before it looks at anything.
    fixture.switches.shut_gate();
    thread::scope(|scope| {
        let query = scope.spawn(|| counted(&fixture.store));
        fixture.switches.wait_at_gate();
        let scanning = state.scan_threads.running();
        fixture.switches.open_gate();
        assert_eq!((scanning, query.join().unwrap()), (0, (1, 1)));
    });
    assert_eq!(state.scan_threads.running(), 0);
}

#[test]
fn a_trace_that_only_seems_to_have_settled_has_no_past() {
    let check = |query: fn(&EmbeddedStore)| {
        let fixture = Fixture::new(|_| {});
        (1..=250).for_each(|trace| fixture.append(trace).unwrap());
        fixture.store.settle().unwrap();
        let state = &fixture.store.state;
        let seems_settled = |id| state.live().files().iter().any(|live| live.file.may_contain(id));
        let seeming = (1..1_000_000).map(absent).find(|id| seems_settled(*id)).unwrap();
        append(&fixture.store, vec![document_of(seeming), document(7, 2)]).unwrap();
        let past = |id| state.open.get(id).unwrap().past();
        assert_eq!((past(seeming), past(id(7))), (Past::Unknown, Past::Unknown));
        query(&fixture.store);
        assert_eq!((past(seeming), past(id(7))), (Past::Nothing, Past::Something));
    };
    check(|store| assert_eq!(traces(store).len(), 251));
    check(|store| assert_eq!(counted(store), (252, 252)));
}

#[test]
fn traces_are_read_as_long_as_their_bytes_fit() {
    let fixture = Fixture::new(|_| {});
    (1..=40).for_each(|trace| fixture.append(trace).unwrap());
    let of_one = received(1, 1).bytes.len();
    let ids: Vec<TraceId> = (1..=40).map(id).collect();
    let check = |most_bytes: usize, expect: usize| {
        let read = AtomicUsize::new(0);
        let matches = |_: &Trace<'_>| {
            read.fetch_add(1, Ordering::Relaxed);
            true
        };
        let state = &fixture.store.state;
        let time = Duration::from_secs(1);
        let reads = ReadBudget::of(Amount { traces: 40, bytes: most_bytes, time });
        let sum = Mutex::new(Rollups::default());
        match read_undecided(state, &matches, &ids, &reads, |graph| sum.lock().unwrap().add(graph))
        {
            Ok(()) => {
                assert_eq!(left(&reads), (0, most_bytes - 40 * of_one));
                let graphs: Vec<_> =
                    sum.lock().unwrap().minutes().map(|(_, graph)| graph).collect();
                let seen = graphs.iter().flat_map(|graph| graph.nodes.values());
                assert_eq!(seen.map(|node| node.seen_real).sum::<i64>(), 40);
            }
            Err(Trouble::Failed(StoreError::FilterTooBroad { .. })) => {
                assert_eq!(left(&reads), (40, most_bytes));
            }
            Err(trouble) => panic!("{trouble:?}"),
        }
        assert_eq!(read.into_inner(), expect, "{most_bytes}");
    };
    for is_settled in [false, true] {
        assert_eq!(fixture.store.status().settled_files, usize::from(is_settled));
        check(0, 0);
        check(3 * of_one - 1, 2);
        check(39 * of_one, 39);
        check(40 * of_one, 40);
        fixture.store.settle().unwrap();
    }
    let many: Vec<TraceId> = (0..20_001).map(absent).collect();
    let reads = ReadBudget::default();
    let all = |_: &Trace<'_>| true;
    let error = read_undecided(&fixture.store.state, &all, &many, &reads, |_| {}).unwrap_err();
    let StoreError::FilterTooBroad { most_traces, most_mebibytes, most_seconds } = (match error {
        Trouble::Failed(error) => error,
        trouble => panic!("{trouble:?}"),
    }) else {
        panic!("another error")
    };
    assert_eq!((most_traces, most_mebibytes, most_seconds), (20_000, 256, 15));
}

#[test]
fn traces_are_read_as_long_as_there_is_time_and_somebody_to_read_for() {
    let fixture = Fixture::new(|_| {});
    (1..=40).for_each(|trace| fixture.append(trace).unwrap());
    let ids: Vec<TraceId> = (1..=40).map(id).collect();
    let (state, second) = (&fixture.store.state, Duration::from_secs(1));
    // Each trace takes a second.
    let most = Amount { traces: 200, bytes: 1 << 20, time: 100 * second };
    let reads = ReadBudget::of(most);
    let read = AtomicUsize::new(0);
    let matches = |_: &roentgen_model::Trace<'_>| {
        fixture.clock.advance(second);
        read.fetch_add(1, Ordering::Relaxed);
        true
    };
    let is_too_broad = || match read_undecided(state, &matches, &ids, &reads, |_| {}) {
        Ok(_) => false,
        Err(Trouble::Failed(StoreError::FilterTooBroad { most_seconds: 100, .. })) => true,
        Err(trouble) => panic!("{trouble:?}"),
    };
    assert_eq!((is_too_broad(), is_too_broad()), (false, false));
    assert_eq!(reads.left().time, 20 * second);
    assert!(is_too_broad());
    // What two threads are at when the time ends, they still read.
    let count = read.swap(0, Ordering::Relaxed);
    assert!((100..=101).contains(&count), "{count}");
    // What fails takes nothing.
    assert_eq!((reads.left().time, reads.left().traces), (20 * second, 120));
    let caller = Arc::new(());
    let reads = ReadBudget::of(most).while_there_is(Arc::downgrade(&caller));
    assert!(read_undecided(state, &matches, &ids, &reads, |_| {}).is_ok());
    drop(caller);
    read.store(0, Ordering::Relaxed);
    assert!(read_undecided(state, &matches, &ids, &reads, |_| {}).is_err());
    assert_eq!(read.into_inner(), 0);
}

/// Traces and bytes that may still be read.
fn left(reads: &ReadBudget) -> (usize, usize) {
    let left = reads.left();
    (left.traces, left.bytes)
}

#[test]
fn so_many_linked_traces_are_read_for_a_query_and_remembered() {
    let fixture = Fixture::new(|_| {});
    for number in 1..=5 {
        fixture.append(number).unwrap();
        let ReceivedDocument { received, bytes, .. } = received(10 + number, 1);
        let link = format!(r#""links":[{{"trace_id":"{}","id":"0000000000000001"}}],"#, id(number));
        let text = String::from_utf8(bytes).unwrap().replacen('{', &format!("{{{link}"), 1);
        let document = NewDocument::parse(text.into_bytes(), received).unwrap();
        append(&fixture.store, vec![document]).unwrap();
    }
    let state = &fixture.store.state;
    let steps = Steps::new(i64::MIN..=i64::MAX, None);
    let check = |traces: usize, bytes: usize, expect: i64| {
        let most = MostRead { traces, bytes };
        let linked = linked_edges(state, &steps, None, most).unwrap();
        let seen: i64 = linked.edges().values().map(|edge| edge.receipts.seen).sum();
        assert_eq!(seen, expect, "{traces} {bytes}");
    };
    for is_settled in [false, true] {
        assert_eq!(fixture.store.status().settled_files, usize::from(is_settled));
        check(0, usize::MAX, 0);
        check(5, 1, 0);
        check(2, usize::MAX, 2);
        check(2, usize::MAX, 4);
        check(2, usize::MAX, 5);
        check(0, 0, 5);
        state.link_ends.clear();
        fixture.store.settle().unwrap();
    }
}

/// One of many ids that no other document has.
fn absent(number: u32) -> TraceId {
    let mut bytes = id(0).to_bytes();
    bytes[8..12].copy_from_slice(&number.to_be_bytes());
    TraceId::from_bytes(bytes)
}

fn document_of(trace_id: TraceId) -> NewDocument {
    let ReceivedDocument { received, bytes, .. } = received(1, 1);
    let text = String::from_utf8(bytes).unwrap();
    let text = text.replace(&id(1).to_string(), &trace_id.to_string());
    NewDocument::parse(text.into_bytes(), received).unwrap()
}
