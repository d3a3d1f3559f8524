//! The sampling rules and who reports about them. Rules are kept in the settings of the data
//! directory; quotas and statistics live as long as the process, since clients report anew within
//! ten seconds.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use roentgen_sampling::{
    BoostStatisticsDocument, EpochMicros, QuotaBook, RuleError, RuleRecord, RuleSet,
    StatisticSummary, StatisticsDocument, Targets,
};
use roentgen_store::{SettingsError, SettingsFile};

mod stored;

use crate::arns::{ACCOUNT_ID, REGION};
use stored::StoredRules;

/// Rules, quotas and statistics.
#[derive(Debug)]
pub(crate) struct SamplingState {
    file: SettingsFile,
    /// Held from reading the rules to having saved them changed: one change at a time.
    changing: Mutex<()>,
    /// Held for moments only, never while the disk works.
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    rules: RuleSet,
    quotas: QuotaBook,
}

/// Why the rules did not change.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// The change makes no sense.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// It could not be kept.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl SamplingState {
    /// The rules as the data directory has them; the Default rule alone when it has none.
    ///
    /// # Errors
    /// When there are rules but they cannot be read, or make no sense.
    pub(crate) fn open(data_directory: &Path) -> Result<Self, SettingsError> {
        let file = SettingsFile::new(data_directory, "sampling-rules");
        let rules = match file.load::<StoredRules>()? {
            // Rules that make no sense are told like JSON that is none: with the file, and what
            // to do.
            Some(stored) => stored.restore(REGION, ACCOUNT_ID).map_err(|error| {
                let path = file.path().to_owned();
                SettingsError::Damaged { path, reason: error.to_string() }
            })?,
            None => RuleSet::new(REGION, ACCOUNT_ID),
        };
        let current = Current { rules, quotas: QuotaBook::new() };
        Ok(Self { file, changing: Mutex::new(()), current: Mutex::new(current) })
    }

    /// The rules.
    pub(crate) fn rules(&self) -> RuleSet {
        self.current().rules.clone()
    }

    /// Changes the rules. The change is on stable storage before anyone sees it. Blocks for the
    /// disk.
    pub(crate) fn change(
        &self,
        change: impl FnOnce(&mut RuleSet) -> Result<RuleRecord, ChangeError>,
    ) -> Result<(RuleSet, RuleRecord), ChangeError> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules = self.rules();
        let record = change(&mut rules)?;
        self.file.save(&StoredRules::of(&rules))?;
        self.current().rules = rules.clone();
        Ok((rules, record))
    }

    /// Takes what clients counted and gives them their quotas.
    pub(crate) fn targets(
        &self,
        documents: &[StatisticsDocument],
        boost_documents: &[BoostStatisticsDocument],
        now: EpochMicros,
    ) -> Targets {
        let current = &mut *self.current();
        current.quotas.targets(&current.rules, documents, boost_documents, now)
    }

    /// What clients counted lately.
    pub(crate) fn statistics(&self, now: EpochMicros) -> Vec<StatisticSummary> {
        let current = self.current();
        current.quotas.statistic_summaries(&current.rules, now)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_make_no_sense_are_told_with_their_file_and_what_to_do() {
        let directory = tempfile::TempDir::new().unwrap();
        let state = SamplingState::open(directory.path()).unwrap();
        state.file.save(&StoredRules::of(&state.rules())).unwrap();
        let path = state.file.path().to_owned();
        let good = std::fs::read_to_string(&path).unwrap();
        assert!(good.contains("\"FixedRate\": 0.05"), "{good}");
        let check = |contents: &str, expect: &str| {
            std::fs::write(&path, contents).unwrap();
            let message = SamplingState::open(directory.path()).unwrap_err().to_string();
            let start = format!("settings file {} is damaged: ", path.display());
            assert!(message.starts_with(&start), "{message}");
            assert!(message.contains(expect), "{message}");
            assert!(message.ends_with("; correct it, or move it away to start anew"), "{message}");
        };
        check(&good.replace("\"FixedRate\": 0.05", "\"FixedRate\": 7.0"), "default sampling rule");
        check("{", "EOF");
    }
}
