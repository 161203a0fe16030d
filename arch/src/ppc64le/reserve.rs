//! How many stubs a module may need, and what else is edited before its memory is allocated.
//!
//! Every relocation table is sorted, which groups equal calls, and the distinct calls
//! are counted. The kernel keeps the last addend in an unsigned 32-bit variable, and compares
//! it with 64 bits: negative addends never compare equal, and each counts; addends that
//! differ by a multiple of 2³² may compare equal though they need two stubs.
//! Source: `module_frob_arch_sections`, `get_stubs_size`, `count_relocs`, `get_got_size` and
//! `dedotify` of `arch/powerpc/kernel/module_64.c`.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use super::got::{self, Slots};
use super::stubs::Stubs;
use super::{REL24, REL24_NOTOC, entry, ftrace};
use crate::linkage::Configuration;
use crate::object::{Object, Rela, SHN_ABS, SHN_UNDEF, SHT_RELA};
use crate::refusal::{Errno, KernelError};
use crate::row::Features;
use crate::sort::{Generation, sort_by_key};

/// `R_PPC64_GOT_PCREL34`.
const GOT_PCREL34: u32 = 133;
/// Bytes of `struct modversion_info`, and where the name starts in it.
const VERSION: (usize, usize) = (64, 8);

/// Edits the temporary copy; returns what keeps track of the reserved room.
pub(super) fn reserve(
    object: &mut Object<'_>,
    configuration: &Configuration,
) -> Result<Stubs, KernelError> {
    let features = configuration.features;
    let pcrel = features.contains(Features::PCREL);
    // Of several sections with the same name the loader uses the last.
    let last = |object: &Object<'_>, name: &[u8]| {
        object.sections.iter().skip(1).rposition(|s| s.name == name).map(|index| index + 1)
    };
    let stubs = last(object, b".stubs").ok_or_else(|| lacks(object, ".stubs"))?;
    let mut slots = Slots::default();
    let mut toc = stubs;
    if pcrel {
        slots.section = last(object, b".mygot").ok_or_else(|| lacks(object, ".mygot"))?;
        slots.percpu = last(object, b".data..percpu").unwrap_or(0);
    } else {
        toc = last(object, b".toc").unwrap_or(stubs);
        dedotify(object);
    }
    let aligned: &[u8] = if pcrel { b".mygot" } else { b".toc" };
    for section in object.sections.iter_mut().skip(1).filter(|s| s.name == aligned) {
        section.sh_addralign = section.sh_addralign.max(8);
    }
    let demand = demand(object, features, slots.percpu);
    let mut traced = 0;
    let mut room = demand.stubs;
    room += u64::from(features.contains(Features::STUB_TERMINATOR));
    room += u64::from(features.contains(Features::DYNAMIC_FTRACE));
    room += u64::from(features.contains(Features::DYNAMIC_FTRACE_WITH_REGS));
    if features.contains(Features::FTRACE_OUT_OF_LINE) {
        let sites = object.find(ftrace::SITES).and_then(|index| object.sections.get(index));
        // The kernel keeps the number in 32 bits.
        let sites = sites.map_or(0, |section| (section.sh_size / 8) & 0xffff_ffff);
        traced = u32::try_from(sites).unwrap_or(u32::MAX);
        room += ftrace::block(features, traced);
    }
    let mut resize = |index: usize, size: u64| {
        if let Some(section) = object.sections.get_mut(index) {
            section.sh_size = size;
        }
    };
    resize(stubs, room.saturating_mul(entry::SIZE));
    if pcrel {
        resize(slots.section, demand.slots.saturating_mul(got::SIZE));
    }
    Ok(Stubs {
        configuration: configuration.clone(),
        section: stubs,
        toc,
        traced,
        got: slots,
        area: None,
        r2: 0,
        slots: BTreeMap::new(),
        last: None,
        used: 0,
        indeterminate: Vec::new(),
    })
}

/// The refusal of a module that lacks a section.
fn lacks(object: &Object<'_>, section: &str) -> KernelError {
    let name = object.module_name();
    let message = format!("module_64: {name}: doesn't contain {section}.");
    KernelError { errno: Errno::ENOEXEC, message }
}

/// What the tables may need.
struct Demand {
    stubs: u64,
    slots: u64,
}

/// Sorts all tables, and counts what they may need.
fn demand(object: &mut Object<'_>, features: Features, percpu: usize) -> Demand {
    let pcrel = features.contains(Features::PCREL);
    let generation = Generation::of(features);
    // The last slot stays 0.
    let mut demand = Demand { stubs: 0, slots: 1 };
    for index in 1..object.sections.len() {
        if object.sections.get(index).is_none_or(|section| section.sh_type != SHT_RELA) {
            continue;
        }
        let mut relas: Vec<Rela> = object.relas(index).collect();
        // Slots are counted before stubs, each with a sort of its own, which swaps equal entries.
        for _ in 0..if pcrel { 2 } else { 1 } {
            sort_by_key(generation, &mut relas, descending);
        }
        demand.stubs += count(&relas, |rela| rela.kind == REL24);
        if pcrel {
            demand.stubs += count(&relas, |rela| rela.kind == REL24_NOTOC);
            demand.slots += count(&relas, |rela| rela.kind == GOT_PCREL34);
            demand.slots += count(&relas, |rela| {
                let slot = usize::try_from(rela.symbol).ok();
                let symbol = slot.and_then(|slot| object.symbols.get(slot));
                symbol.is_some_and(|symbol| usize::from(symbol.st_shndx) == percpu)
            });
        }
        object.reorder(index, &relas);
    }
    demand
}

/// What `relacmp` compares: symbol, type and addend, the greatest first.
fn descending(rela: &Rela) -> u128 {
    let addend = rela.addend.cast_unsigned() ^ 1 << 63;
    !(u128::from(rela.symbol) << 96 | u128::from(rela.kind) << 64 | u128::from(addend))
}

/// How many of the wanted entries differ from the previous wanted one, as the kernel compares
/// (`count_relocs`, `count_pcpu_relocs`).
fn count(relas: &[Rela], wanted: impl Fn(&Rela) -> bool) -> u64 {
    let mut last = (0, 0);
    let mut count = 0;
    for rela in relas.iter().filter(|rela| wanted(rela)) {
        if last != (rela.symbol, rela.addend) {
            count += 1;
            last = (rela.symbol, rela.addend & 0xffff_ffff);
        }
    }
    count
}

/// Removes a leading dot from the names of undefined symbols, and defines `.TOC.`.
fn dedotify(object: &mut Object<'_>) {
    for symbol in object.symbols.iter_mut().skip(1).filter(|s| s.st_shndx == SHN_UNDEF) {
        let Some((b'.', name)) = symbol.name.split_first() else { continue };
        if *name == b"TOC."[..] {
            symbol.st_shndx = SHN_ABS;
        }
        symbol.name = name;
    }
    for section in object.sections.iter_mut().skip(1) {
        match section.name {
            b"__versions" => dedotify_versions(&mut section.body),
            b"__version_ext_names" => dedotify_names(&mut section.body),
            _ => {}
        }
    }
}

/// The names of `struct modversion_info`, each in a field of its own.
fn dedotify_versions(body: &mut Cow<'_, [u8]>) {
    let (size, start) = VERSION;
    if !body.chunks_exact(size).any(|version| version.get(start) == Some(&b'.')) {
        return;
    }
    for name in body.to_mut().chunks_exact_mut(size).filter_map(|version| version.get_mut(start..))
    {
        if name.first() == Some(&b'.') {
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
            // The NUL moves along, and also stays where it was.
            name.copy_within(1..name.len().min(end + 1), 0);
        }
    }
}

/// The names of `__version_ext_names`, one after the other.
fn dedotify_names(body: &mut Cow<'_, [u8]>) {
    let length = body.len();
    if !body.starts_with(b".") && !body.windows(2).any(|pair| pair == b"\0.") {
        return;
    }
    let mut last = 0;
    let mut names: Vec<u8> = Vec::with_capacity(length);
    let mut bytes = body.iter().copied();
    while let Some(byte) = bytes.next() {
        let skips = last == 0 && byte == b'.';
        last = if skips { bytes.next().unwrap_or(0) } else { byte };
        names.push(last);
    }
    names.resize(length, 0);
    *body = Cow::Owned(names);
}
