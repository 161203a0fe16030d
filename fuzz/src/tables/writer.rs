//! Writes a livepatch with tables of patched functions.

use klp_arch::Machine;
use klp_convert::annotation::{NAME_PREFIX, SELECTORS};

use super::{FUNCTION, FUNCTIONS, Function, Layout, Patch};
use crate::choices::Choices;
use crate::skeleton::builder::Builder;
use crate::skeleton::{self, CODE, DATA, NAMES, READ_ONLY};

/// A section of tables that is being written.
struct Table<'b> {
    machine: &'static Machine,
    builder: &'b mut Builder,
    strings: u32,
    texts: Vec<u8>,
    code: u32,
}

/// Body and relocations.
type Section = (Vec<u8>, Vec<(u64, u32, u32, i64)>);

impl Table<'_> {
    fn point(&self, section: &mut Section, at: usize, symbol: u32, addend: usize) {
        let entry = (
            u64::try_from(at).unwrap(),
            symbol,
            skeleton::pointer(self.machine),
            i64::try_from(addend).unwrap(),
        );
        section.1.push(entry);
    }

    fn text(&mut self, section: &mut Section, at: usize, text: Option<&str>) {
        let Some(text) = text else { return };
        let offset = self.texts.len();
        self.texts.extend(text.as_bytes());
        self.texts.push(0);
        self.point(section, at, self.strings, offset);
    }

    /// A table of functions; returns its offset.
    fn functions(
        &mut self,
        layout: &Layout,
        section: &mut Section,
        functions: &[Function],
    ) -> usize {
        let start = section.0.len();
        let end = usize::from(layout.count.is_none());
        section.0.resize(start + (functions.len() + end) * layout.function, 0);
        for (at, (old, new, position)) in (start..).step_by(layout.function).zip(functions) {
            self.text(section, at, *old);
            if let Some(new) = new {
                self.point(section, at + 8, self.code, *new);
            }
            section.0[at + 16..at + 24].copy_from_slice(&self.builder.u64(*position));
        }
        let size = u64::try_from(section.0.len() - start).unwrap();
        self.named("funcs", section, start, size);
        start
    }

    /// A symbol of a table, with its size.
    fn named(&mut self, name: &str, _: &Section, start: usize, size: u64) {
        self.builder.symbol(name, TABLES, u64::try_from(start).unwrap());
        let symbol = self.builder.symbols.last_mut().unwrap();
        (symbol.info, symbol.size) = (0x11, size);
    }
}

/// The index of the section of tables, which comes first.
const TABLES: u32 = 1;

/// `said`: whether the patch names its module; otherwise only the code that enables it shows which one it is.
pub(super) fn file(
    machine: &'static Machine,
    layout: &Layout,
    patch: &Patch,
    said: bool,
    choices: &mut Choices<'_>,
) -> Vec<u8> {
    let external = layout.count.is_some();
    let mut builder = Builder::new(machine.endian == scroll::Endian::Big);
    skeleton::section(
        &mut builder,
        if external { ".init.klp_objects" } else { ".data" },
        DATA,
        Vec::new(),
    );
    let required = skeleton::module(machine, b"name=generated\0license=GPL\0livepatch=Y\0");
    let this = builder.sections.len() + 1;
    builder.sections.extend(required.sections);
    skeleton::tables(&mut builder, machine, choices);
    let code = skeleton::section(
        &mut builder,
        ".text",
        CODE,
        skeleton::calls(machine, FUNCTIONS * FUNCTION / 16),
    );
    let strings = skeleton::section(&mut builder, ".rodata.str", READ_ONLY, Vec::new());
    let [strings_symbol, code_symbol, tables_symbol, this_symbol] =
        [strings, code, TABLES, u32::try_from(this).unwrap()].map(|section| {
            let symbol = builder.symbol("", section, 0);
            builder.symbols.last_mut().unwrap().info = 3;
            symbol
        });
    builder.locals = 5;
    for (at, number) in (0..).step_by(FUNCTION).zip(0..FUNCTIONS) {
        builder.symbol(&format!("new_{number}"), code, at);
        let symbol = builder.symbols.last_mut().unwrap();
        (symbol.info, symbol.size) = (0x12, u64::try_from(FUNCTION).unwrap());
    }
    let mut table = Table {
        machine,
        builder: &mut builder,
        strings: strings_symbol,
        texts: vec![0],
        code: code_symbol,
    };
    let mut body: Section = (Vec::new(), Vec::new());
    let objects = patch.objects.len();
    let end = usize::from(layout.count.is_none());
    body.0.resize((objects + end) * layout.object, 0);
    let size = u64::try_from(body.0.len()).unwrap();
    table.named("objs", &body, 0, size);
    // The functions of objtool's objects are in a section of their own in a real module, and the objects are all
    // of theirs.
    let mut others: Section = (Vec::new(), Vec::new());
    for (at, (name, functions)) in (0..).step_by(layout.object).zip(&patch.objects) {
        table.text(&mut body, at, *name);
        if let Some(count) = layout.count {
            let start = others.0.len();
            others.0.resize(start + functions.len() * layout.function, 0);
            for (place, (old, new, position)) in (start..).step_by(layout.function).zip(functions) {
                table.text(&mut others, place, *old);
                if let Some(new) = new {
                    table.point(&mut others, place + 8, code_symbol, *new);
                }
                others.0[place + 16..place + 24].copy_from_slice(&table.builder.u64(*position));
            }
            let number = table.builder.u32(u32::try_from(functions.len()).unwrap());
            body.0[at + count..at + count + 4].copy_from_slice(&number);
            body.1.push((
                u64::try_from(at + 8).unwrap(),
                u32::MAX,
                skeleton::pointer(machine),
                i64::try_from(start).unwrap(),
            ));
        } else {
            let start = table.functions(layout, &mut body, functions);
            table.point(&mut body, at + 8, tables_symbol, start);
        }
        if choices.seldom() {
            table.point(&mut body, at + 16, code_symbol, 0);
        }
    }
    let texts = std::mem::take(&mut table.texts);
    let last = (FUNCTIONS - 1) * FUNCTION;
    let mut uses = uses(machine, &mut builder, choices);
    let wide = |at: usize| u64::try_from(at).unwrap();
    if external {
        let functions = skeleton::section(&mut builder, ".init.klp_funcs", DATA, others.0);
        let symbol = builder.symbol("klp_funcs", functions, 0);
        body.1.iter_mut().filter(|entry| entry.1 == u32::MAX).for_each(|entry| entry.1 = symbol);
        if !others.1.is_empty() {
            builder.rela(".rela.init.klp_funcs", functions, &others.1);
        }
    } else {
        let start = body.0.len();
        body.0.resize(start + 200, 0);
        let pointer = skeleton::pointer(machine);
        if said {
            body.1.push((wide(start), this_symbol, pointer, 0));
        } else {
            uses.push((wide(last + 32), tables_symbol, pointer, i64::try_from(start).unwrap()));
        }
        body.1.push((wide(start + 8), tables_symbol, pointer, 0));
        let enable = builder.symbol("klp_enable_patch", 0, 0);
        uses.push((wide(last), enable, skeleton::call(machine), 0));
    }
    let selectors = selectors(machine, &mut builder, patch, choices);
    if !selectors.0.is_empty() {
        let section = skeleton::section(&mut builder, SELECTORS, READ_ONLY, selectors.0);
        builder.rela(&format!(".rela{SELECTORS}"), section, &selectors.1);
    }
    builder.sections[0].body = body.0;
    builder.sections[usize::try_from(strings).unwrap() - 1].body = texts;
    let name = if external { ".rela.init.klp_objects" } else { ".rela.data" };
    builder.rela(name, TABLES, &body.1);
    if !uses.is_empty() {
        builder.rela(".rela.text", code, &uses);
    }
    skeleton::file(&builder, machine)
}

/// Selectors of some of the functions that are replaced.
fn selectors(
    machine: &Machine,
    builder: &mut Builder,
    patch: &Patch,
    choices: &mut Choices<'_>,
) -> Section {
    let mut section: Section = (Vec::new(), Vec::new());
    for (object, functions) in &patch.objects {
        for (old, new, _) in functions {
            let (Some(old), Some(new)) = (old, new) else { continue };
            let kind = choices.byte() % 8;
            let text = match kind {
                3 => "fs/a.c",
                4 => choices.pick(&NAMES),
                _ => continue,
            };
            let offset = u64::try_from(section.0.len()).unwrap();
            let symbol = 5 + u32::try_from(new / FUNCTION).unwrap();
            let texts =
                [object.filter(|name| !name.is_empty()).unwrap_or("vmlinux"), "", old, text];
            section.0.extend(crate::annotation::record(builder, kind, texts));
            section.1.push((offset, symbol, skeleton::pointer(machine), 0));
        }
    }
    section
}

/// What the code of replacements uses: symbols of the kernel, inferred or annotated, and other replacements.
fn uses(
    machine: &Machine,
    builder: &mut Builder,
    choices: &mut Choices<'_>,
) -> Vec<(u64, u32, u32, i64)> {
    let mut uses: Vec<(u64, u32, u32, i64)> = Vec::new();
    let call = skeleton::call(machine);
    for _ in 0..choices.below(8) {
        let at = choices.below(FUNCTIONS) * FUNCTION + 16;
        let (owner, name, position) = skeleton::named(choices, None);
        let symbol = match choices.byte() % 4 {
            0 => 5 + u32::try_from(choices.below(FUNCTIONS)).unwrap(),
            1 | 2 => {
                builder.symbol(&format!("{NAME_PREFIX}{owner}.{owner}.{name}.{position}"), 0, 0)
            }
            _ => builder.symbol(name, 0, 0),
        };
        let at = u64::try_from(at).unwrap();
        if uses.iter().all(|(other, ..)| *other != at) {
            uses.push((at, symbol, call, 0));
        }
    }
    uses
}
