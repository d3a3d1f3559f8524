//! What joins conditions, where some of them may be unknown.

/// Conditions, joined.
#[derive(Clone, Debug, PartialEq)]
pub enum Logic<T> {
    /// All of these; without any it is true.
    All(Vec<Logic<T>>),
    /// One of these at least; without any it is false.
    Any(Vec<Logic<T>>),
    /// Not this.
    Not(Box<Logic<T>>),
    /// This.
    Is(T),
    /// Something that cannot be said, and so may be true or not.
    Unknown,
}

impl<T> Logic<T> {
    /// True, whatever is asked of.
    pub const TRUE: Self = Logic::All(Vec::new());

    /// Whether it is true, by the truth of its parts: `None` if what is not known of them matters.
    pub fn truth(&self, of: &impl Fn(&T) -> Option<bool>) -> Option<bool> {
        // The first that decides does.
        let first = |parts: &[Self], deciding: bool| {
            let mut outcome = Some(!deciding);
            for part in parts {
                match part.truth(of) {
                    Some(truth) if truth == deciding => return Some(deciding),
                    Some(_) => {}
                    None => outcome = None,
                }
            }
            outcome
        };
        match self {
            Logic::All(parts) => first(parts, false),
            Logic::Any(parts) => first(parts, true),
            Logic::Not(inner) => inner.truth(of).map(|truth| !truth),
            Logic::Is(inner) => of(inner),
            Logic::Unknown => None,
        }
    }

    /// Whether it is true of some part.
    pub(crate) fn has(&self, is_so: &impl Fn(&T) -> bool) -> bool {
        match self {
            Logic::All(parts) | Logic::Any(parts) => parts.iter().any(|part| part.has(is_so)),
            Logic::Not(inner) => inner.has(is_so),
            Logic::Is(inner) => is_so(inner),
            Logic::Unknown => false,
        }
    }
}
