//! Settings: small records that people change, such as sampling rules.
//!
//! They live beside the log, not in it: one JSON file for each kind, readable and replaceable
//! with an editor while the server is stopped. A file is replaced whole, so that it holds the
//! old or the new record whenever power fails.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::data_directory::{create_directory, sync_directory};
use crate::locking::lock;

/// The version of the file's outer form.
const VERSION: u32 = 1;

/// Why settings could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read or written.
    #[error("cannot {action} settings file {path}: {cause}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// The file does not hold what it should. It is never overwritten because of that.
    #[error("settings file {path} is damaged: {reason}; correct it, or move it away to start anew")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and what.
        reason: String,
    },
    /// The file was written by a newer program.
    #[error(
        "settings file {path} has version {found}, but this program reads version {VERSION}; \
         start the version of Roentgen that wrote it"
    )]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}

/// The durable home of one kind of settings: `settings/<kind>.json` in the data directory.
///
/// Use it only while the store of that directory is open: the store's lock keeps other
/// processes away.
#[derive(Debug)]
pub struct SettingsFile {
    kind: &'static str,
    path: PathBuf,
    saving: Mutex<()>,
}

#[derive(Deserialize)]
struct Header {
    kind: String,
    version: u32,
}

#[derive(Deserialize)]
struct Body<T> {
    settings: T,
}

#[derive(Serialize)]
struct Contents<'a, T> {
    kind: &'a str,
    version: u32,
    settings: &'a T,
}

impl SettingsFile {
    /// The settings of a kind, such as `sampling-rules`, in a data directory. Touches no file.
    pub fn new(data_directory: &Path, kind: &'static str) -> Self {
        let path = data_directory.join("settings").join(format!("{kind}.json"));
        Self { kind, path, saving: Mutex::new(()) }
    }

    /// Where the settings are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The settings, or `None` when there never were any.
    ///
    /// # Errors
    /// When there are some but they cannot be read. The file is left as it is.
    pub fn load<T: DeserializeOwned>(&self) -> Result<Option<T>, SettingsError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io("read", error)),
        };
        let header: Header = serde_json::from_slice(&bytes).map_err(|error| self.damaged(error))?;
        if header.kind != self.kind {
            let reason = format!("its kind is {:?}, expected {:?}", header.kind, self.kind);
            return Err(self.damaged(reason));
        }
        if header.version != VERSION {
            return Err(SettingsError::UnknownVersion {
                path: self.path.clone(),
                found: header.version,
            });
        }
        let body: Body<T> = serde_json::from_slice(&bytes).map_err(|error| self.damaged(error))?;
        Ok(Some(body.settings))
    }

    /// Replaces the settings. They are on stable storage when this returns.
    ///
    /// # Errors
    /// When they could not be written. The file then holds the ones before, unless only the sync
    /// of its directory failed: then it holds the new ones, which a loss of power may undo.
    pub fn save<T: Serialize>(&self, settings: &T) -> Result<(), SettingsError> {
        let contents = Contents { kind: self.kind, version: VERSION, settings };
        let mut bytes = serde_json::to_vec_pretty(&contents)
            .map_err(|error| self.io("write", io::Error::from(error)))?;
        bytes.push(b'\n');
        let _only_one_at_a_time = lock(&self.saving);
        self.replace(&bytes).map_err(|error| self.io("write", error))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        create_directory(directory)?;
        let new = self.path.with_extension("json.new");
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        sync_directory(directory)
    }

    fn io(&self, action: &'static str, cause: io::Error) -> SettingsError {
        SettingsError::Io { action, path: self.path.clone(), cause }
    }

    fn damaged(&self, reason: impl ToString) -> SettingsError {
        SettingsError::Damaged { path: self.path.clone(), reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_and_are_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let file = SettingsFile::new(directory.path(), "sampling-rules");
        assert_eq!(file.load::<Vec<String>>().unwrap(), None);
        file.save(&vec!["first", "of", "several"]).unwrap();
        file.save(&vec!["second"]).unwrap();
        let again = SettingsFile::new(directory.path(), "sampling-rules");
        assert_eq!(again.load::<Vec<String>>().unwrap(), Some(vec!["second".to_owned()]));
        let text = fs::read_to_string(again.path()).unwrap();
        assert!(
            text.starts_with("{\n  \"kind\": \"sampling-rules\",\n  \"version\": 1,"),
            "{text}"
        );
        assert_eq!(fs::read_dir(directory.path().join("settings")).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_left_alone() {
        let check = |contents: &[u8], expect: &str| {
            let directory = tempfile::tempdir().unwrap();
            let file = SettingsFile::new(directory.path(), "sampling-rules");
            fs::create_dir(directory.path().join("settings")).unwrap();
            fs::write(file.path(), contents).unwrap();
            let message = file.load::<Vec<String>>().unwrap_err().to_string();
            assert!(message.contains(expect), "{message}");
            assert!(message.contains("sampling-rules.json"), "{message}");
            assert_eq!(fs::read(file.path()).unwrap(), contents);
        };
        check(b"", "is damaged: EOF");
        check(b"\xff\xfe", "is damaged");
        check(br#"{"kind":"sampling-rules","version":1,"settings":[1]}"#, "is damaged");
        check(br#"{"kind":"sampling-rules","version":1}"#, "missing field `settings`");
        check(br#"{"kind":"groups","version":1,"settings":[]}"#, "its kind is \"groups\"");
        check(br#"{"kind":"sampling-rules","version":2,"settings":{}}"#, "has version 2");
    }

    #[test]
    fn a_failed_save_leaves_the_settings_before() {
        let directory = tempfile::tempdir().unwrap();
        let file = SettingsFile::new(directory.path(), "groups");
        file.save(&1).unwrap();
        fs::create_dir(file.path().with_extension("json.new")).unwrap();
        let message = file.save(&2).unwrap_err().to_string();
        assert!(message.starts_with("cannot write settings file "), "{message}");
        assert_eq!(file.load::<i32>().unwrap(), Some(1));
    }
}
