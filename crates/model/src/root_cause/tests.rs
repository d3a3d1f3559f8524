//! The rules of root causes, one by one.

use crate::{Document, Names, RootCause, Trace, TraceId, assemble};

const TRACE: &str = "1-68000000-00000000000000000000000a";

/// A segment; `members` come last and so override the defaults.
fn segment(id: u64, members: &str) -> String {
    format!(
        r#"{{"id":"{id:016x}","trace_id":"{TRACE}","name":"app","start_time":10,"end_time":20,{members}}}"#
    )
}

fn subsegment(id: u64, name: &str, times: (f64, f64), members: &str) -> String {
    let (start, end) = times;
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"id":"{id:016x}","name":"{name}","start_time":{start},"end_time":{end}{comma}{members}}}"#
    )
}

fn holding(subsegments: &[String]) -> String {
    format!(r#""subsegments":[{}]"#, subsegments.join(","))
}

fn with_trace(documents: &[String], check: impl FnOnce(&Trace<'_>)) {
    let documents = documents
        .iter()
        .map(|text| Document::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{e}: {text}")))
        .collect();
    let id: TraceId = TRACE.parse().unwrap();
    check(&assemble(id, documents, &mut Names::default()).unwrap());
}

/// One line for each cause: services by `|`, their path by `>`, with what else is told.
fn lines(causes: &[RootCause]) -> Vec<String> {
    let line = |cause: &RootCause| {
        let services: Vec<String> = cause
            .services
            .iter()
            .map(|service| {
                let path: Vec<String> = service
                    .path
                    .iter()
                    .map(|entity| {
                        let remote = if entity.is_remote { " remote" } else { "" };
                        let coverage = entity.coverage.map(|c| format!(" {c}")).unwrap_or_default();
                        let exceptions: String = entity
                            .exceptions
                            .iter()
                            .map(|e| {
                                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                                format!(" {}: {}", text(&e.name), text(&e.message))
                            })
                            .collect();
                        format!("{}{remote}{coverage}{exceptions}", entity.name)
                    })
                    .collect();
                let inferred = if service.is_inferred { "inferred " } else { "" };
                format!("{inferred}{}", path.join(" > "))
            })
            .collect();
        let impact = if cause.client_impacting { "" } else { " (handled)" };
        format!("{}{impact}", services.join(" | "))
    };
    causes.iter().map(line).collect()
}

fn check_faults(documents: &[String], expect: &[&str]) {
    with_trace(documents, |trace| assert_eq!(lines(&trace.root_causes().faults), expect));
}

fn check_errors(documents: &[String], expect: &[&str]) {
    with_trace(documents, |trace| assert_eq!(lines(&trace.root_causes().errors), expect));
}

fn check_response_time(documents: &[String], expect: &[&str]) {
    with_trace(documents, |trace| assert_eq!(lines(&trace.root_causes().response_time), expect));
}

#[test]
fn what_ended_well_has_no_culprit() {
    let all_well = segment(1, &holding(&[subsegment(2, "work", (11.0, 12.0), "")]));
    check_faults(std::slice::from_ref(&all_well), &[]);
    check_errors(&[all_well], &[]);
}

#[test]
fn the_culprit_is_the_deepest_that_faulted() {
    let exceptions = r#""fault":true,"cause":{"exceptions":[{"id":"00000000000000aa","type":"KeyError","message":"no such key"}]}"#;
    let deep = subsegment(3, "deserialize", (12.0, 13.0), exceptions);
    let shallow =
        subsegment(2, "load", (11.0, 14.0), &format!(r#""fault":true,{}"#, holding(&[deep])));
    let root = segment(1, &format!(r#""fault":true,{}"#, holding(&[shallow])));
    check_faults(&[root], &["app > load > deserialize KeyError: no such key"]);
    check_faults(&[segment(1, r#""fault":true"#)], &["app"]);
}

#[test]
fn the_path_leads_through_called_and_inferred_segments() {
    let call = subsegment(2, "orders", (11.0, 14.0), r#""namespace":"remote","fault":true"#);
    let root = segment(1, &format!(r#""fault":true,{}"#, holding(&[call])));
    let aws = r#""namespace":"aws","fault":true,"aws":{"operation":"GetItem","table_name":"t"}"#;
    let table = subsegment(4, "DynamoDB", (12.0, 13.0), aws);
    let orders = segment(
        3,
        &format!(
            r#""name":"orders","parent_id":"0000000000000002","start_time":11,"end_time":14,"fault":true,{}"#,
            holding(&[table])
        ),
    );
    check_faults(
        &[root, orders],
        &["app > orders remote | orders > DynamoDB remote | inferred DynamoDB"],
    );
}

#[test]
fn a_fault_that_was_handled_does_not_impact_the_client() {
    let failed = subsegment(2, "cache", (11.0, 12.0), r#""fault":true"#);
    let root = segment(1, &holding(std::slice::from_ref(&failed)));
    check_faults(&[root], &["app > cache (handled)"]);
    // The root faulted for another reason: the chain is broken between them.
    let guarded = subsegment(3, "guarded", (11.0, 12.0), &holding(&[failed]));
    let other = subsegment(4, "other", (13.0, 14.0), r#""fault":true"#);
    let root = segment(1, &format!(r#""fault":true,{}"#, holding(&[guarded, other])));
    check_faults(&[root], &["app > guarded > cache (handled)", "app > other"]);
}

#[test]
fn several_culprits_come_in_the_order_of_the_tree_and_are_bounded() {
    let tries: Vec<String> = (0..30)
        .map(|n| {
            subsegment(
                100 - n,
                &format!("try {n}"),
                (11.0 + n as f64 / 10.0, 19.0),
                r#""fault":true"#,
            )
        })
        .collect();
    with_trace(&[segment(1, &holding(&tries))], |trace| {
        let faults = lines(&trace.root_causes().faults);
        assert_eq!(faults.len(), super::MAX_CAUSES);
        assert_eq!(faults.first().unwrap(), "app > try 0 (handled)");
        assert_eq!(faults.last().unwrap(), "app > try 19 (handled)");
    });
}

#[test]
fn errors_that_are_faults_count_as_faults() {
    let both = segment(1, r#""fault":true,"error":true"#);
    check_errors(std::slice::from_ref(&both), &[]);
    check_faults(&[both], &["app"]);
    check_errors(&[segment(1, r#""error":true,"throttle":true"#)], &["app"]);
}

#[test]
fn without_the_callers_segment_the_path_begins_at_what_is_known() {
    let lone = format!(
        r#"{{"id":"0000000000000005","trace_id":"{TRACE}","parent_id":"0000000000000001","type":"subsegment","name":"late","start_time":11,"end_time":12,"fault":true}}"#
    );
    with_trace(&[lone], |trace| {
        let causes = trace.root_causes();
        assert_eq!(lines(&causes.faults), ["late (handled)"]);
        assert_eq!(causes.faults[0].services[0].service, None);
        assert_eq!(causes.response_time, []);
    });
}

#[test]
fn long_paths_keep_their_ends() {
    let mut innermost = subsegment(1000, "culprit", (11.0, 12.0), r#""fault":true"#);
    for level in (0..120).rev() {
        innermost = subsegment(
            500 + level,
            &format!("level {level}"),
            (11.0, 12.0),
            &holding(&[innermost]),
        );
    }
    with_trace(&[segment(1, &holding(&[innermost]))], |trace| {
        let cause = &trace.root_causes().faults[0];
        let path = &cause.services[0].path;
        assert_eq!(path.len(), super::MAX_PATH);
        assert_eq!((path[0].name.as_str(), path[99].name.as_str()), ("app", "culprit"));
    });
}

#[test]
fn time_is_followed_to_whoever_took_most_of_it() {
    let half = subsegment(3, "parse", (11.0, 15.0), "");
    let more = subsegment(2, "load", (11.0, 18.0), &holding(&[half]));
    let less = subsegment(4, "render", (18.0, 19.0), "");
    check_response_time(&[segment(1, &holding(&[more, less]))], &["app 1 > load 0.7 > parse 0.4"]);
    // Nobody took half: it was the segment itself, or many.
    let many: Vec<String> = (0..5)
        .map(|n| subsegment(10 + n, "part", (10.0 + n as f64, 11.0 + n as f64), ""))
        .collect();
    check_response_time(&[segment(1, &holding(&many))], &["app 1"]);
}

#[test]
fn what_goes_on_behind_the_response_takes_no_time_of_it() {
    let asynchronous = subsegment(2, "later", (19.0, 90.0), "");
    let work = subsegment(3, "work", (10.0, 16.0), "");
    check_response_time(&[segment(1, &holding(&[asynchronous, work]))], &["app 1 > work 0.6"]);
}

#[test]
fn time_leads_through_called_segments() {
    let call = subsegment(2, "orders", (11.0, 20.0), r#""namespace":"remote""#);
    let root = segment(1, &holding(&[call]));
    let orders = segment(
        3,
        r#""name":"orders","parent_id":"0000000000000002","start_time":11.5,"end_time":19.5"#,
    );
    check_response_time(&[root, orders], &["app 1 > orders remote 0.9 | orders 0.8"]);
}

#[test]
fn an_open_or_instant_root_has_no_response_time() {
    check_response_time(&[segment(1, r#""in_progress":true,"end_time":null"#)], &[]);
    check_response_time(&[segment(1, r#""end_time":10"#)], &[]);
}

#[test]
fn the_cold_start_of_a_function() {
    // The shape of a capture that others published: 2.894 s, 0.863 of it in the initialization.
    let invocation =
        segment(1, r#""name":"fn","origin":"AWS::Lambda","start_time":10,"end_time":12.894"#);
    let function = segment(
        2,
        &format!(
            r#""name":"fn","origin":"AWS::Lambda::Function","parent_id":"0000000000000001","start_time":10.3,"end_time":12.798,{}"#,
            holding(&[subsegment(3, "Initialization", (10.3, 12.798), "")])
        ),
    );
    check_response_time(&[invocation, function], &["fn 1 | fn 0.863 > Initialization 0.863"]);
}
