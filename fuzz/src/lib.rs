//! Fuzz targets and their properties.
//!
//! Each property is a plain function over bytes, in a module of its name. `cargo test` replays its
//! seeds (`seeds/<property>/`), `fuzz/run` and `cargo fuzz run <property> seeds/<property>` search from them;
//! [`generated`] has none, because any bytes make a module.

pub mod convert;
pub mod generated;
pub mod image;
pub mod list;
pub mod load;
pub mod map;
pub mod merge;
pub mod objects;
pub mod read;
pub mod texts;

/// A property.
pub type Target = fn(&[u8]);

/// All properties, by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("convert", convert::run),
    ("generated", |bytes| _ = generated::run(bytes)),
    ("image", image::run),
    ("list", list::run),
    ("load", load::run),
    ("map", map::run),
    ("merge", merge::run),
    ("objects", objects::run),
    ("read", read::run),
    ("texts", texts::run),
];
