//! Fields of the file's structures, and what they are changed into.

/// A field: its name, its offset in the structure, its width in bytes.
pub(super) type Field = (&'static str, usize, usize);

/// Not `EI_CLASS` and `EI_DATA`, which kernels do not look at, and which we do (`docs/verdict.md`).
pub(super) const HEADER: [Field; 11] = [
    ("EI_VERSION", 6, 1),
    ("EI_OSABI", 7, 1),
    ("e_type", 16, 2),
    ("e_machine", 18, 2),
    ("e_version", 20, 4),
    ("e_shoff", 40, 8),
    ("e_flags", 48, 4),
    ("e_ehsize", 52, 2),
    ("e_shentsize", 58, 2),
    ("e_shnum", 60, 2),
    ("e_shstrndx", 62, 2),
];
pub(super) const SECTION: [Field; 10] = [
    ("sh_name", 0, 4),
    ("sh_type", 4, 4),
    ("sh_flags", 8, 8),
    ("sh_addr", 16, 8),
    ("sh_offset", 24, 8),
    ("sh_size", 32, 8),
    ("sh_link", 40, 4),
    ("sh_info", 44, 4),
    ("sh_addralign", 48, 8),
    ("sh_entsize", 56, 8),
];
pub(super) const SYMBOL: [Field; 6] = [
    ("st_name", 0, 4),
    ("st_info", 4, 1),
    ("st_other", 5, 1),
    ("st_shndx", 6, 2),
    ("st_value", 8, 8),
    ("st_size", 16, 8),
];
pub(super) const RELA: [Field; 4] =
    [("r_offset", 0, 8), ("type", 8, 4), ("symbol", 12, 4), ("r_addend", 16, 8)];

/// Names that the loader looks for.
pub(super) const SECTION_NAMES: [&str; 40] = [
    ".modinfo",
    "__versions",
    "__version_ext_crcs",
    "__version_ext_names",
    ".gnu.linkonce.this_module",
    "__ksymtab",
    "__ksymtab_gpl",
    "__ksymtab_strings",
    "__kcrctab",
    "__kflagstab",
    "__param",
    ".data..percpu",
    ".data..ro_after_init",
    ".init.text",
    ".init.data",
    ".exit.text",
    ".exit.data",
    ".ctors",
    ".init_array",
    ".BTF",
    ".symtab",
    ".strtab",
    ".note.x",
    ".text",
    ".text.x",
    ".stubs",
    ".toc",
    ".got",
    ".plt",
    ".init.plt",
    ".text.ftrace_trampoline",
    ".fixup",
    ".debug_info",
    ".klp.rela.vmlinux..text",
    ".klp.rela.klp_target_a..text",
    ".klp.rela.vmlinux..symtab",
    ".klp.rela..text",
    ".klp.rela.vmlinux",
    ".klp.rela.no_such_module..data",
    "",
];
/// Names of symbols that the loader treats specially, and some that are wrong.
pub(super) const SYMBOL_NAMES: [&str; 26] = [
    "",
    ".TOC.",
    "_GLOBAL_OFFSET_TABLE_",
    "init_module",
    "cleanup_module",
    "__this_module",
    "_printk",
    "nr_processes",
    "no_such_symbol",
    "$x",
    ".Lanything",
    "__mod_device_table__x__y",
    ".klp.sym.vmlinux.nr_processes,0",
    ".klp.sym.vmlinux.nr_processes,1",
    ".klp.sym.vmlinux.nr_processes,2",
    ".klp.sym.vmlinux.nr_processes",
    ".klp.sym.vmlinux.nr_processes,x",
    ".klp.sym.vmlinux.no_such_symbol,0",
    ".klp.sym.vmlinux.trace_module_notify,0",
    ".klp.sym.vmlinux.trace_module_notify,2",
    ".klp.sym.vmlinux.trace_module_notify,3",
    ".klp.sym.klp_target_a.klp_target_a_hidden,0",
    ".klp.sym.klp_target_a.klp_target_a_hidden,1",
    ".klp.sym.klp_target_b.klp_target_b_hidden,0",
    ".klp.sym.no_such_module.f,0",
    ".klp.sym..f,0",
];
/// Types that exist somewhere: `SHT_*`, of which the kernel knows a few.
pub(super) const SECTION_TYPES: [u64; 16] =
    [0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 14, 17, 18, 0x6fff_fff6, 0x7000_0001, 0xffff_ffff];
/// Reserved section indices, and some around them.
pub(super) const INDICES: [u64; 8] = [0, 0xff00, 0xff1f, 0xff20, 0xff21, 0xfff1, 0xfff2, 0xffff];
