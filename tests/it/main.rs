//! The program's promises, tested with the program itself and the committed fixtures.
//!
//! [`machine`] has the fixtures, [`tool`] runs the program, [`image`] reads ELF files
//! independently, [`patch`] breaks them. The rest are the promises, by subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise, and says what it skips"
)]

mod annotate;
mod arrows;
mod bad_annotation;
mod bad_files;
mod bad_list;
mod bad_module;
mod bad_selector;
mod bad_symbols;
mod bounds;
mod bounds_selectors;
mod bounds_symbols;
mod build;
mod changed;
mod check_load;
mod commands;
mod comparison;
mod compiled;
mod compressed;
mod debug_info;
mod debug_twins;
mod dependencies;
mod dialects;
mod distinct_faults;
mod documents;
mod faults;
mod fixtures;
mod gate_faults;
mod gates;
mod header;
mod headers;
mod hidden_characters;
mod historical;
mod image;
mod inspect;
mod interrupted;
mod kbuild;
#[path = "../../src/symbols/image/fixture.rs"]
#[allow(dead_code, unused_imports, reason = "the library's own tests use all of it")]
mod kernel_image;
mod libraries;
mod load;
mod load_other_refusals;
mod load_patch_relocated;
mod load_places;
mod load_refusals;
mod load_structure;
mod load_unreached;
mod lost_output;
mod machine;
mod match_kernel;
mod new;
mod no_threads;
mod notices;
mod objdiff;
mod one_document;
mod other_paths;
mod other_tools;
mod output_attributes;
mod output_streams;
mod packages;
mod patch;
mod per_cpu;
mod placement;
mod project;
mod readelf;
mod recorded;
mod reload;
mod replaced;
mod runtime_constants;
mod selectors;
mod siblings;
mod stats;
mod symbol_table;
mod symbols;
mod tables;
mod tidy;
mod tool;
mod trees;
mod unchanged;
mod unknown_exports;
mod unpacked;
