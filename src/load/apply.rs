//! Relocations at load: plain ones and those of vmlinux, in the order of sections
//! (`apply_relocations`).

use klp_arch::object::{SHF_ALLOC, SHF_RELA_LIVEPATCH, SHF_WRITE, SHT_RELA};
use klp_arch::{Applied, At, Errno, Facts, Fault, KernelError, Table, Turn};

use super::error::{LoadError, Stage};
use super::object::Temporary;
use super::{Bind, Loaded, Refused, Relocated};
use crate::elf::{Rela, SectionIndex, SymbolIndex};
use crate::klp::{KlpSection, ObjectName, Sites};

/// A refusal that is about no relocation.
pub(super) fn refuse(stage: Stage, temporary: &Temporary<'_>, fault: Fault) -> LoadError {
    let message = format!("{}: {fault}", temporary.name);
    let kernel = KernelError { errno: Errno::ENOEXEC, message };
    LoadError { fault: Some(fault), ..LoadError::new(stage, kernel) }
}

impl Loaded<'_> {
    /// Applies what is applied before init runs.
    pub(super) fn apply(&mut self, known: &dyn Bind, record: bool) -> Result<(), Refused> {
        for index in 1..self.temporary.object.sections.len() {
            let Some((target, klp)) = self.table(index) else { continue };
            if klp {
                let gate = self.gate(index)?;
                if !gate.is_vmlinux() {
                    continue;
                }
                self.resolve(index, &gate, known)?;
            }
            self.relocate(index, target, Turn::Apply, false, record)?;
        }
        Ok(())
    }

    /// The section that a table patches, if the kernel applies it at load, and whether it is a klp
    /// one.
    fn table(&self, index: usize) -> Option<(usize, bool)> {
        let object = &self.temporary.object;
        let table = object.sections.get(index)?;
        let target = usize::try_from(table.sh_info).ok()?;
        let patched = object.sections.get(target)?;
        let percpu = self.temporary.percpu == Some(target) && self.kernel.relocates_percpu;
        if !patched.has(SHF_ALLOC) && !percpu {
            return None;
        }
        let klp = table.has(SHF_RELA_LIVEPATCH);
        (klp || table.sh_type == SHT_RELA).then_some((target, klp))
    }

    /// The gate that a klp section's name tells.
    pub(super) fn gate(&self, index: usize) -> Result<ObjectName, LoadError> {
        let name = self.temporary.object.sections.get(index).map_or(&b""[..], |s| s.name);
        let name = String::from_utf8_lossy(name);
        let gate = name.parse::<KlpSection>().map(|klp| klp.gate);
        gate.map_err(|_| {
            let message = format!("livepatch: section {name} has an incorrectly formatted name");
            LoadError::new(Stage::Apply, KernelError { errno: Errno::EINVAL, message })
        })
    }

    /// Applies one table, or takes it back.
    pub(super) fn relocate(
        &mut self,
        index: usize,
        target: usize,
        turn: Turn,
        late: bool,
        record: bool,
    ) -> Result<(), Refused> {
        let object = &self.temporary.object;
        let Some((section, patched)) = object.sections.get(index).zip(object.sections.get(target))
        else {
            return Ok(());
        };
        let Some(extent) = patched.extent else { return Ok(()) };
        let facts = Facts {
            late,
            writable: patched.has(SHF_WRITE),
            features: self.kernel.configuration.features,
            ..Facts::default()
        };
        let table = Table {
            entries: section.body.as_chunks().0,
            symbols: &object.symbols,
            target: extent,
            facts,
        };
        let relocations = &mut self.relocations;
        let mut note = |applied: &Applied<'_>| {
            relocations.push(Relocated {
                section: index,
                entry: applied.entry,
                rela: applied.rela,
                row: applied.row,
                inputs: applied.inputs,
                patch: applied.patch,
                before: applied.before.to_vec(),
                after: applied.after.to_vec(),
            });
        };
        let watch: klp_arch::Watch<'_> = if record { Some(&mut note) } else { None };
        let linkage = &mut *self.linkage;
        let done = self.backend.relocate(&table, turn, linkage, &mut self.memory, watch);
        done.map_err(|stopped| {
            let symbol = usize::try_from(stopped.rela.symbol).ok();
            let symbol = symbol.and_then(|slot| object.symbols.get(slot));
            let at = At {
                module: &self.temporary.name,
                section: index,
                entry: stopped.entry,
                kind: stopped.rela.kind,
                symbol: symbol.map_or(b"", |symbol| symbol.name),
                place: stopped.inputs.p,
                value: 0,
            };
            let kernel = self.backend.kernel_error(&at, &stopped.fault);
            let rela = Rela {
                offset: stopped.rela.offset,
                symbol: SymbolIndex::new(stopped.rela.symbol),
                kind: stopped.rela.kind,
                addend: stopped.rela.addend,
            };
            let section = SectionIndex::new(u32::try_from(index).unwrap_or(u32::MAX));
            let site = Sites::new(self.module, self.backend).describe(section, stopped.entry, rela);
            let stage = if late { Stage::Gate } else { Stage::Apply };
            let (site, fault) = (Some(Box::new(site)), Some(stopped.fault));
            Refused::from(LoadError { stage, kernel, site, fault })
        })
    }
}
