//! The region of each section and its offset there.
//!
//! One pass over the section headers for each kind of memory, first for what stays and then for
//! what is freed after init; within a pass, sections keep the order of their headers. Before Linux
//! 6.4 all passes fill one block; since then each fills its own region. Nothing here exceeds
//! [`MEMORY_MAX`], whatever the headers say. Source: `kernel/module/main.c:layout_and_allocate`,
//! `kernel/module/strict_rwx.c`.

use super::region::{RegionKind, SHF_RO_AFTER_INIT};
use std::collections::BTreeMap;

use klp_arch::object::{SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE};
use klp_arch::{Errno, Features, KernelError, Machine, Object};

use super::load_info::LoadInfo;
use super::symtab::SymbolTables;
use super::{MemoryModel, TargetKernel, per_cpu};
use crate::findings::{Consequence, Finding, Stage};
use crate::kmod;

/// The regions, and where the sections lie in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The regions with their sizes in bytes, in order of allocation; those of no size are absent.
    pub regions: Vec<(RegionKind, u64)>,
    /// For each section that is loaded: its region and the offset there, in bytes.
    pub sections: Vec<Option<(RegionKind, u64)>>,
    /// Where the copies of the symbol table go.
    pub(super) symbols: SymbolTables,
}

/// Most bytes for all regions of a module together: 256 MiB, twice what arm64 has for all modules
/// that need no veneers. Beyond it the kernel's allocator fails.
pub const MEMORY_MAX: u64 = 256 << 20;

/// `sizeof(struct alloc_tag)`: a smaller section has no tags.
const ALLOC_TAG: u64 = 40;

/// The sections that one pass places.
struct Pass {
    /// Flags that a section needs.
    needed: u64,
    /// Flags that it must not have.
    excluded: u64,
    /// The region, of the core part.
    core: RegionKind,
    /// The region, of the init part; `None`: nothing is placed.
    init: Option<RegionKind>,
}

/// The passes (`__layout_sections`). The kernel's fifth, for small data, finds nothing on machines
/// without `ARCH_SHF_SMALL`.
const PASSES: [Pass; 4] = [
    Pass {
        needed: SHF_EXECINSTR | SHF_ALLOC,
        excluded: 0,
        core: RegionKind::Text,
        init: Some(RegionKind::InitText),
    },
    Pass {
        needed: SHF_ALLOC,
        excluded: SHF_WRITE,
        core: RegionKind::Rodata,
        init: Some(RegionKind::InitRodata),
    },
    Pass {
        needed: SHF_RO_AFTER_INIT | SHF_ALLOC,
        excluded: 0,
        core: RegionKind::RoAfterInit,
        init: None,
    },
    Pass {
        needed: SHF_ALLOC,
        excluded: 0,
        core: RegionKind::Data,
        init: Some(RegionKind::InitData),
    },
];

/// Sizes of the regions while sections are added.
pub(super) struct Tally<'a> {
    kernel: &'a TargetKernel,
    sizes: BTreeMap<RegionKind, u64>,
}

impl Tally<'_> {
    /// Reserves room at the end of a region; returns its offset (`module_get_offset_and_type`).
    pub(super) fn place(
        &mut self,
        kind: RegionKind,
        align: u64,
        size: u64,
    ) -> Result<u64, Finding> {
        let end = self.sizes.entry(kind).or_insert(0);
        let offset = aligned(*end, align.max(1)).ok_or_else(overlap)?;
        let after = offset.checked_add(size).filter(|after| u32::try_from(*after).is_ok());
        let after = after.ok_or_else(overlap)?;
        if after > MEMORY_MAX {
            return Err(no_memory());
        }
        *end = after;
        Ok(offset)
    }

    /// Begins the next group of a block on a page (`strict_align`).
    pub(super) fn end_group(&mut self, kind: RegionKind) {
        if self.kernel.layouts == MemoryModel::Blocks && self.kernel.strict_module_rwx {
            let size = self.sizes.entry(kind).or_insert(0);
            *size = size.next_multiple_of(self.kernel.page_size.max(1));
        }
    }

    /// The regions with the sizes that are allocated.
    fn finish(self) -> Result<Vec<(RegionKind, u64)>, Finding> {
        let page = self.kernel.page_size.max(1);
        // A block's size was not rounded up, but it was allocated in pages.
        let pages = |(kind, size): (RegionKind, u64)| {
            let paged = if kind.is_paged() { size.next_multiple_of(page) } else { size };
            (kind, paged)
        };
        let regions: Vec<_> =
            self.sizes.into_iter().filter(|(_, size)| *size != 0).map(pages).collect();
        let total = regions.iter().fold(0_u64, |sum, (_, size)| sum.saturating_add(*size));
        if total > MEMORY_MAX { Err(no_memory()) } else { Ok(regions) }
    }
}

/// `ALIGN`, of 32 bits, which gives nonsense for anything but powers of two. `None` if it wraps.
fn aligned(value: u64, align: u64) -> Option<u64> {
    let [value, mask] = [value, (align & u64::from(u32::MAX)).checked_sub(1)?];
    let end = u32::try_from(value.checked_add(mask)?).ok()?;
    Some(u64::from(end) & !mask)
}

/// Sizes that wrap: the kernel computes them in 32 bits, and then copies whole sections.
fn overlap() -> Finding {
    let why = "a size or an alignment is so large that sections overlap, and end after the module's memory";
    Finding::unnoticed(Stage::Layout, Consequence::Corrupted, why.to_owned())
}

/// The allocator's refusal (`execmem_vmalloc`), which does not name the module.
fn no_memory() -> Finding {
    let message = "execmem: unable to allocate memory".to_owned();
    Finding::refused(Stage::Layout, KernelError { errno: Errno::ENOMEM, message })
}

/// Lays out the sections; addresses come later (`layout_and_allocate`).
pub(super) fn layout(
    info: &mut LoadInfo<'_>,
    machine: &Machine,
    kernel: &TargetKernel,
) -> Result<Layout, Finding> {
    let percpu = info.percpu.filter(|_| kernel.smp);
    info.percpu = percpu;
    if let Some(template) = percpu.and_then(|index| info.object.sections.get_mut(index)) {
        template.sh_flags &= !SHF_ALLOC;
    }
    mark_ro_after_init(&mut info.object, kernel);
    let mut tally = Tally { kernel, sizes: BTreeMap::new() };
    let object = &info.object;
    if object.text_start != 0 {
        tally.place(kernel.layouts.region(RegionKind::Text), 1, object.text_start)?;
    }
    let mut sections = vec![None; object.sections.len()];
    for init in [false, true] {
        for (number, pass) in PASSES.iter().enumerate() {
            let kind = if init { pass.init } else { Some(pass.core) };
            // Blocks have no pass without a region.
            let blocks = kernel.layouts == MemoryModel::Blocks;
            let kind = kind.or(blocks.then_some(RegionKind::Init));
            let Some(kind) = kind.map(|kind| kernel.layouts.region(kind)) else { continue };
            for (section, slot) in object.sections.iter().zip(&mut sections) {
                let fits = section.has(pass.needed) && section.sh_flags & pass.excluded == 0;
                if !fits || slot.is_some() || is_init(section.name, machine, kernel) != init {
                    continue;
                }
                let apart = kernel.separate_codetags
                    && section.name == b".codetag.alloc_tags"
                    && section.sh_size >= ALLOC_TAG;
                let kind = if apart { RegionKind::Codetags } else { kind };
                let align = if apart { 1 } else { section.sh_addralign };
                *slot = Some((kind, tally.place(kind, align, section.sh_size)?));
            }
            // After the init part's third pass the kernel only copies a size.
            if !(init && number == 2) {
                tally.end_group(kind);
            }
        }
    }
    let symbols = SymbolTables::layout(info, &mut sections, kernel, &mut tally)?;
    if let Some((index, template)) =
        percpu.and_then(|index| Some((index, info.object.sections.get(index)?)))
    {
        per_cpu::room::allocate(&info.name, template.sh_size, template.sh_addralign, kernel)?;
        let offset = tally.place(RegionKind::Percpu, 1, template.sh_size)?;
        if let Some(slot) = sections.get_mut(index) {
            *slot = Some((RegionKind::Percpu, offset));
        }
    }
    Ok(Layout { regions: tally.finish()?, sections, symbols })
}

/// Whether a section is freed after init (`module_init_layout_section`).
fn is_init(name: &[u8], machine: &Machine, kernel: &TargetKernel) -> bool {
    kernel.configuration.features.contains(Features::EXIT_IS_INIT) && name.starts_with(b".exit")
        || machine.frees_init_sections && kmod::is_init(name)
}

/// Marks sections that become read-only after init (`module_mark_ro_after_init`).
fn mark_ro_after_init(object: &mut Object<'_>, kernel: &TargetKernel) {
    let known = if kernel.static_call_sites_read_only { 3 } else { 2 };
    for name in kmod::RO_AFTER_INIT.iter().take(known) {
        // Older kernels take the first loaded section of the name.
        let first = !kernel.marks_all_ro_after_init;
        let marked = object.sections.iter_mut().skip(1).filter(|section| section.name == *name);
        let marked = marked.filter(|section| !first || section.has(SHF_ALLOC));
        for section in marked.take(if first { 1 } else { usize::MAX }) {
            section.sh_flags |= SHF_RO_AFTER_INIT;
        }
    }
}

#[cfg(test)]
mod tests;
