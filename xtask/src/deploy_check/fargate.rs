//! The steps about the CloudFormation templates: what they say, and what they run.

use super::{CONTAINER_PACKAGES, CONTAINER_PROGRAMS, lay_out_images, pytest};
use crate::steps::{Outcome, apt_install, cargo_with, run_all};
use crate::workspace::{has_program, target_directory};

/// The linter for rules of one's own, which is in no package archive.
const GUARD: &str = "cfn-guard@3.2.1";

/// The templates by themselves, and deployed.
pub(super) fn cloudformation() -> anyhow::Result<Outcome> {
    let tools = target_directory().join("deploy").join("tools");
    if !has_program("cfn-guard") && !tools.join("bin").join("cfn-guard").is_file() {
        println!("{GUARD} is installed, which takes some minutes once");
        let mut install = cargo_with(&["install", "--quiet", "--locked", GUARD, "--root"]);
        install.arg(&tools);
        // What the tests do without it depends on whether they may skip.
        if let Outcome::Failed(why) = run_all([install])? {
            println!("{GUARD} was not installed: {why}");
        }
    }
    pytest(&["cloudformation"], &[], &[])
}

/// What ECS would run, run.
pub(super) fn scenario() -> anyhow::Result<Outcome> {
    // Where Apache Bench is not to be had, a stand-in of our own takes its place.
    apt_install(&["ab"], &["apache2-utils"])?;
    // Without containers the tasks are plain processes, and the tests say so.
    apt_install(&CONTAINER_PROGRAMS, &CONTAINER_PACKAGES)?;
    apt_install(&["mmdebstrap", "ip"], &["mmdebstrap", "iproute2"])?;
    lay_out_images()?;
    pytest(&["test_scenario.py", "test_unharmed.py"], &["curl"], &["curl"])
}
