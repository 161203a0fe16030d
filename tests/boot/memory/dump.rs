//! Module memory as kept by `src/klp_memory.c`.

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
    /// `coming`, `live`, or a name given by the session.
    pub(crate) point: String,
    pub(crate) regions: Vec<Region>,
    /// The address of percpu memory that relocations use.
    pub(crate) percpu: Option<u64>,
}

/// By their numbers in `src/klp_memory.c`.
impl Snapshot {
    /// Bytes from an address on.
    pub(crate) fn bytes(&self, address: u64, size: usize) -> Option<&[u8]> {
        self.regions.iter().find_map(|region| {
            let start = usize::try_from(address.checked_sub(region.base)?).ok()?;
            region.bytes.get(start..)?.get(..size)
        })
    }
}

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

/// The snapshots of a dump, in the order of time.
pub(crate) fn snapshots(mut rest: &[u8]) -> Vec<Snapshot> {
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
        // A refused module may occur twice: busybox tries two system calls.
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
    assert!(rest.is_empty(), "a dump that is cut off");
    snapshots
}
