//! The intake with real sockets: what goes in as datagrams comes out as batches.

use std::sync::Condvar;
use std::time::SystemTime;

use proptest::prelude::*;
use roentgen_ops::{ManualClock, Metrics, SystemClock};
use roentgen_protocol::DATAGRAM_HEADER;

use super::listen::bind_udp;
use super::*;
use crate::settings;

/// Keeps what it is offered, and shows it once it is woken.
#[derive(Debug, Default)]
struct Kept {
    offered: Mutex<Vec<Arc<Batch>>>,
    batches: Mutex<Vec<Arc<Batch>>>,
    came: Condvar,
    /// Whether batches that are kept give way.
    gives_way: bool,
}

impl Outlet for Kept {
    fn offer(&self, batch: Arc<Batch>) {
        self.offered.lock().unwrap().push(batch);
    }

    fn wake(&self) {
        let offered = std::mem::take(&mut *self.offered.lock().unwrap());
        self.batches.lock().unwrap().extend(offered);
        self.came.notify_all();
    }

    fn make_room(&self) -> bool {
        for batches in [&self.batches, &self.offered] {
            let mut batches = batches.lock().unwrap();
            if self.gives_way && !batches.is_empty() {
                batches.remove(0);
                return true;
            }
        }
        false
    }
}

impl Kept {
    /// The numbers of documents of the batches, once there are so many batches.
    fn counts(&self, batches: usize) -> Vec<usize> {
        let kept = self.batches.lock().unwrap();
        let kept = self.came.wait_while(kept, |kept| kept.len() < batches).unwrap();
        kept.iter().map(|batch| batch.document_count()).collect()
    }

    fn documents(&self) -> Vec<String> {
        let kept = self.batches.lock().unwrap();
        kept.iter().flat_map(|batch| batch.documents()).map(|text| text.into_owned()).collect()
    }
}

struct Running {
    intake: Intake,
    kept: Arc<Kept>,
    tally: Tally,
    sender: UdpSocket,
}

impl Running {
    fn with(
        clock: Arc<dyn Clock>,
        memory: usize,
        policy: settings::Policy,
        gives_way: bool,
    ) -> Self {
        let socket = bind_udp("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(socket.local_addr().unwrap()).unwrap();
        let kept = Arc::new(Kept { gives_way, ..Kept::default() });
        let tally = Tally::new(&Metrics::default());
        let intake = Intake::start(Parts {
            socket,
            memory: Arc::new(Memory::new(memory)),
            is_signing: true,
            policy: Policy::new(&policy),
            outlet: Arc::clone(&kept) as Arc<dyn Outlet>,
            tally: tally.clone(),
            clock,
        });
        Self { intake: intake.unwrap(), kept, tally, sender }
    }

    fn start() -> Self {
        Self::with(Arc::new(SystemClock), 64 << 20, settings::Policy::default(), false)
    }

    fn send(&self, document: &[u8]) {
        self.sender.send(&[DATAGRAM_HEADER, document].concat()).unwrap();
    }
}

#[test]
fn a_burst_makes_full_batches_at_once_and_the_rest_leaves_after_a_second() {
    let clock = Arc::new(ManualClock::starting_at(SystemTime::UNIX_EPOCH));
    let running = Running::with(clock.clone(), 64 << 20, settings::Policy::default(), false);
    (0..120).for_each(|number: u32| running.send(number.to_string().as_bytes()));
    assert_eq!(running.kept.counts(2), [50, 50]);
    while running.tally.received.get() < 120 {
        thread::yield_now();
    }
    // Only time that passes lets the others go; waiting for it ends by the real clock. What was
    // received may not be in the batch yet, and is then due later.
    while running.kept.batches.lock().unwrap().len() < 3 {
        clock.advance(LONGEST_WAIT);
        thread::yield_now();
    }
    assert_eq!(running.kept.counts(3), [50, 50, 20]);
    let expect: Vec<String> = (0..120).map(|number| number.to_string()).collect();
    assert_eq!(running.kept.documents(), expect);
    assert_eq!(running.tally.received.get(), 120);
}

#[test]
fn a_document_alone_leaves_after_a_second() {
    for over_tcp in [false, true] {
        let start = SystemClock.instant();
        let running = Running::start();
        if over_tcp {
            running.intake.accept(b"{}").unwrap();
        } else {
            running.send(b"{}");
        }
        assert_eq!(running.kept.counts(1), [1]);
        let passed = SystemClock.instant() - start;
        assert!(passed >= LONGEST_WAIT && passed < 5 * LONGEST_WAIT, "{passed:?}");
    }
}

#[test]
fn stopping_takes_what_is_there_and_lets_it_go() {
    let running = Running::start();
    let large = vec![b'x'; 65_507 - DATAGRAM_HEADER.len()];
    for document in [b"one", &large[..], b"two"] {
        running.send(document);
    }
    running.intake.accept(b"three").unwrap();
    running.intake.stop();
    let mut documents = running.kept.documents();
    documents.sort_by_key(String::len);
    assert_eq!(
        documents,
        ["one", "two", "three", str::from_utf8(&large).unwrap()].map(str::to_owned)
    );
    assert_eq!(running.intake.accept(b"late"), Err(NoRoom));
    running.intake.stop();
    assert_eq!((running.kept.documents().len(), running.tally.received.get()), (4, 4));
}

#[test]
fn bursts_from_nothing_survive() {
    let running = Running::start();
    let document = vec![b'x'; 1_000];
    (0..500).for_each(|_| running.send(&document));
    let large = vec![b'y'; 60_000];
    (0..6).for_each(|_| running.send(&large));
    running.intake.stop();
    assert_eq!(running.kept.documents().len(), 506);
    assert_eq!(running.intake.kernel_drops().total(), 0);
}

/// The recorded verdicts of the official daemon.
#[test]
fn datagrams_are_taken_refused_and_counted_as_by_the_official_daemon() {
    let running = Running::start();
    let check = |datagram: &[u8], is_taken: bool| {
        let before = (running.tally.received.get(), running.tally.rejected.header.get());
        running.sender.send(datagram).unwrap();
        let counted = u64::from(!datagram.is_empty());
        let refused = u64::from(!is_taken) * counted;
        // The empty one is followed by nothing to see, so the next one tells that it was read.
        while running.tally.received.get() < before.0 + counted
            || running.tally.rejected.header.get() < before.1 + refused
        {
            thread::yield_now();
        }
        assert_eq!(running.tally.received.get(), before.0 + counted);
        assert_eq!(running.tally.rejected.header.get(), before.1 + refused);
    };
    check(b"", false);
    check(b"garbage without newline", false);
    check(b"{\"format\":\"json\",\"version\":1}\n", false);
    check(b"\n{\"id\":\"0000000000000001\"}", false);
    check(b"{\"format\":\"json\",\"version\":2}\n{}", false);
    check(b"{\"format\":\"xml\",\"version\":1}\n{}", false);
    check(b"not json\n{}", false);
    check(b"{\"format\":\"json\",\"version\":\"1\"}\n{}", false);
    check(b"{\"format\":\"json\",\"version\":1.0}\n{}", false);
    check(b"{\"format\": \"json\", \"version\": 1}\na", true);
    check(b"{\"format\":\"JSON\",\"version\":1}\nb", true);
    check(b"{\"Format\":\"json\",\"VERSION\":1,\"extra\":true}\nc", true);
    check(b"{\"format\":\"json\",\"version\":1}\r\nd", true);
    check(b"{\"format\":\"json\",\"version\":1}\nnot a segment at all", true);
    check(b"{\"format\":\"json\",\"version\":1}\n[1,2]\n", true);
    check(b"{\"format\":\"json\",\"version\":1}\n\xff\xfe\0binary", true);
    running.intake.stop();
    let expect =
        ["a", "b", "c", "d", "not a segment at all", "[1,2]\n", "\u{fffd}\u{fffd}\0binary"];
    assert_eq!(running.kept.documents(), expect);
}

#[test]
fn when_memory_is_full_the_newest_is_lost_unless_older_batches_give_way() {
    for gives_way in [false, true] {
        let running =
            Running::with(Arc::new(SystemClock), 1 << 20, settings::Policy::default(), gives_way);
        let document = vec![b'x'; 10_000];
        // In turns, so that the kernel loses none.
        for count in 1..=400 {
            running.send(&document);
            while running.tally.received.get() < count {
                thread::yield_now();
            }
        }
        running.intake.stop();
        let lost = running.tally.spilled.no_memory.get();
        assert_eq!(lost == 0, gives_way, "{lost}");
        let documents = running.kept.documents();
        assert!(!documents.is_empty() && documents.iter().all(|text| text.as_bytes() == document));
        if !gives_way {
            assert_eq!(documents.len() as u64 + lost, 400);
            // Whoever sends over TCP is told instead.
            assert_eq!(running.tally.received.get(), 400);
        }
    }
}

#[test]
fn documents_over_tcp_do_not_push_others_out() {
    let running = Running::with(Arc::new(SystemClock), 1 << 20, settings::Policy::default(), true);
    let document = vec![b'x'; 10_000];
    let taken = (0..400).take_while(|_| running.intake.accept(&document).is_ok()).count();
    assert!((50..110).contains(&taken), "{taken}");
    assert_eq!(running.intake.accept(&document), Err(NoRoom));
    assert_eq!(running.kept.documents().len(), taken);
    assert_eq!(running.tally.received.get(), taken as u64);
    assert_eq!(running.tally.spilled.no_memory.get(), 0);
    running.kept.batches.lock().unwrap().clear();
    assert_eq!(running.intake.accept(&document), Ok(()));
}

#[test]
fn rules_drop_documents_before_they_take_memory() {
    let policy = settings::Policy { drop_paths: vec!["/healthz".to_owned()], ..Default::default() };
    let running = Running::with(Arc::new(SystemClock), 64 << 20, policy, false);
    running.send(br#"{"trace_id":"a","http":{"request":{"url":"http://x/healthz"}}}"#);
    running.send(br#"{"trace_id":"a"}"#);
    running.send(br#"{"trace_id":"b"}"#);
    running.intake.stop();
    assert_eq!(running.kept.documents(), [r#"{"trace_id":"b"}"#]);
    assert_eq!((running.tally.received.get(), running.tally.dropped_by_rule.get()), (3, 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_datagrams_are_harmless(
        datagrams in prop::collection::vec(
            prop_oneof![any::<Vec<u8>>(), any::<Vec<u8>>().prop_map(|d| [DATAGRAM_HEADER, &d].concat())],
            0..20,
        )
    ) {
        let running = Running::start();
        datagrams.iter().for_each(|datagram| assert!(running.sender.send(datagram).is_ok()));
        running.intake.stop();
        let taken = datagrams.iter().filter(|datagram| {
            datagram.strip_prefix(DATAGRAM_HEADER).is_some_and(|document| !document.is_empty())
        });
        let counted = datagrams.iter().filter(|datagram| !datagram.is_empty()).count() as u64;
        let taken = taken.count();
        prop_assert_eq!(running.tally.received.get(), counted);
        prop_assert_eq!(running.kept.documents().len(), taken);
        prop_assert_eq!(running.tally.rejected.header.get(), counted - taken as u64);
    }
}
