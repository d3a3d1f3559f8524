//! What the store tells operators in the log. Alone in its process: a subscriber is for all
//! threads.

use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use roentgen_model::{Timestamp, TraceId};
use roentgen_ops::ManualClock;
use roentgen_store::{EmbeddedStore, NewDocument, StoreOptions, TraceStore as _};

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    /// The lines with this text.
    fn lines(&self, part: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        text.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }
}

fn document(trace: u32, padding: usize) -> NewDocument {
    let trace_id = id(trace);
    let text = format!(
        r#"{{"trace_id":"{trace_id}","id":"00000000000000aa","name":"app","start_time":1,"end_time":2,"metadata":{{"padding":"{}"}}}}"#,
        "x".repeat(padding)
    );
    let document = NewDocument::parse(text.into_bytes(), Timestamp::default());
    document.expect("a segment with all that it needs")
}

fn id(trace: u32) -> TraceId {
    let mut id = [1; 16];
    id[12..].copy_from_slice(&trace.to_be_bytes());
    TraceId::from_bytes(id)
}

#[test]
fn operators_learn_why_documents_are_not_shown() {
    let output = Output::default();
    let writer = output.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::starting_at(UNIX_EPOCH));
    let options = StoreOptions {
        trace_bytes: 5000,
        retention_bytes: 16 << 10,
        ..StoreOptions::new(directory.path())
    };
    let store = EmbeddedStore::open(options.clone(), clock.clone()).unwrap();
    let append = |documents: Vec<NewDocument>| {
        let (sender, receiver) = mpsc::channel();
        store.append(documents, Box::new(move |result| sender.send(result).unwrap())).unwrap();
        receiver.recv_timeout(Duration::from_secs(60)).unwrap().unwrap();
    };

    let hidden = "documents are stored but not shown";
    append(vec![document(1, 2000); 2]);
    assert_eq!(output.lines(hidden), [""; 0]);
    append(vec![document(1, 2000); 3]);
    let [line] = &output.lines(hidden)[..] else { panic!("{:?}", output.lines(hidden)) };
    let id = id(1);
    for part in ["WARN", &format!("trace_id={id}"), "documents=3", "held_back=0"] {
        assert!(line.contains(part), "{line}");
    }
    append(vec![document(1, 2000)]);
    assert_eq!(output.lines(hidden).len(), 1, "one line in a minute");
    clock.advance(Duration::from_secs(61));
    append(vec![document(1, 2000)]);
    assert!(output.lines(hidden)[1].contains("held_back=1"), "{:?}", output.lines(hidden));

    for n in 0..40 {
        append((0..50).map(|m| document(2 + n * 50 + m, 0)).collect());
        store.enforce_retention();
    }
    let removed = output.lines("expired log file removed");
    assert!(removed.len() > 1, "{removed:?}");
    assert!(removed.iter().all(|line| line.contains("reason=LogBytes")), "{removed:?}");

    // A settled file that is damaged is named.
    store.settle().unwrap();
    store.close();
    let settled = directory.path().join("settled");
    let files = std::fs::read_dir(&settled).unwrap().map(|entry| entry.unwrap().path());
    let file = files.into_iter().find(|path| path.extension().is_some()).unwrap();
    std::fs::write(&file, b"no settled file").unwrap();
    drop(EmbeddedStore::open(options, clock).unwrap());
    let lines = output.lines("a settled file cannot be used");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.contains("ERROR") && line.contains(file.to_str().unwrap()), "{line}");
}
