//! What a test's thread logs, as lines `LEVEL message name=value …`.

use std::io;
use std::sync::{Arc, Mutex, Once};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// The lines since [`CapturedLog::start`]. They end up elsewhere again when this is dropped.
#[derive(Debug)]
pub(crate) struct CapturedLog {
    text: Text,
    _guard: DefaultGuard,
}

#[derive(Clone, Debug, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

/// Lets every thread that has no log of its own log into nothing.
///
/// Without that, `tracing` may ask such a thread, as long as there is one log only, whether anybody
/// wants to hear of a line; it takes the no for everybody's, and the thread whose log is looked at
/// says nothing either.
pub(crate) fn hear_every_thread() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(io::sink)
            .finish();
        // Nobody else in the tests sets one.
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

impl CapturedLog {
    /// Begins to keep what this thread logs.
    pub(crate) fn start() -> Self {
        hear_every_thread();
        let text = Text::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(text.clone())
            .finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines of these levels (`INFO`, `WARN`, …), in order.
    pub(crate) fn lines(&self, levels: &[&str]) -> Vec<String> {
        let text = String::from_utf8(self.text.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(str::trim_start);
        let wanted = lines.filter(|line| levels.iter().any(|level| line.starts_with(level)));
        wanted.map(str::to_owned).collect()
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Text {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
