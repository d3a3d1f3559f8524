//! Which documents a segment is sent in, and when: in one when it ends, or, by the SDKs' rules, in
//! several before.

use roentgen_model::{SegmentId, Timestamp};

use crate::dialect::Dialect;
use crate::recording::{Role, Segment, Subsegment, SubsegmentKind};
use crate::render;

/// A segment document and when its sender sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedDocument {
    /// When it is sent.
    pub at: Timestamp,
    /// The document.
    pub json: String,
}

/// All documents of a segment.
pub(crate) fn documents(mut segment: Segment) -> Vec<TimedDocument> {
    let mut documents = Vec::new();
    if segment.is_announced {
        let json = render::segment_in_progress(&segment);
        documents.push(TimedDocument { at: segment.start, json });
    }
    if matches!(segment.role, Role::LambdaFunction { .. }) {
        send_function_subsegments(&mut segment, &mut documents);
    } else if let Some(threshold) = Dialect::of_segment(&segment).streams_after {
        stream(&mut segment, threshold, &mut documents);
    }
    let json = render::segment(&segment, &segment.subsegments);
    documents.push(TimedDocument { at: segment.end, json });
    documents
}

/// Within a Lambda function the SDK sends each subsegment on its own as soon as it ends; only what
/// the Lambda service recorded stays in the segment.
fn send_function_subsegments(segment: &mut Segment, documents: &mut Vec<TimedDocument>) {
    let (phases, recorded_by_sdk): (Vec<_>, Vec<_>) = std::mem::take(&mut segment.subsegments)
        .into_iter()
        .partition(|subsegment| matches!(subsegment.kind, SubsegmentKind::LambdaPhase));
    segment.subsegments = phases;
    for subsegment in recorded_by_sdk {
        send_one_by_one(segment, subsegment, segment.id, documents);
    }
}

fn send_one_by_one(
    segment: &Segment,
    mut subsegment: Subsegment,
    parent_id: SegmentId,
    documents: &mut Vec<TimedDocument>,
) {
    for inner in std::mem::take(&mut subsegment.subsegments) {
        send_one_by_one(segment, inner, subsegment.id, documents);
    }
    documents.push(on_its_own(segment, &subsegment, parent_id, subsegment.end));
}

/// As the SDKs for Python and Java stream: whenever more than `threshold` subsegments have gathered,
/// those that are finished, with all within them, are sent on their own; the others stay.
fn stream(segment: &mut Segment, threshold: usize, documents: &mut Vec<TimedDocument>) {
    let count: usize = segment.subsegments.iter().map(Subsegment::count).sum();
    if count <= threshold {
        return;
    }
    let mut ends = Vec::with_capacity(count);
    gather_ends(&segment.subsegments, &mut ends);
    ends.sort_unstable();
    let mut subsegments = std::mem::take(&mut segment.subsegments);
    for at in ends.into_iter().skip(threshold).step_by(threshold + 1) {
        take_finished(segment, &mut subsegments, segment.id, at, documents);
    }
    segment.subsegments = subsegments;
}

fn gather_ends(subsegments: &[Subsegment], ends: &mut Vec<Timestamp>) {
    for subsegment in subsegments {
        ends.push(subsegment.end);
        gather_ends(&subsegment.subsegments, ends);
    }
}

fn take_finished(
    segment: &Segment,
    subsegments: &mut Vec<Subsegment>,
    parent_id: SegmentId,
    at: Timestamp,
    documents: &mut Vec<TimedDocument>,
) {
    subsegments.retain_mut(|subsegment| {
        let is_finished = subsegment.end <= at;
        if is_finished {
            documents.push(on_its_own(segment, subsegment, parent_id, at));
        } else {
            take_finished(segment, &mut subsegment.subsegments, subsegment.id, at, documents);
        }
        !is_finished
    });
}

fn on_its_own(
    segment: &Segment,
    subsegment: &Subsegment,
    parent_id: SegmentId,
    at: Timestamp,
) -> TimedDocument {
    let dialect = Dialect::of(segment.service.sdk);
    let json = render::independent_subsegment(dialect, subsegment, segment.trace_id, parent_id);
    TimedDocument { at, json }
}
