//! Roentgen's web console, embedded.
//!
//! This crate is the npm project of the console and, for the server, a read-only table of its files: plain and
//! compressed ahead of time, so that serving one copies bytes and nothing else. `rs/build.rs` fills the table.
//! The server decides how they are served; the header values that belong to the files are constants here.

/// One file of the console.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Path below the server's root, without a leading slash, e.g. `assets/index-1a2b3c.js`.
    pub path: &'static str,
    /// Value of `Content-Type`.
    pub mime: &'static str,
    /// Value of `ETag`, quotes included. Weak: it names the file whatever its content coding.
    pub etag: &'static str,
    /// True when the path changes with the content, so that browsers may keep the file for ever.
    pub immutable: bool,
    /// The file as it is.
    pub identity: &'static [u8],
    /// The file for `Content-Encoding: gzip`; none where that would not be smaller.
    pub gzip: Option<&'static [u8]>,
    /// The file for `Content-Encoding: br`. Chromium asks for it on HTTPS and loopback addresses only.
    pub brotli: Option<&'static [u8]>,
}

impl Asset {
    /// Value of `Cache-Control`: for ever, or to be asked for each time (the answer is mostly 304).
    #[must_use]
    pub fn cache_control(&self) -> &'static str {
        if self.immutable { "public, max-age=31536000, immutable" } else { "no-cache" }
    }
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Value of `Content-Security-Policy` for every file of the console. Nothing inline, nothing from elsewhere.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// Further headers for every file of the console, in lower case.
pub const SECURITY_HEADERS: [(&str, &str); 3] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
];

/// The file at a request path, with or without its leading slash; the empty path is `index.html`.
///
/// A missing file stays missing: answering with `index.html` instead would hand an old tab a page where it asked for
/// a script of the build before.
#[must_use]
pub fn asset(path: &str) -> Option<&'static Asset> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = if path.is_empty() { "index.html" } else { path };
    let idx = ASSETS.binary_search_by(|asset| asset.path.cmp(path)).ok()?;
    ASSETS.get(idx)
}

/// Every file, sorted by path.
#[must_use]
pub fn assets() -> &'static [Asset] {
    ASSETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_path_is_the_index_page() {
        for path in ["", "/", "index.html", "/index.html"] {
            let index = asset(path).expect("index.html is always there");
            assert_eq!(index.path, "index.html");
            assert_eq!(index.mime, "text/html; charset=utf-8");
            assert_eq!(index.cache_control(), "no-cache");
            assert!(index.identity.starts_with(b"<!doctype html>"));
        }
    }

    #[test]
    fn unknown_paths_are_missing() {
        for path in ["/assets/gone-0000.js", "/index.htm", "//", "/../Cargo.toml", "/index.html.br"]
        {
            assert!(asset(path).is_none(), "{path}");
        }
    }

    #[test]
    fn every_file_is_found_by_its_path_and_well_described() {
        for file in assets() {
            let found = asset(file.path).expect(file.path);
            assert_eq!(found.etag, file.etag, "{}", file.path);
            assert!(file.etag.starts_with("W/\"") && file.etag.ends_with('"'), "{}", file.etag);
            assert_ne!(file.mime, "application/octet-stream", "{} has no known type", file.path);
            assert_eq!(file.immutable, file.path.starts_with("assets/"), "{}", file.path);
            for smaller in [file.gzip, file.brotli].into_iter().flatten() {
                assert!(smaller.len() < file.identity.len(), "{}", file.path);
            }
        }
    }

    #[test]
    fn the_index_page_names_only_files_that_are_embedded() {
        let index = asset("/").expect("index.html is always there");
        let page = std::str::from_utf8(index.identity).expect("the page is UTF-8");
        let named: Vec<&str> = page
            .split('"')
            .filter(|text| text.starts_with("./assets/") || text.starts_with("/assets/"))
            .collect();
        assert_eq!(
            named.is_empty(),
            IS_STUB,
            "a built page loads scripts, the stub loads none: {named:?}"
        );
        for path in named {
            assert!(asset(path.trim_start_matches('.')).is_some(), "{path}");
        }
    }

    #[test]
    fn the_policy_allows_nothing_unsafe() {
        assert!(!CONTENT_SECURITY_POLICY.contains("unsafe"));
        assert!(!CONTENT_SECURITY_POLICY.contains('*'));
        assert!(CONTENT_SECURITY_POLICY.contains("default-src 'none'"));
        // The continuation lines of the literal must not leave runs of spaces in the header.
        assert!(!CONTENT_SECURITY_POLICY.contains("  "));
    }
}
