//! Sections cut into atoms: what has a name, and windows of what has none.
//!
//! A window begins where something refers to, and ends where the next begins. So the same contents are the same window in
//! both objects, wherever they are.

use std::cmp::Reverse;

use klp_arch::Machine;
use object::elf::{STB_GLOBAL, STB_WEAK, STT_FILE, STT_NOTYPE, STT_OBJECT, STT_SECTION};

use super::atom::{Atom, AtomKind};
use super::class::Class;
use super::reference::of_slot;
use super::stem::{Nature, is_initcall, nature, stem};
use crate::elf::{Module, Symbol, SymbolIndex, SymbolSection, is_mapping_symbol};

/// A symbol on its way into an atom.
#[derive(Debug)]
struct Label<'data> {
    section: usize,
    start: u64,
    size: u64,
    /// Global symbols before weak and local ones.
    rank: u8,
    name: &'data [u8],
    symbol: SymbolIndex,
    is_object: bool,
    is_typed: bool,
    file: u32,
}

/// The atoms that have names, by section and offset, and the names of the object's source files.
pub(super) fn named<'data>(
    module: &Module<'data>,
    classes: &[Class],
) -> (Vec<Atom>, Vec<&'data [u8]>) {
    let mut files: Vec<&[u8]> = Vec::new();
    let mut labels: Vec<Label<'_>> = Vec::new();
    for symbol in module.symbols().skip(1) {
        if symbol.kind == STT_FILE {
            files.push(symbol.name);
        } else if let Some(mut label) = label(classes, &symbol) {
            let current = u32::try_from(files.len()).unwrap_or(u32::MAX);
            label.file = if label.rank == 2 { current } else { 0 };
            labels.push(label);
        }
    }
    // Of one file are all.
    if files.len() < 2 {
        labels.iter_mut().for_each(|label| label.file = label.file.max(1));
    }
    labels.sort_unstable_by_key(|label| {
        (
            label.section,
            label.start,
            Reverse(label.size),
            !label.is_typed,
            label.rank,
            label.name,
            label.symbol,
        )
    });
    let mut atoms: Vec<Atom> = Vec::with_capacity(labels.len());
    // For those without a size: the end is where the next begins.
    let mut open = false;
    for label in &labels {
        if let Some(last) = atoms.last_mut().filter(|last| last.section == label.section) {
            if open && label.start > last.span.start {
                last.span.end = label.start;
                open = false;
            }
            // Another name of it, or a name inside.
            if label.start < last.span.end || label.start == last.span.start {
                continue;
            }
        }
        let end = match label.size {
            0 => {
                open = true;
                module
                    .section(of_slot(label.section))
                    .map_or(label.start, |section| section.sh_size.max(label.start))
            }
            size => {
                open = false;
                label.start.saturating_add(size)
            }
        };
        atoms.push(Atom {
            section: label.section,
            span: label.start..end,
            kind: kind(classes.get(label.section), label),
            symbol: Some(label.symbol),
            file: label.file,
            references: 0..0,
            prefix: None,
        });
    }
    (atoms, files)
}

fn label<'data>(classes: &[Class], symbol: &Symbol<'data>) -> Option<Label<'data>> {
    let SymbolSection::Defined(section) = symbol.section else { return None };
    let section = section.slot();
    let named =
        symbol.kind != STT_SECTION && !symbol.name.is_empty() && !is_mapping_symbol(symbol.name);
    if !named || !classes.get(section).is_some_and(|class| class.has_atoms()) {
        return None;
    }
    Some(Label {
        section,
        start: symbol.st_value,
        size: symbol.st_size,
        rank: match symbol.bind {
            STB_GLOBAL => 0,
            STB_WEAK => 1,
            _ => 2,
        },
        name: symbol.name,
        symbol: symbol.index,
        is_object: symbol.kind == STT_OBJECT,
        is_typed: symbol.kind != STT_NOTYPE,
        file: 0,
    })
}

fn kind(class: Option<&Class>, label: &Label<'_>) -> AtomKind {
    match (class, nature(&stem(label.name))) {
        (Some(Class::Diagnostic(_)), _) => AtomKind::Diagnostic,
        // What stands before a function belongs to it.
        (Some(Class::Code), _)
            if label.name.starts_with(b"__cfi_") || label.name.starts_with(b"__pfx_") =>
        {
            AtomKind::Code
        }
        (Some(Class::Code), _) if !label.is_object => AtomKind::Function,
        _ if is_initcall(label.name) => AtomKind::Made,
        (Some(Class::Variable), Nature::Made) => AtomKind::Variable,
        (_, Nature::Made) => AtomKind::Made,
        (_, Nature::Diagnostic) => AtomKind::Diagnostic,
        (Some(Class::Variable), Nature::Own) => AtomKind::Variable,
        (_, Nature::Own) => AtomKind::Constant,
    }
}

/// Adds what has no name, cut where something refers to it: `cuts` are offsets by section, sorted. The result is sorted.
pub(super) fn with_windows(
    module: &Module<'_>,
    machine: &Machine,
    classes: &[Class],
    named: Vec<Atom>,
    cuts: &[(usize, u64)],
    is_relocated: &dyn Fn(usize, u64, u64) -> bool,
) -> Vec<Atom> {
    let mut atoms = Vec::with_capacity(named.len().saturating_add(cuts.len()));
    let mut named = named.into_iter().peekable();
    let mut cuts = cuts.iter().copied().peekable();
    for (section, class) in classes.iter().enumerate().filter(|(_, class)| class.has_atoms()) {
        let size = module.section(of_slot(section)).map_or(0, |section| section.sh_size);
        let mut at = 0;
        loop {
            let next = named.next_if(|atom| atom.section == section);
            let end = next.as_ref().map_or(size, |atom| atom.span.start);
            let mut start = at;
            while let Some((_, cut)) =
                cuts.next_if(|(of, cut)| *of == section && (*cut < end || next.is_none()))
            {
                // What an earlier name covers is no gap.
                if cut >= at && cut < end {
                    push_window(&mut atoms, *class, section, start..cut);
                    start = cut;
                }
            }
            let code = matches!(class, Class::Code);
            let bytes = module.body(of_slot(section));
            if code && start == at {
                // Nothing refers to it: what fills the gap between functions is left out.
                start = after_filler(machine, bytes, start..end, &|from, to| {
                    is_relocated(section, from, to)
                });
            }
            push_window(&mut atoms, *class, section, start..end);
            let Some(atom) = next else { break };
            at = at.max(atom.span.end);
            atoms.push(atom);
        }
    }
    atoms
}

fn push_window(atoms: &mut Vec<Atom>, class: Class, section: usize, span: std::ops::Range<u64>) {
    if span.start >= span.end {
        return;
    }
    let kind = match class {
        Class::Code => AtomKind::Code,
        Class::Diagnostic(_) => AtomKind::Diagnostic,
        _ => AtomKind::Made,
    };
    atoms.push(Atom { section, span, kind, symbol: None, file: 0, references: 0..0, prefix: None });
}

/// Where something begins that is not there to align what follows.
fn after_filler(
    machine: &Machine,
    body: &[u8],
    span: std::ops::Range<u64>,
    is_relocated: &dyn Fn(u64, u64) -> bool,
) -> u64 {
    let mut start = span.start;
    while start < span.end {
        let slice = usize::try_from(start).ok().zip(usize::try_from(span.end).ok());
        let rest = slice.and_then(|(start, end)| body.get(start..end)).unwrap_or_default();
        let length = machine.instructions.filler(rest);
        let end = start.saturating_add(u64::try_from(length).unwrap_or(0));
        if length == 0 || is_relocated(start, end) {
            break;
        }
        start = end;
    }
    start
}
