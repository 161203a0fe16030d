//! What one module reveals about the kernel that it was built for.

/// The longest vermagic that is kept.
pub(crate) const VERMAGIC_MAX: usize = 512;

/// The BTF of a module's file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModuleBtf {
    /// None.
    #[default]
    Absent,
    /// Some, that does not reveal its base: it includes the base
    /// (`.BTF.base`), or has no names of its own.
    Present,
    /// Made against a vmlinux whose BTF has this many bytes of strings.
    Split(u32),
}

/// What a module's file reveals about its kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Evidence {
    /// All of `vermagic`.
    pub vermagic: Option<String>,
    /// Whether it is marked as built with the kernel (`intree=Y`).
    pub in_tree: bool,
    /// `sizeof(struct module)`.
    pub module_size: Option<u64>,
    /// Offset in `struct module` of the pointer to the init function.
    pub init: Option<u64>,
    /// Offset of the pointer to the exit function.
    pub exit: Option<u64>,
    /// Whether it has CRCs of its imports.
    pub has_versions: bool,
    /// Whether its exports have flags in a section of their own (`__kflagstab`, since Linux 7.1);
    /// `None`: it exports nothing.
    pub has_flags: Option<bool>,
    /// Its BTF.
    pub btf: ModuleBtf,
}

impl Evidence {
    /// The release that the module was built for.
    #[must_use]
    pub fn release(&self) -> Option<&str> {
        self.vermagic.as_ref()?.split_whitespace().next()
    }
}
