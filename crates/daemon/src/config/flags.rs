//! The command line as Go's `flag` package reads it: `-x` and `--x` are the same, values follow
//! after `=` or as the next argument, switches take one only after `=`, the last one wins, and the
//! first argument that is no flag ends it all.

use std::collections::BTreeMap;

use crate::config::go;
use crate::config::options::{Kind, Setting};

/// The flags that were given, by long name. Integers and switches are in their plain spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(BTreeMap<&'static str, String>);

/// Why a command line is not understood: the lines of Go's `flag` package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FlagError {
    /// Not an error: the usage was asked for.
    #[error("help requested")]
    Help,
    #[error("bad flag syntax: {0}")]
    Syntax(String),
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    #[error("flag needs an argument: -{0}")]
    ValueMissing(String),
    #[error("invalid boolean value {} for -{name}: {reason}", go::quote(.value))]
    Boolean { name: String, value: String, reason: go::BooleanError },
    #[error("invalid value {} for flag -{name}: {reason}", go::quote(.value))]
    Value { name: String, value: String, reason: String },
}

impl Flags {
    /// Reads a command line, without the name of the program.
    ///
    /// # Errors
    /// The first thing that is wrong, or that help was asked for before that.
    pub(super) fn parse(
        arguments: &[String],
        known: &[&'static Setting],
    ) -> Result<Self, FlagError> {
        let mut flags = Self::default();
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
                break;
            };
            let flag = match flag.strip_prefix('-') {
                Some("") => break,
                Some(flag) => flag,
                None => flag,
            };
            if flag.starts_with(['-', '=']) {
                return Err(FlagError::Syntax(argument.to_owned()));
            }
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag, None),
            };
            let Some(setting) = known.iter().find(|setting| setting.is_called(name)) else {
                return Err(match name {
                    "h" | "help" => FlagError::Help,
                    _ => FlagError::Unknown(name.to_owned()),
                });
            };
            let value = match (setting.kind, value) {
                (Kind::Switch, None) => "true",
                (_, Some(value)) => value,
                (_, None) => {
                    arguments.next().ok_or_else(|| FlagError::ValueMissing(name.to_owned()))?
                }
            };
            flags.0.insert(setting.long, checked(setting.kind, name, value)?);
        }
        Ok(flags)
    }

    /// What a flag was set to; an empty text is a value like any other.
    pub(super) fn get(&self, setting: &Setting) -> Option<&str> {
        self.0.get(setting.long).map(String::as_str)
    }
}

/// The value in its plain spelling.
fn checked(kind: Kind, name: &str, value: &str) -> Result<String, FlagError> {
    let wrong = |reason: String| FlagError::Value {
        name: name.to_owned(),
        value: value.to_owned(),
        reason,
    };
    match kind {
        Kind::Text => Ok(value.to_owned()),
        Kind::Integer => {
            go::integer(value).map(|value| value.to_string()).map_err(|e| wrong(e.to_string()))
        }
        Kind::Switch => go::boolean(value).map(|value| value.to_string()).map_err(|reason| {
            FlagError::Boolean { name: name.to_owned(), value: value.to_owned(), reason }
        }),
        Kind::Checked(check) | Kind::List(check) => {
            // An empty value is how a flag is taken back, e.g. by `--drop-paths "$PATHS"`.
            if !value.is_empty() {
                check(value).map_err(|e| wrong(e.to_string()))?;
            }
            Ok(value.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::options;

    fn parse(arguments: &[&str]) -> Result<Flags, FlagError> {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        Flags::parse(&arguments, &options::all().collect::<Vec<_>>())
    }

    /// What the flags were set to, as `long=value`, in the order of their names.
    fn check(arguments: &[&str], expect: &[&str]) {
        let flags = parse(arguments).unwrap();
        let given: Vec<String> =
            flags.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(given, expect, "{arguments:?}");
    }

    #[test]
    fn forms() {
        check(&[], &[]);
        check(&["-n", "a"], &["region=a"]);
        check(&["--n", "a"], &["region=a"]);
        check(&["-region=a"], &["region=a"]);
        check(&["--region=a=b"], &["region=a=b"]);
        check(&["-n", ""], &["region="]);
        check(&["-n="], &["region="]);
        check(&["-n", "-o"], &["region=-o"]);
        check(&["-n", "a", "--region", "b"], &["region=b"]);
        check(&["-m", "0x10"], &["buffer-memory=16"]);
        check(&["-o"], &["local-mode=true"]);
        check(&["-o=0", "--tcp-required=T"], &["local-mode=false", "tcp-required=true"]);
        check(&["--keep-share", "0.5"], &["keep-share=0.5"]);
        check(&["--drop-paths="], &["drop-paths="]);
    }

    #[test]
    fn what_ends_the_flags() {
        check(&["-o", "true", "-n", "a"], &["local-mode=true"]);
        check(&["foo", "-v"], &[]);
        check(&["-n", "a", "-", "-o"], &["region=a"]);
        check(&["-n", "a", "--", "-o"], &["region=a"]);
        check(&["", "-o"], &[]);
    }

    #[test]
    fn faults() {
        let check = |arguments: &[&str], expect: &str| {
            assert_eq!(parse(arguments).unwrap_err().to_string(), expect, "{arguments:?}");
        };
        check(&["---x"], "bad flag syntax: ---x");
        check(&["-=x"], "bad flag syntax: -=x");
        check(&["--=x"], "bad flag syntax: --=x");
        check(&["--nope"], "flag provided but not defined: -nope");
        check(&["--nope=1"], "flag provided but not defined: -nope");
        check(&["-n"], "flag needs an argument: -n");
        check(&["--region"], "flag needs an argument: -region");
        check(&["-m", "abc"], "invalid value \"abc\" for flag -m: parse error");
        check(&["-m="], "invalid value \"\" for flag -m: parse error");
        check(
            &["--buffer-memory=99999999999999999999"],
            "invalid value \"99999999999999999999\" for flag -buffer-memory: value out of range",
        );
        check(&["-o=yes"], "invalid boolean value \"yes\" for -o: parse error");
        check(
            &["--keep-share", "2"],
            "invalid value \"2\" for flag -keep-share: expected a number from 0 to 1",
        );
        check(&["-h"], "help requested");
        check(&["--help=x", "--nope"], "help requested");
        check(&["--nope", "--help"], "flag provided but not defined: -nope");
    }

    proptest! {
        #[test]
        fn no_command_line_panics(arguments in prop::collection::vec("(-|--)?[a-z]{0,3}(=)?.{0,6}|-[a-z]", 0..6)) {
            let borrowed: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let _ = parse(&borrowed);
        }

        #[test]
        fn the_two_dashes_and_the_two_ways_to_give_a_value_are_the_same(value in ".{0,20}") {
            let with_equals = parse(&[&format!("-n={value}")]);
            prop_assert_eq!(&parse(&["-n", &value]), &with_equals);
            prop_assert_eq!(&parse(&["--region", &value]), &with_equals);
            prop_assert_eq!(&parse(&[&format!("--region={value}")]), &with_equals);
        }
    }
}
