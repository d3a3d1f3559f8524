//! Paths of requests, and patterns for them.

/// A path in which `*` stands for any text, also for none and for slashes.
#[derive(Debug)]
pub(super) struct Pattern {
    /// What is between the asterisks.
    parts: Vec<String>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self { parts: text.split('*').map(str::to_owned).collect() }
    }

    /// Whether this is the whole path. In one go, however many asterisks there are: the first place
    /// for a part is as good as any later one.
    pub(super) fn matches(&self, path: &str) -> bool {
        let Some((first, others)) = self.parts.split_first() else { return false };
        let Some((last, middle)) = others.split_last() else { return path == first };
        let Some(mut rest) = path.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            let Some((_, behind)) = rest.split_once(part.as_str()) else { return false };
            rest = behind;
        }
        rest.ends_with(last.as_str())
    }
}

/// The path of a URL, or of what SDKs write there: also a path alone.
pub(super) fn path_of(url: &str) -> &str {
    let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let path = match url.split_once("://") {
        Some((scheme, from_host)) if is_scheme(scheme) => {
            let host_end = from_host.find(['/', '?', '#']);
            host_end.and_then(|end| from_host.get(end..)).unwrap_or_default()
        }
        _ => url,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if path.is_empty() { "/" } else { path }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asterisks_stand_for_any_text() {
        let check = |pattern: &str, path: &str, expect: bool| {
            assert_eq!(Pattern::new(pattern).matches(path), expect, "{pattern} {path}");
        };
        check("/healthz", "/healthz", true);
        check("/healthz", "/healthz/", false);
        check("/healthz", "/Healthz", false);
        check("/healthz*", "/healthz", true);
        check("/healthz*", "/healthz/live", true);
        check("*/ping", "/a/b/ping", true);
        check("*/ping", "/a/b/pong", false);
        check("/a/*/c", "/a/b/b/c", true);
        check("/a/*/c", "/a/c", false);
        check("/*a*a", "/a", false);
        check("/*a*a", "/aa", true);
        check("*ab*ab", "/ab", false);
        check("*", "", true);
        check("*", "/x", true);
        check("**", "/x", true);
        check("", "", true);
        check("", "/", false);
    }

    #[test]
    fn paths_are_found_in_urls() {
        let check = |url: &str, expect: &str| assert_eq!(path_of(url), expect, "{url}");
        check("http://x.example/a/b?c=/d#e", "/a/b");
        check("https://x.example:8443/", "/");
        check("https://x.example", "/");
        check("https://x.example?a=/b", "/");
        check("/a?b", "/a");
        check("/login?next=http://x/y", "/login");
        check("/a#b", "/a");
        check("", "/");
    }
}
