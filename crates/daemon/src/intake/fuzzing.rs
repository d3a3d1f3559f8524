//! Datagrams as SDKs send them, damaged: what is taken is what came, and makes a body that reads back.

use std::sync::Arc;

use proptest::prelude::*;
use roentgen_protocol::split_datagram;

use crate::batch::{Batch, BatchBuilder, Memory};
use crate::mutations::{many_cases, mutated};

/// Of the SDKs for Python, Node.js, Go and Java, and what the official daemon was tried with.
const RECORDINGS: &[&str] = &[
    "{\"format\":\"json\",\"version\":1}\n{\"trace_id\":\"1-6b02a521-0123456789abcdef01234567\",\"id\":\"0000000000000001\",\"name\":\"t\",\"start_time\":1795335457.1,\"end_time\":1795335457.2}",
    "{\"format\": \"json\", \"version\": 1}\n{\"trace_id\": \"1-6b02a521-0123456789abcdef01234567\", \"id\": \"0000000000000002\", \"name\": \"é\\u00e9\", \"in_progress\": true}",
    "{\"version\":1,\"format\":\"json\"}\n{\"metadata\":{\"default\":{\"nan\":NaN,\"quoted\":\"\\\"\\\\\"}}}",
    "{\"Format\":\"json\",\"VERSION\":1,\"more\":[{}]}\n\n",
    "{\"format\":\"json\",\"version\":1}\n",
    "\n{\"id\":\"0000000000000001\"}",
    "garbage without newline",
];

const WORDS: &[&str] = &[
    "\n",
    "\r\n",
    "{",
    "}",
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    ":",
    ",",
    "1",
    "1.0",
    "1e0",
    "-0",
    "2",
    "null",
    "\"json\"",
    "\"format\"",
    "\"version\"",
    "\u{feff}",
    "\0",
    "\u{7f}",
    "é",
    "\u{2028}",
];

fn datagrams() -> impl Strategy<Value = Vec<u8>> {
    mutated(RECORDINGS.iter().map(|text| text.as_bytes().to_vec()).collect(), WORDS)
}

proptest! {
    #![proptest_config(many_cases())]

    #[test]
    fn mutated_datagrams(datagram in datagrams()) {
        let Ok(document) = split_datagram(&datagram) else { return Ok(()) };
        let header = datagram.split(|byte| *byte == b'\n').next().unwrap();
        prop_assert_eq!(&[header, b"\n", document].concat(), &datagram);
        prop_assert!(!document.is_empty());
        // What counts as a header is an object, with any bytes in its strings, as Go reads JSON.
        let header = String::from_utf8_lossy(header);
        prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&header).is_ok());
        prop_assert_eq!(header.trim_start().chars().next(), Some('{'));

        let mut builder = BatchBuilder::new(Arc::new(Memory::new(8 << 20)), true);
        prop_assert_eq!(builder.add(document), Ok(()));
        let batch = builder.finish().unwrap();
        let body: serde_json::Value = serde_json::from_slice(&batch.body()).unwrap();
        let read = body["TraceSegmentDocuments"][0].as_str().unwrap();
        if let Ok(text) = str::from_utf8(document) {
            prop_assert_eq!(read, text);
        }
        let again = Batch::from_body(batch.body()).unwrap();
        prop_assert_eq!((again.document_count(), again.sha256()), (1, batch.sha256()));
    }
}
