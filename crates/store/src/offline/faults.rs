//! What can be wrong in a data directory, and where.

use std::fmt;
use std::path::PathBuf;

use roentgen_model::Rejection;

/// Faults that are told one by one; all are counted.
const MAX_TOLD_FAULTS: usize = 1000;

/// Something wrong in a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// Where in it; `None` when the whole file is meant.
    pub offset: Option<u64>,
    /// What.
    pub kind: FaultKind,
}

/// What can be wrong. What is wrong with the log is lost; what is wrong with what is made from it
/// is made anew by [`rebuild`](crate::rebuild).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A log file's header is not what was written.
    Header,
    /// A file of a format that this program does not know.
    UnknownVersion(u32),
    /// So many bytes of a log file are no frame.
    Frames(u64),
    /// So many bytes are missing at the end of a log file.
    Shortened(u64),
    /// What stands in a sound frame is refused as a document.
    Document(Rejection),
    /// The file cannot be read.
    Unreadable(String),
    /// The manifest cannot be read from here on.
    Manifest,
    /// A settled file that the manifest lists is not there.
    Missing,
    /// A part of a settled file is not what was written.
    Section(String),
    /// So many documents of a log file, from here on, are in no settled file although the manifest
    /// says that they are.
    Uncovered(u64),
    /// So many documents of a log file, from here on, are in settled files more than once.
    CoveredTwice(u64),
    /// Settled files hold so many places of a log file, from here on, where no document is.
    NoDocument(u64),
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultKind::Header => write!(f, "the file's header is damaged"),
            FaultKind::UnknownVersion(found) => {
                write!(f, "format version {found} is not known to this program")
            }
            FaultKind::Frames(bytes) => write!(f, "{bytes} damaged bytes"),
            FaultKind::Shortened(bytes) => write!(f, "{bytes} bytes from here on are gone"),
            FaultKind::Document(rejection) => write!(f, "a document that is none: {rejection}"),
            FaultKind::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
            FaultKind::Manifest => write!(f, "the manifest cannot be read from here on"),
            FaultKind::Missing => write!(f, "the manifest lists the file, but it is not there"),
            FaultKind::Section(section) => write!(f, "the {section} is damaged"),
            FaultKind::Uncovered(count) => {
                write!(f, "{count} documents from here on are missing in the settled files")
            }
            FaultKind::CoveredTwice(count) => {
                write!(f, "{count} documents from here on are in settled files more than once")
            }
            FaultKind::NoDocument(count) => {
                write!(f, "settled files name {count} documents from here on that are not there")
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(offset) = self.offset {
            write!(f, " at {offset}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

/// Faults as they are found.
#[derive(Debug, Default)]
pub(super) struct Faults {
    told: Vec<Fault>,
    total: u64,
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.total += 1;
        if self.told.len() < MAX_TOLD_FAULTS {
            self.told.push(fault);
        }
    }

    pub(super) fn append(&mut self, others: Faults) {
        let room = MAX_TOLD_FAULTS.saturating_sub(self.told.len());
        self.told.extend(others.told.into_iter().take(room));
        self.total += others.total;
    }

    /// Those to be told, and how many there are.
    pub(super) fn into_parts(self) -> (Vec<Fault>, u64) {
        (self.told, self.total)
    }
}
