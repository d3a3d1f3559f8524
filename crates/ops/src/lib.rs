//! What every process of ours needs to be operated: a clock, logs, counters, configuration
//! sources, addresses, health checks, signals.
//!
//! A leaf: it knows nothing of traces.

mod address;
mod clock;
mod config;
mod health;
mod held_back;
mod logging;
mod metrics;
mod signals;

pub use address::{AddressError, reachable, resolve};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{ConfigFault, ConfigFaults, Environment, ProcessEnvironment, nearest_name};
pub use health::{HealthFault, ask_health};
pub use held_back::{HeldBack, MAX_KINDS};
pub use logging::{LogLevel, LogLevelError, LoggingError, start_logging};
pub use metrics::{Counter, Gauge, Metrics, Summary};
pub use signals::ShutdownSignals;
