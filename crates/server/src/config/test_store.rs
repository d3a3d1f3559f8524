//! Sizes and times of the store that only tests change, so that what takes it minutes otherwise
//! happens within a run of theirs. Not told in `--help`: nothing gets better by them.

use std::time::Duration;

use roentgen_store::Tuning;

/// The variable that tests set, e.g. to `settle_documents=256,settle_quiet_ms=5`.
pub(super) const TEST_STORE: &str = "ROENTGEN_TEST_STORE";

/// Applies `name=number` pairs, separated by commas, to the defaults.
pub(super) fn apply(text: &str, tuning: &mut Tuning, open_bytes: &mut u64) -> Result<(), String> {
    for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let expected = || format!("{pair:?}: expected a name and a number, e.g. merge_files=3");
        let (name, number) = pair.split_once('=').ok_or_else(expected)?;
        let number: u64 = number.parse().map_err(|_| expected())?;
        let count = usize::try_from(number).map_err(|_| expected())?;
        match name {
            "settle_documents" => tuning.settle_documents = count,
            "settle_quiet_ms" => tuning.settle_quiet = Duration::from_millis(number),
            "merge_files" => tuning.merge_files = count,
            "log_file_bytes" => tuning.log_file_bytes = Some(number),
            "dictionary_samples" => tuning.dictionary_samples = count,
            "disk_bytes" => tuning.disk_bytes = Some(number),
            "open_bytes" => *open_bytes = number,
            _ => {
                return Err(format!(
                    "{name:?} is not known; known are settle_documents, settle_quiet_ms, \
                     merge_files, log_file_bytes, dictionary_samples, disk_bytes and open_bytes"
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Tuning, u64), String> {
        let (mut tuning, mut open_bytes) = (Tuning::default(), 7);
        apply(text, &mut tuning, &mut open_bytes).map(|()| (tuning, open_bytes))
    }

    #[test]
    fn every_name_sets_its_value_and_nothing_else() {
        let default = Tuning::default;
        let check = |text: &str, tuning: Tuning, open_bytes: u64| {
            assert_eq!(read(text), Ok((tuning, open_bytes)), "{text}");
        };
        check("", default(), 7);
        check("settle_documents=256", Tuning { settle_documents: 256, ..default() }, 7);
        let settle_quiet = Duration::from_millis(5);
        check("settle_quiet_ms=5", Tuning { settle_quiet, ..default() }, 7);
        check("merge_files=3", Tuning { merge_files: 3, ..default() }, 7);
        check("log_file_bytes=9", Tuning { log_file_bytes: Some(9), ..default() }, 7);
        check("dictionary_samples=500", Tuning { dictionary_samples: 500, ..default() }, 7);
        check("disk_bytes=0", Tuning { disk_bytes: Some(0), ..default() }, 7);
        check("open_bytes=1000", default(), 1_000);
        check(" merge_files=3 , open_bytes=8,", Tuning { merge_files: 3, ..default() }, 8);
    }

    #[test]
    fn what_is_malformed_is_told() {
        let check = |text: &str, expect: &str| {
            let reason = read(text).unwrap_err();
            assert!(reason.contains(expect), "{reason}");
        };
        check("merge_files", "\"merge_files\": expected a name and a number");
        check("merge_files=x", "expected a name and a number");
        check("merge_files=-1", "expected a name and a number");
        check("merge=3", "\"merge\" is not known; known are settle_documents");
    }
}
