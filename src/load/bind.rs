//! What every symbol's value becomes (`simplify_symbols`, `klp_resolve_symbols`).

use klp_arch::object::{SHN_ABS, SHN_COMMON, SHN_LIVEPATCH, SHN_LORESERVE, SHN_UNDEF};
use klp_arch::{Backend, Errno, KernelError};

use super::error::{LoadError, Stage};
use super::object::Temporary;
use crate::klp::{KlpSymbol, ObjectName};

/// A symbol that the kernel, or a module of it, exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedSymbol {
    /// Its address.
    pub address: u64,
    /// Who exports it.
    pub owner: ObjectName,
    /// Whether to GPL modules only, where that is known.
    pub gpl: Option<bool>,
    /// The namespace; `None` for none.
    pub namespace: Option<String>,
    /// The CRC of its type, where that is known.
    pub crc: Option<u32>,
}

/// What the kernel finds for a klp symbol (`klp_find_object_symbol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// The one symbol, at this address.
    Found(u64),
    /// No symbol of this name.
    NotFound,
    /// Position 0, but several symbols of this name.
    Ambiguous,
    /// Fewer symbols of this name than the position.
    NoSuchPosition,
    /// The object is not loaded, or nothing is known about it.
    Unknown,
}

/// Whoever knows the symbols of the running kernel and their addresses.
pub trait Bind {
    /// Who exports a name, vmlinux before modules.
    fn export(&self, name: &str) -> Option<ExportedSymbol>;

    /// What the kernel finds for a klp symbol.
    fn find(&self, symbol: &KlpSymbol) -> Lookup;
}

/// Gives every symbol its value.
pub(super) fn bind(
    temporary: &mut Temporary<'_>,
    backend: &dyn Backend,
    percpu: u64,
    known: &dyn Bind,
) -> Result<(), Vec<LoadError>> {
    let sections: Vec<u64> =
        temporary.object.sections.iter().map(klp_arch::object::Section::address).collect();
    let mut errors = Vec::new();
    for symbol in temporary.object.symbols.iter_mut().skip(1) {
        let name = String::from_utf8_lossy(symbol.name);
        let refuse = |errno, message| LoadError::new(Stage::Bind, KernelError { errno, message });
        match symbol.st_shndx {
            SHN_ABS | SHN_LIVEPATCH => {}
            SHN_COMMON if symbol.name.starts_with(b"__gnu_lto") => {}
            SHN_COMMON => {
                let message = format!("{}: please compile with -fno-common", temporary.name);
                errors.push(refuse(Errno::ENOEXEC, message));
            }
            SHN_UNDEF => match known.export(&name) {
                Some(exported) => symbol.st_value = exported.address,
                None if symbol.bind() == 2 => {}
                None if backend.loader_symbol(symbol.name).is_some_and(|s| s.needs_no_export()) => {
                }
                None => {
                    let message = format!("{}: Unknown symbol {name} (err -2)", temporary.name);
                    errors.push(refuse(Errno::ENOENT, message));
                }
            },
            index if index < SHN_LORESERVE && usize::from(index) < sections.len() => {
                let index = usize::from(index);
                let base = if temporary.percpu == Some(index) {
                    percpu
                } else {
                    sections.get(index).copied().unwrap_or(0)
                };
                symbol.st_value = symbol.st_value.wrapping_add(base);
            }
            index => {
                let (module, max) = (&temporary.name, sections.len().saturating_sub(1));
                let message = format!(
                    "{module}: Symbol {name} has an invalid section index {index} (max {max})"
                );
                errors.push(refuse(Errno::ENOEXEC, message));
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
