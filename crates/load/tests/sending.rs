//! Datagrams as they arrive.

#![allow(clippy::unwrap_used, reason = "a test may panic, outside its own function as well")]

use std::net::UdpSocket;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use roentgen_load::{Progress, Settings, run};
use roentgen_protocol::{MAX_DATAGRAM_BYTES, split_datagram};

/// Few enough requests for all their datagrams to fit into the receiver's buffer.
const REQUESTS: u32 = 4;

fn run_once(settings: &Settings) -> Progress {
    let progress = Progress::default();
    // A clock that is an hour ahead after the first look: the history is all past by then, and no
    // new request comes in.
    let looks = std::cell::Cell::new(0);
    let now = || {
        looks.set(looks.get() + 1);
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_334_983 + 3_600 * looks.get())
    };
    run(settings, now, |_| {}, &AtomicBool::new(false), &progress).unwrap();
    progress
}

#[test]
fn each_datagram_is_a_header_and_a_document() {
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(receiver) = UdpSocket::bind(local) else {
            // A machine without IPv6.
            assert!(local.starts_with('['));
            continue;
        };
        let settings = Settings {
            history_requests: REQUESTS,
            duration: Some(Duration::ZERO),
            ..Settings::new(receiver.local_addr().unwrap(), 3)
        };
        let counts = run_once(&settings).counts();
        assert_eq!((counts.requests, counts.failed_documents), (u64::from(REQUESTS), 0));

        // Loopback delivers before `send` returns, so everything is in the buffer by now.
        receiver.set_nonblocking(true).unwrap();
        let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
        let (mut documents, mut bytes) = (0, 0);
        while let Ok(length) = receiver.recv(&mut buffer) {
            let document = split_datagram(&buffer[..length]).unwrap();
            serde_json::from_slice::<serde_json::Value>(document).unwrap();
            documents += 1;
            bytes += document.len() as u64;
        }
        assert_eq!((documents, bytes), (counts.documents, counts.bytes));
    }
}

#[test]
fn nobody_listening_is_counted() {
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Settings {
        history_requests: 20,
        duration: Some(Duration::ZERO),
        ..Settings::new(address, 3)
    };
    let counts = run_once(&settings).counts();
    assert_eq!(counts.requests, 20);
    assert!(counts.failed_documents > 0, "{counts:?}");
}
