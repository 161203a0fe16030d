//! The PLT entries and veneers of a module, and its slots for ftrace.
//!
//! A branch that does not reach gets an entry. The entry is written first and then compared with the
//! previous one: if both go to the same target, the previous one is used and the new one stays in
//! memory without being counted, which is why there is room for one more. Entries that are not
//! adjacent are not compared. Invariant: nothing is written outside of the sections.
//!
//! The kernel writes a place before it checks the value, and leaves it changed after a refusal. The
//! load has failed by then and the memory is freed: we do not imitate this.
//! Source: `arch/arm64/kernel/module-plts.c` (`module_emit_plt_entry`,
//! `module_emit_veneer_for_adrp`), `arch/arm64/kernel/module.c:module_init_ftrace_plt`.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;

use super::entry::Entry;
use crate::apply::{self, Operands};
use crate::fault::Fault;
use crate::linkage::{Configuration, Linkage, Relocation};
use crate::memory::{Extent, Memory};
use crate::object::{Object, SHF_ALLOC};
use crate::row::{Calc, Check, Features};

/// Where the stubs to ftrace for init code are.
pub(super) const INIT_TRAMPOLINE: &str = ".init.text.ftrace_trampoline";

/// The entries of one section (`struct mod_plt_sec`).
#[derive(Debug, Clone)]
pub(super) struct PltSection {
    section: usize,
    /// `plt_max_entries`.
    reserved: u64,
    /// `plt_num_entries`.
    used: u64,
    area: Option<Extent>,
}

impl PltSection {
    /// A list in a section, for so many entries.
    pub(super) fn new(section: usize, reserved: u64) -> Self {
        Self { section, reserved, used: 0, area: None }
    }

    fn no_room(&self) -> Fault {
        Fault::NoRoom { reserved: self.reserved }
    }

    /// Address of an entry.
    fn at(&self, index: u64) -> u64 {
        let base = self.area.map_or(0, |area| area.address);
        base.wrapping_add(index.wrapping_mul(Entry::SIZE))
    }

    fn bytes<'m>(&self, index: u64, memory: &'m mut Memory) -> Option<&'m mut [u8; 12]> {
        let area = memory.bytes_mut(self.area.as_ref()?);
        area.as_chunks_mut().0.get_mut(usize::try_from(index).ok()?)
    }

    fn read(&self, index: u64, memory: &mut Memory) -> Option<Entry> {
        self.bytes(index, memory).map(|bytes| Entry::read(bytes))
    }

    fn write(&self, index: u64, entry: Entry, memory: &mut Memory) -> Result<(), Fault> {
        *self.bytes(index, memory).ok_or_else(|| self.no_room())? = entry.bytes();
        Ok(())
    }

    /// `module_emit_plt_entry`; `WARN_ON` where there is no room.
    fn branch(&mut self, target: u64, erratum: bool, memory: &mut Memory) -> Result<u64, Fault> {
        let mut index = self.used;
        if erratum && super::is_forbidden(self.at(index)) {
            index += 1;
        }
        let entry = Entry::to(target, self.at(index));
        // Without room for it the kernel writes past the end of the section.
        self.write(index, entry, memory)?;
        let last = self.used.checked_sub(1);
        if let Some((last, other)) = last.and_then(|last| Some((last, self.read(last, memory)?))) {
            let same = entry.equals(self.at(index), other, self.at(last));
            if same.ok_or_else(|| beyond(target, self.at(index)))? {
                return Ok(self.at(last));
            }
        }
        self.used = index + 1;
        if self.used > self.reserved { Err(self.no_room()) } else { Ok(self.at(index)) }
    }

    /// `module_emit_veneer_for_adrp`.
    fn veneer(&mut self, page: u64, place: u64, memory: &mut Memory) -> Result<u64, Fault> {
        let mut index = self.used;
        self.used += 1;
        if self.used > self.reserved {
            return Err(self.no_room());
        }
        if super::is_forbidden(self.at(index)) {
            index = self.used;
            self.used += 1;
        }
        let word = memory.at(place).and_then(|bytes| bytes.first_chunk());
        let register = word.map_or(0, |word| u32::from_le_bytes(*word) & 0x1f);
        let entry = Entry::veneer(page, self.at(index), register, place.wrapping_add(4));
        self.write(index, entry, memory)?;
        Ok(self.at(index))
    }
}

/// The kernel stops with a bug over a target out of reach, once there are two of them.
fn beyond(target: u64, entry: u64) -> Fault {
    let value = (target & !0xfff).wrapping_sub(entry & !0xfff).cast_signed();
    Fault::Overflow { value, min: -0x1_0000_0000, max: 0xffff_ffff }
}

/// What the loader keeps for a module (`struct mod_arch_specific`).
#[derive(Debug, Clone)]
pub(super) struct Plts {
    core: PltSection,
    init: PltSection,
    configuration: Configuration,
    indeterminate: Vec<Range<u64>>,
}

impl Plts {
    /// The lists of a module, core and init.
    pub(super) fn new(configuration: &Configuration, core: PltSection, init: PltSection) -> Self {
        Self { core, init, configuration: configuration.clone(), indeterminate: Vec::new() }
    }

    fn has(&self, feature: Features) -> bool {
        self.configuration.features.contains(feature)
    }

    /// Fills the slots for ftrace in one section (`__init_plt`).
    fn trampoline(
        &mut self,
        object: &Object<'_>,
        name: &'static str,
        memory: &mut Memory,
    ) -> Result<(), Fault> {
        let named = |s: &&crate::object::Section<'_>| s.name == name.as_bytes() && s.has(SHF_ALLOC);
        let section = object.sections.iter().skip(1).find(named);
        let section = section.ok_or(Fault::NoSection { name })?;
        let slots = PltSection {
            section: 0,
            reserved: section.sh_size / Entry::SIZE,
            used: 0,
            area: section.extent,
        };
        let regs = self.has(Features::DYNAMIC_FTRACE_WITH_REGS).then_some("ftrace_regs_caller");
        for (index, symbol) in (0..).zip(["ftrace_caller"].into_iter().chain(regs)) {
            let pc = slots.at(index);
            let known = self.configuration.symbols.get(symbol);
            // The kernel does not look whether there is room.
            let needed = Entry::SIZE.saturating_mul(index.saturating_add(1));
            slots
                .write(index, Entry::to(known.copied().unwrap_or(pc), pc), memory)
                .map_err(|_| Fault::PlaceOutside { needed, available: section.sh_size })?;
            if known.is_none() {
                // The branch does not depend on the target.
                self.indeterminate.push(pc..pc.wrapping_add(8));
            }
        }
        Ok(())
    }
}

impl Linkage for Plts {
    fn settle(&mut self, object: &mut Object<'_>, _: &Memory) -> Result<(), Fault> {
        for list in [&mut self.core, &mut self.init] {
            list.area = object.sections.get(list.section).and_then(|section| section.extent);
        }
        Ok(())
    }

    fn provide(
        &mut self,
        relocation: &Relocation<'_>,
        operands: &mut Operands,
        memory: &mut Memory,
    ) -> Result<(), Fault> {
        // A late one that needs an entry is refused by the plan.
        if relocation.conditions.late {
            return Ok(());
        }
        let erratum = self.has(Features::ERRATUM_843419);
        let list = if relocation.init { &mut self.init } else { &mut self.core };
        let out_of_reach = |planned| matches!(planned, Err(Fault::Overflow { .. }));
        match relocation.row.calc {
            Calc::Branch if out_of_reach(apply::plan(relocation.row, operands)) => {
                operands.plt = Some(list.branch(operands.sum(), erratum, memory)?);
            }
            Calc::PageRelative if erratum && super::is_forbidden(operands.p) => {
                let page = operands.sum() & !0xfff;
                let distance = page.wrapping_sub(operands.p).cast_signed();
                if Check::Signed(21).admit(distance).is_err() {
                    operands.plt = Some(list.veneer(page, operands.p, memory)?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self, object: &Object<'_>, memory: &mut Memory) -> Result<(), Fault> {
        if !self.has(Features::DYNAMIC_FTRACE) {
            return Ok(());
        }
        self.trampoline(object, ".text.ftrace_trampoline", memory)?;
        let name = INIT_TRAMPOLINE.as_bytes();
        let has = object.sections.iter().skip(1).any(|s| s.name == name && s.has(SHF_ALLOC));
        if has || self.has(Features::INIT_TRAMPOLINE) {
            self.trampoline(object, INIT_TRAMPOLINE, memory)?;
        }
        Ok(())
    }

    fn indeterminate(&self) -> Vec<Range<u64>> {
        self.indeterminate.clone()
    }

    fn boxed_clone(&self) -> Box<dyn Linkage> {
        Box::new(self.clone())
    }
}
