//! `docs/proof.md`: the cases of each kernel, how much was compared, and what was not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use crate::boot::{Boot, Outcome, Outcomes};
use crate::failure::Failure;
use crate::memory::Tally;

/// The path of the report in the repository.
pub(crate) const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/proof.md");

/// Why bytes that a kernel function changes are left out.
const MASKED: [(&str, &str); 28] = [
    ("alternatives_smp_module_add", "lock prefixes, on one processor"),
    ("apply_alternatives", "instructions for this processor"),
    ("apply_alternatives_module", "instructions for this processor"),
    ("apply_fineibt", "hashes before functions, and the code that checks them"),
    ("apply_paravirt", "calls that depend on the hypervisor"),
    ("apply_relocations", "fields that depend on the address of the temporary copy of the file"),
    ("apply_retpolines", "indirect branches, made for this processor"),
    ("apply_returns", "returns, made for this processor"),
    ("apply_seal_endbr", "landing pads that are not needed"),
    ("callthunks_patch_module_calls", "calls that count their depth"),
    ("ddebug_add_module", "descriptors of debugging messages, which the kernel links and marks"),
    ("do_barrier_nospec_fixups_range", "barriers for this processor"),
    ("do_feature_fixups", "instructions for this processor"),
    ("do_lwsync_fixups", "barriers for this processor"),
    ("ftrace_init_nop", "calls to the tracer, made nops"),
    ("ftrace_process_locs", "calls to the tracer, made nops, and patched functions"),
    ("jump_label_add_module", "branches that follow their keys, and the table of them, sorted"),
    ("load_module", "`struct module` itself"),
    ("module_init_ftrace_plt", "the tracer's PLT entry"),
    ("nospec_revert", "indirect branches, made for this processor"),
    ("parse_args", "parameters that were set"),
    ("report_bug", "warnings that were issued"),
    ("simplify_symbols", "values of symbols that are only in the temporary copy of the file"),
    ("sort_extable", "the table of faults, sorted"),
    ("stack_protector_apply", "the stack protector's canary"),
    ("static_call_add_module", "calls that follow their keys"),
    ("trace_module_notify", "trace events, which the kernel links and marks"),
    ("tracepoint_module_notify", "tracepoints, which the kernel links and marks"),
];

/// The results of all boots.
pub(crate) struct Report<'a> {
    boots: Vec<(&'a Boot, &'a Outcomes)>,
}

impl<'a> Report<'a> {
    /// # Errors
    /// If a kernel was not booted or a case does not hold: a report has only proofs.
    pub(crate) fn of(boots: &'a [Arc<Boot>]) -> Result<Self, Failure> {
        let mut outcomes_by_boot = Vec::new();
        for boot in boots {
            let outcomes =
                boot.outcomes().ok_or_else(|| format!("{} was not run", boot.title()))?;
            let fails = outcomes.cases.iter().find(|(_, o)| matches!(o, Outcome::Fails(_)));
            if let Some((case, _)) = fails {
                return Err(format!("{}: {case} does not hold", boot.title()).into());
            }
            outcomes_by_boot.push((&**boot, outcomes));
        }
        Ok(Self { boots: outcomes_by_boot })
    }

    /// The cases that are not run, why, and on which kernels.
    fn unfit(&self) -> BTreeMap<(&str, &str), Vec<String>> {
        let mut unfit: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (boot, outcomes) in &self.boots {
            for (case, outcome) in &outcomes.cases {
                if let Outcome::Unfit(why) = outcome {
                    unfit.entry((case.as_str(), why.as_str())).or_default().push(boot.title());
                }
            }
        }
        unfit
    }

    /// Fails unless the committed report has every case and every reason.
    pub(crate) fn is_committed(&self) -> Result<(), Failure> {
        let committed = std::fs::read_to_string(COMMITTED)?;
        let outcomes = self.boots.iter().flat_map(|(_, outcomes)| outcomes.cases.keys());
        let cases = outcomes.map(|case| format!("| `{case}` |"));
        let mut missing: BTreeSet<_> = cases.filter(|row| !committed.contains(row)).collect();
        for ((case, why), kernels) in self.unfit() {
            let says = |line: &&str| line.contains(&format!("`{case}`")) && line.ends_with(why);
            let line = committed.lines().find(says).unwrap_or_default();
            if !kernels.iter().all(|kernel| line.contains(kernel.as_str())) {
                missing.insert(unfit_line(case, why, &kernels));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<_> = missing.into_iter().collect();
        Err(format!(
            "docs/proof.md is out of date; write it with `cargo boot --every-kernel --report \
             docs/proof.md`. It does not have:\n{}",
            missing.join("\n")
        )
        .into())
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        Ok(std::fs::write(path, self.text()?)?)
    }

    fn text(&self) -> Result<String, Failure> {
        let mut text = String::from(HEAD);
        let total = self.kernels(&mut text)?;
        self.cases(&mut text)?;
        text.push_str("\n## Not run, and why\n\n");
        for ((case, why), kernels) in self.unfit() {
            writeln!(text, "{}", unfit_line(case, why, &kernels))?;
        }
        masked(&total, &mut text)?;
        relocations(&total, &mut text)?;
        Ok(text)
    }

    /// A row for each kernel; returns the sum.
    fn kernels(&self, text: &mut String) -> Result<Tally, Failure> {
        let mut total = Tally::default();
        text.push_str(
            "\n## Kernels\n\n\
             | kernel | release | cases | not run | memory compared (times) | bytes compared | left out | \
             relocations that wrote | only in bytes left out |\n\
             |---|---|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for (boot, outcomes) in &self.boots {
            let mut sum = Tally::default();
            let mut holds = 0;
            for outcome in outcomes.cases.values() {
                if let Outcome::Holds(tally) = outcome {
                    holds += 1;
                    sum.add(tally);
                }
            }
            let Tally { snapshots, compared, written, hidden, .. } = sum;
            let masked: u64 = sum.masked.values().sum();
            writeln!(
                text,
                "| {} | {} | {holds} | {} | {snapshots} | {compared} | {masked} | {written} | {hidden} |",
                boot.title(),
                outcomes.uname,
                outcomes.cases.len() - holds,
            )?;
            total.add(&sum);
        }
        Ok(total)
    }

    /// A row for each case, a column for each kernel.
    fn cases(&self, text: &mut String) -> Result<(), Failure> {
        text.push_str("\n## Cases\n\nBytes compared in each kernel / bytes left out; –: not run, for a reason below.\n\n| case |");
        for (boot, _) in &self.boots {
            write!(text, " {} |", boot.title())?;
        }
        text.push_str(" shows |\n|---|");
        text.push_str(&"--:|".repeat(self.boots.len()));
        text.push_str("---|\n");
        let cases = self.boots.first().map_or(&[][..], |(boot, _)| boot.cases());
        for case in cases {
            let name = case.name();
            write!(text, "| `{name}` |")?;
            for (_, outcomes) in &self.boots {
                match outcomes.cases.get(&name) {
                    Some(Outcome::Holds(tally)) => {
                        let masked: u64 = tally.masked.values().sum();
                        write!(text, " {} / {masked} |", tally.compared)?;
                    }
                    _ => text.push_str(" – |"),
                }
            }
            writeln!(text, " {} |", case.shows())?;
        }
        Ok(())
    }
}

fn unfit_line(case: &str, why: &str, kernels: &[String]) -> String {
    format!("* `{case}` on {}: {why}", kernels.join(", "))
}

fn masked(total: &Tally, text: &mut String) -> Result<(), Failure> {
    text.push_str(
        "\n## Bytes left out, and why\n\n\
         | kernel function | bytes | why |\n|---|--:|---|\n",
    );
    for (by, bytes) in &total.masked {
        let why = MASKED.iter().find(|(function, _)| function == by);
        let (_, why) = why.ok_or_else(|| format!("no reason why bytes of {by} are left out"))?;
        writeln!(text, "| `{by}` | {bytes} | {why} |")?;
    }
    Ok(())
}

fn relocations(total: &Tally, text: &mut String) -> Result<(), Failure> {
    text.push_str("\n## Relocations applied\n\n| type | times |\n|---|--:|\n");
    for (name, count) in &total.relocations {
        writeln!(text, "| `{name}` | {count} |")?;
    }
    Ok(())
}

const HEAD: &str = "\
# Proof on real kernels

Written by `cargo boot --report docs/proof.md` with the kernels of the first table (`--every-kernel` takes all
of them but Clang's). The suite builds the kernels, converts the livepatches in `tests/fixtures/src` and
`tests/boot/src` with the library, boots each kernel under QEMU and loads them. It checks what the patched
functions print, what the kernel refuses and with which message, and every byte of every module in memory.

Memory is compared with our load at the same addresses when a module is coming (before init), when it is
live and, for livepatches, each time that a module that they patch has been loaded or unloaded. A live module
changes its own data, so there only the relocated fields are compared. Bytes are counted each time. The
unwinder's tables, which x86_64 kernels sort, are compared sorted.

The suite is also run with five deliberate mistakes (`sabotage/…`), and must fail with each of them.
";
