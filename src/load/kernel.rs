//! The target kernel, as far as it decides what loading a module does.
//!
//! Version and configuration are data: each field says which function of the kernel it changes.

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
    /// Whether relocations are taken back when their object goes, on machines that do so
    /// (`clear_relocate_add`, in Linux since 6.3).
    pub clears: bool,
    /// Whether the message about a symbol that is not marked says which relocation it is.
    pub names_relocation: bool,
    /// Whether a position that is more than 64 bits hold is the largest that they hold, not what is
    /// left of it: in Linux 7.2, and not in 7.1 (`_parse_integer_limit`).
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
    /// Before Linux 6.4: one block for what stays and one for what is freed (`struct module_layout`).
    Blocks,
    /// Since Linux 6.4: up to seven regions (`enum mod_mem_type`).
    Regions,
}

impl MemoryModel {
    /// The piece that takes the place of a region.
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
    /// The per-CPU variables of vmlinux, from `__per_cpu_start` to `__per_cpu_end`.
    pub per_cpu: Range<u64>,
    /// How memory is divided.
    pub layouts: MemoryModel,
    /// Bytes of a page (`PAGE_SIZE`).
    pub page_size: u64,
    /// `sizeof(struct module)`, where it is known; otherwise the module is believed.
    pub module_size: Option<u64>,
    /// Whether the machine looks at the flags of the file (`module_elf_check_arch`): 6.1 does not, 6.2 does.
    pub checks_machine_flags: bool,
    /// Whether the loader looks at the section of `struct module`: 6.3 does not, 6.4 does.
    pub checks_this_module: bool,
    /// What modules must say of it (`vermagic`), where that is known; otherwise the module is believed.
    pub vermagic: Option<String>,
    /// Whether a second `.modinfo` is refused: 6.3 does not, 6.4 does.
    pub rejects_second_modinfo: bool,
    /// Whether section headers are checked before the names of sections (`elf_validity_cache_sechdrs`):
    /// 6.13 does and stable releases of 6.12 since 6.12.117, 6.12.95 has one function that looks at names
    /// first (`elf_validity_cache_copy`).
    pub checks_headers_first: bool,
    /// Whether signatures are looked at (`CONFIG_MODULE_SIG`).
    pub checks_signatures: bool,
    /// Whether the kernel itself can decompress modules (`CONFIG_MODULE_DECOMPRESS`), where that is
    /// known; kmod leaves it to the kernel then.
    pub decompresses: Option<bool>,
    /// Whether livepatches are taken at all (`CONFIG_LIVEPATCH`).
    pub livepatches: bool,
    /// Whether constructors are called (`CONFIG_CONSTRUCTORS`): only kernels with gcov or KASAN do so.
    pub constructors: bool,
    /// Whether two loaded sections of one name are refused: 6.11 passes over the error of
    /// `add_sect_attrs`, 6.12 does not.
    pub refuses_section_twins: bool,
    /// Bytes that all modules share for their per-CPU variables, where they are set aside.
    pub percpu_reserve: Option<u64>,
    /// Bytes of vmlinux's own per-CPU variables, which come before them, where they are known.
    pub percpu_static: Option<u64>,
    /// Whether each processor has its own copy of the percpu template (`CONFIG_SMP`).
    pub smp: bool,
    /// Whether memory is write-protected (`CONFIG_STRICT_MODULE_RWX`): what is writable and
    /// executable is refused, and groups of a block start on pages.
    pub strict_module_rwx: bool,
    /// Whether all sections of a name are read-only after init (`module_mark_ro_after_init`), or the first:
    /// 6.14 looks for the first, 6.18 marks all.
    pub marks_all_ro_after_init: bool,
    /// Whether relocations of the percpu template are applied: 6.14 does not, 6.18 does.
    pub relocates_percpu: bool,
    /// Whether `.static_call_sites` are read-only after init: 6.14 does not, 6.18 does. Only kernels with
    /// `CONFIG_HAVE_STATIC_CALL_INLINE` do so, and modules of others have no such section.
    pub static_call_sites_read_only: bool,
    /// Whether the tags of memory allocation profiling go to an area of their own
    /// (6.12 has none, 6.13 has one, with `CONFIG_MEM_ALLOC_PROFILING`, unless it is switched off for good at
    /// boot, which nothing tells).
    pub separate_codetags: bool,
    /// Whether all symbols are kept after init (`CONFIG_KALLSYMS_ALL`): kernels that can be patched
    /// do so.
    pub kallsyms_all: bool,
    /// Whether exports must have flags in a section of their own (`check_export_symbol_sections`): 7.0
    /// does not know it, 7.1 does.
    pub flags_apart: bool,
    /// Whether the BTF of modules is read (`CONFIG_DEBUG_INFO_BTF_MODULES`, `btf_module_notify`).
    pub reads_btf: bool,
    /// What modules of this kernel prove of it.
    pub siblings: Arc<Siblings>,
    /// What modules may import (`resolve_symbol`).
    pub imports: Imports,
    /// How livepatches are handled (`klp_write_section_relocs`, `klp_resolve_symbols`).
    pub livepatching: Livepatching,
    /// What the machine's part of the loader wants to know.
    pub configuration: Configuration,
}

/// The first byte of vmlinux, and the one behind the last.
const IMAGE: [&str; 2] = ["_text", "_end"];

/// A function of every kernel with livepatching that can take relocations back, and one of every kernel
/// with livepatching since Linux 5.8: where neither is known, not all of vmlinux's symbols are.
const CLEARS: [&str; 2] = ["clear_relocate_add", "klp_apply_section_relocs"];

impl TargetKernel {
    /// The newest known kernel of a machine, as distributions configure it.
    #[must_use]
    pub fn newest(backend: &Machine) -> Self {
        Self::of_version(backend, KernelVersion::NEWEST)
    }

    /// A kernel of a version, as distributions configure it.
    ///
    /// Each bound is the first release that was read with what it says; the one before it was read without.
    /// 6.15 and 6.16 were not read: a bound there lies between 6.14 and 6.18, which were (`docs/kernels.md`).
    #[must_use]
    pub fn of_version(backend: &Machine, version: KernelVersion) -> Self {
        let since = |major, minor| version >= KernelVersion::new(major, minor);
        let image = backend.kernel_image.clone();
        Self {
            version,
            per_cpu: backend.per_cpu(&image, version),
            image,
            layouts: if since(6, 4) { MemoryModel::Regions } else { MemoryModel::Blocks },
            page_size: backend.page_size,
            module_size: None,
            vermagic: None,
            checks_signatures: true,
            decompresses: None,
            livepatches: true,
            constructors: false,
            refuses_section_twins: since(6, 12),
            percpu_reserve: backend.percpu_reserve,
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
            configuration: backend.configuration(version),
        }
    }

    /// The kernel that a module is built for: its version, what the module says of it in
    /// `.modinfo`, and what can be told from the kernel's symbols, where they are known. `target`: the version
    /// that is asked for, whatever the module says.
    #[must_use]
    pub fn of(
        backend: &Machine,
        target: Option<KernelVersion>,
        module: &Module<'_>,
        answer: Option<&Answer>,
    ) -> Self {
        let vermagic = module.vermagic().map(String::from_utf8_lossy);
        let built_for = vermagic.as_ref().and_then(|text| text.parse().ok());
        let version = target.or(built_for).unwrap_or(KernelVersion::NEWEST);
        let mut kernel = Self::of_version(backend, version);
        if let Some(vermagic) = &vermagic {
            kernel.configure(vermagic);
        }
        if let Some(answer) = answer {
            kernel.learn(backend, answer);
            kernel.believe(answer.shared_siblings(), vermagic.as_deref());
        }
        kernel
    }

    /// The kernel that sources of symbols tell of: its version, and what its symbols tell.
    #[must_use]
    pub fn told_by(backend: &Machine, answer: &Answer) -> Self {
        let version = answer.kernel().version().unwrap_or(KernelVersion::NEWEST);
        let mut kernel = Self::of_version(backend, version);
        kernel.learn(backend, answer);
        kernel
    }

    /// Names of the vmlinux symbols that tell what a kernel is like, or whose addresses its module
    /// loader uses: what the sources are to be asked about for [`Self::of`].
    pub fn wanted(backend: &Machine) -> impl Iterator<Item = &'static str> + use<> {
        let probes = backend.config_probes.iter().map(|probe| probe.symbol);
        let pages = backend.page_sizes.iter().map(|(symbol, _)| *symbol);
        let machine = backend.kernel_symbols.iter().copied().chain(probes).chain(pages);
        machine.chain([PROFILING]).chain(IMAGE).chain(CLEARS).chain(configured::wanted())
    }

    /// Takes over what the symbols of vmlinux tell.
    fn learn(&mut self, backend: &Machine, answer: &Answer) {
        let vmlinux = ObjectName::vmlinux();
        if let Some(all) = answer.kernel().kallsyms_all {
            self.kallsyms_all = all;
        }
        if !answer.knows_object(&vmlinux) {
            return;
        }
        let address = |name| answer.candidates_in(name, &vmlinux).find_map(|found| found.address);
        for name in backend.kernel_symbols {
            if let Some(address) = address(name) {
                self.configuration.symbols.insert(name, address);
            }
        }
        if let Some((start, end)) = address(IMAGE[0]).zip(address(IMAGE[1])) {
            self.image = start..end;
        }
        self.per_cpu = match address(PER_CPU[0]).zip(address(PER_CPU[1])) {
            Some((start, end)) => start..end,
            None => backend.per_cpu(&self.image, self.version),
        };
        let has = |name: &str| answer.candidates_in(name, &vmlinux).next().is_some();
        let pages = backend.page_sizes.iter().find(|(symbol, _)| has(symbol));
        self.page_size = pages.map_or(self.page_size, |(_, bytes)| *bytes);
        for ConfigProbe { symbol, features } in backend.config_probes {
            self.configuration.features.set(*features, has(symbol));
        }
        configured::learn(self, answer);
        // Not by the version: vendors take it over into older kernels.
        let [clears, livepatching] = CLEARS.map(has);
        self.livepatching.clears = clears || self.livepatching.clears && !livepatching;
        // The key is data: a table without data does not tell.
        if self.kallsyms_all {
            self.separate_codetags &= has(PROFILING);
        }
    }
}

#[cfg(test)]
mod tests;
