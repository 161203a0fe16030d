//! The `klp-convert` command.

fn main() {}
