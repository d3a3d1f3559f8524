//! Segments of about one kilobyte, three to a trace, made fast enough not to be what is measured.
//!
//! A document is written once; for every next one only its ids and times are overwritten in place.
//! The three services of a trace call each other, so the server has edges to draw and no inferred
//! segments for calls that a real segment answers.

use std::time::Duration;

/// Segments of one trace: a front end, a service behind it, and one behind that.
pub(super) const SEGMENTS_PER_TRACE: u64 = 3;

/// Where a document's changing parts stand; each mark has the width of what replaces it.
const TRACE_MARK: &str = "1-eeeeeeee-tttttttttttttttttttttttt";
const ID_MARK: &str = "iiiiiiiiiiiiiiii";
const CALL_MARK: &str = "cccccccccccccccc";
const PARENT_MARK: &str = "pppppppppppppppp";
const START_MARK: &str = "1000000000.000000";
const END_MARK: &str = "2000000000.000000";

/// How long every segment takes.
const RESPONSE_TIME: Duration = Duration::from_millis(25);

/// One prepared document and the places to overwrite.
#[derive(Debug, Clone)]
pub(super) struct Template {
    text: Vec<u8>,
    places: Vec<(usize, Part)>,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Trace,
    Id,
    Call,
    Parent,
    Start,
    End,
}

impl Template {
    /// The documents of a trace in order, each as the text that stands in a datagram.
    pub(super) fn of_trace() -> [Self; 3] {
        ["storefront", "orders", "payments"].map(|service| Self::new(document(service)))
    }

    /// The body of a PutTraceSegments call with `count` documents, the first of them being segment
    /// `first % SEGMENTS_PER_TRACE` of its trace. Documents stand in it as JSON strings.
    pub(super) fn of_call(first: u64, count: u64) -> CallTemplate {
        let documents = Self::of_trace();
        let mut text = Vec::from(*br#"{"TraceSegmentDocuments":["#);
        let mut slots = Vec::new();
        for (number, template) in (first..first + count).zip(in_order(&documents, first)) {
            if number > first {
                text.push(b',');
            }
            let start = text.len();
            let escaped = format!("{:?}", String::from_utf8_lossy(&template.text));
            text.extend_from_slice(escaped.as_bytes());
            slots.push(places(&text, start));
        }
        text.extend_from_slice(b"]}");
        CallTemplate { text, slots }
    }

    fn new(text: String) -> Self {
        let text = text.into_bytes();
        let places = places(&text, 0);
        Self { text, places }
    }

    /// The document of segment `number`, which starts `start` after 1970.
    pub(super) fn fill(&mut self, number: u64, start: Duration) -> &[u8] {
        fill(&mut self.text, &self.places, number, start);
        &self.text
    }
}

/// A prepared PutTraceSegments body.
#[derive(Debug, Clone)]
pub(super) struct CallTemplate {
    text: Vec<u8>,
    slots: Vec<Vec<(usize, Part)>>,
}

impl CallTemplate {
    /// The body with segments `first..` that start `start` after 1970.
    pub(super) fn fill(&mut self, first: u64, start: Duration) -> &[u8] {
        for (number, places) in (first..).zip(&self.slots) {
            fill(&mut self.text, places, number, start);
        }
        &self.text
    }
}

fn in_order(documents: &[Template; 3], first: u64) -> impl Iterator<Item = &Template> {
    let skipped = usize::try_from(first % SEGMENTS_PER_TRACE).unwrap_or(0);
    documents.iter().cycle().skip(skipped)
}

/// Every mark at or after `from`, in its place.
fn places(text: &[u8], from: usize) -> Vec<(usize, Part)> {
    let marks = [
        (TRACE_MARK, Part::Trace),
        (ID_MARK, Part::Id),
        (CALL_MARK, Part::Call),
        (PARENT_MARK, Part::Parent),
        (START_MARK, Part::Start),
        (END_MARK, Part::End),
    ];
    let mut places = Vec::new();
    for (mark, part) in marks {
        let windows = text.windows(mark.len()).enumerate().skip(from);
        places.extend(
            windows.filter(|(_, found)| *found == mark.as_bytes()).map(|(place, _)| (place, part)),
        );
    }
    places
}

fn fill(text: &mut [u8], places: &[(usize, Part)], number: u64, start: Duration) {
    let trace = number / SEGMENTS_PER_TRACE;
    for &(place, part) in places {
        let value = match part {
            Part::Trace => format!(
                "1-{:08x}-{:016x}{:08x}",
                // The epoch of an X-Ray trace id has 32 bits.
                start.as_secs() & 0xffff_ffff,
                scattered(trace),
                trace & 0xffff_ffff
            ),
            Part::Id => format!("{:016x}", scattered(2 * number)),
            Part::Call => format!("{:016x}", scattered(2 * number + 1)),
            // The subsegment with which the segment before called this one.
            Part::Parent => format!("{:016x}", scattered((2 * number).wrapping_sub(1))),
            Part::Start => seconds(start),
            Part::End => seconds(start + RESPONSE_TIME),
        };
        if let Some(slot) = text.get_mut(place..place + value.len()) {
            slot.copy_from_slice(value.as_bytes());
        }
    }
}

/// Epoch seconds with six decimals: as wide as the marks until the year 2286.
fn seconds(time: Duration) -> String {
    format!("{:010}.{:06}", time.as_secs(), time.subsec_micros())
}

/// Numbers that look random and never repeat: the finaliser of SplitMix64 is a bijection.
fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn document(service: &str) -> String {
    let parent = match service {
        "storefront" => String::new(),
        _ => format!(r#""parent_id":"{PARENT_MARK}","#),
    };
    format!(
        r#"{{"name":"{service}","id":"{ID_MARK}","trace_id":"{TRACE_MARK}",{parent}"start_time":{START_MARK},"end_time":{END_MARK},"origin":"AWS::ECS::Container","user":"customer-4711","http":{{"request":{{"method":"GET","url":"https://shop.example.com/{service}/basket/81723","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0","client_ip":"203.0.113.17"}},"response":{{"status":200,"content_length":4821}}}},"aws":{{"ecs":{{"container":"{service}-7d9f6c5b8-x2x4q"}},"xray":{{"sdk":"X-Ray for Python","sdk_version":"2.15.0","sampling_rule_name":"Default"}}}},"service":{{"version":"2026.11.3","runtime":"CPython","runtime_version":"3.13.1"}},"annotations":{{"tenant":"acme","region":"eu-central-1","items":3,"express":true}},"metadata":{{"default":{{"basket":["apple","pear","plum"],"currency":"EUR"}}}},"subsegments":[{{"name":"next.shop.example.com","id":"{CALL_MARK}","start_time":{START_MARK},"end_time":{END_MARK},"namespace":"remote","http":{{"request":{{"method":"GET","url":"https://next.shop.example.com/"}},"response":{{"status":200}}}}}}]}}"#
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    const EPOCH: Duration = Duration::from_millis(1_795_334_983_250);

    fn documents_of_call(first: u64, count: u64) -> Vec<Value> {
        let mut template = Template::of_call(first, count);
        let body: Value = serde_json::from_slice(template.fill(first, EPOCH)).expect("JSON");
        body["TraceSegmentDocuments"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|text| serde_json::from_str(text.as_str().expect("a string")).expect("JSON"))
            .collect()
    }

    #[test]
    fn documents_have_about_a_kilobyte() {
        for mut template in Template::of_trace() {
            let length = template.fill(0, EPOCH).len();
            assert!((1000..1300).contains(&length), "{length}");
        }
    }

    #[test]
    fn three_segments_make_a_connected_trace() {
        let documents = documents_of_call(6, 3);
        for document in &documents {
            assert_eq!(document["trace_id"], documents[0]["trace_id"]);
            assert_eq!(document["start_time"], 1_795_334_983.25);
        }
        assert!(documents[0].get("parent_id").is_none());
        for pair in documents.windows(2) {
            assert_eq!(pair[1]["parent_id"], pair[0]["subsegments"][0]["id"]);
        }
    }

    #[test]
    fn calls_continue_each_other_and_never_repeat_an_id() {
        let documents: Vec<Value> =
            [0, 50, 100].iter().flat_map(|first| documents_of_call(*first, 50)).collect();
        let texts = |pointer: &str| -> HashSet<&str> {
            documents
                .iter()
                .map(|document| document.pointer(pointer).and_then(Value::as_str).expect("text"))
                .collect()
        };
        assert_eq!(texts("/id").len(), 150);
        assert_eq!(texts("/subsegments/0/id").len(), 150);
        assert_eq!(texts("/trace_id").len(), 50);
        assert_eq!(documents[50]["trace_id"], documents[48]["trace_id"]);
    }
}
