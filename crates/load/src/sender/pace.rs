//! The loop behind `run`: when which request comes in and which document goes out.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use roentgen_model::{Micros, Timestamp};

use super::{Progress, Settings};
use crate::delivery::TimedDocument;
use crate::random::Random;
use crate::shop::Shop;

/// How long to wait at most before looking at the stop flag again.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// How far the requests may lag behind the clock; what is older is left out. Without this bound, a
/// machine that slept for an hour would send that hour at once.
const CATCH_UP: Micros = Micros::from_whole_seconds(1);

/// Most documents that wait for their time. At the highest rate these are the documents of two
/// seconds; few requests take longer.
const MAX_PENDING: usize = 60_000;

/// Documents sent without a pause in between, and the pause. A receiver's buffer of Linux's default
/// size holds about a hundred datagrams of this size.
const BURST: u32 = 24;
const BURST_PAUSE: Duration = Duration::from_millis(2);

pub(super) struct Pace<'a, Now, Pause, Deliver> {
    settings: &'a Settings,
    shop: Shop,
    arrivals: Random,
    now: Now,
    pause: Pause,
    stop: &'a AtomicBool,
    progress: &'a Progress,
    /// Hands a document to the network.
    deliver: Deliver,
    /// Documents waiting for their time, with a number to tell those of the same time apart.
    pending: BTreeMap<(Timestamp, u64), String>,
    pushed: u64,
    sent_in_burst: u32,
}

impl<'a, Now, Pause, Deliver> Pace<'a, Now, Pause, Deliver>
where
    Now: Fn() -> SystemTime,
    Pause: Fn(Duration),
    Deliver: FnMut(&str) -> io::Result<()>,
{
    pub(super) fn new(
        settings: &'a Settings,
        shop: Shop,
        now: Now,
        pause: Pause,
        stop: &'a AtomicBool,
        progress: &'a Progress,
        deliver: Deliver,
    ) -> Self {
        Self {
            settings,
            shop,
            // Not the shop's own chance: the times of requests shall not depend on what they do.
            arrivals: Random::from_seed(!settings.seed),
            now,
            pause,
            stop,
            progress,
            deliver,
            pending: BTreeMap::new(),
            pushed: 0,
            sent_in_burst: 0,
        }
    }

    pub(super) fn run(mut self) {
        self.send_history();
        let began = self.time();
        let last = self.settings.duration.map(|duration| began.plus(micros(duration)));
        let mut next_request = began;
        let mut latest = began;
        while !self.is_stopped() {
            let now = self.time();
            if now < latest {
                // The clock was set back: nobody wants to wait until it is where it was.
                self.send_due(Timestamp::MAX);
                next_request = now;
            }
            latest = now;
            let until = last.map_or(now, |last| now.min(last));
            if until - next_request > CATCH_UP {
                self.skip(until - next_request);
                next_request = now;
            }
            while next_request <= now && is_before(next_request, last) {
                self.take_request(next_request);
                next_request = next_request.plus(self.interval());
            }
            self.send_due(now);
            let next_document = self.pending.first_key_value().map(|((at, _), _)| *at);
            let next_request = is_before(next_request, last).then_some(next_request);
            match next_document.into_iter().chain(next_request).min() {
                Some(next) => self.wait_until(next),
                None => return,
            }
        }
        self.send_due(Timestamp::MAX);
    }

    /// Requests of the past, evenly spread; what of them still lies ahead is left pending.
    fn send_history(&mut self) {
        let now = self.time();
        let count = i64::from(self.settings.history_requests);
        let length = micros(self.settings.history).get();
        for number in 0..count {
            if self.is_stopped() {
                return;
            }
            let ago = Micros::new(length - length.saturating_mul(number) / count);
            self.take_request(now.minus(ago));
            self.send_due(now);
        }
    }

    fn take_request(&mut self, at: Timestamp) {
        if self.pending.len() >= MAX_PENDING {
            Progress::add(&self.progress.skipped_requests, 1);
            return;
        }
        Progress::add(&self.progress.requests, 1);
        for TimedDocument { at, json } in self.shop.request(at) {
            self.pending.insert((at, self.pushed), json);
            self.pushed += 1;
        }
    }

    fn send_due(&mut self, now: Timestamp) {
        while let Some(first) = self.pending.first_entry() {
            if first.key().0 > now {
                return;
            }
            let document = first.remove();
            match (self.deliver)(&document) {
                Ok(()) => {
                    Progress::add(&self.progress.documents, 1);
                    let bytes = u64::try_from(document.len()).unwrap_or(u64::MAX);
                    Progress::add(&self.progress.bytes, bytes);
                }
                Err(_) => Progress::add(&self.progress.failed_documents, 1),
            }
            self.sent_in_burst += 1;
            if self.sent_in_burst == BURST {
                self.sent_in_burst = 0;
                (self.pause)(BURST_PAUSE);
            }
        }
    }

    fn skip(&self, lag: Micros) {
        let requests = lag.as_seconds() * self.settings.requests_per_second;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative, and a float too large becomes the largest integer"
        )]
        Progress::add(&self.progress.skipped_requests, requests as u64);
    }

    /// Time until the next request: exponential, for people do not come at regular intervals.
    fn interval(&mut self) -> Micros {
        let mean = 1e6 / self.settings.requests_per_second;
        let micros = -(1.0 - self.arrivals.fraction()).ln() * mean;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a float too large becomes the largest"
        )]
        Micros::new((micros as i64).max(1))
    }

    fn wait_until(&mut self, at: Timestamp) {
        let left = (at - self.time()).clamped().get();
        let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
        if left > Duration::ZERO {
            self.sent_in_burst = 0;
            (self.pause)(left.min(LONGEST_PAUSE));
        }
    }

    fn time(&self) -> Timestamp {
        let since_epoch = (self.now)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(micros(since_epoch).get())
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn is_before(time: Timestamp, end: Option<Timestamp>) -> bool {
    end.is_none_or(|end| time < end)
}

fn micros(duration: Duration) -> Micros {
    Micros::new(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::net::SocketAddr;

    use super::*;

    const START: Duration = Duration::from_secs(1_795_334_983);

    /// A run on a clock that moves only while the sender pauses.
    struct Simulation {
        clock: Cell<Duration>,
        /// Time of sending and document.
        sent: RefCell<Vec<(Duration, String)>>,
        stop: AtomicBool,
        progress: Progress,
    }

    impl Simulation {
        fn new() -> Self {
            Self {
                clock: Cell::new(START),
                sent: RefCell::default(),
                stop: AtomicBool::new(false),
                progress: Progress::default(),
            }
        }

        fn run(&self, settings: &Settings, on_pause: impl Fn(&Self)) {
            let now = || SystemTime::UNIX_EPOCH + self.clock.get();
            let pause = |length: Duration| {
                assert!(length <= LONGEST_PAUSE);
                self.clock.set(self.clock.get() + length);
                on_pause(self);
            };
            let send = |document: &str| {
                self.sent.borrow_mut().push((self.clock.get(), document.to_owned()));
                Ok(())
            };
            let shop = Shop::new(settings.seed);
            Pace::new(settings, shop, now, pause, &self.stop, &self.progress, send).run();
        }
    }

    fn settings(requests_per_second: f64, seconds: u64, history_requests: u32) -> Settings {
        Settings {
            requests_per_second,
            duration: Some(Duration::from_secs(seconds)),
            history_requests,
            ..Settings::new(SocketAddr::from(([127, 0, 0, 1], 2000)), 5)
        }
    }

    /// When a document should be sent: the end of its segment, or the start of one in progress.
    fn due(document: &str) -> Duration {
        let value: serde_json::Value = serde_json::from_str(document).unwrap();
        let seconds = value.get("end_time").or(value.get("start_time")).unwrap().as_f64().unwrap();
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn the_rate_is_met_and_documents_leave_at_their_time() {
        let simulation = Simulation::new();
        simulation.run(&settings(20.0, 60, 0), |_| {});
        let counts = simulation.progress.counts();
        assert!((1080..=1320).contains(&counts.requests), "{counts:?}");
        assert_eq!(counts.skipped_requests, 0);
        let sent = simulation.sent.borrow();
        assert_eq!(counts.documents, sent.len() as u64);
        assert_eq!(counts.bytes, sent.iter().map(|(_, json)| json.len() as u64).sum::<u64>());
        for (at, document) in sent.iter() {
            // Never before the end, and late by no more than bursts and whole milliseconds.
            let due = due(document);
            assert!(*at + Duration::from_millis(1) >= due, "{at:?} {document}");
            let is_streamed = document.contains("\"type\"");
            assert!(is_streamed || *at <= due + Duration::from_millis(60), "{at:?} {document}");
        }
    }

    #[test]
    fn history_is_sent_at_once() {
        let simulation = Simulation::new();
        simulation.run(&settings(1.0, 0, 300), |_| {});
        let counts = simulation.progress.counts();
        assert_eq!(counts.requests, 300);
        let sent = simulation.sent.borrow();
        let within = |seconds: u64| {
            sent.iter().filter(|(at, _)| *at <= START + Duration::from_secs(seconds)).count()
        };
        // All but the last requests' stragglers.
        assert!(within(1) * 100 >= sent.len() * 97, "{} of {}", within(1), sent.len());
        let oldest = sent.iter().map(|(_, document)| due(document)).min().unwrap();
        assert!(oldest < START - Duration::from_secs(590), "{oldest:?}");
    }

    #[test]
    fn a_stop_sends_what_is_left() {
        let simulation = Simulation::new();
        let stop_later = |simulation: &Simulation| {
            if simulation.clock.get() > START + Duration::from_secs(5) {
                simulation.stop.store(true, Ordering::Relaxed);
            }
        };
        simulation.run(&Settings { duration: None, ..settings(50.0, 0, 0) }, stop_later);
        assert!(simulation.clock.get() < START + Duration::from_secs(6));
        // Whatever a trace refers to has been sent.
        let sent = simulation.sent.borrow();
        let all: String = sent.iter().map(|(_, document)| document.as_str()).collect();
        for (_, document) in sent.iter() {
            let value: serde_json::Value = serde_json::from_str(document).unwrap();
            if let Some(parent) = value.get("parent_id").and_then(|parent| parent.as_str()) {
                let named = [format!("\"id\":\"{parent}\""), format!("\"id\": \"{parent}\"")];
                assert!(named.iter().any(|named| all.contains(named)), "{document}");
            }
        }
    }

    #[test]
    fn a_machine_that_slept_does_not_catch_up() {
        let simulation = Simulation::new();
        let has_slept = Cell::new(false);
        simulation.run(&settings(10.0, 7200, 0), |simulation| {
            if !has_slept.replace(true) {
                simulation.clock.set(simulation.clock.get() + Duration::from_secs(7190));
            }
        });
        let counts = simulation.progress.counts();
        assert!(counts.requests < 200, "{counts:?}");
        assert!((71_800..=72_000).contains(&counts.skipped_requests), "{counts:?}");
    }

    #[test]
    fn a_clock_set_back_does_not_stop_the_traffic() {
        let simulation = Simulation::new();
        let pauses = Cell::new(0);
        simulation.run(&settings(10.0, 10, 0), |simulation| {
            pauses.set(pauses.get() + 1);
            if pauses.get() == 100 {
                simulation.clock.set(simulation.clock.get() - Duration::from_secs(4));
            }
        });
        let counts = simulation.progress.counts();
        assert!((100..=190).contains(&counts.requests), "{counts:?}");
    }
}
