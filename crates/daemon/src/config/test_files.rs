//! Files in a map, for tests.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::file::Files;

#[derive(Clone, Debug, Default)]
pub(super) struct MapFiles(BTreeMap<PathBuf, Vec<u8>>);

impl MapFiles {
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        files.iter().fold(Self::default(), |files, (path, text)| files.with(path, text.as_bytes()))
    }

    pub(super) fn with(mut self, path: &str, bytes: &[u8]) -> Self {
        self.0.insert(path.into(), bytes.to_owned());
        self
    }
}

impl Files for MapFiles {
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let Some(bytes) = self.0.get(path) else {
            return Err(io::Error::from_raw_os_error(2)); // ENOENT, with the words that belong to it.
        };
        let most = usize::try_from(most).unwrap();
        Ok(bytes[..bytes.len().min(most)].to_owned())
    }

    fn exists(&self, path: &Path) -> bool {
        self.0.contains_key(path)
    }
}
