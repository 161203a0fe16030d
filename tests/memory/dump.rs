//! What `tests/memory/capture` has kept of a kernel.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use klp_convert::load::RegionKind;

/// A region of a module's memory.
#[derive(Debug, Clone)]
pub(crate) struct Region {
    pub(crate) kind: RegionKind,
    pub(crate) base: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A module's memory at one time.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) module: String,
    /// `coming`, `live`, `arrived` or `left`.
    pub(crate) point: String,
    pub(crate) regions: Vec<Region>,
    /// The address of percpu memory that relocations use.
    pub(crate) percpu: Option<u64>,
}

/// A kernel that ran.
#[derive(Debug)]
pub(crate) struct Capture {
    pub(crate) machine: String,
    /// Contents of each module's file, by name.
    pub(crate) modules: BTreeMap<String, Vec<u8>>,
    /// In the order of time.
    pub(crate) snapshots: Vec<Snapshot>,
    /// `/proc/kallsyms`.
    pub(crate) kallsyms: String,
    /// What modules had, while late targets were there, by livepatch.
    pub(crate) late: BTreeMap<String, String>,
}

/// By the numbers that `src/klp_memory.c` gives them.
const KINDS: [RegionKind; 9] = [
    RegionKind::Text,
    RegionKind::Data,
    RegionKind::Rodata,
    RegionKind::RoAfterInit,
    RegionKind::InitText,
    RegionKind::InitData,
    RegionKind::InitRodata,
    RegionKind::Core,
    RegionKind::Init,
];

impl Capture {
    pub(crate) fn read(directory: &Path) -> Self {
        let text = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
        let files = |name: &str| {
            let entries = fs::read_dir(directory.join(name)).unwrap();
            let paths = entries.map(|entry| entry.unwrap().path());
            paths.map(|path| {
                let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
                (stem, fs::read(&path).unwrap())
            })
        };
        let kernel = text("kernel");
        let machine = kernel.lines().find_map(|line| line.strip_prefix("machine=")).unwrap();
        Self {
            machine: machine.into(),
            modules: files("modules").collect(),
            snapshots: snapshots(&fs::read(directory.join("dump")).unwrap()),
            kallsyms: text("kallsyms"),
            late: files("late")
                .map(|(name, text)| (name, String::from_utf8(text).unwrap()))
                .collect(),
        }
    }
}

/// Reads what `src/klp_memory.c` writes.
fn snapshots(mut rest: &[u8]) -> Vec<Snapshot> {
    let mut snapshots: Vec<Snapshot> = Vec::new();
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = std::str::from_utf8(&rest[..end]).unwrap();
        let words: Vec<_> = line.split(' ').collect();
        let [_, module, point, kind, base, size, length] = words[..] else { panic!("{line:?}") };
        let hex = |text| u64::from_str_radix(text, 16).unwrap();
        let (size, length) =
            (usize::try_from(hex(size)).unwrap(), usize::try_from(hex(length)).unwrap());
        let mut bytes = rest[end + 1..][..length].to_vec();
        bytes.resize(size, 0);
        rest = &rest[end + 1 + length..];
        // A module that is refused may come twice: busybox tries two system calls.
        let starts = |kind| kind == "0" || kind == "7";
        let last = snapshots.last();
        if last.is_none_or(|last| last.module != module || last.point != point) || starts(kind) {
            let (module, point) = (module.into(), point.into());
            snapshots.push(Snapshot { module, point, regions: Vec::new(), percpu: None });
        }
        let snapshot = snapshots.last_mut().unwrap();
        match kind {
            "percpu-base" => snapshot.percpu = Some(hex(base)),
            "percpu" => {
                snapshot.regions.push(Region { kind: RegionKind::Percpu, base: hex(base), bytes });
            }
            index => {
                let kind = KINDS[index.parse::<usize>().unwrap()];
                snapshot.regions.push(Region { kind, base: hex(base), bytes });
            }
        }
    }
    assert!(rest.is_empty() && !snapshots.is_empty());
    snapshots
}
