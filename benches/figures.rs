//! The figures that are promised, measured on the whole program.
//!
//! Each figure stands beside a baseline of the same run, because machines differ and are shared:
//! `cp` of the same file, and reading it. Times are medians of runs in turn; processor time is
//! beside the time on the clock. Then one thing doubles while the others stay, and the time of each
//! step is compared with that of the first.
//!
//! Linux counts what a process was before `exec` into its peak memory, so that a large parent would
//! hide its children's: the inputs are made by a child, and this process stays small until the
//! programs have run.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "inputs are made here, a surprise stops the run"
)]

mod generate;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table};
use generate::{Shape, module, sources, text_list};
use klp_convert::klp::{Options, convert};
use klp_convert::symbols::Sources;
use wait4::Wait4;

/// Lines of the list of the promised figures.
const LINES: u64 = 1_200_000;
/// Lines of the list beside a large module.
const SHORT: u64 = 20_000;
const DOUBLINGS: [u64; 4] = [1, 2, 4, 8];
/// The word that makes this program write its inputs and nothing else.
const MAKE_INPUTS: &str = "--make-inputs";

/// What a child took.
#[derive(Debug, Clone, Copy)]
struct Run {
    time: Duration,
    /// Processor time, of the kernel for it as well.
    cpu: Duration,
    /// Peak in bytes.
    memory: u64,
}

fn run(program: &str, words: &[&Path]) -> Run {
    let start = Instant::now();
    let mut command = Command::new(program);
    command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = command.spawn().unwrap().wait4().unwrap();
    let time = start.elapsed();
    assert!(ended.status.success(), "{program} {words:?}: {:?}", ended.status);
    let used = ended.rusage;
    Run { time, cpu: used.utime + used.stime, memory: used.maxrss }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Runs several things in turn, so that they meet the same weather, and gives their medians.
fn compare<const N: usize>(
    rounds: usize,
    mut run: [&mut dyn FnMut() -> Duration; N],
) -> [Duration; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for (run, times) in run.iter_mut().zip(&mut times) {
            times.push(run());
        }
    }
    times.map(median)
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn mb(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn ratio(time: Duration, base: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() / base.as_secs_f64())
}

fn table(titles: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN).set_header(titles).add_rows(rows);
    table.column_iter_mut().skip(1).for_each(|c| c.set_cell_alignment(CellAlignment::Right));
    println!("\n{table}");
}

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("figures");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes every input.
fn make_inputs() {
    let write = |name: &str, bytes: &[u8]| fs::write(folder().join(name), bytes).unwrap();
    for times in DOUBLINGS {
        write(&format!("lines-{times}.klp"), &text_list(times * LINES / 8));
    }
    write("short.klp", &text_list(SHORT));
    write("small.ko", &module(Shape::SMALL));
    write("bare.ko", &module(Shape { convert: 0, ..Shape::SMALL }));
    write("large.ko", &module(Shape::LARGE));
}

/// Reads a file and keeps nothing, in blocks as large as those that lists are read in.
fn read(path: &Path) {
    let (mut file, mut block) = (fs::File::open(path).unwrap(), vec![0; 256 * 1024]);
    while file.read(&mut block).unwrap() > 0 {}
}

/// The promised figures, of the program as it is called by a build.
fn promised(rounds: usize) {
    let program = env!("CARGO_BIN_EXE_klp-convert");
    let [list, short, small, large, bare, out] =
        ["lines-8.klp", "short.klp", "small.ko", "large.ko", "bare.ko", "out.ko"]
            .map(|name| folder().join(name));
    let cases: [(&str, &str, Vec<&Path>, &Path); 3] = [
        (
            "small module, list of 1.2 million lines",
            "40 ms, 32 MB",
            vec![&list, &small, &out],
            &list,
        ),
        ("50,000 symbols, 100,000 relocations", "40 ms", vec![&short, &large, &out], &large),
        ("small module, no list", "as cp", vec![&bare, &out], &bare),
    ];
    let rows = cases.into_iter().map(|(what, reach, words, input)| {
        let (mut memory, mut cpu) = (0, Vec::new());
        let [tool, copy, read] = compare(
            rounds,
            [
                &mut || {
                    let run = run(program, &words);
                    memory = memory.max(run.memory);
                    cpu.push(run.cpu);
                    run.time
                },
                &mut || run("cp", &[input, &out]).time,
                &mut || timed(|| read(input)),
            ],
        );
        let size = mb(fs::metadata(input).unwrap().len());
        let beside = |base| format!("{} ({})", ms(base), ratio(tool, base));
        let (copy, read) = (beside(copy), beside(read));
        vec![what.into(), reach.into(), ms(tool), ms(median(cpu)), mb(memory), size, copy, read]
    });
    let titles = [
        "whole process",
        "to reach",
        "time",
        "processor",
        "peak memory",
        "file",
        "cp (ratio)",
        "read (ratio)",
    ];
    table(&titles, rows.collect());
}

/// How the time of the library call grows when one thing doubles.
fn growth(rounds: usize) {
    let large = Shape::LARGE;
    let shapes: [(&str, [Shape; 4]); 4] = [
        ("symbols", DOUBLINGS.map(|n| Shape { symbols: n * large.symbols, ..large })),
        ("relocations", DOUBLINGS.map(|n| Shape { relocations: n * large.relocations, ..large })),
        ("symbols to convert", DOUBLINGS.map(|n| Shape { convert: n * 100, ..large })),
        (
            "all of these",
            DOUBLINGS.map(|n| Shape {
                symbols: n * large.symbols,
                relocations: n * large.relocations,
                convert: n * large.convert,
            }),
        ),
    ];
    let converts = |data: &[u8], sources: &Sources| {
        timed(|| convert(data, sources, &Options::default()).unwrap())
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut add = |what: &str, inputs: [(Vec<u8>, Sources); 4]| {
        let [a, b, c, d] = &inputs;
        let runs: [&mut dyn FnMut() -> Duration; 4] = [
            &mut || converts(&a.0, &a.1),
            &mut || converts(&b.0, &b.1),
            &mut || converts(&c.0, &c.1),
            &mut || converts(&d.0, &d.1),
        ];
        let times = compare(rounds, runs);
        let cells = times.map(|time| format!("{} ({})", ms(time), ratio(time, times[0])));
        rows.push([what.to_owned()].into_iter().chain(cells).collect());
    };
    for (what, shapes) in shapes {
        add(what, shapes.map(|shape| (module(shape), sources(&folder().join("short.klp")))));
    }
    let list = |times| sources(&folder().join(format!("lines-{times}.klp")));
    add("lines of the list", DOUBLINGS.map(|times| (module(Shape::SMALL), list(times))));
    table(&["library call, ratio to 1x", "1x", "2x", "4x", "8x"], rows);
    println!(
        "1x: 50,000 symbols, 100,000 relocations, 50 to convert (100 where these double); 150,000 lines"
    );
}

fn main() {
    let words: Vec<_> = std::env::args().collect();
    if words.iter().any(|word| word == MAKE_INPUTS) {
        return make_inputs();
    }
    run(&words[0], &[Path::new(MAKE_INPUTS)]);
    // Without `--bench` this is a test that all of it runs.
    let rounds = if words.iter().any(|word| word == "--bench") { 15 } else { 1 };
    promised(rounds);
    growth(rounds);
}
