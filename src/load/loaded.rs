//! A module in memory.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap};

use klp_arch::object::{SHT_RELA, Section};
use klp_arch::{
    AppliedRelocation, Linkage, Machine, Memory, Operands, Patch, Rela, Row, SpecialSection,
};

use scroll::Endian;

use super::load_info::LoadInfo;
use super::{Layout, RegionKind, TargetKernel};
use crate::elf::Module;

use crate::name::ObjectName;
use crate::patch::Tables;
use crate::site::Sites;

/// Which relocations a loader records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Record {
    /// None: fastest.
    #[default]
    Nothing,
    /// None; they are counted by type and way ([`Loaded::counts`]).
    Counts,
    /// Those whose value was truncated ([`AppliedRelocation::is_truncated`]).
    Truncated,
    /// Each.
    Everything,
}

/// How a reference reaches its symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Directly.
    Direct,
    /// Through a slot of the GOT.
    Slot,
    /// Through a stub, veneer or PLT entry.
    Stub,
}

impl Way {
    /// The way of a relocation that was computed from these.
    #[must_use]
    pub fn of(operands: &Operands) -> Self {
        match (operands.got_slot, operands.plt) {
            (_, Some(_)) => Self::Stub,
            (Some(_), None) => Self::Slot,
            (None, None) => Self::Direct,
        }
    }
}

/// One applied relocation.
#[derive(Debug, Clone)]
pub struct Relocated {
    /// Index of the relocation section.
    pub section: usize,
    /// Index of the entry in it, in the order of the loader.
    pub entry: usize,
    /// The relocation.
    pub rela: Rela,
    /// What it means.
    pub row: &'static Row,
    /// What it was computed from: S, A, P and the slot or stub it goes through.
    pub inputs: Operands,
    /// The value written; `None` where the loader writes nothing.
    pub patch: Option<Patch>,
    /// The field's bytes before.
    pub before: Vec<u8>,
    /// The field's bytes after.
    pub after: Vec<u8>,
}

impl Relocated {
    /// Whether significant high bits of the value were lost: [`AppliedRelocation::is_truncated`].
    #[must_use]
    pub fn is_truncated(&self, endian: Endian) -> bool {
        let Self { entry, rela, row, inputs: operands, patch, .. } = *self;
        let (before, after) = (&*self.before, &*self.after);
        AppliedRelocation { entry, rela, row, operands, patch, before, after }.is_truncated(endian)
    }

    /// The record of a relocation of this section.
    pub(super) fn new(section: usize, applied: &AppliedRelocation<'_>) -> Self {
        Self {
            section,
            entry: applied.entry,
            rela: applied.rela,
            row: applied.row,
            inputs: applied.operands,
            patch: applied.patch,
            before: applied.before.to_vec(),
            after: applied.after.to_vec(),
        }
    }
}

/// A module in memory.
#[derive(Debug)]
pub struct Loaded<'m> {
    pub(super) module: &'m Module<'m>,
    pub(super) machine: &'static Machine,
    pub(super) kernel: TargetKernel,
    pub(super) info: LoadInfo<'m>,
    /// The tables that the module passes to the livepatch core.
    pub(super) tables: Tables<'m>,
    /// The indices of each object in them.
    pub(super) table_objects: HashMap<ObjectName, Vec<usize>>,
    /// The klp sections that wait for each object, by the name in theirs: there may be thousands of either.
    pub(super) waiting: HashMap<Vec<u8>, Vec<usize>>,
    /// The first klp section whose name the kernel cannot read; none after it waits.
    pub(super) unreadable: Option<usize>,
    /// Describes relocations.
    pub(super) sites: Sites<'m, 'm>,
    pub(super) layout: Layout,
    pub(super) memory: Memory,
    pub(super) linkage: Box<dyn Linkage>,
    pub(super) relocations: Vec<Relocated>,
    /// How many were applied of each type and way, if they are counted.
    pub(super) counts: BTreeMap<(u32, Way), usize>,
    /// Which relocations are recorded.
    pub(super) record: Record,
    /// What [`special_sections`](Self::special_sections) returns, once that was asked.
    pub(super) special: OnceCell<Vec<(usize, &'static SpecialSection)>>,
    /// Why ftrace was stopped, once that was asked.
    pub(super) stopped: OnceCell<Option<String>>,
    /// Whether init has run and its memory is gone.
    pub(super) init_freed: bool,
}

impl Loaded<'_> {
    /// The regions by kind, with their addresses and bytes.
    pub fn regions(&self) -> impl Iterator<Item = (RegionKind, u64, &[u8])> {
        let regions = self.layout.regions.iter().zip(&self.memory.regions);
        regions.map(|((kind, _), region)| (*kind, region.base, region.bytes.as_slice()))
    }

    /// The sections that are in memory, by index: name, region, address, and size in bytes.
    pub fn sections(&self) -> impl Iterator<Item = (&[u8], RegionKind, u64, u64)> {
        let sections = self.info.object.sections.iter().zip(&self.layout.sections);
        sections.filter_map(|(section, place)| {
            let (kind, _) = (*place)?;
            Some((section.name, kind, section.address(), section.sh_size))
        })
    }

    /// The sections that the kernel itself reads or rewrites, by index, each with what is known of it; one may have
    /// several rows.
    pub(super) fn special_sections(
        &self,
    ) -> impl Iterator<Item = (usize, &Section<'_>, &'static SpecialSection)> {
        let sections = &self.info.object.sections;
        let find = || {
            let features = self.kernel.configuration.features;
            let rows: Vec<_> = self.machine.special_sections().collect();
            let named = sections.iter().enumerate().flat_map(|(index, section)| {
                let rows = rows.iter().filter(|row| row.matches(section.name, features));
                rows.map(move |row| (index, *row))
            });
            named.collect()
        };
        let special = self.special.get_or_init(find).iter();
        special.filter_map(|(index, row)| Some((*index, sections.get(*index)?, *row)))
    }

    /// Indices of the relocation tables for a section.
    pub(super) fn tables_for(&self, section: usize) -> impl Iterator<Item = usize> {
        let sections = self.info.object.sections.iter().enumerate();
        let ours = sections.filter(move |(_, table)| {
            table.sh_type == SHT_RELA && usize::try_from(table.sh_info) == Ok(section)
        });
        ours.map(|(index, _)| index)
    }

    /// The bytes from an address to the end of its region; `None` outside the module.
    #[must_use]
    pub fn bytes_at(&self, address: u64) -> Option<&[u8]> {
        self.memory.at(address)
    }

    /// The recorded relocations (see [`Record`]), in the order of application.
    #[must_use]
    pub fn relocations(&self) -> &[Relocated] {
        &self.relocations
    }

    /// How many relocations were applied of each type and way ([`Record::Counts`]).
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<(u32, Way), usize> {
        &self.counts
    }

    /// The section that lies at an address: its index, its name and the offset there, in bytes.
    #[must_use]
    pub fn section_at(&self, address: u64) -> Option<(usize, &[u8], u64)> {
        let sections = self.info.object.sections.iter().enumerate();
        let mut found = sections.filter_map(|(index, section)| {
            let offset = address.checked_sub(section.extent?.address)?;
            (offset < section.sh_size).then_some((index, section.name, offset))
        });
        found.next()
    }
}
