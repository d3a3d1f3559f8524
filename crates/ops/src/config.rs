//! Where configuration comes from, and how all that is wrong with it is told at once.

use std::collections::BTreeMap;
use std::fmt;

/// Environment variables; a map in tests.
pub trait Environment {
    /// The value of a variable; `None` when it is unset, empty or not UTF-8. An empty variable
    /// counts as unset because compose files and unit files set those by accident.
    fn variable(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }
}

impl Environment for BTreeMap<String, String> {
    fn variable(&self, name: &str) -> Option<String> {
        self.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// Where the value stands, such as `--bind`, `ROENTGEN_BIND` or a file and its key.
    pub place: String,
    /// What is wrong and what was expected.
    pub reason: String,
}

/// Everything that is wrong with the configuration, so that a person mends it in one go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigFaults(Vec<ConfigFault>);

impl ConfigFaults {
    /// Notes a fault.
    pub fn add(&mut self, place: impl Into<String>, reason: impl fmt::Display) {
        self.0.push(ConfigFault { place: place.into(), reason: reason.to_string() });
    }

    /// The faults noted so far.
    pub fn list(&self) -> &[ConfigFault] {
        &self.0
    }

    /// The value, unless a fault was noted.
    ///
    /// # Errors
    /// The faults.
    pub fn into_result<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.0.iter().enumerate() {
            let line_end = if position == 0 { "" } else { "\n" };
            write!(f, "{line_end}{}: {}", fault.place, fault.reason)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}

/// The known name closest to a mistyped one; `None` when nothing is near.
pub fn nearest_name<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let typed = typed.to_ascii_lowercase().replace('-', "_");
    known
        .iter()
        .map(|name| (edit_distance(&typed, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len().max(typed.len()) / 2))
        .map(|(_, name)| name)
}

/// Levenshtein's distance over bytes: inserted, left out and changed ones.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte_a) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, byte_b) in row.iter_mut().skip(1).zip(b.bytes()) {
            let above = *cell;
            let changed = diagonal + usize::from(byte_a != byte_b);
            left = changed.min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let check = |a: &str, b: &str, expect: usize| {
            assert_eq!(edit_distance(a, b), expect, "{a} {b}");
            assert_eq!(edit_distance(b, a), expect, "{b} {a}");
        };
        check("", "", 0);
        check("", "abc", 3);
        check("kitten", "sitting", 3);
        check("data_dri", "data_dir", 2);
        check("bind", "bind", 0);
    }

    #[test]
    fn the_nearest_known_name_is_found_if_it_is_near() {
        let known = ["bind", "data_dir", "log_level"];
        let check = |typed: &str, expect: Option<&str>| {
            assert_eq!(nearest_name(typed, &known), expect, "{typed}");
        };
        check("bnid", Some("bind"));
        check("dataDir", Some("data_dir"));
        check("data-dir", Some("data_dir"));
        check("loglevel", Some("log_level"));
        check("colour_of_the_sky", None);
    }

    #[test]
    fn all_faults_are_told() {
        assert_eq!(ConfigFaults::default().into_result(7), Ok(7));
        let mut faults = ConfigFaults::default();
        faults.add("--bind", "x is not an address");
        faults.add("ROENTGEN_LOG_LEVEL", "loud is not a level");
        let text = faults.into_result(()).unwrap_err().to_string();
        assert_eq!(text, "--bind: x is not an address\nROENTGEN_LOG_LEVEL: loud is not a level");
    }

    #[test]
    fn empty_variables_count_as_unset() {
        let environment: BTreeMap<String, String> =
            [("A", "1"), ("B", "")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(environment.variable("A").as_deref(), Some("1"));
        assert_eq!(environment.variable("B"), None);
        assert_eq!(environment.variable("C"), None);
    }
}
