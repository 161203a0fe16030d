//! Changes of one field of a module each, as a faulty tool or an attacker would make them: of the
//! headers, a symbol, a relocation, a name, a line of `.modinfo`. Never of code and data, whose
//! meaning no verdict is about.
//!
//! What is changed and into what is drawn from a [`Random`], mostly values that mean something: the
//! neighbours of limits, other sections, other symbols, every relocation type of the machine.

mod changes;
mod values;

use crate::patch::Random;

/// A module being changed.
#[derive(Debug)]
pub(crate) struct Mutation<'a> {
    pub(crate) bytes: Vec<u8>,
    random: &'a mut Random,
    big: bool,
    /// The machine's relocation types.
    types: &'a [u32],
    sections: Vec<Section>,
}

#[derive(Debug)]
struct Section {
    /// Where its header is.
    header: usize,
    name: String,
    sh_type: u64,
    offset: usize,
    size: usize,
    info: usize,
}

impl<'a> Mutation<'a> {
    /// Begins with a module whose headers are right.
    pub(crate) fn new(bytes: Vec<u8>, types: &'a [u32], random: &'a mut Random) -> Self {
        let big = bytes[5] == 2;
        let mut mutation = Self { bytes, random, big, types, sections: Vec::new() };
        let table = mutation.number(40, 8);
        let headers = (0..mutation.number(60, 2)).map(|index| table + index * 64);
        mutation.sections = headers.map(|header| mutation.section(header)).collect();
        let strings = mutation.sections[mutation.number(62, 2)].offset;
        for index in 0..mutation.sections.len() {
            let name = mutation.number(mutation.sections[index].header, 4);
            mutation.sections[index].name = mutation.text(strings + name);
        }
        mutation
    }

    /// Makes one change, and says which.
    pub(crate) fn change(&mut self) -> String {
        loop {
            let changed = match self.random.below(100) {
                0..3 => self.header(),
                3..25 => self.section_field(),
                25..33 => self.section_name(),
                33..49 => self.symbol_field(),
                49..63 => self.symbol_name(),
                63..87 => self.relocation(),
                87..96 => self.modinfo(),
                96..98 => self.versions(),
                _ => self.length(),
            };
            if let Some(changed) = changed {
                return changed;
            }
        }
    }

    /// Changes a field into a value that means something, or one near its own.
    fn set_field(
        &mut self,
        about: &str,
        name: &str,
        at: usize,
        width: usize,
        meant: &[u64],
    ) -> String {
        let limit = if width == 8 { u64::MAX } else { (1 << (width * 8)) - 1 };
        let old = self.number(at, width) as u64;
        let mut near = vec![
            old.wrapping_add(1),
            old.wrapping_sub(1),
            old.wrapping_add(8),
            old ^ (1 << self.random.below(width * 8)),
            old.wrapping_mul(2),
            0,
            limit,
            limit / 2 + 1,
        ];
        let values = if meant.is_empty() || self.random.below(4) == 0 {
            &mut near
        } else {
            &mut meant.to_vec()
        };
        let new = values[self.random.below(values.len())] & limit;
        self.put(at, width, usize::try_from(new).unwrap());
        format!("{about}: {name} {old:#x} is {new:#x}")
    }

    fn section(&self, header: usize) -> Section {
        Section {
            header,
            name: String::new(),
            sh_type: self.number(header + 4, 4) as u64,
            offset: self.number(header + 24, 8),
            size: self.number(header + 32, 8),
            info: self.number(header + 44, 4),
        }
    }

    /// Where the symbol table is, and how many it has.
    fn symtab(&self) -> Option<(usize, usize)> {
        let symtab = self.sections.iter().find(|section| section.sh_type == 2)?;
        Some((symtab.offset, symtab.size / 24))
    }

    fn symbol(&self, index: usize) -> String {
        let Some(symtab) = self.sections.iter().find(|section| section.sh_type == 2) else {
            return String::new();
        };
        let strings = self.number(symtab.header + 40, 4);
        let name = self.number(symtab.offset + index * 24, 4);
        let strings = self.sections.get(strings).map_or(0, |section| section.offset);
        self.text(strings + name)
    }

    /// The text at an offset of the file.
    fn text(&self, at: usize) -> String {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let end = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
        String::from_utf8_lossy(&rest[..end]).into_owned()
    }

    /// Adds a string to a table, of which a longer copy is made at the end; returns its offset in it.
    fn string(&mut self, table: usize, text: &str) -> usize {
        let Some(section) = self.sections.get(table) else { return 0 };
        let at = section.size;
        let Some(body) = self.bytes.get(section.offset..section.offset + at) else { return 0 };
        let mut body = body.to_vec();
        body.extend(text.as_bytes());
        body.push(0);
        self.replace_body(table, &body);
        at
    }

    /// Puts a section's new body at the end of the file.
    fn replace_body(&mut self, index: usize, body: &[u8]) {
        let offset = self.bytes.len().next_multiple_of(16);
        self.bytes.resize(offset, 0);
        self.bytes.extend(body);
        let header = self.sections[index].header;
        self.put(header + 24, 8, offset);
        self.put(header + 32, 8, body.len());
        self.sections[index] =
            Section { name: self.sections[index].name.clone(), ..self.section(header) };
    }

    fn number(&self, at: usize, width: usize) -> usize {
        let bytes = self.bytes.get(at..at + width).unwrap_or(&[0; 8][..width]);
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        let number =
            if self.big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) };
        usize::try_from(number).unwrap()
    }

    fn put(&mut self, at: usize, width: usize, number: usize) {
        let number = (number as u64).to_le_bytes();
        let Some(field) = self.bytes.get_mut(at..at + width) else { return };
        field.copy_from_slice(&number[..width]);
        if self.big {
            field.reverse();
        }
    }
}
