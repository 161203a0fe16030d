//! A kernel module file: positions by symbol-table order.
//!
//! The kernel walks a module's symbols in table order and counts all that are defined
//! (`module_kallsyms_on_each_symbol` in `kernel/module/kallsyms.c`), including absolute ones and file
//! names. While the module is being loaded that is the file's table; afterwards it is a smaller one
//! without what was freed (`is_core_symbol`). Invariant: a candidate has its rank in both.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use object::elf;

use crate::kmod;
use crate::name::ObjectName;
use crate::symbols::data::{Evidence, Object, Scope, SymbolData};
use crate::symbols::elf::elf_object::Strings;
use crate::symbols::elf::evidence::Modinfo;
use crate::symbols::elf::exports::Exports;
use crate::symbols::elf::letter;
use crate::symbols::elf::table::{ElfTable, Symbol};
use crate::symbols::elf::traceable::ModuleFunctions;
use crate::symbols::file::{Contents, Input};
use crate::symbols::{
    KernelIdentity, Neighbours, Order, SymbolError, SymbolErrorKind, SymbolSource,
};

/// Symbols that there is room for before any is read: the largest modules have as many. A table may have millions that
/// are not kept.
const EXPECTED: usize = 1 << 16;

/// A module file, compressed or not.
#[derive(Debug)]
pub struct ModuleFile {
    input: Input,
    any_release: bool,
}

impl ModuleFile {
    /// The module in this file, which is read when the source is.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { input: Input::file(path.into()), any_release: false }
    }

    /// The module in these bytes; messages name `path`.
    #[must_use]
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { input: Input::memory(path.into(), bytes.into()), any_release: false }
    }

    /// The module, for a kernel of any release, as in `weak-updates`.
    #[must_use]
    pub fn of_any_release(self) -> Self {
        Self { any_release: true, ..self }
    }

    /// Whether the kernel treats it as a livepatch (`check_modinfo_livepatch`); reads nothing else.
    ///
    /// # Errors
    /// It cannot be read, or is not a module.
    pub fn is_livepatch(&self) -> Result<bool, SymbolError> {
        let identity = self.identity(&mut self.open()?);
        let (_, modinfo) = identity.map_err(|kind| SymbolError::new(self.input.path(), kind))?;
        Ok(modinfo.value("livepatch=").is_some())
    }

    fn open(&self) -> Result<ElfTable<Box<dyn Contents + '_>>, SymbolError> {
        ElfTable::open(&self.input)
    }

    /// The module's name, and what it records about itself.
    fn identity<R: Read + Seek>(
        &self,
        table: &mut ElfTable<R>,
    ) -> Result<(ObjectName, Modinfo), SymbolErrorKind> {
        if table.file_type != elf::ET_REL {
            return Err(SymbolErrorKind::NotModule);
        }
        let modinfo = Modinfo::read(table)?;
        let object = match modinfo.value("name=") {
            Some(name) => name.parse()?,
            None => {
                let file = self.input.path().file_name().unwrap_or_default();
                ObjectName::from_file_name(&file.to_string_lossy())?
            }
        };
        Ok((object, modinfo))
    }

    fn read_from<R: Read + Seek>(
        &self,
        table: &mut ElfTable<R>,
        scope: Scope<'_>,
    ) -> Result<SymbolData, SymbolErrorKind> {
        let (name, modinfo) = self.identity(table)?;
        let vermagic = modinfo.value("vermagic=");
        let release = vermagic.and_then(|v| v.split_whitespace().next().map(str::to_owned));
        let kernel = KernelIdentity {
            release: release.filter(|_| !self.any_release),
            machine: Some(table.machine),
            endian: Some(table.endian),
            kallsyms_all: None,
        };
        let mut object = Object::new(name, self.input.path(), Order::Proven);
        let strings = Strings::read(table)?;
        let mut exports = Exports::default();
        let mut functions = ModuleFunctions::default();
        let machine = klp_arch::for_machine(table.machine);
        // A machine without a back end: do what the kernel does by default.
        let frees_init = machine.is_none_or(|machine| machine.frees_init_sections);
        let (symbols, units) = (&mut object.symbols, &mut object.units);
        if matches!(scope, Scope::All) {
            symbols.reserve_exact(table.symbol_count()?.min(EXPECTED));
        }
        table.visit(strings.symbols(), |symbol| {
            exports.see(&symbol, scope);
            if symbol.st_type() == elf::STT_FILE {
                units.push(strings.name(&symbol));
            }
            let mut kept = None;
            if !symbol.name.is_empty() && !symbol.is_undefined() && scope.wants(symbol.name) {
                let init = frees_init && kmod::is_init(symbol.section_name());
                let stays = !init && stays(&symbol);
                kept = Some(symbols.len());
                symbols.push(strings.source_symbol(
                    &symbol,
                    letter::of_module(&symbol),
                    init,
                    stays,
                ));
            }
            functions.see(&symbol, kept);
            Ok(())
        })?;
        symbols.shrink_to_fit();
        if let Some(machine) = machine {
            functions.mark(&mut object.symbols, table, machine.call_sites);
        }
        object.build_id = table.build_id()?;
        object.depends = modinfo.depends();
        // A file of debug information has the headers of what the kernel reads, without the contents.
        object.evidence =
            (!modinfo.is_left_out).then(|| Evidence::read(table, &modinfo, strings.symbols()));
        object.text = strings.into_text();
        let exports = exports.read(&object.name, table)?;
        table.intact()?;
        Ok(SymbolData { kernel, objects: vec![object], exports, ..SymbolData::default() })
    }
}

/// Whether a symbol outside of the init part stays in the module's table (`is_core_symbol`).
fn stays(symbol: &Symbol<'_>) -> bool {
    symbol.section.is_some_and(|(section, name)| {
        name == kmod::PERCPU
            || (section.has(elf::SHF_ALLOC) && !kmod::READ_IN_PLACE.contains(&name))
    })
}

impl SymbolSource for ModuleFile {
    fn path(&self) -> &Path {
        self.input.path()
    }

    fn read(&self, scope: Scope<'_>) -> Result<SymbolData, SymbolError> {
        let mut table = self.open()?;
        self.read_from(&mut table, scope).map_err(|kind| SymbolError::new(self.input.path(), kind))
    }

    /// Of a kernel's thousands of modules, few are searched.
    fn neighbours(&self, near: &mut Neighbours) -> Result<(), SymbolError> {
        let name = self.input.path().file_name().and_then(std::ffi::OsStr::to_str);
        let name = name.and_then(|name| ObjectName::from_file_name(name.split('.').next()?).ok());
        if name.is_some_and(|name| !near.is_in(&name)) {
            return Ok(());
        }
        for object in &self.read(Scope::All)?.objects {
            object.offer(near);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::fixture::{ABS, ALLOC, EXEC, FILE, GLOBAL, Image, LOCAL, UNDEF, WRITE};
    use crate::symbols::{Answer, Candidate, Merged, Wanted};
    use scroll::Endian;
    use std::num::NonZeroU32;

    fn module(endian: Endian, modinfo: &[u8]) -> (Image, u16) {
        let mut image = Image::new(endian, elf::ET_REL);
        image.section(".modinfo", ALLOC, 0, modinfo);
        let text = image.section(".text", ALLOC | EXEC, 0, &[0; 64]);
        (image, text)
    }

    fn ask(image: &Image, names: &[&str]) -> Result<Answer, SymbolErrorKind> {
        let wanted = Wanted::new(names.iter().copied());
        let source = ModuleFile::new("some/dir/file-name.ko");
        let data = source.read_from(&mut image.table(), Scope::Names(&wanted))?;
        let mut merged = Merged::default();
        merged.add(data, source.path()).map_err(|error| error.kind)?;
        Answer::new(merged).map_err(|error| error.kind)
    }

    /// Offset, position while loading, and position afterwards.
    fn ranks(image: &Image, name: &str) -> Vec<(u64, u32, Option<u32>)> {
        let answer = ask(image, &[name]).unwrap();
        let rank = |c: &Candidate| {
            (c.address.unwrap(), c.position.get(), c.live_position.map(NonZeroU32::get))
        };
        answer.candidates(name).iter().map(rank).collect()
    }

    #[test]
    fn positions_follow_the_table_and_not_the_offset() {
        for endian in [Endian::Little, Endian::Big] {
            let (mut image, text) = module(endian, b"name=m\0");
            image.symbol("f", LOCAL, text, 0x30);
            image.symbol("f", LOCAL, text, 0x10);
            image.symbol("f", GLOBAL, text, 0x20);
            let expected = [(0x30, 1, Some(1)), (0x10, 2, Some(2)), (0x20, 3, Some(3))];
            assert_eq!(ranks(&image, "f"), expected);
        }
    }

    #[test]
    fn undefined_symbols_are_not_counted_and_file_names_are() {
        let (mut image, text) = module(Endian::Big, b"name=m\0");
        image.symbol("f", FILE, ABS, 0);
        image.symbol("f", GLOBAL, UNDEF, 0);
        image.symbol("f", LOCAL, text, 8);
        assert_eq!(ranks(&image, "f"), [(0, 1, None), (8, 2, Some(1))]);
    }

    #[test]
    fn freed_init_symbols_shift_the_positions_of_the_rest() {
        let (mut image, text) = module(Endian::Little, b"name=m\0");
        let init = image.section(".init.text", ALLOC | EXEC, 0, &[0; 8]);
        let comment = image.section(".comment", 0, 0, &[0; 8]);
        let percpu = image.section(".data..percpu", WRITE, 0, &[0; 8]);
        image.symbol("f", LOCAL, init, 1);
        image.symbol("f", LOCAL, text, 2);
        image.symbol("f", LOCAL, comment, 3);
        image.symbol("f", LOCAL, percpu, 4);
        let expected = [(1, 1, None), (2, 2, Some(1)), (3, 3, None), (4, 4, Some(2))];
        assert_eq!(ranks(&image, "f"), expected);
        let answer = ask(&image, &["f"]).unwrap();
        let flags: Vec<_> = answer.candidates("f").iter().map(|c| (c.init, c.drifts())).collect();
        assert_eq!(flags, [(true, true), (false, true), (false, true), (false, true)]);
    }

    #[test]
    fn sections_that_the_loader_reads_only_from_the_file_are_freed_with_the_init_part() {
        let (mut image, text) = module(Endian::Little, b"name=m\0");
        let versions = image.section("__versions", ALLOC, 0, &[0; 64]);
        image.symbol("f", LOCAL, text - 1, 1);
        image.symbol("f", LOCAL, versions, 2);
        image.symbol("f", LOCAL, text, 3);
        assert_eq!(ranks(&image, "f"), [(1, 1, None), (2, 2, None), (3, 3, Some(1))]);
    }

    #[test]
    fn a_machine_that_keeps_the_init_part_keeps_its_symbols() {
        let (mut image, text) = module(Endian::Little, b"name=m\0");
        image.machine = elf::EM_PPC64.0;
        let init = image.section(".init.text", ALLOC | EXEC, 0, &[0; 8]);
        image.symbol("f", LOCAL, init, 1);
        image.symbol("f", LOCAL, text, 2);
        assert_eq!(ranks(&image, "f"), [(1, 1, Some(1)), (2, 2, Some(2))]);
        assert!(!ask(&image, &["f"]).unwrap().candidates("f")[0].init);
    }

    #[test]
    fn the_name_in_the_file_overrides_the_name_of_the_file() {
        let (image, _) =
            module(Endian::Little, b"license=GPL\0name=kvm_intel\0vermagic=7.2.1 SMP\0");
        let answer = ask(&image, &[]).unwrap();
        assert_eq!(answer.objects().map(|o| o.to_string()).collect::<Vec<_>>(), ["kvm_intel"]);
        assert_eq!(answer.kernel().release.as_deref(), Some("7.2.1"));
        let (image, _) = module(Endian::Little, b"license=GPL\0");
        let answer = ask(&image, &[]).unwrap();
        assert_eq!(answer.objects().map(|o| o.to_string()).collect::<Vec<_>>(), ["file_name"]);
    }

    #[test]
    fn a_name_that_no_module_can_have_is_refused() {
        let (image, _) = module(Endian::Little, b"name=a.b\0");
        assert!(matches!(ask(&image, &[]).unwrap_err(), SymbolErrorKind::Name(_)));
    }

    #[test]
    fn a_linked_file_is_not_a_module() {
        let (mut image, _) = module(Endian::Little, b"name=m\0");
        image.file_type = elf::ET_DYN;
        assert!(matches!(ask(&image, &[]).unwrap_err(), SymbolErrorKind::NotModule));
    }

    #[test]
    fn exports_of_a_module_belong_to_it() {
        let (mut image, text) = module(Endian::Big, b"name=m\0");
        let gpl = image.section("__ksymtab_gpl", ALLOC, 0, &[0; 12]);
        let strings = image.section("__ksymtab_strings", ALLOC, 0, b"f\0NS\0");
        image.symbol("f", GLOBAL, text, 0);
        image.symbol("__ksymtab_f", LOCAL, gpl, 0);
        image.symbol("__kstrtabns_f", LOCAL, strings, 2);
        let answer = ask(&image, &["f"]).unwrap();
        let export = answer.export("f").unwrap();
        assert_eq!(export.owner.as_str(), "m");
        assert_eq!((export.gpl, export.namespace.as_deref()), (Some(true), Some("NS")));
    }

    #[test]
    fn a_module_for_another_machine_or_kernel_is_refused() {
        let (mut image, _) = module(Endian::Little, b"name=m\0vermagic=7.2.1 SMP\0");
        let mut merged = Merged::default();
        let source = ModuleFile::new("m.ko");
        let mut read = |image: &Image| {
            let data = source.read_from(&mut image.table(), Scope::All).unwrap();
            merged.add(data, source.path()).map_err(|error| error.kind)
        };
        read(&image).unwrap();
        read(&image).unwrap();
        image.machine = 62;
        let error = read(&image).unwrap_err();
        assert!(matches!(error, SymbolErrorKind::Disagree { what: "machine", .. }), "{error}");
        let (image, _) = module(Endian::Little, b"name=n\0vermagic=7.2.2 SMP\0");
        let error = read(&image).unwrap_err();
        assert_eq!(error.to_string(), "release is 7.2.2, but 7.2.1 elsewhere: not the same kernel");
    }
}
