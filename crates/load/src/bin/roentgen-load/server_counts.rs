//! What the server says it has received, from its page `/metrics`: the only way to tell what was
//! lost between two sockets.

use std::time::Duration;

use crate::api::Api;
use crate::clock::RunClock;

/// How long the counts must stay the same to be final, and how long that may take.
const QUIET: Duration = Duration::from_secs(1);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(30);

/// Counts of documents that came as datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerCounts {
    /// Datagrams that reached the server.
    pub(crate) received: u64,
    /// Documents of them that are stored.
    pub(crate) accepted: u64,
    /// Datagrams and documents that were not stored, for whatever reason, from any source.
    pub(crate) rejected: u64,
}

impl ServerCounts {
    /// The counts now; `None` when the server does not tell.
    pub(crate) fn read(api: &mut Api) -> Option<Self> {
        Self::parse(&api.page("/metrics").ok()?)
    }

    /// The counts once they stay the same, or all of `sent` have arrived and were dealt with.
    pub(crate) fn settled(
        api: &mut Api,
        clock: &RunClock,
        before: &Self,
        sent: u64,
    ) -> Option<Self> {
        let begin = clock.elapsed();
        let mut last = Self::read(api)?;
        let mut last_change = clock.elapsed();
        loop {
            let since = last.since(before)?;
            let is_all = since.received >= sent && since.accepted + since.rejected >= sent;
            let now = clock.elapsed();
            if is_all || now >= last_change + QUIET || now >= begin + PATIENCE {
                return Some(last);
            }
            std::thread::sleep(LOOK_INTERVAL);
            let next = Self::read(api)?;
            if next != last {
                (last, last_change) = (next, clock.elapsed());
            }
        }
    }

    /// What came after other counts; `None` when the server was started anew in between.
    pub(crate) fn since(&self, before: &Self) -> Option<Self> {
        Some(Self {
            received: self.received.checked_sub(before.received)?,
            accepted: self.accepted.checked_sub(before.accepted)?,
            rejected: self.rejected.checked_sub(before.rejected)?,
        })
    }

    fn parse(page: &str) -> Option<Self> {
        let sum = |name: &str, label: &str| {
            let mut values = page
                .lines()
                .filter(|line| {
                    line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                        && line.contains(label)
                })
                .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
                .peekable();
            values.peek()?;
            Some(values.sum())
        };
        Some(Self {
            received: sum("roentgen_udp_datagrams_total", "")?,
            accepted: sum("roentgen_documents_accepted_total", "source=\"udp\"")?,
            rejected: sum("roentgen_documents_rejected_total", "")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# HELP roentgen_udp_datagrams_total Datagrams received, empty ones left out.
# TYPE roentgen_udp_datagrams_total counter
roentgen_udp_datagrams_total 120
roentgen_documents_accepted_total{source=\"udp\"} 100
roentgen_documents_accepted_total{source=\"http\"} 7
roentgen_documents_rejected_total{reason=\"ParseError\"} 15
roentgen_documents_rejected_total{reason=\"store_overloaded\"} 5
roentgen_documents_rejected_total_of_another_kind 1
";

    #[test]
    fn counts_are_read_from_the_page() {
        let expect = ServerCounts { received: 120, accepted: 100, rejected: 20 };
        assert_eq!(ServerCounts::parse(PAGE), Some(expect));
        assert_eq!(ServerCounts::parse("other_total 1\n"), None);
    }

    #[test]
    fn a_server_started_anew_is_noticed() {
        let counts = |received| ServerCounts { received, accepted: 1, rejected: 0 };
        assert_eq!(counts(5).since(&counts(3)).map(|counts| counts.received), Some(2));
        assert_eq!(counts(3).since(&counts(5)), None);
    }
}
