//! Files as they are written, found again, sent in their order, and given up.

use super::*;

fn batch(text: &str) -> Arc<Batch> {
    Arc::new(Batch::of(&[text, "second"]))
}

fn names(spool: &Spool) -> Vec<String> {
    spool.lock().files.iter().map(Stored::name).collect()
}

fn open(directory: &tempfile::TempDir, most_bytes: u64) -> Spool {
    Spool::open(directory.path().join("aws"), most_bytes, MOST_FILES).unwrap()
}

fn take(spool: &Spool) -> Option<Stored> {
    spool.take_due(Instant::now())
}

#[test]
fn what_was_put_is_there_for_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 1 << 20);
    let put = spool.put(&[batch("one"), batch("two")]);
    assert_eq!((put.documents, spool.take_dropped(), put.failed), (4, 0, 0));
    assert!(put.error.is_none());
    drop(spool);

    let spool = open(&directory, 1 << 20);
    assert_eq!((spool.documents(), names(&spool).len()), (4, 2));
    let one = take(&spool).unwrap();
    assert_eq!(spool.read(&one).unwrap().body(), batch("one").body());
    spool.put_back(one, None);
    let one = take(&spool).unwrap();
    spool.remove(&one).unwrap();
    spool.put(&[batch("three")]);
    drop(spool);

    let spool = open(&directory, 1 << 20);
    let contents = std::iter::from_fn(|| take(&spool))
        .map(|stored| spool.read(&stored).unwrap().documents().next().unwrap().into_owned());
    assert_eq!(contents.collect::<Vec<_>>(), ["two", "three"]);
}

#[test]
fn the_oldest_file_gives_way() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = bytes_on_disk(batch("one").body().len());
    let spool = open(&directory, 2 * bytes + 1);
    spool.put(&[batch("one"), batch("two")]);
    assert_eq!(spool.take_dropped(), 0);
    spool.put(&[batch("six")]);
    assert_eq!(spool.take_dropped(), 2);
    assert_eq!(spool.bytes(), 2 * bytes);
    let oldest = take(&spool).unwrap();
    assert_eq!(spool.read(&oldest).unwrap().documents().next().unwrap(), "two");
    // One that is being sent stays.
    spool.put(&[batch("ten")]);
    assert_eq!(spool.take_dropped(), 2);
    assert!(spool.read(&oldest).is_ok());
    let too_large = Arc::new(Batch::of(&["x".repeat(12_000).as_str()]));
    spool.put(&[too_large]);
    assert_eq!(spool.take_dropped(), 1);
}

#[test]
fn what_small_files_take_of_disk_and_memory_is_bounded() {
    assert_eq!(bytes_on_disk(0), ENTRY_BYTES);
    assert_eq!(bytes_on_disk(340), BLOCK_BYTES + ENTRY_BYTES);
    assert_eq!(bytes_on_disk(4_097), 2 * BLOCK_BYTES + ENTRY_BYTES);
    assert!(size_of::<Stored>() <= 64);
    // As many as 64 KiB hold, though their contents have 3 KiB together.
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 64 << 10);
    for number in 0..40 {
        spool.put(&[batch(&number.to_string())]);
    }
    assert_eq!((names(&spool).len(), spool.take_dropped()), (13, 2 * 27));
    assert!(spool.bytes() <= 64 << 10);
    drop(spool);
    // The number is bounded, too.
    let spool = Spool::open(directory.path().join("aws"), 1 << 30, 5).unwrap();
    let batches: Vec<_> = (40..60).map(|number| batch(&number.to_string())).collect();
    assert_eq!(spool.put(&batches).documents, 40);
    assert_eq!((names(&spool).len(), spool.take_dropped()), (5, 2 * (13 + 15)));
    assert_eq!(fs::read_dir(spool.directory()).unwrap().count(), 5 + 1);
    assert_eq!(spool.bytes(), 5 * bytes_on_disk(batch("59").body().len()));
}

#[test]
fn batches_that_come_together_are_all_there() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 1 << 20);
    let batches: Vec<_> = (0..3 * MOST_TOGETHER + 1).map(|n| batch(&n.to_string())).collect();
    let put = spool.put(&batches);
    assert_eq!((put.documents, put.failed), (2 * batches.len(), 0));
    drop(spool);
    let spool = open(&directory, 1 << 20);
    for batch in &batches {
        let stored = take(&spool).unwrap();
        assert_eq!(spool.read(&stored).unwrap().body(), batch.body());
    }
    assert!(spool.is_empty());
}

#[tokio::test]
async fn one_that_fails_lets_the_others_pass_and_keeps_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 1 << 20);
    assert_eq!(spool.due_at(Instant::now()), None);
    spool.put(&[batch("one"), batch("two")]);
    let (now, second) = (Instant::now(), std::time::Duration::from_secs(1));
    assert_eq!(spool.due_at(now), Some(now));
    let one = spool.take_due(now).unwrap();
    spool.put_back(one.clone(), Some(now + second));
    let two = spool.take_due(now).unwrap();
    assert!(two.number > one.number);
    spool.put_back(two.clone(), Some(now + 2 * second));
    assert_eq!((spool.due_at(now), spool.take_due(now)), (Some(now + second), None));
    assert!(names(&spool)[0] < names(&spool)[1]);
    // Both are due; the one that failed more often waits for the other, though it is older.
    let one = spool.take_due(now + second).unwrap();
    spool.put_back(one, Some(now + second));
    assert_eq!(spool.take_due(now + 2 * second).unwrap().number, two.number);
}

#[test]
fn damaged_files_are_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 1 << 20);
    spool.put(&[batch("one")]);
    let path = spool.directory().join(&names(&spool)[0]);
    fs::write(&path, "{\"TraceSegmentDocuments\":[\"on").unwrap();
    let stored = take(&spool).unwrap();
    assert!(matches!(spool.read(&stored), Err(ReadError::Damaged(_))));
    let aside = spool.set_aside(&stored).unwrap();
    assert!(aside.exists() && !path.exists());
    assert_eq!((spool.bytes(), spool.is_empty()), (0, true));
    drop(spool);
    assert!(open(&directory, 1 << 20).is_empty());
}

#[test]
fn foreign_and_unfinished_files() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(&directory, 1 << 20));
    let place = directory.path().join("aws");
    let unfinished = "0000000000000007-1-0123456789abcdef.json.tmp";
    for name in [unfinished, "notes.txt", "1-1-0123456789abcdef.json", "a-b-c.json"] {
        fs::write(place.join(name), "x").unwrap();
    }
    let spool = open(&directory, 1 << 20);
    assert!(spool.is_empty());
    assert!(!place.join(unfinished).exists() && place.join("notes.txt").exists());
    spool.put(&[batch("one")]);
    assert!(names(&spool)[0].starts_with("0000000000000008-2-"), "{:?}", names(&spool));
}

#[test]
fn two_daemons_cannot_share_it() {
    let directory = tempfile::tempdir().unwrap();
    let _first = open(&directory, 1 << 20);
    let second = Spool::open(directory.path().join("aws"), 1 << 20, MOST_FILES);
    assert!(matches!(second, Err(SpoolError::InUse { .. })), "{second:?}");
}

#[test]
fn what_can_be_mended_is_told_with_the_way() {
    let check = |kind: io::ErrorKind, expect: &str| {
        let error = SpoolError::Directory { directory: "/spool/aws".into(), error: kind.into() };
        assert_eq!(error.to_string(), format!("spool directory /spool/aws: {expect}"));
    };
    check(
        io::ErrorKind::PermissionDenied,
        "permission denied; give the directory to the user this daemon runs as, or choose another \
         --spool-dir",
    );
    check(
        io::ErrorKind::ReadOnlyFilesystem,
        "read-only filesystem or storage medium; mount it for writing, or choose another --spool-dir",
    );
    check(
        io::ErrorKind::StorageFull,
        "no storage space; make room there, or set a lower --spool-bytes",
    );
    check(io::ErrorKind::TimedOut, "timed out");
}

#[test]
fn a_disk_that_refuses_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let spool = open(&directory, 1 << 20);
    fs::remove_dir_all(directory.path().join("aws")).unwrap();
    let put = spool.put(&[batch("one")]);
    assert_eq!((put.documents, put.failed), (0, 2));
    assert!(put.error.is_some());
}
