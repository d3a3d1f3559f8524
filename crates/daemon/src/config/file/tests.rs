//! Tests of what stands in a `cfg.yaml`. What is expected was looked up with the official daemon's
//! own reader.

use super::*;
use crate::config::test_files::MapFiles;

/// What a file that was named sets, as `key=value` lines, or what is wrong with it.
fn named(text: &str) -> String {
    outcome(FileValues::load(Some("f"), &MapFiles::of(&[("f", text)])))
}

/// The same for one that was found.
fn found(text: &str) -> String {
    outcome(FileValues::load(None, &MapFiles::of(&[("cfg.yaml", text)])))
}

fn outcome(loaded: Result<FileValues, Vec<String>>) -> String {
    match loaded {
        Ok(FileValues(values)) => {
            values.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        }
        Err(lines) => lines.join("\n").replace("Error occur when using config flag: ", ""),
    }
}

/// A key of version 2 alone, so that each case is one line.
fn check(text: &str, expect: &str) {
    assert_eq!(named(&format!("Version: 2\n{text}\n")), expect, "{text}");
}

#[test]
fn values() {
    check("", "");
    check("Region: eu-west-1", "Region=eu-west-1");
    check("Region: 'eu-west-1' # why", "Region=eu-west-1");
    check("Region: 12", "Region=12");
    check("Region: yes", "Region=yes");
    check("Region: ~", "");
    check("Region: ''", "");
    check("Region: !!str 0x10", "Region=0x10");
    check("Region: a\nRegion: b", "Region=b");
    check("Region: a\nRegion:", "");
    check("Region: &r a\nEndpoint: *r", "Endpoint=a Region=a");
    check("Concurrency: 0x10", "Concurrency=16");
    check("Concurrency: 8.9", "Concurrency=8");
    check("Concurrency: 1_000", "Concurrency=1000");
    check("Concurrency: 0", "");
    check("Concurrency: null", "");
    for yes in ["y", "Yes", "TRUE", "on"] {
        check(&format!("LocalMode: {yes}"), "LocalMode=true");
    }
    for no in ["n", "No", "false", "OFF"] {
        check(&format!("LocalMode: {no}"), "LocalMode=false");
    }
    check("Socket: {UDPAddress: 'a:1'}", "Socket.UDPAddress=a:1");
    check(
        "Socket:\n  UDPAddress: a:1\n  TCPAddress: :2",
        "Socket.TCPAddress=:2 Socket.UDPAddress=a:1",
    );
    check(
        "Socket: &s {UDPAddress: u}\nLogging: {LogPath: l}",
        "Logging.LogPath=l Socket.UDPAddress=u",
    );
    check(
        "Socket:\n  <<: {UDPAddress: a, TCPAddress: b}\n  UDPAddress: c",
        "Socket.TCPAddress=b Socket.UDPAddress=c",
    );
    check("--- \nRegion: second", "");
}

#[test]
fn lists_of_ours() {
    check("Destination: [aws, 'http://r']", "Destination=aws,http://r");
    check("Destination: aws", "Destination=aws");
    check("Destination: []", "");
    check("NoProxy:\n- a\n- b", "NoProxy=a,b");
    check(
        "Destination: [[aws]]",
        "yaml: unmarshal errors:\n  line 2: cannot unmarshal !!seq into string",
    );
    check(
        "Policy: {DropPaths: [health]}",
        "f: Policy.DropPaths: \"health\": expected paths such as /health,/internal/*, each beginning with / or *",
    );
}

#[test]
fn wrong_values_of_ours_are_told_together() {
    let text =
        "Version: 2\nAttempts: 0\nPolicy: {KeepShare: 2}\nRegion: fine\nLogging: {Format: xml}";
    let check = |named: Option<&str>, path: &str| {
        let expect = [
            ("Attempts: \"0\"", "a whole number from 1 to 100"),
            ("Policy.KeepShare: \"2\"", "a number from 0 to 1"),
            ("Logging.Format: \"xml\"", "text or json"),
        ]
        .map(|(value, expected)| {
            format!("Error occur when using config flag: {path}: {value}: expected {expected}")
        });
        let loaded = FileValues::load(named, &MapFiles::of(&[(path, text)]));
        assert_eq!(loaded.unwrap_err(), expect);
    };
    check(Some("mine.yaml"), "mine.yaml");
    check(None, "cfg.yaml");
    check(None, "/etc/amazon/xray/cfg.yaml");
}

#[test]
fn wrong_types() {
    let check = |text: &str, expect: &str| {
        check(text, &format!("yaml: unmarshal errors:\n  line {expect}"));
    };
    check("Concurrency: many", "2: cannot unmarshal !!str `many` into int");
    check("Concurrency: '8'", "2: cannot unmarshal !!str `8` into int");
    check("Concurrency: twelve letters", "2: cannot unmarshal !!str `twelve ...` into int");
    check("Concurrency: true", "2: cannot unmarshal !!bool `true` into int");
    check("Concurrency: .inf", "2: cannot unmarshal !!float `.inf` into int");
    check("Concurrency: [1]", "2: cannot unmarshal !!seq into int");
    check("LocalMode: 1", "2: cannot unmarshal !!int `1` into bool");
    check("LocalMode: 'true'", "2: cannot unmarshal !!str `true` into bool");
    check("Region: [a]", "2: cannot unmarshal !!seq into string");
    check("Socket: {UDPAddress: {a: b}}", "2: cannot unmarshal !!map into string");
    check(
        "Concurrency: a\n\nLocalMode: b",
        "2: cannot unmarshal !!str `a` into int\n  line 4: cannot unmarshal !!str `b` into bool",
    );
}

#[test]
fn whole_documents() {
    let version = "Config Version Setting is not correct. Use X-Ray Daemon Config Migration Script to update the config file. Please refer to AWS X-Ray Documentation for more information.";
    let missing = "Config Version is missing. Use X-Ray Daemon Config Migration Script to update the config file. Please refer to AWS X-Ray Documentation for more information.";
    let both = |text: &str, of_named: &str, of_found: &str| {
        assert_eq!(named(text), of_named, "{text:?}");
        assert_eq!(found(text), of_found, "{text:?}");
    };
    both("Version: 1", "", "");
    both("\u{feff}Version: 2", "", "");
    both("{Version: 2, Region: a}", "Region=a", "Region=a");
    both("Version: 0x2\n---\nVersion: 3", "", "");
    for text in
        ["", "# nothing", "~", "{}", "---\n", "Version: 3", "Version:", "Version: 0", "Version: -1"]
    {
        both(text, version, version);
    }
    both("Region: a", missing, version);
    both(
        "- Version",
        "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into yaml.MapSlice",
        "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into cfg.Config",
    );
    both(
        "Version",
        "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `Version` into yaml.MapSlice",
        "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `Version` into cfg.Config",
    );
    both(
        "Version: 2\nSocket: a",
        "Socket flag is invalid. Please refer to AWS X-Ray Documentation for more information.",
        "yaml: unmarshal errors:\n  line 2: cannot unmarshal !!str `a` into struct { UDPAddress string \"yaml:\\\"UDPAddress\\\"\"; TCPAddress string \"yaml:\\\"TCPAddress\\\"\" }",
    );
    both(
        "Version: 2\nFoo: {a: 1}\nRegion: b",
        "Foo.a flag is invalid. Please refer to AWS X-Ray Documentation for more information.",
        "Region=b",
    );
    both(
        "Version: 2\nRegion:\n  a: 1",
        "Region.a flag is invalid. Please refer to AWS X-Ray Documentation for more information.",
        "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!map into string",
    );
}

#[test]
fn keys() {
    let unknown = " flag is invalid. Please refer to AWS X-Ray Documentation for more information.";
    let gone = " flag is not supported any more. Please refer to AWS X-Ray Documentation for more information.";
    let moved = " flag is not supported. Use X-Ray Daemon Config Migration Script to update the config file. Please refer to AWS X-Ray Documentation for more information.";
    let refused = |text: &str, key: &str, why: &str| check(text, &format!("{key}{why}"));
    refused("Foo: 1", "Foo", unknown);
    refused("region: a", "region", unknown);
    refused("Region: a\nFoo: 1\nBar: 2", "Foo", unknown);
    refused("Socket:", "Socket", unknown);
    refused("0x10: a", "16", unknown);
    refused("yes: a", "true", unknown);
    refused("~: a", "<nil>", unknown);
    for key in GONE {
        let (section, inner) = key.split_once('.').unwrap();
        refused(&format!("{section}: {{{inner}: 1}}"), key, gone);
    }
    for key in MOVED {
        match key.split_once('.') {
            Some((section, inner)) => refused(&format!("{section}: {{{inner}: 1}}"), key, moved),
            None => refused(&format!("{key}: 1"), key, moved),
        }
    }
    check("Socket: {}", "");
}

#[test]
fn bad_yaml() {
    check("\tx: [", "yaml: line 2: found a tab character that violates indentation");
    check("Region: *a", "yaml: unknown anchor 'a' referenced");
    check("Region: &a [*a]", "yaml: anchor 'a' value contains itself");
    check("Region: !!int a", "yaml: cannot decode !!str `a` as a !!int");
    check("<<: a", "yaml: map merge requires map or sequence of maps as the value");
    assert_eq!(
        outcome(FileValues::load(Some("f"), &MapFiles::default().with("f", b"Region: \xff"))),
        "yaml: invalid leading UTF-8 octet"
    );
}

#[test]
fn aliases_of_aliases_are_bounded() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = format!("*a{}", level - 1);
        text.push_str(&format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", ")));
    }
    check(&text, "yaml: document contains excessive aliasing");
    let deep = format!("a: {}{}", "[".repeat(64), "]".repeat(64));
    check(&deep, "yaml: line 2: more than 64 levels");
}

#[test]
fn files() {
    let check = |files: &[(&str, &str)], named: Option<&str>, expect: &str| {
        assert_eq!(outcome(FileValues::load(named, &MapFiles::of(files))), expect);
    };
    let etc = ("/etc/amazon/xray/cfg.yaml", "Version: 2\nRegion: etc");
    let here = ("cfg.yaml", "Version: 2\nRegion: here");
    let other = ("other.yaml", "Version: 2\nRegion: other");
    check(&[], None, "");
    check(&[here], None, "Region=here");
    check(&[here, etc], None, "Region=etc");
    check(&[here, etc, other], Some("other.yaml"), "Region=other");
    check(&[here, etc], Some("other.yaml"), "open other.yaml: no such file or directory");
}

#[test]
fn files_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cfg.yaml");
    assert!(!ProcessFiles.exists(&path));
    std::fs::write(&path, "0123456789").unwrap();
    assert!(ProcessFiles.exists(&path));
    assert_eq!(ProcessFiles.read(&path, 4).unwrap(), b"0123");
    assert_eq!(ProcessFiles.read(&path, 40).unwrap(), b"0123456789");
    let error = FileError::Read {
        path: "x".to_owned(),
        source: ProcessFiles.read(folder.path(), 1).unwrap_err(),
    };
    assert_eq!(error.to_string(), "Error occur when using config flag: open x: is a directory");
}
