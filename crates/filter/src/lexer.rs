//! Characters to tokens.

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    /// Letters, digits, `_` and `.`.
    Word(&'a str),
    /// Between double quotes, without the escapes.
    Text(String),
    Number(f64),
    Symbol(Symbol),
    /// What no token begins with, or a text without its end.
    Unknown(Unknown),
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symbol {
    Not,
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
    OpenParenthesis,
    CloseParenthesis,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Comma,
    Colon,
    Hash,
}

/// What is not of the language, told apart for the sake of the advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// A text that does not end.
    OpenText,
    /// Quotes other than `"`.
    OtherQuote,
    /// `==`, `&&`, `||` or `<>`, as other languages have them.
    Foreign(&'static str),
    Character,
    /// A number that no `f64` is.
    Number,
}

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) start: usize,
    /// The byte after it.
    pub(crate) end: usize,
}

/// Symbols, longest first, and foreign ones among them with what the language has instead.
const SYMBOLS: &[(&str, Result<Symbol, &str>)] = &[
    ("==", Err("=")),
    ("&&", Err("AND")),
    ("||", Err("OR")),
    ("<>", Err("!=")),
    ("!=", Ok(Symbol::NotEqual)),
    ("<=", Ok(Symbol::AtMost)),
    (">=", Ok(Symbol::AtLeast)),
    ("!", Ok(Symbol::Not)),
    ("=", Ok(Symbol::Equal)),
    ("<", Ok(Symbol::Less)),
    (">", Ok(Symbol::More)),
    ("(", Ok(Symbol::OpenParenthesis)),
    (")", Ok(Symbol::CloseParenthesis)),
    ("{", Ok(Symbol::OpenBrace)),
    ("}", Ok(Symbol::CloseBrace)),
    ("[", Ok(Symbol::OpenBracket)),
    ("]", Ok(Symbol::CloseBracket)),
    (",", Ok(Symbol::Comma)),
    (":", Ok(Symbol::Colon)),
    ("#", Ok(Symbol::Hash)),
];

/// Reads the token at or after a byte, white space before it left out.
pub(crate) fn token_at(text: &str, from: usize) -> Placed<'_> {
    let rest = text.get(from..).unwrap_or_default();
    let trimmed = rest.trim_start();
    let start = from + (rest.len() - trimmed.len());
    let (token, length) = read(trimmed);
    Placed { token, start, end: start + length }
}

fn read(rest: &str) -> (Token<'_>, usize) {
    let Some(first) = rest.chars().next() else { return (Token::End, 0) };
    if first == '"' {
        return read_text(rest);
    }
    if let Some((spelling, symbol)) = SYMBOLS.iter().find(|(symbol, _)| rest.starts_with(symbol)) {
        let token = match symbol {
            Ok(symbol) => Token::Symbol(*symbol),
            Err(instead) => Token::Unknown(Unknown::Foreign(instead)),
        };
        return (token, spelling.len());
    }
    let signed = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    if signed.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return read_number(rest);
    }
    let word = rest.split(|c: char| !is_of_word(c)).next().unwrap_or_default();
    if !word.is_empty() {
        return (Token::Word(word), word.len());
    }
    let unknown = if is_other_quote(first) { Unknown::OtherQuote } else { Unknown::Character };
    (Token::Unknown(unknown), first.len_utf8())
}

/// Whether this is a quote that other languages and word processors have.
pub(crate) fn is_other_quote(c: char) -> bool {
    matches!(c, '\'' | '`' | '“' | '”' | '„' | '‘' | '’')
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.'
}

/// A text in double quotes. A backslash takes the meaning of a quote or a backslash after it; before
/// anything else it is itself, so that what is copied from a program needs no care.
fn read_text(rest: &str) -> (Token<'_>, usize) {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (Token::Text(text), at + 1),
            '\\' => match characters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, escaped)) => text.push(escaped),
                None => text.push('\\'),
            },
            other => text.push(other),
        }
    }
    (Token::Unknown(Unknown::OpenText), rest.len())
}

/// Digits, with a sign, a fraction and an exponent if there are any.
fn read_number(rest: &str) -> (Token<'_>, usize) {
    let mut before = ' ';
    let length = rest
        .find(|c: char| {
            let is_part =
                is_of_word(c) || (matches!(c, '-' | '+') && matches!(before, ' ' | 'e' | 'E'));
            before = c;
            !is_part
        })
        .unwrap_or(rest.len());
    let number = rest.get(..length).unwrap_or_default();
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() => (Token::Number(value), length),
        _ => (Token::Unknown(Unknown::Number), length),
    }
}
