//! Where in a linked kernel the units of an object are.

use std::collections::{BTreeMap, BTreeSet};

use klp_arch::{LinkEdit, Row};
use rustc_hash::{FxHashMap, FxHashSet};

use super::entries::{KernelTable, kernel_tables};
use super::kernel::ShippedKernel;
use super::object::Object;
use super::references::{Reference, Unit};
use crate::elf::SymbolSection;

/// The addresses of an object's units.
#[derive(Debug)]
pub(super) struct Placed<'p, 'data> {
    pub(super) object: &'p Object<'data>,
    pub(super) kernel: &'p ShippedKernel,
    pub(super) addresses: FxHashMap<Unit, u64>,
    /// Parts that are not where their section is: by section and offset of their start, where the section would be.
    pub(super) moved: BTreeMap<(usize, u64), u64>,
    pub(super) kernel_tables: Vec<KernelTable>,
    /// Entries of tables: by section and offset, where the section would be.
    pub(super) entries: BTreeMap<(usize, u64), u64>,
    /// Slots that the linker has left out, because it computes what is in them.
    pub(super) direct: FxHashSet<Unit>,
    /// Possible addresses of sections that are not decided yet.
    pub(super) open: BTreeMap<usize, Vec<u64>>,
    /// How many places there are for sections that are in none of them.
    pub(super) nowhere: BTreeMap<usize, usize>,
    pub(super) toc: Option<u64>,
    /// Sections of weak definitions in whose place the kernel has another one.
    pub(super) overridden: BTreeSet<usize>,
}

impl<'p, 'data> Placed<'p, 'data> {
    pub(super) fn new(object: &'p Object<'data>, kernel: &'p ShippedKernel) -> Self {
        let toc = kernel.toc;
        let mut placed = Self {
            object,
            kernel,
            addresses: FxHashMap::default(),
            moved: BTreeMap::new(),
            kernel_tables: kernel_tables(object, kernel),
            entries: BTreeMap::new(),
            direct: FxHashSet::default(),
            open: BTreeMap::new(),
            nowhere: BTreeMap::new(),
            toc,
            overridden: BTreeSet::new(),
        };
        placed.locate();
        placed
    }

    /// The address of a unit; of a section as far as the place at an offset in it is concerned.
    pub(super) fn address(&self, unit: Unit, offset: i64) -> Option<u64> {
        match unit {
            Unit::Section(section) => self.base_at(section, u64::try_from(offset).unwrap_or(0)),
            Unit::Symbol(symbol) => self.addresses.get(&unit).copied().or_else(|| {
                // A global name that the kernel does not list.
                let symbol = self.object.module.symbol(symbol)?;
                let SymbolSection::Defined(section) = symbol.section else { return None };
                let base = self.base_at(section.slot(), symbol.st_value)?;
                Some(base.wrapping_add(symbol.st_value))
            }),
            _ => self.addresses.get(&unit).copied(),
        }
    }

    /// Where a section starts, as far as the place at an offset in it is concerned.
    pub(super) fn base_at(&self, section: usize, offset: u64) -> Option<u64> {
        if self.is_listed(section) {
            let index = self.object.part_at(section, offset)?;
            let entry = self.object.parts.get(index)?.span.start;
            return self.entries.get(&(section, entry)).copied();
        }
        let before = self.moved.range(..=(section, offset)).next_back();
        let moved = before.filter(|((of, _), _)| *of == section).map(|(_, base)| *base);
        moved.or_else(|| self.addresses.get(&Unit::Section(section)).copied())
    }

    /// Whether parts of a section are not where the others are.
    pub(super) fn is_split(&self, section: usize) -> bool {
        self.moved.range((section, 0)..=(section, u64::MAX)).next().is_some()
    }

    /// Whether the kernel has another definition in place of a section's weak ones.
    pub(super) fn is_overridden(&self, section: usize) -> bool {
        self.overridden.contains(&section)
    }

    /// How many places are possible for a section.
    pub(super) fn places(&self, section: usize) -> usize {
        self.open.get(&section).map_or(0, Vec::len)
    }

    /// How many places there are for a section that is in none of them.
    pub(super) fn nowhere(&self, section: usize) -> Option<usize> {
        self.nowhere.get(&section).copied()
    }

    /// What a reference means in the kernel: a unit, what is added, and how. `None`: nothing.
    pub(super) fn meant(
        &self,
        reference: &Reference,
        edit: Option<&LinkEdit>,
    ) -> Option<(Unit, i64, &'static Row)> {
        let row = match edit {
            Some(edit) => self.object.machine.linker_row(edit.then?)?,
            None => reference.row?,
        };
        let (unit, addend) = match reference.unit {
            Unit::Slot(section, offset) if self.direct.contains(&reference.unit) => {
                let pointer = self.object.in_slot(section, offset)?;
                (pointer.unit, pointer.addend.wrapping_add(reference.addend))
            }
            unit => (unit, reference.addend),
        };
        Some((unit, addend, row))
    }
}
