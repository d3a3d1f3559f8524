//! Directories that become images and packages: their modes are set here, so that the same programs make
//! the same image and the same package on every machine, whatever its umask is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The mode of a program or a directory.
pub(crate) const PROGRAM: u32 = 0o755;

/// The mode of any other file.
pub(crate) const DATA: u32 = 0o644;

/// A directory that is laid out as the root of something.
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// An empty one; what stood there before goes.
    pub(crate) fn new(root: PathBuf) -> anyhow::Result<Self> {
        if root.exists() {
            fs::remove_dir_all(&root)
                .with_context(|| format!("{}: cannot be removed", root.display()))?;
        }
        let layout = Self { root };
        layout.directory("")?;
        Ok(layout)
    }

    /// Where it is.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a file, and makes the directories above it.
    pub(crate) fn place(&self, name: &str, content: &[u8], mode: u32) -> anyhow::Result<()> {
        self.directory(parent(name))?;
        let path = self.root.join(name);
        fs::write(&path, content)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)))
            .with_context(|| format!("{}: cannot be written", path.display()))
    }

    /// Makes a symbolic link with this text.
    pub(crate) fn link(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.directory(parent(name))?;
        let path = self.root.join(name);
        symlink(text, &path).with_context(|| format!("{}: cannot be made", path.display()))
    }

    /// Makes a directory and those above it.
    pub(crate) fn directory(&self, name: &str) -> anyhow::Result<()> {
        let mut path = self.root.clone();
        for part in std::iter::once("").chain(name.split('/')) {
            if !part.is_empty() {
                path.push(part);
            }
            fs::create_dir_all(&path)
                .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(PROGRAM)))
                .with_context(|| format!("{}: cannot be made", path.display()))?;
        }
        Ok(())
    }
}

/// The directory part of a path.
fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The content of a file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))
}
