//! Every opcode of every map, with prefixes and ModRM of each kind, as objdump reads them.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use klp_arch::X86_64;

use super::listing::blocks;
use super::{PROGRAMS, Tally};

/// Bytes from one encoding to the next: more than an instruction can have.
const STRIDE: usize = 16;
const NOP: u8 = 0x90;
const PREFIXES: [&[u8]; 7] = [&[], &[0x66], &[0x67], &[0xf2], &[0xf3], &[0x48], &[0x66, 0x48]];
const ESCAPES: [&[u8]; 4] = [&[], &[0x0f], &[0x0f, 0x38], &[0x0f, 0x3a]];

/// What is before an opcode, up to the escapes.
fn beginnings() -> Vec<Vec<u8>> {
    let mut beginnings = Vec::new();
    for escape in ESCAPES {
        beginnings.extend(PREFIXES.map(|prefixes| [prefixes, escape].concat()));
    }
    for number in 0..8 {
        // W, and the prefix that VEX contains.
        let (wide, prefix) = ((number & 4) << 5, number & 3);
        beginnings.push(vec![0xc5, 0xf8 | prefix]);
        beginnings.extend((0..4).map(|map| vec![0xc4, 0xe0 | map, wide | 0x78 | prefix]));
        beginnings.extend((0..8).map(|map| vec![0x62, 0xf0 | map, wide | 0x7c | prefix, 0x48]));
        beginnings.extend((7..11).map(|map| vec![0x8f, 0xe0 | map, wide | 0x78 | prefix]));
    }
    beginnings
}

/// ModRM and SIB, or the first bytes of something else: memory of each kind, and a register, or each one, with each of
/// the other registers. For vectors, whose opcodes mean the same with all, a few.
fn modrms(beginning: &[u8]) -> impl Iterator<Item = [u8; 2]> {
    let (memory, last): (&[u8], _) = match beginning {
        [] | [0x0f] => (&[0x00, 0x04, 0x05, 0x41, 0x44, 0x80, 0x84], 0xc7),
        [0x62 | 0x8f | 0xc4 | 0xc5, ..] => (&[0x05, 0x44], 0xc0),
        _ => (&[0x00, 0x04, 0x05, 0x41, 0x44, 0x80, 0x84], 0xc0),
    };
    let kinds = memory.iter().copied().chain(0xc0..=last);
    // A base of 5 has a displacement where the mode has none.
    kinds.flat_map(|kind| (0..8).map(move |other| [kind | other << 3, 0x20 | other & 5]))
}

#[test]
#[ignore = "takes minutes, and needs GNU as and objdump"]
fn objdump_reads_every_opcode_with_the_same_length() {
    let directory = std::env::temp_dir().join(format!("klp-arch-lengths-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let mut tally = Tally::default();
    for beginning in beginnings() {
        let mut source = String::new();
        for opcode in 0..=255_u8 {
            for modrm in modrms(&beginning) {
                let mut code = [&beginning[..], &[opcode], &modrm, &[1, 2, 3, 4]].concat();
                code.resize(STRIDE, NOP);
                let bytes: Vec<_> = code.iter().map(ToString::to_string).collect();
                writeln!(source, "s{}: .byte {}", source.len(), bytes.join(",")).unwrap();
            }
        }
        compare(&mut tally, &directory, &source);
    }
    fs::remove_dir_all(&directory).unwrap();
    tally.print(&"every opcode");
    assert!(tally.wrong.is_empty());
}

fn compare(tally: &mut Tally, directory: &Path, source: &str) {
    let (text, object) = (directory.join("all.s"), directory.join("all.o"));
    fs::write(&text, source).unwrap();
    let assembled = Command::new("x86_64-linux-gnu-as").arg("-o").arg(&object).arg(&text).status();
    assert!(assembled.unwrap().success());
    let (_, program, options) = PROGRAMS.iter().find(|(name, ..)| *name == "x86_64").unwrap();
    blocks(program, options, &object, |block| tally.add(&X86_64, block));
}
