//! `cfg.yaml`: where it is looked for, what may stand in it, and what is said when something else
//! does.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::config::options::{self, Kind, Setting};
use crate::config::yaml::{self, Content, Meaning, Node, YamlError};
use crate::go_words::go_words;

/// Where the file is looked for when none is named; the first that exists counts. The last one is
/// the official daemon's own, and of no use to anybody, but its order is kept.
const PLACES: [&str; 3] =
    ["/etc/amazon/xray/cfg.yaml", "cfg.yaml", "github.com/aws/aws-xray-daemon/pkg/cfg.yaml"];

/// Largest file that is read. The official one has 2 KB.
const MOST_BYTES: u64 = 1024 * 1024;

/// Files; a map in tests.
pub(crate) trait Files {
    /// The bytes of a file, at most `most` of them.
    ///
    /// # Errors
    /// Those of the operating system.
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>>;

    /// Whether something stands there, also when it cannot be read.
    fn exists(&self, path: &Path) -> bool;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessFiles;

impl Files for ProcessFiles {
    fn read(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(std::fs::File::open(path)?, most), &mut bytes)?;
        Ok(bytes)
    }

    fn exists(&self, path: &Path) -> bool {
        !std::fs::exists(path).is_ok_and(|exists| !exists)
    }
}

/// What a `cfg.yaml` sets: values by key, in the spelling of the flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FileValues(BTreeMap<&'static str, String>);

/// What keeps a `cfg.yaml` from being read, in the words of the official daemon.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("Error occur when using config flag: open {path}: {}", go_words(.source))]
    Read { path: String, source: io::Error },
    #[error("Error occur when using config flag: {0}")]
    Yaml(#[from] YamlError),
    #[error("Error occur when using config flag: yaml: unmarshal errors:\n  {}", .0.join("\n  "))]
    Types(Vec<String>),
    #[error("Config Version is missing. {MIGRATE} {REFER}")]
    VersionMissing,
    #[error("Config Version Setting is not correct. {MIGRATE} {REFER}")]
    VersionWrong,
    #[error("{0} flag is not supported any more. {REFER}")]
    Gone(String),
    #[error("{0} flag is not supported. {MIGRATE} {REFER}")]
    Moved(String),
    #[error("{0} flag is invalid. {REFER}")]
    Unknown(String),
}

const MIGRATE: &str = "Use X-Ray Daemon Config Migration Script to update the config file.";
const REFER: &str = "Please refer to AWS X-Ray Documentation for more information.";

/// Keys that versions of the official daemon before 2 knew and that have no successor.
const GONE: [&str; 5] = [
    "Profile.CPU",
    "Profile.Memory",
    "Socket.BufferSizeKB",
    "Logging.LogFormat",
    "Processor.BatchProcessorQueueSize",
];

/// Keys that stand elsewhere since version 1 of the file.
const MOVED: [&str; 5] =
    ["LogRotation", "Processor.Region", "Processor.Endpoint", "Processor.Routine", "MemoryLimit"];

/// The sections of the official file, with the Go type that its messages name.
const SECTIONS: [(&str, &str); 2] = [
    (
        "Socket",
        r#"struct { UDPAddress string "yaml:\"UDPAddress\""; TCPAddress string "yaml:\"TCPAddress\"" }"#,
    ),
    (
        "Logging",
        r#"struct { LogRotation *bool "yaml:\"LogRotation\""; LogLevel string "yaml:\"LogLevel\""; LogPath string "yaml:\"LogPath\"" }"#,
    ),
];

impl FileValues {
    /// Reads the file that was named, and refuses keys it does not know; else the first one of the
    /// places where it is looked for, where unknown keys pass. Nothing when there is none.
    ///
    /// # Errors
    /// Lines that say what is wrong: the one thing that the official daemon would say, in its words
    /// alone; or each value of ours, at which it does not look.
    pub(super) fn load(named: Option<&str>, files: &dyn Files) -> Result<Self, Vec<String>> {
        let found = || PLACES.into_iter().find(|place| files.exists(Path::new(place)));
        let Some(path) = named.or_else(found) else { return Ok(Self::default()) };
        let values = Self::read(path, named.is_some(), files).map_err(|e| vec![e.to_string()])?;
        let wrong = values.wrong(path);
        if wrong.is_empty() { Ok(values) } else { Err(wrong) }
    }

    fn read(path: &str, refuses_unknown: bool, files: &dyn Files) -> Result<Self, FileError> {
        let bytes = files
            .read(Path::new(path), MOST_BYTES)
            .map_err(|source| FileError::Read { path: path.to_owned(), source })?;
        let root = yaml::parse(&bytes)?.unwrap_or_else(Node::null);
        if refuses_unknown {
            refuse_unknown_keys(&root)?;
        }
        Self::decode(&root)
    }

    /// What cannot be the value of an option of ours.
    fn wrong(&self, path: &str) -> Vec<String> {
        let told = |(key, setting): (&str, &Setting)| {
            let (Kind::Checked(check) | Kind::List(check)) = setting.kind else { return None };
            let value = self.get(setting)?;
            let reason = check(value).err()?;
            Some(format!("Error occur when using config flag: {path}: {key}: {value:?}: {reason}"))
        };
        options::of_the_file().filter_map(told).collect()
    }

    /// What the file sets; empty texts and nulls count as not set.
    pub(super) fn get(&self, setting: &Setting) -> Option<&str> {
        self.0.get(setting.key?).map(String::as_str)
    }

    fn decode(root: &Node) -> Result<Self, FileError> {
        let mut decoder = Decoder::default();
        decoder.root(root)?;
        if !decoder.wrong.is_empty() {
            return Err(FileError::Types(decoder.wrong));
        }
        if !matches!(decoder.version, Some(1 | 2)) {
            return Err(FileError::VersionWrong);
        }
        Ok(Self(decoder.values))
    }
}

/// The check of a file that was named: `Version` is there, and every key is known.
fn refuse_unknown_keys(root: &Node) -> Result<(), FileError> {
    let entries = match &root.content {
        Content::Mapping(entries) => entries,
        Content::Scalar { .. } if root.meaning()? == Some(Meaning::Null) => return Ok(()),
        _ => return Err(FileError::Types(vec![root.cannot_become("yaml.MapSlice")?])),
    };
    let mut keys = Vec::new();
    for (key, value) in entries {
        let key = key.key_text()?;
        match &value.content {
            Content::Mapping(inner) => {
                for (inner_key, _) in inner {
                    keys.push(format!("{key}.{}", inner_key.key_text()?));
                }
            }
            _ => keys.push(key),
        }
    }
    if !keys.is_empty() && !keys.iter().any(|key| key == "Version") {
        return Err(FileError::VersionMissing);
    }
    let is_known =
        |key: &str| key == "Version" || options::of_the_file().any(|(known, _)| known == key);
    match keys.into_iter().find(|key| !is_known(key)) {
        None => Ok(()),
        Some(key) if GONE.contains(&key.as_str()) => Err(FileError::Gone(key)),
        Some(key) if MOVED.contains(&key.as_str()) => Err(FileError::Moved(key)),
        Some(key) => Err(FileError::Unknown(key)),
    }
}

/// A file on its way from nodes to values. The last of several same keys counts.
#[derive(Default)]
struct Decoder {
    version: Option<i64>,
    values: BTreeMap<&'static str, String>,
    /// What is of a wrong type, in the order of the file.
    wrong: Vec<String>,
}

impl Decoder {
    fn root(&mut self, root: &Node) -> Result<(), YamlError> {
        let Some(entries) = self.entries(root, "cfg.Config")? else { return Ok(()) };
        for (key, value) in entries {
            let Some(name) = self.text(key)? else { continue };
            let section = format!("{name}.");
            if name == "Version" {
                self.version = self.integer(value)?;
            } else if options::of_the_file().any(|(key, _)| key == name) {
                self.value(&name, value)?;
            } else if options::of_the_file().any(|(key, _)| key.starts_with(&section)) {
                self.section(&name, value)?;
            }
        }
        Ok(())
    }

    fn section(&mut self, name: &str, section: &Node) -> Result<(), YamlError> {
        let go_type = SECTIONS.iter().find(|(section, _)| *section == name);
        let Some(entries) = self.entries(section, go_type.map_or("struct", |(_, ty)| ty))? else {
            return Ok(());
        };
        for (key, value) in entries {
            if let Some(key) = self.text(key)? {
                self.value(&format!("{name}.{key}"), value)?;
            }
        }
        Ok(())
    }

    /// Takes the value of a key, if it is one of ours.
    fn value(&mut self, key: &str, value: &Node) -> Result<(), YamlError> {
        let known = options::of_the_file().find(|(known, _)| *known == key);
        let Some((key, setting)) = known else { return Ok(()) };
        let value = match setting.kind {
            Kind::Text | Kind::Checked(_) => self.text(value)?,
            // The official daemon takes 0 for not set; so its default counts, and ours.
            Kind::Integer => {
                self.integer(value)?.filter(|value| *value != 0).map(|value| value.to_string())
            }
            Kind::Switch => self.switch(value)?.map(|value| value.to_string()),
            Kind::List(_) => self.list(value)?,
        };
        match value.filter(|value| !value.is_empty()) {
            Some(value) => self.values.insert(key, value),
            None => self.values.remove(key),
        };
        Ok(())
    }

    fn entries<'a>(
        &mut self,
        node: &'a Node,
        go_type: &str,
    ) -> Result<Option<&'a [(Node, Node)]>, YamlError> {
        match &node.content {
            Content::Mapping(entries) => return Ok(Some(entries)),
            Content::Scalar { .. } if node.meaning()? == Some(Meaning::Null) => {}
            _ => self.wrong.push(node.cannot_become(go_type)?),
        }
        Ok(None)
    }

    /// A text; numbers and the like are texts too, as they are spelt.
    fn text(&mut self, node: &Node) -> Result<Option<String>, YamlError> {
        match (node.meaning()?, &node.content) {
            (Some(Meaning::Null), _) => {}
            (Some(_), Content::Scalar { text, .. }) => return Ok(Some(text.clone())),
            _ => self.wrong.push(node.cannot_become("string")?),
        }
        Ok(None)
    }

    fn integer(&mut self, node: &Node) -> Result<Option<i64>, YamlError> {
        match node.meaning()? {
            Some(Meaning::Null) => return Ok(None),
            Some(Meaning::Integer(value)) => return Ok(Some(value)),
            // Go cuts off what is behind the point.
            Some(Meaning::Number(value)) => {
                if let Ok(value) = format!("{:.0}", value.trunc()).parse() {
                    return Ok(Some(value));
                }
            }
            _ => {}
        }
        self.wrong.push(node.cannot_become("int")?);
        Ok(None)
    }

    fn switch(&mut self, node: &Node) -> Result<Option<bool>, YamlError> {
        match node.meaning()? {
            Some(Meaning::Null) => {}
            Some(Meaning::Boolean(value)) => return Ok(Some(value)),
            _ => self.wrong.push(node.cannot_become("bool")?),
        }
        Ok(None)
    }

    /// The parts of a sequence between commas, or the text as it stands.
    fn list(&mut self, node: &Node) -> Result<Option<String>, YamlError> {
        let Content::Sequence(items) = &node.content else { return self.text(node) };
        let mut parts = Vec::with_capacity(items.len());
        for item in items {
            parts.extend(self.text(item)?);
        }
        Ok(Some(parts.join(",")))
    }
}

#[cfg(test)]
mod tests;
