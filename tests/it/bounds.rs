//! Small hostile files cost little: memory, time and output are bounded, and nothing is left out silently.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use crate::tool::{Run, Sandbox, run, shell};

/// `SHN_LIVEPATCH`.
const LIVEPATCH: u16 = 0xff20;
const UNDEFINED: u16 = 0;
/// No type of x86_64's has this number.
const UNKNOWN_TYPE: u64 = 200;

/// Name, type, flags, body, link, info, entry size.
pub(crate) type Section = (u32, u32, u64, Vec<u8>, u32, u32, u64);
/// Addresses, in KiB, and seconds of one CPU.
pub(crate) const LIMITS: &str = "ulimit -v 409600; ulimit -t 20;";

/// A relocatable file for x86_64 with these symbols (offset of the name, section) and as many relocations of an
/// unknown type.
fn module(names: &[u8], symbols: &[(u32, u16)], relocations: u64) -> Vec<u8> {
    let text = vec![0; usize::try_from(8 * relocations).unwrap().max(8)];
    let relas = (0..relocations).flat_map(|n| [8 * n, UNKNOWN_TYPE, 0]).flat_map(u64::to_le_bytes);
    let section_names = b"\0.text\0.rela.text\0.symtab\0.strtab\0.shstrtab\0".to_vec();
    elf(
        1,
        vec![
            (1, 1, 6, text, 0, 0, 0),
            (7, 4, 0x40, relas.collect(), 3, 1, 24),
            (18, 2, 0, table(symbols), 4, 1, 24),
            (26, 3, 0, names.to_vec(), 0, 0, 0),
            (34, 3, 0, section_names, 0, 0, 0),
        ],
    )
}

/// A module without code, in which these symbols (offset of the name, section) are undefined.
fn loadable(names: &[u8], symbols: &[(u32, u16)]) -> Vec<u8> {
    let section_names = b"\0.modinfo\0.gnu.linkonce.this_module\0.symtab\0.strtab\0.shstrtab\0";
    let sections = vec![
        (1, 1, 2, b"license=GPL\0name=m\0vermagic=6.1.0\0".to_vec(), 0, 0, 0),
        (10, 1, 3, vec![0; 0x500], 0, 0, 0),
        (36, 2, 0, table(symbols), 4, 1, 24),
        (44, 3, 0, names.to_vec(), 0, 0, 0),
        (52, 3, 0, section_names.to_vec(), 0, 0, 0),
    ];
    elf(1, sections)
}

/// A symbol table.
fn table(symbols: &[(u32, u16)]) -> Vec<u8> {
    let mut table = vec![0; 24];
    for (name, section) in symbols {
        table.extend(name.to_le_bytes());
        // STB_GLOBAL, STT_NOTYPE.
        table.extend([0x10, 0]);
        table.extend(section.to_le_bytes());
        table.extend([0; 16]);
    }
    table
}

/// An ELF file of this type for x86_64; the last section has the names.
pub(crate) fn elf(kind: u8, sections: Vec<Section>) -> Vec<u8> {
    let count = u16::try_from(sections.len() + 1).unwrap();
    let mut file = vec![0; 64];
    let mut headers = vec![0; 64];
    for (name, kind, flags, body, link, info, size) in sections {
        headers.extend([name, kind].into_iter().flat_map(u32::to_le_bytes));
        let (offset, length) = (file.len() as u64, body.len() as u64);
        headers.extend([flags, 0, offset, length].into_iter().flat_map(u64::to_le_bytes));
        headers.extend([link, info].into_iter().flat_map(u32::to_le_bytes));
        headers.extend([8, size].into_iter().flat_map(u64::to_le_bytes));
        file.extend(body);
        file.resize(file.len().next_multiple_of(8), 0);
    }
    file[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\0\0\x3e\0");
    file[16] = kind;
    file[20..24].copy_from_slice(&1_u32.to_le_bytes());
    let start = file.len() as u64;
    file[40..48].copy_from_slice(&start.to_le_bytes());
    for (at, value) in [(52, 64_u16), (58, 64), (60, count), (62, count - 1)] {
        file[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    file.extend(headers);
    file
}

/// A list of vmlinux's symbols.
fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut text = "klp-convert-symbol-data.0.1\n*vmlinux\n".to_owned();
    names.into_iter().for_each(|name| writeln!(text, "{name}").unwrap());
    text.into_bytes()
}

/// The count in `and N more of this kind`, and the number of errors.
fn reported(run: &Run) -> (usize, usize) {
    let more = run.stderr.lines().filter_map(|line| {
        let (count, rest) = line.trim().strip_prefix("and ")?.split_once(' ')?;
        assert!(rest == "more of this kind; --all shows them" || !rest.contains("kind"), "{line}");
        rest.contains("kind").then(|| count.parse::<usize>().unwrap())
    });
    let errors = run.stderr.lines().filter(|line| line.starts_with("error[")).count();
    (errors, more.sum())
}

/// Runs a command on a module with a list, in 400 MB of address space and 20 seconds of one CPU.
fn limited(command: &str, bench: &Sandbox, module: &Path, list: &Path) -> Run {
    let output = bench.output();
    let script = format!(r#"{LIMITS} exec "$0" {command} "$1" -s "$2""#);
    let script = if command == "convert" { script + r#" -o "$3""# } else { script };
    shell(&script, &[module, list, &output])
}

#[test]
fn of_many_findings_of_one_kind_fifty_are_shown_and_the_others_counted() {
    let bench = Sandbox::new();
    let file = bench.file("bad.ko", &module(b"\0", &[], 5000));
    let (file, check) = (file.to_str().unwrap(), "check");
    let few = run([check, file]);
    few.refused(&["KLP-E0401"]);
    assert!(few.stderr.len() < 50_000, "{}", few.stderr.len());
    let (shown, left) = reported(&few);
    let all = run([check, file, "--all"]);
    all.refused(&["KLP-E0401"]);
    assert_eq!(reported(&all), (shown + left, 0));
    assert!(left > 4900 && shown < 100, "{shown} {left}");
    // The document has the same ones, and the same count.
    let document = run(["--format", "json", check, file]).json();
    let diagnostics = document[0]["diagnostics"].as_array().unwrap().clone();
    let more = diagnostics.iter().filter_map(|diagnostic| diagnostic["more"].as_u64());
    assert_eq!((diagnostics.len(), more.sum::<u64>()), (shown, left as u64));
}

#[test]
fn symbols_of_one_name_do_not_each_copy_all_symbols_that_it_may_mean() {
    let bench = Sandbox::new();
    let names = list(std::iter::repeat_n("twin", 4000));
    let names = bench.file("list", &names);
    let twins = bench.file("twins.ko", &module(b"\0twin\0", &[(1, UNDEFINED); 4000], 0));
    let checked = limited("check", &bench, &twins, &names);
    checked.refused(&["'twin' has 4000 candidates"]);
    assert_eq!(checked.stderr.matches("'twin' has 4000").count(), 1, "each name once");
    limited("convert", &bench, &twins, &names)
        .refused(&["'twin' has 4000 candidates", "more of this kind"]);
    // Each at another position, which does not exist.
    let (mut strings, mut symbols) = (vec![0], Vec::new());
    for position in 5000..9000 {
        symbols.push((u32::try_from(strings.len()).unwrap(), LIVEPATCH));
        strings.extend(format!(".klp.sym.vmlinux.twin,{position}\0").bytes());
    }
    let marked = bench.file("marked.ko", &module(&strings, &symbols, 0));
    let checked = limited("check", &bench, &marked, &names);
    checked.refused(&["KLP-E0104", "more of this kind"]);
    assert!(checked.stderr.len() < 1_000_000);
}

#[test]
fn names_that_share_the_end_of_one_long_string_are_cut_where_they_are_taken() {
    let bench = Sandbox::new();
    let mut strings = vec![b'x'; 60_000];
    strings[0] = 0;
    strings.push(0);
    let symbols: Vec<_> = (1..1500).map(|start| (start, UNDEFINED)).collect();
    let file = bench.file("tails.ko", &module(&strings, &symbols, 0));
    let names = bench.file("list", &list(["other"]));
    let checked = limited("check", &bench, &file, &names);
    checked.refused(&["KLP-E0101", "and 1449 more of this kind", "x… (59998 bytes)"]);
    assert!(checked.stderr.len() < 100_000, "{}", checked.stderr.len());
    limited("convert", &bench, &file, &names).refused(&["KLP-E0101", "and 1449 more"]);
    // Each name, and what it means of the first ones.
    let shown = limited("inspect", &bench, &file, &names).done().stdout.clone();
    assert!(shown.len() < 500_000, "{}", shown.len());
    assert_eq!(shown.matches("x… (58501 bytes)\n").count(), 1);
    assert_eq!(shown.matches(" → KLP-E0101: ").count(), 50);
    assert!(shown.contains("\n    and 1449 more of this kind; --all shows them\n"));
    let document = limited("inspect --format json", &bench, &file, &names).done().json();
    assert_eq!(document["undefined"].as_array().unwrap().len(), 1499);
    let meanings = document["meanings"].as_array().unwrap();
    assert_eq!((meanings.len(), meanings[49]["more"].as_u64()), (50, Some(1449)));
    let all = limited("inspect --all", &bench, &file, &names).done().stdout.clone();
    assert_eq!(all.matches(" → KLP-E0101: ").count(), 1499);
}

#[test]
fn a_refused_load_shows_the_first_symbols_that_are_missing_and_counts_the_others() {
    let bench = Sandbox::new();
    let map = bench.file("list", &list(["other"]));
    let mut names = vec![0];
    let symbols: Vec<_> = (0..3000)
        .map(|n| {
            let start = u32::try_from(names.len()).unwrap();
            names.extend(format!("missing_{n}\0").bytes());
            (start, UNDEFINED)
        })
        .collect();
    let file = bench.file("missing.ko", &loadable(&names, &symbols));
    let loaded = limited("load", &bench, &file, &map);
    loaded.refused(&["Unknown symbol missing_0 (err -2)"]);
    let (shown, more) = reported(&loaded);
    assert_eq!((shown + more, more), (3000, 2950));
    let all = limited("load --all", &bench, &file, &map);
    assert_eq!(reported(&all), (3000, 0));
}

#[test]
fn similar_names_are_searched_for_in_linear_time() {
    let bench = Sandbox::new();
    let (mut strings, mut symbols) = (vec![0], Vec::new());
    for n in 0..32 {
        symbols.push((u32::try_from(strings.len()).unwrap(), UNDEFINED));
        strings.extend(format!("{}{n:02}{}\0", "ab".repeat(120), "ba".repeat(120)).bytes());
    }
    let file = bench.file("names.ko", &module(&strings, &symbols, 0));
    let listed: Vec<_> =
        (100..4100).map(|n| format!("{}{n:04}{}", "ba".repeat(120), "ab".repeat(120))).collect();
    let names = bench.file("list", &list(listed.iter().map(String::as_str)));
    limited("check", &bench, &file, &names).refused(&["KLP-E0101"]);
}

#[test]
fn a_file_that_unpacks_to_gigabytes_is_refused_and_a_batch_of_them_takes_no_more() {
    let bench = Sandbox::new();
    let mut packed = Vec::new();
    let mut writer = zstd::Encoder::new(&mut packed, 1).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(260 << 20), &mut writer).unwrap();
    writer.finish().unwrap();
    let bomb = bench.file("bomb.ko.zst", &packed);
    let script = r#"ulimit -v 1048576; exec "$0" check "$1" "$1" "$1" "$1""#;
    let checked = shell(script, &[&bomb]);
    checked.refused(&["KLP-E0605", "more than 256 MiB", "--max-unpacked"]);
    assert_eq!(checked.stderr.matches("KLP-E0605").count(), 4);
    let larger = [Path::new("check"), &bomb, Path::new("--max-unpacked"), Path::new("300")];
    run(larger).refused(&["KLP-E0001"]);
}
