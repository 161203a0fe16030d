//! A module in memory.

use klp_arch::{Backend, Inputs, Linkage, Memory, Patch, Rela, Row};

use super::object::Temporary;
use super::{Kernel, Layout, RegionKind};
use crate::elf::Module;

/// One relocation as it was applied.
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
    /// What it was computed from: S, A, P and what it goes through.
    pub inputs: Inputs,
    /// What was written; `None` where the loader writes nothing.
    pub patch: Option<Patch>,
    /// The field's bytes as they were.
    pub before: Vec<u8>,
    /// The field's bytes as they are.
    pub after: Vec<u8>,
}

/// A module in memory.
#[derive(Debug)]
pub struct Loaded<'m> {
    pub(super) module: &'m Module<'m>,
    pub(super) backend: &'static dyn Backend,
    pub(super) kernel: Kernel,
    pub(super) temporary: Temporary<'m>,
    pub(super) layout: Layout,
    pub(super) memory: Memory,
    pub(super) linkage: Box<dyn Linkage>,
    pub(super) relocations: Vec<Relocated>,
    /// Whether each relocation is recorded.
    pub(super) record: bool,
    /// Whether init has run and its memory is gone.
    pub(super) init_freed: bool,
}

impl Loaded<'_> {
    /// The regions by kind, with their addresses and bytes.
    pub fn regions(&self) -> impl Iterator<Item = (RegionKind, u64, &[u8])> {
        let regions = self.layout.regions.iter().zip(&self.memory.regions);
        regions.map(|((kind, _), region)| (*kind, region.base, region.bytes.as_slice()))
    }

    /// Every relocation that was applied, in order; empty unless the loader was told to record.
    #[must_use]
    pub fn relocations(&self) -> &[Relocated] {
        &self.relocations
    }

    /// The section that lies at an address: its index, its name and the offset there, in bytes.
    #[must_use]
    pub fn section_at(&self, address: u64) -> Option<(usize, &[u8], u64)> {
        let sections = self.temporary.object.sections.iter().enumerate();
        let mut found = sections.filter_map(|(index, section)| {
            let offset = address.checked_sub(section.extent?.address)?;
            (offset < section.sh_size).then_some((index, section.name, offset))
        });
        found.next()
    }
}
