//! What came of all runs, as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::bases::Kind;
use crate::call::Call;

/// Of one kind of file with one command.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) successes: usize,
    pub(crate) errors: usize,
    pub(crate) findings: usize,
    /// The most of one process, which may have had many files.
    pub(crate) memory: u64,
    pub(crate) cpu: Duration,
}

/// Of all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rows: BTreeMap<(Kind, Call), Row>,
    pub(crate) findings: Vec<String>,
}

impl Row {
    pub(crate) fn add(&mut self, other: &Self) {
        self.successes += other.successes;
        self.errors += other.errors;
        self.findings += other.findings;
        self.memory = self.memory.max(other.memory);
        self.cpu = self.cpu.max(other.cpu);
    }

    fn runs(&self) -> usize {
        self.successes + self.errors + self.findings
    }
}

impl Tally {
    pub(crate) fn add(&mut self, kind: Kind, call: Call, row: &Row) {
        self.rows.entry((kind, call)).or_default().add(row);
    }

    pub(crate) fn runs(&self) -> usize {
        self.rows.values().map(Row::runs).sum()
    }

    pub(crate) fn table(&self) -> String {
        let mut table = String::from(
            "| file | command | runs | success | error | findings | most memory | most CPU |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        let mut all = Row::default();
        for ((kind, call), row) in &self.rows {
            line(&mut table, &kind.to_string(), &call.to_string(), row);
            all.add(row);
        }
        line(&mut table, "all", "", &all);
        table
    }
}

fn line(table: &mut String, kind: &str, call: &str, row: &Row) {
    let Row { successes, errors, findings, memory, cpu } = row;
    let (mib, ms) = (memory.div_ceil(1 << 20), cpu.as_millis());
    let runs = row.runs();
    writeln!(
        table,
        "| {kind} | {call} | {runs} | {successes} | {errors} | {findings} | {mib} MiB | {ms} ms |"
    )
    .unwrap();
}
