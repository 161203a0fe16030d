//! The conversion as a library call, over inputs that double: time per element must not grow.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "inputs are made here, a surprise stops the run"
)]

mod generate;

use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use generate::{Shape, module, sources, text_list};
use klp_convert::convert::convert;
use klp_convert::options::Options;
use klp_convert::symbols::Sources;

const DOUBLINGS: [u64; 4] = [1, 2, 4, 8];

fn stored(name: &str, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn converts(data: &[u8], sources: &Sources, expected: u64) {
    let conversion = convert(data, sources, &Options::default()).unwrap();
    assert_eq!(conversion.plan.symbols.len() as u64, expected);
}

/// A small module with text lists of up to 1.2 million lines.
fn lines(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lines");
    let data = module(Shape::SMALL);
    for lines in DOUBLINGS.map(|times| times * 150_000) {
        let sources = sources(&stored("lines.klp", &text_list(lines)));
        group.throughput(Throughput::Elements(lines));
        group.bench_function(BenchmarkId::from_parameter(lines), |bencher| {
            bencher.iter(|| converts(&data, &sources, Shape::SMALL.convert));
        });
    }
}

/// One parameter of the large module doubled, the others unchanged.
fn growing(
    criterion: &mut Criterion,
    name: &str,
    shape: impl Fn(u64) -> Shape,
    elements: impl Fn(Shape) -> u64,
) {
    let mut group = criterion.benchmark_group(name);
    let sources = sources(&stored("small.klp", &text_list(20_000)));
    for shape in DOUBLINGS.map(shape) {
        let data = module(shape);
        group.throughput(Throughput::Elements(elements(shape)));
        group.bench_function(BenchmarkId::from_parameter(elements(shape)), |bencher| {
            bencher.iter(|| converts(&data, &sources, shape.convert));
        });
    }
}

fn symbols(criterion: &mut Criterion) {
    let shape = |times| Shape { symbols: 50_000 * times, ..Shape::LARGE };
    growing(criterion, "symbols", shape, |shape| shape.symbols);
}

fn relocations(criterion: &mut Criterion) {
    let shape = |times| Shape { relocations: 100_000 * times, ..Shape::LARGE };
    growing(criterion, "relocations", shape, |shape| shape.relocations);
}

fn converted(criterion: &mut Criterion) {
    let shape = |times| Shape { convert: 100 * times, ..Shape::LARGE };
    growing(criterion, "converted", shape, |shape| shape.convert);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500));
    targets = lines, symbols, relocations, converted
}
criterion_main!(benches);
