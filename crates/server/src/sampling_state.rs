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

use stored::StoredRules;

/// The region in the ARNs of rules. Nothing depends on it; it is AWS's first.
const REGION: &str = "us-east-1";

/// The account in the ARNs of rules: the one that other local stand-ins for AWS use.
const ACCOUNT_ID: &str = "000000000000";

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
    pub(crate) fn open(data_directory: &Path) -> Result<Self, ChangeError> {
        let file = SettingsFile::new(data_directory, "sampling-rules");
        let rules = match file.load::<StoredRules>()? {
            Some(stored) => stored.restore(REGION, ACCOUNT_ID)?,
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
        change: impl FnOnce(&mut RuleSet) -> Result<RuleRecord, RuleError>,
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
