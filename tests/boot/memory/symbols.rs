//! The symbols of a running kernel as it lists them, independent of our own symbol sources.

use std::collections::HashMap;

use klp_arch::{ConfigProbe, KernelVersion, Machine};
use klp_convert::load::{Bind, ExportedSymbol, Lookup, TargetKernel};
use klp_convert::name::{KlpSymbol, ObjectName, Position};

/// A line of `/proc/kallsyms`.
#[derive(Debug)]
struct Line {
    object: Option<String>,
    letter: char,
    address: u64,
}

/// Names, and their lines in the order of the list.
#[derive(Debug, Default)]
struct Lines(HashMap<String, Vec<Line>>);

impl Lines {
    fn of(text: &str) -> Self {
        Self::cut(text, |name| name)
    }

    /// The lines by their names truncated by `cut`.
    fn cut(text: &str, cut: impl Fn(&str) -> &str) -> Self {
        let mut lines: HashMap<_, Vec<_>> = HashMap::new();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let address = u64::from_str_radix(words.next().unwrap(), 16).unwrap();
            let letter = words.next().unwrap().chars().next().unwrap();
            let name = cut(words.next().unwrap()).to_owned();
            let object = words.next().map(|module| module.trim_matches(['[', ']']).to_owned());
            lines.entry(name).or_default().push(Line { object, letter, address });
        }
        Self(lines)
    }

    fn get(&self, name: &str) -> &[Line] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Answers from `/proc/kallsyms`.
#[derive(Debug)]
pub(crate) struct Symbols {
    version: KernelVersion,
    vmlinux: Lines,
    modules: Lines,
    /// Globals are listed as local: Clang's LTO hides them, and lld makes hidden symbols local.
    hides_globals: bool,
}

impl Symbols {
    /// `vmlinux`: the lines of vmlinux; `cuts`: whether lookups truncate names.
    pub(crate) fn new(version: KernelVersion, cuts: bool, vmlinux: &str) -> Self {
        // cleanup_symbol_name() of kernels built with Clang's LTO, in lookups.
        let mark = if version < KernelVersion::new(6, 5) { "." } else { ".llvm." };
        let vmlinux = Lines::cut(vmlinux, |name| match name.split(mark).next() {
            Some(cut) if cuts && !cut.is_empty() => cut,
            _ => name,
        });
        let modules = Lines::default();
        let hides_globals = vmlinux.get("_printk").iter().all(|line| line.letter == 't');
        Self { version, vmlinux, modules, hides_globals }
    }

    /// Replaces the lines of modules by the current ones.
    pub(crate) fn renew(&mut self, modules: &str) {
        self.modules = Lines::of(modules);
    }

    /// The names of an object.
    pub(crate) fn names<'a>(&'a self, object: &'a str) -> impl Iterator<Item = &'a str> {
        let of_vmlinux = object == "vmlinux";
        let lines = if of_vmlinux { &self.vmlinux } else { &self.modules };
        let of_object = move |line: &Line| of_vmlinux || line.object.as_deref() == Some(object);
        let names = lines.0.iter().filter(move |(_, lines)| lines.iter().any(of_object));
        names.map(|(name, _)| name.as_str())
    }

    /// The addresses of a name in an object, in the kernel's order.
    pub(crate) fn addresses(&self, object: &str, name: &str) -> Vec<u64> {
        if object == "vmlinux" {
            return self.vmlinux.get(name).iter().map(|line| line.address).collect();
        }
        let lines = self.modules.get(name).iter();
        lines.filter(|l| l.object.as_deref() == Some(object)).map(|line| line.address).collect()
    }

    fn vmlinux(&self, name: &str) -> Option<u64> {
        self.vmlinux.get(name).first().map(|line| line.address)
    }

    /// The kernel described by its symbols.
    pub(crate) fn kernel(&self, backend: &Machine) -> TargetKernel {
        let mut kernel = TargetKernel::of_version(backend, self.version);
        let symbols = backend.kernel_symbols.iter();
        kernel.configuration.symbols =
            symbols.filter_map(|name| Some((*name, self.vmlinux(name)?))).collect();
        for ConfigProbe { symbol, features } in backend.config_probes {
            kernel.configuration.features.set(*features, self.vmlinux(symbol).is_some());
        }
        let pages = backend.page_sizes.iter().find(|(name, _)| self.vmlinux(name).is_some());
        kernel.page_size = pages.map_or(kernel.page_size, |(_, bytes)| *bytes);
        kernel.separate_codetags = false;
        kernel.image = self.vmlinux("_text").unwrap()..self.vmlinux("_end").unwrap();
        let per_cpu = ["__per_cpu_start", "__per_cpu_end"].map(|name| self.vmlinux(name).unwrap());
        kernel.per_cpu = per_cpu[0]..per_cpu[1];
        kernel.livepatching.clears = self.vmlinux("clear_relocate_add").is_some();
        kernel
    }
}

impl Bind for Symbols {
    fn export(&self, name: &str) -> Option<ExportedSymbol> {
        // An export is not local, unless lld made it so; modules list everything in lower
        // case letters.
        let mut vmlinux = self.vmlinux.get(name).iter();
        let vmlinux = if self.hides_globals {
            vmlinux.next().filter(|_| self.vmlinux(&format!("__ksymtab_{name}")).is_some())
        } else {
            vmlinux.find(|line| line.letter.is_ascii_uppercase())
        };
        let found = vmlinux.or_else(|| self.modules.get(name).first())?;
        let owner = found.object.as_deref().unwrap_or("vmlinux");
        let owner: ObjectName = owner.parse().unwrap();
        let (address, gpl, namespace, crc) = (found.address, None, None, None);
        Some(ExportedSymbol { address, owner, gpl, namespace, crc })
    }

    fn exporters(&self, name: &str) -> Vec<ObjectName> {
        let entry = format!("__ksymtab_{name}");
        let entries = self.vmlinux.get(&entry).iter().chain(self.modules.get(&entry));
        let owners = entries.map(|line| line.object.as_deref().unwrap_or("vmlinux"));
        owners.filter_map(|owner| owner.parse().ok()).collect()
    }

    fn find(&self, symbol: &KlpSymbol) -> Lookup {
        let found = self.addresses(symbol.owner.as_str(), symbol.symbol.as_str());
        let index = match symbol.position {
            Position::Unique if found.len() > 1 => return Lookup::Ambiguous,
            Position::Unique => 0,
            Position::Nth(position) => usize::try_from(position.get()).unwrap() - 1,
        };
        found.get(index).map_or(Lookup::NotFound, |address| Lookup::Found(*address))
    }
}

/// Answers from `/proc/kallsyms`, with one address for all missing symbols.
pub(crate) struct Somewhere<'a> {
    pub(crate) symbols: &'a Symbols,
    pub(crate) near: u64,
}

impl Bind for Somewhere<'_> {
    fn export(&self, name: &str) -> Option<ExportedSymbol> {
        self.symbols.export(name)
    }

    fn exporters(&self, name: &str) -> Vec<ObjectName> {
        self.symbols.exporters(name)
    }

    fn find(&self, symbol: &KlpSymbol) -> Lookup {
        match self.symbols.find(symbol) {
            Lookup::NotFound => Lookup::Found(self.near),
            found => found,
        }
    }
}
