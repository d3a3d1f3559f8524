//! The sampling rules and who reports about them. Rules are kept in the settings of the data
//! directory; quotas and statistics live as long as the process, since clients report anew within
//! ten seconds.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roentgen_sampling::{
    BoostStatisticsDocument, EpochMicros, QuotaBook, RuleSet, StatisticSummary, StatisticsDocument,
    Targets,
};
use roentgen_store::SettingsError;

mod stored;

use crate::kept::Kept;

/// Rules, quotas and statistics.
#[derive(Debug)]
pub(crate) struct SamplingState {
    pub(crate) rules: Kept<RuleSet>,
    /// Held for moments only, never while the disk works.
    quotas: Mutex<QuotaBook>,
}

impl SamplingState {
    /// The rules as the data directory has them; the Default rule alone when it has none.
    ///
    /// # Errors
    /// When there are rules but they cannot be read, or make no sense.
    pub(crate) fn open(data_directory: &Path) -> Result<Self, SettingsError> {
        let quotas = Mutex::new(QuotaBook::new());
        Ok(Self { rules: Kept::open(data_directory)?, quotas })
    }

    /// Takes what clients counted and gives them their quotas.
    pub(crate) fn targets(
        &self,
        documents: &[StatisticsDocument],
        boost_documents: &[BoostStatisticsDocument],
        now: EpochMicros,
    ) -> Targets {
        let (mut quotas, rules) = self.quotas_and_rules();
        quotas.targets(&rules, documents, boost_documents, now)
    }

    /// What clients counted lately.
    pub(crate) fn statistics(&self, now: EpochMicros) -> Vec<StatisticSummary> {
        let (quotas, rules) = self.quotas_and_rules();
        quotas.statistic_summaries(&rules, now)
    }

    /// The rules are those of after the lock was taken: quotas never see older ones than before.
    fn quotas_and_rules(&self) -> (MutexGuard<'_, QuotaBook>, Arc<RuleSet>) {
        let quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        (quotas, self.rules.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_make_no_sense_are_told_with_their_file_and_what_to_do() {
        let directory = tempfile::TempDir::new().unwrap();
        let state = SamplingState::open(directory.path()).unwrap();
        state.rules.change(|_| Ok::<_, SettingsError>(())).unwrap();
        let path = directory.path().join("settings/sampling-rules.json");
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
