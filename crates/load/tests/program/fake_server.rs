//! A server that speaks as much of X-Ray's API as the load generator uses. What it answers it makes
//! with the model, as the real one does; what goes wrong in it is chosen by the test.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use roentgen_model::{Document, Names, ServiceGraph, Trace, TraceId, assemble};
use roentgen_protocol::{graph_services, split_datagram};
use serde_json::{Value, json};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Says that a document is stored, and forgets it.
    LoseDocument,
    /// The same with all documents of a trace.
    LoseTrace,
    /// Answers one segment of each trace twice.
    AnswerTwice,
    /// Answers another order id than was sent.
    ChangeAnnotation,
    /// Lists a trace twice in the summaries.
    ListTwice,
    /// Counts a trace twice in the service graph.
    CountTwice,
    ThrottleEveryThird,
    /// Refuses the first document.
    RefuseFirst,
    HangUpAfterEveryCall,
    /// Answers the first call with a fault of the server.
    FailOnce,
    RefuseUnsigned,
    /// Lets one call wait for half a second.
    StallOnce,
    /// Every tenth datagram does not arrive.
    DropDatagrams,
}

/// A running server; it ends with the process.
pub(crate) struct FakeServer {
    address: SocketAddr,
    state: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    documents: BTreeMap<TraceId, Vec<Vec<u8>>>,
    stored: u64,
    calls: u64,
    datagrams: u64,
    /// Traces that are not as they were sent.
    harmed: BTreeSet<String>,
}

impl FakeServer {
    pub(crate) fn start(fault: Fault) -> Self {
        // The same port for both protocols, as the real one has.
        let (listener, socket) = (0..100)
            .find_map(|_| {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let socket = UdpSocket::bind(listener.local_addr().unwrap()).ok()?;
                Some((listener, socket))
            })
            .unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Shared::default());
        let (for_datagrams, for_calls) = (Arc::clone(&state), Arc::clone(&state));
        std::thread::spawn(move || take_datagrams(&socket, for_datagrams, fault));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&for_calls);
                std::thread::spawn(move || serve(stream.unwrap(), &state, fault));
            }
        });
        Self { address, state }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Documents that it said it has stored.
    pub(crate) fn documents(&self) -> u64 {
        self.state.lock().stored
    }

    pub(crate) fn harmed(&self) -> Vec<String> {
        self.state.lock().harmed.iter().cloned().collect()
    }

    pub(crate) fn wait_for_documents(&self, count: u64) {
        let state = self.state.lock();
        drop(self.state.changed.wait_while(state, |state| state.stored < count).unwrap());
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn store(&self, documents: &[&[u8]], fault: Fault) {
        let mut state = self.lock();
        for bytes in documents {
            let id = Document::parse(bytes).unwrap().trace_id;
            state.stored += 1;
            // One trace of seventeen.
            let is_chosen = id.to_bytes()[15].is_multiple_of(17);
            let is_root = !String::from_utf8_lossy(bytes).contains("\"parent_id\"");
            let is_lost = match fault {
                Fault::LoseDocument => is_chosen && is_root,
                Fault::LoseTrace => is_chosen,
                _ => false,
            };
            if is_lost {
                state.harmed.insert(id.to_string());
            } else {
                state.documents.entry(id).or_default().push(bytes.to_vec());
            }
        }
        drop(state);
        self.changed.notify_all();
    }
}

/// Receives on one thread and stores on another, so that no datagram waits for a query.
fn take_datagrams(socket: &UdpSocket, shared: Arc<Shared>, fault: Fault) {
    let (sender, received) = channel::<Vec<u8>>();
    std::thread::spawn(move || {
        for datagram in received {
            shared.lock().datagrams += 1;
            shared.store(&[split_datagram(&datagram).unwrap()], fault);
        }
    });
    let mut buffer = vec![0; 1 << 16];
    for arrived in 1_u32.. {
        let length = socket.recv(&mut buffer).unwrap();
        if fault != Fault::DropDatagrams || !arrived.is_multiple_of(10) {
            sender.send(buffer[..length].to_vec()).unwrap();
        }
    }
}

fn serve(stream: TcpStream, shared: &Shared, fault: Fault) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            head.push(line.trim_end().to_owned());
        }
        let header = |name: &str| {
            head.iter().find_map(|line| {
                let (key, value) = line.split_once(": ")?;
                key.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        let length = header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        let path = head[0].split(' ').nth(1).unwrap().to_owned();
        let is_signed = header("authorization").is_some() && header("x-amz-date").is_some();
        let (status, answer) = if fault == Fault::RefuseUnsigned && !is_signed {
            (403, json!({"__type": "MissingAuthenticationTokenException"}).to_string())
        } else {
            answer(&path, &body, shared, fault)
        };
        let text =
            format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
        stream.get_mut().write_all(text.as_bytes()).unwrap();
        if fault == Fault::HangUpAfterEveryCall {
            return;
        }
    }
}

fn answer(path: &str, body: &[u8], shared: &Shared, fault: Fault) -> (u16, String) {
    if path == "/metrics" {
        return (200, metrics(&shared.lock()));
    }
    let request: Value = serde_json::from_slice(body).unwrap();
    if path == "/TraceSegments" {
        return put(&request, shared, fault);
    }
    let mut state = shared.lock();
    let mut harmed = BTreeSet::new();
    let answer = match path {
        "/Traces" => traces(&request, &state, fault, &mut harmed),
        "/TraceSummaries" => summaries(&request, &state, fault, &mut harmed),
        "/ServiceGraph" => graph(&state, fault),
        _ => return (404, "{}".to_owned()),
    };
    state.harmed.extend(harmed);
    (200, answer.to_string())
}

fn metrics(state: &State) -> String {
    format!(
        "roentgen_udp_datagrams_total {}\nroentgen_documents_accepted_total{{source=\"udp\"}} {}\n\
         roentgen_documents_rejected_total{{reason=\"ParseError\"}} 0\n",
        state.datagrams, state.stored
    )
}

fn put(request: &Value, shared: &Shared, fault: Fault) -> (u16, String) {
    let call = {
        let mut state = shared.lock();
        state.calls += 1;
        state.calls
    };
    if fault == Fault::ThrottleEveryThird && call.is_multiple_of(3) {
        return (429, json!({"__type": "ThrottledException"}).to_string());
    }
    if fault == Fault::StallOnce && call == 20 {
        std::thread::sleep(Duration::from_millis(500));
    }
    if fault == Fault::FailOnce && call == 1 {
        return (500, json!({"__type": "InternalFailure"}).to_string());
    }
    let documents = request["TraceSegmentDocuments"].as_array().unwrap();
    let mut documents: Vec<&[u8]> =
        documents.iter().map(|document| document.as_str().unwrap().as_bytes()).collect();
    let mut unprocessed = Vec::new();
    if fault == Fault::RefuseFirst && call == 1 {
        documents.remove(0);
        unprocessed.push(json!({"Id": "x", "ErrorCode": "InvalidId", "Message": "no"}));
    }
    shared.store(&documents, fault);
    (200, json!({ "UnprocessedTraceSegments": unprocessed }).to_string())
}

fn trace<'a>(id: TraceId, documents: &'a [Vec<u8>]) -> Trace<'a> {
    let documents = documents.iter().map(|bytes| Document::parse(bytes).unwrap()).collect();
    assemble(id, documents, &mut Names::default()).unwrap()
}

fn traces(request: &Value, state: &State, fault: Fault, harmed: &mut BTreeSet<String>) -> Value {
    let ids = request["TraceIds"].as_array().unwrap();
    let found = ids.iter().filter_map(|id| {
        let id: TraceId = id.as_str().unwrap().parse().unwrap();
        let trace = trace(id, state.documents.get(&id)?);
        let mut segments: Vec<(String, String)> =
            trace.segments().map(|(id, document)| (id.to_string(), document)).collect();
        match fault {
            Fault::AnswerTwice => {
                harmed.insert(id.to_string());
                segments.push(segments[0].clone());
            }
            Fault::ChangeAnnotation => {
                harmed.insert(id.to_string());
                for (_, document) in &mut segments {
                    *document = document.replace("\"order_id\":\"", "\"order_id\":\"x");
                }
            }
            _ => {}
        }
        let segments: Vec<Value> = segments
            .into_iter()
            .map(|(id, document)| json!({"Id": id, "Document": document}))
            .collect();
        Some(json!({"Id": id.to_string(), "Segments": segments}))
    });
    json!({"Traces": found.collect::<Vec<_>>(), "UnprocessedTraceIds": []})
}

/// Pages of two traces, so that a listing has several.
fn summaries(request: &Value, state: &State, fault: Fault, harmed: &mut BTreeSet<String>) -> Value {
    let second = request["StartTime"].as_u64().unwrap();
    let mut ids: Vec<String> = state
        .documents
        .keys()
        .filter(|id| u64::from(id.epoch_seconds()) == second)
        .map(ToString::to_string)
        .collect();
    if let (Fault::ListTwice, Some(first)) = (fault, ids.first().cloned()) {
        harmed.insert(first.clone());
        ids.push(first);
    }
    let begin = request["NextToken"].as_str().map_or(0, |token| token.parse().unwrap());
    let page: Vec<Value> = ids.iter().skip(begin).take(2).map(|id| json!({ "Id": id })).collect();
    let next = (begin + 2 < ids.len()).then(|| (begin + 2).to_string());
    json!({"TraceSummaries": page, "NextToken": next})
}

fn graph(state: &State, fault: Fault) -> Value {
    let mut graph = ServiceGraph::default();
    for (index, (id, documents)) in state.documents.iter().enumerate() {
        let trace = trace(*id, documents);
        graph.add(&trace.graph);
        if fault == Fault::CountTwice && index == 0 {
            graph.add(&trace.graph);
        }
    }
    json!({ "Services": graph_services(&graph) })
}
