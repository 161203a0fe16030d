//! What one module shows of the kernel that it was built for.

/// The longest vermagic that is kept.
pub(crate) const VERMAGIC_MAX: usize = 512;

/// BTF of a module's file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModuleBtf {
    /// There is none.
    #[default]
    Absent,
    /// There is, and it does not show what it was made against: it brings its base along
    /// (`.BTF.base`), or has no names of its own.
    Present,
    /// It was made against a vmlinux whose BTF has so many bytes of strings.
    Split(u32),
}

/// What a module's file shows of its kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Evidence {
    /// All of `vermagic`.
    pub vermagic: Option<String>,
    /// Whether it says that it was built with the kernel (`intree=Y`).
    pub in_tree: bool,
    /// `sizeof(struct module)`.
    pub module_size: Option<u64>,
    /// Where `struct module` has the pointer to the init function.
    pub init: Option<u64>,
    /// Where it has the pointer to the exit function.
    pub exit: Option<u64>,
    /// Whether it has CRCs of what it imports.
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
