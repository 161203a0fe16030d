//! Symbols that the kernel cannot give a value.

use super::good::{Good, in_section};
use super::{Then, Wrong};

const OF: &str = "lp_vmlinux_inferred";

const fn refused(name: &'static str, spoil: fn(&Good) -> crate::patch::Patched) -> Wrong {
    Wrong::new(name, OF, Then::Refused, spoil)
}

pub(super) const ALL: &[Wrong] = &[
    refused("symbol/unknown", |good| {
        good.copy().rename(good.symbol("seq_printf"), "no_such_export")
    }),
    refused("symbol/two-unknown", |good| {
        let patched = good.copy().rename(good.symbol("seq_printf"), "no_such_export");
        patched.rename(good.symbol("klp_enable_patch"), "no_such_export_either")
    }),
    refused("symbol/not-converted", |good| {
        // As it was before the conversion.
        let symbol = good.klp_symbol();
        let name = good.image.symbols[symbol].name.clone();
        let name = name.rsplit_once(',').unwrap().0.rsplit_once('.').unwrap().1.to_owned();
        in_section(good.copy().rename(symbol, &name), symbol, 0)
    }),
    refused("symbol/gpl-only", |good| good.copy().replace(b"Dual MIT/GPL", b"Dual MIT/BSD")),
    refused("symbol/namespace", |good| {
        good.copy().rename(good.symbol("seq_printf"), "insert_resource_expand_to_fit")
    }),
    refused("symbol/for-other-modules", |good| {
        good.copy().rename(good.symbol("seq_printf"), "anon_inode_make_secure_inode")
    })
    .since(6, 16),
    refused("symbol/namespace-of-modules", |good| {
        good.copy().append(".modinfo", b"import_ns=module:kvm\0")
    })
    .since(6, 16),
    refused("symbol/common", |good| in_section(good.copy(), good.symbol("seq_printf"), 0xfff2)),
    refused("symbol/no-such-section", |good| {
        in_section(good.copy(), good.symbol("seq_printf"), 0xff01)
    }),
    refused("symbol/of-absent-module", |good| {
        let exported = in_section(good.copy(), good.klp_symbol(), 0);
        exported.rename(good.klp_symbol(), "klp_target_a_exported")
    })
    .unsaid("check takes every module of its map to be loaded"),
    refused("symbol/common-and-unknown", |good| {
        let patched = good.copy().rename(good.symbol("klp_enable_patch"), "no_such_export");
        in_section(patched, good.symbol("seq_printf"), 0xfff2)
    }),
];
