//! Many selectors of one name, which has many symbols, cost little.

use std::fmt::Write as _;

use crate::bounds::{LIMITS, elf};
use crate::tool::{Run, Sandbox, shell};

/// Symbols of the name, and selectors of it.
const SYMBOLS: usize = 60_000;
const SELECTORS: u32 = 4000;

/// A record of `.klp.selectors`: the symbol of this name in vmlinux that is from this file.
fn record(name: &str, file: &str) -> Vec<u8> {
    let mut record = vec![0; 8];
    record.extend(1152_u32.to_le_bytes());
    record.extend([1, 1, 0, 0]);
    for (text, size) in [("vmlinux", 56), ("", 56), (name, 512), (file, 512)] {
        let start = record.len();
        record.extend(text.as_bytes());
        record.resize(start + size, 0);
    }
    record
}

/// A livepatch that uses a symbol for each selector.
fn livepatch(file: impl Fn(u32) -> String) -> Vec<u8> {
    let (mut strings, mut symbols) = (vec![0], vec![0; 24]);
    let (mut records, mut used) = (Vec::new(), Vec::new());
    let mut relas = [Vec::new(), Vec::new()];
    for n in 0..SELECTORS {
        symbols.extend(u32::try_from(strings.len()).unwrap().to_le_bytes());
        // STB_GLOBAL, SHN_UNDEF.
        symbols.extend([&[0x10][..], &[0; 19]].concat());
        strings.extend(format!("s{n}\0").as_bytes());
        for (relas, size) in relas.iter_mut().zip([8, 1152]) {
            // R_X86_64_64.
            let rela = [u64::from(n) * size, (u64::from(n) + 1) << 32 | 1, 0];
            relas.extend(rela.into_iter().flat_map(u64::to_le_bytes));
        }
        records.extend(record("twin", &file(n)));
        used.extend([0; 8]);
    }
    let names = b"\0.data\0.rela.data\0.klp.selectors\0.rela.klp.selectors\0.modinfo\0\
        .gnu.linkonce.this_module\0.symtab\0.strtab\0.shstrtab\0";
    let named = |name: &str| {
        let name = [b"\0", name.as_bytes(), b"\0"].concat();
        let at = names.windows(name.len()).position(|part| part == name).unwrap();
        u32::try_from(at + 1).unwrap()
    };
    let [rela_data, rela_selectors] = relas;
    let info = b"license=GPL\0name=m\0vermagic=7.2.0\0livepatch=Y\0".to_vec();
    let sections = vec![
        (named(".data"), 1, 3, used, 0, 0, 0),
        (named(".rela.data"), 4, 0x40, rela_data, 7, 1, 24),
        (named(".klp.selectors"), 1, 3, records, 0, 0, 0),
        (named(".rela.klp.selectors"), 4, 0x40, rela_selectors, 7, 3, 24),
        (named(".modinfo"), 1, 2, info, 0, 0, 0),
        (named(".gnu.linkonce.this_module"), 1, 3, vec![0; 0x500], 0, 0, 0),
        (named(".symtab"), 2, 0, symbols, 8, 1, 24),
        (named(".strtab"), 3, 0, strings, 0, 0, 0),
        (named(".shstrtab"), 3, 0, names.to_vec(), 0, 0, 0),
    ];
    elf(1, sections)
}

/// A conversion, within limits.
fn convert(known: impl Fn(usize) -> String, selected: impl Fn(u32) -> String) -> Run {
    let bench = Sandbox::new();
    let mut text = "klp-convert-symbol-data.0.2\n*vmlinux\n".to_owned();
    (0..SYMBOLS).for_each(|n| write!(text, "-{}\ntwin\n", known(n)).unwrap());
    let list = bench.file("list", text.as_bytes());
    let module = bench.file("m.ko", &livepatch(selected));
    let script = format!(r#"{LIMITS} exec "$0" convert --symbols "$1" "$2" -o "$3""#);
    shell(&script, &[&list, &module, &bench.path("out.ko")])
}

#[test]
fn selectors_that_each_fit_one_of_many_symbols_are_resolved_in_linear_time() {
    // Of each file only the base name is known.
    let run = convert(|n| format!("f{n}.c"), |n| format!("fs/f{n}.c"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("4000 klp symbols, 4000 klp relocations"), "{}", run.stderr);
}

#[test]
fn selectors_that_fit_many_symbols_do_not_each_copy_them() {
    let known = |n| if n == 0 { "y.c".into() } else { "x.c".into() };
    let run = convert(known, |n| format!("d{n}/x.c"));
    assert_eq!(run.code, 1, "{}", run.stderr);
    for said in ["has 59999 of them that fit", "and 59979 more", "3950 more of this kind"] {
        assert!(run.stderr.contains(said), "{said}: {}", run.stderr);
    }
}
