//! Batches that go to the disk instead of being lost, and come back.

use super::*;

fn with_spool(directory: &tempfile::TempDir, attempts: u32) -> Sending {
    let settings = SpoolSettings { directory: directory.path().to_owned(), most_bytes: 1 << 20 };
    Sending { spool: Some(settings), ..sending(attempts) }
}

fn files(directory: &tempfile::TempDir, ending: &str) -> usize {
    let names = std::fs::read_dir(directory.path().join("one")).unwrap();
    names.filter(|name| name.as_ref().unwrap().path().to_string_lossy().ends_with(ending)).count()
}

#[tokio::test]
async fn an_outage_loses_nothing_and_a_restart_neither() {
    let log = CapturedLog::start();
    let directory = tempfile::tempdir().unwrap();
    let server = FakeUpstream::start().await;
    let url = server.url();
    let address = server.address;
    server.stop().await;
    let rig = start(&[&url], &with_spool(&directory, 1));
    for number in 0..3 {
        rig.offer(batch(10 * number, 5));
    }
    until(&rig.tallies[0].spooled, 15).await;
    rig.destinations.finish(LONG).await;
    assert_eq!(rig.tallies[0].lost.send_failed.get(), 0);
    assert_eq!(rig.tallies[0].lost.shutdown.get(), 0);
    assert_eq!(rig.tallies[0].sent.get(), 0);
    assert_eq!(files(&directory, ".json"), 3);
    let kept = log.lines(&["ERROR"]);
    let marked = |line: &&String| line.ends_with("segments=5 kept=\"on disk\"");
    assert_eq!((kept.len(), kept.iter().filter(marked).count()), (3, 3), "{kept:?}");
    drop(rig);

    let server = FakeUpstream::start_at(address, None).await;
    let rig = start(&[&url], &with_spool(&directory, 1));
    until(&rig.tallies[0].replayed, 15).await;
    let bodies: Vec<_> = server.seen().iter().map(|seen| seen.body.clone()).collect();
    let mut expect: Vec<_> = (0..3).map(|number| batch(10 * number, 5).body()).collect();
    let mut sorted = bodies.clone();
    expect.sort();
    sorted.sort();
    assert_eq!(sorted, expect);
    rig.destinations.finish(LONG).await;
    assert_eq!(rig.counts(0), "sent=15 replayed=15");
    assert_eq!((files(&directory, ".json"), rig.tallies[0].spool_bytes.get()), (0, 0));
    let info = log.lines(&["INFO"]);
    assert!(info.iter().any(|line| line.contains("Found 15 segments in the spool")), "{info:?}");
    assert!(info.iter().any(|line| line.ends_with("seconds) from=\"spool\"")), "{info:?}");
}

#[tokio::test]
async fn files_are_sent_when_the_destination_answers_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = FakeUpstream::start().await;
    server.always(Reply::status(500));
    let rig = start(&[&server.url()], &with_spool(&directory, 2));
    for number in 0..6 {
        rig.offer(batch(number, 1));
    }
    until(&rig.tallies[0].spooled, 6).await;
    server.always(Reply::ok());
    until(&rig.tallies[0].replayed, 6).await;
    rig.offer(batch(7, 1));
    rig.destinations.finish(LONG).await;
    let tally = &rig.tallies[0];
    assert_eq!((tally.sent.get(), tally.replayed.get(), tally.spooled.get()), (7, 6, 6));
    assert_eq!((tally.retries.get(), tally.lost.send_failed.get()), (6, 0));
}

#[tokio::test]
async fn what_is_left_at_the_end_goes_to_the_spool() {
    let log = CapturedLog::start();
    let directory = tempfile::tempdir().unwrap();
    let server = FakeUpstream::start().await;
    server.always(Reply::Silence);
    let rig = start(&[&server.url()], &with_spool(&directory, 5));
    for number in 0..6 {
        rig.offer(batch(number, 10));
    }
    server.wait_for(4).await;
    // The time for the disk is a part of it, which must be enough on a busy machine.
    let unsent = rig.destinations.finish(4 * SECOND).await;
    let expect = UnsentAt { destination: "one".to_owned(), batches: 6, lost: 0, spooled: 60 };
    assert_eq!(unsent.0, [expect]);
    assert_eq!((rig.counts(0).as_str(), files(&directory, ".json")), ("spooled=60", 6));
    let expect = "WARN Shutdown before everything was sent: one: 0 segments lost, 60 kept in the \
                  spool (6 batches)";
    assert_eq!(log.lines(&["WARN", "ERROR"]), [expect]);
}

#[tokio::test]
async fn what_the_disk_has_no_time_for_is_told() {
    let log = CapturedLog::start();
    let directory = tempfile::tempdir().unwrap();
    let server = FakeUpstream::start().await;
    server.always(Reply::Silence);
    let rig = start(&[&server.url()], &with_spool(&directory, 5));
    for number in 0..8 {
        rig.offer(batch(number, 10));
    }
    server.wait_for(4).await;
    // These two have left the queue.
    assert!(rig.destinations.make_room() && rig.destinations.make_room());
    let unsent = rig.destinations.finish(Duration::ZERO).await;
    let [left] = &unsent.0[..] else { panic!("{unsent:?}") };
    // The disk may have been quick enough for the two; whatever became of them is told.
    let (lost, spooled) = (left.lost, left.spooled);
    assert_eq!((left.batches, lost + spooled), (8, 80));
    let (counts, kept) = match spooled {
        0 => ("shutdown=80".to_owned(), String::new()),
        10 | 20 => {
            (format!("spooled={spooled} shutdown={lost}"), format!(", {spooled} kept in the spool"))
        }
        _ => panic!("{left:?}"),
    };
    assert_eq!(rig.counts(0), counts);
    let expect = format!(
        "WARN Shutdown before everything was sent: one: {lost} segments lost{kept} (8 batches)"
    );
    assert!(log.lines(&["WARN"]).contains(&expect), "{:?}", log.lines(&["WARN"]));
}

#[tokio::test]
async fn a_disk_that_hangs_holds_on_to_a_share_of_the_memory() {
    let directory = tempfile::tempdir().unwrap();
    let spool = Spool::open(directory.path().join("one"), 1 << 20, MOST_FILES).unwrap();
    let one = batch(1, 5);
    let spooling = Spooling::new(spool, 2 * one.memory_bytes());
    for number in 0..2 {
        assert!(spooling.leave(batch(number, 5)).is_ok());
    }
    assert!(spooling.leave(one).is_err());
}

#[tokio::test]
async fn batches_pushed_out_go_to_the_spool() {
    let directory = tempfile::tempdir().unwrap();
    let server = FakeUpstream::start().await;
    server.always(Reply::Held);
    let rig = start(&[&server.url()], &with_spool(&directory, 5));
    for number in 0..6 {
        rig.offer(batch(number, 1));
    }
    server.wait_for(4).await;
    assert!(rig.destinations.make_room());
    until(&rig.tallies[0].spooled, 1).await;
    server.always(Reply::ok());
    server.let_go();
    until(&rig.tallies[0].sent, 6).await;
    rig.destinations.finish(LONG).await;
    assert_eq!(rig.counts(0), "sent=6 spooled=1 replayed=1");
}

#[tokio::test]
async fn batches_leave_memory_before_it_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let server = FakeUpstream::start().await;
    server.always(Reply::Held);
    let settings = SpoolSettings { directory: directory.path().to_owned(), most_bytes: 8 << 20 };
    let sending = Sending { spool: Some(settings), memory_share: 2_100_000, ..sending(5) };
    let rig = start(&[&server.url()], &sending);
    let large = Arc::new(Batch::of(&[&"x".repeat(500_000)]));
    for on_the_way in 1..=4 {
        rig.offer(Arc::clone(&large));
        server.wait_for(on_the_way).await;
    }
    for _ in 0..5 {
        rig.offer(Arc::clone(&large));
    }
    // There is room for four of them.
    until(&rig.tallies[0].spooled, 1).await;
    assert_eq!(rig.tallies[0].waiting.get(), 4);
    server.always(Reply::ok());
    server.let_go();
    until(&rig.tallies[0].sent, 9).await;
    rig.destinations.finish(LONG).await;
    assert_eq!(rig.counts(0), "sent=9 spooled=1 replayed=1");
}

#[tokio::test]
async fn wrong_credentials_keep_batches_and_bad_batches_go() {
    let directory = tempfile::tempdir().unwrap();
    let server = FakeUpstream::start().await;
    server.script([Reply::body(403, r#"{"__type":"UnrecognizedClientException"}"#)]);
    let rig = start(&[&server.url()], &with_spool(&directory, 5));
    rig.offer(batch(1, 2));
    until(&rig.tallies[0].replayed, 2).await;
    server.script([Reply::body(413, "too large")]);
    rig.offer(batch(3, 4));
    rig.destinations.finish(LONG).await;
    assert_eq!(rig.counts(0), "sent=2 spooled=2 replayed=2 send_failed=4 4xx=2");
    assert_eq!(files(&directory, ".json"), 0);
}

#[tokio::test]
async fn answers_of_somebody_else_empty_no_spool_and_block_no_other_file() {
    let directory = tempfile::tempdir().unwrap();
    let server = FakeUpstream::start().await;
    server.always(Reply::body(404, "<html>no such route</html>"));
    let rig = start(&[&server.url()], &with_spool(&directory, 2));
    for number in 0..3 {
        rig.offer(batch(number, number + 1));
    }
    until(&rig.tallies[0].spooled, 6).await;
    // The files are tried, too, and stay.
    server.wait_for(3 * 2 + 5).await;
    assert_eq!(files(&directory, ".json"), 3);
    server.always(Reply::ok());
    until(&rig.tallies[0].replayed, 6).await;
    rig.destinations.finish(LONG).await;
    assert_eq!((rig.tallies[0].sent.get(), rig.sent_and_lost(0)), (6, 6));
}

#[tokio::test]
async fn a_file_that_is_refused_is_not_sent_all_the_time_and_holds_up_nothing_new() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("one");
    std::fs::create_dir(&place).unwrap();
    let spool = Spool::open(place, 1 << 20, MOST_FILES).unwrap();
    spool.put(&[batch(1, 1)]);
    drop(spool);
    let server = FakeUpstream::start().await;
    server.dislike(batch(1, 1).body(), Reply::status(500));
    let mut sending = with_spool(&directory, 5);
    (sending.retry.first_backoff, sending.retry.longest_backoff) = (LONG, LONG);
    let rig = start(&[&server.url()], &sending);
    for number in 1..=200 {
        rig.offer(batch(10 + number, 1));
        until(&rig.tallies[0].sent, u64::try_from(number).unwrap()).await;
        assert!(!rig.destinations.lines[0].lock().is_failing());
    }
    let refused = server.seen().iter().filter(|seen| seen.body == batch(1, 1).body()).count();
    // Each wait is drawn between nothing and a minute.
    assert!((1..=4).contains(&refused), "{refused}");
    rig.destinations.finish(LONG).await;
    assert_eq!((files(&directory, ".json"), rig.sent_and_lost(0)), (1, 200));
}

#[tokio::test]
async fn the_file_that_one_dislikes_is_passed_by() {
    let check = async |refusal: Reply| {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("one");
        std::fs::create_dir(&place).unwrap();
        let spool = Spool::open(place, 1 << 20, MOST_FILES).unwrap();
        spool.put(&[batch(1, 1), batch(2, 2), batch(3, 3)]);
        drop(spool);
        let server = FakeUpstream::start().await;
        server.dislike(batch(1, 1).body(), refusal);
        let rig = start(&[&server.url()], &with_spool(&directory, 5));
        until(&rig.tallies[0].replayed, 5).await;
        rig.destinations.finish(LONG).await;
        assert_eq!((files(&directory, ".json"), rig.sent_and_lost(0)), (1, 5));
    };
    check(Reply::body(403, "<html>blocked</html>")).await;
    check(Reply::body(401, "<html>blocked</html>")).await;
    check(Reply::body(404, "<html>blocked</html>")).await;
    check(Reply::status(500)).await;
    check(Reply::body(429, r#"{"__type":"ThrottledException"}"#)).await;
}

#[tokio::test]
async fn damaged_files_are_told_and_others_are_sent() {
    let log = CapturedLog::start();
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("one");
    std::fs::create_dir(&place).unwrap();
    let damaged = "0000000000000001-7-0123456789abcdef.json";
    std::fs::write(place.join(damaged), "{\"TraceSegm").unwrap();
    let spool = Spool::open(place.clone(), 1 << 20, MOST_FILES).unwrap();
    spool.put(&[batch(1, 2)]);
    drop(spool);
    let server = FakeUpstream::start().await;
    let rig = start(&[&server.url()], &with_spool(&directory, 5));
    until(&rig.tallies[0].replayed, 2).await;
    rig.destinations.finish(LONG).await;
    assert_eq!(rig.counts(0), "sent=2 replayed=2 spool_full=7");
    assert_eq!(files(&directory, ".damaged"), 1);
    let errors = log.lines(&["ERROR"]);
    let expect = format!(
        "ERROR file {damaged} of the spool cannot be sent: content is not what was written: its \
         SHA-256 begins with "
    );
    assert!(errors.len() == 1 && errors[0].starts_with(&expect), "{errors:?}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_for_now_is_sent_later_and_one_that_is_gone_is_not_missed() {
    let log = CapturedLog::start();
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("one");
    std::fs::create_dir(&place).unwrap();
    let spool = Spool::open(place.clone(), 1 << 20, MOST_FILES).unwrap();
    spool.put(&[batch(1, 2), batch(2, 3), batch(3, 4)]);
    drop(spool);
    let mut names: Vec<_> =
        std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|name| name.extension().is_some_and(|ending| ending == "json"));
    names.sort();
    let [unreadable, gone, _] = &names[..] else { panic!("{names:?}") };
    let server = FakeUpstream::start().await;
    let (url, address) = (server.url(), server.address);
    server.stop().await;
    let rig = start(&[&url], &with_spool(&directory, 1));
    let content = std::fs::read(unreadable).unwrap();
    std::fs::remove_file(unreadable).unwrap();
    std::fs::create_dir(unreadable).unwrap();
    std::fs::remove_file(gone).unwrap();
    let server = FakeUpstream::start_at(address, None).await;
    let told = async {
        while !log.lines(&["WARN"]).iter().any(|line| line.starts_with("WARN read ")) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(20 * SECOND, told).await.unwrap();
    // Somebody mends it, and the daemon looks again.
    std::fs::remove_dir(unreadable).unwrap();
    std::fs::write(unreadable, content).unwrap();
    until(&rig.tallies[0].replayed, 6).await;
    rig.destinations.finish(LONG).await;
    assert_eq!(server.seen().len(), 2);
    assert_eq!((files(&directory, ".json"), files(&directory, ".damaged")), (0, 0));
    assert_eq!(rig.tallies[0].spool_bytes.get(), 0);
    assert_eq!(rig.tallies[0].lost.spool_full.get(), 0);
}
