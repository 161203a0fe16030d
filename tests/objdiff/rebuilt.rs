//! An object taken apart, so that symbols and sections can be reordered and renamed, and put together again.
//!
//! It is read by `elf::Module` and written by the builder of `tests/elf`, which shares no code with it.

use std::collections::BTreeMap;

use klp_convert::elf::{Module, Rela, SectionIndex, SymbolIndex, SymbolSection};
use object::elf::{
    SHN_ABS, SHN_COMMON, SHT_GROUP, SHT_NULL, SHT_RELA, SHT_STRTAB, SHT_SYMTAB, SHT_SYMTAB_SHNDX,
    STT_FILE,
};

use crate::builder::{ADDRSIG, Builder, GROUP, LINK_SYMTAB, NOBITS, Section, Symbol};
use crate::order::Order;

/// A section, and what in it are numbers of symbols or sections.
#[derive(Debug, Clone)]
struct Part {
    /// `link` and `info` are those of the file where they name a section.
    section: Section,
    relocations: Vec<Rela>,
    /// The first word of a group, and its members.
    group: Option<(u32, Vec<u32>)>,
}

/// An object, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Rebuilt {
    template: Builder,
    /// In the order of the new file, each with its index in the old one.
    parts: Vec<(u32, Part)>,
    /// In the order of the new file, each with its index in the old one.
    symbols: Vec<(u32, Symbol)>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn words(bytes: &[u8], big: bool) -> Vec<u32> {
    let word = |bytes: &[u8; 4]| match big {
        true => u32::from_be_bytes(*bytes),
        false => u32::from_le_bytes(*bytes),
    };
    bytes.as_chunks::<4>().0.iter().map(word).collect()
}

impl Rebuilt {
    pub(crate) fn of(data: &[u8]) -> Self {
        let module = Module::parse(data).unwrap();
        let big = data[5] == 2;
        let mut template = Builder::new(big);
        (template.machine, template.flags) = (module.machine(), module.flags());
        template.locals = module.section(module.symtab()).unwrap().sh_info;
        let parts = module.sections().filter(|section| {
            // The builder makes tables of symbols and strings.
            ![SHT_NULL, SHT_SYMTAB, SHT_SYMTAB_SHNDX, SHT_STRTAB].contains(&section.sh_type)
        });
        let parts = parts.map(|section| {
            let body = module.body(section.index);
            let relocated = section.sh_type == SHT_RELA;
            let relocations =
                if relocated { module.relocations(section.index).collect() } else { Vec::new() };
            let group = (section.sh_type == SHT_GROUP).then(|| {
                let words = words(body, big);
                (words[0], words[1..].to_vec())
            });
            let to_symbols = section.sh_link == module.symtab();
            let of_file = Section {
                name: text(section.name),
                sh_type: section.sh_type.0,
                flags: section.sh_flags.bits(),
                link: if to_symbols { LINK_SYMTAB } else { section.sh_link.get() },
                info: section.sh_info,
                align: section.sh_addralign,
                entsize: section.sh_entsize,
                // LLVM's list of symbols is for linkers only.
                body: match section.sh_type.0 {
                    NOBITS | ADDRSIG => Vec::new(),
                    _ => body.to_vec(),
                },
                size: section.sh_size,
            };
            (section.index.get(), Part { section: of_file, relocations, group })
        });
        let parts = parts.collect();
        let symbols = module.symbols().skip(1).map(|symbol| {
            let (section, reserved) = match symbol.section {
                SymbolSection::Undefined => (0, false),
                SymbolSection::Absolute => (u32::from(SHN_ABS.0), true),
                SymbolSection::Common => (u32::from(SHN_COMMON.0), true),
                SymbolSection::Defined(section) => (section.get(), false),
                other => panic!("{other:?}"),
            };
            let of_file = Symbol {
                name: text(symbol.name),
                info: symbol.bind.0 << 4 | symbol.kind.0,
                other: symbol.st_other,
                section,
                reserved,
                value: symbol.st_value,
                size: symbol.st_size,
            };
            (symbol.index.get(), of_file)
        });
        let symbols = symbols.collect();
        Self { template, parts, symbols }
    }

    /// Reorders the sections. Groups stay before their members, as ELF has it.
    pub(crate) fn reorder_sections(&mut self, order: &Order) {
        order.apply(&mut self.parts);
        self.parts.sort_by_key(|(_, part)| part.section.sh_type != GROUP);
    }

    /// Reorders local symbols: those of each source file among themselves, and the files.
    pub(crate) fn reorder_symbols(&mut self, order: &Order) {
        let locals = usize::try_from(self.template.locals - 1).unwrap();
        let mut files: Vec<Vec<(u32, Symbol)>> = vec![Vec::new()];
        for symbol in self.symbols.drain(..locals) {
            if symbol.1.info & 0xf == STT_FILE.0 {
                files.push(Vec::new());
            }
            files.last_mut().unwrap().push(symbol);
        }
        for file in &mut files {
            let named = usize::from(file.first().is_some_and(|f| f.1.info & 0xf == STT_FILE.0));
            order.apply(&mut file[named..]);
        }
        order.apply(&mut files[1..]);
        self.symbols.splice(0..0, files.into_iter().flatten());
    }

    /// The names of all symbols.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.symbols.iter().map(|(_, symbol)| symbol.name.as_str())
    }

    /// Gives local symbols other names, and sections that compilers have named after them.
    pub(crate) fn rename(&mut self, renamed: impl Fn(&str) -> String) {
        let mut names: Vec<(String, String)> = Vec::new();
        for (_, symbol) in &mut self.symbols {
            if symbol.info >> 4 == 0 && symbol.info & 0xf != STT_FILE.0 {
                let name = renamed(&symbol.name);
                if name != symbol.name {
                    names.push((symbol.name.clone(), name.clone()));
                    symbol.name = name;
                }
            }
        }
        // What is named after the longest, is not named after what that starts with.
        names.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
        for (_, part) in &mut self.parts {
            let section = &mut part.section.name;
            let after = |old: &str| {
                section.find(&format!(".{old}")).filter(|at| {
                    matches!(section.as_bytes().get(at + 1 + old.len()), None | Some(b'.'))
                })
            };
            let found = names.iter().find_map(|name| Some((after(&name.0)?, name)));
            if let Some((at, (old, new))) = found {
                section.replace_range(at + 1..at + 1 + old.len(), new);
            }
        }
    }

    /// The file.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut builder = self.template.clone();
        let moved = |all: &mut dyn Iterator<Item = u32>| -> BTreeMap<u32, u32> {
            std::iter::once(0).chain(all).zip(0..).collect()
        };
        let sections = moved(&mut self.parts.iter().map(|(index, _)| *index));
        let symbols = moved(&mut self.symbols.iter().map(|(index, _)| *index));
        let section_of = |old: u32| sections[&old];
        let symbol_of = |old: u32| symbols[&old];
        for (_, Part { section, relocations, group }) in &self.parts {
            let mut section = section.clone();
            if section.sh_type == SHT_RELA.0 {
                section.info = section_of(section.info);
                section.body.clear();
                for rela in relocations {
                    let symbol = symbol_of(rela.symbol.get());
                    let info = u64::from(symbol) << 32 | u64::from(rela.kind);
                    section.body.extend(builder.u64(rela.offset));
                    section.body.extend(builder.u64(info));
                    section.body.extend(builder.u64(rela.addend.cast_unsigned()));
                }
            } else if let Some((flags, members)) = group {
                section.info = symbol_of(section.info);
                section.body = builder.u32(*flags).to_vec();
                for member in members {
                    section.body.extend(builder.u32(section_of(*member)));
                }
            }
            if section.link != LINK_SYMTAB && section.link != 0 {
                section.link = section_of(section.link);
            }
            builder.section(section);
        }
        builder.symbols = self.symbols.iter().map(|(_, symbol)| symbol.clone()).collect();
        for symbol in builder.symbols.iter_mut().filter(|s| !s.reserved && s.section != 0) {
            symbol.section = section_of(symbol.section);
        }
        builder.build()
    }
}

/// Everything of an object but the numbers of symbols and sections.
pub(crate) fn facts(data: &[u8]) -> Vec<String> {
    let module = Module::parse(data).unwrap();
    let symbol_of = |index: SymbolIndex| module.symbol(index).map(|s| (text(s.name), s.st_value));
    let section_of = |index: SectionIndex| module.section(index).map(|s| text(s.name));
    let mut facts = Vec::new();
    for section in module.sections() {
        let kinds = [SHT_SYMTAB, SHT_SYMTAB_SHNDX, SHT_STRTAB, SHT_GROUP];
        if section.sh_type.0 == ADDRSIG || kinds.contains(&section.sh_type) {
            continue;
        }
        let name = text(section.name);
        let (flags, size) = (section.sh_flags.bits(), section.sh_size);
        let link = section_of(section.sh_link);
        if section.sh_type == SHT_RELA {
            let to = section_of(SectionIndex::new(section.sh_info));
            facts.extend(module.relocations(section.index).map(|rela| {
                let (kind, addend, at) = (rela.kind, rela.addend, rela.offset);
                format!("{to:?}+{at:#x}: {kind} {:?}+{addend:#x}", symbol_of(rela.symbol))
            }));
        } else {
            let body = module.body(section.index);
            facts.push(format!("{name} {} {flags:#x} {size} {link:?} {body:?}", section.sh_type.0));
        }
    }
    for symbol in module.symbols() {
        let section = match symbol.section {
            SymbolSection::Defined(section) => format!("{:?}", section_of(section)),
            other => format!("{other:?}"),
        };
        let (value, size, other) = (symbol.st_value, symbol.st_size, symbol.st_other);
        let kind = (symbol.bind.0, symbol.kind.0);
        facts.push(format!("{} {kind:?} {other} {section}+{value:#x} {size}", text(symbol.name)));
    }
    facts.sort();
    facts
}
