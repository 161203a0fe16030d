//! The kernel's rules for a livepatch module, each a named check on a finished module.
//!
//! These run on what a conversion wrote, before it gets its name, and on any module that `check`
//! is given. A rule says where the kernel has it and what the kernel does when it is broken: most
//! are refusals, the others are worse. Checks here need no map and no addresses.

pub(crate) mod gate_timing;
mod module;
mod other_tools;
mod overlap;
pub mod passed_over;
mod relocations;
mod sections;
mod symbols;

pub use gate_timing::Misplaced;
pub use other_tools::Unfinished;
pub(crate) use other_tools::{awaits_post_link, is_tombstone, purpose};
pub use passed_over::{PassedOver, Reason};

use std::fmt;

use klp_arch::{Fault, Machine};
use rustc_hash::FxHashMap;
use serde::Serialize;
use strum::EnumMessage;

use crate::elf::{Module, Section, SectionFlags, Symbol, SymbolIndex, SymbolSection};
use crate::site::{Site, Sites};
use crate::version::KernelVersion;

/// What the kernel does with a module that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Consequence {
    /// The module, or the patched object, does not load.
    Refused,
    /// It loads, and the relocations are never written.
    Ignored,
    /// It loads, and memory is damaged or stale values are used.
    Corrupted,
}

impl Consequence {
    /// What comes of a fault of a relocation: most are refused, some the kernel does not look for.
    pub(crate) fn of(fault: &Fault) -> Self {
        match fault {
            // It writes, or reads, wherever that leads; or its store faults.
            Fault::PlaceOutside { .. } | Fault::NoSymbol { .. } | Fault::ReadOnly => {
                Self::Corrupted
            }
            Fault::MisalignedPlace { .. } => Self::Ignored,
            _ => Self::Refused,
        }
    }
}

/// A rule of the kernel's module loader or livepatch core.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    strum::EnumIter,
    strum::EnumMessage,
    strum::Display,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// A module with klp relocations says `livepatch=` in `.modinfo`.
    LivepatchMarker,
    /// There is one loaded `.gnu.linkonce.this_module`, and at most one `.modinfo`.
    ModuleSections,
    /// The sections that the machine's loader fills are there.
    MachineSections,
    /// `e_flags` are those of the machine's kernel ABI.
    MachineFlags,
    /// No section is both writable and executable.
    WriteExecute,
    /// No two loaded sections have one name, since Linux 6.12.
    SectionTwins,
    /// No symbol is common.
    CommonSymbol,
    /// A klp section's name is `.klp.rela.OBJECT.SECTION`, with an object name that the kernel reads whole.
    SectionName,
    /// A klp section is loaded, so that it is still there when its gate comes.
    SectionLoaded,
    /// A klp section is of type `SHT_RELA`, with entries of 24 bytes.
    SectionShape,
    /// A klp section patches a section that is loaded.
    TargetLoaded,
    /// A module-gated klp section patches no section that is freed after init.
    TargetInit,
    /// A klp section does not patch the percpu template.
    TargetPercpu,
    /// A module-gated klp section patches no section that the kernel has consumed by then.
    TargetConsumed,
    /// Every relocation of a klp section names a symbol marked `SHN_LIVEPATCH`.
    SymbolMarked,
    /// A symbol marked `SHN_LIVEPATCH` is called `.klp.sym.OBJECT.SYMBOL,POSITION`.
    SymbolName,
    /// A klp symbol's name is no longer than the target kernel scans.
    SymbolLength,
    /// A module-gated klp section names no vmlinux symbol.
    VmlinuxSymbol,
    /// No plain relocation that the kernel applies names a klp symbol, but for objtool's records that nothing reads.
    PlainRelocation,
    /// The machine's loader knows every relocation type that it would apply.
    RelocationType,
    /// Every place is inside its section, and holds what the machine's loader demands.
    Place,
    /// No two relocations write the same bytes, where the machine demands untouched bytes.
    PlaceTwice,
    /// No annotation is left.
    Annotation,
}

impl Rule {
    /// What the kernel does when the rule is broken, in most cases.
    #[must_use]
    pub fn consequence(self) -> Consequence {
        match self {
            Self::SectionName | Self::TargetLoaded => Consequence::Ignored,
            Self::SectionLoaded
            | Self::SectionShape
            | Self::TargetInit
            | Self::TargetPercpu
            | Self::TargetConsumed
            | Self::PlainRelocation => Consequence::Corrupted,
            _ => Consequence::Refused,
        }
    }

    /// The rule in one sentence.
    #[must_use]
    pub fn statement(self) -> &'static str {
        self.get_documentation().unwrap_or_default()
    }

    /// The kernel file and function that has the rule.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Self::LivepatchMarker => "kernel/livepatch/core.c:klp_enable_patch",
            Self::ModuleSections => "kernel/module/main.c:elf_validity_cache_index",
            Self::MachineSections => "arch/*/kernel/module*.c:module_frob_arch_sections",
            Self::MachineFlags => "arch/*/kernel/module*.c:module_elf_check_arch",
            Self::WriteExecute => "kernel/module/strict_rwx.c:module_enforce_rwx_sections",
            Self::SectionTwins => "kernel/module/sysfs.c:add_sect_attrs",
            Self::CommonSymbol => "kernel/module/main.c:simplify_symbols",
            Self::SectionName => "kernel/livepatch/core.c:klp_write_section_relocs",
            Self::SectionLoaded => "kernel/livepatch/core.c:klp_write_object_relocs",
            Self::SectionShape | Self::TargetLoaded => "kernel/module/main.c:apply_relocations",
            Self::TargetInit | Self::TargetPercpu => "kernel/module/main.c:do_init_module",
            Self::TargetConsumed => "kernel/module/main.c:post_relocation",
            Self::SymbolMarked | Self::SymbolName | Self::SymbolLength | Self::VmlinuxSymbol => {
                "kernel/livepatch/core.c:klp_resolve_symbols"
            }
            Self::PlainRelocation => "kernel/module/main.c:simplify_symbols",
            Self::RelocationType | Self::Place | Self::PlaceTwice => {
                "arch/*/kernel/module*.c:apply_relocate_add"
            }
            Self::Annotation => "Documentation/livepatch/module-elf-format.rst",
        }
    }
}

/// A rule that a module breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What the kernel does about it.
    pub consequence: Consequence,
    /// Where, and what was found.
    pub detail: String,
    /// The relocation, where it is about one.
    #[serde(skip)]
    pub site: Option<Box<Site>>,
    /// The symbol, where it is about one and no relocation.
    #[serde(skip)]
    pub symbol: Option<SymbolIndex>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}, {}]", self.detail, self.rule, self.consequence)
    }
}

/// Checks a module against every rule of the target kernel.
#[must_use]
pub fn check(
    module: &Module<'_>,
    backend: &'static Machine,
    target: KernelVersion,
) -> Vec<Violation> {
    let sites = Sites::new(module, backend);
    let undefined = module.symbols_in(SymbolSection::Undefined).skip(1);
    let outside = undefined.chain(module.symbols_in(SymbolSection::Livepatch));
    let outside = outside.map(|symbol| (symbol.index, symbol)).collect();
    let mut checker = Checker { module, backend, target, sites, outside, violations: Vec::new() };
    module::check(&mut checker);
    sections::check(&mut checker);
    symbols::check(&mut checker);
    relocations::check(&mut checker);
    overlap::check(&mut checker);
    checker.violations
}

/// What the checks share: the module, its machine, and what they have found.
struct Checker<'m, 'data> {
    module: &'m Module<'data>,
    backend: &'static Machine,
    target: KernelVersion,
    sites: Sites<'m, 'data>,
    /// The symbols that others define. Few, so that they stay in the cache where the symbol table
    /// does not: every relocation asks.
    outside: FxHashMap<SymbolIndex, Symbol<'data>>,
    violations: Vec<Violation>,
}

impl<'m, 'data> Checker<'m, 'data> {
    fn broken(&mut self, rule: Rule, detail: impl Into<String>) {
        self.broken_with(rule, rule.consequence(), detail);
    }

    /// The same where it depends on the case what the kernel does.
    fn broken_with(&mut self, rule: Rule, consequence: Consequence, detail: impl Into<String>) {
        let (detail, site, symbol) = (detail.into(), None, None);
        self.violations.push(Violation { rule, consequence, detail, site, symbol });
    }

    /// The same at a relocation.
    fn broken_at(&mut self, rule: Rule, consequence: Consequence, site: Site, what: &str) {
        self.broken_with(rule, consequence, format!("{site}: {what}"));
        if let Some(violation) = self.violations.last_mut() {
            violation.site = Some(Box::new(site));
        }
    }

    /// The same by a symbol.
    fn broken_by(&mut self, rule: Rule, symbol: SymbolIndex, detail: String) {
        self.broken(rule, detail);
        if let Some(violation) = self.violations.last_mut() {
            violation.symbol = Some(symbol);
        }
    }

    /// The version of the target kernel, as it was given or as the module says.
    fn version(&self) -> Option<(u32, u32)> {
        let built_for =
            || String::from_utf8_lossy(self.module.vermagic()?).parse::<KernelVersion>().ok();
        self.target.version().or_else(|| built_for()?.version())
    }

    /// Relocation sections marked `SHF_RELA_LIVEPATCH`.
    fn klp_sections(&self) -> impl Iterator<Item = &'m Section<'data>> + use<'m, 'data> {
        self.module.sections().filter(|s| s.sh_flags.contains(SectionFlags::RELA_LIVEPATCH))
    }

    /// Whether the kernel applies relocations for this section at all. Those of the percpu template
    /// are applied too, in newer kernels before it is copied.
    fn is_loaded(section: &Section<'_>) -> bool {
        section.sh_flags.contains(SectionFlags::ALLOC)
    }
}
