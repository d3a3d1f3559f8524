//! What goes wrong, and the exceptions that tell of it.

use super::Latency;

/// One way in which a call fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    /// Share of the calls that fail so.
    pub(crate) probability: f64,
    /// Status of the response; `None` when there is none.
    pub(crate) status: Option<u16>,
    /// Whether the callee turns the call down for its rate, whatever the status.
    pub(crate) is_throttle: bool,
    /// What the caller's client throws. Without one, an HTTP client hands back the response.
    pub(crate) exception: Option<&'static Exception>,
    /// What the caller answers, unless it does without. From 500 on the exception is not caught.
    pub(crate) answer: u16,
    /// How long it takes, when not as long as a success.
    pub(crate) latency: Option<Latency>,
}

impl Failure {
    /// A response with a status that makes the caller answer `answer`.
    pub(crate) const fn response(probability: f64, status: u16, answer: u16) -> Self {
        Self {
            probability,
            status: Some(status),
            is_throttle: status == 429,
            exception: None,
            answer,
            latency: None,
        }
    }

    /// An error of an AWS service or a database, thrown by its client.
    pub(crate) const fn thrown(
        probability: f64,
        status: Option<u16>,
        exception: &'static Exception,
        answer: u16,
    ) -> Self {
        Self {
            probability,
            status,
            is_throttle: false,
            exception: Some(exception),
            answer,
            latency: None,
        }
    }

    /// The same, because of the rate of calls.
    pub(crate) const fn throttled(self) -> Self {
        Self { is_throttle: true, ..self }
    }

    /// The same, after another time.
    pub(crate) const fn after(self, latency: Latency) -> Self {
        Self { latency: Some(latency), ..self }
    }
}

/// An exception as an SDK records it.
#[derive(Debug)]
pub(crate) struct Exception {
    pub(crate) kind: &'static str,
    pub(crate) message: &'static str,
    /// Innermost first.
    pub(crate) stack: &'static [StackFrame],
    pub(crate) caused_by: Option<&'static Exception>,
}

impl Exception {
    pub(crate) const fn new(
        kind: &'static str,
        message: &'static str,
        stack: &'static [StackFrame],
    ) -> Self {
        Self { kind, message, stack, caused_by: None }
    }

    /// The same, thrown because of another.
    pub(crate) const fn because_of(self, cause: &'static Exception) -> Self {
        Self { caused_by: Some(cause), ..self }
    }
}

/// One frame of a stack: path, line and label.
pub(crate) type StackFrame = (&'static str, u32, &'static str);
