//! What an object consists of and what refers to what, told from symbols and relocations alone.
//!
//! Simpler than what `objdiff` does, and without its code: functions and data are what symbols cover, and all else are gaps
//! between these.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use klp_arch::Machine;
use klp_arch::object_table::TableUse;
use klp_convert::elf::{Module, Rela, SectionFlags, SectionIndex, SymbolIndex, SymbolSection};
use object::elf::{SHT_RELA, STB_LOCAL, STT_FILE, STT_FUNC, STT_OBJECT, STT_SECTION};

/// A place in a section.
pub(crate) type Place = (u32, u64);

/// What several names may stand for, or a gap.
#[derive(Debug, Clone)]
pub(crate) struct Stretch {
    pub(crate) section: u32,
    pub(crate) span: Range<u64>,
    /// None: a gap.
    pub(crate) names: BTreeSet<String>,
}

/// A relocation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Relocation {
    pub(crate) rela: Rela,
    /// The section that it is in.
    pub(crate) section: u32,
    /// Where in the file it is.
    pub(crate) at: usize,
}

/// What a relocation refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// A place in a section.
    Place(Place),
    /// What is not in a section, or not compared: a symbol, and what is added.
    Symbol(u32, i64),
}

/// An object.
#[derive(Debug)]
pub(crate) struct Model<'data> {
    pub(crate) module: Module<'data>,
    pub(crate) machine: &'static Machine,
    /// By section and start.
    pub(crate) stretches: Vec<Stretch>,
    /// Those of loaded sections, by section and offset.
    pub(crate) relocations: Vec<Relocation>,
    /// Places that something refers to, in no name.
    cuts: BTreeSet<Place>,
    /// Sections with relocations.
    relocated: BTreeSet<u32>,
    /// How many local symbols have a name, but for the compiler's numbers.
    pub(crate) homonyms: BTreeMap<String, usize>,
}

/// What a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Not loaded, or said to be left out of the comparison.
    Left,
    /// A table whose entries belong to functions.
    Table,
    /// What describes the source.
    Diagnostic,
    Code,
    ReadOnly,
    Writable,
}

/// The names of a stretch without the compiler's numbers.
pub(crate) fn stems(stretch: &Stretch) -> BTreeSet<String> {
    stretch.names.iter().map(|name| crate::stem(name)).collect()
}

/// Whether code of this name is part of the function that follows.
pub(crate) fn is_prefix(name: &str) -> bool {
    name.starts_with("__cfi_") || name.starts_with("__pfx_")
}

impl<'data> Model<'data> {
    pub(crate) fn of(data: &'data [u8]) -> Self {
        let module = Module::parse(data).unwrap();
        let machine = klp_arch::for_machine(module.machine()).unwrap();
        let mut model = Self {
            module,
            machine,
            stretches: Vec::new(),
            relocations: Vec::new(),
            cuts: BTreeSet::new(),
            relocated: BTreeSet::new(),
            homonyms: BTreeMap::new(),
        };
        let tables = model.module.relocation_sections().filter(|table| table.sh_size > 0);
        model.relocated = tables.map(|table| table.sh_info).collect();
        for symbol in model.module.symbols().filter(|symbol| symbol.bind == STB_LOCAL) {
            let stem = crate::stem(&String::from_utf8_lossy(symbol.name));
            *model.homonyms.entry(stem).or_default() += 1;
        }
        model.stretches = model.stretches();
        model.relocations = model.relocations();
        for relocation in &model.relocations {
            if let Meaning::Place(place) = model.meaning(relocation)
                && model.stretch(place).is_some_and(|stretch| stretch.names.is_empty())
            {
                model.cuts.insert(place);
            }
        }
        model
    }

    pub(crate) fn kind(&self, section: u32) -> Kind {
        let section = self.module.section(SectionIndex::new(section)).unwrap();
        let flags = section.sh_flags;
        if !flags.contains(SectionFlags::ALLOC) || section.sh_type == SHT_RELA {
            return Kind::Left;
        }
        let table = self.machine.object_tables().find(|table| table.has_name(section.name));
        match table.map(|table| table.holds) {
            Some(TableUse::Derived) => Kind::Left,
            Some(TableUse::Diagnostic(_)) => Kind::Diagnostic,
            Some(_) => Kind::Table,
            None if flags.contains(SectionFlags::EXECINSTR) => Kind::Code,
            None if flags.contains(SectionFlags::WRITE)
                && !section.name.starts_with(b".data.rel.ro") =>
            {
                Kind::Writable
            }
            None => Kind::ReadOnly,
        }
    }

    /// The width of a character or entry that a linker may merge with an equal one, and whether they are texts.
    pub(crate) fn merged(&self, section: u32) -> Option<(u64, bool)> {
        let header = self.module.section(SectionIndex::new(section)).unwrap();
        let flags = header.sh_flags;
        let texts = flags.contains(SectionFlags::STRINGS);
        let has_objects = || {
            let inside = SymbolSection::Defined(header.index);
            self.module.symbols_in(inside).any(|symbol| symbol.kind == STT_OBJECT)
        };
        let merged = self.kind(section) == Kind::ReadOnly
            && flags.contains(SectionFlags::MERGE)
            && header.sh_entsize > 0
            && (texts || !has_objects())
            && !self.relocated.contains(&section);
        merged.then_some((header.sh_entsize, texts))
    }

    fn stretches(&self) -> Vec<Stretch> {
        let mut all = Vec::new();
        for section in self.module.sections().skip(1) {
            let number = section.index.get();
            let mut named: Vec<(Range<u64>, String)> = Vec::new();
            let inside = self.module.symbols_in(SymbolSection::Defined(section.index));
            for symbol in inside {
                let mapping = [&b"$"[..], b".L", b"L0"];
                if symbol.kind != STT_SECTION
                    && symbol.kind != STT_FILE
                    && !symbol.name.is_empty()
                    && !mapping.iter().any(|start| symbol.name.starts_with(start))
                {
                    let name = String::from_utf8(symbol.name.to_vec()).unwrap();
                    named.push((symbol.st_value..symbol.st_value + symbol.st_size, name));
                }
            }
            named.sort_by_key(|(span, _)| span.start);
            // Without a size it goes on to the next.
            for index in 0..named.len() {
                if named[index].0.is_empty() {
                    let start = named[index].0.start;
                    let next = named.iter().map(|(span, _)| span.start).find(|next| *next > start);
                    named[index].0.end = next.unwrap_or(section.sh_size);
                }
            }
            let mut stretches: Vec<Stretch> = Vec::new();
            for (span, name) in named {
                match stretches
                    .last_mut()
                    .filter(|last| span.start < last.span.end || span.start == last.span.start)
                {
                    Some(last) => {
                        last.span.end = last.span.end.max(span.end);
                        last.names.insert(name);
                    }
                    None => {
                        let gap = stretches.last().map_or(0, |last| last.span.end)..span.start;
                        stretches.push(Stretch {
                            section: number,
                            span: gap,
                            names: BTreeSet::new(),
                        });
                        stretches.push(Stretch { section: number, span, names: [name].into() });
                    }
                }
            }
            let rest = stretches.last().map_or(0, |last| last.span.end)..section.sh_size;
            stretches.push(Stretch { section: number, span: rest, names: BTreeSet::new() });
            all.extend(stretches.into_iter().filter(|stretch| !stretch.span.is_empty()));
        }
        all
    }

    fn relocations(&self) -> Vec<Relocation> {
        let mut all = Vec::new();
        for table in self.module.relocation_sections() {
            if matches!(self.kind(table.sh_info), Kind::Left) {
                continue;
            }
            let start = usize::try_from(table.sh_offset).unwrap();
            for (index, rela) in self.module.relocations(table.index).enumerate() {
                all.push(Relocation { rela, section: table.sh_info, at: start + 24 * index });
            }
        }
        all.sort_by_key(|relocation| (relocation.section, relocation.rela.offset));
        all
    }

    /// Whether a type of relocation writes anything.
    pub(crate) fn writes(&self, kind: u32) -> bool {
        self.machine.row(kind).is_none_or(|row| row.field.size() > 0)
    }

    /// What a relocation refers to.
    pub(crate) fn meaning(&self, relocation: &Relocation) -> Meaning {
        let Relocation { rela, section, .. } = relocation;
        let row = self.machine.row(rela.kind).filter(|_| self.kind(*section) == Kind::Code);
        let bias = row.map_or(0, |row| {
            let body = self.module.body(SectionIndex::new(*section));
            let at = usize::try_from(rela.offset).unwrap().min(body.len());
            self.machine.instructions.bias_of_field(row, &body[..at])
        });
        let addend = rela.addend.wrapping_add(bias);
        let symbol = self.module.symbol(rela.symbol).unwrap();
        match symbol.section {
            SymbolSection::Defined(to) if self.kind(to.get()) != Kind::Left => {
                Meaning::Place((to.get(), symbol.st_value.wrapping_add_signed(addend)))
            }
            _ => Meaning::Symbol(rela.symbol.get(), addend),
        }
    }

    /// What covers a place.
    pub(crate) fn stretch(&self, (section, offset): Place) -> Option<&Stretch> {
        let after =
            self.stretches.partition_point(|s| (s.section, s.span.start) <= (section, offset));
        let found = self.stretches.get(after.checked_sub(1)?)?;
        (found.section == section && found.span.contains(&offset)).then_some(found)
    }

    /// What a symbol is in, wherever an addend leads.
    pub(crate) fn stretch_of(&self, symbol: SymbolIndex) -> Option<&Stretch> {
        let symbol = self.module.symbol(symbol)?;
        let SymbolSection::Defined(section) = symbol.section else { return None };
        (symbol.kind != STT_SECTION).then(|| self.stretch((section.get(), symbol.st_value)))?
    }

    /// The relocations between two offsets of a section that write anything.
    pub(crate) fn relocations_in(&self, section: u32, span: Range<u64>) -> Vec<&Relocation> {
        let key = |r: &Relocation| (r.section, r.rela.offset);
        let first = self.relocations.partition_point(|r| key(r) < (section, span.start));
        let after = self.relocations.partition_point(|r| key(r) < (section, span.end));
        self.relocations[first..after].iter().filter(|r| self.writes(r.rela.kind)).collect()
    }

    /// The bytes between two offsets of a section; none where the file has none.
    pub(crate) fn bytes(&self, section: u32, span: Range<u64>) -> &'data [u8] {
        let body = self.module.body(SectionIndex::new(section));
        let at = |offset: u64| usize::try_from(offset).unwrap().min(body.len());
        &body[at(span.start)..at(span.end)]
    }

    /// Where what begins at a place in a gap ends: at the next place that something refers to, or at a name.
    pub(crate) fn end_of_window(&self, (section, offset): Place) -> u64 {
        let gap = self.stretch((section, offset)).map_or(offset, |stretch| stretch.span.end);
        let next = self.cuts.range((section, offset + 1)..).next();
        next.filter(|next| next.0 == section).map_or(gap, |next| next.1.min(gap))
    }

    /// Functions with code in the file: names, section and span.
    pub(crate) fn functions(&self) -> Vec<(String, Place, u64)> {
        let functions = self.module.symbols().filter(|s| s.kind == STT_FUNC && s.st_size > 0);
        let functions = functions.filter_map(|symbol| {
            let SymbolSection::Defined(section) = symbol.section else { return None };
            let place = (section.get(), symbol.st_value);
            (self.kind(place.0) == Kind::Code
                && symbol.st_value + symbol.st_size
                    <= u64::try_from(self.module.body(section).len()).unwrap())
            .then(|| {
                let name = String::from_utf8(symbol.name.to_vec()).unwrap();
                (name, place, symbol.st_value + symbol.st_size)
            })
        });
        functions.collect()
    }

    /// What a relocation refers to: what has the name, wherever an addend leads, or what is at the place.
    pub(crate) fn target(&self, relocation: &Relocation) -> Option<&Stretch> {
        let Meaning::Place(place) = self.meaning(relocation) else { return None };
        let beside = || {
            // Before all, or behind what is there.
            let inside = self.stretches.iter().filter(|stretch| stretch.section == place.0);
            let before = inside.clone().take_while(|s| s.span.start <= place.1).last();
            if place.1.cast_signed() < 0 { inside.clone().next() } else { before }
        };
        let named = self.stretch_of(relocation.rela.symbol);
        named.or_else(|| self.stretch(place)).or_else(beside)
    }

    pub(crate) fn name_of(&self, section: u32) -> String {
        let section = self.module.section(SectionIndex::new(section)).unwrap();
        String::from_utf8_lossy(section.name).into_owned()
    }

    pub(crate) fn size(&self, section: u32) -> u64 {
        self.module.section(SectionIndex::new(section)).unwrap().sh_size
    }

    /// Where in the file a place is.
    pub(crate) fn offset_in_file(&self, (section, offset): Place) -> usize {
        let section = self.module.section(SectionIndex::new(section)).unwrap();
        usize::try_from(section.sh_offset + offset).unwrap()
    }

    /// A relocation in words.
    pub(crate) fn shown(&self, relocation: &Relocation) -> String {
        let rela = &relocation.rela;
        let symbol = self.module.symbol(rela.symbol).unwrap();
        let name = String::from_utf8_lossy(symbol.name);
        let kind = self.machine.relocation_name(rela.kind).unwrap_or("?");
        format!("{kind} {name}({})+{:#x}", rela.symbol.get(), rela.addend)
    }

    /// The file with another relocation in the place of one.
    pub(crate) fn with(&self, file: &[u8], relocation: &Relocation) -> Vec<u8> {
        let Relocation { rela, at, .. } = relocation;
        let info = u64::from(rela.symbol.get()) << 32 | u64::from(rela.kind);
        let words = [rela.offset, info, rela.addend.cast_unsigned()];
        let big = file[5] == 2;
        let bytes = words.map(|word| if big { word.to_be_bytes() } else { word.to_le_bytes() });
        let mut file = file.to_vec();
        file[*at..*at + 24].copy_from_slice(bytes.as_flattened());
        file
    }
}
