//! The data directory as seen from outside: which files are the log, and which are derived from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::ledger::Place;
use crate::bench::scratch::files_below;

/// A log file.
#[derive(Debug, Clone)]
pub(super) struct LogFile {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// The log files, oldest first.
pub(super) fn log_files(data: &Path) -> anyhow::Result<Vec<LogFile>> {
    let number = |path: &Path| path.file_stem()?.to_str()?.parse().ok();
    let files = files_below(&data.join("log"))?.into_iter();
    let mut files: Vec<_> = files
        .filter_map(|(path, bytes)| Some(LogFile { number: number(&path)?, path, bytes }))
        .collect();
    files.sort_by_key(|file| file.number);
    Ok(files)
}

/// Where the log ends now: what was synced before stands in front of it.
pub(super) fn log_end(data: &Path) -> anyhow::Result<Place> {
    Ok(log_files(data)?.last().map_or((0, 0), |file| (file.number, file.bytes)))
}

/// Files that can be made anew from the log: all but it, the settings and the lock.
pub(super) fn derived_files(data: &Path) -> anyhow::Result<Vec<(PathBuf, u64)>> {
    let mut files = files_below(data)?;
    files.retain(|(path, _)| is_derived(data, path));
    Ok(files)
}

/// Directories that hold nothing else.
pub(super) fn derived_directories(data: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut directories = Vec::new();
    for entry in fs::read_dir(data)? {
        let path = entry?.path();
        if path.is_dir() && is_derived(data, &path) {
            directories.push(path);
        }
    }
    Ok(directories)
}

fn is_derived(data: &Path, path: &Path) -> bool {
    let first = path.strip_prefix(data).ok().and_then(|name| name.components().next());
    let first = first.map(|first| first.as_os_str().to_owned()).unwrap_or_default();
    first != "log" && first != "settings" && first != "lock"
}

/// Whether a derived file is the list of those that count.
pub(super) fn is_manifest(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains("manifest"))
}

/// When derived files were last written, after 1970.
pub(super) fn derived_at(data: &Path) -> anyhow::Result<Duration> {
    let files = derived_files(data)?;
    let changed = files.iter().filter_map(|(path, _)| fs::metadata(path).ok()?.modified().ok());
    let changed = changed.filter_map(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok(changed.max().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::scratch::Scratch;

    #[test]
    fn tells_the_log_from_what_is_derived() {
        let scratch = Scratch::new().expect("a directory");
        let data = scratch.path();
        assert_eq!(log_end(data).expect("nothing yet"), (0, 0));
        for (name, length) in [
            ("log/00000002.log", 5),
            ("log/00000010.log", 7),
            ("settled/00000001.settled", 3),
            ("settled/manifest", 4),
            ("settings/sampling-rules.json", 2),
            ("lock", 0),
        ] {
            let path = data.join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, vec![0; length]).expect("written");
        }
        assert_eq!(log_end(data).expect("listed"), (10, 7));
        let derived = derived_files(data).expect("listed");
        let names: Vec<_> = derived.iter().map(|(path, _)| is_manifest(path)).collect();
        assert_eq!(names, [false, true]);
        let directories = derived_directories(data).expect("listed");
        assert_eq!(directories, [data.join("settled")]);
        assert!(derived_at(data).expect("listed") > Duration::ZERO);
    }
}
