//! What is sent: every document is a function of a seed and two numbers, so that whoever checks
//! needs to remember only which ones were acknowledged.
//!
//! Traces are numbered, and sent in *slots*: slot `n` has most documents of trace `n` and the late
//! ones of earlier traces. So traces grow while they are open, right after, and long after they
//! have been settled; segments come in progress and then complete; some documents come twice.

use std::fmt::Write as _;
use std::time::Duration;

use crate::bench::random::{Random, scattered};

/// Slots between a trace and its late documents.
const COMPLETED_AFTER: u64 = 40;
const REPEATED_AFTER: u64 = 7;
const LATE: u64 = 600;
const VERY_LATE: u64 = 3000;

/// All the distances that occur, so that a slot finds what it has to send.
const DELAYS: [u64; 5] = [0, REPEATED_AFTER, COMPLETED_AFTER, LATE, VERY_LATE];

/// Between the starts of two traces. A few hundred runs then fill some minutes of the graph.
const TRACE_INTERVAL: Duration = Duration::from_millis(20);

/// Most documents of a slot: three of its own trace, and late ones of four others.
pub(super) const SLOT_DOCUMENTS: usize = 7;

/// The services of a trace, each calling the next.
pub(super) const SERVICES: [&str; 3] = ["storefront", "orders", "payments"];

/// The type of their nodes.
pub(super) const ORIGIN: &str = "AWS::ECS::Container";

/// One sending of one document of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The front end's segment while it is in progress.
    Opened,
    /// The front end's segment, complete.
    Front,
    Orders,
    /// The same bytes as `Orders`, once more.
    OrdersAgain,
    Payments,
}

/// A document and the slot that it is sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) trace: u64,
    pub(super) part: Part,
    pub(super) slot: u64,
}

impl Sending {
    /// The other document with the same bytes; of a trace that has it, or might have.
    pub(super) fn twin(self) -> Option<Self> {
        match self.part {
            Part::Orders => {
                Some(Self { part: Part::OrdersAgain, slot: self.slot + REPEATED_AFTER, ..self })
            }
            Part::OrdersAgain => {
                let slot = self.slot.checked_sub(REPEATED_AFTER)?;
                Some(Self { part: Part::Orders, slot, ..self })
            }
            Part::Opened | Part::Front | Part::Payments => None,
        }
    }
}

/// All documents that ever are sent to one data directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    seed: u64,
    /// Start of trace 0, after 1970.
    base: Duration,
}

impl Part {
    /// Which of [`SERVICES`] reports it.
    pub(super) fn service(self) -> usize {
        match self {
            Part::Opened | Part::Front => 0,
            Part::Orders | Part::OrdersAgain => 1,
            Part::Payments => 2,
        }
    }
}

impl Plan {
    pub(super) fn new(seed: u64, base: Duration) -> Self {
        // Whole seconds, since trace ids tell them.
        Self { seed, base: Duration::from_secs(base.as_secs()) }
    }

    /// Everything that is sent of a trace, in the order of sending.
    pub(super) fn of_trace(&self, trace: u64) -> Vec<Sending> {
        let sending = |part, delay| Sending { trace, part, slot: trace + delay };
        let mut sendings = vec![sending(Part::Orders, 0)];
        if self.draw(trace, 1).is_multiple_of(4) {
            sendings.push(sending(Part::Opened, 0));
            sendings.push(sending(Part::Front, COMPLETED_AFTER));
        } else {
            sendings.push(sending(Part::Front, 0));
        }
        if self.draw(trace, 2).is_multiple_of(8) {
            sendings.push(sending(Part::OrdersAgain, REPEATED_AFTER));
        }
        sendings.push(sending(
            Part::Payments,
            match self.draw(trace, 3) % 16 {
                0 => VERY_LATE,
                1 | 2 => LATE,
                _ => 0,
            },
        ));
        sendings.sort_by_key(|sending| (sending.slot, sending.part));
        sendings
    }

    /// Everything that is sent in a slot, in order; at most [`SLOT_DOCUMENTS`].
    pub(super) fn of_slot(&self, slot: u64) -> Vec<Sending> {
        let traces = DELAYS.iter().filter_map(|delay| slot.checked_sub(*delay));
        let sendings = traces.flat_map(|trace| self.of_trace(trace));
        sendings.filter(|sending| sending.slot == slot).collect()
    }

    pub(super) fn trace_id(&self, trace: u64) -> String {
        let second = self.start(trace).as_secs() & 0xffff_ffff;
        format!("1-{second:08x}-{:016x}{:08x}", self.draw(trace, 4), trace & 0xffff_ffff)
    }

    /// When a trace starts, after 1970.
    pub(super) fn start(&self, trace: u64) -> Duration {
        let count = u32::try_from(trace).unwrap_or(u32::MAX);
        self.base.saturating_add(TRACE_INTERVAL.saturating_mul(count))
    }

    /// The response time of a service's segment.
    pub(super) fn response_time(&self, trace: u64, service: usize) -> Duration {
        let label = 8 + u64::try_from(service).unwrap_or(0);
        Duration::from_micros(1000 + self.draw(trace, label) % 90_000)
    }

    /// Whether the front end's segment has a fault.
    pub(super) fn has_fault(&self, trace: u64) -> bool {
        self.draw(trace, 5).is_multiple_of(16)
    }

    /// The document as it is sent.
    pub(super) fn text(&self, trace: u64, part: Part) -> String {
        let service = part.service();
        let id = |number: u64| self.draw(trace, 16 + number);
        let number = u64::try_from(service).unwrap_or(0);
        let (name, called) = match service {
            0 => ("storefront", Some("orders")),
            1 => ("orders", Some("payments")),
            _ => ("payments", None),
        };
        let start = self.start(trace) + Duration::from_micros(self.draw(trace, 6) % 900_000);
        let end = seconds(start + self.response_time(trace, service));
        let (trace_id, start) = (self.trace_id(trace), seconds(start));
        let mut text = format!(r#"{{"name":"{name}","id":"{:016x}","#, id(2 * number));
        // Writing to a string does not fail.
        let _ = write!(text, r#""trace_id":"{trace_id}","start_time":{start},"#);
        if let Some(caller) = number.checked_sub(1) {
            let _ = write!(text, r#""parent_id":"{:016x}","#, id(2 * caller + 1));
        }
        let _ = match part {
            Part::Opened => write!(text, r#""in_progress":true,"#),
            _ => write!(text, r#""end_time":{end},"#),
        };
        let fault = service == 0 && self.has_fault(trace);
        let status = if fault { 500 } else { 200 };
        let _ = write!(
            text,
            r#""origin":"{ORIGIN}","fault":{fault},"user":"customer-{}","http":{{"request":{{"method":"GET","url":"https://shop.example.com/{name}/{}"}},"response":{{"status":{status}}}}},"annotations":{{"tenant":"tenant-{}","items":{}}},"metadata":{{"padding":"{}"}}"#,
            self.draw(trace, 7) % 1000,
            self.draw(trace, 7) % 50,
            self.draw(trace, 7) % 7,
            self.draw(trace, 7) % 9,
            self.padding(trace, number),
        );
        if let Some(called) = called {
            let id = id(2 * number + 1);
            let _ = write!(
                text,
                r#","subsegments":[{{"name":"{called}","id":"{id:016x}","namespace":"remote","start_time":{start},"end_time":{end}}}]"#,
            );
        }
        text.push('}');
        text
    }

    /// Hex digits that no compression halves further: a few hundred mostly, in some documents so
    /// many that they fill blocks of the log by themselves.
    fn padding(&self, trace: u64, service: u64) -> String {
        let mut random = Random::new(self.draw(trace, 32 + service));
        let words =
            if random.once_in(100) { random.within(500..3000) } else { random.within(0..24) };
        (0..words).map(|_| format!("{:016x}", random.number())).collect()
    }

    fn draw(&self, trace: u64, label: u64) -> u64 {
        scattered(self.seed ^ scattered(trace.wrapping_mul(64).wrapping_add(label)))
    }
}

/// Epoch seconds with six decimals.
fn seconds(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const PLAN: Plan = Plan { seed: 7, base: Duration::from_secs(1_795_334_983) };

    #[test]
    fn every_document_is_sent_once_and_in_its_slot() {
        let traces = 0..5000;
        let mut of_slots: Vec<_> = traces
            .clone()
            .flat_map(|slot| {
                let sendings = PLAN.of_slot(slot);
                assert!(sendings.len() <= SLOT_DOCUMENTS, "{sendings:?}");
                sendings.into_iter().map(|sending| (sending.slot, sending.trace, sending.part))
            })
            .collect();
        let mut of_traces: Vec<_> = traces
            .flat_map(|trace| PLAN.of_trace(trace))
            .filter(|sending| sending.slot < 5000)
            .map(|sending| (sending.slot, sending.trace, sending.part))
            .collect();
        of_slots.sort_unstable();
        of_traces.sort_unstable();
        assert_eq!(of_slots, of_traces);
    }

    #[test]
    fn segments_of_a_trace_call_each_other() {
        let document = |part| -> Value {
            serde_json::from_str(&PLAN.text(11, part)).expect("documents are JSON")
        };
        let (front, orders, payments) =
            (document(Part::Front), document(Part::Orders), document(Part::Payments));
        assert_eq!(orders["parent_id"], front["subsegments"][0]["id"]);
        assert_eq!(payments["parent_id"], orders["subsegments"][0]["id"]);
        for other in [&orders, &payments] {
            assert_eq!(other["trace_id"], front["trace_id"]);
            assert_ne!(other["id"], front["id"]);
        }
        assert!(document(Part::Opened).get("end_time").is_none());
        assert_eq!(PLAN.text(11, Part::Orders), PLAN.text(11, Part::OrdersAgain));
        assert_ne!(PLAN.text(11, Part::Orders), PLAN.text(12, Part::Orders));
    }
}
