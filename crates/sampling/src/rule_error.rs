//! Why a change to the rules was refused. The texts are the service's, for they reach its users;
//! where the service's own text is not known, they follow its manner.

use std::fmt;

/// Why a change to the rules was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Members of the request break documented limits; every one of them is listed.
    #[error("{}", violations_text(.0))]
    Invalid(Vec<Violation>),
    /// A rule of this name exists.
    #[error("A sampling rule named {rule_name} already exists")]
    AlreadyExists {
        /// The name asked for.
        rule_name: String,
    },
    /// No rule has this name or ARN.
    #[error("Sampling rule not found: {selector}")]
    NotFound {
        /// The name or ARN asked for, shortened when long.
        selector: String,
    },
    /// Neither a name nor an ARN, or both.
    #[error("Specify the sampling rule by either RuleName or RuleARN")]
    NotOneSelector,
    /// A change of the Default rule beyond FixedRate and ReservoirSize.
    #[error("Invalid update request for default sampling rule")]
    InvalidDefaultUpdate,
    /// The Default rule can not be deleted.
    #[error("The Default sampling rule cannot be deleted")]
    DefaultNotDeletable,
    /// There are as many custom rules as allowed. The service has an exception of its own for it,
    /// `RuleLimitExceededException`; all others are `InvalidRequestException`.
    #[error("You have reached the limit of {limit} sampling rules; delete one to create another")]
    LimitExceeded {
        /// How many custom rules are allowed.
        limit: usize,
    },
}

/// A member of a request that breaks a documented limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the member, such as `samplingRule.priority`.
    pub member: String,
    /// The value sent, shortened when long; `None` when a required member is missing.
    pub value: Option<String>,
    /// What the value must be, as a sentence about the "Member".
    pub constraint: String,
}

/// Longest part of a caller's text that is repeated in an error.
const ECHO_CHARACTERS: usize = 64;

/// The text as repeated in an error.
pub(crate) fn echo(text: &str) -> String {
    text.chars().take(ECHO_CHARACTERS).collect()
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(out, "Value '{value}'")?,
            None => write!(out, "Value null")?,
        }
        write!(out, " at '{}' failed to satisfy constraint: {}", self.member, self.constraint)
    }
}

fn violations_text(violations: &[Violation]) -> String {
    let list: Vec<String> = violations.iter().map(Violation::to_string).collect();
    let plural = if list.len() == 1 { "" } else { "s" };
    format!("{} validation error{plural} detected: {}", list.len(), list.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violations_read_like_the_service() {
        let priority = Violation {
            member: "samplingRule.priority".to_owned(),
            value: Some("0".to_owned()),
            constraint: "Member must have value greater than or equal to 1".to_owned(),
        };
        let host = Violation {
            member: "samplingRule.host".to_owned(),
            value: None,
            constraint: "Member must not be null".to_owned(),
        };
        assert_eq!(
            RuleError::Invalid(vec![priority.clone()]).to_string(),
            "1 validation error detected: Value '0' at 'samplingRule.priority' failed to satisfy \
             constraint: Member must have value greater than or equal to 1"
        );
        assert_eq!(
            RuleError::Invalid(vec![priority, host]).to_string(),
            "2 validation errors detected: Value '0' at 'samplingRule.priority' failed to satisfy \
             constraint: Member must have value greater than or equal to 1; Value null at \
             'samplingRule.host' failed to satisfy constraint: Member must not be null"
        );
    }

    #[test]
    fn a_long_text_is_shortened() {
        assert_eq!(echo(&"é".repeat(1000)), "é".repeat(64));
    }
}
