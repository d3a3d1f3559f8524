//! How much memory may hold documents when nobody says: 1 % of the machine's, as the official
//! daemon does, but never so much that the container's limit ends the daemon.

use std::path::{Component, Path, PathBuf};

use crate::config::file::Files;
use crate::settings::BufferMemory;

const MIB: u64 = 1024 * 1024;

/// Least MiB; the official daemon refuses less.
const LEAST_MEGABYTES: u64 = 3;

/// MiB when the machine does not tell its memory, as outside Linux: the peak we promise.
const UNKNOWN_MEGABYTES: u64 = 16;

/// Of a container's limit, the part that documents may take. The rest is for the program, its
/// connections and, in a sidecar's case, nobody: a limit is set with the daemon in mind.
const PART_OF_CONTAINER: u64 = 4;

/// Largest file of `/proc` or `/sys` that is read; they have some hundred bytes.
const MOST_BYTES: u64 = 64 * 1024;

/// Where Linux tells its control groups.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// There is too little memory to be given; the words of the official daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Not enough Buffers Memory Allocated. Min Buffers Memory required: {LEAST_MEGABYTES} MB.")]
pub(crate) struct NotEnoughMemory;

impl BufferMemory {
    /// The memory that was asked for, or for 0 and less what the machine can spare.
    pub(super) fn evaluate(asked: i64, files: &dyn Files) -> Self {
        match u64::try_from(asked) {
            Ok(megabytes @ 1..) => Self { megabytes, control_group_megabytes: None },
            _ => Self::of_machine(machine_bytes(files), control_group_bytes(files)),
        }
    }

    fn of_machine(machine: Option<u64>, control_group: Option<u64>) -> Self {
        let hundredth = machine.map_or(UNKNOWN_MEGABYTES, |bytes| bytes / 100 / MIB);
        // Without a limit, version 1 tells a number beyond any memory.
        let limit = control_group.map(|bytes| bytes / MIB);
        match limit.filter(|limit| limit / PART_OF_CONTAINER < hundredth) {
            Some(limit) => Self {
                megabytes: (limit / PART_OF_CONTAINER).max(LEAST_MEGABYTES),
                control_group_megabytes: Some(limit),
            },
            None => {
                Self { megabytes: hundredth.max(LEAST_MEGABYTES), control_group_megabytes: None }
            }
        }
    }

    /// Logs how much it is, in the two lines of the official daemon.
    ///
    /// # Errors
    /// For less than 3 MiB, which only somebody who asks for it can bring about. The official
    /// daemon logs that too, after its first line, and ends with 1.
    pub(crate) fn announce(self) -> Result<(), NotEnoughMemory> {
        let Self { megabytes, control_group_megabytes } = self;
        if megabytes < LEAST_MEGABYTES {
            return Err(NotEnoughMemory);
        }
        match control_group_megabytes {
            Some(limit) => tracing::info!(
                container_limit_mb = limit,
                "Using buffer memory limit of {megabytes} MB"
            ),
            None => tracing::info!("Using buffer memory limit of {megabytes} MB"),
        }
        tracing::info!("{} segment buffers allocated", self.segment_buffers());
        Ok(())
    }

    /// How many buffers of 64 KiB the official daemon would make of it. Ours has no such buffers,
    /// but its log line and the size of small batches go by that number.
    pub(crate) fn segment_buffers(self) -> u64 {
        self.megabytes.saturating_mul(16)
    }
}

/// The memory of the machine, from `MemTotal` of `/proc/meminfo`.
fn machine_bytes(files: &dyn Files) -> Option<u64> {
    let text = read(Path::new("/proc/meminfo"), files)?;
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    kibibytes.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The least limit of the control groups around this process, version 2 or 1.
fn control_group_bytes(files: &dyn Files) -> Option<u64> {
    let groups = read(Path::new("/proc/self/cgroup"), files)?;
    groups
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, group) = rest.split_once(':')?;
            if controllers.is_empty() {
                limit_of(Path::new(CONTROL_GROUPS), group, "memory.max", files)
            } else if controllers.split(',').any(|controller| controller == "memory") {
                let root = Path::new(CONTROL_GROUPS).join("memory");
                limit_of(&root, group, "memory.limit_in_bytes", files)
            } else {
                None
            }
        })
        .min()
}

/// The least number in the files called `name` from the group up to the root. In a container the
/// name of the group may be that of the host, which does not exist there; the root is then the group.
fn limit_of(root: &Path, group: &str, name: &str, files: &dyn Files) -> Option<u64> {
    let mut folder: PathBuf = root.to_owned();
    folder
        .extend(Path::new(group).components().filter(|part| matches!(part, Component::Normal(_))));
    folder
        .ancestors()
        .take_while(|ancestor| ancestor.starts_with(root))
        .filter_map(|ancestor| read(&ancestor.join(name), files)?.trim().parse().ok())
        .min()
}

fn read(path: &Path, files: &dyn Files) -> Option<String> {
    String::from_utf8(files.read(path, MOST_BYTES).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::test_files::MapFiles;

    #[test]
    fn what_was_asked_for() {
        let files = MapFiles::default();
        let check = |asked: i64, expect: u64, is_enough: bool| {
            let memory = BufferMemory::evaluate(asked, &files);
            assert_eq!(
                (memory.megabytes, memory.announce().is_ok()),
                (expect, is_enough),
                "{asked}"
            );
            assert_eq!(memory.control_group_megabytes, None);
        };
        check(1, 1, false);
        check(2, 2, false);
        check(3, 3, true);
        check(241, 241, true);
        check(0, UNKNOWN_MEGABYTES, true);
        check(-5, UNKNOWN_MEGABYTES, true);
        assert_eq!(
            NotEnoughMemory.to_string(),
            "Not enough Buffers Memory Allocated. Min Buffers Memory required: 3 MB."
        );
    }

    #[test]
    fn buffers() {
        let check = |asked: i64, expect: u64| {
            let memory = BufferMemory::evaluate(asked, &MapFiles::default());
            assert_eq!(memory.segment_buffers(), expect);
        };
        check(3, 48);
        check(241, 3856);
        check(i64::MAX, u64::MAX);
    }

    #[test]
    fn machines_and_containers() {
        let check = |files: &[(&str, &str)], megabytes: u64, of_group: Option<u64>| {
            let memory = BufferMemory::evaluate(0, &MapFiles::of(files));
            assert_eq!(
                memory,
                BufferMemory { megabytes, control_group_megabytes: of_group },
                "{files:?}"
            );
        };
        let machine = ("/proc/meminfo", "MemTotal:       24684544 kB\nMemFree: 1 kB\n");
        check(&[machine], 241, None);
        check(&[("/proc/meminfo", "MemTotal: 200000 kB\n")], 3, None);
        check(&[("/proc/meminfo", "MemTotal: many\n")], UNKNOWN_MEGABYTES, None);

        let version_2 = ("/proc/self/cgroup", "0::/\n");
        let limit_2 = |limit| ("/sys/fs/cgroup/memory.max", limit);
        check(&[machine, version_2, limit_2("max\n")], 241, None);
        check(&[machine, version_2, limit_2("268435456\n")], 64, Some(256));
        check(&[machine, version_2, limit_2("4194304\n")], 3, Some(4));
        check(&[machine, version_2, limit_2("8589934592\n")], 241, None);

        let nested = ("/proc/self/cgroup", "0::/pod/xray\n");
        let inner = ("/sys/fs/cgroup/pod/xray/memory.max", "max");
        let outer = ("/sys/fs/cgroup/pod/memory.max", "134217728");
        check(&[machine, nested, inner, outer], 32, Some(128));
        let outside = ("/proc/self/cgroup", "0::/../../pod\n");
        check(&[machine, outside, outer], 32, Some(128));

        let version_1 = ("/proc/self/cgroup", "5:cpu:/a\n4:rdma,memory:/docker/abc\n0::/\n");
        let of_root = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n");
        let of_group = ("/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "67108864\n");
        let unlimited = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        check(&[machine, version_1, of_root], 32, Some(128));
        check(&[machine, version_1, of_group, unlimited], 16, Some(64));
        check(&[machine, version_1, unlimited], 241, None);
    }
}
