//! An object cut into atoms that know what they refer to.

use std::collections::BTreeMap;

use bstr::ByteSlice;
use klp_arch::{Branch, Machine};
use object::elf::STB_LOCAL;

use super::atom::{Atom, AtomIndex, AtomKind};
use super::by_section::BySection;
use super::class::{Class, classes};
use super::cut;
use super::entries::Table;
use super::reference::{RESOLVED, Reference, Target, of_slot, relocations};
use super::relative;
use crate::elf::{Module, SectionIndex, SymbolSection};
use crate::findings::Error;
use crate::kmod;
use crate::name::shown;
use crate::target::machine;

/// An object.
#[derive(Debug)]
pub(super) struct Object<'data> {
    pub(super) module: Module<'data>,
    pub(super) machine: &'static Machine,
    pub(super) classes: Vec<Class>,
    /// By section and offset; the entries of tables after all others.
    pub(super) atoms: Vec<Atom>,
    /// By section and offset.
    pub(super) references: Vec<Reference>,
    pub(super) tables: Vec<Table>,
    /// The entries that belong to a function: function and entry, sorted; those of one function in the order of its tables.
    pub(super) entries: Vec<(AtomIndex, AtomIndex)>,
    /// Names of source files, where there are several.
    pub(super) files: Vec<&'data [u8]>,
    /// Whether something refers to each atom.
    referred: Vec<bool>,
    /// Those atoms that are no entries.
    cut: BySection,
}

impl<'data> Object<'data> {
    /// # Errors
    /// [`Error`]: it is not a relocatable file of a known machine.
    pub(super) fn read(data: &'data [u8]) -> Result<Self, Error> {
        let module = Module::parse(data)?;
        let machine = machine(&module)?;
        let classes = classes(&module, machine);
        let (named, files) = cut::named(&module, &classes);
        let mut object = Self {
            module,
            machine,
            classes,
            atoms: Vec::new(),
            references: Vec::new(),
            tables: Vec::new(),
            entries: Vec::new(),
            files,
            referred: Vec::new(),
            cut: BySection::default(),
        };
        let by_section = BySection::of(&named, object.classes.len());
        object.read_references(&named, &by_section);
        object.cut(named, &by_section);
        object.settle();
        object.read_entries();
        object.settle_entries();
        object.mark_referred();
        object.attach_prefixes();
        Ok(object)
    }

    /// All references, by section and offset.
    fn read_references(&mut self, named: &[Atom], by_section: &BySection) {
        let mut tables: BTreeMap<usize, Vec<SectionIndex>> = BTreeMap::new();
        for table in self.module.relocation_sections() {
            let section = SectionIndex::new(table.sh_info).slot();
            tables.entry(section).or_default().push(table.index);
        }
        for section in 0..self.classes.len() {
            let class = self.classes.get(section).copied().unwrap_or(Class::Left);
            if matches!(class, Class::Left) {
                continue;
            }
            let own = tables.get(&section).map_or(&[][..], Vec::as_slice);
            let mut found = relocations(&self.module, self.machine, &self.classes, own, section);
            let own = named.get(by_section.range(section)).unwrap_or_default();
            if matches!(class, Class::Code) {
                self.resolved(section, own, &mut found);
            }
            if matches!(class, Class::Constant | Class::Variable) {
                let view = (&self.module, self.machine, &*self.classes);
                relative::correct(view, own, named, &mut found);
            }
            let table = Table::read(&self.module, &self.classes, section, &mut found);
            self.tables.extend(table);
            self.references.append(&mut found);
        }
    }

    /// Adds the references that the assembler has resolved, where there are several functions or something else.
    fn resolved(&self, section: usize, functions: &[Atom], references: &mut Vec<Reference>) {
        let size = self.module.section(of_slot(section)).map_or(0, |section| section.sh_size);
        if functions.len() < 2 && functions.first().is_none_or(|only| only.span == (0..size)) {
            return;
        }
        let before = references.len();
        let body = self.module.body(of_slot(section));
        for atom in functions.iter().filter(|atom| atom.kind == AtomKind::Function) {
            let code = bytes(body, atom.span.start, atom.span.end);
            let length = i64::try_from(code.len()).unwrap_or(i64::MAX);
            let decoded = self.machine.instructions.references(code);
            let exact = decoded.is_some();
            let branches = decoded.unwrap_or_else(|| self.machine.instructions.branches(code));
            let within = atom.span.start.cast_signed().saturating_neg()
                ..=size.saturating_sub(atom.span.start).cast_signed();
            // What only looks like a reference does not lead to the start of a function.
            let starts = |target: i64| {
                let place = atom.span.start.checked_add_signed(target);
                place.is_some_and(|place| {
                    functions.binary_search_by_key(&place, |f| f.span.start).is_ok()
                })
            };
            let leaves = |branch: &&Branch| {
                !(0..length).contains(&branch.target)
                    && within.contains(&branch.target)
                    && (exact || starts(branch.target))
            };
            for branch in branches.iter().filter(leaves) {
                let field = u64::try_from(branch.field).unwrap_or(u64::MAX);
                let offset = atom.span.start.saturating_add(field);
                let there = references.get(..before).unwrap_or_default();
                let first = there.partition_point(|reference| reference.offset < offset);
                // The field of a relocation is nothing that the assembler has resolved.
                let last = branch.mask.iter().rposition(|bits| *bits != 0).unwrap_or(0);
                let end = offset.saturating_add(u64::try_from(last).unwrap_or(0));
                if there.get(first).is_some_and(|reference| reference.offset <= end) {
                    continue;
                }
                let target = atom.span.start.wrapping_add_signed(branch.target).cast_signed();
                let to = Target::Place { section, offset: target, symbol: None };
                references.push(Reference {
                    section,
                    offset,
                    kind: RESOLVED,
                    mask: branch.mask,
                    from_table: false,
                    to,
                });
            }
        }
        if references.len() > before {
            references.sort_by_key(|reference| (reference.offset, reference.kind));
        }
    }

    /// Cuts what has no name where something refers to it.
    fn cut(&mut self, named: Vec<Atom>, by_section: &BySection) {
        let mut cuts = Vec::new();
        for reference in &self.references {
            let Target::Place { section, offset, symbol: None } = reference.to else { continue };
            let Ok(offset) = u64::try_from(offset) else { continue };
            let before = by_section.before(&named, section, offset);
            let before = before.and_then(|index| named.get(index));
            let covers = before.is_some_and(|atom| atom.span.contains(&offset));
            let cut = self.classes.get(section).is_some_and(|class| class.has_atoms());
            if cut && !covers && !self.is_end(reference) {
                cuts.push((section, offset));
            }
        }
        cuts.sort_unstable();
        cuts.dedup();
        let references = &self.references;
        let is_relocated = |section: usize, from: u64, to: u64| {
            let first = references.partition_point(|r| (r.section, r.offset) < (section, from));
            references.get(first).is_some_and(|r| r.section == section && r.offset < to)
        };
        self.atoms = cut::with_windows(
            &self.module,
            self.machine,
            &self.classes,
            named,
            &cuts,
            &is_relocated,
        );
        self.cut = BySection::of(&self.atoms, self.classes.len());
    }

    /// Gives each atom its references, and each reference its atom.
    fn settle(&mut self) {
        let mut next = 0;
        for atom in &mut self.atoms {
            let mut skip = |to: u64| {
                let rest = self.references.iter().skip(next);
                next += rest.take_while(|r| (r.section, r.offset) < (atom.section, to)).count();
                next
            };
            atom.references = skip(atom.span.start)..skip(atom.span.end);
        }
        let settled: Vec<Target> =
            self.references.iter().map(|reference| self.settled(reference.to)).collect();
        for (reference, to) in self.references.iter_mut().zip(settled) {
            reference.to = to;
        }
    }

    /// Code may refer to an entry of its own, as that of a warning with a message does.
    fn settle_entries(&mut self) {
        let entries = self.all().skip(self.cut.count());
        let places: BTreeMap<(usize, u64), (AtomIndex, u64)> = entries
            .map(|(index, atom)| ((atom.section, atom.span.start), (index, atom.span.end)))
            .collect();
        for reference in &mut self.references {
            let Target::Place { section, offset, .. } = reference.to else { continue };
            let Ok(at) = u64::try_from(offset) else { continue };
            let before = places.range(..=(section, at)).next_back();
            if let Some(((_, start), (atom, _))) =
                before.filter(|((of, _), (_, end))| *of == section && at < *end)
            {
                let offset = offset.wrapping_sub(start.cast_signed());
                reference.to = Target::Atom { atom: *atom, offset };
            }
        }
    }

    fn settled(&self, to: Target) -> Target {
        let Target::Place { section, offset, symbol } = to else { return to };
        // With a name, it is a place in what has the name, wherever that is.
        let symbol = symbol.and_then(|symbol| self.module.symbol(symbol));
        let at = symbol.map_or(offset, |symbol| symbol.st_value.cast_signed());
        match self.at(section, at) {
            Some(index) => {
                let start = self.atom(index).map_or(0, |atom| atom.span.start.cast_signed());
                Target::Atom { atom: index, offset: offset.wrapping_sub(start) }
            }
            None => to,
        }
    }

    /// The atom at a place, or before it; the first of the section if there is none.
    pub(super) fn at(&self, section: usize, offset: i64) -> Option<AtomIndex> {
        let offset = u64::try_from(offset).unwrap_or(0);
        let before = self.cut.before(&self.atoms, section, offset);
        u32::try_from(before.or_else(|| self.cut.range(section).next())?).ok()
    }

    fn mark_referred(&mut self) {
        self.referred = vec![false; self.atoms.len()];
        for reference in &self.references {
            if let Target::Atom { atom, .. } = reference.to
                && let Some(slot) = self.referred.get_mut(slot(atom))
            {
                *slot = true;
            }
        }
    }

    /// Code without a name right before a function belongs to it.
    fn attach_prefixes(&mut self) {
        let before: Vec<_> = self
            .atoms
            .iter()
            .take(self.cut.count())
            .zip(0..)
            .zip(&self.referred)
            .map(|((atom, index), referred)| {
                (atom.kind == AtomKind::Code && !referred).then_some((
                    index,
                    atom.section,
                    atom.span.end,
                ))
            })
            .collect();
        for (atom, before) in self.atoms.iter_mut().skip(1).zip(before) {
            if let Some((index, section, end)) = before
                && atom.kind == AtomKind::Function
                && (atom.section, atom.span.start) == (section, end)
            {
                atom.prefix = Some(index);
            }
        }
    }

    pub(super) fn atom(&self, index: AtomIndex) -> Option<&Atom> {
        self.atoms.get(slot(index))
    }

    /// All atoms, with their numbers.
    pub(super) fn all(&self) -> impl Iterator<Item = (AtomIndex, &Atom)> {
        (0..).zip(&self.atoms)
    }

    pub(super) fn references_of(&self, atom: &Atom) -> &[Reference] {
        self.references.get(atom.references.clone()).unwrap_or_default()
    }

    /// The entries of tables that belong to a function.
    pub(super) fn entries_of(&self, function: AtomIndex) -> &[(AtomIndex, AtomIndex)] {
        let first = self.entries.partition_point(|(owner, _)| *owner < function);
        let after = self.entries.partition_point(|(owner, _)| *owner <= function);
        self.entries.get(first..after).unwrap_or_default()
    }

    /// An atom's bytes in the file; none where it has none.
    pub(super) fn bytes(&self, atom: &Atom) -> &'data [u8] {
        bytes(self.module.body(of_slot(atom.section)), atom.span.start, atom.span.end)
    }

    /// The name of an atom's symbol; empty if it has none.
    pub(super) fn name(&self, atom: &Atom) -> &'data [u8] {
        atom.symbol.and_then(|symbol| self.module.symbol(symbol)).map_or(&[], |symbol| symbol.name)
    }

    pub(super) fn section_name(&self, section: usize) -> &'data [u8] {
        self.module.section(of_slot(section)).map_or(&[], |section| section.name)
    }

    /// Whether an atom is gone once the kernel or module has started.
    pub(super) fn is_init(&self, atom: &Atom) -> bool {
        kmod::is_init(self.section_name(atom.section))
    }

    /// An atom for messages.
    pub(super) fn shown(&self, index: AtomIndex) -> String {
        let Some(atom) = self.atom(index) else { return String::new() };
        match self.name(atom) {
            [] => format!("{}+{:#x}", shown(self.section_name(atom.section)), atom.span.start),
            name => shown(name).into_owned(),
        }
    }

    /// Whether no other object can name it.
    pub(super) fn is_local(&self, atom: &Atom) -> bool {
        let symbol = atom.symbol.and_then(|symbol| self.module.symbol(symbol));
        symbol.is_none_or(|symbol| symbol.bind == STB_LOCAL)
    }

    /// The atom at a place, and the offset in it.
    pub(super) fn meaning(&self, section: usize, offset: u64) -> Option<(AtomIndex, i64)> {
        let atom = self.at(section, offset.cast_signed())?;
        let start = self.atom(atom)?.span.start;
        Some((atom, offset.cast_signed().wrapping_sub(start.cast_signed())))
    }

    /// Global names, sorted, and the atom and offset that each means. One that several have, as in a damaged object, is left
    /// out.
    pub(super) fn globals(&self) -> Vec<(&'data [u8], (AtomIndex, i64))> {
        let symbols = self.module.symbols().filter(|symbol| symbol.bind != STB_LOCAL);
        let mut all: Vec<_> = symbols
            .filter_map(|symbol| {
                let SymbolSection::Defined(section) = symbol.section else { return None };
                Some((symbol.name, self.meaning(section.slot(), symbol.st_value)?))
            })
            .collect();
        all.sort_unstable();
        let by_name = all.chunk_by(|(a, _), (b, _)| a == b);
        by_name.filter_map(|same| if let [only] = same { Some(*only) } else { None }).collect()
    }

    /// Whether a compiler of Rust made it.
    pub(super) fn is_rust(&self) -> bool {
        let comments = self.module.sections_named(b".comment");
        let mut comments = comments.map(|section| self.module.body(section.index));
        comments.any(|body| body.find(b"rustc version").is_some())
    }
}

/// Whether something refers to an atom.
pub(super) fn is_referred(object: &Object<'_>, index: AtomIndex) -> bool {
    object.referred.get(slot(index)) == Some(&true)
}

pub(super) fn slot(index: AtomIndex) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn bytes(body: &[u8], start: u64, end: u64) -> &[u8] {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(body.len());
    body.get(at(start)..at(end)).unwrap_or_default()
}
