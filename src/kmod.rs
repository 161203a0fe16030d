//! How the kernel's loader treats the sections and symbols of a module's file, for all readers of
//! one.
//!
//! The simulated load has the file in memory and a symbol source reads it piece by piece; both use
//! these rules. Sources: `kernel/module/main.c` (`rewrite_section_headers`, `module_init_section`),
//! `kernel/module/kallsyms.c` (`elf_type`), `kernel/module/strict_rwx.c`
//! (`module_mark_ro_after_init`).

use klp_arch::object::{SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS};

/// The percpu template (`find_pcpusec`).
pub(crate) const PERCPU: &[u8] = b".data..percpu";

/// `struct module` of a module itself: the kernel has filled in some of its fields when the module runs.
pub(crate) const THIS_MODULE: &[u8] = b".gnu.linkonce.this_module";

/// Sections that are read in the file and never moved: the loader takes `SHF_ALLOC` from them.
pub(crate) const READ_IN_PLACE: [&[u8]; 4] =
    [b".modinfo", b"__versions", b"__version_ext_crcs", b"__version_ext_names"];

/// Sections that are writable until the module's init function has run; the last since Linux 6.16, with static
/// calls.
pub(crate) const RO_AFTER_INIT: [&[u8]; 3] =
    [b".data..ro_after_init", b"__jump_table", b".static_call_sites"];

/// Whether a machine that frees init sections frees one of this name (`module_init_section`).
pub(crate) fn is_init(name: &[u8]) -> bool {
    name.starts_with(b".init")
}

/// Where a symbol is defined, in the detail that its letter depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Definition<'a> {
    /// `SHN_UNDEF`.
    Undefined,
    /// `SHN_ABS`.
    Absolute,
    /// In the percpu template.
    PerCpu,
    /// In another section: `sh_type`, `sh_flags` and name.
    Section(u32, u64, &'a [u8]),
    /// Any other index.
    Reserved,
}

/// The type letter of an unexported symbol in `/proc/kallsyms` (`elf_type`).
pub(crate) fn type_letter(weak: bool, object: bool, definition: Definition<'_>) -> u8 {
    match definition {
        _ if weak && object => b'v',
        _ if weak => b'w',
        Definition::Undefined => b'U',
        Definition::Absolute | Definition::PerCpu => b'a',
        Definition::Reserved => b'?',
        Definition::Section(_, flags, _) if flags & SHF_EXECINSTR != 0 => b't',
        Definition::Section(SHT_NOBITS, ..) => b'b',
        Definition::Section(_, flags, _) if flags & SHF_ALLOC != 0 => {
            if flags & SHF_WRITE != 0 {
                b'd'
            } else {
                b'r'
            }
        }
        Definition::Section(_, _, name) if name.starts_with(b".debug") => b'n',
        Definition::Section(..) => b'?',
    }
}
