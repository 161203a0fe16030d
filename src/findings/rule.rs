//! The catalogue of the kernel's rules for a module, and what the kernel does if one is broken.
//!
//! The checks are in [`rules`](crate::rules).

use klp_arch::Fault;
use strum::EnumMessage;

/// What the kernel does with a module that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum Consequence {
    /// The module, or the patched object, does not load.
    Refused,
    /// It loads, and the relocations, or what they are for, are never written.
    Ignored,
    /// It loads, and memory is corrupted or stale values are used.
    Corrupted,
}

impl Consequence {
    /// The consequence of a relocation's fault: the kernel refuses most, and does not check for
    /// some.
    pub(crate) fn of(fault: &Fault) -> Self {
        match fault {
            // It writes or reads a wild address, or its store faults.
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
    strum::EnumIter,
    strum::EnumMessage,
    strum::Display,
)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// A module with klp relocations has `livepatch=` in `.modinfo`.
    LivepatchMarker,
    /// There is one loaded `.gnu.linkonce.this_module`, and at most one `.modinfo`.
    ModuleSections,
    /// The sections that the machine's loader fills exist.
    MachineSections,
    /// `e_flags` are those of the machine's kernel ABI.
    MachineFlags,
    /// No section is both writable and executable.
    WriteExecute,
    /// No two loaded sections have the same name, since Linux 6.12.
    SectionTwins,
    /// No symbol is common.
    CommonSymbol,
    /// A klp section's name is `.klp.rela.OBJECT.SECTION`, with an object name that the kernel does
    /// not truncate.
    SectionName,
    /// A klp section is loaded, so it still exists when its gate arrives.
    SectionLoaded,
    /// A klp section is of type `SHT_RELA`, with entries of 24 bytes.
    SectionShape,
    /// A klp section patches a section that is loaded.
    TargetLoaded,
    /// A module-gated klp section does not patch a section that is freed after init.
    TargetInit,
    /// A klp section does not patch the percpu template.
    TargetPercpu,
    /// A module-gated klp section does not patch a section that the kernel has already consumed.
    TargetConsumed,
    /// Every relocation of a klp section names a symbol marked `SHN_LIVEPATCH`.
    SymbolMarked,
    /// A symbol marked `SHN_LIVEPATCH` is called `.klp.sym.OBJECT.SYMBOL,POSITION`.
    SymbolName,
    /// A klp symbol's name is not longer than the target kernel scans.
    SymbolLength,
    /// A module-gated klp section names no vmlinux symbol.
    VmlinuxSymbol,
    /// No plain relocation that the kernel applies names a klp symbol, except in objtool's records,
    /// which nothing reads.
    PlainRelocation,
    /// The machine's loader knows every relocation type that it has to apply.
    RelocationType,
    /// Every relocation lies inside its section, at bytes that the machine's loader accepts.
    Place,
    /// No two relocations write the same bytes, if the machine demands untouched bytes.
    PlaceTwice,
    /// No annotation is left.
    Annotation,
    /// No code has a runtime constant, which the kernel fills in at boot, and only in itself.
    RuntimeConstant,
    /// Special sections are in `.klp.arch.OBJECT.SECTION` only for kernels that read them there: before Linux 5.8.
    ArchSection,
}

impl Rule {
    /// What the kernel does when the rule is broken, in most cases.
    #[must_use]
    pub fn consequence(self) -> Consequence {
        match self {
            Self::SectionName | Self::TargetLoaded | Self::ArchSection => Consequence::Ignored,
            Self::SectionLoaded
            | Self::SectionShape
            | Self::TargetInit
            | Self::TargetPercpu
            | Self::TargetConsumed
            | Self::PlainRelocation
            | Self::RuntimeConstant => Consequence::Corrupted,
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
            Self::RuntimeConstant => "arch/*/include/asm/runtime-const.h:runtime_const_init",
            Self::ArchSection => "arch/*/kernel/livepatch.c:arch_klp_init_object_loaded",
        }
    }
}
