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
mod lookups;
mod measure;
mod peers;
mod relocations;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use inputs::{Kernel, THREADS, folder, generated_image, make_inputs, parts};
use klp_convert::symbols::Map;
use measure::{
    DOUBLINGS, MAKE_INPUTS, Runs, Times, compare, introduce, is_installed, mb, ratio, run, table,
    time,
};
use peers::{SAMPLE, below, decompress, nm, read_and_unpack, read_tables, share};

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
    let opened = DOUBLINGS.map(|times| lookups::opening(rounds, &map(times)));
    let asked = DOUBLINGS.map(|times| {
        let map = Map::open(map(times)).unwrap();
        let names: Vec<_> = lookups::names(&map).iter().step_by(997).map(|n| n.0.clone()).collect();
        lookups::asking(rounds, &map, &names)
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
        return lookups::beside_kernel(1);
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
    lookups::figures(rounds, &map);
    lookups::beside_kernel(rounds);
    growth(rounds);
}
