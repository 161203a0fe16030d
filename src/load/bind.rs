//! Gives every symbol its value (`simplify_symbols`).
//!
//! [`Bind`] answers for the running kernel. Invariant: a refused symbol does not end the pass, and
//! errors are in symbol order: `init_module` returns the last one. Source: `kernel/module/main.c`.

use klp_arch::object::{SHN_ABS, SHN_COMMON, SHN_LIVEPATCH, SHN_UNDEF};
use klp_arch::{Errno, KernelError, Machine};

use super::importer::{Importer, Imports};
use super::load_info::LoadInfo;
use crate::elf::{Module, SymbolIndex};
use crate::findings::{About, Collector, Finding, MODULE_LAYOUT, Rule, Stage};
use crate::name::{KlpSymbol, ObjectName, shown};

/// `STB_WEAK`.
const STB_WEAK: u8 = 2;

/// A symbol that the kernel, or a module of it, exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedSymbol {
    /// Its address.
    pub address: u64,
    /// Who exports it.
    pub owner: ObjectName,
    /// Whether for GPL modules only, if known.
    pub gpl: Option<bool>,
    /// The namespace, empty for none; `None` if not known.
    pub namespace: Option<String>,
    /// The CRC of its type, if known.
    pub crc: Option<u32>,
}

/// What the kernel finds for a klp symbol (`klp_find_object_symbol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// Exactly one symbol, at this address.
    Found(u64),
    /// No symbol of this name, or one at address 0.
    NotFound,
    /// Position 0, but several symbols of this name.
    Ambiguous,
    /// Fewer symbols of this name than the position.
    NoSuchPosition,
    /// The object is not loaded, or nothing is known about it.
    Unknown,
}

/// Symbols and addresses of the running kernel.
pub trait Bind {
    /// Who exports a name, vmlinux before modules.
    fn export(&self, name: &str) -> Option<ExportedSymbol>;

    /// All exporters of a name, vmlinux before modules; empty if not known.
    fn exporters(&self, name: &str) -> Vec<ObjectName> {
        let _ = name;
        Vec::new()
    }

    /// What the kernel finds for a klp symbol.
    fn find(&self, symbol: &KlpSymbol) -> Lookup;

    /// Like [`find`](Self::find) while the symbol's object is being loaded: symbols of its init
    /// part count, too.
    fn find_coming(&self, symbol: &KlpSymbol) -> Lookup {
        self.find(symbol)
    }

    /// Whether ftrace can hook what is found for a klp symbol; `None` if not known.
    fn is_traceable(&self, symbol: &KlpSymbol) -> Option<bool> {
        let _ = symbol;
        None
    }
}

/// Whether the module was built for this kernel's `struct module`, which is checked before anything
/// else.
pub(super) fn check_layout(
    module: &Module<'_>,
    info: &LoadInfo<'_>,
    imports: Imports,
    known: &dyn Bind,
) -> Result<(), Finding> {
    let importer = Importer::new(module, &info.name, &info.object, imports);
    importer.check_layout(known).map_err(|kernel| {
        let refused = Finding::refused(Stage::Validate, kernel);
        match importer.other_version(MODULE_LAYOUT.as_bytes(), known) {
            Some(version) => refused.knowing(About::Version(version)),
            None => refused,
        }
    })
}

/// Gives every symbol its value. `percpu` is the address of the module's percpu memory. Of the errors the first of
/// each kind are kept, and the last, or `all`.
pub(super) fn bind(
    module: &Module<'_>,
    info: &mut LoadInfo<'_>,
    machine: &Machine,
    imports: Imports,
    percpu: u64,
    known: &dyn Bind,
    all: bool,
) -> Result<(), Vec<Finding>> {
    let refuse = |kernel| Finding::refused(Stage::Bind, kernel);
    let importer = Importer::new(module, &info.name, &info.object, imports);
    importer.check_namespaces().map_err(|kernel| vec![refuse(kernel)])?;
    let sections = info.object.sections.iter().enumerate();
    let sections = sections.map(|(index, section)| match info.percpu {
        Some(template) if template == index => percpu,
        _ => section.extent.map_or(machine.temporary_copy, |extent| extent.address),
    });
    let context = Context {
        name: &info.name,
        importer: &importer,
        machine,
        sections: &sections.collect::<Vec<u64>>(),
        known,
    };
    let mut values = Vec::with_capacity(info.object.symbols.len());
    let (mut errors, mut last) = (Collector::new(all), None);
    // Symbol 0 is the null symbol.
    for (slot, symbol) in info.object.symbols.iter().enumerate().skip(1) {
        values.push(context.value(symbol).unwrap_or_else(|kernel| {
            let index = SymbolIndex::new(u32::try_from(slot).unwrap_or(u32::MAX));
            let error = refuse(kernel).about(index);
            let error = match symbol.st_shndx {
                SHN_COMMON => error.breaks(Rule::CommonSymbol),
                SHN_UNDEF => match importer.missing(symbol.name, known) {
                    Some(import) => error.knowing(About::Import(import)),
                    None => match importer.other_version(symbol.name, known) {
                        Some(version) => error.knowing(About::Version(version)),
                        None if importer.is_own(symbol.name, known) => {
                            error.knowing(About::OwnExport)
                        }
                        None => error,
                    },
                },
                _ => error,
            };
            errors.extend(last.replace(error));
            symbol.st_value
        }));
    }
    if let Some(last) = last {
        return Err(errors.into_vec().into_iter().chain([last]).collect());
    }
    let symbols = info.object.symbols.iter_mut().skip(1).zip(values);
    symbols.for_each(|(symbol, value)| symbol.st_value = value);
    Ok(())
}

/// What a symbol's value depends on.
struct Context<'c> {
    name: &'c str,
    importer: &'c Importer<'c>,
    machine: &'c Machine,
    /// The address of each section.
    sections: &'c [u64],
    known: &'c dyn Bind,
}

impl Context<'_> {
    fn value(&self, symbol: &klp_arch::object::Symbol<'_>) -> Result<u64, KernelError> {
        let module = self.name;
        let refuse = |errno, message| Err(KernelError { errno, message });
        let name = || shown(symbol.name);
        match symbol.st_shndx {
            SHN_ABS | SHN_LIVEPATCH => Ok(symbol.st_value),
            SHN_COMMON if symbol.name.starts_with(b"__gnu_lto") => Ok(symbol.st_value),
            SHN_COMMON => {
                refuse(Errno::ENOEXEC, format!("{module}: please compile with -fno-common"))
            }
            SHN_UNDEF => match self.importer.resolve(symbol.name, self.known) {
                Ok(Some(address)) => Ok(address),
                Ok(None) if symbol.bind() == STB_WEAK || self.is_ignored(symbol.name) => {
                    Ok(symbol.st_value)
                }
                Ok(None) => {
                    let (name, errno) = (name(), Errno::ENOENT);
                    let number = errno.number();
                    refuse(errno, format!("{module}: Unknown symbol {name} (err -{number})"))
                }
                Err(KernelError { errno, message }) => {
                    let line = if message.is_empty() { message } else { message + "\n" };
                    let (name, number) = (name(), errno.number());
                    refuse(errno, format!("{line}{module}: Unknown symbol {name} (err -{number})"))
                }
            },
            index => match self.sections.get(usize::from(index)) {
                Some(base) => Ok(symbol.st_value.wrapping_add(*base)),
                None => {
                    let (name, max) = (name(), self.sections.len().saturating_sub(1));
                    let message = format!(
                        "{module}: Symbol {name} has an invalid section index {index} (max {max})"
                    );
                    refuse(Errno::ENOEXEC, message)
                }
            },
        }
    }

    /// `ignore_undef_symbol`, and symbols that the machine's loader itself defines.
    fn is_ignored(&self, name: &[u8]) -> bool {
        self.machine.loader_symbol(name).is_some_and(|symbol| symbol.needs_no_export())
    }
}
