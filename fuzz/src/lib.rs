//! Fuzz targets and their properties.
//!
//! Each property is a plain function over bytes, in a module of its name. `cargo test` replays its
//! seeds (`seeds/<property>/`), `fuzz/run` and `cargo fuzz run <property> seeds/<property>` search from them.
//! Those of [`generated`] are bytes without a pattern, because any bytes make a module.

pub mod annotation;
pub mod broken;
mod choices;
pub mod cli;
pub mod convert;
pub mod diff;
mod folder;
pub mod generated;
pub mod image;
pub mod list;
pub mod load;
pub mod map;
pub mod merge;
pub mod names;
pub mod objects;
pub mod packed;
pub mod pairs;
pub mod read;
pub mod records;
pub mod rows;
pub mod shipped;
mod skeleton;
pub mod tables;
pub mod texts;
pub mod tools;
pub mod tree;
pub mod verdict;

/// A property.
pub type Target = fn(&[u8]);

/// All properties, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("annotation", annotation::run),
    ("broken", broken::run),
    ("cli", cli::run),
    ("convert", convert::run),
    ("diff", diff::run),
    ("generated", |bytes| _ = generated::run(bytes)),
    ("image", image::run),
    ("list", list::run),
    ("load", load::run),
    ("map", map::run),
    ("merge", merge::run),
    ("names", names::run),
    ("objects", objects::run),
    ("packed", packed::run),
    ("pairs", pairs::run),
    ("read", read::run),
    ("records", records::run),
    ("rows", rows::run),
    ("shipped", shipped::run),
    ("tables", tables::run),
    ("texts", texts::run),
    ("tools", tools::run),
    ("tree", tree::run),
    ("verdict", verdict::run),
];

/// Runs a target on each of its seeds.
#[cfg(test)]
fn replay(name: &str, target: Target) {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(name);
    let mut count = 0;
    for seed in std::fs::read_dir(seeds).unwrap() {
        target(&std::fs::read(seed.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "no seeds of {name}");
}
