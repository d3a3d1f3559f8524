//! The documents in a body, found again.

use std::borrow::Cow;

use memchr::memchr2;

use super::{BEGIN, END};

/// The documents of a body, one after the other. Ends early where the body is damaged.
#[derive(Debug)]
pub(super) struct Documents<'a> {
    /// What is left, from the first byte of a string's text on; `None` after the last string.
    rest: Option<&'a [u8]>,
    /// Whether the body ended as it should.
    is_whole: bool,
}

/// How many documents a body has; `None` when it is none.
pub(super) fn count(body: &[u8]) -> Option<usize> {
    let mut documents = Documents::of(body);
    let count = documents.by_ref().count();
    documents.is_whole.then_some(count)
}

impl<'a> Documents<'a> {
    pub(super) fn of(body: &'a [u8]) -> Self {
        Self { rest: body.strip_prefix(BEGIN), is_whole: false }
    }
}

impl<'a> Iterator for Documents<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        let rest = self.rest.take()?;
        let (text, is_escaped) = text_of_string(rest)?;
        let behind = rest.get(text.len()..)?;
        let document = if is_escaped {
            // The quotes around it are in the body as well.
            let quoted = [b"\"", text, b"\""].concat();
            Cow::Owned(serde_json::from_slice(&quoted).ok()?)
        } else {
            Cow::Borrowed(str::from_utf8(text).ok()?)
        };
        self.is_whole = behind == END;
        self.rest = behind.strip_prefix(super::BETWEEN);
        Some(document)
    }
}

/// What comes before the quote that ends a string, and whether there are escapes in it.
fn text_of_string(rest: &[u8]) -> Option<(&[u8], bool)> {
    let (mut at, mut is_escaped) = (0, false);
    loop {
        at += memchr2(b'"', b'\\', rest.get(at..)?)?;
        if rest.get(at) == Some(&b'"') {
            return Some((rest.get(..at)?, is_escaped));
        }
        is_escaped = true;
        // The byte after a backslash belongs to it, and is no end even if it is a quote.
        at += 2;
    }
}
