//! The boot image of a kernel: the table that the running kernel itself uses.
//!
//! Needs no debug package: the images that distributions boot contain the table of `/proc/kallsyms`
//! ([`image`]). It has names, addresses and type letters in the kernel's order, and the
//! exports with their namespaces and CRCs; no sizes or source files.

use std::collections::{BTreeMap, BTreeSet};
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
    Binding, BuildId, Export, KernelIdentity, Order, Symbol, SymbolError, SymbolErrorKind,
    SymbolSource,
};

/// A boot image: bzImage, Image, zboot, a linked vmlinux, compressed or not.
#[derive(Debug)]
pub struct BootImage {
    input: Input,
    files: Vec<FileOf>,
}

/// The source file of a symbol, from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileOf {
    /// The symbol's name.
    pub name: String,
    /// Its address in the linked kernel.
    pub address: u64,
    /// The path of its source file, from the root of the kernel's source.
    pub file: String,
}

impl BootImage {
    /// The kernel in this file, which is read when the source is.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { input: Input::file(path.into()), files: Vec::new() }
    }

    /// The kernel in these bytes; messages name `path`.
    #[must_use]
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { input: Input::memory(path.into(), bytes.into()), files: Vec::new() }
    }

    /// The same, with source files of local symbols, which an image does not have. They count for a name of which all local
    /// symbols have one: else a file could not be told from one that is not known.
    #[must_use]
    pub fn with_files(self, files: Vec<FileOf>) -> Self {
        Self { files, ..self }
    }

    /// Gives symbols their source files.
    fn name_files(&self, object: &mut Object) -> Result<(), SymbolErrorKind> {
        let known: BTreeMap<(&[u8], u64), &str> =
            self.files.iter().map(|of| ((of.name.as_bytes(), of.address), &*of.file)).collect();
        let file = |object: &Object, symbol: &Symbol| {
            known.get(&(object.text(symbol.name), symbol.address?)).copied()
        };
        let mut partly: BTreeSet<&[u8]> = BTreeSet::new();
        let local = object.symbols.iter().filter(|s| s.binding == Some(Binding::Local));
        for symbol in local {
            if !known.is_empty() && file(object, symbol).is_none() {
                partly.insert(object.text(symbol.name));
            }
        }
        let named = |symbol: &Symbol| {
            let whole = symbol.binding == Some(Binding::Local)
                && !partly.contains(object.text(symbol.name));
            file(object, symbol).filter(|_| whole).map(str::to_owned)
        };
        let files: Vec<Option<String>> = object.symbols.iter().map(named).collect();
        let mut units: BTreeMap<String, u32> = BTreeMap::new();
        for (index, file) in files.into_iter().enumerate() {
            let Some(file) = file else { continue };
            let unit = match units.get(&file) {
                Some(unit) => *unit,
                None => {
                    let text = object.keep(file.as_bytes()).ok_or(SymbolErrorKind::TooLarge)?;
                    let unit = u32::try_from(object.units.len());
                    let unit = unit.map_err(|_| SymbolErrorKind::TooLarge)?;
                    object.units.push(text);
                    units.insert(file, unit);
                    unit
                }
            };
            if let Some(symbol) = object.symbols.get_mut(index) {
                symbol.unit = Some(unit);
            }
        }
        Ok(())
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
        if !self.files.is_empty() {
            self.name_files(&mut object)?;
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
