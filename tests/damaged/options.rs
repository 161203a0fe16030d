//! How many files to damage, and from which numbers.

use clap::Parser;

/// Gives damaged modules and sources of symbols to the program.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Options {
    /// So many files with changed bytes, fields or lines
    #[arg(long, value_name = "FILES")]
    pub(crate) mutations: Option<usize>,

    /// So many files that end too early
    #[arg(long, value_name = "FILES")]
    pub(crate) truncations: Option<usize>,

    /// What the damage is drawn from
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,

    /// How many run at once
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    pub(crate) jobs: usize,

    #[command(flatten)]
    pub(crate) test: libtest_mimic::Arguments,
}

impl Options {
    /// How many of both are wanted, if it is not the short run.
    pub(crate) fn wanted(&self) -> Option<(usize, usize)> {
        let given = self.mutations.or(self.truncations).is_some();
        given.then(|| (self.mutations.unwrap_or(0), self.truncations.unwrap_or(0)))
    }
}
