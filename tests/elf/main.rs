//! What the ELF view refuses and what the rewriter keeps, on files made by an independent builder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod builder;
mod read;
mod refuse_edits;
mod refuse_files;
mod remove;
mod rewrite;
mod sample;
mod unchanged;
