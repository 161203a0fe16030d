//! Relocations at load: plain ones and those of vmlinux, in the order of sections
//! (`apply_relocations`), each table handed to the machine.
//!
//! Invariant: the first error ends the load; what was written before it stays. Sources:
//! `kernel/module/main.c:apply_relocations`, `kernel/livepatch/core.c:klp_write_section_relocs`.

use klp_arch::object::{SHF_ALLOC, SHF_RELA_LIVEPATCH, SHT_RELA};
use klp_arch::{
    AppliedRelocation, Conditions, Errno, Extent, FailedRelocation, Fault, KernelError, Observer,
    Operands, Operation, Rela, RelocationContext, RelocationTable,
};

use super::resolve::VMLINUX;
use super::{Bind, Loaded, Record, Refused, Relocated, Way, scan};
use crate::elf::{self, SectionIndex, SymbolIndex};
use crate::findings::{Consequence, Finding, Rule, Stage};
use crate::site::Site;

/// `SHT_REL`.
const SHT_REL: u32 = 9;

/// A refusal that concerns no relocation and that the kernel does not log
/// (`module_init_ftrace_plt`).
pub(super) fn refuse(stage: Stage, fault: Fault) -> Finding {
    let kernel = KernelError { errno: Errno::ENOEXEC, message: String::new() };
    match Consequence::of(&fault) {
        Consequence::Refused => {
            Finding::refused(stage, kernel).explained(fault.to_string()).faulty(fault)
        }
        _ => Finding::stopped(stage, kernel, fault),
    }
}

/// What the kernel does with a section at load time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtLoad {
    /// A klp section for this target; its gate decides.
    Klp(usize),
    /// A plain table for this target.
    Rela(usize),
    /// A table without addends: refused.
    Rel,
    /// Nothing.
    PassedOver,
}

impl Loaded<'_> {
    /// Applies the relocations that are applied before init runs.
    pub(super) fn apply(&mut self, known: &dyn Bind) -> Result<(), Refused> {
        for index in 1..self.info.object.sections.len() {
            match self.at_load(index) {
                AtLoad::PassedOver => {}
                AtLoad::Rel => {
                    let name = &self.info.name;
                    let table = SectionIndex::new(u32::try_from(index).unwrap_or(u32::MAX));
                    let message = format!("module {name}: REL relocation unsupported");
                    let kernel = KernelError { errno: Errno::ENOEXEC, message };
                    return Err(Finding::refused(Stage::Apply, kernel).about_table(table).into());
                }
                AtLoad::Rela(target) => {
                    self.relocate(index, target, Operation::Apply, Stage::Apply)?;
                }
                AtLoad::Klp(target) => {
                    if self.gate(Stage::Apply, index)? == VMLINUX {
                        self.resolve(Stage::Apply, index, VMLINUX, known)?;
                        self.relocate(index, target, Operation::Apply, Stage::Apply)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn at_load(&self, index: usize) -> AtLoad {
        let sections = &self.info.object.sections;
        let Some(table) = sections.get(index) else { return AtLoad::PassedOver };
        let target = usize::try_from(table.sh_info).unwrap_or(usize::MAX);
        let Some(patched) = sections.get(target) else { return AtLoad::PassedOver };
        let percpu = target != 0 && self.info.percpu == Some(target);
        if !(patched.has(SHF_ALLOC) || percpu && self.kernel.relocates_percpu) {
            return AtLoad::PassedOver;
        }
        match table.sh_type {
            _ if table.has(SHF_RELA_LIVEPATCH) => AtLoad::Klp(target),
            SHT_RELA => AtLoad::Rela(target),
            SHT_REL => AtLoad::Rel,
            _ => AtLoad::PassedOver,
        }
    }

    /// Whether the loader skips a table with entries for a loaded section.
    pub(super) fn is_passed_over(&self, index: usize) -> bool {
        self.at_load(index) == AtLoad::PassedOver
    }

    /// The gate in a klp section's name, as the kernel reads it.
    pub(super) fn gate(&self, stage: Stage, index: usize) -> Result<Vec<u8>, Finding> {
        let name = self.section_name(index);
        scan::gate(name).map(<[u8]>::to_vec).ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            let message = format!("livepatch: section {name} has an incorrectly formatted name");
            let kernel = KernelError { errno: Errno::EINVAL, message };
            Finding::refused(stage, kernel).breaks(Rule::SectionName)
        })
    }

    /// Where a relocation is, for messages.
    pub(super) fn site(&self, index: usize, entry: usize, rela: Rela) -> Site {
        let rela = elf::Rela {
            offset: rela.offset,
            symbol: SymbolIndex::new(rela.symbol),
            kind: rela.kind,
            addend: rela.addend,
        };
        let section = SectionIndex::new(u32::try_from(index).unwrap_or(u32::MAX));
        // The loader may have changed the order; people read the file.
        let entry = self.module.relocations(section).position(|r| r == rela).unwrap_or(entry);
        self.sites.describe(section, entry, rela)
    }

    /// Applies or clears one table.
    pub(super) fn relocate(
        &mut self,
        index: usize,
        target: usize,
        operation: Operation,
        stage: Stage,
    ) -> Result<(), Refused> {
        let late = stage == Stage::Gate;
        let writable = self.is_writable(target);
        let object = &self.info.object;
        let Some((section, patched)) = object.sections.get(index).zip(object.sections.get(target))
        else {
            return Ok(());
        };
        // An empty section is not in memory: every relocation is outside it.
        let nowhere = Extent { region: usize::MAX, offset: 0, size: 0, address: 0 };
        let features = self.kernel.configuration.features;
        let table = RelocationTable {
            entries: section.body.as_chunks().0,
            symbols: &object.symbols,
            target: patched.extent.unwrap_or(nowhere),
            init: self.is_init(target),
            conditions: Conditions { late, writable, features, ..Conditions::default() },
        };
        let relocations = &mut self.relocations;
        let (everything, endian) = (self.record == Record::Everything, self.machine.endian);
        let (counts, counted) = (&mut self.counts, self.record == Record::Counts);
        let mut note = |applied: &AppliedRelocation<'_>| {
            if counted {
                *counts.entry((applied.rela.kind, Way::of(&applied.operands))).or_default() += 1;
            } else if everything || applied.is_truncated(endian) {
                relocations.push(Relocated::new(index, applied));
            }
        };
        let observer = (self.record != Record::Nothing)
            .then_some(Observer { only_truncated: !(everything || counted), observe: &mut note });
        let linkage = &mut *self.linkage;
        let done =
            self.machine.loader.relocate(&table, operation, linkage, &mut self.memory, observer);
        done.map_err(|stopped| self.stopped(stage, index, &stopped).into())
    }

    /// The kernel's message for the relocation at which it stopped.
    fn stopped(&self, stage: Stage, index: usize, stopped: &FailedRelocation) -> Finding {
        let FailedRelocation { entry, rela, operands, fault } = *stopped;
        let symbol = usize::try_from(rela.symbol).ok();
        let symbol = symbol.and_then(|slot| self.info.object.symbols.get(slot));
        // During the load the kernel has none of its symbols yet.
        let next = operands.p.wrapping_add(4);
        let next = if stage == Stage::Gate { self.symbolic(next) } else { None };
        let at = RelocationContext {
            module: &self.info.name,
            section: index,
            entry,
            kind: rela.kind,
            symbol: symbol.map_or(b"", |symbol| symbol.name),
            place: operands.p,
            next_word: next.as_deref(),
            value: self.value(rela.kind, &operands),
            operands,
            features: self.kernel.configuration.features,
        };
        let kernel = self.machine.loader.kernel_error(&at, &fault);
        Finding::stopped(stage, kernel, fault).at(self.site(index, entry, rela))
    }

    /// Whether a section is freed after init.
    pub(super) fn is_init(&self, section: usize) -> bool {
        let place = self.layout.sections.get(section).copied().flatten();
        place.is_some_and(|(kind, _)| kind.is_init())
    }

    fn value(&self, kind: u32, operands: &Operands) -> i64 {
        let row = self.machine.row(kind);
        row.and_then(|row| klp_arch::apply::compute(row, operands).ok()).unwrap_or(0)
    }
}
