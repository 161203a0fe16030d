//! The promised figures for kernel symbol maps.
//!
//! With `KLP_DISTRIBUTION_KERNEL` a distribution's kernel, a folder as printed by
//! `.ci/distribution-kernels`; otherwise a generated one of similar size. Each figure has baselines
//! from the same run: existing tools, and the minimal work.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    dead_code,
    reason = "inputs are made here, a surprise stops the run; figures use more of what is shared"
)]

mod generate;
mod inputs;
mod kernel;
mod measure;
mod peers;
mod relocations;

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inputs::{Kernel, THREADS, folder, generated_image, make_inputs, parts};
use kernel::kallsyms::Kallsyms;
use klp_convert::symbols::{BootImage, Map, Scope, SymbolSource, Wanted};
use measure::{
    DOUBLINGS, MAKE_INPUTS, Runs, Times, compare, introduce, is_installed, mb, ratio, run, table,
    time, timed,
};
use peers::{SAMPLE, below, decompress, nm, read_and_unpack, read_tables, share};
use rustc_hash::FxHashMap;

const PROGRAM: &str = env!("CARGO_BIN_EXE_klp-convert");
/// Makes this program do a baseline's work, with a number of threads and a list of files.
const READ: &str = "--read-tables";
const UNPACK: &str = "--read-and-unpack";
const DECOMPRESS: &str = "--decompress";
/// After this time no new round of a slow comparison starts.
const PATIENCE: Duration = Duration::from_secs(9);

fn build(image: (&str, &Path), modules: &[PathBuf], map: &Path) -> measure::Run {
    let mut words: Vec<OsString> = ["symbols", "build", "--quiet"].map(Into::into).to_vec();
    words.extend([image.0.into(), image.1.into(), "-o".into(), map.into()]);
    modules.iter().for_each(|folder| words.extend(["--modules".into(), folder.into()]));
    run(PROGRAM, &words)
}

/// The whole program on a small module, before this process has grown.
fn converts(rounds: usize, kernel: &Kernel, map: &Path) {
    let out = folder().join("out.ko");
    let words: Vec<OsString> =
        vec!["convert".into(), kernel.livepatch.clone().into(), "-s".into(), map.into()];
    let words = [words, vec!["--allow-stale-map".into(), "-o".into(), out.clone().into()]].concat();
    let mut runs = Runs::default();
    let [with, without, copy] = compare(
        rounds,
        PATIENCE,
        [
            &mut || runs.add(run(PROGRAM, &words)),
            &mut || run(PROGRAM, &[&kernel.without, &out]).time,
            &mut || run("cp", &[&kernel.livepatch, &out]).time,
        ],
    );
    let beside = |base| format!("{} ({})", time(base), ratio(&with, base));
    let row = ["convert, small module, full map", "3 ms, 16 MB, ratio 2 to no map"].map(Into::into);
    let cells = [time(&with), time(&runs.cpu), mb(runs.memory), beside(&without), beside(&copy)];
    let titles = [
        "whole process",
        "to reach",
        "time",
        "processor",
        "peak memory",
        "no map (ratio)",
        "cp (ratio)",
    ];
    table(&titles, vec![row.into_iter().chain(cells).collect()]);
}

/// The verdict on every module of a distribution: rules, symbols, and a load at each placement. A
/// kernel would not load the generated kernel's modules.
fn checks(rounds: usize, kernel: &Kernel, map: &Path) {
    let modules = kernel.modules();
    let mut words: Vec<OsString> = vec!["check".into(), "--quiet".into(), "-s".into(), map.into()];
    words.extend(modules.iter().map(OsString::from));
    let (mut runs, mut base) = (Runs::default(), Runs::default());
    let list = listed("plain.txt", kernel, &modules);
    let [checked, read] = compare(
        rounds,
        PATIENCE,
        [&mut || runs.add(run(PROGRAM, &words)), &mut || base.add(bare(READ, THREADS, &list))],
    );
    let row = vec![
        format!("check of {} plain modules", modules.len()),
        "2 s".into(),
        time(&checked),
        time(&runs.cpu),
        mb(runs.memory),
        format!("{} ({})", time(&read), ratio(&checked, &read)),
    ];
    let titles = ["", "to reach", "time", "processor", "peak memory", "reading tables (ratio)"];
    table(&titles, vec![row]);
}

/// A baseline's work in its own process, to measure CPU time.
fn bare(work: &str, threads: usize, list: &Path) -> measure::Run {
    let program = std::env::current_exe().unwrap();
    let words: [OsString; 3] = [work.into(), threads.to_string().into(), list.into()];
    run(program.to_str().unwrap(), &words)
}

/// Does the work for [`bare`].
fn work(words: &[String]) {
    let list = fs::read_to_string(&words[3]).unwrap();
    let files: Vec<PathBuf> = list.lines().map(Into::into).collect();
    let work = match words[1].as_str() {
        READ => read_tables,
        UNPACK => read_and_unpack,
        _ => decompress,
    };
    share(words[2].parse().unwrap(), &files, work);
}

/// A list of these modules and the kernel.
fn listed(name: &str, kernel: &Kernel, modules: &[PathBuf]) -> PathBuf {
    let list = folder().join(name);
    let files = [&kernel.image.1].into_iter().chain(modules);
    let lines: String = files.map(|file| format!("{}\n", file.display())).collect();
    fs::write(&list, lines).unwrap();
    list
}

/// Builds the map of plain and of compressed modules.
fn builds(rounds: usize, kernel: &Kernel, map: &Path) {
    let image = (kernel.image.0, kernel.image.1.as_path());
    let modules = kernel.modules();
    let list = listed("plain.txt", kernel, &modules);
    let mut runs: [Runs; 4] = Default::default();
    let [plain, one, two, unpacking] = &mut runs;
    // A generated kernel is not compressed.
    let unpack = if Kernel::given().is_some() { UNPACK } else { READ };
    let times = compare(
        rounds,
        PATIENCE,
        [
            &mut || plain.add(build(image, &kernel.plain, map)),
            &mut || one.add(bare(READ, 1, &list)),
            &mut || two.add(bare(READ, THREADS, &list)),
            &mut || unpacking.add(bare(unpack, 1, &list)),
        ],
    );
    let mut rows = Vec::new();
    let mut add = |what: &str, reach: &str, took: &Times, runs: &Runs, to: (&Times, &Runs)| {
        let cell = |times: &Times, of: &Times| format!("{} ({})", time(times), ratio(of, times));
        let (took, cpu) = (cell(took, to.0), cell(&runs.cpu, &to.1.cpu));
        rows.push(vec![what.into(), reach.into(), took, cpu, mb(runs.memory)]);
    };
    let [whole, read_by_one, read_by_two, with_image] = &times;
    let [plain, one, two, unpacking] = &runs;
    let to = (whole, plain);
    add("symbols build, plain modules", "1 s, 3 of one thread", whole, plain, to);
    add("reading the same tables, one thread", "", read_by_one, one, to);
    add("reading the same tables, two threads", "", read_by_two, two, to);
    add("the same with the boot image decompressed, one thread", "", with_image, unpacking, to);
    if let Some(nm) = nm(&modules) {
        let what = format!("nm of the modules one by one, of each {SAMPLE}th times {SAMPLE}");
        let runs = Runs { cpu: Times(vec![nm.cpu]), memory: nm.memory };
        add(&what, "", &Times(vec![nm.time]), &runs, to);
    }

    let folder = std::slice::from_ref(&kernel.packed);
    let files = below(&kernel.packed, ".ko.xz");
    let list = listed("packed.txt", kernel, &files);
    let mut runs: [Runs; 3] = Default::default();
    let [packed, lzma, xz] = &mut runs;
    let has_xz = is_installed("xz");
    let times = compare(
        rounds,
        PATIENCE,
        [
            &mut || packed.add(build(image, folder, map)),
            &mut || lzma.add(bare(DECOMPRESS, THREADS, &list)),
            &mut || if has_xz { xz.add(unpacked(&files)) } else { Duration::ZERO },
        ],
    );
    let [whole, by_library, by_xz] = &times;
    let [packed, lzma, xz] = &runs;
    let to = (whole, packed);
    add("symbols build, modules as .ko.xz", "1.3", whole, packed, to);
    add("liblzma over the same, two threads", "", by_library, lzma, to);
    if has_xz {
        add("xz -dc -T2 over the same, all in one call", "", by_xz, xz, to);
    }
    let titles = ["whole process", "to reach", "time (ratio)", "processor (ratio)", "peak memory"];
    table(&titles, rows);
}

/// All files by one `xz` on two threads.
fn unpacked(files: &[PathBuf]) -> measure::Run {
    let words: Vec<OsString> =
        ["-dc", "-T2"].into_iter().map(Into::into).chain(files.iter().map(Into::into)).collect();
    run("xz", &words)
}

fn sizes(map: &Path) {
    let text = folder().join("symbols.klp");
    let words: [OsString; 6] = [
        "symbols".into(),
        "export".into(),
        "-s".into(),
        map.into(),
        "-o".into(),
        text.clone().into(),
    ];
    run(PROGRAM, &words);
    let size = |path: &Path| fs::metadata(path).unwrap().len();
    let (map, text) = (size(map), size(&text));
    let part = format!("{:.2}", map as f64 / text as f64);
    table(
        &["size", "to reach", "map", "symbols.klp", "ratio"],
        vec![vec!["file".into(), "12 MB".into(), mb(map), mb(text), part]],
    );
}

fn opening(rounds: usize, map: &Path) -> Times {
    Times((0..rounds * 10).map(|_| timed(|| Map::open(map).unwrap())).collect())
}

/// The mean time of a look-up over names, round by round.
fn asking(rounds: usize, map: &Map, names: &[String]) -> Times {
    let wanted: Vec<_> = names.iter().map(|name| Wanted::new([name.as_str()])).collect();
    let ask = |wanted: &Wanted<'_>| timed(|| map.read(Scope::Names(wanted)).unwrap());
    let count = u32::try_from(names.len().max(1)).unwrap();
    Times((0..rounds * 3).map(|_| wanted.iter().map(ask).sum::<Duration>() / count).collect())
}

/// A sample of all names, with the number of occurrences.
fn names(map: &Map) -> Vec<(String, u32)> {
    let contents = map.read(Scope::All).unwrap();
    let mut counts: FxHashMap<&[u8], u32> = FxHashMap::default();
    for object in &contents.objects {
        for symbol in &object.symbols {
            *counts.entry(object.text(symbol.name)).or_default() += 1;
        }
    }
    let names = counts.into_iter().map(|(name, count)| (String::from_utf8_lossy(name), count));
    let mut names: Vec<_> = names.map(|(name, count)| (name.into_owned(), count)).collect();
    names.sort_unstable();
    names
}

/// About a thousand names that occur this often.
fn some(names: &[(String, u32)], often: std::ops::RangeInclusive<u32>) -> Vec<String> {
    let fit: Vec<_> = names.iter().filter(|(_, count)| often.contains(count)).collect();
    fit.iter().step_by(fit.len() / 1000 + 1).map(|(name, _)| name.clone()).collect()
}

fn lookups(rounds: usize, path: &Path) {
    let opened = opening(rounds, path);
    let map = Map::open(path).unwrap();
    let names = names(&map);
    let mut rows = vec![vec!["opening the map".into(), "1000 us".into(), time(&opened), "".into()]];
    let mut add = |what: &str, reach: &str, names: &[String]| {
        let time = time(&asking(rounds, &map, names));
        rows.push(vec![what.into(), reach.into(), time, names.len().to_string()]);
    };
    let single = some(&names, 1..=1);
    let missing: Vec<_> = single.iter().map(|name| format!("{name}_x")).collect();
    let all: Vec<_> = names.iter().step_by(names.len() / 1000 + 1).map(|n| n.0.clone()).collect();
    add("any name", "5 us", &all);
    add("a name that occurs once", "5 us", &single);
    add("a name that occurs 2 to 16 times", "5 us", &some(&names, 2..=16));
    add("a name that does not occur", "5 us", &missing);
    let (most, count) = names.iter().max_by_key(|(_, count)| *count).unwrap();
    add(&format!("the most frequent, {count} times"), "", std::slice::from_ref(most));
    table(&["library call, warm", "to reach", "mean time", "names"], rows);
}

/// Beside the kernel's own functions, in a generated kernel of as many names as a distribution's: looking up a
/// thousand of them, and reading all.
fn beside_kernel(rounds: usize) {
    let symbols = if rounds > 1 { 200_000 } else { 2_000 };
    let built = generate::kernel::kallsyms(symbols);
    let [image, map] = ["kallsyms", "kallsyms.map"].map(|name| folder().join(name));
    fs::write(&image, &built.bytes).unwrap();
    build(("--image", &image), &[], &map);
    let map = Map::open(&map).unwrap();
    let all = names(&map);
    let searched = some(&all, 1..=1);
    let Some(peer) = Kallsyms::new(&built, &searched).map(RefCell::new) else { return };
    let wanted: Vec<_> = searched.iter().map(|name| Wanted::new([name.as_str()])).collect();
    let mut found = Vec::new();
    let reading = BootImage::new(&image);
    let times = compare(
        rounds,
        PATIENCE,
        [
            &mut || {
                found.clear();
                timed(|| {
                    let read = wanted.iter().map(|name| map.read(Scope::Names(name)).unwrap());
                    found.extend(read);
                })
            },
            &mut || peer.borrow_mut().lookup(),
            &mut || timed(|| reading.read(Scope::All).unwrap()),
            &mut || peer.borrow_mut().expand(),
        ],
    );
    let found: Vec<_> =
        found.iter().map(|data| data.objects[0].symbols[0].address.unwrap()).collect();
    let first = built.symbols[0].0;
    assert!(peer.into_inner().found() == found.iter().map(|at| at - first).collect::<Vec<_>>());
    let [ours, kernels, read, expanded] = &times;
    let row = |what: String, ours: &Times, kernels| {
        vec![what, time(ours), format!("{} ({})", time(kernels), ratio(ours, kernels))]
    };
    table(
        &["a kernel's names", "time", "the kernel's C (ratio)"],
        vec![
            row(format!("{} look-ups (kallsyms_lookup_name)", searched.len()), ours, kernels),
            row(
                format!("reading {} (kallsyms_expand_symbol)", built.symbols.len()),
                read,
                expanded,
            ),
        ],
    );
}

/// Growth with the symbols of a generated kernel.
fn growth(rounds: usize) {
    let map = |times: u64| folder().join(format!("growth-{times}.map"));
    let make =
        |times: u64| build(("--vmlinux", &generated_image(times)), &parts(times), &map(times)).time;
    let times = compare(
        rounds,
        PATIENCE,
        [&mut || make(1), &mut || make(2), &mut || make(4), &mut || make(8)],
    );
    let ratios = |times: [Times; 4], show: fn(&Times) -> String| {
        times.each_ref().map(|time| format!("{} ({})", show(time), ratio(time, &times[0])))
    };
    let row = |what: &str, cells: [String; 4]| {
        [what.to_owned()].into_iter().chain(cells).collect::<Vec<_>>()
    };
    let size = |times| fs::metadata(map(times)).unwrap().len();
    let sizes = DOUBLINGS
        .map(|times| format!("{} ({:.2})", mb(size(times)), size(times) as f64 / size(1) as f64));
    let symbols = DOUBLINGS.map(|times| Map::open(map(times)).unwrap().symbols().to_string());
    let opened = DOUBLINGS.map(|times| opening(rounds, &map(times)));
    let asked = DOUBLINGS.map(|times| {
        let map = Map::open(map(times)).unwrap();
        let names: Vec<_> = names(&map).iter().step_by(997).map(|n| n.0.clone()).collect();
        asking(rounds, &map, &names)
    });
    table(
        &["ratio to 1x", "1x", "2x", "4x", "8x"],
        vec![
            row("symbols", symbols),
            row("symbols build", ratios(times, time)),
            row("size of the map", sizes),
            row("opening", ratios(opened, time)),
            row("one lookup", ratios(asked, time)),
        ],
    );
}

fn main() {
    let words: Vec<_> = std::env::args().collect();
    match words.get(1).map(String::as_str) {
        Some(MAKE_INPUTS) => return make_inputs(),
        Some(READ | UNPACK | DECOMPRESS) => return work(&words),
        _ => {}
    }
    // Without `--bench` this is a test: what the kernel's functions find is what ours do.
    if !words.iter().any(|word| word == "--bench") {
        fs::create_dir_all(folder()).unwrap();
        return beside_kernel(1);
    }
    let rounds = 9;
    run(&words[0], &[MAKE_INPUTS]);
    let kernel = Kernel::given().unwrap_or_else(Kernel::generated);
    introduce(&["cp", "nm", "xz", "cc"]);
    println!("{}, {} modules", kernel.name, kernel.modules().len());
    let map = folder().join("full.map");
    build((kernel.image.0, &kernel.image.1), &kernel.plain, &map);
    converts(rounds, &kernel, &map);
    if Kernel::given().is_some() {
        checks(rounds, &kernel, &map);
    }
    builds(rounds, &kernel, &map);
    sizes(&map);
    lookups(rounds, &map);
    beside_kernel(rounds);
    growth(rounds);
}
