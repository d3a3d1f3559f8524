//! What no daemon can do without, and nothing else: the limit that `cargo xtask bench daemon
//! --limit PATH` puts beside the daemons.
//!
//! It receives datagrams as our daemon does, and looks at none of them. For every fifty it hashes a
//! body of fifty documents, as a signature needs it, sends it as a request that is always the same,
//! and reads the answer. One thread, no log, no queue, no escaping, no signature, no time limit.
//!
//! It understands as much of a daemon's command line as the bench uses: `-b` and `-t` for the port,
//! `-c` for a file with the line `Endpoint: http://host:port`.

#![allow(clippy::print_stdout, reason = "the version is asked for on standard output")]

use std::io::{IoSlice, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Instant;

use roentgen_udp::{Gathering, MOST_DATAGRAMS, Next, Receiver, alarm, bind, buffer_bytes};
use sha2::{Digest as _, Sha256};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// As much as the daemon wishes for.
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// As many documents as X-Ray takes in a call.
const MOST_DOCUMENTS: usize = 50;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--version") {
        println!("limit");
        return Ok(());
    }
    let value = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name);
        place.and_then(|place| arguments.get(place + 1)).ok_or(format!("no {name}"))
    };
    let address: SocketAddr = value("-b")?.parse()?;
    let sink = endpoint(Path::new(value("-c")?))?;
    // Connections are how the bench sees that we are here.
    let listener = TcpListener::bind(value("-t")?)?;
    thread::spawn(move || {
        send_what_comes(address, &sink).expect("the sink and the load are there")
    });
    thread::spawn(move || listener.incoming().count());
    Signals::new([SIGTERM])?.forever().next();
    Ok(())
}

fn endpoint(file: &Path) -> Outcome<String> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix("Endpoint: http://"));
    Ok(line.ok_or("no endpoint")?.to_owned())
}

fn send_what_comes(address: SocketAddr, sink: &str) -> Outcome<()> {
    let socket = bind(address, RECEIVE_BUFFER_BYTES)?;
    let mut gathering = Gathering::new(buffer_bytes(&socket)?);
    let (_waker, alarm) = alarm()?;
    let mut receiver = Receiver::new(socket, alarm);
    let mut stream = TcpStream::connect(sink)?;
    stream.set_nodelay(true)?;
    let mut body = Body::new(sink);
    let (mut count, mut largest, mut documents) = (0, 0, 0);
    loop {
        let datagrams = receiver.receive()?;
        count += datagrams.len();
        largest = datagrams.longest().max(largest);
        documents += datagrams.len();
        if body.documents < MOST_DOCUMENTS {
            datagrams.iter().for_each(|datagram| body.add(datagram));
        }
        let is_all = datagrams.len() < MOST_DATAGRAMS;
        while documents >= MOST_DOCUMENTS {
            body.send(&mut stream)?;
            documents -= MOST_DOCUMENTS;
        }
        if is_all {
            let (count, largest) = (std::mem::take(&mut count), std::mem::take(&mut largest));
            match gathering.next(count, largest, now()) {
                Next::Sleep(time) => thread::sleep(time),
                Next::Wait => receiver.wait(None)?,
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program of its own, which no test turns the clock of"
)]
fn now() -> Instant {
    Instant::now()
}

/// The request: made of the first fifty documents, and sent for all later ones as well.
struct Body {
    sink: String,
    text: String,
    documents: usize,
    answer: Vec<u8>,
}

impl Body {
    fn new(sink: &str) -> Self {
        let text = String::from("{\"TraceSegmentDocuments\":[");
        Self { sink: sink.to_owned(), text, documents: 0, answer: vec![0; 4 << 10] }
    }

    fn add(&mut self, datagram: &[u8]) {
        let text = String::from_utf8_lossy(datagram);
        let Some((_, document)) = text.split_once('\n') else { return };
        if self.documents == MOST_DOCUMENTS {
            return;
        }
        self.documents += 1;
        let escaped = document.replace('\\', "\\\\").replace('"', "\\\"");
        let end = if self.documents == MOST_DOCUMENTS { "]}" } else { "," };
        self.text.extend(["\"", &escaped, "\"", end]);
    }

    fn send(&mut self, stream: &mut TcpStream) -> Outcome<()> {
        let body = self.text.as_bytes();
        let hash = Sha256::digest(body);
        let head = format!(
            "POST /TraceSegments HTTP/1.1\r\nHost: {}\r\nAuthorization: {hash:x?}\r\n\
             Content-Length: {}\r\n\r\n",
            self.sink,
            body.len(),
        );
        let head = head.as_bytes();
        let written = stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])?;
        stream.write_all(head.get(written..).unwrap_or_default())?;
        stream.write_all(body.get(written.saturating_sub(head.len())..).unwrap_or_default())?;
        // The sink's answers are short and come in one piece.
        if stream.read(&mut self.answer)? == 0 {
            return Err("the sink closed the connection".into());
        }
        Ok(())
    }
}
