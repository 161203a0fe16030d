//! A valid livepatch of any machine, and its kernel: what one fault is put into.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "modules are made here, a surprise stops the run"
)]

use std::fmt::Write as _;

use klp_arch::{KernelVersion, Machine, machines};

use crate::choices::Choices;
use crate::skeleton::builder::{Builder, Section};
use crate::skeleton::{self, CODE, DATA, KNOWN, LIST};

/// `SHN_LIVEPATCH`.
const LIVEPATCH: u32 = 0xff20;
/// Flags of a klp section, all of which the kernel needs.
const KLP: u64 = 0x10_0042;

/// The object that the livepatch patches, beside vmlinux.
pub(super) const PATCHED: &str = "target";

/// A livepatch.
pub(super) struct Livepatch {
    pub(super) machine: &'static Machine,
    pub(super) builder: Builder,
    /// Sections: code, data.
    pub(super) text: u32,
    pub(super) data: u32,
    /// A symbol in `text`, and its klp symbols of vmlinux and of the patched object.
    pub(super) own: u32,
    pub(super) alpha: u32,
    pub(super) gamma: u32,
    /// Where nothing is relocated yet.
    free: u64,
}

/// Bytes from one relocated place to the next.
const STEP: u64 = 16;
const PLACES: usize = 64;

impl Livepatch {
    /// One for a machine, with some relocations of each kind.
    pub(super) fn new(choices: &mut Choices<'_>) -> Self {
        let machine = choices.pick(machines());
        let declarations =
            b"name=generated\0license=GPL\0livepatch=Y\0depends=\0vermagic=7.2.0 SMP mod_unload \0";
        let mut builder = skeleton::module(machine, declarations);
        let calls = skeleton::calls(machine, PLACES);
        let text = skeleton::section(&mut builder, ".text", CODE, calls);
        let data = skeleton::section(&mut builder, ".data", DATA, vec![0; PLACES * 16]);
        let own = builder.symbol("own", text, 0);
        let mut this = Self { machine, builder, text, data, own, alpha: 0, gamma: 0, free: 0 };
        this.alpha = this.klp("vmlinux", "alpha", 0);
        this.gamma = this.klp(PATCHED, "gamma", 0);
        let mut tables: [Vec<_>; 6] = Default::default();
        for _ in 0..=choices.below(12) {
            let kind = choices.below(tables.len());
            let object =
                [None, None, Some("vmlinux"), Some(PATCHED), Some("vmlinux"), Some(PATCHED)];
            let object = object.get(kind).copied().flatten();
            let known = KNOWN.iter().filter(|(owner, ..)| object == Some(*owner));
            let known: Vec<_> = known.collect();
            let symbol = match known.get(choices.below(known.len())) {
                Some((object, name, position)) => this.klp(object, name, *position),
                None => own,
            };
            let entry = if kind < 4 { this.pointer(symbol) } else { this.call(symbol) };
            tables.get_mut(kind).unwrap().push(entry);
        }
        let [plain, more, in_vmlinux, in_target, vmlinux, target] = tables;
        for (name, section, entries) in [
            (".rela.data", data, [plain, more].concat()),
            (".klp.rela.vmlinux..data", data, in_vmlinux),
            (".klp.rela.target..data", data, in_target),
            (".klp.rela.vmlinux..text", text, vmlinux),
            (".klp.rela.target..text", text, target),
        ] {
            if entries.is_empty() {
                continue;
            }
            this.builder.rela(name, section, &entries);
            if name.starts_with(".klp") {
                this.builder.sections.last_mut().unwrap().flags = KLP;
            }
        }
        this
    }

    /// A klp symbol; each has one.
    pub(super) fn klp(&mut self, object: &str, name: &str, position: u32) -> u32 {
        self.marked(&format!(".klp.sym.{object}.{name},{position}"))
    }

    /// A symbol marked `SHN_LIVEPATCH`.
    pub(super) fn marked(&mut self, name: &str) -> u32 {
        let known = self.builder.symbols.iter().position(|symbol| symbol.name == name);
        if let Some(known) = known {
            return u32::try_from(known + 1).unwrap();
        }
        let index = self.builder.reserved_symbol(name, LIVEPATCH);
        self.builder.symbols.last_mut().unwrap().value = 0;
        index
    }

    /// A place that nothing else relocates.
    fn place(&mut self) -> u64 {
        self.free += STEP;
        self.free - STEP
    }

    /// A relocation of code: a call.
    pub(super) fn call(&mut self, symbol: u32) -> (u64, u32, u32, i64) {
        let kind = match self.machine.name {
            "x86_64" => 4,
            "ppc64le" => 10,
            "s390x" => 20,
            "arm64" => 283,
            other => panic!("{other} is a new machine"),
        };
        (self.place(), symbol, kind, 0)
    }

    /// A relocation of data: a pointer.
    pub(super) fn pointer(&mut self, symbol: u32) -> (u64, u32, u32, i64) {
        (self.place(), symbol, skeleton::pointer(self.machine), 0)
    }

    /// An entry in a klp section for a section, which is new if there is none.
    pub(super) fn gated(
        &mut self,
        gate: &str,
        (name, section): (&str, u32),
        entry: (u64, u32, u32, i64),
    ) -> &mut Section {
        let name = format!(".klp.rela.{gate}.{name}");
        self.builder.rela(&name, section, &[entry]);
        let table = self.builder.sections.last_mut().unwrap();
        table.flags = KLP;
        // The loader takes no two of a name.
        let tables = &mut self.builder.sections;
        let known = tables.iter().position(|table| table.name == name).unwrap();
        if known + 1 != tables.len() {
            let body = tables.pop().unwrap().body;
            tables.get_mut(known).unwrap().body.extend(body);
        }
        tables.get_mut(known).unwrap()
    }

    /// A section of some bytes.
    pub(super) fn section(&mut self, name: &str, flags: u64) -> u32 {
        let body = skeleton::calls(self.machine, PLACES);
        skeleton::section(&mut self.builder, name, flags, body)
    }

    pub(super) fn named(&mut self, name: &str) -> &mut Section {
        self.builder.sections.iter_mut().find(|section| section.name == name).unwrap()
    }

    pub(super) fn file(&self) -> Vec<u8> {
        skeleton::file(&self.builder, self.machine)
    }

    /// Its running kernel, as `/proc/kallsyms` shows it.
    pub(super) fn kallsyms(&self) -> String {
        let kernel = self.machine.kernel_image.start;
        let area =
            self.machine.loader.module_areas(&self.machine.kernel_image, KernelVersion::NEWEST);
        let modules = area.first().unwrap().start + 0x100_0000;
        let mut text = String::new();
        for (symbol, at) in
            [("_text", 0), ("klp_enable_patch", 0x100), ("clear_relocate_add", 0x200)]
        {
            writeln!(text, "{:016x} T {symbol}", kernel + at).unwrap();
        }
        let mut next = [kernel + 0x1000, modules + 0x1000];
        let mut object = "";
        for line in LIST.lines().skip(1) {
            if let Some(name) = line.strip_prefix('*') {
                object = name;
                continue;
            }
            let [in_vmlinux, in_module] = &mut next;
            let (address, module) = match object {
                "vmlinux" => (in_vmlinux, String::new()),
                module => (in_module, format!("\t[{module}]")),
            };
            writeln!(text, "{address:016x} t {line}{module}").unwrap();
            *address += 0x100;
        }
        text
    }
}
