//! Which symbols of a linked vmlinux are in the kernel's own table, and in which order.
//!
//! `scripts/link-vmlinux.sh` makes the table from `nm -n vmlinux | sed -f scripts/mksysmap`, which
//! `scripts/kallsyms.c` filters again and sorts. A symbol that is not in it has no position, and one
//! wrongly assumed to be in it shifts all that follow. What is dropped depends on the version,
//! and the version is known only after all symbols were read: [`visible`] is what every kernel
//! keeps, [`drop_hidden`] drops what this one does not. Invariant: both together leave exactly the symbols
//! of `System.map` less the absolute ones. The two scripts were read in Linux 6.1 to 7.3
//! (`docs/kernels.md`). Livepatch needs `CONFIG_KALLSYMS_ALL`, so no address range limits the table.

use klp_arch::{KernelVersion, VersionRange};
use object::elf;

use super::table::{Shndx, Symbol};
use crate::name::{SYMBOL_NAME_MAX, symbol_name_max};
use crate::symbols::Binding;
use crate::symbols::data::Object;

/// What hides a name: the rules of `scripts/mksysmap`, in its order.
#[derive(Debug, Clone, Copy)]
enum Hides {
    Prefix(&'static str),
    Suffix(&'static str),
    Exact(&'static str),
    Contains(&'static str),
    /// A prefix, then decimal digits only.
    Numbered(&'static str),
    /// A prefix, then letters and digits, then this suffix.
    Thunk(&'static str, &'static str),
}

use Hides::{Contains, Exact, Numbered, Prefix, Suffix, Thunk};

const HIDDEN: &[Hides] = &[
    // Local symbols for ARM, MIPS and others (mapping symbols), and local labels.
    Prefix("$"),
    Prefix(".L"),
    // arm64: EFI stub, hypervisor without VHE.
    Prefix("__efistub_"),
    Prefix("__kvm_nvhe_$"),
    Prefix("__kvm_nvhe_.L"),
    // Thunks of lld.
    Thunk("__", "Thunk_"),
    Prefix("__kcfi_typeid_"),
    // CRCs and strings of exports.
    Prefix("__crc_"),
    Prefix("__kstrtab_"),
    Prefix("__kstrtabns_"),
    // ARM interworking and veneers.
    Suffix("_from_arm"),
    Suffix("_from_thumb"),
    Suffix("_veneer"),
    Exact("L0"),
    // PowerPC.
    Exact("_SDA_BASE_"),
    Exact("_SDA2_BASE_"),
    // PowerPC stubs.
    Contains(".long_branch."),
    Contains(".plt_branch."),
];

/// Rules of some kernels only.
const HIDDEN_IN: &[(VersionRange, Hides)] = &[
    // arm64, position-independent start: not in `mksysmap` of 6.4, in that of 6.5.
    (VersionRange::since(6, 5), Prefix("__pi_$")),
    (VersionRange::since(6, 5), Prefix("__pi_.L")),
    (VersionRange::since(6, 5), Prefix("__kvm_nvhe___kcfi_typeid_")),
    (VersionRange::since(6, 5), Prefix("__pi___kcfi_typeid_")),
    // Device tables and module information of built-in code: not in `mksysmap` of 6.17, in that of
    // 6.18. 6.19 put `_` before the number, which 7.2 drops and 7.1 does not.
    (VersionRange::since(6, 18), Prefix("__mod_device_table__")),
    (VersionRange::since(6, 18).and_before(7, 2), Numbered("__UNIQUE_ID_modinfo")),
    (VersionRange::since(7, 2), Numbered("__UNIQUE_ID_modinfo_")),
    // The tables themselves, which differed between the passes of linking: `ignored_symbols` in
    // `kallsyms.c` until 6.3, from 6.4 to 6.9 whatever the object of the previous pass has
    // (`link-vmlinux.sh`), nothing since 6.10.
    (VersionRange::before(6, 10), Exact("kallsyms_addresses")),
    (VersionRange::before(6, 10), Exact("kallsyms_offsets")),
    (VersionRange::before(6, 10), Exact("kallsyms_relative_base")),
    (VersionRange::before(6, 10), Exact("kallsyms_num_syms")),
    (VersionRange::before(6, 10), Exact("kallsyms_names")),
    (VersionRange::before(6, 10), Exact("kallsyms_markers")),
    (VersionRange::before(6, 10), Exact("kallsyms_token_table")),
    (VersionRange::before(6, 10), Exact("kallsyms_token_index")),
    (VersionRange::before(6, 10), Exact("kallsyms_seqs_of_names")),
];

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

/// Drops the symbols of vmlinux that the table of a kernel of this version does not have.
pub(crate) fn drop_hidden(vmlinux: &mut Object, version: KernelVersion) {
    let hides = hidden_in(version);
    let text = std::mem::take(&mut vmlinux.text);
    vmlinux.symbols.retain(|symbol| !hides(symbol.name.of(&text)));
    vmlinux.text = text;
}

/// Whether the table of a kernel of this version drops a name that others keep.
fn hidden_in(version: KernelVersion) -> impl Fn(&[u8]) -> bool {
    // `KSYM_NAME_LEN` of `scripts/kallsyms.c`.
    let longest = symbol_name_max(version);
    let rules = HIDDEN_IN.iter().filter(|(versions, _)| versions.contains(version));
    let rules: Vec<Hides> = rules.map(|(_, rule)| *rule).collect();
    move |name| name.len() > longest || rules.iter().any(|rule| rule.hides(name))
}

/// Whether every kernel's table drops a name, whatever its type.
fn name_is_hidden(name: &[u8]) -> bool {
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

/// Whether a kernel's table has the symbol, if [`drop_hidden`] does not drop it.
pub(crate) fn visible(symbol: &Symbol<'_>) -> bool {
    !symbol.name.is_empty()
        && symbol.name.len() <= SYMBOL_NAME_MAX
        && type_is_listed(symbol)
        && !name_is_hidden(symbol.name)
}

/// Whether `nm` prints the symbol, with a type that `mksysmap` (`aNUw`) and `kallsyms` (`unAa`) keep.
fn type_is_listed(symbol: &Symbol<'_>) -> bool {
    // nm omits debugging symbols by default.
    if matches!(symbol.st_type(), elf::STT_SECTION | elf::STT_FILE) {
        return false;
    }
    match symbol.shndx {
        Shndx::Undefined => false,
        // nm checks for weak before it checks the section: W or V.
        _ if symbol.binding() == Binding::Weak => true,
        _ if symbol.is_gnu_unique() => false,
        Shndx::Absolute => {
            symbol.binding() == Binding::Global
                && ABSOLUTE.iter().any(|name| name.as_bytes() == symbol.name)
        }
        Shndx::Common | Shndx::Reserved => true,
        Shndx::Section(_) => !symbol.section.is_some_and(|(section, name)| {
            let loaded = section.has(elf::SHF_ALLOC) || section.has(elf::SHF_EXECINSTR);
            let bare = section.sh_type == elf::SHT_NOBITS.0;
            let debugging = DEBUGGING.iter().any(|start| name.starts_with(start.as_bytes()));
            // Types N and n: not loaded, with contents, and debugging or read-only.
            !loaded && !bare && (debugging || !section.has(elf::SHF_WRITE))
        }),
    }
}

/// Whether a kernel's table has a symbol with this letter of `nm`, if [`drop_hidden`]
/// does not drop it.
pub(crate) fn lists(letter: u8, name: &[u8]) -> bool {
    // Types that `mksysmap` (`aNUw`) and `kallsyms` (`unAa`) drop.
    let dropped = match letter {
        b'N' | b'n' | b'U' | b'u' | b'w' | b'a' => true,
        b'A' => !ABSOLUTE.iter().any(|kept| kept.as_bytes() == name),
        _ => false,
    };
    !dropped && name.len() <= SYMBOL_NAME_MAX && !name_is_hidden(name)
}

/// The sort key of the kernel's table, for symbols of one name (`compare_symbols`): the address,
/// then weak symbols last (`W`; a weak object, `V`, does not count as weak), then the
/// input order.
pub(crate) fn rank(address: u64, letter: u8, input: u64) -> (u64, bool, u64) {
    (address, letter.eq_ignore_ascii_case(&b'w'), input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_of_mksysmap_hides_its_names_and_no_similar_ones() {
        let hidden = [
            "$x",
            "$d.12",
            ".Ltmp1",
            "__efistub_memcpy",
            "__kvm_nvhe_$d",
            "__kvm_nvhe_.L2",
            "__AArch64ADRPThunk_foo",
            "__Thunk_",
            "__kcfi_typeid_f",
            "__crc_f",
            "__kstrtab_f",
            "__kstrtabns_f",
            "f_from_arm",
            "f_from_thumb",
            "f_veneer",
            "L0",
            "_SDA_BASE_",
            "_SDA2_BASE_",
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

    #[test]
    fn a_kernel_drops_what_its_own_scripts_drop() {
        let hidden = |release: Option<&str>, name: &str| {
            let version = release.and_then(|release| release.parse().ok());
            hidden_in(version.unwrap_or(KernelVersion::NEWEST))(name.as_bytes())
        };
        for (release, early) in [
            (Some("5.14.0-503.el9"), true),
            (Some("6.1.0-50-amd64"), true),
            (Some("6.4.6"), true),
            (Some("6.12.117"), false),
            (Some("7.2.13"), false),
            (Some("next"), false),
            (None, false),
        ] {
            assert_eq!(hidden(release, "kallsyms_names"), early, "{release:?}");
            for name in ["__pi_$x", "__pi_.L1", "__kvm_nvhe___kcfi_typeid_f"] {
                assert_eq!(hidden(release, name), !early, "{release:?} {name}");
            }
            assert!(!hidden(release, "kallsyms_lookup_name"));
            assert!(!hidden(release, "__UNIQUE_ID_modinfo_1a"));
            let new = !early && release != Some("6.12.117");
            for name in ["__mod_device_table__pci", "__UNIQUE_ID_modinfo_12"] {
                assert_eq!(hidden(release, name), new, "{release:?} {name}");
            }
            assert!(!hidden(release, "__pi_memcpy"));
        }
        assert!(hidden(Some("6.9.0"), "kallsyms_names") && hidden(Some("6.9.0"), "__pi_$x"));
        assert!(!hidden(Some("6.10.0"), "kallsyms_names"));
        let unique = ["__UNIQUE_ID_modinfo12", "__UNIQUE_ID_modinfo_12"];
        for (release, expected) in [
            ("6.17.0", [false, false]),
            ("6.18.2", [true, false]),
            ("7.1.5", [true, false]),
            ("7.2.13", [false, true]),
        ] {
            assert_eq!(unique.map(|name| hidden(Some(release), name)), expected, "{release}");
        }
    }

    #[test]
    fn no_rule_starts_after_the_newest_known_kernel() {
        let later = KernelVersion::new(99, 0);
        for (versions, rule) in HIDDEN_IN {
            assert_eq!(
                versions.contains(KernelVersion::NEWEST),
                versions.contains(later),
                "{rule:?}"
            );
        }
    }

    #[test]
    fn names_of_128_bytes_came_with_linux_6_1() {
        let (fits, long) = ([b'x'; 127], [b'x'; 128]);
        for (release, short) in
            [("4.18.0", true), ("6.0.19", true), ("6.1.1", false), ("10.0", false)]
        {
            let hidden = hidden_in(release.parse().unwrap());
            assert_eq!((hidden(&fits), hidden(&long)), (false, short));
        }
    }
}
