//! Counters, gauges and summaries, and their rendering in the Prometheus text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Names and values of labels. Names are program text and values are that or configuration, never
/// input, which could make series without end.
type Labels = Vec<(&'static str, String)>;

/// All counters, gauges and summaries of a process. Passed around, never global, so that two servers in one
/// test do not count together.
#[derive(Debug, Default)]
pub struct Metrics {
    families: Mutex<BTreeMap<&'static str, Family>>,
}

#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: &'static str,
    series: BTreeMap<Labels, Series>,
}

#[derive(Clone, Debug)]
enum Series {
    Counter(Counter),
    Gauge(Gauge),
    Summary(Summary),
}

/// A number that only grows. Copies count together.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

/// A number that goes up and down. Copies share it.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicI64>);

/// How many events there were and how long they took together. Copies count together.
#[derive(Clone, Debug, Default)]
pub struct Summary(Arc<SummaryParts>);

#[derive(Debug, Default)]
struct SummaryParts {
    count: AtomicU64,
    /// Enough for 584 years.
    nanoseconds: AtomicU64,
}

impl Counter {
    /// Counts one more.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts so many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Takes over a count that is kept elsewhere; never lowers this one.
    pub fn raise_to(&self, count: u64) {
        self.0.fetch_max(count, Ordering::Relaxed);
    }

    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Gauge {
    /// Replaces the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Changes the value by `difference`.
    pub fn add(&self, difference: i64) {
        self.0.fetch_add(difference, Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Summary {
    /// Counts an event that took so long.
    pub fn observe(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// The number of events so far.
    pub fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// The duration of all events so far.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.0.nanoseconds.load(Ordering::Relaxed))
    }
}

impl Metrics {
    /// The counter with this name and these labels; the same one for the same arguments. By
    /// convention names end in `_total`.
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Counter {
        let new = || Series::Counter(Counter::default());
        match self.series(name, help, "counter", labels, new) {
            Series::Counter(counter) => counter,
            _ => Counter::default(), // Only a name of two kinds, see `series`.
        }
    }

    /// The gauge with this name and these labels; the same one for the same arguments.
    pub fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Gauge {
        let new = || Series::Gauge(Gauge::default());
        match self.series(name, help, "gauge", labels, new) {
            Series::Gauge(gauge) => gauge,
            _ => Gauge::default(), // Only a name of two kinds, see `series`.
        }
    }

    /// The summary with this name and these labels; the same one for the same arguments. It shows
    /// as `<name>_sum`, in seconds, and `<name>_count`. By convention names end in `_seconds`.
    pub fn summary(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Summary {
        let new = || Series::Summary(Summary::default());
        match self.series(name, help, "summary", labels, new) {
            Series::Summary(summary) => summary,
            _ => Summary::default(), // Only a name of two kinds, see `series`.
        }
    }

    /// Everything in the Prometheus text format, version 0.0.4, in a fixed order.
    pub fn render(&self) -> String {
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        for (name, family) in families.iter() {
            // Writing to a string does not fail.
            let _ = writeln!(text, "# HELP {name} {}", family.help);
            let _ = writeln!(text, "# TYPE {name} {}", family.kind);
            for (labels, series) in &family.series {
                let mut line = |suffix, value: &dyn std::fmt::Display| {
                    text.push_str(name);
                    text.push_str(suffix);
                    write_labels(&mut text, labels);
                    let _ = writeln!(text, " {value}");
                };
                match series {
                    Series::Counter(counter) => line("", &counter.get()),
                    Series::Gauge(gauge) => line("", &gauge.get()),
                    Series::Summary(summary) => {
                        line("_sum", &summary.sum().as_secs_f64());
                        line("_count", &summary.count());
                    }
                }
            }
        }
        text
    }

    fn series(
        &self,
        name: &'static str,
        help: &'static str,
        kind: &'static str,
        labels: &[(&'static str, &str)],
        new: impl FnOnce() -> Series,
    ) -> Series {
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let family = families.entry(name).or_insert(Family { help, kind, series: BTreeMap::new() });
        debug_assert_eq!(family.kind, kind, "{name} is used for two kinds");
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        family.series.entry(labels).or_insert_with(new).clone()
    }
}

fn write_labels(text: &mut String, labels: &Labels) {
    if labels.is_empty() {
        return;
    }
    text.push('{');
    for (position, (name, value)) in labels.iter().enumerate() {
        let comma = if position == 0 { "" } else { "," };
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(text, "{comma}{name}=\"{value}\"");
    }
    text.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_render_in_order() {
        let metrics = Metrics::default();
        metrics.counter("b_total", "Second.", &[("reason", "z")]).add(3);
        metrics.counter("b_total", "Second.", &[("reason", "a \"quoted\"")]).increment();
        metrics.gauge("a", "First.", &[]).set(-2);
        metrics.counter("b_total", "Second.", &[("reason", "z")]).increment();
        let summary = metrics.summary("c_seconds", "Third.", &[("to", "aws")]);
        summary.observe(Duration::from_millis(1_250));
        summary.observe(Duration::from_millis(250));
        let expect = "\
# HELP a First.
# TYPE a gauge
a -2
# HELP b_total Second.
# TYPE b_total counter
b_total{reason=\"a \\\"quoted\\\"\"} 1
b_total{reason=\"z\"} 4
# HELP c_seconds Third.
# TYPE c_seconds summary
c_seconds_sum{to=\"aws\"} 1.5
c_seconds_count{to=\"aws\"} 2
";
        assert_eq!(metrics.render(), expect);
    }
}
