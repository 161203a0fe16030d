//! The linked kernel: positions by final address, from its own symbol table.
//!
//! The kernel walks the symbols of one name in the order of `kallsyms`
//! (`kallsyms_on_each_match_symbol` in `kernel/kallsyms.c`), see [`kallsyms`].
//! Invariant: only a linked image is read, never `vmlinux.o`, whose order is different.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use klp_arch::KernelVersion;
use object::elf;

use crate::name::ObjectName;
use crate::symbols::data::promoted::{Compares, is_promoted};
use crate::symbols::data::{Object, Scope, SymbolData};
use crate::symbols::elf::elf_object::Strings;
use crate::symbols::elf::exports::Exports;
use crate::symbols::elf::init_memory::InitMemory;
use crate::symbols::elf::source_files::SourceFiles;
use crate::symbols::elf::table::ElfTable;
use crate::symbols::elf::traceable::{self, VmlinuxFunctions};
use crate::symbols::elf::{kallsyms, letter};
use crate::symbols::file::{Contents, Input};
use crate::symbols::{KernelIdentity, Order, SymbolError, SymbolErrorKind, SymbolSource, image};

/// The text that `/proc/version` prints: `Linux version 7.2.13 (builder@host) …`.
const BANNER: &[u8] = b"linux_banner";
const BANNER_START: &str = "Linux version ";
/// Suffix of the names of per-CPU sections; [`InitMemory`] knows those with bounds.
const PER_CPU: &[u8] = b"percpu";

/// A linked vmlinux, with or without debug information.
#[derive(Debug)]
pub struct Vmlinux {
    input: Input,
}

impl Vmlinux {
    /// The kernel in this file, which is read when the source is.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { input: Input::file(path.into()).of_kernel() }
    }

    /// The kernel in these bytes; messages name `path`.
    #[must_use]
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { input: Input::memory(path.into(), bytes.into()).of_kernel() }
    }

    fn open(&self) -> Result<ElfTable<Box<dyn Contents + '_>>, SymbolError> {
        let table = ElfTable::open(&self.input)?;
        linked(&table).map_err(|kind| SymbolError::new(self.input.path(), kind))?;
        Ok(table)
    }

    pub(crate) fn read_from<R: Read + Seek>(
        &self,
        table: &mut ElfTable<R>,
        scope: Scope<'_>,
    ) -> Result<SymbolData, SymbolErrorKind> {
        linked(table)?;
        let mut object = Object::new(ObjectName::vmlinux(), self.input.path(), Order::Proven);
        let strings = Strings::read(table)?;
        let mut files = SourceFiles::read(table);
        let mut found = Vec::new();
        let mut exports = Exports::default();
        let mut banner = None;
        let mut init_memory = InitMemory::default();
        let mut functions = VmlinuxFunctions::default();
        table.visit(strings.symbols(), |symbol| {
            if symbol.name == BANNER {
                banner = symbol.section.map(|(s, _)| (s.clone(), symbol.value));
            }
            init_memory.see(symbol.name, symbol.value);
            let visible = kallsyms::visible(&symbol);
            if visible {
                functions.see(symbol.name, symbol.value);
            }
            object.promoted |= is_promoted(symbol.name);
            if symbol.st_type() == elf::STT_FILE {
                object.units.push(strings.name(&symbol));
                files.enter(symbol.name);
            }
            let file = files.see(&symbol);
            exports.see(&symbol, scope);
            if visible && scope.wants(symbol.name) {
                let init = symbol.section_name().starts_with(b".init");
                let per_cpu = symbol.section_name().ends_with(PER_CPU);
                let letter = letter::of_vmlinux(&symbol);
                let kept = strings.source_symbol(&symbol, letter, init, true);
                let rank = kallsyms::rank(symbol.value, letter, symbol.index);
                found.push((rank, per_cpu, file, kept));
            }
            Ok(())
        })?;

        let files = files
            .decide(|unit| object.units.get(unit).map_or(&[], |name| name.of(strings.symbols())));
        found.sort_unstable_by_key(|(rank, ..)| *rank);
        object.symbols = found
            .into_iter()
            .map(|((address, ..), per_cpu, file, mut symbol)| {
                symbol.unit = files.unit(file, symbol.unit);
                symbol.init |= init_memory.frees(address) && !per_cpu;
                symbol
            })
            .collect();
        if let (Some(machine), Some(list)) =
            (klp_arch::for_machine(table.machine), functions.list())
        {
            let words = traceable::words(table, list);
            functions.mark(&mut object.symbols, &words, machine.call_sites.before);
        }
        object.text = strings.into_text();
        files.name(&mut object)?;
        let mut release = None;
        if let Some((section, address)) = banner {
            release = release_of(&table.text_at(&section, address.wrapping_sub(section.address))?);
        }
        let kernel = KernelIdentity {
            release,
            machine: Some(table.machine),
            endian: Some(table.endian),
            kallsyms_all: None,
        };
        let version = kernel.version().unwrap_or(KernelVersion::NEWEST);
        kallsyms::drop_hidden(&mut object, version);
        object.build_id = table.build_id()?;
        let exports = exports.read(&object.name, table)?;
        table.intact()?;
        Ok(SymbolData { kernel, objects: vec![object], exports, ..SymbolData::default() })
    }
}

fn linked<R: Read + Seek>(table: &ElfTable<R>) -> Result<(), SymbolErrorKind> {
    match table.file_type {
        // An arm64, s390x or ppc64le kernel may be a position-independent executable.
        elf::ET_EXEC | elf::ET_DYN => Ok(()),
        elf::ET_REL => Err(SymbolErrorKind::NotLinked),
        _ => Err(SymbolErrorKind::Elf("neither an executable nor a shared object")),
    }
}

/// The release in the banner.
pub(crate) fn release_of(banner: &[u8]) -> Option<String> {
    let banner = std::str::from_utf8(banner).ok()?;
    banner.strip_prefix(BANNER_START)?.split_whitespace().next().map(str::to_owned)
}

impl SymbolSource for Vmlinux {
    fn path(&self) -> &Path {
        self.input.path()
    }

    fn read(&self, scope: Scope<'_>) -> Result<SymbolData, SymbolError> {
        let failed = |kind| SymbolError::new(self.input.path(), kind);
        let mut table = self.open()?;
        let mut data = self.read_from(&mut table, scope).map_err(failed)?;
        let version = data.kernel.version().unwrap_or(KernelVersion::NEWEST);
        for object in data.objects.iter_mut().filter(|object| object.promoted) {
            if Compares::of(version) != Compares::Whole {
                // The kernel's own table is in it.
                let mut bytes = Vec::new();
                let read = self.input.open()?.read_to_end(&mut bytes);
                read.map_err(|error| SymbolError::new(self.input.path(), error))?;
                object.compares = image::read(&bytes).ok().and_then(|kernel| kernel.compares);
            }
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests;
