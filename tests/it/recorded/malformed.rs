//! Records that cannot be read: each is refused with its code, and nothing is written.

use super::arch_sections::{OLD, PARAVIRT};
use super::{Generation, arch_sections, is_big, kpatch, objtool};
use crate::gates::converted;
use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::Sandbox;

const NAME: &str = "lp_module_symbols.ko";
const RECORDS: &str = "__klp_relocs.klp_target_a";

fn refused(machine: &Machine, bytes: &[u8], words: &[&str]) {
    let bench = Sandbox::new();
    let input = bench.file("in.ko", bytes);
    let words = [words, &["error[KLP-E0121]"]].concat();
    bench.refuses(&input, machine.map(Map::Elf), &words);
}

fn of_objtool(machine: &Machine) -> Patched {
    let finished = converted(machine, NAME);
    Patched::new(objtool(machine, &finished, Generation::Gate, is_big(machine)))
}

fn of_kpatch(machine: &Machine) -> Patched {
    Patched::new(kpatch(machine, &converted(machine, NAME), is_big(machine)))
}

/// Removes the last bytes of a section.
fn cut(patched: Patched, section: &str, bytes: u64) -> Patched {
    patched.section(section, |s, e| {
        let size = s.sh_size.get(e);
        s.sh_size.set(e, size - bytes);
    })
}

#[test]
fn objtools_records_that_cannot_be_read_are_refused() {
    for machine in machines() {
        let whole = || of_objtool(&machine);
        let rela = format!(".rela{RECORDS}");
        let mut cases: Vec<(&str, Patched)> = vec![
            ("bytes are not a whole number of 24-byte records", cut(whole(), RECORDS, 8)),
            ("no relocation gives its symbol", cut(whole(), &rela, 24)),
            ("no relocation gives its location", cut(whole(), &rela, 48)),
            (
                "a relocation at 0x4 that is that of no single pointer",
                whole().relocation(&rela, 0, |r, e| r.r_offset.set(e, 4)),
            ),
            (
                "a relocation at 0x0 that is that of no single pointer",
                whole().relocation(&rela, 1, |r, e| r.r_offset.set(e, 0)),
            ),
            (
                "its location is not in a section of this module",
                whole().relocation(&rela, 0, |r, e| r.r_addend.set(e, 1 << 40)),
            ),
            (
                "plain relocations against undefined symbols at",
                whole().relocation(&rela, 0, |r, e| {
                    let addend = r.r_addend.get(e);
                    r.r_addend.set(e, addend - 1);
                }),
            ),
            (
                "no byte order makes all types relocation types of this machine",
                whole().contents(RECORDS, |bytes| bytes[16..20].fill(0x7e)),
            ),
        ];
        // One number in the other byte order: they are a tool's, and it has one.
        let mixed = whole().contents(RECORDS, |bytes| bytes[16..20].reverse());
        cases.push(("no byte order makes all types relocation types of this machine", mixed));
        let klp = whole();
        let image = Image::read(&klp.bytes);
        let symbol = image.symbols.iter().position(|s| s.name.starts_with(".klp.sym.")).unwrap();
        let long = |object: usize, name: usize| {
            format!(".klp.sym.{}.{},0", "o".repeat(object), "n".repeat(name))
        };
        cases.extend([
            ("has 56 bytes, the kernel reads 55", whole().rename(symbol, &long(56, 8))),
            ("has 512 bytes, the kernel reads 511", whole().rename(symbol, &long(8, 512))),
            ("is not of the form", whole().rename(symbol, ".klp.sym.vmlinux")),
            ("is not a symbol position", whole().rename(symbol, ".klp.sym.vmlinux.f,x")),
            (
                "has 56 bytes, the kernel reads 55",
                whole().rename_section(RECORDS, &format!("__klp_relocs.{}", "o".repeat(56))),
            ),
            ("object name is empty", whole().rename_section(RECORDS, "__klp_relocs.")),
            (
                "is not undefined, as a klp symbol is until it is finished",
                whole().symbol(symbol, |s, e| s.st_shndx.set(e, object::elf::SymbolSection(1))),
            ),
        ]);
        for (word, patched) in cases {
            refused(&machine, &patched.bytes, &[word]);
        }
    }
}

#[test]
fn two_records_about_one_location_are_refused() {
    for machine in machines() {
        let rela = format!(".rela{RECORDS}");
        let whole = of_objtool(&machine);
        let image = Image::read(&whole.bytes);
        let first = image.section(&rela).relocations[0];
        let twice = whole.relocation(&rela, 2, |r, e| {
            r.r_addend.set(e, first.addend);
            r.r_info = object::elf::Rela64::r_info(
                e,
                false,
                first.symbol,
                object::elf::RelocationType(first.kind),
            );
        });
        refused(&machine, &twice.bytes, &["has another record already"]);
    }
}

#[test]
fn symbols_that_only_records_can_finish_must_be_in_one() {
    for machine in machines() {
        // A record and its pointers are gone, its plain relocation is not.
        let rela = format!(".rela{RECORDS}");
        let fewer = cut(cut(of_objtool(&machine), RECORDS, 24), &rela, 48);
        refused(&machine, &fewer.bytes, &["no record is about '.klp."]);
    }
}

#[test]
fn kpatchs_records_that_cannot_be_read_are_refused() {
    for machine in machines() {
        let whole = || of_kpatch(&machine);
        let (relocations, symbols) = (".kpatch.relocations", ".kpatch.symbols");
        let (rela, of_symbols) = (".rela.kpatch.relocations", ".rela.kpatch.symbols");
        let number = |bytes: &mut [u8], value: u64| {
            let ordered = if is_big(&machine) { value.to_be_bytes() } else { value.to_le_bytes() };
            bytes.copy_from_slice(&ordered);
        };
        let beyond =
            |r: &mut object::elf::Rela64<object::Endianness>, e| r.r_addend.set(e, 1 << 40);
        let unterminated = |bytes: &mut [u8]| *bytes.last_mut().unwrap() = b'x';
        let cases: Vec<(&str, Patched)> = vec![
            ("bytes are not a whole number of 40-byte records", cut(whole(), relocations, 8)),
            ("bytes are not a whole number of 40-byte records", cut(whole(), symbols, 39)),
            ("one for each was made", cut(cut(whole(), symbols, 40), of_symbols, 48)),
            ("no relocation gives its symbol", cut(whole(), rela, 24)),
            ("no relocation gives its object", cut(whole(), of_symbols, 24)),
            ("there is no section .kpatch.strings", whole().rename_section(".kpatch.strings", "x")),
            ("there is no section .kpatch.symbols", whole().rename_section(symbols, "x")),
            ("there is no section .kpatch.relocations", whole().rename_section(relocations, "x")),
            ("is not in a section of this module", whole().relocation(rela, 0, beyond)),
            ("its object is not a text", whole().relocation(rela, 1, beyond)),
            ("its symbol is not a record", whole().relocation(rela, 2, beyond)),
            (
                "its symbol is not a record",
                whole().relocation(rela, 2, |r, e| r.r_addend.set(e, 8)),
            ),
            ("its name is not a text", whole().relocation(of_symbols, 0, beyond)),
            ("is not a text in .kpatch.strings", whole().contents(".kpatch.strings", unterminated)),
            (
                "no byte order makes all types relocation types of this machine",
                whole().contents(relocations, |bytes| bytes[8..12].fill(0x7e)),
            ),
            (
                "no byte order makes all types relocation types of this machine",
                whole().contents(relocations, |bytes| bytes[8..12].reverse()),
            ),
            (
                "4294967296 is not a symbol position",
                whole().contents(symbols, |bytes| number(&mut bytes[8..16], 1 << 32)),
            ),
            (
                "has another byte order than its relocation type",
                whole().contents(relocations, |bytes| {
                    number(&mut bytes[16..24], 4_i64.swap_bytes().cast_unsigned());
                }),
            ),
            (
                "binding 3 and type 2 are not those of a symbol",
                whole().contents(symbols, |bytes| bytes[16] = 3),
            ),
            (
                "binding 0 and type 3 are not those of a symbol",
                whole().contents(symbols, |bytes| (bytes[16], bytes[17]) = (0, 3)),
            ),
        ];
        for (word, patched) in cases {
            refused(&machine, &patched.bytes, &[word]);
        }
        // Names of any length come from the strings.
        for (text, word) in [
            ("o".repeat(56), "has 56 bytes, the kernel reads 55"),
            ("n,".to_owned(), "contains ',', which"),
        ] {
            let at = Image::read(&whole().bytes).section(".kpatch.strings").size;
            let patched = whole().append(".kpatch.strings", &[text.as_bytes(), b"\0"].concat());
            let patched = patched.relocation(of_symbols, 1, |r, e| {
                r.r_addend.set(e, i64::try_from(at).unwrap());
            });
            refused(&machine, &patched.bytes, &[word]);
        }
    }
}

#[test]
fn symbols_that_await_post_link_are_not_left_in_a_module_of_kpatch() {
    for machine in machines() {
        // Two tools cannot have made one module.
        let whole = of_kpatch(&machine);
        let image = Image::read(&whole.bytes);
        let used = image.sections.iter().find(|s| s.name == ".rela.text").unwrap();
        let is = |r: &&crate::image::Relocation| image.symbols[r.symbol as usize].section == 0;
        let symbol = used.relocations.iter().find(is).unwrap().symbol;
        let tombstone = whole.rename(symbol as usize, ".klp.tombstone.counter");
        refused(&machine, &tombstone.bytes, &["no record is about '.klp.tombstone.counter'"]);
    }
}

#[test]
fn records_of_special_sections_that_cannot_be_read_are_refused() {
    for machine in machines() {
        let whole = || Patched::new(arch_sections::of_kpatch(&machine));
        let image = Image::read(&whole().bytes);
        let (records, rela) = (".kpatch.arch", ".rela.kpatch.arch");
        let relocations = image.section(rela).relocations.clone();
        let section = |name: &str| {
            let to = image.sections.iter().position(|section| section.name == name).unwrap();
            image.symbols.iter().position(|s| usize::from(s.section) == to && s.info == 3).unwrap()
        };
        let names = |entry: usize, symbol: u32| {
            whole().relocation(rela, entry, |r, e| {
                let kind = r.r_type(e, false);
                r.set_r_info(e, false, symbol, kind);
            })
        };
        let text = u32::try_from(section(".text")).unwrap();
        let size = |section: &str, size| whole().section(section, |s, e| s.sh_size.set(e, size));
        let object = |text: &str| {
            let at = image.section(".kpatch.strings").size;
            let longer = whole().append(".kpatch.strings", &[text.as_bytes(), b"\0"].concat());
            longer.relocation(rela, 1, |r, e| r.r_addend.set(e, i64::try_from(at).unwrap()))
        };
        let cases: Vec<(&str, Patched)> = vec![
            ("bytes are not a whole number of 16-byte records", size(records, 72)),
            ("[4]: no relocation gives its object", size(rela, 9 * 24)),
            (
                "[0]: a relocation at 0x4 that is that of no single pointer",
                whole().relocation(rela, 0, |r, e| r.r_offset.set(e, 4)),
            ),
            (
                "[0]: its section '.parainstructions' is named at 0x8, not at its start",
                whole().relocation(rela, 0, |r, e| r.r_addend.set(e, 8)),
            ),
            (
                "[0]: its section '.text' is not .altinstructions or .parainstructions",
                names(0, text),
            ),
            (
                "[0]: its section '.parainstructions' is not .altinstructions or",
                whole().section(PARAVIRT, |s, e| s.sh_flags.set(e, object::elf::SectionFlags(0))),
            ),
            ("[2]: its section '.parainstructions' has another", names(4, relocations[0].symbol)),
            ("[0]: its location is not in a section of this module", names(0, 0)),
            ("[0]: its object is not a text in .kpatch.strings", names(1, text)),
            ("has 56 bytes, the kernel reads 55", object(&"o".repeat(56))),
            ("[0]: object name 'a.b'", object("a.b")),
            (
                "[0]: its section '.parainstructions' has 0 relocation sections, not a plain one",
                whole().section(&format!(".rela{PARAVIRT}"), |s, e| s.sh_info.set(e, 1)),
            ),
            (
                "there is a section '.klp.arch.vmlinux..parainstructions' already",
                whole().rename_section(".comment", ".klp.arch.vmlinux..parainstructions"),
            ),
            (
                "[0]: its section '.parainstructions' is to be copied, but .kpatch.relocations has",
                whole().relocation(".rela.kpatch.relocations", 0, |r, e| {
                    let kind = r.r_type(e, false);
                    r.set_r_info(e, false, relocations[0].symbol, kind);
                    r.r_addend.set(e, 8);
                }),
            ),
            ("two sections of this name", whole().rename_section(".comment", records)),
        ];
        for (word, patched) in cases {
            let bench = Sandbox::new();
            arch_sections::create(&bench, &patched.bytes, &OLD)
                .refused(&["error[KLP-E0121]", word]);
            assert!(!bench.output().exists(), "{}: {word}", machine.name);
        }
    }
}
