//! How retrievals begin and end, what makes room, and what of a trace they have seen.

use std::task::Poll;

use roentgen_model::Timestamp;
use roentgen_ops::{Clock as _, SystemClock};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn status(retrievals: &Retrievals, token: &str, now: Instant) -> Option<RetrievalStatus> {
    retrievals.get(token, now).ok().map(|retrieved| retrieved.status)
}

#[test]
fn a_retrieval_ends_once() {
    let (retrievals, now) = (Retrievals::default(), SystemClock.instant());
    let found = RetrievedId { id: TraceId::NOOP, documents: 3, last: 0 };
    let token = retrievals.schedule(now).unwrap().token;
    assert_eq!(status(&retrievals, &token, now), Some(RetrievalStatus::Scheduled));
    assert!(retrievals.advance(&token, RetrievalStatus::Running, now));
    retrievals.complete(&token, vec![found], now);
    retrievals.cancel(&token, now).unwrap();
    assert!(!retrievals.advance(&token, RetrievalStatus::Failed, now));
    let retrieved = retrievals.get(&token, now).unwrap();
    assert_eq!(retrieved.status, RetrievalStatus::Complete);
    assert_eq!(&*retrieved.traces, [found]);
}

#[test]
fn a_cancelled_retrieval_finds_nothing() {
    let (retrievals, now) = (Retrievals::default(), SystemClock.instant());
    let found = RetrievedId { id: TraceId::NOOP, documents: 1, last: 0 };
    let token = retrievals.schedule(now).unwrap().token;
    retrievals.cancel(&token, now).unwrap();
    assert!(!retrievals.advance(&token, RetrievalStatus::Running, now));
    retrievals.complete(&token, vec![found], now);
    let retrieved = retrievals.get(&token, now).unwrap();
    assert_eq!((retrieved.status, retrieved.traces.len()), (RetrievalStatus::Cancelled, 0));
    assert_eq!(retrievals.cancel("x", now).unwrap_err().kind, ErrorKind::ResourceNotFound);
}

#[test]
fn retrievals_time_out_and_are_forgotten() {
    let (retrievals, now) = (Retrievals::default(), SystemClock.instant());
    let Ticket { token, has_ended, .. } = retrievals.schedule(now).unwrap();
    let due = now + LONGEST_RETRIEVAL;
    assert_eq!(status(&retrievals, &token, due - SECOND), Some(RetrievalStatus::Scheduled));
    assert!(!has_ended.is_cancelled());
    assert_eq!(status(&retrievals, &token, due), Some(RetrievalStatus::Timeout));
    assert!(has_ended.is_cancelled());
    assert_eq!(status(&retrievals, &token, due + KEPT - SECOND), Some(RetrievalStatus::Timeout));
    assert_eq!(status(&retrievals, &token, due + KEPT), None);
}

#[test]
fn ended_ones_make_room_for_new_ones() {
    let (retrievals, now) = (Retrievals::default(), SystemClock.instant());
    let mut tickets: Vec<_> =
        (0..MOST_RETRIEVALS).map(|_| retrievals.schedule(now).unwrap()).collect();
    let tokens: Vec<_> = tickets.iter().map(|ticket| ticket.token.clone()).collect();
    assert_eq!(retrievals.schedule(now).unwrap_err().kind, ErrorKind::Throttled);
    retrievals.cancel(&tokens[7], now + SECOND).unwrap();
    retrievals.cancel(&tokens[3], now).unwrap();
    // They have ended, but their tasks are still there.
    assert_eq!(retrievals.schedule(now).unwrap_err().kind, ErrorKind::Throttled);
    tickets.retain(|ticket| !ticket.has_ended.is_cancelled());
    assert_eq!(tickets.len(), MOST_RETRIEVALS - 2);
    retrievals.schedule(now).unwrap();
    assert_eq!(status(&retrievals, &tokens[3], now), None);
    assert_eq!(status(&retrievals, &tokens[7], now), Some(RetrievalStatus::Cancelled));
}

#[tokio::test]
async fn who_is_cancelled_does_not_wait_for_its_turn() {
    let (retrievals, now) = (Retrievals::default(), SystemClock.instant());
    let [first, second, third] = [(); 3].map(|()| retrievals.schedule(now).unwrap());
    let turn = retrievals.wait_turn(&first).await.unwrap();
    let mut waiting = std::pin::pin!(retrievals.wait_turn(&second));
    let mut last = std::pin::pin!(retrievals.wait_turn(&third));
    for mut waiting in [waiting.as_mut(), last.as_mut()] {
        let polled = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context)));
        assert!(polled.await.is_pending());
    }
    retrievals.cancel(&second.token, now).unwrap();
    assert!(waiting.await.is_none());
    drop(turn);
    assert!(last.await.is_some());
}

#[test]
fn what_came_after_a_retrieval_is_not_of_it() {
    let trace = |texts: &[&str]| TraceDocuments {
        id: TraceId::NOOP,
        documents: texts.iter().map(|text| received(text)).collect(),
        limit_exceeded: false,
    };
    let retrieved = RetrievedId::of(&trace(&["a", "b", "c"])).unwrap();
    let check = |now: &[&str], expect: Option<&[&str]>| {
        assert_eq!(retrieved.cut(trace(now)), expect.map(trace), "{now:?}");
    };
    check(&["a", "b", "c"], Some(&["a", "b", "c"]));
    check(&["a", "b", "c", "d"], Some(&["a", "b", "c"]));
    check(&["b", "c"], Some(&["b", "c"]));
    // Retention has taken some, and others have come.
    check(&["b", "c", "d"], Some(&["b", "c"]));
    check(&["c", "d", "e", "f"], Some(&["c"]));
    check(&["d", "e", "f"], None);
    check(&[], None);
    assert_eq!(RetrievedId::of(&trace(&[])), None);
}

fn received(text: &str) -> ReceivedDocument {
    ReceivedDocument {
        trace_id: TraceId::NOOP,
        received: Timestamp::from_micros(0),
        bytes: text.as_bytes().to_vec(),
    }
}
