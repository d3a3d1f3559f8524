//! Datagrams, as SDKs send them: one document each, and nobody answers.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use anyhow::Context as _;
use roentgen_protocol::DATAGRAM_HEADER;

use super::{Run, Sent, Unsure};
use crate::emission::Emission;
use crate::http::Address;
use crate::samples::{Sample, Samples};

/// Between two bursts: the grain of a busy host. At 50,000 a second a burst has 50 datagrams, well
/// within any receiver's buffer.
const BURST_INTERVAL: Duration = Duration::from_millis(1);

/// Most documents of one burst, after which stop and time are looked at.
const MAX_BURST: u64 = 256;

/// Where datagrams go.
#[derive(Debug)]
pub(crate) struct UdpSink {
    socket: UdpSocket,
}

impl UdpSink {
    /// A socket for sending to the target.
    ///
    /// # Errors
    /// When the name has no address, or there is no socket to be had.
    pub(crate) fn new(target: &Address) -> anyhow::Result<Self> {
        let addresses = target.resolve().with_context(|| format!("resolve {target}"))?;
        let address = *addresses.first().with_context(|| format!("{target} has no address"))?;
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).context("no UDP socket")?;
        socket.connect(address).with_context(|| format!("connect {target}"))?;
        Ok(Self { socket })
    }

    /// Sends until the schedule is over; gives what was sent.
    pub(crate) fn run(&self, run: &Run<'_>, checker: Option<SyncSender<Sample>>) -> Sent {
        let mut emission = Emission::new(run.corpus, run.numbers, run.interleaved, run.late_after);
        let mut sender = Sender {
            sink: self,
            run,
            datagram: Vec::new(),
            samples: Samples::new(run.wanted, checker),
            unsure: Unsure::default(),
        };
        'run: while !run.is_stopped() {
            let now = run.clock.elapsed();
            for _ in 0..run.schedule.due(now).min(MAX_BURST) {
                if run.schedule.claim(now).is_none() || !sender.send_next(&mut emission, now) {
                    break 'run;
                }
            }
            if run.schedule.due(run.clock.elapsed()) == 0 {
                run.clock.sleep_until(now + BURST_INTERVAL);
            }
        }
        emission.finish();
        while sender.send_next(&mut emission, run.clock.elapsed()) {}
        let (batches, shapes) = emission.into_record();
        Sent { batches, shapes, unsure: sender.unsure }
    }
}

struct Sender<'a> {
    sink: &'a UdpSink,
    run: &'a Run<'a>,
    datagram: Vec<u8>,
    samples: Samples<'a>,
    unsure: Unsure,
}

impl Sender<'_> {
    /// Sends a document; false when nothing is left to send.
    fn send_next(&mut self, emission: &mut Emission<'_>, now: Duration) -> bool {
        let Some(emitted) = emission.next(now, self.run.clock.wall(now)) else { return false };
        let figures = self.run.figures;
        if emitted.is_first {
            figures.requests.add(1);
            figures.traces.add(u64::try_from(emitted.request.traces()).unwrap_or(u64::MAX));
        }
        self.samples.emitted(&emitted);
        self.datagram.clear();
        self.datagram.extend_from_slice(DATAGRAM_HEADER);
        emitted.request.write(emitted.document, &mut self.datagram);
        let number = emitted.request.number();
        match self.send() {
            Ok(()) => {
                figures.sent.add(1);
                let bytes = self.datagram.len().saturating_sub(DATAGRAM_HEADER.len());
                figures.bytes.add(u64::try_from(bytes).unwrap_or(u64::MAX));
                self.samples.acknowledged(number, now);
            }
            Err(error) => {
                figures.send_errors.add(1);
                figures.error(&format!("send a datagram: {error}"));
                self.samples.lost(number);
                self.unsure.add(number);
            }
        }
        true
    }

    /// Sends the datagram. When the system reports that nobody took an earlier one, it has not sent
    /// this one: the earlier one is counted, and this one is sent again.
    fn send(&self) -> io::Result<()> {
        let socket = &self.sink.socket;
        let mut sent = socket.send(&self.datagram);
        if let Err(error) = &sent
            && error.kind() == io::ErrorKind::ConnectionRefused
        {
            self.run.figures.send_errors.add(1);
            self.run.figures.error("nobody took an earlier datagram: connection refused");
            sent = socket.send(&self.datagram);
        }
        sent.map(|_| ())
    }
}
