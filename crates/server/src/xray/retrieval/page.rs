//! Pages of retrieved traces: at most five traces, a hundred documents of each, and a bounded
//! number of bytes. A trace that does not fit goes on in the next page, under the same id.

use roentgen_model::{SegmentId, Trace};
use roentgen_protocol::{ApiError, PageToken, RetrievedTrace, Span};
use roentgen_store::TraceStore;

use super::documents;
use crate::retrievals::RetrievedId;

/// Bytes of documents after which a page ends: five traces of a hundred documents of the greatest
/// length would be a hundred megabytes.
const PAGE_BYTES: usize = 4 << 20;

/// How documents are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Processed segments with their subsegments, as in BatchGetTraces.
    XRay,
    /// Spans of OpenTelemetry.
    OTel,
}

impl Format {
    /// Reads `TraceFormat`; none means X-Ray's own.
    pub(super) fn parse(text: Option<&str>) -> Result<Self, ApiError> {
        match text {
            None | Some("XRAY") => Ok(Format::XRay),
            Some("OTEL") => Ok(Format::OTel),
            Some(_) => Err(ApiError::invalid("TraceFormat must be XRAY or OTEL")),
        }
    }

    /// The name on the wire.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Format::XRay => "XRAY",
            Format::OTel => "OTEL",
        }
    }

    /// The documents of a trace from a place on, each with its place, none longer than a document
    /// may be. They are written one by one: all of them may be far longer than the trace.
    fn documents<'t>(
        self,
        trace: &'t Trace<'_>,
        first: usize,
    ) -> Box<dyn Iterator<Item = (usize, Span)> + 't> {
        let most = Span::MAX_DOCUMENT_CHARACTERS;
        let span = |(place, id, document): (usize, SegmentId, String)| {
            (place, Span { id: id.to_string(), document })
        };
        match self {
            Format::XRay => Box::new(trace.segments_within(first, most).map(span)),
            Format::OTel => Box::new(roentgen_otlp::spans(trace, first, most).map(span)),
        }
    }
}

/// A page, and where the next one begins.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) traces: Vec<RetrievedTrace>,
    pub(super) next: Option<PageToken>,
}

impl Page {
    /// Reads the page that begins at `start`.
    pub(super) fn read(
        store: &dyn TraceStore,
        found: &[RetrievedId],
        start: Option<PageToken>,
        format: Format,
    ) -> Result<Self, ApiError> {
        Self::read_within(store, found, start, format, PAGE_BYTES)
    }

    fn read_within(
        store: &dyn TraceStore,
        found: &[RetrievedId],
        start: Option<PageToken>,
        format: Format,
        most_bytes: usize,
    ) -> Result<Self, ApiError> {
        let (first, mut begin) = match start {
            None => (0, None),
            Some(PageToken::AtDocument { trace, document, nodes }) => {
                (trace, Some((document, nodes)))
            }
            Some(_) => return Err(ApiError::invalid("NextToken is not of this operation")),
        };
        let mut page = Self { traces: Vec::new(), next: None };
        let mut bytes = 0;
        let places = (0_u32..).zip(found).skip_while(|(place, _)| *place < first);
        for (place, found) in places {
            if page.traces.len() == RetrievedTrace::MAX_PER_PAGE || bytes >= most_bytes {
                page.next = Some(PageToken::AtDocument { trace: place, document: 0, nodes: 0 });
                return Ok(page);
            }
            let (document, nodes_then) = begin.take().unwrap_or_default();
            let documents = documents(store, *found)?;
            let trace = documents.as_ref().and_then(|documents| documents.assemble());
            let nodes = trace.as_ref().map_or(0, |trace| count(trace.nodes.len()));
            if document > 0 && nodes != nodes_then {
                let message = "Retention has taken documents of the trace since its first page; \
                               list the traces again without NextToken";
                return Err(ApiError::invalid(message));
            }
            // Retention may have taken all of it since.
            let Some(trace) = trace else { continue };
            let mut spans = Vec::new();
            let first = usize::try_from(document).unwrap_or(usize::MAX);
            for (document, span) in format.documents(&trace, first) {
                let is_full = spans.len() == Span::MAX_PER_TRACE || bytes >= most_bytes;
                if is_full && !spans.is_empty() {
                    page.next = Some(PageToken::AtDocument {
                        trace: place,
                        document: count(document),
                        nodes,
                    });
                    break;
                }
                bytes += span.document.len();
                spans.push(span);
            }
            page.traces.push(RetrievedTrace {
                id: trace.id.to_string(),
                duration: duration(&trace),
                spans,
            });
            if page.next.is_some() {
                return Ok(page);
            }
        }
        Ok(page)
    }
}

/// As a token has it. No trace has as many segments and subsegments: each takes some bytes of its
/// largest size.
fn count(nodes: usize) -> u32 {
    u32::try_from(nodes).unwrap_or(u32::MAX)
}

/// From the start of the root to the last end, seconds.
fn duration(trace: &Trace<'_>) -> f64 {
    let root = trace.root().and_then(|root| trace.nodes.get(root));
    let start = root.map_or(trace.summary.start, |root| root.entity.start);
    (trace.summary.end - start).clamped().as_seconds()
}

#[cfg(test)]
mod tests;
