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

    /// All documents of a trace, none longer than a document may be.
    fn documents(self, trace: &Trace<'_>) -> Vec<Span> {
        let most = Span::MAX_DOCUMENT_CHARACTERS;
        let documents: Vec<_> = match self {
            Format::XRay => trace.segments_within(most).collect(),
            Format::OTel => roentgen_otlp::spans(trace, most).collect(),
        };
        let span = |(id, document): (SegmentId, String)| Span { id: id.to_string(), document };
        documents.into_iter().map(span).collect()
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
            Some(PageToken::AtDocument { trace, document, documents }) => {
                (trace, Some((document, documents)))
            }
            Some(_) => return Err(ApiError::invalid("NextToken is not of this operation")),
        };
        let mut page = Self { traces: Vec::new(), next: None };
        let mut bytes = 0;
        let places = (0_u32..).zip(found).skip_while(|(place, _)| *place < first);
        for (place, found) in places {
            if page.traces.len() == RetrievedTrace::MAX_PER_PAGE || bytes >= most_bytes {
                page.next = Some(PageToken::AtDocument { trace: place, document: 0, documents: 0 });
                return Ok(page);
            }
            let documents = documents(store, *found)?;
            let trace = documents.as_ref().and_then(|documents| documents.assemble());
            // Retention may have taken all of it since.
            let Some(trace) = trace else { continue };
            let all = format.documents(&trace);
            let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
            let skipped = match begin.take() {
                Some((document, documents)) if document > 0 => {
                    if documents != count {
                        let message = "Retention has taken documents of the trace since its first \
                                       page; list the traces again without NextToken";
                        return Err(ApiError::invalid(message));
                    }
                    document
                }
                _ => 0,
            };
            let mut spans = Vec::new();
            let rest = (0_u32..).zip(all).skip_while(|(number, _)| *number < skipped);
            for (number, span) in rest {
                let is_full = spans.len() == Span::MAX_PER_TRACE || bytes >= most_bytes;
                if is_full && !spans.is_empty() {
                    page.next = Some(PageToken::AtDocument {
                        trace: place,
                        document: number,
                        documents: count,
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

/// From the start of the root to the last end, seconds.
fn duration(trace: &Trace<'_>) -> f64 {
    let root = trace.root().and_then(|root| trace.nodes.get(root));
    let start = root.map_or(trace.summary.start, |root| root.entity.start);
    (trace.summary.end - start).clamped().as_seconds()
}

#[cfg(test)]
mod tests;
