//! `System.map`: the symbols of vmlinux as the kernel's build lists them.
//!
//! `scripts/link-vmlinux.sh` writes it with `nm -n vmlinux | sed -f scripts/mksysmap`, and the same
//! pipe feeds `scripts/kallsyms.c`, which drops a few more and sorts ([`kallsyms`]).
//! So the positions are those of vmlinux, without its sizes, sections and source files.
//! Invariant: addresses ascend from line to line; otherwise the file was sorted differently and the
//! order of symbols at one address is lost.

use std::path::{Path, PathBuf};

use klp_arch::KernelVersion;

use super::homonyms::Homonyms;
use super::rows::each_row;
use crate::name::ObjectName;
use crate::symbols::data::promoted::is_promoted;
use crate::symbols::data::{Object, Scope, SymbolData};
use crate::symbols::elf::init_memory::InitMemory;
use crate::symbols::elf::kallsyms;
use crate::symbols::file::Input;
use crate::symbols::{KernelIdentity, Order, SymbolError, SymbolErrorKind, SymbolSource};

/// Start of the name of an installed map (`scripts/install.sh`); the release follows.
const FILE_PREFIX: &str = "System.map-";

/// A file `System.map`.
#[derive(Debug)]
pub struct SystemMap {
    input: Input,
}

impl SystemMap {
    /// The map in this file, which is read when the source is. A file named
    /// `System.map-RELEASE` also gives the release.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { input: Input::file(path.into()) }
    }

    /// The map in these bytes; messages name `path`.
    #[must_use]
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { input: Input::memory(path.into(), bytes.into()) }
    }

    /// The release in the name of the file.
    fn release(&self) -> Option<String> {
        let name = self.input.path().file_name()?.to_str()?;
        name.strip_prefix(FILE_PREFIX).filter(|release| !release.is_empty()).map(str::to_owned)
    }
}

impl SymbolSource for SystemMap {
    fn path(&self) -> &Path {
        self.input.path()
    }

    fn read(&self, scope: Scope<'_>) -> Result<SymbolData, SymbolError> {
        let mut object = Object::new(ObjectName::vmlinux(), self.path(), Order::Proven);
        let (mut found, mut exports) = (Vec::new(), Vec::new());
        let (mut homonyms, mut init) = (Homonyms::default(), InitMemory::default());
        let mut last = 0;
        each_row(&self.input, |line, row| {
            if row.module.is_some() {
                return Err(SymbolErrorKind::Row("a [module], which only /proc/kallsyms has"));
            }
            if row.address < last {
                return Err(SymbolErrorKind::NotAscending);
            }
            last = row.address;
            init.see(row.name, row.address);
            object.promoted |= is_promoted(row.name);
            exports.extend(row.export(&object, scope));
            if kallsyms::lists(row.letter, row.name)
                && homonyms.admit(scope, &object.name, row.name)?
            {
                let rank = kallsyms::rank(row.address, row.letter, line);
                found.push((rank, row.symbol(&mut object)?));
            }
            Ok(())
        })?;
        found.sort_unstable_by_key(|(rank, _)| *rank);
        object.symbols = found.into_iter().map(|(_, symbol)| symbol).collect();
        for symbol in &mut object.symbols {
            symbol.init = symbol.address.is_some_and(|address| init.frees(address));
        }
        let kernel = KernelIdentity { release: self.release(), ..KernelIdentity::default() };
        kallsyms::drop_hidden(&mut object, kernel.version().unwrap_or(KernelVersion::NEWEST));
        Ok(SymbolData { kernel, objects: vec![object], exports, ..SymbolData::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{Answer, Binding, Sources, Wanted};

    fn read(path: &str, text: &str, names: &[&str]) -> Result<Answer, SymbolError> {
        let mut sources = Sources::new();
        sources.push(SystemMap::from_bytes(path, text));
        sources.answer(&Wanted::new(names.iter().copied()))
    }

    fn order(text: &str, name: &str) -> Vec<(u64, char)> {
        let answer = read("System.map", text, &[name]).unwrap();
        let found = |c: &crate::symbols::Candidate| (c.address.unwrap(), c.letter.unwrap().into());
        answer.candidates(name).iter().map(found).collect()
    }

    fn refused(text: &str) -> String {
        read("System.map", text, &[]).unwrap_err().to_string()
    }

    #[test]
    fn positions_follow_the_address_then_weakness_then_the_line() {
        let text = "10 W f\n10 V f\n10 t f\n10 T f\n10 T g\n20 t f\n";
        let expected = [(0x10, 'V'), (0x10, 't'), (0x10, 'T'), (0x10, 'W'), (0x20, 't')];
        assert_eq!(order(text, "f"), expected);
    }

    #[test]
    fn what_the_kernels_table_omits_has_no_position() {
        let text =
            "1 a f\n1 A f\n1 N f\n1 n f\n1 U f\n1 u f\n1 w f\n2 t f\n3 A __gp\n3 t __pi_$x\n";
        assert_eq!(order(text, "f"), [(2, 't')]);
        assert_eq!(order(text, "__gp"), [(3, 'A')]);
        assert_eq!(order(text, "__pi_$x"), []);
        let long = "x".repeat(512);
        assert_eq!(order(&format!("1 t {long}\n"), &long), []);
    }

    #[test]
    fn a_map_proves_the_order_and_has_bindings_exports_and_freed_memory() {
        let text = "10 T __init_begin\n10 t f\n20 T __init_end\n20 W f\n30 r __ksymtab_f\n";
        let answer = read("System.map", text, &["f"]).unwrap();
        let found: Vec<_> =
            answer.candidates("f").iter().map(|c| (c.order, c.binding.unwrap(), c.init)).collect();
        assert_eq!(
            found,
            [(Order::Proven, Binding::Local, true), (Order::Proven, Binding::Weak, false)]
        );
        assert!(answer.export("f").unwrap().owner.is_vmlinux());
        assert!(answer.knows_object(&ObjectName::vmlinux()));
    }

    #[test]
    fn what_only_some_kernels_omit_depends_on_the_release() {
        let candidates = |path| {
            let answer =
                read(path, "1 t kallsyms_names\n2 t __pi_$x\n", &["kallsyms_names", "__pi_$x"]);
            let answer = answer.unwrap();
            ["kallsyms_names", "__pi_$x"].map(|name| answer.candidates(name).len())
        };
        assert_eq!(candidates("System.map-6.1.0-50-amd64"), [0, 1]);
        assert_eq!(candidates("System.map-6.12.0"), [1, 0]);
        assert_eq!(candidates("System.map"), [1, 0]);
    }

    #[test]
    fn only_the_exact_name_of_an_installed_map_gives_a_release() {
        let release = |path| read(path, "1 t f\n", &[]).unwrap().kernel().release.clone();
        assert_eq!(release("/boot/System.map-6.1.0-50-amd64").as_deref(), Some("6.1.0-50-amd64"));
        for path in ["System.map", "System.map-", "old-System.map-6.1", "System.map-6.1/map"] {
            assert_eq!(release(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_not_a_system_map_is_refused_with_the_line() {
        assert!(refused("20 t f\n10 t g\n").starts_with("System.map:2: its address is below"));
        assert!(refused("10 t f\n20 t g\t[m]\n").starts_with("System.map:2: not a row"));
        assert!(refused("10 t f\n20 t").starts_with("System.map:2: not a row"));
        assert!(
            refused("10 t f\n20 t g").starts_with("System.map:2: the last line has no newline")
        );
        assert!(refused("10 t f\r\n").starts_with("System.map:1: line ends in a carriage return"));
        assert!(refused("\x7fELF").starts_with("System.map:1: "));
        assert!(refused("").starts_with("System.map: no symbols"));
        assert!(refused("10 t f\n\n20 t g\n").starts_with("System.map:2: not a row"));
    }

    #[test]
    fn a_flood_of_one_name_is_refused() {
        let text = "1 t f\n".repeat(65537);
        let error = read("System.map", &text, &["f"]).unwrap_err().to_string();
        assert!(error.contains("more than 65536 symbols 'f'"), "{error}");
    }
}
