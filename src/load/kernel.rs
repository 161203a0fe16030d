//! The target kernel's version and configuration, where they change how a module is loaded.
//!
//! Each field names the kernel function whose behaviour it changes.

use std::ops::Range;
use std::sync::Arc;

use klp_arch::{ConfigProbe, Configuration, KernelVersion, Machine};

use super::configured::{self, PER_CPU, PROFILING};
use super::{Imports, RegionKind};
use crate::elf::Module;
use crate::name::ObjectName;
use crate::symbols::{Answer, Siblings};

/// What differs between kernels in livepatching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Livepatching {
    /// Whether relocations are cleared when their object goes, on machines that can
    /// (`clear_relocate_add`, since Linux 6.3).
    pub clears: bool,
    /// Whether the message about an unmarked symbol names the relocation.
    pub names_relocation: bool,
    /// Whether an overflowing position saturates at `u64::MAX` instead of wrapping: 7.1 wraps, 7.2
    /// saturates (`_parse_integer_limit`).
    pub sympos_saturates: bool,
}

impl Default for Livepatching {
    /// The newest known kernel.
    fn default() -> Self {
        Self { clears: true, names_relocation: true, sympos_saturates: true }
    }
}

/// How the kernel divides a module's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryModel {
    /// Before Linux 6.4: one block for what stays and one for what init frees (`struct
    /// module_layout`).
    Blocks,
    /// Since Linux 6.4: up to seven regions (`enum mod_mem_type`).
    Regions,
}

impl MemoryModel {
    /// The block or region that holds a region's sections.
    #[must_use]
    pub fn region(self, kind: RegionKind) -> RegionKind {
        match (self, kind) {
            (_, RegionKind::Codetags | RegionKind::Percpu) | (Self::Regions, _) => kind,
            (Self::Blocks, _) if kind.is_init() => RegionKind::Init,
            (Self::Blocks, _) => RegionKind::Core,
        }
    }
}

/// The target kernel.
#[derive(Debug, Clone)]
pub struct TargetKernel {
    /// Its version.
    pub version: KernelVersion,
    /// Where vmlinux lies, from `_text` to `_end`.
    pub image: Range<u64>,
    /// What is added to the addresses of the sources (`ModuleLoader::boot_offset`).
    pub boot_offset: u64,
    /// The per-CPU variables of vmlinux, from `__per_cpu_start` to `__per_cpu_end`.
    pub per_cpu: Range<u64>,
    /// How memory is divided.
    pub layouts: MemoryModel,
    /// Bytes of a page (`PAGE_SIZE`).
    pub page_size: u64,
    /// `sizeof(struct module)`, if known; otherwise the module's own is taken to be right.
    pub module_size: Option<u64>,
    /// Whether the machine checks the ELF header's flags (`module_elf_check_arch`): 6.1 does not,
    /// 6.2 does.
    pub checks_machine_flags: bool,
    /// Whether the loader checks the section of `struct module`: 6.3 does not, 6.4 does.
    pub checks_this_module: bool,
    /// The vermagic that modules must have, if known; otherwise the module's own is taken to be
    /// right.
    pub vermagic: Option<String>,
    /// Whether a second `.modinfo` is refused: 6.3 does not, 6.4 does.
    pub rejects_second_modinfo: bool,
    /// Whether section headers are checked before the names of sections (`elf_validity_cache_sechdrs`):
    /// 6.13 does, and so does 6.12 since 6.12.117; 6.12.95 has one function that checks names first
    /// (`elf_validity_cache_copy`).
    pub checks_headers_first: bool,
    /// Whether signatures are checked (`CONFIG_MODULE_SIG`).
    pub checks_signatures: bool,
    /// Whether the kernel itself can decompress modules (`CONFIG_MODULE_DECOMPRESS`), if known;
    /// kmod then leaves it to the kernel.
    pub decompresses: Option<bool>,
    /// Whether livepatches are accepted at all (`CONFIG_LIVEPATCH`).
    pub livepatches: bool,
    /// Whether constructors are called (`CONFIG_CONSTRUCTORS`): only kernels with gcov or KASAN do so.
    pub constructors: bool,
    /// Whether two loaded sections of one name are refused: 6.11 ignores the error of
    /// `add_sect_attrs`, 6.12 does not.
    pub refuses_section_twins: bool,
    /// Bytes reserved for the per-CPU variables of all modules, where the machine has a reserve.
    pub percpu_reserve: Option<u64>,
    /// Bytes of vmlinux's own per-CPU variables, which precede the reserve, if known.
    pub percpu_static: Option<u64>,
    /// Whether each processor has its own copy of the percpu template (`CONFIG_SMP`).
    pub smp: bool,
    /// Whether memory is write-protected (`CONFIG_STRICT_MODULE_RWX`): writable and executable
    /// sections are refused, and groups of a block start on pages.
    pub strict_module_rwx: bool,
    /// Whether all sections of a name become read-only after init (`module_mark_ro_after_init`), or
    /// only the first: 6.14 marks the first, 6.18 all.
    pub marks_all_ro_after_init: bool,
    /// Whether relocations of the percpu template are applied: 6.14 does not, 6.18 does.
    pub relocates_percpu: bool,
    /// Whether `.static_call_sites` are read-only after init: 6.14 does not, 6.18 does. Only kernels with
    /// `CONFIG_HAVE_STATIC_CALL_INLINE` do so, and modules of others have no such section.
    pub static_call_sites_read_only: bool,
    /// Whether the tags of memory allocation profiling go to an area of their own (since 6.13, with
    /// `CONFIG_MEM_ALLOC_PROFILING`, unless permanently disabled at boot, which no source shows).
    pub separate_codetags: bool,
    /// Whether all symbols are kept after init (`CONFIG_KALLSYMS_ALL`), as in every kernel that can
    /// be livepatched.
    pub kallsyms_all: bool,
    /// Whether exports must have flags in a section of their own (`check_export_symbol_sections`):
    /// since 7.1.
    pub flags_apart: bool,
    /// Whether the BTF of modules is read (`CONFIG_DEBUG_INFO_BTF_MODULES`, `btf_module_notify`).
    pub reads_btf: bool,
    /// What modules of this kernel prove about it.
    pub siblings: Arc<Siblings>,
    /// What modules may import (`resolve_symbol`).
    pub imports: Imports,
    /// How livepatches are handled (`klp_write_section_relocs`, `klp_resolve_symbols`).
    pub livepatching: Livepatching,
    /// What the machine's part of the loader depends on.
    pub configuration: Configuration,
}

/// Start and end (exclusive) of vmlinux.
const IMAGE: [&str; 2] = ["_text", "_end"];

/// A function of every livepatching kernel that can clear relocations, and one of every
/// livepatching kernel since Linux 5.8: if neither is known, vmlinux's symbols are incomplete.
const CLEARS: [&str; 2] = ["clear_relocate_add", "klp_apply_section_relocs"];

impl TargetKernel {
    /// The newest known kernel of a machine, as distributions configure it.
    #[must_use]
    pub fn newest(machine: &Machine) -> Self {
        Self::of_version(machine, KernelVersion::NEWEST)
    }

    /// A kernel of a version, as distributions configure it.
    ///
    /// Each bound is the first release whose source was read and has the change; the release before
    /// it was read, too, and has not. 6.15 and 6.16 were not read: a bound there lies between 6.14
    /// and 6.18 (`docs/kernels.md`).
    #[must_use]
    pub fn of_version(machine: &Machine, version: KernelVersion) -> Self {
        let since = |major, minor| version >= KernelVersion::new(major, minor);
        let image = machine.kernel_image.clone();
        Self {
            version,
            per_cpu: machine.per_cpu(&image, version),
            image,
            boot_offset: 0,
            layouts: if since(6, 4) { MemoryModel::Regions } else { MemoryModel::Blocks },
            page_size: machine.page_size,
            module_size: None,
            vermagic: None,
            checks_signatures: true,
            decompresses: None,
            livepatches: true,
            constructors: false,
            refuses_section_twins: since(6, 12),
            percpu_reserve: machine.percpu_reserve,
            percpu_static: None,
            smp: true,
            strict_module_rwx: true,
            marks_all_ro_after_init: since(6, 16),
            checks_machine_flags: since(6, 2),
            checks_this_module: since(6, 4),
            rejects_second_modinfo: since(6, 4),
            checks_headers_first: version >= KernelVersion::new(6, 12).stable(117),
            relocates_percpu: since(6, 15),
            static_call_sites_read_only: since(6, 16),
            separate_codetags: since(6, 13),
            kallsyms_all: true,
            flags_apart: since(7, 1),
            reads_btf: false,
            siblings: Arc::default(),
            imports: Imports { quoted_namespaces: since(6, 13), ..Imports::default() },
            livepatching: Livepatching {
                clears: since(6, 3),
                names_relocation: since(6, 19),
                sympos_saturates: since(7, 2),
            },
            configuration: machine.configuration(version),
        }
    }

    /// The kernel that a module is built for, from its version, the module's `.modinfo` and, if
    /// known, the kernel's symbols. `target`: the version
    /// that is asked for, whatever the module says.
    #[must_use]
    pub fn of(
        machine: &Machine,
        target: Option<KernelVersion>,
        module: &Module<'_>,
        answer: Option<&Answer>,
    ) -> Self {
        let vermagic = module.vermagic().map(String::from_utf8_lossy);
        let built_for = vermagic.as_ref().and_then(|text| text.parse().ok());
        let version = target.or(built_for).unwrap_or(KernelVersion::NEWEST);
        let mut kernel = Self::of_version(machine, version);
        if let Some(vermagic) = &vermagic {
            kernel.configure(vermagic);
        }
        if let Some(answer) = answer {
            kernel.learn(machine, answer);
            kernel.believe(answer.shared_siblings(), vermagic.as_deref());
        }
        kernel
    }

    /// The kernel that the symbol sources describe, from its version and its symbols.
    #[must_use]
    pub fn described_by(machine: &Machine, answer: &Answer) -> Self {
        let version = answer.kernel().version().unwrap_or(KernelVersion::NEWEST);
        let mut kernel = Self::of_version(machine, version);
        kernel.learn(machine, answer);
        kernel
    }

    /// Names of vmlinux symbols that reveal a kernel's configuration, or whose addresses its module
    /// loader uses: what [`Self::of`] looks up in the sources.
    pub fn wanted(machine: &Machine) -> impl Iterator<Item = &'static str> + use<> {
        let probes = machine.config_probes.iter().map(|probe| probe.symbol);
        let pages = machine.page_sizes.iter().map(|(symbol, _)| *symbol);
        let machine = machine.kernel_symbols.iter().copied().chain(probes).chain(pages);
        machine.chain([PROFILING]).chain(IMAGE).chain(CLEARS).chain(configured::wanted())
    }

    /// Applies what vmlinux's symbols reveal.
    fn learn(&mut self, machine: &Machine, answer: &Answer) {
        let vmlinux = ObjectName::vmlinux();
        if let Some(all) = answer.kernel().kallsyms_all {
            self.kallsyms_all = all;
        }
        if !answer.knows_object(&vmlinux) {
            return;
        }
        let linked = |name| answer.candidates_in(name, &vmlinux).find_map(|found| found.address);
        if let Some(start) = linked(IMAGE[0]) {
            self.boot_offset = machine.loader.boot_offset(start, self.version);
        }
        let address = |name| Some(linked(name)?.wrapping_add(self.boot_offset));
        if let Some((start, end)) = address(IMAGE[0]).zip(address(IMAGE[1])) {
            self.image = start..end;
        }
        for name in machine.kernel_symbols {
            if let Some(address) = address(name) {
                self.configuration.symbols.insert(name, address);
            }
        }
        self.per_cpu = match address(PER_CPU[0]).zip(address(PER_CPU[1])) {
            Some((start, end)) => start..end,
            None => machine.per_cpu(&self.image, self.version),
        };
        let has = |name: &str| answer.candidates_in(name, &vmlinux).next().is_some();
        let pages = machine.page_sizes.iter().find(|(symbol, _)| has(symbol));
        self.page_size = pages.map_or(self.page_size, |(_, bytes)| *bytes);
        for ConfigProbe { symbol, features } in machine.config_probes {
            self.configuration.features.set(*features, has(symbol));
        }
        configured::learn(self, answer);
        // Not by version: vendors backport it.
        let [clears, livepatching] = CLEARS.map(has);
        self.livepatching.clears = clears || self.livepatching.clears && !livepatching;
        // The key is data: a table of functions only proves nothing.
        if self.kallsyms_all {
            self.separate_codetags &= has(PROFILING);
        }
    }
}

#[cfg(test)]
mod tests;
