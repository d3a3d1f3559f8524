//! Settings that callers change: in memory, and on stable storage before anyone sees a change.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use roentgen_store::{SettingsError, SettingsFile};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What can be kept.
pub(crate) trait Keep: Clone {
    /// The name of the settings, and of their file.
    const KIND: &'static str;

    /// How it is written.
    type Stored: Serialize + DeserializeOwned;

    /// What there is before anything was written.
    fn initial() -> Self;

    /// What is written.
    fn stored(&self) -> Self::Stored;

    /// What was written.
    ///
    /// # Errors
    /// With the reason, when it makes no sense.
    fn restore(stored: Self::Stored) -> Result<Self, String>;
}

/// Something kept.
pub(crate) struct Kept<T> {
    file: SettingsFile,
    /// Held from reading to having saved: one change at a time.
    changing: Mutex<()>,
    /// Held for moments only, never while the disk works.
    current: Mutex<Arc<T>>,
}

impl<T: Keep> Kept<T> {
    /// What the data directory has, or what there is initially when it has none.
    ///
    /// # Errors
    /// When there are settings, but they cannot be read or make no sense.
    pub(crate) fn open(data_directory: &Path) -> Result<Self, SettingsError> {
        let file = SettingsFile::new(data_directory, T::KIND);
        let current = match file.load::<T::Stored>()? {
            Some(stored) => T::restore(stored).map_err(|reason| {
                let path = file.path().to_owned();
                SettingsError::Damaged { path, reason }
            })?,
            None => T::initial(),
        };
        Ok(Self { file, changing: Mutex::new(()), current: Mutex::new(Arc::new(current)) })
    }

    /// What is kept at the moment.
    pub(crate) fn get(&self) -> Arc<T> {
        Arc::clone(&self.current())
    }

    /// Changes it, unless `change` fails. Blocks for the disk. `change` may change other things
    /// that are kept, in one order everywhere.
    pub(crate) fn change<R, E: From<SettingsError>>(
        &self,
        change: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        self.change_then(change, |_| ())
    }

    /// As [`Kept::change`]; `then` does what follows from the change once it is kept, before there
    /// can be another one.
    pub(crate) fn change_then<R, E: From<SettingsError>>(
        &self,
        change: impl FnOnce(&mut T) -> Result<R, E>,
        then: impl FnOnce(&R),
    ) -> Result<R, E> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = T::clone(&self.get());
        let outcome = change(&mut changed)?;
        self.file.save(&changed.stored())?;
        *self.current() = Arc::new(changed);
        then(&outcome);
        Ok(outcome)
    }

    fn current(&self) -> MutexGuard<'_, Arc<T>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Number(u8);

    impl Keep for Number {
        const KIND: &'static str = "number";

        type Stored = u8;

        fn initial() -> Self {
            Self(0)
        }

        fn stored(&self) -> u8 {
            self.0
        }

        fn restore(stored: u8) -> Result<Self, String> {
            if stored < 100 { Ok(Self(stored)) } else { Err("it is too great".to_owned()) }
        }
    }

    fn set(kept: &Kept<Number>, number: u8) -> Result<(), SettingsError> {
        kept.change(|current| {
            current.0 = number;
            Ok(())
        })
    }

    #[test]
    fn changes_are_seen_once_they_are_kept() {
        let directory = tempfile::TempDir::new().unwrap();
        let kept = Kept::<Number>::open(directory.path()).unwrap();
        assert_eq!(*kept.get(), Number(0));
        set(&kept, 7).unwrap();
        assert_eq!(*Kept::<Number>::open(directory.path()).unwrap().get(), Number(7));
        std::fs::create_dir(kept.file.path().with_extension("json.new")).unwrap();
        set(&kept, 8).unwrap_err();
        assert_eq!(*kept.get(), Number(7));
    }

    #[test]
    fn what_follows_a_change_is_done_before_the_next_one() {
        let directory = tempfile::TempDir::new().unwrap();
        let kept = Kept::<Number>::open(directory.path()).unwrap();
        let set = |number: u8, then: &dyn Fn()| {
            let change = |current: &mut Number| {
                current.0 = number;
                Ok::<_, SettingsError>(())
            };
            kept.change_then(change, |()| then())
        };
        let is_done = std::cell::Cell::new(false);
        let look = || {
            assert_eq!(*kept.get(), Number(7));
            assert_eq!(*Kept::<Number>::open(directory.path()).unwrap().get(), Number(7));
            assert!(kept.changing.try_lock().is_err());
            is_done.set(true);
        };
        set(7, &look).unwrap();
        assert!(is_done.get());
        std::fs::create_dir(kept.file.path().with_extension("json.new")).unwrap();
        set(8, &|| panic!("nothing changed")).unwrap_err();
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_file() {
        let directory = tempfile::TempDir::new().unwrap();
        set(&Kept::open(directory.path()).unwrap(), 100).unwrap();
        let message = Kept::<Number>::open(directory.path()).unwrap_err().to_string();
        assert!(message.contains("number.json is damaged: it is too great"), "{message}");
    }
}
