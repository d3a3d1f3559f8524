//! The words of the language, and where each has its place.
//!
//! Source: X-Ray Developer Guide, "Use filter expressions" (keywords and their scopes).

/// What an expression, or the block it stands in, is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A trace.
    Trace,
    /// A request as its node saw it: `service(…) { … }`.
    Service,
    /// A call between two nodes: `edge(…) { … }`.
    Edge,
    /// An element of a list of root causes.
    RootCause(RootCauseList),
}

/// A list of what led to an outcome, entry point first: `rootcause.fault.service`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootCauseList {
    /// What outcome.
    pub of: RootCauseKind,
    /// What the list holds.
    pub elements: RootCauseElements,
}

/// What is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootCauseKind {
    /// A 5xx.
    Fault,
    /// A 4xx.
    Error,
    /// A long response time.
    ResponseTime,
}

/// What explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootCauseElements {
    /// The services on the way.
    Service,
    /// The segments and subsegments on the way.
    Entity,
    /// The exceptions.
    Exception,
}

/// Words that are true or false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// It ended well.
    Ok,
    /// 4xx.
    Error,
    /// 429.
    Throttle,
    /// 5xx.
    Fault,
    /// Something is missing or in progress.
    Partial,
    /// Something was inferred from its caller.
    Inferred,
    /// The first element of the list.
    First,
    /// The last element of the list.
    Last,
    /// The entity is a call to something remote.
    Remote,
    /// The entry point.
    Root,
}

/// Words that stand for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberField {
    /// Seconds until the response was sent.
    ResponseTime,
    /// Seconds from the first to the last thing that happened.
    Duration,
    /// The status of the response.
    HttpStatus,
    /// The place in the list, from 0.
    Index,
    /// The share of the root's response time, 0 to 1.
    Coverage,
}

/// Words that stand for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextField {
    /// `http.url`.
    HttpUrl,
    /// `http.method`.
    HttpMethod,
    /// `http.useragent`.
    HttpUserAgent,
    /// `http.clientip`.
    HttpClientIp,
    /// The user of any segment.
    User,
    /// Of a service, an entity or an exception.
    Name,
    /// Of a service.
    Type,
    /// Of an exception.
    Message,
    /// Of any segment.
    AvailabilityZone,
    /// Of any segment.
    InstanceId,
    /// Of any segment.
    ResourceArn,
}

/// A word that can be tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Flag(Flag),
    Number(NumberField),
    Text(TextField),
}

/// Every keyword in its canonical spelling.
pub(crate) const KEYWORDS: &[(&str, Keyword)] = &[
    ("ok", Keyword::Flag(Flag::Ok)),
    ("error", Keyword::Flag(Flag::Error)),
    ("throttle", Keyword::Flag(Flag::Throttle)),
    ("fault", Keyword::Flag(Flag::Fault)),
    ("partial", Keyword::Flag(Flag::Partial)),
    ("inferred", Keyword::Flag(Flag::Inferred)),
    ("first", Keyword::Flag(Flag::First)),
    ("last", Keyword::Flag(Flag::Last)),
    ("remote", Keyword::Flag(Flag::Remote)),
    ("root", Keyword::Flag(Flag::Root)),
    ("responsetime", Keyword::Number(NumberField::ResponseTime)),
    ("duration", Keyword::Number(NumberField::Duration)),
    ("http.status", Keyword::Number(NumberField::HttpStatus)),
    ("index", Keyword::Number(NumberField::Index)),
    ("coverage", Keyword::Number(NumberField::Coverage)),
    ("http.url", Keyword::Text(TextField::HttpUrl)),
    ("http.method", Keyword::Text(TextField::HttpMethod)),
    ("http.useragent", Keyword::Text(TextField::HttpUserAgent)),
    ("http.clientip", Keyword::Text(TextField::HttpClientIp)),
    ("user", Keyword::Text(TextField::User)),
    ("name", Keyword::Text(TextField::Name)),
    ("type", Keyword::Text(TextField::Type)),
    ("message", Keyword::Text(TextField::Message)),
    ("availabilityzone", Keyword::Text(TextField::AvailabilityZone)),
    ("instance.id", Keyword::Text(TextField::InstanceId)),
    ("resource.arn", Keyword::Text(TextField::ResourceArn)),
];

/// Words that begin a form of their own, for the search for what was probably meant.
pub(crate) const FORMS: &[&str] = &[
    "service",
    "edge",
    ANNOTATION,
    HTTP_STATUS_CODE,
    "group.name",
    "group.arn",
    "rootcause.json",
    "rootcause.fault.service",
    "rootcause.fault.entity",
    "rootcause.fault.exception",
    "rootcause.error.service",
    "rootcause.error.entity",
    "rootcause.error.exception",
    "rootcause.responsetime.service",
    "rootcause.responsetime.entity",
];

const ANNOTATION: &str = "annotation";

/// A spelling that third parties use for `http.status`.
const HTTP_STATUS_CODE: &str = "http.statuscode";

/// Words less like a known one than this are not guessed at.
const LEAST_LIKENESS: f64 = 0.75;

/// So many letters of a known word tell which one was begun.
const LEAST_BEGINNING: usize = 3;

impl Keyword {
    /// The keyword of this spelling, in any case.
    pub(crate) fn find(word: &str) -> Option<Keyword> {
        if word.eq_ignore_ascii_case(HTTP_STATUS_CODE) {
            return Some(Keyword::Number(NumberField::HttpStatus));
        }
        let mut all = KEYWORDS.iter();
        all.find(|(spelling, _)| word.eq_ignore_ascii_case(spelling)).map(|(_, keyword)| *keyword)
    }

    pub(crate) fn spelling(self) -> &'static str {
        let mut all = KEYWORDS.iter();
        all.find(|(_, keyword)| *keyword == self).map_or("", |(spelling, _)| spelling)
    }

    /// Whether it has its place in this scope.
    pub(crate) fn belongs(self, scope: Scope) -> bool {
        use {Flag as F, NumberField as N, TextField as T};
        match scope {
            Scope::Trace => match self {
                Keyword::Flag(flag) => {
                    matches!(
                        flag,
                        F::Ok | F::Error | F::Throttle | F::Fault | F::Partial | F::Inferred
                    )
                }
                Keyword::Number(field) => !matches!(field, N::Index | N::Coverage),
                Keyword::Text(field) => !matches!(field, T::Name | T::Type | T::Message),
            },
            Scope::Service => match self {
                Keyword::Flag(flag) => !matches!(flag, F::First | F::Last | F::Remote),
                Keyword::Number(field) => !matches!(field, N::Index | N::Coverage),
                Keyword::Text(field) => !matches!(field, T::Message),
            },
            Scope::Edge => match self {
                Keyword::Flag(flag) => {
                    matches!(
                        flag,
                        F::Ok | F::Error | F::Throttle | F::Fault | F::Partial | F::Inferred
                    )
                }
                Keyword::Number(field) => !matches!(field, N::Index | N::Coverage),
                Keyword::Text(field) => {
                    matches!(field, T::HttpUrl | T::HttpMethod | T::HttpUserAgent | T::HttpClientIp)
                }
            },
            Scope::RootCause(list) => match self {
                Keyword::Flag(F::First | F::Last)
                | Keyword::Number(N::Index)
                | Keyword::Text(T::Name) => true,
                Keyword::Flag(F::Inferred) | Keyword::Text(T::Type) => {
                    list.elements == RootCauseElements::Service
                }
                Keyword::Flag(F::Remote) => list.elements == RootCauseElements::Entity,
                Keyword::Number(N::Coverage) => {
                    list.elements == RootCauseElements::Entity
                        && list.of == RootCauseKind::ResponseTime
                }
                Keyword::Text(T::Message) => list.elements == RootCauseElements::Exception,
                _ => false,
            },
        }
    }
}

impl RootCauseList {
    /// The list of this spelling, in any case, such as `rootcause.fault.entity`.
    pub(crate) fn find(word: &str) -> Option<RootCauseList> {
        let word = word.to_ascii_lowercase();
        let (of, elements) = word.strip_prefix("rootcause.")?.split_once('.')?;
        let of = match of {
            "fault" => RootCauseKind::Fault,
            "error" => RootCauseKind::Error,
            "responsetime" => RootCauseKind::ResponseTime,
            _ => return None,
        };
        let elements = match elements {
            "service" => RootCauseElements::Service,
            "entity" => RootCauseElements::Entity,
            // What takes long has no exceptions (API reference, ResponseTimeRootCauseEntity).
            "exception" if of != RootCauseKind::ResponseTime => RootCauseElements::Exception,
            _ => return None,
        };
        Some(RootCauseList { of, elements })
    }

    pub(crate) fn spelling(self) -> String {
        let of = match self.of {
            RootCauseKind::Fault => "fault",
            RootCauseKind::Error => "error",
            RootCauseKind::ResponseTime => "responsetime",
        };
        let elements = match self.elements {
            RootCauseElements::Service => "service",
            RootCauseElements::Entity => "entity",
            RootCauseElements::Exception => "exception",
        };
        format!("rootcause.{of}.{elements}")
    }
}

impl Scope {
    /// What a message calls it.
    pub(crate) fn name(self) -> String {
        match self {
            Scope::Trace => "the trace".to_owned(),
            Scope::Service => "service(…) { … }".to_owned(),
            Scope::Edge => "edge(…) { … }".to_owned(),
            Scope::RootCause(list) => format!("{} {{ … }}", list.spelling()),
        }
    }
}

/// The known word that a mistyped one begins, or else resembles most, among those that have their
/// place here.
pub(crate) fn nearest(typed: &str, scope: Scope) -> Option<&'static str> {
    let typed = typed.to_ascii_lowercase();
    let keywords = KEYWORDS.iter().filter(|(_, keyword)| keyword.belongs(scope));
    let forms = FORMS.iter().filter(|_| scope == Scope::Trace);
    let known = keywords.map(|(spelling, _)| *spelling).chain(forms.copied());
    let is_beginning = typed.len() >= LEAST_BEGINNING;
    let begun = known.clone().filter(|word| is_beginning && word.starts_with(&typed));
    // What follows the first part of `annotations.age` is a key of the user's.
    let first_part = typed.split_once('.').map(|(first, _)| first);
    let likeness = |word: &str| {
        let of_all = strsim::normalized_damerau_levenshtein(&typed, word);
        match first_part {
            Some(first) if word == ANNOTATION => {
                of_all.max(strsim::normalized_damerau_levenshtein(first, word))
            }
            _ => of_all,
        }
    };
    let likely = || {
        known
            .map(|word| (likeness(word), word))
            .filter(|(likeness, _)| *likeness >= LEAST_LIKENESS)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, word)| word)
    };
    begun.min_by_key(|word| word.len()).or_else(likely)
}
