//! The console's files.

use crate::harness::Running;

#[test]
fn the_console_comes_with_its_headers() {
    let server = Running::start();
    let reply = server.get("/");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.header("cache-control"), Some("no-cache"));
    assert_eq!(reply.header("vary"), Some("accept-encoding"));
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    assert!(reply.header("content-security-policy").unwrap().contains("default-src 'none'"));
    assert!(reply.text().contains("<!doctype html>"));

    let etag = reply.header("etag").unwrap().to_owned();
    let again = server.send("GET", "/", &[("If-None-Match", &etag)], b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = server.send("HEAD", "/index.html", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn smaller_codings_are_used_when_taken() {
    let server = Running::start();
    let asset = roentgen_console::asset("/").unwrap();
    let check = |accept: &str, coding: Option<&str>, length: usize| {
        let reply = server.send("GET", "/", &[("Accept-Encoding", accept)], b"");
        assert_eq!(reply.header("content-encoding"), coding, "{accept}");
        assert_eq!(reply.body.len(), length, "{accept}");
    };
    check("identity", None, asset.identity.len());
    if let Some(brotli) = asset.brotli {
        check("gzip, deflate, br", Some("br"), brotli.len());
    }
    if let Some(gzip) = asset.gzip {
        check("gzip, deflate", Some("gzip"), gzip.len());
    }
}

#[test]
fn missing_files_are_missing() {
    let server = Running::start();
    for path in ["/assets/gone-0000.js", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/traces"] {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
}
