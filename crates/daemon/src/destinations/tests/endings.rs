//! The end, whatever is under way: it comes in time, and every document is accounted for.

use rand::seq::IndexedRandom as _;

use super::*;

fn nowhere() -> Arc<Upstream> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Arc::new(Upstream::new(&Outbound::default(), Signing::Never, 4, clock).unwrap())
}

#[tokio::test]
async fn an_endpoint_that_nobody_needs_any_more_is_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let settings = SpoolSettings { directory: directory.path().to_owned(), most_bytes: 1 << 20 };
    for spool in [None, Some(settings)] {
        let rig = start_with(vec![nowhere()], &Sending { spool, ..sending(5) });
        let before = Instant::now();
        tokio::task::yield_now().await;
        rig.destinations.finish(LONG).await;
        assert!(before.elapsed() < 10 * SECOND, "{:?}", before.elapsed());
    }
}

#[tokio::test]
async fn what_comes_too_late_is_counted() {
    let server = FakeUpstream::start().await;
    let rig = start(&[&server.url()], &sending(5));
    rig.destinations.finish(LONG).await;
    rig.offer(batch(1, 3));
    assert_eq!(rig.counts(0), "shutdown=3");
}

/// Destinations that do anything, ended at any moment.
#[tokio::test]
async fn every_document_is_accounted_for() {
    let foreign = Reply::body(200, "<html>Log in</html>");
    let refused =
        Reply::Now(400, vec![("x-amzn-errortype", "InvalidRequestException")], String::new());
    let all = [
        Reply::ok(),
        Reply::ok(),
        Reply::status(500),
        Reply::status(403),
        Reply::Now(429, vec![("retry-after", "0")], String::new()),
        Reply::HangUp,
        Reply::Silence,
        foreign,
        refused,
    ];
    for round in 0..24 {
        let directory = tempfile::tempdir().unwrap();
        let servers = [FakeUpstream::start().await, FakeUpstream::start().await];
        let mut generator = rand::rng();
        for server in &servers {
            server.script((0..40).map(|_| all.choose(&mut generator).unwrap().clone()));
            server.always(all.choose(&mut generator).unwrap().clone());
        }
        let settings = SpoolSettings { directory: directory.path().to_owned(), most_bytes: 4_000 };
        let mut sending = Sending { spool: (round % 2 == 0).then_some(settings), ..sending(2) };
        sending.retry.timeout = Duration::from_millis(5);
        let rig = start(&[&servers[0].url(), &servers[1].url()], &sending);
        let mut offered = 0;
        for number in 0..rand::random_range(1..30) {
            let documents = rand::random_range(1..6);
            rig.offer(batch(number, documents));
            offered += u64::try_from(documents).unwrap();
            if rand::random_ratio(1, 8) {
                rig.destinations.make_room();
            }
            tokio::time::sleep(Duration::from_micros(rand::random_range(0..3_000))).await;
        }
        rig.destinations.finish(Duration::from_millis(rand::random_range(0..40))).await;
        let known = rig.accounted_for(&directory).await;
        // What a disk that was too slow has written all the same is known twice.
        assert!(known.iter().all(|known| *known >= offered), "{known:?} of {offered}");
        let is_exact = sending.spool.is_some() || known.iter().all(|known| *known == offered);
        assert!(is_exact, "{known:?} of {offered}");
    }
}
