//! Names and marks of klp sections and symbols that the livepatch core refuses.

use super::good::{Good, in_section};
use super::{Then, Wrong};
use crate::patch::Patched;

const OF: &str = "lp_vmlinux_inferred";
const OF_GATED: &str = "lp_module_symbols";
const OF_HOMONYMS: &str = "lp_homonyms_annotated";

const fn refused(name: &'static str, spoil: fn(&Good) -> Patched) -> Wrong {
    Wrong::new(name, OF, Then::Refused, spoil)
}

const fn at_gate(name: &'static str, spoil: fn(&Good) -> Patched) -> Wrong {
    Wrong::new(name, OF_GATED, Then::RefusedAtGate, spoil)
}

/// Gives the first klp symbol another name.
fn called(good: &Good, name: &str) -> Patched {
    good.copy().rename(good.klp_symbol(), name)
}

/// Gives a klp symbol another position.
fn at_position(good: &Good, symbol: usize, position: &str) -> Patched {
    let name = &good.image.symbols[symbol].name;
    let name = name.rsplit_once(',').unwrap().0;
    good.copy().rename(symbol, &format!("{name},{position}"))
}

/// A klp symbol that was given a position.
fn homonym(good: &Good) -> usize {
    let klp = |name: &str| name.starts_with(".klp.sym.") && !name.ends_with(",0");
    good.image.symbols.iter().position(|symbol| klp(&symbol.name)).unwrap()
}

pub(super) const ALL: &[Wrong] = &[
    refused("klp-section/malformed", |good| {
        good.copy().rename_section(&good.first_klp().name, ".klp.rela..text")
    }),
    Wrong::new("klp-section/malformed-gated", OF_GATED, Then::Refused, |good| {
        good.copy().rename_section(&good.first_klp().name, ".klp.rela..text")
    }),
    refused("klp-section/other-prefix", |good| {
        good.copy().rename_section(&good.first_klp().name, ".rela.klp.vmlinux..text")
    }),
    refused("klp-symbol/not-marked", |good| in_section(good.copy(), good.klp_symbol(), 0xfff1)),
    at_gate("klp-symbol/not-marked-late", |good| {
        in_section(good.copy(), good.klp_symbol(), 0xfff1)
    }),
    refused("klp-symbol/no-position", |good| called(good, ".klp.sym.vmlinux.nr_processes")),
    refused("klp-symbol/no-number", |good| called(good, ".klp.sym.vmlinux.nr_processes,x")),
    refused("klp-symbol/no-object", |good| called(good, ".klp.sym..nr_processes,0")),
    refused("klp-symbol/other-prefix", |good| called(good, ".klp.sim.vmlinux.nr_processes,0")),
    refused("klp-symbol/long-object", |good| {
        called(good, &format!(".klp.sym.{}.nr_processes,0", "v".repeat(56)))
    }),
    refused("klp-symbol/long-name", |good| {
        called(good, &format!(".klp.sym.vmlinux.{},0", "n".repeat(512)))
    }),
    at_gate("klp-symbol/no-position-late", |good| {
        called(good, ".klp.sym.klp_target_a.klp_target_a_hidden")
    }),
    refused("klp-symbol/not-found", |good| called(good, ".klp.sym.vmlinux.no_such_function,0")),
    refused("klp-symbol/not-found-at-position", |good| {
        called(good, ".klp.sym.vmlinux.no_such_function,3")
    }),
    refused("klp-symbol/longest-name-not-found", |good| {
        called(good, &format!(".klp.sym.vmlinux.{},0", "n".repeat(511)))
    }),
    at_gate("klp-symbol/not-found-late", |good| {
        called(good, ".klp.sym.klp_target_a.no_such_function,0")
    }),
    refused("klp-symbol/position-not-found", |good| at_position(good, good.klp_symbol(), "7")),
    refused("klp-symbol/position-wraps", |good| {
        at_position(good, good.klp_symbol(), "18446744073709551623")
    }),
    at_gate("klp-symbol/position-not-found-late", |good| at_position(good, good.klp_symbol(), "7")),
    Wrong::new("klp-symbol/ambiguous", OF_HOMONYMS, Then::Refused, |good| {
        at_position(good, homonym(good), "0")
    }),
    at_gate("klp-symbol/ambiguous-late", |good| at_position(good, homonym(good), "0"))
        .after_others(),
    refused("klp-symbol/of-absent-module", |good| {
        called(good, ".klp.sym.klp_target_a.klp_target_a_hidden,0")
    })
    .unsaid("check takes every module of its map to be loaded"),
    at_gate("klp-symbol/of-vmlinux", |good| called(good, ".klp.sym.vmlinux.nr_processes,0")),
    refused("livepatch-marker", |good| good.copy().replace(b"\0livepatch=", b"\0livepatcx=")),
    Wrong::new("livepatch-marker/gated", OF_GATED, Then::Refused, |good| {
        good.copy().replace(b"\0livepatch=", b"\0livepatcx=")
    }),
];
