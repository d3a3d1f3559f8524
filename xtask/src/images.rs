//! `cargo xtask images`: the programs as they are shipped, laid out as the root directories of the
//! images. What makes an image of them stands in `deploy/images`.
//!
//! Modes are set here and owners there, so that the same programs make the same image on every machine.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};

use crate::shipped::{PLATFORMS, Platform};
use crate::steps::Outcome;
use crate::workspace::{root, target_directory};

/// What the programs trust: the bundle of Debian and its kin, and that of Red Hat and its kin.
const CERTIFICATES: [&str; 2] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// The official daemon's user. The images name it by number; programs that look up the name find it.
const PASSWD: &str = "xray:x:10001:10001::/:/sbin/nologin\n";
const GROUP: &str = "xray:x:10001:\n";

/// One image.
struct Image {
    name: &'static str,
    package: &'static str,
    program: &'static str,
    /// Where the program stands in the image, and other paths that lead there.
    path: &'static str,
    links: &'static [&'static str],
    /// Files of the repository, each with its path in the image.
    files: &'static [(&'static str, &'static str)],
    /// An empty directory of the context, which becomes one that the image's user may write to.
    writable: &'static str,
}

const LICENSE: (&str, &str) = ("LICENSE", "usr/share/doc/roentgen/LICENSE");

const IMAGES: [Image; 2] = [
    Image {
        name: "daemon",
        package: "roentgen-daemon",
        program: "roentgen-daemon",
        path: "xray",
        links: &["usr/bin/xray", "usr/bin/roentgen-daemon"],
        files: &[("deploy/packages/cfg.yaml", "etc/amazon/xray/cfg.yaml"), LICENSE],
        writable: "spool",
    },
    Image {
        name: "server",
        package: "roentgen-server",
        program: "roentgen",
        path: "roentgen",
        links: &["usr/bin/roentgen"],
        files: &[LICENSE],
        writable: "data",
    },
];

/// Builds the programs of all platforms, or of those named, and lays out the images.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    let known = PLATFORMS.map(|platform| platform.architecture);
    if let Some(other) = arguments.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("unknown architecture {other:?}; there are {}", known.join(" and "));
    }
    let named = |platform: &&Platform| {
        arguments.is_empty() || arguments.iter().any(|name| name == platform.architecture)
    };
    for platform in PLATFORMS.iter().filter(named) {
        if let Some(missing) = platform.missing()? {
            bail!("{}: {missing}", platform.architecture);
        }
        if let Outcome::Failed(why) = build(platform)? {
            bail!("{}: {why}", platform.architecture);
        }
        for context in lay_out(platform)? {
            println!("{}", context.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the programs of all images for one platform, the console inside.
pub(crate) fn build(platform: &Platform) -> anyhow::Result<Outcome> {
    crate::steps::run_all(IMAGES.map(|image| {
        let mut build = crate::steps::with_jobs(platform.build(image.package));
        // An image without the console would be a surprise to whoever opens it.
        build.env("CONSOLE", "require");
        build
    }))
}

/// Lays out the root directories of one platform's images from the programs that were built; gives
/// the build contexts, one per image.
pub(crate) fn lay_out(platform: &Platform) -> anyhow::Result<Vec<PathBuf>> {
    IMAGES.iter().map(|image| image.lay_out(platform)).collect()
}

impl Image {
    fn lay_out(&self, platform: &Platform) -> anyhow::Result<PathBuf> {
        let context = target_directory().join("images").join(self.name);
        let image_root = context.join(platform.architecture);
        if image_root.exists() {
            fs::remove_dir_all(&image_root)
                .with_context(|| format!("{}: cannot be removed", image_root.display()))?;
        }
        directory(&context, self.writable)?;
        let program = platform.program(self.program);
        place(&image_root, self.path, &read(&program)?, 0o755)?;
        for link in self.links {
            let path = image_root.join(link);
            directory(&image_root, parent(link))?;
            symlink(Path::new("/").join(self.path), &path)
                .with_context(|| format!("{}: cannot be made", path.display()))?;
        }
        for (from, to) in self.files {
            place(&image_root, to, &read(&root().join(from))?, 0o644)?;
        }
        place(&image_root, "etc/passwd", PASSWD.as_bytes(), 0o644)?;
        place(&image_root, "etc/group", GROUP.as_bytes(), 0o644)?;
        place(&image_root, "etc/ssl/certs/ca-certificates.crt", &certificates()?, 0o644)?;
        Ok(context)
    }
}

/// The certificates of this machine.
fn certificates() -> anyhow::Result<Vec<u8>> {
    let Some(path) = CERTIFICATES.iter().map(Path::new).find(|path| path.is_file()) else {
        bail!("no bundle of CA certificates; install ca-certificates");
    };
    read(path)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))
}

fn place(image_root: &Path, name: &str, content: &[u8], mode: u32) -> anyhow::Result<()> {
    directory(image_root, parent(name))?;
    let path = image_root.join(name);
    fs::write(&path, content)
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)))
        .with_context(|| format!("{}: cannot be written", path.display()))
}

/// Makes a directory and those above it up to `base`, all of them readable whatever the umask is.
fn directory(base: &Path, name: &str) -> anyhow::Result<()> {
    let mut path = base.to_path_buf();
    fs::create_dir_all(&path).with_context(|| format!("{}: cannot be made", path.display()))?;
    for part in std::iter::once("").chain(name.split('/')) {
        if !part.is_empty() {
            path.push(part);
        }
        if !path.is_dir() {
            fs::create_dir(&path).with_context(|| format!("{}: cannot be made", path.display()))?;
        }
        fs::set_permissions(&path, Permissions::from_mode(0o755))
            .with_context(|| format!("{}: cannot be opened up", path.display()))?;
    }
    Ok(())
}

/// The directory part of a path in the image.
fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(parent, _)| parent)
}
