//! `cargo xtask images`: the programs as they are shipped, laid out as the root directories of the
//! images. What makes an image of them stands in `deploy/images`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;

use crate::layout::{DATA, Layout, PROGRAM, read};
use crate::shipped::{Platform, build_selected};
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
        program: "roentgen-daemon",
        path: "xray",
        links: &["usr/bin/xray", "usr/bin/roentgen-daemon"],
        files: &[("deploy/packages/cfg.yaml", "etc/amazon/xray/cfg.yaml"), LICENSE],
        writable: "spool",
    },
    Image {
        name: "server",
        program: "roentgen",
        path: "roentgen",
        links: &["usr/bin/roentgen"],
        files: &[LICENSE],
        writable: "data",
    },
];

/// Builds the programs of all platforms, or of those named, and lays out the images.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    for platform in build_selected(arguments)? {
        for context in lay_out(&platform)? {
            println!("{}", context.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Lays out the root directories of one platform's images from the programs that were built; gives
/// the build contexts, one per image.
pub(crate) fn lay_out(platform: &Platform) -> anyhow::Result<Vec<PathBuf>> {
    IMAGES.iter().map(|image| image.lay_out(platform)).collect()
}

impl Image {
    fn lay_out(&self, platform: &Platform) -> anyhow::Result<PathBuf> {
        let context = target_directory().join("images").join(self.name);
        Layout::new(context.join(self.writable))?;
        let image = Layout::new(context.join(platform.architecture))?;
        image.place(self.path, &read(&platform.program(self.program))?, PROGRAM)?;
        for link in self.links {
            image.link(link, &format!("/{}", self.path))?;
        }
        for (from, to) in self.files {
            image.place(to, &read(&root().join(from))?, DATA)?;
        }
        image.place("etc/passwd", PASSWD.as_bytes(), DATA)?;
        image.place("etc/group", GROUP.as_bytes(), DATA)?;
        image.place("etc/ssl/certs/ca-certificates.crt", &certificates()?, DATA)?;
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
