//! Annotations of each dialect, generated from the bytes, right or with a fault: what is right reads as
//! what was meant, with a fault it is refused, and a conversion keeps its promises either way.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "modules are made here, a surprise stops the run"
)]

use std::collections::BTreeMap;

use klp_arch::{Machine, machines};
use klp_convert::annotation::{Annotations, NAME_PREFIX, SELECTORS, Selector};
use klp_convert::elf::{Module, SymbolIndex};

use crate::choices::Choices;
use crate::skeleton::builder::Builder;
use crate::skeleton::{self, CODE, LIST, NAMES, OBJECTS, READ_ONLY};

/// The most annotations of a module.
const COUNT: usize = 6;
/// Bytes of a record of a selector, and its version.
const RECORD: u32 = 1152;
const VERSION: u8 = 1;

/// Relocations of a section, by offset.
type Entries = Vec<(u64, u32, u32, i64)>;

/// What the author meant.
#[derive(Debug, PartialEq)]
struct Meant {
    owner: String,
    name: String,
    gate: Option<String>,
    which: String,
}

/// A module that is being annotated.
struct Author<'c, 'd> {
    machine: &'static Machine,
    choices: &'c mut Choices<'d>,
    builder: Builder,
    code: u32,
    /// Body and relocations of the array of each object, and of the selectors.
    arrays: BTreeMap<&'static str, (Vec<u8>, Entries)>,
    selectors: (Vec<u8>, Entries),
    meant: Vec<(u32, Meant)>,
    functions: usize,
    faulty: bool,
}

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let machine = choices.pick(machines());
    let mut builder = skeleton::module(machine, b"name=generated\0license=GPL\0livepatch=Y\0");
    skeleton::tables(&mut builder, machine, &mut choices);
    let code = skeleton::section(&mut builder, ".text", CODE, skeleton::calls(machine, COUNT + 1));
    let mut author = Author {
        machine,
        choices: &mut choices,
        builder,
        code,
        arrays: BTreeMap::new(),
        selectors: (Vec::new(), Vec::new()),
        meant: Vec::new(),
        functions: 0,
        faulty: false,
    };
    for _ in 0..COUNT {
        if author.choices.is_empty() {
            break;
        }
        match author.choices.byte() % 4 {
            0 => author.array(),
            1 => author.name(),
            2 => author.selector(false),
            _ => author.selector(true),
        }
    }
    let (meant, functions, faulty) =
        (std::mem::take(&mut author.meant), author.functions, author.faulty);
    let file = author.file();
    let module = Module::parse(&file).unwrap();
    match Annotations::read(&module) {
        Ok(read) => {
            assert!(!faulty, "a fault is not seen");
            assert_eq!(read.functions.len(), functions);
            assert_eq!(read.iter().count(), meant.len(), "{read:?}");
            for (symbol, meant) in meant {
                let read = read.get(SymbolIndex::new(symbol)).map(|annotation| Meant {
                    owner: annotation.owner.to_string(),
                    name: annotation.name.to_string(),
                    gate: annotation.gate.as_ref().map(ToString::to_string),
                    which: annotation.which.to_string(),
                });
                assert_eq!(read, Some(meant));
            }
        }
        Err(errors) => {
            assert!(faulty, "refused: {errors:?}");
            assert!(
                errors.iter().all(|error| !error.to_string().is_empty()),
                "refused without a word"
            );
        }
    }
    crate::convert::run(&[&file, LIST.as_bytes()].concat());
}

/// A record of a selector. `kind`: 1 and 2 select a symbol by file or neighbour, 3 and 4 a function.
pub(crate) fn record(builder: &Builder, kind: u8, texts: [&str; 4]) -> Vec<u8> {
    let mut record = vec![0; usize::try_from(RECORD).unwrap()];
    record[8..12].copy_from_slice(&builder.u32(RECORD));
    (record[12], record[13]) = (VERSION, kind);
    for (at, text) in [16, 72, 128, 640].into_iter().zip(texts) {
        record[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    record
}

impl Author<'_, '_> {
    /// An undefined symbol; a defined one is a fault.
    fn symbol(&mut self, name: &str) -> u32 {
        if self.choices.seldom() {
            self.faulty = true;
            return self.builder.symbol(name, self.code, 0);
        }
        self.builder.symbol(name, 0, 0)
    }

    /// The relocation of an entry's pointer, right or not.
    fn pointer(&mut self, offset: u64, symbol: u32) -> Entries {
        let right = (offset, symbol, skeleton::pointer(self.machine), 0);
        let fault = self.choices.byte();
        self.faulty |= fault >= 0xfc;
        match fault {
            0xff => Vec::new(),
            0xfe => vec![(offset, symbol, right.2, 4)],
            0xfd => vec![right, right],
            0xfc => vec![right, (offset + 4, symbol, right.2, 0)],
            _ => vec![right],
        }
    }

    fn meant(&mut self, symbol: u32, owner: &str, name: &str, gate: Option<&str>, which: String) {
        let (owner, name) = (owner.to_owned(), name.to_owned());
        self.meant.push((symbol, Meant { owner, name, gate: gate.map(str::to_owned), which }));
    }

    /// `KLP_SYMPOS` in the array of an object.
    fn array(&mut self) {
        let (owner, name, position) = skeleton::named(self.choices, None);
        let symbol = self.symbol(name);
        let mut array = self.arrays.remove(owner).unwrap_or_default();
        let offset = u64::try_from(array.0.len()).unwrap();
        array.1.extend(self.pointer(offset, symbol));
        array.0.extend([0; 8]);
        array.0.extend(self.builder.u32(position));
        self.arrays.insert(owner, array);
        self.meant(symbol, owner, name, None, Selector::Position(position.into()).to_string());
    }

    /// `KLP_RELOC_SYMBOL_POS`.
    fn name(&mut self) {
        let (owner, name, position) = skeleton::named(self.choices, None);
        let gate = if self.choices.byte() % 4 == 3 { self.choices.pick(&OBJECTS) } else { owner };
        let (between, broken) =
            (if self.choices.byte() & 1 == 0 { '.' } else { ',' }, self.choices.byte());
        self.faulty |= broken >= 0xfd;
        let text = match broken {
            0xff => format!("{NAME_PREFIX}{gate}.{owner}"),
            0xfe => format!("{NAME_PREFIX}{gate}.{owner}.{name}{between}x"),
            0xfd => format!("{NAME_PREFIX}{gate}..{name}{between}{position}"),
            _ => format!("{NAME_PREFIX}{gate}.{owner}.{name}{between}{position}"),
        };
        let symbol = self.symbol(&text);
        self.meant(
            symbol,
            owner,
            name,
            Some(gate),
            Selector::Position(position.into()).to_string(),
        );
    }

    /// `KLP_SYMBOL_IN` and `KLP_SYMBOL_NEXT_TO`, or for a function that is replaced.
    fn selector(&mut self, function: bool) {
        let (owner, name, _) = skeleton::named(self.choices, None);
        let next_to = self.choices.byte() & 1 == 1;
        let text = if next_to {
            self.choices.pick(&NAMES)
        } else {
            self.choices.pick(&["a.c", "fs/a.c", "/b/a.c"])
        };
        let patched = if function { "" } else { self.choices.pick(&["", "target", "vmlinux"]) };
        let own = !function && self.choices.byte() & 1 == 1;
        let spelling = if own { "spelled_otherwise" } else { name };
        let symbol = if function {
            self.builder.symbol("replacement", self.code, 16)
        } else {
            self.symbol(spelling)
        };
        let written = if own || function { name } else { "" };
        let kind = 1 + u8::from(next_to) + 2 * u8::from(function);
        let mut record = record(&self.builder, kind, [owner, patched, written, text]);
        let fault = self.choices.byte();
        self.faulty |= fault >= 0xf4;
        match fault {
            0xff => record[12] = 2,
            0xfe => record[13] = 9,
            0xfd => record[14] = 1,
            0xfc => record[16..72].fill(b'x'),
            0xfb => record[120] = b'x',
            0xfa => record[640..643].copy_from_slice(b"\xff\xfe\0"),
            0xf9 => record[8..12].copy_from_slice(&self.builder.u32(8)),
            0xf8 => record.truncate(600),
            0xf7 => record[8..12].copy_from_slice(&self.builder.u32(RECORD + 8)),
            0xf6 => record[640..700].copy_from_slice(&[b'/'; 60]),
            0xf5 => record[16] = b'.',
            0xf4 if function => record[72] = b'm',
            0xf4 => record[72..75].copy_from_slice(b"a.b"),
            _ => {}
        }
        if fault == 0xf6 && next_to {
            // A name of slashes is a name.
            record[640] = b',';
        }
        let offset = u64::try_from(self.selectors.0.len()).unwrap();
        // Any defined symbol may be the replacement, at any addend: only the arrays' faults apply to both.
        let pointer = if function {
            vec![(offset, symbol, skeleton::pointer(self.machine), 0)]
        } else {
            self.pointer(offset, symbol)
        };
        self.selectors.1.extend(pointer);
        self.selectors.0.extend(record);
        if function {
            self.functions += 1;
        } else {
            let which =
                if next_to { format!("next to '{text}'") } else { format!("from '{text}'") };
            self.meant(symbol, owner, name, Some(patched).filter(|gate| !gate.is_empty()), which);
        }
    }

    /// The module; its code uses every annotated symbol.
    fn file(mut self) -> Vec<u8> {
        let call = skeleton::call(self.machine);
        let uses =
            (0..).step_by(16).zip(&self.meant).map(|(at, (symbol, _))| (at, *symbol, call, 0));
        let uses: Entries = uses.collect();
        if !uses.is_empty() {
            self.builder.rela(".rela.text", self.code, &uses);
        }
        let arrays = self
            .arrays
            .into_iter()
            .map(|(owner, array)| (format!(".klp.module_relocs.{owner}"), array));
        let selectors =
            Some((SELECTORS.to_owned(), self.selectors)).filter(|(_, (body, _))| !body.is_empty());
        for (name, (body, entries)) in arrays.chain(selectors) {
            let section = skeleton::section(&mut self.builder, &name, READ_ONLY, body);
            if !entries.is_empty() {
                self.builder.rela(&format!(".rela{name}"), section, &entries);
            }
        }
        skeleton::file(&self.builder, self.machine)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        crate::replay("annotation", super::run);
    }
}
