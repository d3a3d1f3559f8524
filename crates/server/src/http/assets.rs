//! The console's files.

use axum::body::Body;
use axum::response::Response;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use roentgen_console::{Asset, SECURITY_HEADERS, asset};

/// The file at a path, in the smallest coding that the browser takes; 304 when it has it already,
/// 404 when there is none.
pub(super) fn serve(path: &str, request: &HeaderMap) -> Response {
    let Some(asset) = asset(path) else {
        let mut reply = Response::new(Body::from(
            "404: there is no such page here; operations of X-Ray are asked for by POST\n",
        ));
        *reply.status_mut() = StatusCode::NOT_FOUND;
        reply
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        return reply;
    };
    let mut reply = if is_known(asset, request) {
        let mut reply = Response::new(Body::empty());
        *reply.status_mut() = StatusCode::NOT_MODIFIED;
        reply
    } else {
        let (coding, bytes) = choose_coding(asset, request);
        let mut reply = Response::new(Body::from(bytes));
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.mime));
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        reply
    };
    let headers = reply.headers_mut();
    headers.insert(ETAG, HeaderValue::from_static(asset.etag));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(asset.cache_control()));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    for (name, value) in SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    reply
}

fn is_known(asset: &Asset, request: &HeaderMap) -> bool {
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|tag| {
            let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
            tag.trim() == "*" || strong(tag) == strong(asset.etag)
        })
}

fn choose_coding(asset: &Asset, request: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
    let takes = |coding: &str| accepts(request, coding);
    match (asset.brotli, asset.gzip) {
        (Some(bytes), _) if takes("br") => (Some("br"), bytes),
        (_, Some(bytes)) if takes("gzip") => (Some("gzip"), bytes),
        _ => (None, asset.identity),
    }
}

/// Whether `Accept-Encoding` names a coding without refusing it (`q=0`).
fn accepts(request: &HeaderMap, coding: &str) -> bool {
    request
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let weight = parameters.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
            name.trim().eq_ignore_ascii_case(coding) && weight != Some(0.0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_negotiated() {
        let asset = Asset {
            path: "a.js",
            mime: "text/javascript",
            etag: "W/\"1\"",
            immutable: true,
            identity: b"plain",
            gzip: Some(b"gz"),
            brotli: Some(b"b"),
        };
        let check = |accept: &'static str, expect: Option<&str>| {
            let request =
                HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(accept))]);
            assert_eq!(choose_coding(&asset, &request).0, expect, "{accept}");
        };
        check("gzip, deflate, br, zstd", Some("br"));
        check("gzip, deflate", Some("gzip"));
        check("br;q=0, gzip;q=0.5", Some("gzip"));
        check("GZIP", Some("gzip"));
        check("identity", None);
        check("", None);
        assert_eq!(choose_coding(&asset, &HeaderMap::new()).0, None);
    }

    #[test]
    fn browsers_that_have_a_file_are_told_so() {
        let etag = asset("/").unwrap().etag;
        let check = |value: String, expect: StatusCode| {
            let request =
                HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_str(&value).unwrap())]);
            let reply = serve("/", &request);
            assert_eq!(reply.status(), expect, "{value}");
            assert_eq!(reply.headers()[ETAG], etag);
            assert_eq!(reply.headers()[CACHE_CONTROL], "no-cache");
        };
        check(etag.to_owned(), StatusCode::NOT_MODIFIED);
        check(etag.trim_start_matches("W/").to_owned(), StatusCode::NOT_MODIFIED);
        check(format!("\"other\", {etag}"), StatusCode::NOT_MODIFIED);
        check("*".to_owned(), StatusCode::NOT_MODIFIED);
        check("\"other\"".to_owned(), StatusCode::OK);
    }
}
