//! X-Ray segments as OpenTelemetry spans, in OTLP's JSON (opentelemetry-proto 1.x, trace.proto).
//!
//! Each segment and subsegment that was sent becomes one span. Names of attributes are those of
//! OpenTelemetry's semantic conventions where these have one, and those of the collector's X-Ray
//! exporter and receiver (`aws.xray.…`) for what only X-Ray knows; docs/otlp.md has the table.
//! Inferred segments become none: in OpenTelemetry the call says all there is to say.
//!
//! This is the one place where a segment is called a span. Nothing here does I/O.

mod attributes;
mod events;
mod json;
mod resource;
mod room;
mod span;

pub use span::spans;
