//! Threads that send.

mod file;
mod http;
mod udp;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use roentgen_load::Corpus;

use crate::clock::RunClock;
use crate::emission::{Batch, Numbers, ShapeCount};
use crate::figures::Figures;
use crate::pacing::Schedule;
use crate::samples::Wanted;

pub(crate) use file::FileSink;
pub(crate) use http::HttpSink;
pub(crate) use udp::UdpSink;

/// Most requests of which one thread remembers that nobody knows what became of them.
const MAX_UNSURE: usize = 1 << 20;

/// What all threads of a run share.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) clock: RunClock,
    pub(crate) corpus: &'a Corpus,
    pub(crate) numbers: &'a Numbers,
    pub(crate) schedule: &'a Schedule,
    pub(crate) figures: &'a Figures,
    pub(crate) wanted: &'a Wanted,
    pub(crate) stop: &'a AtomicBool,
    pub(crate) interleaved: usize,
    pub(crate) late_after: std::time::Duration,
}

impl Run<'_> {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// What a thread has sent, or all of them together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) batches: Vec<Batch>,
    pub(crate) shapes: Vec<ShapeCount>,
    /// Requests with a document of which nobody knows whether it is stored.
    pub(crate) unsure: Unsure,
}

/// Requests of which not all documents were acknowledged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsure {
    pub(crate) numbers: HashSet<u64>,
    /// Whether there were too many to remember.
    pub(crate) is_incomplete: bool,
}

impl Unsure {
    pub(crate) fn add(&mut self, number: u64) {
        if self.numbers.len() < MAX_UNSURE {
            self.numbers.insert(number);
        } else {
            self.is_incomplete |= !self.numbers.contains(&number);
        }
    }
}

impl Sent {
    /// Adds what another thread has sent.
    pub(crate) fn add(&mut self, other: Self) {
        self.batches.extend(other.batches);
        self.shapes.resize(self.shapes.len().max(other.shapes.len()), ShapeCount::default());
        for (sum, shape) in self.shapes.iter_mut().zip(other.shapes) {
            sum.count += shape.count;
            sum.pace += shape.pace;
        }
        self.unsure.numbers.extend(other.unsure.numbers);
        self.unsure.is_incomplete |= other.unsure.is_incomplete;
    }
}
