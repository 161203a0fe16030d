//! Gives the symbols of a klp section their values (`klp_resolve_symbols`).
//!
//! Runs each time before a klp section is applied. Invariant: on an error, the symbols before it
//! have their values. Source: `kernel/livepatch/core.c`.

use klp_arch::object::SHN_LIVEPATCH;
use klp_arch::{Errno, Fault, KernelError, Rela};

use super::scan::Scanned;
use super::{Bind, Livepatching, Loaded, Lookup};
use crate::elf::SymbolIndex;
use crate::findings::{Finding, Rule, Stage};

/// The kernel's own message, without the prefix.
fn refuse(stage: Stage, message: &str) -> Finding {
    let message = format!("livepatch: {message}");
    Finding::refused(stage, KernelError { errno: Errno::EINVAL, message })
}

impl Loaded<'_> {
    /// Gives the symbols that a klp section uses their values. `gate`: the object in its name.
    pub(super) fn resolve(
        &mut self,
        stage: Stage,
        index: usize,
        gate: &[u8],
        known: &dyn Bind,
    ) -> Result<(), Finding> {
        let relas: Vec<Rela> = self.info.object.relas(index).collect();
        for (entry, rela) in relas.into_iter().enumerate() {
            self.resolve_one(stage, entry, rela, gate, known).map_err(|failure| {
                let error = match failure {
                    ResolveError::Says(message) => refuse(stage, &message),
                    ResolveError::Breaks(rule, message) => refuse(stage, &message).breaks(rule),
                    ResolveError::Unknown(message, why) => refuse(stage, &message).explained(why),
                    ResolveError::NoSymbol => {
                        let fault = Fault::NoSymbol { index: rela.symbol };
                        let silent = KernelError { errno: Errno::EINVAL, message: String::new() };
                        Finding::stopped(stage, silent, fault).breaks(Rule::SymbolMarked)
                    }
                };
                error.about(SymbolIndex::new(rela.symbol)).at(self.site(index, entry, rela))
            })?;
        }
        Ok(())
    }

    fn resolve_one(
        &mut self,
        stage: Stage,
        entry: usize,
        rela: Rela,
        gate: &[u8],
        known: &dyn Bind,
    ) -> Result<(), ResolveError> {
        let slot = usize::try_from(rela.symbol).unwrap_or(usize::MAX);
        let symtab = self.info.symtab;
        let Livepatching { names_relocation, sympos_saturates, .. } = self.kernel.livepatching;
        let symbol = self.info.object.symbols.get_mut(slot).ok_or(ResolveError::NoSymbol)?;
        let name = String::from_utf8_lossy(symbol.name);
        if symbol.st_shndx != SHN_LIVEPATCH {
            let location = if names_relocation {
                // The kernel prints the index of the symbol table.
                format!(" at rela sec {symtab} idx {entry}")
            } else {
                String::new()
            };
            let message = format!("symbol {name}{location} is not marked as a livepatch symbol");
            return Err(ResolveError::Breaks(Rule::SymbolMarked, message));
        }
        let Some(scanned) = Scanned::symbol(symbol.name) else {
            let message = format!("symbol {name} has an incorrectly formatted name");
            return Err(ResolveError::Breaks(Rule::SymbolName, message));
        };
        let scanned = if sympos_saturates { scanned.saturated() } else { scanned };
        let (owner, position) = (String::from_utf8_lossy(scanned.owner), scanned.position);
        let name = String::from_utf8_lossy(scanned.name);
        let vmlinux = scanned.owner == VMLINUX;
        if vmlinux && gate != VMLINUX {
            let message = format!(
                "invalid access to vmlinux symbol '{name}' from module-specific livepatch relocation \
                 section"
            );
            return Err(ResolveError::Breaks(Rule::VmlinuxSymbol, message));
        }
        let found = scanned.lookup().map_or(Lookup::NotFound, |klp| known.find(&klp));
        if let Lookup::Found(address) = found {
            symbol.st_value = address;
            // At load the copies of the table are made after relocation.
            if stage == Stage::Gate {
                self.store_symbol(slot);
            }
            return Ok(());
        }
        let message = not_looked_up(found, &name, &owner, position);
        let message = message.unwrap_or_else(|| not_found(&name));
        if found == Lookup::Unknown {
            let why = format!("nothing is known about '{name}' in {owner}");
            return Err(ResolveError::Unknown(message, why));
        }
        Err(ResolveError::Says(message))
    }
}

/// The kernel's message for a name that it does not find; `None` if it does, or if that is not
/// known (`klp_find_object_symbol`).
pub(super) fn not_looked_up(
    found: Lookup,
    name: &str,
    object: &str,
    position: u64,
) -> Option<String> {
    Some(match found {
        Lookup::Found(_) | Lookup::Unknown => return None,
        Lookup::NotFound => not_found(name),
        Lookup::Ambiguous => {
            // vmlinux has no name in the kernel.
            let object = if object.as_bytes() == VMLINUX { "(null)" } else { object };
            format!("unresolvable ambiguity for symbol '{name}' in object '{object}'")
        }
        Lookup::NoSuchPosition => {
            format!("symbol position {position} for symbol '{name}' in object '{object}' not found")
        }
    })
}

fn not_found(name: &str) -> String {
    format!("symbol '{name}' not found in symbol table")
}

/// The name as the kernel compares it.
pub(super) const VMLINUX: &[u8] = crate::name::VMLINUX.as_bytes();

/// Why a symbol gets no value.
enum ResolveError {
    /// The kernel says so.
    Says(String),
    /// The kernel says so, because a rule is broken.
    Breaks(Rule, String),
    /// Not known whether it gets one, and why.
    Unknown(String, String),
    /// The kernel reads beyond the symbol table.
    NoSymbol,
}
