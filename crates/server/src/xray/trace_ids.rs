//! The ids that operations on single traces take.

use roentgen_model::TraceId;
use roentgen_protocol::{ApiError, BatchGetTracesRequest};

use super::required;

/// How many ids a request may name.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdLimits {
    pub(super) fewest: usize,
    pub(super) most: usize,
}

impl IdLimits {
    /// Of BatchGetTraces and GetTraceGraph.
    pub(super) const FEW: Self = Self { fewest: 1, most: BatchGetTracesRequest::MAX_IDS };
}

/// The ids of a request.
#[derive(Debug, Default, PartialEq)]
pub(super) struct RequestedIds {
    /// Each id once, in the order of the request, with its spelling there.
    pub(super) ids: Vec<(TraceId, String)>,
    /// What is short enough for an id but is none.
    pub(super) malformed: Vec<String>,
}

/// Reads `TraceIds`: ids in X-Ray's or W3C's spelling.
pub(super) fn requested_ids(
    texts: Option<Vec<String>>,
    IdLimits { fewest, most }: IdLimits,
) -> Result<RequestedIds, ApiError> {
    let texts = required("TraceIds", texts)?;
    if texts.len() < fewest || texts.len() > most {
        let message = format!("TraceIds must hold {fewest} to {most} ids, not {}", texts.len());
        return Err(ApiError::invalid(message));
    }
    let longest = BatchGetTracesRequest::MAX_ID_CHARACTERS;
    let mut requested = RequestedIds::default();
    for text in texts {
        let length = text.chars().count();
        if length == 0 || length > longest {
            let message = format!("A trace id must have 1 to {longest} characters, not {length}");
            return Err(ApiError::invalid(message));
        }
        match text.parse::<TraceId>() {
            Ok(id) if requested.ids.iter().any(|(known, _)| *known == id) => {}
            Ok(id) => requested.ids.push((id, text)),
            Err(_) => requested.malformed.push(text),
        }
    }
    Ok(requested)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_to_five_ids_in_either_spelling() {
        let check = |texts: &[&str], expect: Option<(usize, usize)>| {
            let texts = texts.iter().map(|text| (*text).to_owned()).collect();
            let requested = requested_ids(Some(texts), IdLimits::FEW).ok();
            assert_eq!(requested.map(|r| (r.ids.len(), r.malformed.len())), expect);
        };
        let xray = "1-581cf771-a006649127e371903a2de979";
        let w3c = "581cf771a006649127e371903a2de979";
        check(&[], None);
        check(&[""], None);
        check(&[xray], Some((1, 0)));
        check(&[w3c, xray, w3c], Some((1, 0)));
        check(&["x", xray], Some((1, 1)));
        check(&["x"; 5], Some((0, 5)));
        check(&["x"; 6], None);
        check(&["1-581cf771-a006649127e371903a2de9790"], None);
        assert!(requested_ids(None, IdLimits::FEW).is_err());
    }
}
