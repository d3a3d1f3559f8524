//! Finds or builds the console's files and writes the table that `lib.rs` embeds.
//!
//! Where the files come from, first that applies:
//!
//! 1. `CONSOLE_DIST=<folder>`: a finished front-end build, e.g. from another Docker stage.
//! 2. `CONSOLE=off`: a page that says the console was left out.
//! 3. `console/dist`, when it is newer than every source file: what `npm run build` left there.
//! 4. A release build, or `CONSOLE=require`: npm builds the front end in a copy inside `OUT_DIR`,
//!    because a build script must not write into the source tree.
//! 5. Otherwise (debug build, or no Node.js) a page that says how to get the real one.
//!
//! `CONSOLE=require` turns every failure of step 4 into a failed build.

#![allow(
    clippy::print_stdout,
    reason = "cargo reads a build script's instructions from its output"
)]

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// What the front-end build reads, relative to the crate. Tests are left out: they do not end in the console.
const SOURCES: [&str; 8] = [
    "index.html",
    "package.json",
    "package-lock.json",
    "public",
    "src",
    "tools",
    "tsconfig.json",
    "vite.config.ts",
];

/// A file that never exists: cargo runs the script again next time when it is told to watch one.
const TRY_AGAIN: &str = "rs/.run-again-next-time";

fn main() {
    let crate_dir = PathBuf::from(env("CARGO_MANIFEST_DIR"));
    let out_dir = PathBuf::from(env("OUT_DIR"));
    for name in ["CONSOLE", "CONSOLE_DIST"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    println!("cargo:rerun-if-changed=rs/build.rs");

    let embedded = out_dir.join("embedded");
    let found = find_console(&crate_dir, &out_dir);
    replace_folder(&embedded, |to| match &found {
        Console::Built(dist) => copy_tree(dist, to),
        Console::Stub(reason) => fs::write(to.join("index.html"), stub_page(reason)),
    })
    .unwrap_or_else(|e| panic!("copy the console into {}: {e}", embedded.display()));

    let table = asset_table(&embedded, matches!(found, Console::Stub(_)))
        .unwrap_or_else(|e| panic!("list the console's files in {}: {e}", embedded.display()));
    fs::write(out_dir.join("assets.rs"), table)
        .unwrap_or_else(|e| panic!("write the table of console files: {e}"));
}

/// The outcome of the search: a folder with a finished build, or why there is none.
enum Console {
    Built(PathBuf),
    Stub(String),
}

fn find_console(crate_dir: &Path, out_dir: &Path) -> Console {
    let wish = std::env::var("CONSOLE").unwrap_or_default();
    if let Some(dist) = std::env::var_os("CONSOLE_DIST").filter(|dist| !dist.is_empty()) {
        let dist = PathBuf::from(dist);
        assert!(
            dist.join("index.html").is_file(),
            "CONSOLE_DIST={}: no index.html there; expected the folder that `npm run build` writes",
            dist.display()
        );
        println!("cargo:rerun-if-changed={}", dist.display());
        return Console::Built(dist);
    }
    let required = match wish.as_str() {
        "off" => {
            return Console::Stub(
                "It was left out of this build (<code>CONSOLE=off</code>).".to_owned(),
            );
        }
        "require" => true,
        "" | "auto" => false,
        other => panic!("CONSOLE={other}: expected off, auto or require"),
    };

    let dist = crate_dir.join("dist");
    if is_fresh(crate_dir, &dist) {
        println!("cargo:rerun-if-changed=dist");
        return Console::Built(dist);
    }
    if !required && env("PROFILE") != "release" {
        // The folder may appear between two builds; a missing path alone would make cargo run this every time.
        if dist.exists() {
            println!("cargo:rerun-if-changed=dist");
        }
        return Console::Stub(
            "Debug builds do not build it. Run <code>npm ci &amp;&amp; npm run build</code> in <code>console/</code> \
             and build again, or <code>npm run dev</code> there and open <a \
             href=\"http://localhost:5173/\">localhost:5173</a>."
                .to_owned(),
        );
    }
    match build_with_npm(crate_dir, out_dir) {
        Ok(dist) => Console::Built(dist),
        Err(reason) => {
            assert!(!required, "CONSOLE=require, but the console cannot be built: {reason}");
            println!("cargo:warning=the web console is missing from this build: {reason}");
            println!("cargo:rerun-if-changed={TRY_AGAIN}");
            Console::Stub(
                "The front-end build failed or Node.js (20.19 or newer, with npm) was not found when this server was \
                 compiled. Install Node.js and build again; the build's warnings say more."
                    .to_owned(),
            )
        }
    }
}

/// True when `dist` holds a build that is newer than every source file.
fn is_fresh(crate_dir: &Path, dist: &Path) -> bool {
    let Ok(built) = fs::metadata(dist.join("index.html")).and_then(|index| index.modified()) else {
        return false;
    };
    SOURCES
        .iter()
        .all(|source| newest(&crate_dir.join(source)).is_ok_and(|changed| changed <= built))
}

/// The latest change below `path`.
fn newest(path: &Path) -> io::Result<SystemTime> {
    let metadata = fs::metadata(path)?;
    let mut latest = metadata.modified()?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            latest = latest.max(newest(&entry?.path())?);
        }
    }
    Ok(latest)
}

/// Copies the sources into `OUT_DIR` and lets npm build them there; gives the folder with the result.
fn build_with_npm(crate_dir: &Path, out_dir: &Path) -> Result<PathBuf, String> {
    let work = out_dir.join("front-end");
    replace_folder(&work, |to| {
        SOURCES.iter().try_for_each(|source| {
            let from = crate_dir.join(source);
            if from.is_dir() {
                copy_tree(&from, &to.join(source))
            } else {
                fs::copy(&from, to.join(source)).map(drop)
            }
        })
    })
    .map_err(|e| format!("copy the sources to {}: {e}", work.display()))?;
    // Test tools are development dependencies. No dependency needs an install script, so none is allowed to run.
    npm(&work, &["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"])?;
    npm(&work, &["run", "build"])?;
    // Hundreds of megabytes that nobody needs again; failing to delete them harms nobody.
    let _ = fs::remove_dir_all(work.join("node_modules"));
    Ok(work.join("dist"))
}

fn npm(folder: &Path, arguments: &[&str]) -> Result<(), String> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let line = format!("npm {}", arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|e| format!("{line}: {e}; is Node.js installed?"))?;
    if output.status.success() {
        return Ok(());
    }
    // npm says what is wrong first and how to use it last.
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = said
        .lines()
        .map(str::trim)
        .filter(|text| !text.is_empty() && !text.starts_with("npm warn"));
    let head: Vec<&str> = lines.take(8).collect();
    Err(format!("{line}: {}: {}", output.status, head.join(" | ")))
}

fn replace_folder(folder: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    fill(folder)
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The Rust source of the table: one `Asset` for each file, sorted by path for binary search.
fn asset_table(folder: &Path, is_stub: bool) -> io::Result<String> {
    let mut paths = Vec::new();
    list(folder, "", &mut paths)?;
    paths.sort();
    let mut table = format!(
        "/// True when this build has no console, only a page that says so.\npub const IS_STUB: bool = {is_stub};\n\n"
    );
    table.push_str("static ASSETS: &[Asset] = &[\n");
    for path in paths.iter().filter(|path| !is_compressed_copy(path, &paths)) {
        let bytes = fs::read(folder.join(path))?;
        let copy = |suffix: &str| {
            let copy = format!("{path}{suffix}");
            if paths.contains(&copy) {
                format!("Some({})", include(folder, &copy))
            } else {
                "None".to_owned()
            }
        };
        let (identity, gzip, brotli) = (include(folder, path), copy(".gz"), copy(".br"));
        let (mime, immutable) = (mime_type(path), path.starts_with("assets/"));
        // Weak, because the same tag stands for the plain and both compressed forms (RFC 9110, 8.8.3.3).
        let etag = format!("W/\"{:016x}-{:x}\"", fnv1a(&bytes), bytes.len());
        let _ = writeln!(
            table,
            "    Asset {{ path: {path:?}, mime: {mime:?}, etag: {etag:?}, immutable: {immutable}, identity: {identity}, gzip: {gzip}, brotli: {brotli} }},"
        );
    }
    table.push_str("];\n");
    Ok(table)
}

fn list(folder: &Path, prefix: &str, paths: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{name}/"), paths)?;
        } else {
            paths.push(name);
        }
    }
    Ok(())
}

fn is_compressed_copy(path: &str, paths: &[String]) -> bool {
    [".gz", ".br"].iter().any(|suffix| {
        path.strip_suffix(suffix).is_some_and(|plain| paths.iter().any(|p| p == plain))
    })
}

fn include(folder: &Path, path: &str) -> String {
    format!("include_bytes!({:?})", folder.join(path))
}

fn mime_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// FNV-1a, 64 bits. It only has to notice that a file changed.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn stub_page(reason: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Roentgen</title>\n\
         <h1>Roentgen is running, but without its console</h1>\n<p>{reason}</p>\n\
         <p>Receiving segments and the X-Ray API work as usual.</p>\n</html>\n"
    )
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|e| panic!("{name}, which cargo sets: {e}"))
}
