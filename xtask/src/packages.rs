//! `cargo xtask packages`: Debian packages of the programs as they are shipped, in `target/packages`.
//!
//! They are plain directories given to `dpkg-deb`: a static program needs nothing computed for it. Modes,
//! owners and times are set here, so that the same programs make the same package on every machine.

use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use anyhow::{Context as _, bail};

use crate::layout::{DATA, Layout, PROGRAM, read};
use crate::shipped::{Platform, build_selected};
use crate::workspace::{command, root, target_directory};

/// The version of the workspace, which is that of this xtask too. Packages add a revision of their own.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The time of every file, in seconds since 1970: the beginning of 2026. A time of the build would make
/// every package another one, and lintian takes times before Debian existed for a mistake.
const SOURCE_DATE_EPOCH: &str = "1767225600";

/// One package.
struct Package {
    name: &'static str,
    program: &'static str,
    unit: &'static str,
    /// Links in `/usr/bin` and `/usr/share/man/man1` to the program and its page.
    also_called: &'static [&'static str],
    /// Files of `deploy/packages`, each with its path in the package.
    files: &'static [(&'static str, &'static str)],
}

const PACKAGES: [Package; 2] = [
    Package {
        name: "roentgen-daemon",
        program: "roentgen-daemon",
        unit: "xray.service",
        also_called: &["xray"],
        // No /etc/amazon/xray/cfg.yaml: that of the package this one replaces stays as it is, and is read.
        files: &[
            ("cfg.yaml", "usr/share/doc/roentgen-daemon/examples/cfg.yaml"),
            ("xray.default", "etc/default/xray"),
        ],
    },
    Package {
        name: "roentgen",
        program: "roentgen",
        unit: "roentgen.service",
        also_called: &[],
        files: &[("roentgen.yaml", "etc/roentgen/config.yaml")],
    },
];

/// Builds the programs of all platforms, or of those named, and packages of them.
pub(crate) fn run(arguments: &[String]) -> anyhow::Result<ExitCode> {
    for platform in build_selected(arguments)? {
        for package in make(&platform)? {
            println!("{}", package.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the packages of one platform from the programs that were built; gives their paths.
pub(crate) fn make(platform: &Platform) -> anyhow::Result<Vec<PathBuf>> {
    PACKAGES.iter().map(|package| package.make(platform)).collect()
}

impl Package {
    fn make(&self, platform: &Platform) -> anyhow::Result<PathBuf> {
        let directory = target_directory().join("packages");
        let architecture = platform.architecture;
        let layout = Layout::new(directory.join(format!("{}-{architecture}", self.name)))?;
        let program = read(&platform.program(self.program))?;
        layout.place(&format!("usr/bin/{}", self.program), &program, PROGRAM)?;
        self.place_files(&layout)?;
        self.place_control(&layout, architecture, program.len().div_ceil(1024))?;

        let package = directory.join(format!("{}_{VERSION}-1_{architecture}.deb", self.name));
        let mut dpkg = command("dpkg-deb", &root());
        // xz, because dpkg of older systems does not know zstd.
        dpkg.args(["--root-owner-group", "-Zxz", "--build"]).arg(layout.root()).arg(&package);
        let status =
            dpkg.env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH).stdout(Stdio::null()).status();
        match status.context("dpkg-deb cannot be started")? {
            status if status.success() => Ok(package),
            status => bail!("{}: dpkg-deb: {status}", package.display()),
        }
    }

    fn place_files(&self, layout: &Layout) -> anyhow::Result<()> {
        let (name, unit) = (self.name, self.unit);
        layout.place(
            &format!("lib/systemd/system/{unit}"),
            &source(&format!("systemd/{unit}"))?,
            DATA,
        )?;
        for (from, to) in self.files {
            layout.place(to, &source(&format!("packages/{from}"))?, DATA)?;
        }
        let documents = format!("usr/share/doc/{name}");
        layout.place(&format!("{documents}/copyright"), &source("packages/copyright")?, DATA)?;
        let changelog = read(&root().join("CHANGELOG.md"))?;
        layout.place(&format!("{documents}/changelog.gz"), &gzip(&changelog)?, DATA)?;
        let values = [("@PACKAGE@", name), ("@VERSION@", VERSION)];
        let debian_changelog = template("changelog", &values)?;
        layout.place(
            &format!("{documents}/changelog.Debian.gz"),
            &gzip(debian_changelog.as_bytes())?,
            DATA,
        )?;
        let manual = template(&format!("{name}.1"), &[("@VERSION@", VERSION)])?;
        layout.place(
            &format!("usr/share/man/man1/{name}.1.gz"),
            &gzip(manual.as_bytes())?,
            DATA,
        )?;
        for link in self.also_called {
            layout.link(&format!("usr/bin/{link}"), self.program)?;
            layout.link(&format!("usr/share/man/man1/{link}.1.gz"), &format!("{name}.1.gz"))?;
        }
        Ok(())
    }

    fn place_control(
        &self,
        layout: &Layout,
        architecture: &str,
        kilobytes: usize,
    ) -> anyhow::Result<()> {
        let values = [
            ("@VERSION@", VERSION),
            ("@ARCHITECTURE@", architecture),
            ("@SIZE@", &kilobytes.to_string()),
        ];
        let control = template(&format!("{}.control", self.name), &values)?;
        layout.place("DEBIAN/control", control.as_bytes(), DATA)?;
        let mut settings = String::new();
        for (_, path) in self.files.iter().filter(|(_, path)| path.starts_with("etc/")) {
            settings.push_str(&format!("/{path}\n"));
        }
        layout.place("DEBIAN/conffiles", settings.as_bytes(), DATA)?;
        for script in ["postinst", "prerm", "postrm"] {
            let text = template(script, &[("@UNIT@", self.unit)])?;
            layout.place(&format!("DEBIAN/{script}"), text.as_bytes(), PROGRAM)?;
        }
        Ok(())
    }
}

/// A file of `deploy`.
fn source(name: &str) -> anyhow::Result<Vec<u8>> {
    read(&root().join("deploy").join(name))
}

/// A file of `deploy/packages` with values in the place of their names.
fn template(name: &str, values: &[(&str, &str)]) -> anyhow::Result<String> {
    let text = String::from_utf8(source(&format!("packages/{name}"))?)
        .with_context(|| format!("deploy/packages/{name}: not UTF-8"))?;
    Ok(values.iter().fold(text, |text, (name, value)| text.replace(name, value)))
}

/// Compressed as Debian's policy wants it: as small as can be, without name and time.
fn gzip(content: &[u8]) -> anyhow::Result<Vec<u8>> {
    use std::io::Write as _;

    let mut gzip = command("gzip", &root());
    gzip.args(["-9", "-n"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = gzip.spawn().context("gzip cannot be started")?;
    let mut input = child.stdin.take().context("gzip has no input")?;
    let content = content.to_vec();
    // From a thread: gzip may wait for us to read before it reads on.
    let writer = std::thread::spawn(move || input.write_all(&content));
    let output = child.wait_with_output().context("gzip")?;
    let written = writer.join().unwrap_or_else(|_| Err(std::io::ErrorKind::Other.into()));
    written.context("gzip does not read")?;
    if !output.status.success() {
        bail!("gzip: {}", output.status);
    }
    Ok(output.stdout)
}
