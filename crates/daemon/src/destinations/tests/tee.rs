//! Several destinations: one that is down or slow, and the others.

use super::*;

#[tokio::test]
async fn every_destination_gets_every_batch() {
    let log = CapturedLog::start();
    let (one, two) = (FakeUpstream::start().await, FakeUpstream::start().await);
    let rig = start(&[&one.url(), &two.url()], &sending(5));
    rig.offer(batch(1, 3));
    rig.destinations.finish(LONG).await;
    assert_eq!(one.seen()[0].body, two.seen()[0].body);
    assert_eq!((rig.counts(0), rig.counts(1)), ("sent=3".to_owned(), "sent=3".to_owned()));
    let mut lines = log.lines(&["INFO"]);
    lines.sort_by_key(|line| line.ends_with("\"two\""));
    assert!(lines[0].ends_with(" seconds) destination=\"one\""), "{lines:?}");
    assert!(lines[1].ends_with(" seconds) destination=\"two\""), "{lines:?}");
}

#[tokio::test]
async fn one_that_is_down_slows_nobody_and_gets_everything_later() {
    let log = CapturedLog::start();
    let up = FakeUpstream::start().await;
    let down = FakeUpstream::start().await;
    down.always(Reply::status(503));
    let rig = start(&[&down.url(), &up.url()], &sending(1_000_000));
    for number in 0..20 {
        rig.offer(batch(number, 2));
    }
    up.wait_for(20).await;
    // By now it counts as failing.
    down.wait_for(20).await;
    assert_eq!(rig.counts(1), "sent=40");
    assert_eq!(rig.tallies[0].sent.get(), 0);
    let left = rig.destinations.lines[0].queue.lock().unwrap().documents();
    assert!(left >= 40 - 2 * 2, "{left} documents wait; only probes may be on their way");
    down.forget_most_at_once();
    down.wait_for(down.seen().len() + 50).await;
    assert!(down.most_at_once() <= 2, "{} at once", down.most_at_once());

    down.always(Reply::ok());
    rig.destinations.finish(LONG).await;
    assert_eq!(rig.tallies[0].sent.get(), 40);
    let lost = &rig.tallies[0].lost;
    assert_eq!(lost.queue_full.get() + lost.send_failed.get() + lost.shutdown.get(), 0);
    assert_eq!(rig.tallies[0].retries.get(), rig.tallies[0].connection_errors.http_5xx.get());
    let said = log.lines(&["INFO", "WARN", "ERROR"]);
    let about = |text: &str| said.iter().filter(|line| line.contains(text)).count();
    let start = "WARN Destination one is failing, batches wait, with --attempts 1000000 for each: ";
    assert_eq!(about(start), 1);
    assert_eq!(about("INFO Destination one answers again"), 1);
}

#[tokio::test]
async fn room_is_made_where_most_waits() {
    let log = CapturedLog::start();
    let (slow, up) = (FakeUpstream::start().await, FakeUpstream::start().await);
    slow.always(Reply::Held);
    let rig = start(&[&slow.url(), &up.url()], &sending(5));
    assert!(!rig.destinations.make_room(), "nothing waits");
    for number in 0..4 {
        rig.offer(batch(number, 1));
    }
    slow.wait_for(4).await;
    up.wait_for(4).await;
    for number in 4..7 {
        rig.offer(batch(number, 10));
    }
    until(&rig.tallies[1].sent, 34).await;
    assert!(rig.destinations.make_room());
    assert!(rig.destinations.make_room());
    slow.always(Reply::ok());
    slow.let_go();
    rig.destinations.finish(LONG).await;
    assert_eq!(rig.counts(0), "sent=14 queue_full=20");
    assert_eq!(rig.counts(1), "sent=34");
    let warnings = log.lines(&["WARN"]);
    assert_eq!(warnings, ["WARN Spilling over 10 segments destination=\"one\""; 2]);
    // The newest was kept.
    assert_eq!(slow.seen().last().unwrap().body, batch(6, 10).body());
}

#[tokio::test]
async fn memory_of_a_shared_batch_comes_free_when_the_last_lets_go() {
    let (one, two) = (FakeUpstream::start().await, FakeUpstream::start().await);
    one.always(Reply::Held);
    two.always(Reply::Held);
    let rig = start(&[&one.url(), &two.url()], &sending(5));
    for number in 0..4 {
        rig.offer(batch(number, 1));
    }
    one.wait_for(4).await;
    two.wait_for(4).await;
    let shared = batch(9, 5);
    let watched = Arc::downgrade(&shared);
    rig.offer(shared);
    assert_eq!(watched.strong_count(), 2);
    assert!(rig.destinations.make_room());
    assert_eq!(watched.strong_count(), 0);
    assert!(!rig.destinations.make_room());
    one.always(Reply::ok());
    two.always(Reply::ok());
    one.let_go();
    two.let_go();
    rig.destinations.finish(LONG).await;
    assert_eq!((rig.counts(0), rig.counts(1)), {
        let both = "sent=4 queue_full=5".to_owned();
        (both.clone(), both)
    });
}

#[tokio::test]
async fn what_another_one_sends_just_now_is_left_alone() {
    let (stuck, busy) = (FakeUpstream::start().await, FakeUpstream::start().await);
    stuck.always(Reply::Held);
    let rig = start(&[&stuck.url(), &busy.url()], &sending(5));
    for number in 0..4 {
        rig.offer(batch(number, 1));
    }
    until(&rig.tallies[1].sent, 4).await;
    busy.always(Reply::Held);
    // Waits for the one, is on its way to the other: dropping it would free nothing.
    rig.offer(batch(4, 1));
    busy.wait_for(5).await;
    assert!(!rig.destinations.make_room());
    for each in [&stuck, &busy] {
        each.always(Reply::ok());
        each.let_go();
    }
    rig.destinations.finish(LONG).await;
    assert_eq!((rig.counts(0), rig.counts(1)), ("sent=5".to_owned(), "sent=5".to_owned()));
}

/// The promise of several destinations, with the least memory there is and large documents.
#[tokio::test]
async fn one_that_hangs_costs_the_others_nothing() {
    let check = async |stuck_ones: usize, has_spool: bool, first_is_well: bool| {
        let directory = tempfile::tempdir().unwrap();
        let (well, stuck) = (FakeUpstream::start().await, FakeUpstream::start().await);
        stuck.always(Reply::Silence);
        let mut urls = vec![stuck.url(); stuck_ones];
        let place = if first_is_well { 0 } else { stuck_ones };
        urls.insert(place, well.url());
        let memory = Memory::shared(3 << 20, parts(urls.len(), has_spool));
        let memory = Arc::new(memory);
        let spool = has_spool
            .then(|| SpoolSettings { directory: directory.path().to_owned(), most_bytes: 1 << 20 });
        let memory_share = memory.share();
        let sending = Sending { concurrency: 8, spool, memory_share, ..sending(5) };
        let rig = start(&urls.iter().map(String::as_str).collect::<Vec<_>>(), &sending);
        let mut builder = BatchBuilder::new(Arc::clone(&memory), false);
        let document = vec![b'x'; 60_000];
        let documents = 150;
        let offer = |builder: &mut BatchBuilder| {
            builder.finish().into_iter().for_each(|batch| rig.offer(Arc::new(batch)));
        };
        for number in 1..=documents {
            loop {
                match builder.add(&document) {
                    Ok(()) => break,
                    Err(Obstacle::BatchFull) => offer(&mut builder),
                    Err(Obstacle::NoMemory) => assert!(rig.destinations.make_room(), "{number}"),
                    Err(Obstacle::TooLarge) => panic!("{number}"),
                }
            }
            if number % 3 == 0 {
                // The one that is well keeps up.
                offer(&mut builder);
                until(&rig.tallies[place].sent, number).await;
            }
        }
        rig.destinations.finish(Duration::from_millis(50)).await;
        assert_eq!(rig.counts(place), format!("sent={documents}"));
        let known = rig.accounted_for(&directory).await;
        assert!(known.iter().all(|known| *known >= documents), "{known:?}");
        assert!(has_spool || known.iter().all(|known| *known == documents), "{known:?}");
    };
    for has_spool in [false, true] {
        check(1, has_spool, true).await;
        check(1, has_spool, false).await;
        check(2, has_spool, false).await;
    }
}
