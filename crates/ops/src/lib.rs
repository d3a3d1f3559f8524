//! What every process of ours needs to be operated: a clock, logs, counters, configuration
//! sources, signals.
//!
//! A leaf: it knows nothing of traces.

mod clock;
mod config;
mod held_back;
mod logging;
mod metrics;
mod signals;

pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{ConfigFault, ConfigFaults, Environment, ProcessEnvironment, nearest_name};
pub use held_back::{HeldBack, MAX_KINDS};
pub use logging::{LogLevel, LogLevelError, LoggingError, start_logging};
pub use metrics::{Counter, Gauge, Metrics};
pub use signals::ShutdownSignals;
