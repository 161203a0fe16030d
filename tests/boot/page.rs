//! The figures of `docs/proof.md`, written and read again.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::failure::Failure;

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

/// A case that cannot be run on a kernel; there is a reason.
pub(crate) const UNFIT: &str = "–";
/// A case that was not run on a kernel, which may hold.
const UNKNOWN: &str = "?";

const KERNELS: &str = "\
| kernel | release | cases | not run | memory compared (times) | bytes compared | left out | \
relocations that wrote | only in bytes left out |
|---|---|--:|--:|--:|--:|--:|--:|--:|
";

/// What the page says.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// By `machine/kernel`, in the order of the columns: the release, and the other figures of the row.
    pub(crate) kernels: Vec<(String, String, [u64; 7])>,
    /// In the order of the suite.
    pub(crate) cases: Vec<Row>,
    /// A case and why it is not run: the kernels.
    pub(crate) unfit: BTreeMap<(String, String), Vec<String>>,
    /// By kernel function.
    pub(crate) masked: BTreeMap<String, u64>,
    /// By type.
    pub(crate) relocations: BTreeMap<String, u64>,
}

/// A row of the table of cases.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) case: String,
    /// By `machine/kernel`: bytes compared and left out, or [`UNFIT`].
    pub(crate) cells: BTreeMap<String, String>,
    pub(crate) shows: String,
}

impl Page {
    /// Reads what [`Page::text`] has written.
    ///
    /// # Errors
    /// The line that is not a row of its table.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut page = Self::default();
        let mut section = "";
        let mut columns: Vec<String> = Vec::new();
        for line in text.lines() {
            let bad =
                || Failure::from(format!("docs/proof.md: not a row of \"{section}\": {line}"));
            if let Some(title) = line.strip_prefix("## ") {
                section = title;
            } else if let Some(row) = line.strip_prefix("| ").and_then(|row| row.strip_suffix(" |"))
            {
                let cells: Vec<&str> = row.split(" | ").collect();
                match (section, &*cells) {
                    ("Cases", ["case", kernels @ .., "shows"]) => {
                        columns = kernels.iter().map(ToString::to_string).collect();
                    }
                    (_, ["kernel" | "kernel function" | "type", ..]) => {}
                    ("Kernels", [title, release, figures @ ..]) => {
                        let figures: Vec<u64> = figures
                            .iter()
                            .map(|cell| cell.parse())
                            .collect::<Result<_, _>>()
                            .map_err(|_| bad())?;
                        let figures = figures.try_into().map_err(|_| bad())?;
                        page.kernels.push((title.to_string(), release.to_string(), figures));
                    }
                    ("Cases", [case, cells @ .., shows]) if cells.len() == columns.len() => {
                        let known = columns.iter().zip(cells).filter(|(_, cell)| **cell != UNKNOWN);
                        page.cases.push(Row {
                            case: case.trim_matches('`').to_owned(),
                            cells: known
                                .map(|(kernel, cell)| (kernel.clone(), cell.to_string()))
                                .collect(),
                            shows: shows.to_string(),
                        });
                    }
                    ("Bytes left out, and why", [name, count, _]) => {
                        page.masked.insert(
                            name.trim_matches('`').to_owned(),
                            count.parse().map_err(|_| bad())?,
                        );
                    }
                    ("Relocations applied", [name, count]) => {
                        page.relocations.insert(
                            name.trim_matches('`').to_owned(),
                            count.parse().map_err(|_| bad())?,
                        );
                    }
                    _ => return Err(bad()),
                }
            } else if let Some(item) = line.strip_prefix("* `") {
                let (case, rest) = item.split_once("` on ").ok_or_else(bad)?;
                let (kernels, why) = rest.split_once(": ").ok_or_else(bad)?;
                let kernels = kernels.split(", ").map(str::to_owned).collect();
                page.unfit.insert((case.to_owned(), why.to_owned()), kernels);
            }
        }
        Ok(page)
    }

    /// Adds cases that were not run on their kernels yet. `order` are all cases of the suite.
    ///
    /// # Errors
    /// If a kernel is new, or its figures have the case already: sums could not be told apart.
    pub(crate) fn add(&mut self, other: Self, order: &[String]) -> Result<(), Failure> {
        for (title, release, figures) in other.kernels {
            let mut rows = self.kernels.iter_mut();
            let (_, known, sum) = rows
                .find(|(kernel, ..)| *kernel == title)
                .ok_or_else(|| format!("docs/proof.md has no figures of {title}: write it anew"))?;
            // A kernel that fits none of the cases is not booted.
            if !release.is_empty() {
                *known = release;
            }
            sum.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
        }
        for row in other.cases {
            let Some(known) = self.cases.iter_mut().find(|known| known.case == row.case) else {
                self.cases.push(row);
                continue;
            };
            for (kernel, cell) in row.cells {
                if known.cells.insert(kernel.clone(), cell).is_some() {
                    let case = &row.case;
                    return Err(format!(
                        "docs/proof.md has {case} on {kernel} already: write it anew"
                    )
                    .into());
                }
            }
        }
        self.cases.sort_by_key(|row| order.iter().position(|case| *case == row.case));
        for (key, kernels) in other.unfit {
            self.unfit.entry(key).or_default().extend(kernels);
        }
        for (sum, counts) in
            [(&mut self.masked, other.masked), (&mut self.relocations, other.relocations)]
        {
            counts.into_iter().for_each(|(name, count)| *sum.entry(name).or_default() += count);
        }
        Ok(())
    }

    pub(crate) fn text(&self) -> Result<String, Failure> {
        let mut text = String::from(HEAD);
        text.push_str("\n## Kernels\n\n");
        text.push_str(KERNELS);
        for (title, release, figures) in &self.kernels {
            let figures = figures.map(|figure| figure.to_string()).join(" | ");
            writeln!(text, "| {title} | {release} | {figures} |")?;
        }
        self.write_cases(&mut text)?;
        text.push_str("\n## Not run, and why\n\n");
        for ((case, why), kernels) in &self.unfit {
            writeln!(text, "* `{case}` on {}: {why}", kernels.join(", "))?;
        }
        text.push_str(
            "\n## Bytes left out, and why\n\n\
             | kernel function | bytes | why |\n|---|--:|---|\n",
        );
        for (by, bytes) in &self.masked {
            let why = MASKED.iter().find(|(function, _)| function == by);
            let (_, why) =
                why.ok_or_else(|| format!("no reason why bytes of {by} are left out"))?;
            writeln!(text, "| `{by}` | {bytes} | {why} |")?;
        }
        text.push_str("\n## Relocations applied\n\n| type | times |\n|---|--:|\n");
        for (name, count) in &self.relocations {
            writeln!(text, "| `{name}` | {count} |")?;
        }
        Ok(text)
    }

    /// A row for each case, a column for each kernel.
    fn write_cases(&self, text: &mut String) -> Result<(), Failure> {
        text.push_str(
            "\n## Cases\n\nBytes compared in each kernel / bytes left out; –: not run, for a reason below; ?: newer \
             than the last run on this kernel.\n\n| case |",
        );
        for (title, ..) in &self.kernels {
            write!(text, " {title} |")?;
        }
        text.push_str(" shows |\n|---|");
        text.push_str(&"--:|".repeat(self.kernels.len()));
        text.push_str("---|\n");
        for row in &self.cases {
            write!(text, "| `{}` |", row.case)?;
            for (title, ..) in &self.kernels {
                write!(text, " {} |", row.cells.get(title).map_or(UNKNOWN, String::as_str))?;
            }
            writeln!(text, " {} |", row.shows)?;
        }
        Ok(())
    }
}

const HEAD: &str = "\
# Proof on real kernels

Written by `cargo boot --report docs/proof.md` with the kernels of the first table (`--every-kernel` takes all
of them but Clang's); with `--case NAME`, a new case is added. The suite builds the kernels, converts the
livepatches in `tests/fixtures/src` and `tests/boot/src` with the library, boots each kernel under QEMU and loads
them. It checks what the patched functions print, what the kernel refuses and with which message, and every byte
of every module in memory.

Memory is compared with our load at the same addresses when a module is coming (before init), when it is
live and, for livepatches, each time that a module that they patch has been loaded or unloaded. A live module
changes its own data, so there only the relocated fields are compared. Bytes are counted each time. The
unwinder's tables, which x86_64 kernels sort, are compared sorted.

The suite is also run with five deliberate mistakes (`sabotage/…`), and must fail with each of them.
";
