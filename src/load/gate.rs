//! Objects that come and go: klp relocations behind their gates
//! (`klp_init_object_loaded`, `klp_cleanup_module_patches_limited`).

use klp_arch::object::{SHF_RELA_LIVEPATCH, SHN_LIVEPATCH};
use std::collections::BTreeSet;

use klp_arch::{Errno, KernelError};

use super::error::{LoadError, Stage};
use super::{Bind, Loaded, Lookup, Refused};
use crate::klp::{KlpSymbol, ObjectName};

impl Loaded<'_> {
    /// The objects that klp relocations of this module wait for, vmlinux not among them.
    #[must_use]
    pub fn gates(&self) -> BTreeSet<ObjectName> {
        let sections = self.temporary.object.sections.iter().enumerate();
        let klp = sections.filter(|(_, section)| section.has(SHF_RELA_LIVEPATCH));
        let gates = klp.filter_map(|(index, _)| self.gate(index).ok());
        gates.filter(|gate| !gate.is_vmlinux()).collect()
    }

    /// The module's init function has run: what is freed then cannot be written any more.
    pub fn free_init(&mut self) {}

    /// An object has been loaded: the relocations behind its gate are written.
    ///
    /// # Errors
    /// [`Refused`]: what the kernel says while it refuses the object.
    pub fn gate_arrives(&mut self, gate: &ObjectName, known: &dyn Bind) -> Result<(), Refused> {
        let _ = (gate, known);
        Ok(())
    }

    /// An object goes: the relocations behind its gate are taken back, where the machine does so.
    ///
    /// # Errors
    /// [`Refused`]: what the kernel warns of.
    pub fn gate_leaves(&mut self, gate: &ObjectName) -> Result<(), Refused> {
        let _ = gate;
        Ok(())
    }

    /// Gives the symbols that a klp table names their values (`klp_resolve_symbols`).
    pub(super) fn resolve(
        &mut self,
        index: usize,
        gate: &ObjectName,
        known: &dyn Bind,
    ) -> Result<(), LoadError> {
        let _ = gate;
        let relas: Vec<_> = self.temporary.object.relas(index).collect();
        for rela in relas {
            let slot = usize::try_from(rela.symbol).unwrap_or(usize::MAX);
            let Some(symbol) = self.temporary.object.symbols.get_mut(slot) else { continue };
            let name = String::from_utf8_lossy(symbol.name);
            let refuse = |message| {
                LoadError::new(Stage::Apply, KernelError { errno: Errno::EINVAL, message })
            };
            if symbol.st_shndx != SHN_LIVEPATCH {
                let message =
                    format!("livepatch: symbol {name} is not marked as a livepatch symbol");
                return Err(refuse(message));
            }
            let Ok(klp) = name.parse::<KlpSymbol>() else {
                let message = format!("livepatch: symbol {name} has an incorrectly formatted name");
                return Err(refuse(message));
            };
            match known.find(&klp) {
                Lookup::Found(address) => symbol.st_value = address,
                _ => {
                    let name = klp.symbol;
                    let message = format!("livepatch: symbol '{name}' not found in symbol table");
                    return Err(refuse(message));
                }
            }
        }
        Ok(())
    }
}
