//! Which region each section goes to, and where in it (`layout_sections`).

use klp_arch::object::{SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE};
use klp_arch::{Backend, Object};

use super::Kernel;

/// A piece of a module's memory that is allocated as one.
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
    strum::Display,
    strum::EnumString,
)]
#[strum(serialize_all = "kebab-case")]
pub enum RegionKind {
    /// `MOD_TEXT`: instructions.
    Text,
    /// `MOD_DATA`: what stays writable, and the symbol table that stays.
    Data,
    /// `MOD_RODATA`: what is read-only.
    Rodata,
    /// `MOD_RO_AFTER_INIT`: what is read-only once init has run.
    RoAfterInit,
    /// `MOD_INIT_TEXT`: instructions that are freed after init.
    InitText,
    /// `MOD_INIT_DATA`: data that is freed after init, and the whole symbol table.
    InitData,
    /// `MOD_INIT_RODATA`: read-only data that is freed after init.
    InitRodata,
    /// The percpu template; relocated in the temporary copy.
    Percpu,
}

/// What regions there are and where in them the sections lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The regions with their sizes in bytes, in order of allocation; those of no size are absent.
    pub regions: Vec<(RegionKind, u64)>,
    /// For each section that is loaded: its region and the offset there, in bytes.
    pub sections: Vec<Option<(RegionKind, u64)>>,
}

/// `SHF_RO_AFTER_INIT`, the kernel's own (`kernel/module/internal.h`).
const SHF_RO_AFTER_INIT: u64 = 0x20_0000;

/// The passes over the sections: flags that they need, flags that they must not have, and the
/// regions, of the core part and of the init part.
const PASSES: [(u64, u64, RegionKind, Option<RegionKind>); 4] = [
    (SHF_EXECINSTR | SHF_ALLOC, 0, RegionKind::Text, Some(RegionKind::InitText)),
    (SHF_ALLOC, SHF_WRITE, RegionKind::Rodata, Some(RegionKind::InitRodata)),
    (SHF_RO_AFTER_INIT | SHF_ALLOC, 0, RegionKind::RoAfterInit, None),
    (SHF_ALLOC, 0, RegionKind::Data, Some(RegionKind::InitData)),
];

/// Lays out the sections; nothing is placed yet.
pub(super) fn layout(
    object: &mut Object<'_>,
    percpu: Option<usize>,
    backend: &dyn Backend,
    kernel: &Kernel,
) -> Layout {
    let _ = kernel;
    let mut sizes = std::collections::BTreeMap::new();
    if object.text_start != 0 {
        sizes.insert(RegionKind::Text, object.text_start);
    }
    let mut sections = vec![None; object.sections.len()];
    let is_init = |name: &[u8]| backend.frees_init_sections() && name.starts_with(b".init");
    for init in [false, true] {
        for (needed, excluded, core, init_kind) in PASSES {
            for (section, slot) in object.sections.iter().zip(&mut sections) {
                let fits = section.has(needed) && section.sh_flags & excluded == 0;
                if !fits || slot.is_some() || is_init(section.name) != init {
                    continue;
                }
                let Some(kind) = (if init { init_kind } else { Some(core) }) else { continue };
                let size = sizes.entry(kind).or_insert(0_u64);
                let align = section.sh_addralign.max(1);
                let offset = size.saturating_add(align - 1) & !(align - 1);
                *size = offset.saturating_add(section.sh_size);
                *slot = Some((kind, offset));
            }
        }
    }
    if let Some((section, slot)) =
        percpu.and_then(|index| object.sections.get(index).zip(sections.get_mut(index)))
    {
        sizes.insert(RegionKind::Percpu, section.sh_size);
        *slot = Some((RegionKind::Percpu, 0));
    }
    Layout { regions: sizes.into_iter().filter(|(_, size)| *size != 0).collect(), sections }
}
