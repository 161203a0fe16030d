//! `/proc/kallsyms` of a running kernel, saved: vmlinux and the loaded modules.
//!
//! The kernel shows its own table in its own order, so nothing is filtered or sorted here. It is
//! followed by the symbols of each loaded module, in table order, without those that are
//! freed after the module is initialised; then names that belong to no module (`update_iter_mod` in
//! `kernel/kallsyms.c`). Addresses may be shifted by KASLR. Invariant: an object's rows are
//! contiguous; a file that visibly was filtered or joined is refused.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::homonyms::Homonyms;
use super::rows::{Row, each_row};
use crate::name::ObjectName;
use crate::symbols::data::promoted::is_promoted;
use crate::symbols::data::{Object, Scope, SymbolData};
use crate::symbols::elf::init_memory::InitMemory;
use crate::symbols::file::Input;
use crate::symbols::{Export, Order, SymbolError, SymbolErrorKind, SymbolSource};

/// Names in brackets that are not modules: JIT-compiled BPF programs
/// (`get_ksymbol_bpf`), pages of ftrace's trampolines (`FTRACE_TRAMPOLINE_MOD`) and pages of kprobes
/// (`get_ksymbol_kprobe`). The loader does not search them.
const PSEUDO: [&[u8]; 3] = [b"bpf", b"__builtin__ftrace", b"__builtin__kprobes"];

/// A saved `/proc/kallsyms`.
#[derive(Debug)]
pub struct ProcKallsyms {
    input: Input,
}

impl ProcKallsyms {
    /// The table in this file, which is read when the source is.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { input: Input::file(path.into()) }
    }

    /// The table in these bytes; messages name `path`.
    #[must_use]
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { input: Input::memory(path.into(), bytes.into()) }
    }
}

/// The state while reading.
struct Reading<'a> {
    scope: Scope<'a>,
    data: SymbolData,
    homonyms: Homonyms<'a>,
    init: InitMemory,
    /// The name in brackets in the previous row; empty for vmlinux.
    part: Vec<u8>,
    seen: HashSet<Vec<u8>>,
    /// Whether the rows of this part are skipped.
    skip: bool,
    /// Whether any address is not 0.
    addresses: bool,
}

impl Reading<'_> {
    /// Starts the rows of another module.
    fn enter(&mut self, path: &Path, module: &[u8]) -> Result<(), SymbolErrorKind> {
        if self.data.objects.is_empty() {
            return Err(SymbolErrorKind::KallsymsPart("a module, before any symbol of vmlinux"));
        }
        if module.is_empty() {
            return Err(SymbolErrorKind::KallsymsPart(
                "a symbol of vmlinux, after those of modules",
            ));
        }
        self.part = module.to_vec();
        // After all modules ftrace shows functions of freed init parts, with the names
        // of their modules (`ftrace_mod_get_kallsym`). They are no longer in any module's table.
        self.skip = PSEUDO.contains(&module) || !self.seen.insert(self.part.clone());
        if !self.skip {
            let name = String::from_utf8_lossy(module).parse()?;
            self.homonyms.clear();
            self.data.objects.push(start(name, path, Order::Loaded));
        }
        Ok(())
    }

    fn see(&mut self, path: &Path, row: &Row<'_>) -> Result<(), SymbolErrorKind> {
        let module = row.module.unwrap_or(b"");
        if module.is_empty() && self.data.objects.is_empty() {
            self.data.objects.push(start(ObjectName::vmlinux(), path, Order::Proven));
        } else if module != self.part.as_slice() || self.data.objects.is_empty() {
            self.enter(path, module)?;
        }
        self.addresses |= row.address != 0;
        // While a module is being loaded it shows its undefined symbols, which are not counted.
        if self.skip || (row.module.is_some() && row.letter.eq_ignore_ascii_case(&b'u')) {
            return Ok(());
        }
        let Some(object) = self.data.objects.last_mut() else { return Ok(()) };
        if row.module.is_none() {
            self.init.see(row.name, row.address);
            object.promoted |= is_promoted(row.name);
        }
        self.data.exports.extend(row.export(object, self.scope));
        if !self.homonyms.admit(self.scope, &object.name, row.name)? {
            return Ok(());
        }
        let mut symbol = row.symbol(object)?;
        if row.module.is_some() {
            // Here a capital means that the symbol is exported (`s_show`); of the binding only weak is known.
            symbol.binding = symbol.binding.filter(|b| *b == crate::symbols::Binding::Weak);
            symbol.letter = Some(row.letter.to_ascii_lowercase());
            if row.letter.is_ascii_uppercase()
                && let Ok(name) = std::str::from_utf8(row.name)
            {
                let export = Export::by(object.name.clone());
                self.data.exports.push((name.into(), export));
            }
        }
        object.symbols.push(symbol);
        Ok(())
    }
}

fn start(name: ObjectName, path: &Path, order: Order) -> Object {
    Object { moved: true, ..Object::new(name, path, order) }
}

impl SymbolSource for ProcKallsyms {
    fn path(&self) -> &Path {
        self.input.path()
    }

    fn read(&self, scope: Scope<'_>) -> Result<SymbolData, SymbolError> {
        let mut reading = Reading {
            scope,
            data: SymbolData::default(),
            homonyms: Homonyms::default(),
            init: InitMemory::default(),
            part: Vec::new(),
            seen: HashSet::new(),
            skip: false,
            addresses: false,
        };
        each_row(&self.input, |_, row| reading.see(self.path(), &row))?;
        if !reading.addresses {
            return Err(SymbolError::new(self.path(), SymbolErrorKind::NoAddresses));
        }
        let Reading { mut data, init, .. } = reading;
        if let Some(vmlinux) = data.objects.first_mut() {
            for symbol in &mut vmlinux.symbols {
                symbol.init = symbol.address.is_some_and(|address| init.frees(address));
            }
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{Answer, Binding, Merged, Sources, SystemMap, Wanted};
    use proptest::prelude::*;

    const TABLE: &str = "ff10 T f\nff30 t g\nff20 t f\nff40 r __ksymtab_f\n\
                         c030 t f\t[kvm_intel]\nc010 T f\t[kvm_intel]\nc020 w g\t[kvm_intel]\n\
                         b010 d f\t[b]\n\
                         b050 t f\t[__builtin__ftrace]\nb060 t bpf_prog_f\t[bpf]\n\
                         b070 t kprobe_insn_page\t[__builtin__kprobes]\n";

    fn read(text: &str, names: &[&str]) -> Result<Answer, SymbolError> {
        let mut sources = Sources::new();
        sources.push(ProcKallsyms::from_bytes("kallsyms", text));
        sources.answer(&Wanted::new(names.iter().copied()))
    }

    fn refused(text: &str) -> String {
        read(text, &[]).unwrap_err().to_string()
    }

    #[test]
    fn the_order_of_the_file_is_kept_even_where_addresses_do_not_ascend() {
        let answer = read(TABLE, &["f"]).unwrap();
        let data: Vec<_> = answer
            .candidates("f")
            .iter()
            .map(|c| (c.object.as_str(), c.address.unwrap(), c.position.get(), c.order))
            .collect();
        let expected = [
            ("vmlinux", 0xff10, 1, Order::Proven),
            ("vmlinux", 0xff20, 2, Order::Proven),
            ("b", 0xb010, 1, Order::Loaded),
            ("kvm_intel", 0xc030, 1, Order::Loaded),
            ("kvm_intel", 0xc010, 2, Order::Loaded),
        ];
        assert_eq!(data, expected);
    }

    #[test]
    fn a_capital_means_global_in_vmlinux_and_exported_in_a_module() {
        let answer = read(TABLE, &["f", "g"]).unwrap();
        let data: Vec<_> = answer
            .candidates("f")
            .iter()
            .map(|c| (c.binding, char::from(c.letter.unwrap())))
            .collect();
        let (global, local) = (Some(Binding::Global), Some(Binding::Local));
        let expected = [(global, 'T'), (local, 't'), (None, 'd'), (None, 't'), (None, 't')];
        assert_eq!(data, expected);
        let weak = answer.candidates("g").last().unwrap();
        assert_eq!((weak.object.as_str(), weak.binding), ("kvm_intel", Some(Binding::Weak)));
        let data = ProcKallsyms::from_bytes("kallsyms", TABLE).read(Scope::All).unwrap();
        let owners: Vec<_> =
            data.exports.iter().map(|(name, e)| (&**name, e.owner.as_str())).collect();
        assert_eq!(owners, [("f", "vmlinux"), ("f", "kvm_intel")]);
    }

    #[test]
    fn what_is_not_a_module_is_skipped() {
        let data = ProcKallsyms::from_bytes("kallsyms", TABLE).read(Scope::All).unwrap();
        let objects: Vec<_> = data.objects.iter().map(|o| (o.name.as_str(), o.moved)).collect();
        assert_eq!(objects, [("vmlinux", true), ("kvm_intel", true), ("b", true)]);
        let symbols: usize = data.objects.iter().map(|o| o.symbols.len()).sum();
        assert_eq!(symbols, 8);
    }

    #[test]
    fn functions_of_freed_init_parts_that_ftrace_lists_are_not_counted() {
        let answer = read(&format!("{TABLE}c000 t f\t[kvm_intel]\n"), &["f"]).unwrap();
        assert_eq!(answer.candidates_in("f", &"kvm_intel".parse().unwrap()).count(), 2);
    }

    #[test]
    fn undefined_symbols_of_a_module_are_not_counted() {
        let answer = read("1 t f\n0 u f\t[m]\n2 t f\t[m]\n0 U f\t[m]\n", &["f"]).unwrap();
        assert_eq!(answer.candidates_in("f", &"m".parse().unwrap()).count(), 1);
    }

    #[test]
    fn freed_memory_is_recognised_by_its_bounds() {
        let text = "f0 T __init_begin\nf1 t f\nf2 T __init_end\nf2 t f\nf1 t f\t[m]\n";
        let answer = read(text, &["f"]).unwrap();
        let init: Vec<_> = answer.candidates("f").iter().map(|c| c.init).collect();
        assert_eq!(init, [true, false, false]);
    }

    #[test]
    fn hidden_addresses_are_refused_with_the_remedy() {
        let error = refused("0000000000000000 T f\n0000000000000000 t g\t[m]\n");
        assert!(error.contains("kptr_restrict") && error.contains("sudo cat"), "{error}");
        assert!(read("0 A per_cpu\n10 T f\n", &[]).is_ok(), "one address may be 0");
    }

    #[test]
    fn filtered_joined_and_broken_files_are_refused_with_the_line() {
        assert!(refused("10 t f\t[m]\n").starts_with("kallsyms:1: "));
        assert!(refused("10 t f\n10 t f\t[m]\n20 t g\n").starts_with("kallsyms:3: "));
        assert!(refused("10 t f\n20 t g\t[a.b]\n").starts_with("kallsyms:2: object name"));
        assert!(refused("10 t f\n20 t g\t[m\n").starts_with("kallsyms:2: not a row"));
        assert!(refused("10 t f\n20 t g").starts_with("kallsyms:2: the last line has no newline"));
        assert!(refused("10 t f\r\n").contains("carriage return"));
        assert!(refused("").starts_with("kallsyms: no symbols"));
    }

    proptest! {
        #[test]
        fn the_table_of_a_running_kernel_agrees_with_its_system_map(
            mut rows in proptest::collection::vec((1_u64..6, "[tTdDwWVA]", "[a-c]"), 1..40),
            shift in 0_u64..0x1000,
        ) {
            rows.sort_by_key(|(address, ..)| *address);
            let map: String = rows.iter().map(|(at, letter, name)| format!("{at:x} {letter} {name}\n")).collect();
            let map = SystemMap::from_bytes("System.map", map);
            let data = map.read(Scope::All).unwrap();
            let vmlinux = &data.objects[0];
            let running: String = vmlinux
                .symbols
                .iter()
                .map(|s| {
                    let name = std::str::from_utf8(vmlinux.text(s.name)).unwrap();
                    let (address, letter) = (s.address.unwrap() + shift, s.letter.unwrap());
                    format!("{address:x} {} {name}\n", char::from(letter))
                })
                .collect();
            let running = ProcKallsyms::from_bytes("kallsyms", running);
            match running.read(Scope::All) {
                Ok(shown) => {
                    let mut merged = Merged::default();
                    merged.add(data, map.path()).unwrap();
                    prop_assert!(merged.add(shown, running.path()).is_ok());
                }
                Err(error) => {
                    prop_assert!(vmlinux.symbols.is_empty(), "{error}");
                }
            }
        }
    }
}
