//! YAML as the official daemon understands it. That is YAML 1.1 by Go's `yaml.v2`: `yes` is true,
//! quoted numbers are texts, and the messages name line and type. The bytes are read by the parser
//! inside `serde-saphyr`; what plain words mean is decided here.

use std::collections::BTreeMap;

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag};

use crate::config::go;

/// Most nodes of a document, those that aliases repeat included: a configuration has some dozens,
/// and without a bound a short text with aliases of aliases fills any memory.
const MOST_NODES: usize = 10_000;

/// Deepest nesting. A configuration has three levels.
const DEEPEST: usize = 64;

/// A document that is no YAML; the text follows `yaml: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("yaml: {0}")]
pub(super) struct YamlError(pub(super) String);

/// A value of a document.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Where it begins, counted from 1.
    pub(super) line: usize,
    /// An explicit tag, in its short form such as `!!int`.
    tag: Option<String>,
    pub(super) content: Content,
}

/// What kind of value it is.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Scalar {
        text: String,
        plain: bool,
    },
    Sequence(Vec<Node>),
    /// Keys and values in their order, with the merged ones (`<<`) in place.
    Mapping(Vec<(Node, Node)>),
}

/// What a scalar means.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    Null,
    Boolean(bool),
    Integer(i64),
    /// An integer beyond 64 bits with sign, or a fraction.
    Number(f64),
    Text,
}

/// A sequence or mapping that is being read.
struct Open {
    node: Node,
    anchor: usize,
    /// In a mapping, the key that waits for its value.
    key: Option<Node>,
}

/// Reads the first document; `None` when there is none.
///
/// # Errors
/// When it is no YAML, or larger than any configuration.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Node>, YamlError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| YamlError("invalid leading UTF-8 octet".to_owned()))?;
    let mut reader = Reader::default();
    let options = serde_saphyr::granit_parser::options! { emit_unresolved_aliases: true };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| in_words_of_go(&error, text))?;
        let alias = span.slice(text).map_or("", |alias| alias.trim_start_matches('*'));
        if let Some(root) = reader.take(event, span.start.line(), alias)? {
            return Ok(Some(root));
        }
    }
    Ok(None)
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

impl Reader {
    /// Takes an event, with the name that stands there should it be an alias; the root when it is
    /// complete.
    fn take(
        &mut self,
        event: Event<'_>,
        line: usize,
        alias: &str,
    ) -> Result<Option<Node>, YamlError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1)?;
                let content =
                    Content::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                let node = Node { line, tag: tag.map(|tag| short_tag(&tag)), content };
                self.complete(node, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => self.begin(
                line,
                tag.map(|tag| short_tag(&tag)),
                Content::Sequence(Vec::new()),
                anchor,
            ),
            Event::MappingStart(_, anchor, tag) => self.begin(
                line,
                tag.map(|tag| short_tag(&tag)),
                Content::Mapping(Vec::new()),
                anchor,
            ),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { node, anchor, .. }) => self.complete(node, anchor),
                None => Ok(None),
            },
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    // The parser knows the anchor, so its value is still open.
                    return Err(YamlError(format!("anchor '{alias}' value contains itself")));
                };
                self.count(size(&node))?;
                self.complete(node, 0)
            }
            Event::UnresolvedAlias(name) => {
                Err(YamlError(format!("unknown anchor '{name}' referenced")))
            }
            _ => Ok(None),
        }
    }

    fn begin(
        &mut self,
        line: usize,
        tag: Option<String>,
        content: Content,
        anchor: usize,
    ) -> Result<Option<Node>, YamlError> {
        self.count(1)?;
        if self.open.len() >= DEEPEST {
            return Err(YamlError(format!("line {line}: more than {DEEPEST} levels")));
        }
        self.open.push(Open { node: Node { line, tag, content }, anchor, key: None });
        Ok(None)
    }

    fn count(&mut self, nodes: usize) -> Result<(), YamlError> {
        self.nodes += nodes;
        if self.nodes > MOST_NODES {
            return Err(YamlError("document contains excessive aliasing".to_owned()));
        }
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<Option<Node>, YamlError> {
        if anchor != 0 {
            self.count(size(&node))?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            return Ok(Some(node));
        };
        match (&mut parent.node.content, parent.key.take()) {
            (Content::Sequence(items), _) => items.push(node),
            (Content::Mapping(_), None) => parent.key = Some(node),
            (Content::Mapping(entries), Some(key)) if key.is_merge() => merge(entries, node)?,
            (Content::Mapping(entries), Some(key)) => entries.push((key, node)),
            (Content::Scalar { .. }, _) => {}
        }
        Ok(None)
    }
}

/// Puts the entries of one or several mappings in the place of a `<<`.
fn merge(entries: &mut Vec<(Node, Node)>, node: Node) -> Result<(), YamlError> {
    let wrong = || YamlError("map merge requires map or sequence of maps as the value".to_owned());
    match node.content {
        Content::Mapping(merged) => entries.extend(merged),
        // The first one counts most, so it comes last.
        Content::Sequence(items) => {
            for item in items.into_iter().rev() {
                let Content::Mapping(merged) = item.content else { return Err(wrong()) };
                entries.extend(merged);
            }
        }
        Content::Scalar { .. } => return Err(wrong()),
    }
    Ok(())
}

/// How many nodes a value consists of. The depth is bounded, so this may call itself.
fn size(node: &Node) -> usize {
    1 + match &node.content {
        Content::Scalar { .. } => 0,
        Content::Sequence(items) => items.iter().map(size).sum::<usize>(),
        Content::Mapping(entries) => {
            entries.iter().map(|(key, value)| size(key) + size(value)).sum::<usize>()
        }
    }
}

fn short_tag(tag: &Tag) -> String {
    match tag.core_suffix() {
        Some(suffix) => format!("!!{suffix}"),
        None => tag.original(),
    }
}

impl Node {
    /// An empty document, which is a null.
    pub(super) fn null() -> Self {
        let content = Content::Scalar { text: String::new(), plain: true };
        Self { line: 1, tag: None, content }
    }

    fn is_merge(&self) -> bool {
        self.tag.is_none()
            && matches!(&self.content, Content::Scalar { text, plain: true } if text == "<<")
    }

    /// What a scalar means; `None` for sequences and mappings.
    ///
    /// # Errors
    /// When an explicit tag says something else than the text.
    pub(super) fn meaning(&self) -> Result<Option<Meaning>, YamlError> {
        let Content::Scalar { text, plain } = &self.content else { return Ok(None) };
        let meaning = match self.tag.as_deref() {
            None if *plain => plain_meaning(text),
            Some("!!int" | "!!bool" | "!!float" | "!!null") => plain_meaning(text),
            _ => Meaning::Text,
        };
        match (self.tag.as_deref(), meaning) {
            (Some("!!float"), Meaning::Integer(_)) => {
                Ok(Some(text.parse().map_or(Meaning::Text, Meaning::Number)))
            }
            (Some(tag @ ("!!int" | "!!bool" | "!!float" | "!!null")), meaning)
                if tag != meaning.tag() =>
            {
                Err(YamlError(format!("cannot decode {} `{text}` as a {tag}", meaning.tag())))
            }
            (_, meaning) => Ok(Some(meaning)),
        }
    }

    /// The line of the list under `yaml: unmarshal errors:` that says this value is of a wrong type.
    ///
    /// # Errors
    /// When an explicit tag says something else than the text.
    pub(super) fn cannot_become(&self, go_type: &str) -> Result<String, YamlError> {
        let meaning = self.meaning()?;
        let (text, tag) = match (&self.content, &meaning) {
            (Content::Scalar { text, .. }, Some(meaning)) => (Some(text), meaning.tag()),
            (Content::Mapping(_), _) => (None, "!!map"),
            _ => (None, "!!seq"),
        };
        let tag = self.tag.as_deref().unwrap_or(tag);
        let line = self.line;
        Ok(match text {
            None => format!("line {line}: cannot unmarshal {tag} into {go_type}"),
            Some(text) if text.len() > 10 => {
                let start = text.get(..text.floor_char_boundary(7)).unwrap_or_default();
                format!("line {line}: cannot unmarshal {tag} `{start}...` into {go_type}")
            }
            Some(text) => format!("line {line}: cannot unmarshal {tag} `{text}` into {go_type}"),
        })
    }

    /// A key as the messages spell it.
    ///
    /// # Errors
    /// When an explicit tag says something else than the text.
    pub(super) fn key_text(&self) -> Result<String, YamlError> {
        Ok(match (self.meaning()?, &self.content) {
            (Some(Meaning::Null), _) => "<nil>".to_owned(),
            (Some(Meaning::Boolean(value)), _) => value.to_string(),
            (Some(Meaning::Integer(value)), _) => value.to_string(),
            (_, Content::Scalar { text, .. }) => text.clone(),
            (_, Content::Sequence(_)) => "[]".to_owned(),
            (_, Content::Mapping(_)) => "map[]".to_owned(),
        })
    }
}

impl Meaning {
    fn tag(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Boolean(_) => "!!bool",
            Self::Integer(_) => "!!int",
            Self::Number(_) => "!!float",
            Self::Text => "!!str",
        }
    }
}

/// What a text without quotation marks means in YAML 1.1.
fn plain_meaning(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Meaning::Boolean(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Meaning::Boolean(false)
        }
        ".nan" | ".NaN" | ".NAN" => Meaning::Number(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Meaning::Number(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Meaning::Number(f64::NEG_INFINITY),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) => {
            number(text)
        }
        _ => Meaning::Text,
    }
}

/// A number in one of the spellings of YAML 1.1, or a text that only begins like one.
fn number(text: &str) -> Meaning {
    let digits = text.replace('_', "");
    if let Ok(integer) = go::integer(&digits) {
        return Meaning::Integer(integer);
    }
    let is_decimal =
        digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    match digits.parse() {
        Ok(number) if is_decimal => Meaning::Number(number),
        _ => Meaning::Text,
    }
}

/// What the parser complains of, as the official daemon words it where both mean the same. Go's
/// parser leaves out the line when it is the first.
fn in_words_of_go(error: &ScanError, text: &str) -> YamlError {
    let line = error.marker().line();
    let located = |line: usize, words: &str| match line {
        0 | 1 => YamlError(words.to_owned()),
        _ => YamlError(format!("line {line}: {words}")),
    };
    let words = match error.kind() {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => {
            let words = "found a tab character that violates indentation";
            return located(line_indented_by_tab(text, line), words);
        }
        ErrorKind::UnexpectedCharacter { .. } => "found character that cannot start any token",
        ErrorKind::UnclosedFlowCollection { open: '[' }
        | ErrorKind::ExpectedFlowSequenceSeparator => "did not find expected ',' or ']'",
        ErrorKind::UnclosedFlowCollection { .. } => "did not find expected ',' or '}'",
        ErrorKind::MisplacedFlowCollectionEnd => "did not find expected node content",
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => "could not find expected ':'",
        ErrorKind::UnclosedQuotedScalar | ErrorKind::InvalidQuotedScalarIndent => {
            "found unexpected end of stream"
        }
        kind => {
            // Many words are the same but for a beginning that Go keeps to itself.
            let words = kind.to_string();
            let rest = words.strip_prefix("while ").and_then(|words| words.split_once(", "));
            return located(line, rest.map_or(&words, |(_, rest)| rest));
        }
    };
    located(line, words)
}

/// The first line from `line` on that a tab indents. The parser names the line where the value
/// begins into which the tab reaches; Go names that of the tab.
fn line_indented_by_tab(text: &str, line: usize) -> usize {
    let is_indented = |line: &str| line.trim_start_matches(' ').starts_with('\t');
    let rest = text.lines().skip(line.saturating_sub(1));
    rest.zip(line..).find(|(text, _)| is_indented(text)).map_or(line, |(_, line)| line)
}
