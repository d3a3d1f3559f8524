//! Options of the benchmarks: `--name VALUE`, most of them once or not at all.

use std::str::FromStr;

use anyhow::{Context as _, bail};

/// The options of a command line that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Arguments {
    rest: Vec<(String, String)>,
}

impl Arguments {
    pub(super) fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let mut rest = Vec::new();
        let mut words = arguments.iter();
        while let Some(name) = words.next() {
            if !name.starts_with("--") {
                bail!("{name:?} is no option; options look like --name value");
            }
            let value = words.next().with_context(|| format!("{name} needs a value"))?;
            rest.push((name.clone(), value.clone()));
        }
        Ok(Self { rest })
    }

    /// The value of an option, when it was given.
    pub(super) fn take<T>(&mut self, name: &str) -> anyhow::Result<Option<T>>
    where
        T: FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let mut values = self.take_all(name)?;
        if values.len() > 1 {
            bail!("{name} is given twice");
        }
        Ok(values.pop())
    }

    /// The values of an option that may be given several times, in their order.
    pub(super) fn take_all<T>(&mut self, name: &str) -> anyhow::Result<Vec<T>>
    where
        T: FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let taken = self.rest.extract_if(.., |(given, _)| given == name);
        taken
            .map(|(name, value)| value.parse().with_context(|| format!("{name} {value}")))
            .collect()
    }

    /// As [`Arguments::take`], for numbers that must not be 0.
    pub(super) fn take_count(&mut self, name: &str, default: u64) -> anyhow::Result<u64> {
        match self.take(name)? {
            Some(0) => bail!("{name} must be at least 1"),
            given => Ok(given.unwrap_or(default)),
        }
    }

    /// Refuses what nobody knows; `known` is what to say instead.
    pub(super) fn finish(self, known: &str) -> anyhow::Result<()> {
        match self.rest.first() {
            Some((name, _)) => bail!("unknown option {name}; expected {known}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> anyhow::Result<Arguments> {
        Arguments::read(&arguments.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn takes_what_was_given() {
        let mut arguments = read(&["--seed", "7", "--only", "udp"]).expect("well formed");
        assert_eq!(arguments.take::<u64>("--seed").expect("a number"), Some(7));
        assert_eq!(arguments.take::<u64>("--runs").expect("not given"), None);
        assert_eq!(arguments.take_count("--jobs", 2).expect("not given"), 2);
        let mut several = read(&["--against", "a", "--seed", "7", "--against", "b"]).expect("fine");
        assert_eq!(several.take_all::<String>("--against").expect("texts"), ["a", "b"]);
        assert!(several.take_all::<String>("--against").expect("none left").is_empty());
        let error = arguments.finish("--seed").expect_err("--only is left").to_string();
        assert_eq!(error, "unknown option --only; expected --seed");
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for wrong in [&["--seed"][..], &["seed", "7"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        let mut twice = read(&["--seed", "7", "--seed", "8"]).expect("well formed");
        assert!(twice.take::<u64>("--seed").is_err());
        let mut arguments = read(&["--runs", "0", "--seed", "x"]).expect("well formed");
        assert!(arguments.take_count("--runs", 1).is_err());
        assert!(arguments.take::<u64>("--seed").is_err());
    }
}
