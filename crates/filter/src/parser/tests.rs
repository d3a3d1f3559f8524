//! What the language takes and refuses, and that what is written reads back.

use proptest::prelude::*;

use super::*;
use crate::arbitrary::expression;
use crate::expression::Who;

/// The expression means the same as its canonical text, which reads back as itself.
fn check(text: &str, canonical: &str) {
    let expression = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(expression.to_string(), canonical, "{text}");
    assert_eq!(parse(canonical).as_ref(), Ok(&expression), "{canonical}");
}

fn check_error(text: &str, expect: &str) {
    match parse(text) {
        Ok(expression) => panic!("{text} is {expression:?}"),
        Err(error) => assert_eq!(error.to_string(), expect, "{text}"),
    }
}

#[test]
fn what_the_guide_shows() {
    check("responsetime > 5", "responsetime > 5");
    check("duration >= 5 AND duration <= 8", "duration >= 5 AND duration <= 8");
    check("ok !partial duration <3", "ok AND !partial AND duration < 3");
    check("ok = false", "ok = false");
    check("!ok", "!ok");
    check("http.status != 200", "http.status != 200");
    check("http.url CONTAINS \"/api/game/\"", "http.url CONTAINS \"/api/game/\"");
    check(
        "http.url BEGINSWITH \"http://api.example.com/\" AND http.url CONTAINS \"/v2/\" \
         AND !service(\"api.example.com\")",
        "http.url BEGINSWITH \"http://api.example.com/\" AND http.url CONTAINS \"/v2/\" \
         AND !service(\"api.example.com\")",
    );
    check("http.url AND responseTime > 2", "http.url AND responsetime > 2");
    check("service(\"api.example.com\") { fault }", "service(\"api.example.com\") { fault }");
    check("service() { fault }", "service() { fault }");
    check(
        "service(\"data-plane\") {root = true and fault = true}",
        "service(\"data-plane\") { root AND fault }",
    );
    check(
        "service(\"api\") { fault = true OR responsetime > 2.5 } AND annotation.foo = \"bar\"",
        "service(\"api\") { fault OR responsetime > 2.5 } AND annotation.foo = \"bar\"",
    );
    check("edge(\"a\", \"b\") { error }", "edge(\"a\", \"b\") { error }");
    check(
        "service(id(name: \"random-name\", type: \"AWS::Lambda::Function\")) { error }",
        "service(id(name: \"random-name\", type: \"AWS::Lambda::Function\")) { error }",
    );
    check("service(id(account.id: \"123\"))", "service(id(account.id: \"123\"))");
    check("annotation.gameid = \"817DL6VO\"", "annotation.gameid = \"817DL6VO\"");
    check("annotation.age > 29", "annotation.age > 29");
    check("annotation.age", "annotation.age");
    check("!annotation.age", "!annotation.age");
    check(
        "annotation[aws.local.operation]=\"GET /api/orders\"",
        "annotation[aws.local.operation] = \"GET /api/orders\"",
    );
    check(
        "(service(id(name: \"frontend\"  ))) AND (Annotation[aws.local.environment] = \"k8s:default\")",
        "service(\"frontend\") AND annotation[aws.local.environment] = \"k8s:default\"",
    );
    check(
        "group.name = \"high_response_time\" AND user = \"alice\"",
        "group.name = \"high_response_time\" AND user = \"alice\"",
    );
    check(
        "rootcause.fault.entity { last and name = \"deserialize\" }",
        "rootcause.fault.entity { last AND name = \"deserialize\" }",
    );
    check(
        "rootcause.responsetime.entity { remote and coverage > 0.7 and name = \"traces\" }",
        "rootcause.responsetime.entity { remote AND coverage > 0.7 AND name = \"traces\" }",
    );
    check(
        "rootcause.fault.service { inferred and name = traces and type = \"AWS::DynamoDB\" }",
        "rootcause.fault.service { inferred AND name = \"traces\" AND type = \"AWS::DynamoDB\" }",
    );
    check("rootcause.fault.service { index > 5 }", "rootcause.fault.service { index > 5 }");
    check(
        "rootcause.fault.exception { last and message = \"Access Denied\" }",
        "rootcause.fault.exception { last AND message = \"Access Denied\" }",
    );
    check(
        "rootcause.json = #[{ \"Services\": [ { \"Name\": \"GetWeatherData\" } ] }]",
        "rootcause.json = #[{\"Services\":[{\"Name\":\"GetWeatherData\"}]}]",
    );
}

#[test]
fn spellings() {
    check("", "");
    check(" \t\n ", "");
    check("OK aNd Fault", "ok AND fault");
    check("ok != true", "ok = false");
    check("ok != false", "ok");
    check("not fault", "!fault");
    check("!!fault", "!!fault");
    check("service", "service()");
    check("service {}", "service()");
    check("service{fault}", "service() { fault }");
    check("edge", "edge()");
    check("edge() {throttle}", "edge() { throttle }");
    check("http.statuscode = 404", "http.status = 404");
    check("responsetime", "responsetime");
    check("responsetime>=.5", "responsetime >= 0.5");
    check("duration < 1e-3", "duration < 0.001");
    check("annotation.delta > -5", "annotation.delta > -5");
    check("annotation.is_new = TRUE", "annotation.is_new = true");
    check("annotation.is_new != true", "annotation.is_new != true");
    check("annotation[\"odd ] key\"]", "annotation[\"odd ] key\"]");
    check("annotation[ spaced key ] = 5", "annotation[spaced key] = 5");
    check("ANNOTATION.Key", "annotation.Key");
    check("user ENDSWITH \"\"", "user ENDSWITH \"\"");
    check(r#"user = "a\"b\\c\d""#, r#"user = "a\"b\\c\\d""#);
    check("user = \"ünïcödé 你\"", "user = \"ünïcödé 你\"");
    check(
        "edge() { source.annotation.a destination.annotation[b.c] = 5 }",
        "edge() { source.annotation.a AND destination.annotation[b.c] = 5 }",
    );
    check("rootcause.json != #[] fault", "rootcause.json != #[] AND fault");
    check("rootcause.error.service {}", "rootcause.error.service { }");
    check("group.arn != \"arn:aws:xray\"", "group.arn != \"arn:aws:xray\"");
}

#[test]
fn and_binds_tighter_than_or() {
    check("ok OR error AND partial", "ok OR error AND partial");
    check("(ok OR error) AND partial", "(ok OR error) AND partial");
    check("ok (error OR fault) throttle", "ok AND (error OR fault) AND throttle");
    check("!(ok AND partial)", "!(ok AND partial)");
    check("((ok))", "ok");
    check("ok AND (error AND fault)", "ok AND error AND fault");
    check("ok OR (error OR fault)", "ok OR error OR fault");
    check("!(ok OR fault) user", "!(ok OR fault) AND user");
}

#[test]
fn errors_tell_where_and_what() {
    check_error(
        "duration < ",
        "Error Location: line 1, position 12 : Invalid input symbol: 'duration < '. \
         Expected a number, such as 5 or 0.25",
    );
    check_error(
        "service(\"api\") { fault } AND response_time > 5",
        "Error Location: line 1, position 38 : Invalid input symbol: 'response_'. \
         Expected a keyword of the trace; did you mean responsetime?",
    );
    check_error(
        "falt",
        "Error Location: line 1, position 3 : Invalid input symbol: 'fal'. \
         Expected a keyword of the trace; did you mean fault?",
    );
    check_error(
        "response > 3",
        "Error Location: line 1, position 9 : Invalid input symbol: 'response '. \
         Expected a keyword of the trace; did you mean responsetime?",
    );
    check_error(
        "annotations.age > 5",
        "Error Location: line 1, position 11 : Invalid input symbol: 'annotations'. \
         Expected a keyword of the trace; did you mean annotation?",
    );
    check_error(
        "http.status_code = 200",
        "Error Location: line 1, position 12 : Invalid input symbol: 'http.status_'. \
         Expected a keyword of the trace; did you mean http.statuscode?",
    );
    check_error(
        "user = and",
        "Error Location: line 1, position 8 : Invalid input symbol: 'user = a'. \
         Expected a text in double quotes",
    );
    check_error(
        "annotation['a'] = 1",
        "Error Location: line 1, position 12 : Invalid input symbol: 'annotation[''. \
         Expected the key of an annotation between [ and ]; did you mean straight double quotes?",
    );
    check_error(
        "er",
        "Error Location: line 1, position 1 : Invalid input symbol: 'e'. \
         Expected a keyword of the trace",
    );
    check_error(
        "ok\nAND zzz",
        "Error Location: line 2, position 5 : Invalid input symbol: 'z'. \
         Expected a keyword of the trace",
    );
    check_error(
        "http.url startswith \"x\"",
        "Error Location: line 1, position 10 : Invalid input symbol: 's'. \
         Expected a keyword of the trace; did you mean BEGINSWITH?",
    );
    check_error(
        "user == \"x\"",
        "Error Location: line 1, position 6 : Invalid input symbol: 'user ='. \
         Expected AND, OR or the end; did you mean =?",
    );
    check_error(
        "user = 'x'",
        "Error Location: line 1, position 8 : Invalid input symbol: 'user = ''. \
         Expected a text in double quotes; did you mean straight double quotes?",
    );
    check_error(
        "user = \"x",
        "Error Location: line 1, position 8 : Invalid input symbol: 'user = \"'. \
         Expected a text in double quotes; did you mean a closing \"?",
    );
    check_error(
        "ok && fault",
        "Error Location: line 1, position 4 : Invalid input symbol: 'ok &'. \
         Expected AND, OR or the end; did you mean AND?",
    );
    check_error(
        "responsetime CONTAINS \"5\"",
        "Error Location: line 1, position 14 : Invalid input symbol: 'responsetime C'. \
         Expected =, !=, <, <=, > or >= after a number",
    );
    check_error(
        "user > \"a\"",
        "Error Location: line 1, position 6 : Invalid input symbol: 'user >'. \
         Expected =, !=, CONTAINS, BEGINSWITH or ENDSWITH after a keyword that is a text",
    );
    check_error(
        "coverage > 0.5",
        "Error Location: line 1, position 1 : Invalid input symbol: 'c'. \
         Expected a keyword that has its place in the trace",
    );
    check_error(
        "service() { service() }",
        "Error Location: line 1, position 13 : Invalid input symbol: 's'. \
         Expected a keyword of service(…) { … }",
    );
    check_error(
        "edge(\"a\")",
        "Error Location: line 1, position 9 : Invalid input symbol: 'edge(\"a\")'. \
         Expected a comma and the called service",
    );
    check_error(
        "service(id())",
        "Error Location: line 1, position 12 : Invalid input symbol: 'service(id()'. \
         Expected name:, type: or account.id:, each at most once",
    );
    check_error(
        "annotation.",
        "Error Location: line 1, position 12 : Invalid input symbol: 'annotation.'. \
         Expected the key of an annotation after the dot",
    );
    check_error(
        "rootcause.json = #[{]",
        "Error Location: line 1, position 21 : Invalid input symbol: 'rootcause.json = #[{]'. \
         Expected JSON (key must be a string at line 1 column 3)",
    );
    check_error(
        "(ok",
        "Error Location: line 1, position 4 : Invalid input symbol: 'ok'. Expected AND, OR or )",
    );
    check_error(
        "ok )",
        "Error Location: line 1, position 4 : Invalid input symbol: 'ok )'. \
         Expected AND, OR or the end",
    );
}

#[test]
fn size_is_bounded() {
    let long = format!("user = \"{}\"", "x".repeat(100 << 10));
    assert_eq!(parse(&long), Err(FilterError::TooLong(long.len())));
    let nested = |levels: usize| format!("{}ok{}", "(".repeat(levels), ")".repeat(levels));
    assert_eq!(parse(&nested(MAX_NESTING)), parse("ok"));
    assert_eq!(
        parse(&nested(10_000)),
        Err(FilterError::TooDeep { line: 1, position: MAX_NESTING + 2 })
    );
    assert!(parse(&"!".repeat(10_000)).is_err());
    assert!(parse(&"service(){".repeat(2_000)).is_err());
    let wide = |terms: usize| vec!["ok"; terms].join(" OR ");
    let parsed = parse(&wide(MAX_TERMS)).unwrap();
    assert_eq!((parsed.to_string(), parsed.terms()), (wide(MAX_TERMS), MAX_TERMS));
    assert_eq!(parse(&wide(MAX_TERMS + 1)), Err(FilterError::TooManyTerms));
    let in_block = |terms: usize| format!("!(service() {{ {} }} fault)", wide(terms));
    let parsed = parse(&in_block(MAX_TERMS - 2)).unwrap();
    assert_eq!(parsed.terms(), MAX_TERMS);
    assert_eq!(parse(&in_block(MAX_TERMS - 1)), Err(FilterError::TooManyTerms));
}

#[test]
fn selectors() {
    let named = |name: &str| Who { name: Some(name.to_owned()), ..Who::default() };
    let check = |text: &str, expect: Selector| assert_eq!(parse_selector(text), Ok(expect));
    check("service(\"x\")", Selector::Service(named("x")));
    check("edge(\"a\", \"b\")", Selector::Edge(named("a"), named("b")));
    let typed = Who { kind: Some("t".to_owned()), ..named("x") };
    check("id(name: \"x\", type: \"t\")", Selector::Service(typed.clone()));
    check("SERVICE(id(type: \"t\", name: \"x\"))", Selector::Service(typed));
    let refused = |text: &str| assert!(parse_selector(text).is_err(), "{text}");
    refused("");
    refused("fault");
    refused("service()");
    refused("service(\"x\") { fault }");
    refused("service(\"x\") AND service(\"y\")");
}

proptest! {
    #[test]
    fn what_is_written_reads_back(expression in expression()) {
        let text = expression.to_string();
        prop_assert_eq!(parse(&text), Ok(expression), "{}", text);
    }

    #[test]
    fn any_text_has_an_answer(text in "\\PC*") {
        let _ = parse(&text).map_err(|error| error.to_string());
        let _ = parse_selector(&text);
    }

    /// Texts of the language's own pieces reach further into the parser.
    #[test]
    fn any_pieces_have_an_answer(pieces in prop::collection::vec(prop::sample::select(vec![
        "ok", "fault", "service", "edge", "(", ")", "{", "}", "[", "]", "\"a\"", "5", "!", "=", "<",
        "AND", "OR", "NOT", "annotation.", "annotation", "id", "name", ":", ",", "#[", "{\"",
        "rootcause.json", "rootcause.fault.entity", "group.name", "user", "CONTAINS", "ü", "\n",
    ]), 0..24)) {
        let text = pieces.join(" ");
        if let Ok(expression) = parse(&text) {
            prop_assert_eq!(parse(&expression.to_string()), Ok(expression), "{}", text);
        }
        let _ = parse(&pieces.concat());
    }
}
