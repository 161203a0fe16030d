//! The promised figures, measured on the whole program.
//!
//! Each figure has a baseline from the same run, because machines differ and are shared: `cp` of
//! the same file, and reading it. Times are medians of interleaved runs, wall clock and CPU. Then
//! one parameter doubles while the others stay, and the time of each step is compared with the
//! first.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "inputs are made here, a surprise stops the run"
)]

mod generate;
mod measure;

use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, iter};

use generate::{Shape, module, sources, text_list};
use klp_convert::convert::convert;
use klp_convert::options::Options;
use klp_convert::symbols::Sources;
use measure::{
    DOUBLINGS, MAKE_INPUTS, Run, Runs, Times, compare, introduce, is_installed, mb, ratio, run,
    run_to, table, time, timed,
};

/// After this time no new round beside a slow program starts.
const PATIENCE: Duration = Duration::from_secs(9);
/// Lines of the list of the promised figures.
const LINES: u64 = 1_200_000;
/// Lines of the list beside a large module.
const SHORT: u64 = 20_000;

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

/// Reads a file and keeps nothing, in blocks of the size used for lists.
fn read(path: &Path) {
    let (mut file, mut block) = (fs::File::open(path).unwrap(), vec![0; 256 * 1024]);
    while file.read(&mut block).unwrap() > 0 {}
}

/// The promised figures, for the program as called by a build.
fn promised(rounds: usize) {
    let program = env!("CARGO_BIN_EXE_klp-convert");
    let [list, short, small, large, bare, out] =
        ["lines-8.klp", "short.klp", "small.ko", "large.ko", "bare.ko", "out.ko"]
            .map(|name| folder().join(name));
    let cases: [(&str, &str, Vec<&Path>, &Path); 4] = [
        (
            "small module, list of 1.2 million lines",
            "40 ms, 32 MB",
            vec![&list, &small, &out],
            &list,
        ),
        ("50,000 symbols, 100,000 relocations", "40 ms", vec![&short, &large, &out], &large),
        ("small module, no list", "as cp", vec![&bare, &out], &bare),
        ("--version: the start alone", "1 ms", vec![Path::new("--version")], &bare),
    ];
    let rows = cases.into_iter().map(|(what, reach, words, input)| {
        let mut runs = Runs::default();
        let operand = |name: &str, path: &Path| [name.as_ref(), path.as_os_str()].join("".as_ref());
        let synced =
            [operand("if=", input), operand("of=", &out), "bs=256K".into(), "conv=fsync".into()];
        let [tool, copy, sync, read] = compare(
            rounds,
            Duration::MAX,
            [
                &mut || runs.add(run(program, &words)),
                &mut || run("cp", &[input, &out]).time,
                &mut || run("dd", &synced).time,
                &mut || timed(|| read(input)),
            ],
        );
        let size = mb(fs::metadata(input).unwrap().len());
        let beside = |base: &Times| format!("{} ({})", time(base), ratio(&tool, base));
        let [copy, sync, read] = [&copy, &sync, &read].map(beside);
        vec![
            what.into(),
            reach.into(),
            time(&tool),
            time(&runs.cpu),
            mb(runs.memory),
            size,
            copy,
            sync,
            read,
        ]
    });
    let titles = [
        "whole process",
        "to reach",
        "time",
        "processor",
        "peak memory",
        "file",
        "cp (ratio)",
        "dd conv=fsync (ratio)",
        "read (ratio)",
    ];
    table(&titles, rows.collect());
}

/// Other programs that read all of the large module, or read it and write another with all of it.
fn peers(rounds: usize) {
    let [short, large, out] = ["short.klp", "large.ko", "out.ko"].map(|name| folder().join(name));
    let name = |path: &PathBuf| path.to_str().unwrap().to_owned();
    let (large, out) = (name(&large), name(&out));
    let linked =
        |program| (program, vec!["-r".to_owned(), large.clone(), "-o".to_owned(), out.clone()]);
    let others = [
        ("readelf", ["-W", "-S", "-s", "-r", &large].map(str::to_owned).to_vec()),
        ("nm", vec![large.clone()]),
        linked("ld"),
        linked("ld.lld"),
        linked("mold"),
    ];
    let mut rows = Vec::new();
    for (program, words) in others.into_iter().filter(|(program, _)| is_installed(program)) {
        let mut runs = Runs::default();
        let ours = [name(&short), large.clone(), out.clone()];
        let [tool, other] = compare(
            rounds,
            PATIENCE,
            [&mut || run(env!("CARGO_BIN_EXE_klp-convert"), &ours).time, &mut || {
                runs.add(run(program, &words))
            }],
        );
        let options = words.iter().take_while(|word| word.starts_with('-'));
        let what: Vec<_> = iter::once(program).chain(options.map(String::as_str)).collect();
        let (what, ratio) = (what.join(" "), ratio(&tool, &other));
        rows.push(vec![what, time(&other), time(&runs.cpu), mb(runs.memory), ratio]);
    }
    let titles =
        ["the large module, by others", "time", "processor", "peak memory", "conversion (ratio)"];
    table(&titles, rows);
}

/// A pair of objects compared, and what objtool does with them: a checksum of each function, and what differs.
fn objects(rounds: usize, pair: &str, objtool: &str) {
    let (old, new) = pair.split_once(':').unwrap();
    let [a, b, out] = ["old.o", "new.o", "diff.o"].map(|name| folder().join(name));
    // It reads one from where it runs; none of these is exported.
    env::set_current_dir(folder()).unwrap();
    fs::write("Module.symvers", "").unwrap();
    let [mut ours, mut sums, mut diffs] = [(); 3].map(|()| Runs::default());
    let [tool, sum, diff] = compare(
        rounds,
        PATIENCE * 4,
        [
            &mut || {
                ours.add(run_to(
                    &[0, 1, 2],
                    env!("CARGO_BIN_EXE_klp-convert"),
                    &["objdiff", old, new],
                ))
            },
            &mut || {
                // It writes into the objects.
                for (from, to) in [(old, &a), (new, &b)] {
                    fs::copy(from, to).unwrap();
                }
                let both = [&a, &b].map(|file| {
                    run(objtool, &[OsStr::new("klp"), OsStr::new("checksum"), file.as_os_str()])
                });
                let time = both.iter().map(|run| run.time).sum();
                let cpu = both.iter().map(|run| run.cpu).sum();
                sums.add(Run { time, cpu, memory: both[0].memory.max(both[1].memory) })
            },
            &mut || {
                let words = [
                    OsStr::new("klp"),
                    OsStr::new("diff"),
                    a.as_os_str(),
                    b.as_os_str(),
                    out.as_os_str(),
                ];
                diffs.add(run(objtool, &words))
            },
        ],
    );
    let row = |what: &str, times: &Times, runs: &Runs| {
        let ratio = ratio(&runs.cpu, &ours.cpu);
        vec![what.to_owned(), time(times), time(&runs.cpu), ratio, mb(runs.memory)]
    };
    let rows = vec![
        row("objdiff", &tool, &ours),
        row("objtool klp checksum, of both", &sum, &sums),
        row("objtool klp diff", &diff, &diffs),
    ];
    table(&["a pair of objects", "time", "processor", "(ratio)", "peak memory"], rows);
}

/// Growth of the library call's time when one parameter doubles.
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
        let times = compare(rounds, Duration::MAX, runs);
        let cells =
            times.each_ref().map(|each| format!("{} ({})", time(each), ratio(each, &times[0])));
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
    let words: Vec<_> = env::args().collect();
    if words.iter().any(|word| word == MAKE_INPUTS) {
        return make_inputs();
    }
    run(&words[0], &[Path::new(MAKE_INPUTS)]);
    // Without `--bench` this only tests that everything runs.
    let rounds = if words.iter().any(|word| word == "--bench") { 15 } else { 1 };
    introduce(&["cp", "dd", "readelf", "nm", "ld", "ld.lld", "mold"]);
    promised(rounds);
    peers(rounds);
    if let (Ok(pair), Ok(objtool)) = (env::var("KLP_PAIR"), env::var("KLP_OBJTOOL")) {
        objects(rounds, &pair, &objtool);
    }
    growth(rounds);
}
