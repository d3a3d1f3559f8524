//! Page tokens: where a list goes on, in a form that callers hand back and cannot misuse.
//!
//! A token is text of the URL-safe base64 alphabet over: version, list, fingerprint of the
//! query, position. Everything a caller may do to it ends in a clear refusal: a token of another
//! list, of another query, of another version, or none of ours. A token that was made by hand and
//! still fits is only a position that the caller could have reached by paging.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use roentgen_model::{Timestamp, TraceId};

/// Longest token that is looked at. Ours have at most 56 characters; X-Ray's shortest limit is
/// 100 (GetGroups).
pub const MAX_TOKEN_CHARACTERS: usize = 100;

const VERSION: u8 = 1;

/// Where a list goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageToken {
    /// In a list of traces, newest first: behind this one.
    AfterTrace {
        /// Its place on the time axis.
        time: Timestamp,
        /// Its id, which orders traces of the same time.
        id: TraceId,
    },
    /// As [`PageToken::AfterTrace`], in a list that ends when so many traces were looked at.
    AfterScan {
        /// Its place on the time axis.
        time: Timestamp,
        /// Its id.
        id: TraceId,
        /// Traces looked at up to here, on all pages.
        scanned: u64,
    },
    /// In a service graph, by ReferenceId: behind this one.
    AfterService {
        /// The largest ReferenceId of the page.
        reference_id: u32,
        /// Fingerprint of the nodes that do not have the ReferenceId of their identity: those of two
        /// pages belong together only while it stays.
        given_way: u64,
    },
    /// In the documents of retrieved traces: at this document of this trace.
    AtDocument {
        /// The trace, by its place in the retrieval.
        trace: u32,
        /// The document, by the place of its (sub)segment in the trace.
        document: u32,
        /// Segments and subsegments of the trace: places of two pages belong together only while
        /// it stays.
        nodes: u32,
    },
    /// In a time series: at the point of this time.
    AtTime(Timestamp),
}

/// Why a token was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageTokenFault {
    /// Not a token that this version hands out for this list.
    #[error("NextToken is not valid; use the one from the previous page, or none")]
    Unknown,
    /// A token of the same list asked with other parameters.
    #[error("NextToken belongs to a request with other parameters; repeat them unchanged")]
    OtherQuery,
}

impl PageToken {
    /// The token's text. `query` is the [`Fingerprint`] of all parameters that select or order
    /// the list.
    pub fn encode(&self, query: u64) -> String {
        let mut bytes = vec![VERSION, self.list()];
        bytes.extend(query.to_be_bytes());
        match self {
            PageToken::AfterTrace { time, id } => {
                bytes.extend(time.as_micros().to_be_bytes());
                bytes.extend(id.to_bytes());
            }
            PageToken::AfterScan { time, id, scanned } => {
                bytes.extend(time.as_micros().to_be_bytes());
                bytes.extend(id.to_bytes());
                bytes.extend(scanned.to_be_bytes());
            }
            PageToken::AfterService { reference_id, given_way } => {
                bytes.extend(reference_id.to_be_bytes());
                bytes.extend(given_way.to_be_bytes());
            }
            PageToken::AtDocument { trace, document, nodes } => {
                bytes.extend(trace.to_be_bytes());
                bytes.extend(document.to_be_bytes());
                bytes.extend(nodes.to_be_bytes());
            }
            PageToken::AtTime(time) => bytes.extend(time.as_micros().to_be_bytes()),
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what a caller sent as token. None and an empty one, as clients send it that know no
    /// other way to say none, mean the first page.
    ///
    /// # Errors
    /// When it is not one of ours, or was handed out for another query.
    pub fn read(text: Option<&str>, query: u64) -> Result<Option<Self>, PageTokenFault> {
        match text {
            None | Some("") => Ok(None),
            Some(text) => Self::decode(text, query).map(Some),
        }
    }

    fn decode(text: &str, query: u64) -> Result<Self, PageTokenFault> {
        if text.len() > MAX_TOKEN_CHARACTERS {
            return Err(PageTokenFault::Unknown);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| PageTokenFault::Unknown)?;
        let mut rest = bytes.as_slice();
        let [VERSION, list] = take(&mut rest)? else {
            return Err(PageTokenFault::Unknown);
        };
        let token_query = u64::from_be_bytes(take(&mut rest)?);
        let token = match list {
            b't' => PageToken::AfterTrace {
                time: Timestamp::from_micros(i64::from_be_bytes(take(&mut rest)?)),
                id: TraceId::from_bytes(take(&mut rest)?),
            },
            b'n' => PageToken::AfterScan {
                time: Timestamp::from_micros(i64::from_be_bytes(take(&mut rest)?)),
                id: TraceId::from_bytes(take(&mut rest)?),
                scanned: u64::from_be_bytes(take(&mut rest)?),
            },
            b'g' => PageToken::AfterService {
                reference_id: u32::from_be_bytes(take(&mut rest)?),
                given_way: u64::from_be_bytes(take(&mut rest)?),
            },
            b'd' => PageToken::AtDocument {
                trace: u32::from_be_bytes(take(&mut rest)?),
                document: u32::from_be_bytes(take(&mut rest)?),
                nodes: u32::from_be_bytes(take(&mut rest)?),
            },
            b'p' => PageToken::AtTime(Timestamp::from_micros(i64::from_be_bytes(take(&mut rest)?))),
            _ => return Err(PageTokenFault::Unknown),
        };
        if !rest.is_empty() {
            return Err(PageTokenFault::Unknown);
        }
        if token_query != query {
            return Err(PageTokenFault::OtherQuery);
        }
        Ok(token)
    }

    const fn list(&self) -> u8 {
        match self {
            PageToken::AfterTrace { .. } => b't',
            PageToken::AfterScan { .. } => b'n',
            PageToken::AfterService { .. } => b'g',
            PageToken::AtDocument { .. } => b'd',
            PageToken::AtTime(_) => b'p',
        }
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], PageTokenFault> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(PageTokenFault::Unknown)?;
    *bytes = rest;
    Ok(*taken)
}

/// A hash of a query's parameters that is the same in every process and version (FNV-1a, 64
/// bits). It tells parameters changed by mistake, and is no protection against intent: there is
/// nothing to protect.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of nothing yet, for the list of this name.
    pub fn of(list: &str) -> Self {
        Self(0xcbf2_9ce4_8422_2325).with_text(list)
    }

    /// Takes in a text.
    #[must_use]
    pub fn with_text(self, text: &str) -> Self {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        self.with_bytes(text.as_bytes()).with_number(text.len() as u64)
    }

    /// Takes in a number.
    #[must_use]
    pub fn with_number(self, number: u64) -> Self {
        self.with_bytes(&number.to_be_bytes())
    }

    /// Takes in a trace id.
    #[must_use]
    pub fn with_id(self, id: TraceId) -> Self {
        self.with_bytes(&id.to_bytes())
    }

    /// Takes in a time.
    #[must_use]
    pub fn with_time(self, time: Timestamp) -> Self {
        self.with_bytes(&time.as_micros().to_be_bytes())
    }

    /// The fingerprint of all that was taken in. Mixed once more at the end (the finalizer of
    /// SplitMix64), so that all its bits depend on all of the input, and a part of them is as
    /// good a hash as the whole.
    pub const fn finish(self) -> u64 {
        let hash = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^ (hash >> 31)
    }

    fn with_bytes(self, bytes: &[u8]) -> Self {
        let step =
            |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(bytes.iter().fold(self.0, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_trace() -> PageToken {
        PageToken::AfterTrace {
            time: Timestamp::from_micros(1_795_334_983_877_574),
            id: "1-581cf771-a006649127e371903a2de979".parse().unwrap(),
        }
    }

    #[test]
    fn tokens_come_back_as_they_were() {
        let after_service = PageToken::AfterService { reference_id: 1000, given_way: u64::MAX };
        let at_document = PageToken::AtDocument { trace: 99, document: 100, nodes: u32::MAX };
        let id = "1-581cf771-a006649127e371903a2de979".parse().unwrap();
        let after_scan = PageToken::AfterScan { time: Timestamp::MAX, id, scanned: u64::MAX };
        let at_time = PageToken::AtTime(Timestamp::MAX);
        for token in [after_trace(), after_scan, after_service, at_document, at_time] {
            let text = token.encode(77);
            assert!(text.len() <= MAX_TOKEN_CHARACTERS, "{text}");
            assert_eq!(PageToken::read(Some(&text), 77), Ok(Some(token)));
            assert_eq!(PageToken::read(Some(&text), 78), Err(PageTokenFault::OtherQuery));
        }
    }

    #[test]
    fn none_and_an_empty_token_mean_the_first_page() {
        assert_eq!(PageToken::read(None, 77), Ok(None));
        assert_eq!(PageToken::read(Some(""), 77), Ok(None));
    }

    #[test]
    fn what_is_not_a_token_is_refused() {
        let check = |text: &str| {
            let read = PageToken::read(Some(text), 77);
            assert_eq!(read, Err(PageTokenFault::Unknown), "{text:?}");
        };
        let good = after_trace().encode(77);
        check("x");
        check("AA");
        check("not base64 at all!");
        check(&good[1..]);
        check(&good[..good.len() - 1]);
        check(&format!("{good}AA"));
        check(&"A".repeat(MAX_TOKEN_CHARACTERS + 1));
        let other_version = URL_SAFE_NO_PAD.encode([2, b't']);
        check(&other_version);
    }

    #[test]
    fn fingerprints_tell_parameters_apart() {
        let of = |a: &str, b: &str| Fingerprint::of("x").with_text(a).with_text(b).finish();
        assert_eq!(of("ab", "c"), of("ab", "c"));
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_ne!(of("", "a"), of("a", ""));
        // Written down, because tokens outlive the process that made them.
        assert_eq!(Fingerprint::of("TraceSummaries").finish(), FINGERPRINT_OF_LIST);
    }

    const FINGERPRINT_OF_LIST: u64 = 15_403_439_830_717_556_405;
}
