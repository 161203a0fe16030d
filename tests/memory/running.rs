//! The symbols of a kernel that ran, as it listed them: nothing of our own symbol sources is used.

use std::collections::HashMap;

use klp_arch::{Backend, Witness};
use klp_convert::elf::Module;
use klp_convert::klp::{KlpSymbol, ObjectName, Position, Target};
use klp_convert::load::{Bind, ExportedSymbol, Kernel, Lookup};

use crate::dump::Capture;

/// A line of `/proc/kallsyms`.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    object: &'a str,
    letter: char,
    address: u64,
}

/// Answers from `/proc/kallsyms`.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    lines: HashMap<&'a str, Vec<Line<'a>>>,
}

impl<'a> Running<'a> {
    /// What was listed while all modules were there.
    pub(crate) fn first(capture: &'a Capture) -> Self {
        Self::of(capture.kallsyms.lines())
    }

    /// What was listed while the late targets of a livepatch were there.
    pub(crate) fn late(capture: &'a Capture, livepatch: &str) -> Self {
        let vmlinux = capture.kallsyms.lines().filter(|line| !line.contains('['));
        Self::of(vmlinux.chain(capture.late[livepatch].lines()))
    }

    fn of(text: impl Iterator<Item = &'a str>) -> Self {
        let mut lines: HashMap<&str, Vec<Line<'_>>> = HashMap::new();
        for line in text {
            let mut words = line.split_ascii_whitespace();
            let address = u64::from_str_radix(words.next().unwrap(), 16).unwrap();
            let letter = words.next().unwrap().chars().next().unwrap();
            let name = words.next().unwrap();
            let object = words.next().map_or("vmlinux", |m| m.trim_matches(['[', ']']));
            lines.entry(name).or_default().push(Line { object, letter, address });
        }
        Self { lines }
    }

    fn vmlinux(&self, name: &str) -> Option<u64> {
        let lines = self.lines.get(name)?;
        lines.iter().find(|line| line.object == "vmlinux").map(|line| line.address)
    }

    /// The kernel that a module was built for, as its symbols show it.
    pub(crate) fn kernel(&self, backend: &dyn Backend, module: &Module<'_>) -> Kernel {
        let mut kernel = Kernel::of(backend, Target::default(), module, None);
        let symbols = backend.kernel_symbols().iter();
        kernel.configuration.symbols =
            symbols.filter_map(|name| Some((*name, self.vmlinux(name)?))).collect();
        for Witness { symbol, features } in backend.witnesses() {
            kernel.configuration.features.set(*features, self.vmlinux(symbol).is_some());
        }
        let pages = backend.page_sizes().iter().find(|(name, _)| self.vmlinux(name).is_some());
        kernel.page_size = pages.map_or(kernel.page_size, |(_, bytes)| *bytes);
        kernel.codetags_apart = false;
        kernel.image = self.vmlinux("_text").unwrap()..self.vmlinux("_end").unwrap();
        kernel
    }
}

impl Bind for Running<'_> {
    fn export(&self, name: &str) -> Option<ExportedSymbol> {
        let lines = self.lines.get(name)?;
        // What is exported is not local, and modules list everything in lower case letters.
        let is_exported = |l: &&Line<'_>| l.object != "vmlinux" || l.letter.is_ascii_uppercase();
        let found = lines.iter().find(is_exported)?;
        let owner: ObjectName = found.object.parse().unwrap();
        let (address, gpl, namespace, crc) = (found.address, None, None, None);
        Some(ExportedSymbol { address, owner, gpl, namespace, crc })
    }

    fn find(&self, symbol: &KlpSymbol) -> Lookup {
        let lines = self.lines.get(symbol.symbol.as_str()).map_or(&[][..], Vec::as_slice);
        let found: Vec<_> = lines.iter().filter(|l| l.object == symbol.owner.as_str()).collect();
        let index = match symbol.position {
            Position::Unique if found.len() > 1 => return Lookup::Ambiguous,
            Position::Unique => 0,
            Position::Nth(position) => usize::try_from(position.get()).unwrap() - 1,
        };
        found.get(index).map_or(Lookup::NotFound, |line| Lookup::Found(line.address))
    }
}
