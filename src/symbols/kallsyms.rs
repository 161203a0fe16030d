//! Which symbols of a linked vmlinux the kernel's own table has, and where they stand in it.
//!
//! `scripts/link-vmlinux.sh` makes the table of `nm -n vmlinux | sed -f scripts/mksysmap`, which
//! `scripts/kallsyms.c` filters again and sorts. A symbol that is not in it has no position, and one
//! that is wrongly thought to be shifts all that follow. Invariant: [`visible`] is true for exactly
//! the symbols of `System.map` less the absolute ones.
//! Livepatch needs `CONFIG_KALLSYMS_ALL`, so no address range limits the table.

use object::elf;

use super::Binding;
use super::table::{Place, Symbol};

/// What hides a name: the rules of `scripts/mksysmap`, in its order.
#[derive(Debug, Clone, Copy)]
enum Hides {
    Prefix(&'static str),
    Suffix(&'static str),
    Exact(&'static str),
    Contains(&'static str),
    /// A prefix, then decimal digits only.
    Numbered(&'static str),
    /// A prefix, then letters and digits, then this.
    Thunk(&'static str, &'static str),
}

use Hides::{Contains, Exact, Numbered, Prefix, Suffix, Thunk};

const HIDDEN: &[Hides] = &[
    // Local symbols for ARM, MIPS and others (mapping symbols), and local labels.
    Prefix("$"),
    Prefix(".L"),
    // arm64: EFI stub, position-independent start, hypervisor without VHE.
    Prefix("__efistub_"),
    Prefix("__pi_$"),
    Prefix("__pi_.L"),
    Prefix("__kvm_nvhe_$"),
    Prefix("__kvm_nvhe_.L"),
    // Thunks of lld.
    Thunk("__", "Thunk_"),
    Prefix("__kcfi_typeid_"),
    Prefix("__kvm_nvhe___kcfi_typeid_"),
    Prefix("__pi___kcfi_typeid_"),
    // CRCs and strings of exports, device tables.
    Prefix("__crc_"),
    Prefix("__kstrtab_"),
    Prefix("__kstrtabns_"),
    Prefix("__mod_device_table__"),
    // ARM interworking and veneers.
    Suffix("_from_arm"),
    Suffix("_from_thumb"),
    Suffix("_veneer"),
    Exact("L0"),
    // PowerPC.
    Exact("_SDA_BASE_"),
    Exact("_SDA2_BASE_"),
    Numbered("__UNIQUE_ID_modinfo_"),
    // PowerPC stubs.
    Contains(".long_branch."),
    Contains(".plt_branch."),
];

/// `KSYM_NAME_LEN` of `scripts/kallsyms.c`: names of this length and more are dropped.
const NAME_LEN: usize = 512;

/// Absolute symbols that stay (`is_ignored_symbol` in `scripts/kallsyms.c`).
const ABSOLUTE: [&str; 4] =
    ["__kernel_syscall_via_break", "__kernel_syscall_via_epc", "__kernel_sigtramp", "__gp"];

/// Sections that `nm` takes for debugging information (`_bfd_elf_make_section_from_shdr`).
const DEBUGGING: [&str; 7] = [
    ".debug",
    ".zdebug",
    ".gnu.debuglto_.debug_",
    ".gnu.linkonce.wi.",
    ".line",
    ".stab",
    ".gdb_index",
];

/// Whether `scripts/mksysmap` drops a name, whatever its type.
pub(super) fn name_is_hidden(name: &[u8]) -> bool {
    HIDDEN.iter().any(|rule| rule.hides(name))
}

impl Hides {
    fn hides(self, name: &[u8]) -> bool {
        match self {
            Prefix(text) => name.starts_with(text.as_bytes()),
            Suffix(text) => name.ends_with(text.as_bytes()),
            Exact(text) => name == text.as_bytes(),
            Contains(text) => memchr::memmem::find(name, text.as_bytes()).is_some(),
            Numbered(text) => name
                .strip_prefix(text.as_bytes())
                .is_some_and(|rest| rest.iter().all(u8::is_ascii_digit)),
            Thunk(start, end) => name.strip_prefix(start.as_bytes()).is_some_and(|rest| {
                memchr::memmem::find_iter(rest, end.as_bytes()).any(|at| {
                    rest.get(..at).is_some_and(|word| word.iter().all(u8::is_ascii_alphanumeric))
                })
            }),
        }
    }
}

/// Whether the kernel's table has the symbol.
pub(super) fn visible(symbol: &Symbol<'_>) -> bool {
    !symbol.name.is_empty()
        && symbol.name.len() < NAME_LEN
        && type_is_listed(symbol)
        && !name_is_hidden(symbol.name)
}

/// Whether `nm` prints the symbol, with a type that `mksysmap` (`aNUw`) and `kallsyms` (`unAa`) keep.
fn type_is_listed(symbol: &Symbol<'_>) -> bool {
    // nm leaves out debugging symbols unless asked for them.
    if matches!(symbol.st_type(), elf::STT_SECTION | elf::STT_FILE) {
        return false;
    }
    match symbol.place {
        Place::Undefined => false,
        // Before the section, nm looks at weakness: W or V.
        _ if symbol.binding() == Binding::Weak => true,
        _ if symbol.is_gnu_unique() => false,
        Place::Absolute => {
            symbol.binding() == Binding::Global
                && ABSOLUTE.iter().any(|name| name.as_bytes() == symbol.name)
        }
        Place::Common | Place::Reserved => true,
        Place::Section(_) => !symbol.section.is_some_and(|(section, name)| {
            let loaded = section.has(elf::SHF_ALLOC) || section.has(elf::SHF_EXECINSTR);
            let bare = section.sh_type == elf::SHT_NOBITS.0;
            let debugging = DEBUGGING.iter().any(|start| name.starts_with(start.as_bytes()));
            // Types N and n: not loaded, with contents, and debugging or read-only.
            !loaded && !bare && (debugging || !section.has(elf::SHF_WRITE))
        }),
    }
}

/// Whether the kernel's table has a symbol of which `nm` prints this letter.
pub(super) fn lists(letter: u8, name: &[u8]) -> bool {
    // Types that `mksysmap` (`aNUw`) and `kallsyms` (`unAa`) drop.
    let dropped = match letter {
        b'N' | b'n' | b'U' | b'u' | b'w' | b'a' => true,
        b'A' => !ABSOLUTE.iter().any(|kept| kept.as_bytes() == name),
        _ => false,
    };
    !dropped && name.len() < NAME_LEN && !name_is_hidden(name)
}

/// What the kernel's table is sorted by, for symbols of one name (`compare_symbols`): the address,
/// then those last that `nm` calls weak (a weak object, `V`, it does not take for weak), then the
/// order of the input.
pub(super) fn rank(address: u64, letter: u8, input: u64) -> (u64, bool, u64) {
    (address, letter.eq_ignore_ascii_case(&b'w'), input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_mksysmap_hides_its_names_and_no_neighbour() {
        let hidden = [
            "$x",
            "$d.12",
            ".Ltmp1",
            "__efistub_memcpy",
            "__pi_$x",
            "__pi_.L1",
            "__kvm_nvhe_$d",
            "__kvm_nvhe_.L2",
            "__AArch64ADRPThunk_foo",
            "__Thunk_",
            "__kcfi_typeid_f",
            "__kvm_nvhe___kcfi_typeid_f",
            "__pi___kcfi_typeid_f",
            "__crc_f",
            "__kstrtab_f",
            "__kstrtabns_f",
            "__mod_device_table__pci",
            "f_from_arm",
            "f_from_thumb",
            "f_veneer",
            "L0",
            "_SDA_BASE_",
            "_SDA2_BASE_",
            "__UNIQUE_ID_modinfo_12",
            "__UNIQUE_ID_modinfo_",
            "1.long_branch.f",
            "1.plt_branch.f",
        ];
        for name in hidden {
            assert!(name_is_hidden(name.as_bytes()), "{name}");
        }
        let seen = [
            "x$",
            "a.L",
            "_efistub_memcpy",
            "__pi_memcpy",
            "__kvm_nvhe_main",
            "__Arm_Thunk_foo",
            "_Thunk_",
            "___kcfi_typeid_f",
            "crc_f",
            "__ksymtab_f",
            "f_from_armour",
            "f_veneers",
            "L00",
            "L1",
            "_SDA_BASE_1",
            "__UNIQUE_ID_modinfo_1a",
            "__UNIQUE_ID_license_12",
            "long_branch",
            "f.isra.0",
        ];
        for name in seen {
            assert!(!name_is_hidden(name.as_bytes()), "{name}");
        }
    }
}
