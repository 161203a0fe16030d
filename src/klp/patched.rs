//! Which objects a livepatch patches: the gates that the kernel will ever open for it.
//!
//! `klp_init_object_loaded` writes the relocations of an object that has a `klp_object` in the
//! patch, and of no other. Authors say which with `--object`; modules made for objtool's
//! `scripts/livepatch/init.c` say it themselves, in `.init.klp_objects`.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::{OBJECT_NAME_MAX, ObjectName};
use crate::elf::{Module, Rela, SymbolSection};

/// Where `struct klp_object_ext` stand (`include/linux/livepatch_external.h`).
const SECTION: &[u8] = b".init.klp_objects";
/// Bytes of a `struct klp_object_ext`; the pointer to the name comes first.
const ENTRY_SIZE: u64 = 64;

/// The objects that a livepatch patches.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Patched {
    /// Their names. vmlinux is always there and need not be named. Empty: not said, so gates are
    /// not held against it.
    pub objects: BTreeSet<ObjectName>,
}

impl Patched {
    /// What a module says itself, and what its author adds.
    #[must_use]
    pub fn by(module: &Module<'_>, said: &Self) -> Self {
        let mut objects = said.objects.clone();
        let lists: BTreeSet<_> = module.sections_named(SECTION).map(|s| s.index.get()).collect();
        if !lists.is_empty() {
            // An entry without a name is vmlinux; it makes the list known, though.
            objects.insert(ObjectName::vmlinux());
        }
        let relocations = module
            .relocation_sections()
            .filter(|rela| lists.contains(&rela.sh_info))
            .flat_map(|rela| module.relocations(rela.index));
        let names = relocations.filter(|rela| rela.offset.is_multiple_of(ENTRY_SIZE));
        objects.extend(names.filter_map(|rela| string(module, rela)?.parse().ok()));
        Self { objects }
    }

    /// Whether the kernel would write what waits for this object, as far as that is known.
    #[must_use]
    pub fn opens(&self, gate: &ObjectName) -> bool {
        gate.is_vmlinux() || self.objects.is_empty() || self.objects.contains(gate)
    }
}

/// The NUL-terminated string that a relocated pointer points to.
fn string<'data>(module: &Module<'data>, rela: Rela) -> Option<std::borrow::Cow<'data, str>> {
    let symbol = module.symbol(rela.symbol)?;
    let SymbolSection::Defined(section) = symbol.section else { return None };
    let start = symbol.st_value.checked_add_signed(rela.addend)?;
    let tail = module.body(section).get(usize::try_from(start).ok()?..)?;
    // No longer than a name can be: a hostile file has many pointers to one endless string.
    let tail = tail.get(..OBJECT_NAME_MAX + 1).unwrap_or(tail);
    Some(tail.get(..tail.find_byte(0)?)?.to_str_lossy())
}
