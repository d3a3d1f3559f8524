//! PutTelemetryRecords.

use std::sync::Arc;

use roentgen_ops::Counter;
use roentgen_protocol::{
    ApiError, PutTelemetryRecordsReply, PutTelemetryRecordsRequest, TelemetryRecord,
};

use super::{read_request, required};
use crate::app::App;
use crate::json;

/// Takes what daemons report about themselves into our own counters; X-Ray has no operation to
/// read it back.
pub(super) fn put_telemetry_records(app: &Arc<App>, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let request: PutTelemetryRecordsRequest = read_request(body)?;
    at_most("EC2InstanceId", request.ec2_instance_id.as_deref(), 20)?;
    at_most("Hostname", request.hostname.as_deref(), 255)?;
    at_most("ResourceARN", request.resource_arn.as_deref(), 500)?;
    let records = required("TelemetryRecords", request.telemetry_records)?;
    // All or none: a daemon sends a refused call again.
    let counted: Vec<_> = records.iter().map(counts).collect::<Result<_, _>>()?;
    let telemetry = &app.counters.telemetry;
    telemetry.records.add(records.len() as u64);
    for Counted { fates, errors } in counted {
        let counters =
            [&telemetry.received, &telemetry.sent, &telemetry.spillover, &telemetry.rejected];
        counters.into_iter().zip(fates).for_each(|(counter, count)| counter.add(count));
        telemetry.connection_errors.iter().zip(errors).for_each(add);
    }
    json::write(&PutTelemetryRecordsReply::default())
}

/// The counts of a record, in the order of the counters.
struct Counted {
    fates: [u64; 4],
    errors: [u64; 6],
}

fn add((counter, count): (&Counter, u64)) {
    counter.add(count);
}

fn counts(record: &TelemetryRecord) -> Result<Counted, ApiError> {
    required("Timestamp of a telemetry record", record.timestamp)?;
    let fates = [
        count("SegmentsReceivedCount", record.segments_received_count)?,
        count("SegmentsSentCount", record.segments_sent_count)?,
        count("SegmentsSpilloverCount", record.segments_spillover_count)?,
        count("SegmentsRejectedCount", record.segments_rejected_count)?,
    ];
    let errors = match &record.backend_connection_errors {
        None => [0; 6],
        Some(errors) => [
            count("TimeoutCount", errors.timeout_count)?,
            count("ConnectionRefusedCount", errors.connection_refused_count)?,
            count("HTTPCode4XXCount", errors.http_code_4xx_count)?,
            count("HTTPCode5XXCount", errors.http_code_5xx_count)?,
            count("UnknownHostCount", errors.unknown_host_count)?,
            count("OtherCount", errors.other_count)?,
        ],
    };
    Ok(Counted { fates, errors })
}

/// A count as the API's integers, of 32 bits with a sign, allow it, and not negative.
fn count(member: &str, value: Option<i64>) -> Result<u64, ApiError> {
    let value = value.unwrap_or_default();
    let count = i32::try_from(value).ok().and_then(|count| u64::try_from(count).ok());
    count.ok_or_else(|| ApiError::invalid(format!("{member} must be a count, not {value}")))
}

fn at_most(member: &str, value: Option<&str>, most: usize) -> Result<(), ApiError> {
    match value.map(|text| text.chars().count()) {
        Some(length) if length > most => Err(ApiError::invalid(format!(
            "{member} must have at most {most} characters, not {length}"
        ))),
        _ => Ok(()),
    }
}
