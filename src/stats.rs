//! What a livepatch costs its kernel, in figures whose names do not change.
//!
//! | figure | what it is |
//! |---|---|
//! | `file` | bytes of the file, unpacked |
//! | `symbols` | symbols of the file |
//! | `relocations` | relocations that the kernel applies when it loads the module |
//! | `klp.relocations`, `….GATE`, `….GATE.SECTION` | klp relocations: all, those of a gate, those of a section |
//! | `klp.symbols`, `….OBJECT` | klp symbols: all, those of an object |
//! | `klp.functions`, `….OBJECT` | functions that are replaced, if the tables are static |
//! | `resolve.lookups` | names that the livepatch core looks up, one for each klp relocation and each function |
//! | `memory`, `….REGION` | bytes of the module's memory; `memory.kept` without what is freed after init |
//! | `linkage`, `….SECTION` | bytes of it for stubs, veneers, PLT and GOT; `….before` what s390x puts before the first section |
//! | `special.SECTION` | entries of a table that the kernel reads or rewrites; `….bytes` where entries have no fixed size |
//!
//! What a module does not have is not listed, and counts as 0.

use std::collections::BTreeMap;

use bstr::ByteSlice;
use klp_arch::{Features, KernelVersion, Machine};

use crate::elf::{Module, SectionFlags, SectionIndex, SymbolSection};
use crate::findings::Error;
use crate::kmod::THIS_MODULE;
use crate::load::{Loader, Placement, Record, TargetKernel};
use crate::name::{KlpSection, KlpSymbol, shown};
use crate::patch::Tables;
use crate::target;

/// The figures of a module.
#[derive(Debug, Clone)]
pub struct Stats {
    /// The module's name, if it says it.
    pub name: Option<String>,
    /// Its machine.
    pub machine: &'static Machine,
    /// The kernel that loads it.
    pub kernel: KernelVersion,
    /// The figures, by name.
    pub figures: BTreeMap<String, u64>,
}

/// What comes after `klp.`.
const OF_KLP: [&str; 3] = ["relocations", "symbols", "functions"];

impl Stats {
    /// Measures a module, for a kernel of this version, or the one that the module was built for.
    ///
    /// # Errors
    /// [`Error`]: the file is not a module, or the kernel refuses it before it has memory.
    pub fn of(data: &[u8], version: Option<KernelVersion>) -> Result<Self, Error> {
        let module = Module::parse_as_kernel(data)?;
        let machine = target::machine(&module)?;
        let kernel = TargetKernel::of(machine, version, &module, None);
        let mut figures = Figures::default();
        figures.add(&["file"], data.len());
        figures.add(&["symbols"], module.symbols().len().saturating_sub(1));
        figures.relocations(&module);
        figures.tables(&Tables::of(&module, machine));
        figures.special(&module, machine, kernel.configuration.features);
        let placement = Placement::usual(machine, &kernel);
        let loader =
            Loader { machine, kernel: &kernel, placement: &placement, record: Record::Nothing };
        let room = loader.measure(&module).map_err(|refused| Error::Refused(refused.0))?;
        for (region, bytes) in room.regions {
            figures.count(&["memory"], bytes);
            figures.count(&["memory", &region.to_string()], bytes);
            figures.count(&["memory", "kept"], if region.is_init() { 0 } else { bytes });
        }
        for (section, bytes) in room.linkage {
            figures.count(&["linkage"], bytes);
            let section = if section.is_empty() { "before" } else { &*shown(&section) };
            figures.count(&["linkage", section], bytes);
        }
        let name = module.name().map(|name| shown(name).into_owned());
        Ok(Self { name, machine, kernel: kernel.version, figures: figures.0 })
    }

    /// The value of a figure: 0 for one that the module does not have.
    #[must_use]
    pub fn figure(&self, name: &str) -> u64 {
        self.figures.get(name).copied().unwrap_or_default()
    }
}

/// Whether a figure of this name may exist.
#[must_use]
pub fn is_figure(name: &str) -> bool {
    let (kind, rest) = name.split_once('.').unwrap_or((name, ""));
    match kind {
        "file" | "symbols" | "relocations" => rest.is_empty(),
        "resolve" => rest == "lookups",
        "klp" => OF_KLP.contains(&rest.split('.').next().unwrap_or_default()),
        "memory" => {
            rest.is_empty() || rest == "kept" || rest.parse::<crate::load::RegionKind>().is_ok()
        }
        "linkage" => true,
        "special" => !rest.is_empty(),
        _ => false,
    }
}

/// The figures while they are counted.
#[derive(Debug, Default)]
struct Figures(BTreeMap<String, u64>);

impl Figures {
    /// Adds to a figure.
    fn count(&mut self, name: &[&str], by: u64) {
        let figure = self.0.entry(name.join(".")).or_default();
        *figure = figure.saturating_add(by);
    }

    fn add(&mut self, name: &[&str], by: usize) {
        self.count(name, u64::try_from(by).unwrap_or(u64::MAX));
    }

    /// Relocations and klp symbols.
    fn relocations(&mut self, module: &Module<'_>) {
        for section in module.relocation_sections() {
            let count = module.relocations(section.index).len();
            if !section.sh_flags.contains(SectionFlags::RELA_LIVEPATCH) {
                let target = module.section(SectionIndex::new(section.sh_info));
                if target.is_some_and(|target| target.sh_flags.contains(SectionFlags::ALLOC)) {
                    self.add(&["relocations"], count);
                }
                continue;
            }
            self.add(&["klp", "relocations"], count);
            self.add(&["resolve", "lookups"], count);
            let klp = section.name.to_str().ok().and_then(|name| name.parse::<KlpSection>().ok());
            if let Some(KlpSection { gate, section }) = klp {
                self.add(&["klp", "relocations", gate.as_str()], count);
                self.add(&["klp", "relocations", gate.as_str(), &shown(section.as_bytes())], count);
            }
        }
        for symbol in module.symbols_in(SymbolSection::Livepatch) {
            self.add(&["klp", "symbols"], 1);
            let klp = symbol.name.to_str().ok().and_then(|name| name.parse::<KlpSymbol>().ok());
            if let Some(KlpSymbol { owner, .. }) = klp {
                self.add(&["klp", "symbols", owner.as_str()], 1);
            }
        }
    }

    /// Functions that are replaced.
    fn tables(&mut self, tables: &Tables<'_>) {
        for table in tables.objects() {
            let count = table.functions.len();
            self.add(&["klp", "functions"], count);
            self.add(&["resolve", "lookups"], count);
            if let Some(object) = table.object() {
                self.add(&["klp", "functions", object.as_str()], count);
            }
        }
    }

    /// Entries of the tables that the kernel reads or rewrites.
    fn special(&mut self, module: &Module<'_>, machine: &Machine, features: Features) {
        let rows: Vec<_> =
            machine.special_sections().filter(|row| row.when.holds(features)).collect();
        // Of one section there may be several rows, and not all have the size.
        let size = |section: &[u8]| {
            let of = rows.iter().filter(|row| row.is_named(section)).map(|row| row.entry);
            let beside = rows.iter().filter_map(|row| row.beside);
            let beside = beside.filter(|(other, _)| other.as_bytes() == section);
            of.chain(beside.map(|(_, entry)| entry)).max()
        };
        let loaded = module.sections().filter(|s| s.sh_flags.contains(SectionFlags::ALLOC));
        for section in loaded.filter(|section| section.name != THIS_MODULE) {
            let Some(entry) = size(section.name) else { continue };
            let name = shown(section.name);
            match u64::try_from(entry) {
                Ok(entry @ 2..) => self.count(&["special", &name], section.sh_size / entry),
                _ => self.count(&["special", &name, "bytes"], section.sh_size),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_a_name_that_may_exist() {
        for machine in ["x86_64", "ppc64le", "s390x", "arm64"] {
            for file in ["lp_many_objects.ko", "klp_target_a.ko"] {
                let data = std::fs::read(format!("tests/fixtures/{machine}/{file}")).unwrap();
                let stats = Stats::of(&data, None).unwrap();
                assert_eq!(stats.machine.name, machine);
                for name in stats.figures.keys() {
                    assert!(is_figure(name), "{name}");
                }
                assert_eq!(stats.figure("file"), u64::try_from(data.len()).unwrap());
                assert!(stats.figure("memory") >= stats.figure("memory.kept"));
            }
        }
        for name in ["", "files", "memory.txt", "klp", "klp.symbol", "special", "resolve.all"] {
            assert!(!is_figure(name), "{name}");
        }
    }
}
