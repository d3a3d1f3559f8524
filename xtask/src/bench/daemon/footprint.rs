//! A daemon that has nothing to do: its size on disk, its memory, and how soon it serves.

use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::process::{Candidate, Keys, Launch, Memory, free_port};
use super::sink::{Look, Sink};
use super::{Bench, MEGABYTE};
use crate::bench::figures::{Section, Target, shown};
use crate::bench::quantiles::Quantiles;
use crate::stopwatch::Stopwatch;

/// Starts of which the median is told.
const STARTS: usize = 15;

/// Longest wait for a first datagram to come through.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two datagrams while it starts: how exactly its time is known.
const PROBE_INTERVAL: Duration = Duration::from_micros(200);

const HEADER: &str = "{\"format\":\"json\",\"version\":1}\n";

/// What a daemon takes before anyone sends anything.
#[derive(Debug, Clone, Copy)]
struct Idle {
    keys: Keys,
    memory: Memory,
}

/// Milliseconds from the start of the process.
#[derive(Debug, Clone, Copy)]
struct Serving {
    /// Until a datagram was sent that reached the sink in the end.
    udp: f64,
    /// Until a connection was accepted.
    tcp: f64,
}

pub(super) fn measure(bench: &Bench) -> anyhow::Result<Section> {
    let mut section = Section::new("footprint", "Size, idle memory, start");
    let mut rows = Vec::new();
    for candidate in &bench.candidates {
        let size = std::fs::metadata(&candidate.binary)?.len() as f64 / MEGABYTE;
        let mut memory = Vec::new();
        for keys in [Keys::None, Keys::Environment, Keys::Container] {
            // Only ours can do without keys.
            let is_known = candidate.is_ours || keys != Keys::None;
            memory.push(is_known.then(|| idle(candidate, keys)).transpose()?);
        }
        let starts: Vec<Serving> =
            (0..STARTS).map(|_| start(candidate)).collect::<Result<_, _>>()?;
        let median = |of: fn(&Serving) -> f64| Quantiles::of(starts.iter().map(of)).at(0.5);
        let (udp, tcp) = (median(|start| start.udp), median(|start| start.tcp));
        if candidate.is_ours {
            promises(&mut section, size, &memory, udp.max(tcp));
        }
        let mut row = vec![candidate.name.clone(), format!("{} MB", shown(size))];
        row.extend(memory.iter().map(|idle| match idle {
            Some(Idle { memory, .. }) => format!(
                "{} MB ({} MB)",
                shown(memory.resident as f64 / MEGABYTE),
                shown(memory.anonymous as f64 / MEGABYTE)
            ),
            None => "–".to_owned(),
        }));
        row.extend([udp, tcp].map(|ms| format!("{} ms", shown(ms))));
        rows.push(row);
    }
    let columns = [
        "daemon",
        "binary",
        "idle, no keys",
        "idle, keys by environment",
        "idle, keys of a container",
        "takes datagrams after",
        "takes connections after",
    ];
    section.table(&columns, rows);
    section.note(format!(
        "Idle memory is resident, and in brackets what of it is anonymous, after one document has \
         gone through, so that the keys are there. Times are from exec, the median of {STARTS} \
         starts: until a datagram was sent that reached the sink, and until a connection was \
         accepted."
    ));
    Ok(section)
}

fn promises(section: &mut Section, size: f64, idle: &[Option<Idle>], start: f64) {
    section.add_for("binary", size, "MB", Target::AtMost(10.0));
    for Idle { keys, memory } in idle.iter().flatten() {
        let (name, most) = match keys {
            Keys::None => ("idle memory without keys", 6.0),
            Keys::Environment => ("idle memory, keys by environment", 10.0),
            Keys::Container => ("idle memory, keys of a container", 10.0),
        };
        section.add_for(name, memory.resident as f64 / MEGABYTE, "MB", Target::AtMost(most));
    }
    section.add_for("serves after", start, "ms", Target::AtMost(50.0));
}

/// Memory of a daemon that has sent one document and then nothing.
fn idle(candidate: &Candidate, keys: Keys) -> anyhow::Result<Idle> {
    let sink = Sink::start(Look::Identify)?;
    let launch = Launch { candidate, url: sink.url(), keys, options: Vec::new() };
    let daemon = launch.start()?;
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    sender.send_to(document(1).as_bytes(), daemon.address())?;
    if sink.drained(1, PATIENCE)?.documents != 1 {
        bail!("{}: a document did not come through: {}", candidate.name, daemon.output()?);
    }
    let memory = daemon.settled_memory()?;
    daemon.stop()?;
    Ok(Idle { keys, memory })
}

/// Starts a daemon while datagrams and connections wait for it.
fn start(candidate: &Candidate) -> anyhow::Result<Serving> {
    let sink = Sink::start(Look::Identify)?;
    let launch =
        Launch { candidate, url: sink.url(), keys: Keys::Environment, options: Vec::new() };
    let port = free_port()?;
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    sender.connect((Ipv4Addr::LOCALHOST, port))?;
    let stopwatch = Stopwatch::start();
    let daemon = launch.spawn(port)?;
    let mut sent = Vec::new();
    let mut tcp = None;
    // Some more after the first that was taken: the sink tells which one that was.
    let mut further = 10;
    while stopwatch.elapsed() < PATIENCE && further > 0 {
        let at = stopwatch.elapsed();
        // The kernel refuses while nobody has bound the port; and it tells with the next one.
        if sender.send(document(sent.len()).as_bytes()).is_err() {
            let _told = sender.send(document(sent.len()).as_bytes());
        }
        sent.push(at);
        if tcp.is_none() && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            tcp = Some(stopwatch.elapsed());
        }
        if tcp.is_some() {
            further -= 1;
        }
        std::thread::sleep(PROBE_INTERVAL);
    }
    let tcp = tcp.with_context(|| format!("{} does not serve", candidate.name))?;
    if sink.drained(1, PATIENCE)?.documents == 0 {
        bail!("{}: no document came through: {}", candidate.name, daemon.output()?);
    }
    daemon.stop()?;
    let first = sink.smallest_id().context("no document has an id")?;
    let udp = sent.get(usize::try_from(first)?).context("a document that was not sent")?;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(Serving { udp: ms(*udp), tcp: ms(tcp) })
}

fn document(number: usize) -> String {
    format!(r#"{HEADER}{{"id":"{number:016x}","name":"probe"}}"#)
}
