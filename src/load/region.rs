//! The pieces of memory that a module is divided into (`enum mod_mem_type`).

/// `SHF_RO_AFTER_INIT`, the kernel's own (`kernel/module/internal.h`).
pub(super) const SHF_RO_AFTER_INIT: u64 = 0x20_0000;

/// A piece of a module's memory with its own allocation.
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
    /// `core_layout`, before Linux 6.4: everything that stays.
    Core,
    /// `init_layout`, before Linux 6.4: everything that is freed after init.
    Init,
    /// Room for `.codetag.alloc_tags` in the area for all modules' tags.
    Codetags,
    /// The percpu template; relocated in the temporary copy.
    Percpu,
}

impl RegionKind {
    /// Whether it is freed once the module's init function has run (`mod_mem_type_is_init`).
    #[must_use]
    pub fn is_init(self) -> bool {
        matches!(self, Self::InitText | Self::InitData | Self::InitRodata | Self::Init)
    }

    /// Whether instructions lie in it (`mod_mem_type_is_text`).
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::InitText | Self::Core | Self::Init)
    }

    /// Whether it is allocated in pages: its size is rounded up to one.
    pub(super) fn is_paged(self) -> bool {
        !matches!(self, Self::Codetags | Self::Percpu)
    }
}
