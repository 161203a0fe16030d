//! The stubs of a module, which calls out of it go through.
//!
//! One counter, one area, one stub for each target address, first come, first served, at load and
//! later. The kernel searches from the first slot and takes the first that holds the target;
//! a map from targets to slots gives the same result. Invariant: nothing is written outside of the area.
//! The kernel does not check for the end of the area before it writes a stub: a late relocation
//! with a new target may be one too many, and the kernel then overwrites what follows
//! (`.stubs` is the last executable section of most modules). Here that is [`Fault::NoRoom`].
//! Source: `stub_for_addr`, `my_r2` and `apply_relocate_add` of `arch/powerpc/kernel/module_64.c`.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;

use super::PPC64LE;
use super::call::spares_r2;
use super::entry::{self, Entry};
use super::ftrace;
use super::got::Slots;
use crate::apply::{Conditions, Operands};
use crate::fault::Fault;
use crate::linkage::{Anchors, Configuration, Linkage, Relocation};
use crate::memory::{Extent, Memory};
use crate::object::{Object, Rela, SHN_ABS};
use crate::row::{Calc, Features, Row};

/// `struct mod_arch_specific`.
#[derive(Debug, Clone)]
pub(super) struct Stubs {
    pub(super) configuration: Configuration,
    /// Index of `.stubs`.
    pub(super) section: usize,
    /// Index of the section that r2 points into.
    pub(super) toc: usize,
    /// How many traced functions have a stub of their own.
    pub(super) traced: u32,
    /// The slots of a kernel without a TOC.
    pub(super) got: Slots,
    /// Where `.stubs` is.
    pub(super) area: Option<Extent>,
    /// r2.
    pub(super) r2: u64,
    /// The first slot that holds a target.
    pub(super) slots: BTreeMap<u64, u64>,
    /// The target that was last looked up, and its slot.
    pub(super) last: Option<(u64, u64)>,
    /// The next slot.
    pub(super) used: u64,
    pub(super) indeterminate: Vec<Range<u64>>,
}

impl Stubs {
    pub(super) fn has(&self, features: Features) -> bool {
        self.configuration.features.contains(features)
    }

    /// How many stubs fit.
    pub(super) fn reserved(&self) -> u64 {
        let size = self.area.map_or(0, |area| area.size);
        u64::try_from(size).unwrap_or(u64::MAX) / entry::SIZE
    }

    /// The fault where the kernel would write past the end of the area.
    pub(super) fn no_room(&self) -> Fault {
        Fault::NoRoom { reserved: self.reserved() }
    }

    /// The address of a slot.
    pub(super) fn at(&self, slot: u64) -> u64 {
        self.area.map_or(0, |area| area.address).wrapping_add(slot * entry::SIZE)
    }

    /// The bytes from an offset in the area.
    pub(super) fn bytes<'m>(&self, memory: &'m mut Memory, start: u64) -> Option<&'m mut [u8]> {
        memory.bytes_mut(&self.area?).get_mut(usize::try_from(start).ok()?..)
    }

    /// The address of the stub that goes to `target`; a `target` of `None` is unknown and gets
    /// a stub of its own.
    ///
    /// # Errors
    /// [`Fault::NoRoom`], [`Fault::Overflow`] for a distance that the stub cannot express, and
    /// [`Fault::MisalignedValue`] for a stub that is not aligned to 8 bytes.
    pub(super) fn stub(
        &mut self,
        target: Option<u64>,
        conditions: &Conditions<'_>,
        memory: &mut Memory,
    ) -> Result<u64, Fault> {
        // Tables are sorted by symbol: the same target is looked up many times in a row.
        if let Some((last, slot)) = self.last
            && target == Some(last)
        {
            return Ok(self.at(slot));
        }
        if let Some((target, &slot)) = target.and_then(|t| Some((t, self.slots.get(&t)?))) {
            self.last = Some((target, slot));
            return Ok(self.at(slot));
        }
        let slot = self.used;
        if slot >= self.reserved() {
            return Err(self.no_room());
        }
        let address = self.at(slot);
        if !address.is_multiple_of(8) {
            return Err(Fault::MisalignedValue { value: address.cast_signed(), align: 8 });
        }
        let entry = if spares_r2(conditions) {
            Entry::ftrace(&self.configuration, target)?
        } else {
            Entry::call(self.configuration.features, address, self.r2, target)?
        };
        for &(index, word) in &entry.words {
            let field = self.bytes(memory, slot * entry::SIZE + index * 4);
            let field = field.and_then(<[u8]>::first_chunk_mut).ok_or_else(|| self.no_room())?;
            *field = word.to_le_bytes();
        }
        let unknown = entry.indeterminate.into_iter();
        self.indeterminate.extend(unknown.map(|r| address + r.start..address + r.end));
        // Where stubs are not counted, one that goes to 0 marks the end: the next one replaces it.
        if target != Some(0) || !self.has(Features::STUB_TERMINATOR) {
            self.slots.extend(target.map(|target| (target, slot)));
            self.used += 1;
        }
        Ok(address)
    }
}

impl Linkage for Stubs {
    fn settle(&mut self, object: &mut Object<'_>, _: &Memory) -> Result<(), Fault> {
        let section = |index: usize| object.sections.get(index);
        self.area = section(self.section).and_then(|section| section.extent);
        if self.has(Features::PCREL) {
            self.got.area = section(self.got.section).and_then(|section| section.extent);
            let symbols = (0..).zip(&object.symbols);
            let percpu = symbols.filter(|(_, s)| usize::from(s.st_shndx) == self.got.percpu);
            self.got.symbols = percpu.map(|(index, _)| index).collect();
            return Ok(());
        }
        // A section that is not loaded is in the temporary copy.
        let toc = section(self.toc).and_then(|section| section.extent);
        let toc = toc.map_or(PPC64LE.temporary_copy, |extent| extent.address);
        self.r2 = (toc & !0xff).wrapping_add(0x8000);
        // The kernel does this before it applies the first table.
        let is_toc =
            |s: &&mut crate::object::Symbol<'_>| s.st_shndx == SHN_ABS && s.name == b"TOC.";
        if let Some(symbol) = object.symbols.iter_mut().skip(1).find(is_toc) {
            symbol.st_value = self.r2;
        }
        Ok(())
    }

    fn base_section(&self) -> Option<usize> {
        (!self.has(Features::PCREL)).then_some(self.toc)
    }

    fn anchors(&self) -> Anchors {
        Anchors { toc: (!self.has(Features::PCREL)).then_some(self.r2), got: None }
    }

    fn provide(
        &mut self,
        relocation: &Relocation<'_>,
        operands: &mut Operands,
        memory: &mut Memory,
    ) -> Result<(), Fault> {
        let sum = operands.sum();
        match relocation.row.calc {
            Calc::Branch if relocation.conditions.external => {
                operands.plt = Some(self.stub(Some(sum), relocation.conditions, memory)?);
            }
            Calc::SlotOfSum => operands.got_slot = Some(self.got.slot(sum, memory)?),
            Calc::RelativeOrSlot if self.got.symbols.contains(&relocation.rela.symbol) => {
                let distance = sum.wrapping_sub(operands.p).cast_signed();
                if relocation.row.check.admit(distance).is_err() {
                    operands.got_slot = Some(self.got.slot(sum, memory)?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn reuse(&self, _: &Row, rela: &Rela, s: u64, _: u64) -> Option<u64> {
        let (target, slot) = self.last?;
        (target == s.wrapping_add_signed(rela.addend)).then(|| self.at(slot))
    }

    fn finish(&mut self, object: &Object<'_>, memory: &mut Memory) -> Result<(), Fault> {
        ftrace::finish(self, object, memory)
    }

    fn indeterminate(&self) -> Vec<Range<u64>> {
        self.indeterminate.clone()
    }

    fn stubs_left(&self) -> Option<u64> {
        Some(self.reserved().saturating_sub(self.used))
    }

    fn boxed_clone(&self) -> Box<dyn Linkage> {
        Box::new(self.clone())
    }
}
