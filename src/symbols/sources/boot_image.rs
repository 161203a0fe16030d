//! The boot image of a kernel: the table that the running kernel itself uses.
//!
//! Needs no debug package: the images that distributions boot contain the table of `/proc/kallsyms`
//! ([`image`]). It has names, addresses and type letters in the kernel's order, and the
//! exports with their namespaces and CRCs; no sizes or source files.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::rows::Row;
use crate::name::ObjectName;
use crate::symbols::data::promoted::is_promoted;
use crate::symbols::data::{Object, Scope, SymbolData};
use crate::symbols::elf::init_memory::InitMemory;
use crate::symbols::elf::traceable::VmlinuxFunctions;
use crate::symbols::file::Input;
use crate::symbols::image::{self, KallsymsSymbol};
use crate::symbols::{
    BuildId, Export, KernelIdentity, Order, SymbolError, SymbolErrorKind, SymbolSource,
};

/// A boot image: bzImage, Image, zboot, a linked vmlinux, compressed or not.
#[derive(Debug)]
pub struct BootImage {
    input: Input,
}

impl BootImage {
    /// The kernel in this file, which is read when the source is.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { input: Input::file(path.into()) }
    }

    /// The kernel in these bytes; messages name `path`.
    #[must_use]
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { input: Input::memory(path.into(), bytes.into()) }
    }

    fn read_from(&self, bytes: &[u8], scope: Scope<'_>) -> Result<SymbolData, SymbolErrorKind> {
        let table = image::read(bytes)?;
        let mut object = Object::new(ObjectName::vmlinux(), self.input.path(), Order::Proven);
        object.build_id = table.build_id.clone().map(BuildId);
        object.compares = table.compares;
        let mut init_memory = InitMemory::default();
        let mut functions = VmlinuxFunctions::default();
        let mut exports = Vec::new();
        for symbol in table.iter() {
            init_memory.see(symbol.name, symbol.address);
            functions.see(symbol.name, symbol.address);
            object.promoted |= is_promoted(symbol.name);
            let KallsymsSymbol { address, letter, name } = symbol;
            let row = Row { address, letter, name, module: None };
            if scope.wants(name) {
                let symbol = row.symbol(&mut object)?;
                object.symbols.push(symbol);
            }
        }
        for export in table.exports().filter(|export| scope.wants(export.name)) {
            if let Ok(name) = std::str::from_utf8(export.name) {
                let owner = object.name.clone();
                let namespace = export.namespace.map(str::to_owned);
                let export = Export { owner, gpl: export.gpl, namespace, crc: export.crc };
                exports.push((name.to_owned(), export));
            }
        }
        for symbol in &mut object.symbols {
            symbol.init = symbol.address.is_some_and(|address| init_memory.frees(address));
        }
        if let Some(machine) = table.machine.and_then(klp_arch::for_machine) {
            let before = machine.call_sites.before;
            functions.mark(&mut object.symbols, table.call_sites(), before);
        }
        let (release, machine) = (table.release, table.machine);
        let kernel = KernelIdentity {
            release,
            machine,
            endian: Some(table.endian),
            kallsyms_all: Some(table.all),
        };
        Ok(SymbolData { kernel, objects: vec![object], exports, ..SymbolData::default() })
    }
}

impl SymbolSource for BootImage {
    fn path(&self) -> &Path {
        self.input.path()
    }

    fn read(&self, scope: Scope<'_>) -> Result<SymbolData, SymbolError> {
        let mut bytes = Vec::new();
        let read = self.input.open()?.read_to_end(&mut bytes);
        read.map_err(|error| SymbolError::new(self.input.path(), error))?;
        self.read_from(&bytes, scope).map_err(|kind| SymbolError::new(self.input.path(), kind))
    }
}
