//! The target kernel, as far as it decides what loading a module does.
//!
//! Version and configuration are data: each field says which function of the kernel it changes.

use klp_arch::{Backend, Configuration};

use super::{Imports, Livepatching, RegionKind};

/// How the kernel divides a module's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layouts {
    /// Before Linux 6.4: one block for what stays and one for what is freed (`struct module_layout`).
    Blocks,
    /// Since Linux 6.4: up to seven regions (`enum mod_mem_type`).
    Regions,
}

impl Layouts {
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
pub struct Kernel {
    /// How memory is divided.
    pub layouts: Layouts,
    /// Bytes of a page (`PAGE_SIZE`).
    pub page_size: u64,
    /// Whether each processor has its own copy of the percpu template (`CONFIG_SMP`).
    pub smp: bool,
    /// Whether memory is write-protected (`CONFIG_STRICT_MODULE_RWX`): what is writable and
    /// executable is refused, and groups of a block start on pages.
    pub strict_module_rwx: bool,
    /// Whether all sections of a name are read-only after init (since Linux 6.16), or the first.
    pub marks_all_ro_after_init: bool,
    /// Whether relocations of the percpu template are applied (since Linux 6.15).
    pub relocates_percpu: bool,
    /// Whether `.static_call_sites` are read-only after init (`CONFIG_HAVE_STATIC_CALL_INLINE`).
    pub static_call_sites_read_only: bool,
    /// Whether what is called `.exit…` is init, too (without `CONFIG_MODULE_UNLOAD`).
    pub exit_is_init: bool,
    /// Whether the tags of memory allocation profiling go to an area of their own
    /// (`CONFIG_MEM_ALLOC_PROFILING`, switched on).
    pub codetags_apart: bool,
    /// Whether all symbols are kept after init (`CONFIG_KALLSYMS_ALL`).
    pub kallsyms_all: bool,
    /// What modules may import (`resolve_symbol`).
    pub imports: Imports,
    /// How livepatches are handled (`klp_write_section_relocs`, `klp_resolve_symbols`).
    pub livepatching: Livepatching,
    /// What the machine's part of the loader wants to know.
    pub configuration: Configuration,
}

impl Kernel {
    /// The newest known kernel of a machine, as distributions configure it.
    #[must_use]
    pub fn newest(backend: &dyn Backend) -> Self {
        Self {
            layouts: Layouts::Regions,
            page_size: backend.page_size(),
            smp: true,
            strict_module_rwx: true,
            marks_all_ro_after_init: true,
            relocates_percpu: true,
            static_call_sites_read_only: false,
            exit_is_init: false,
            codetags_apart: false,
            kallsyms_all: true,
            imports: Imports::default(),
            livepatching: Livepatching::default(),
            configuration: Configuration::default(),
        }
    }
}
