//! The trace header `X-Amzn-Trace-Id`.

use std::fmt;
use std::str::FromStr;

use crate::{SegmentId, TraceId};

/// Whether the caller has decided to trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SamplingDecision {
    /// Nothing said: decide yourself.
    #[default]
    Unknown,
    /// `Sampled=?`: decide yourself and say so in the answer.
    Requested,
    /// `Sampled=1`.
    Sampled,
    /// `Sampled=0`.
    NotSampled,
}

/// A parsed trace header, `Root=…;Parent=…;Sampled=…` and whatever else it carried.
///
/// Reading never fails: a part that is not understood is no reason to lose the rest. Keys are
/// compared without case, as the Node and Ruby SDKs do; the others send them as written here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceHeader {
    /// The trace; `None` when absent or malformed, and a new trace begins.
    pub root: Option<TraceId>,
    /// The calling subsegment.
    pub parent: Option<SegmentId>,
    /// The decision.
    pub sampled: SamplingDecision,
    /// Other parts such as `Lineage`, to be handed on; `Self`, which load balancers add, is not.
    pub other: Vec<(String, String)>,
}

impl FromStr for TraceHeader {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut header = Self::default();
        for part in text.split(';') {
            let Some((key, value)) = part.split_once('=') else { continue };
            let (key, value) = (key.trim(), value.trim());
            match key.to_ascii_lowercase().as_str() {
                "root" => header.root = TraceId::parse_xray(value).ok(),
                "parent" => header.parent = value.parse().ok(),
                "sampled" => {
                    header.sampled = match value {
                        "1" => SamplingDecision::Sampled,
                        "0" => SamplingDecision::NotSampled,
                        "?" => SamplingDecision::Requested,
                        _ => SamplingDecision::Unknown,
                    }
                }
                "self" | "" => {}
                _ => header.other.push((key.to_owned(), value.to_owned())),
            }
        }
        Ok(header)
    }
}

impl fmt::Display for TraceHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sampled = match self.sampled {
            SamplingDecision::Unknown => None,
            SamplingDecision::Requested => Some("?"),
            SamplingDecision::Sampled => Some("1"),
            SamplingDecision::NotSampled => Some("0"),
        };
        let known = [
            self.root.map(|root| format!("Root={root}")),
            self.parent.map(|parent| format!("Parent={parent}")),
            sampled.map(|sampled| format!("Sampled={sampled}")),
        ];
        let other = self.other.iter().map(|(key, value)| format!("{key}={value}"));
        let parts: Vec<String> = known.into_iter().flatten().chain(other).collect();
        f.write_str(&parts.join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_written() {
        let check = |text: &str, expect: &str| {
            let header: TraceHeader = text.parse().unwrap();
            assert_eq!(header.to_string(), expect, "{text}");
        };
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        check(root, root);
        let full = format!("{root};Parent=53995c3f42cd8ad8;Sampled=1");
        check(&full, &full);
        check(&full.replace(';', " ; ").replace("Root", "ROOT"), &full);
        check(&format!("Self=1-67891234-12456789abcdef012345678;{root}"), root);
        check(&format!("{root};Sampled=?"), &format!("{root};Sampled=?"));
        check(&format!("{root};Lineage=a87bd80c:1"), &format!("{root};Lineage=a87bd80c:1"));
        check("Root=nonsense;Sampled=0", "Sampled=0");
        check("Sampled=2", "");
        check("", "");
        check(";;=;x", "");
    }
}
