//! A budget: the largest values that figures may have.
//!
//! ```toml
//! [all]
//! "memory.kept" = 65536
//! "klp.relocations" = 100
//! ```

use std::collections::BTreeMap;
use std::fmt;

use crate::diagnostic::{Code, Diagnose};
use crate::stats::{Stats, is_figure};

/// The table of what holds for every module.
const ALL: &str = "all";

/// Largest values by figure, for every module and for each one.
#[derive(Debug, Default)]
pub(super) struct Budget {
    all: BTreeMap<String, u64>,
    of_module: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Why a file is not a budget.
#[derive(Debug)]
pub(super) struct BudgetError(String);

impl fmt::Display for BudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Diagnose for BudgetError {
    fn code(&self) -> Code {
        Code::Budget
    }

    fn help(&self) -> Vec<String> {
        vec!["the figures of a module, with the names to use: klp-convert stats MODULE.ko".into()]
    }
}

/// A figure that is larger than allowed.
#[derive(Debug)]
pub(super) struct Excess {
    figure: String,
    value: u64,
    most: u64,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figure, value, most } = self;
        write!(f, "{figure} is {value}, {} more than its budget of {most}", value - most)
    }
}

impl Diagnose for Excess {
    fn code(&self) -> Code {
        Code::OverBudget
    }

    fn help(&self) -> Vec<String> {
        vec!["see what has grown: klp-convert stats --compare OLD.ko NEW.ko".into()]
    }
}

impl Budget {
    /// Reads a budget's text.
    ///
    /// # Errors
    /// It is malformed, or names a figure that does not exist.
    pub(super) fn parse(text: &str) -> Result<Self, BudgetError> {
        let tables: toml::Table = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let (line, what) =
                (before.matches('\n').count() + 1, error.message().replace('\n', " "));
            BudgetError(format!("line {line}: {what}"))
        })?;
        let mut budget = Self::default();
        for (name, table) in tables {
            let mut most = BTreeMap::new();
            let toml::Value::Table(table) = table else {
                return Err(BudgetError(format!(
                    "'{name}' is not a table: [{ALL}], or one of a module"
                )));
            };
            figures(&name, "", table, &mut most)?;
            if name == ALL {
                budget.all = most;
            } else {
                budget.of_module.insert(name, most);
            }
        }
        Ok(budget)
    }

    /// The largest value that a figure may have in every module.
    pub(super) fn most(&self, figure: &str) -> Option<u64> {
        self.all.get(figure).copied()
    }

    /// What is larger than it may be, by figure: the module's own table goes before the one of all.
    pub(super) fn exceeded(&self, stats: &Stats) -> Vec<Excess> {
        let own = stats.name.as_ref().and_then(|name| self.of_module.get(name));
        let mut most = self.all.clone();
        most.extend(own.into_iter().flatten().map(|(figure, most)| (figure.clone(), *most)));
        let all = most.into_iter();
        let all = all.map(|(figure, most)| Excess { value: stats.figure(&figure), figure, most });
        all.filter(|excess| excess.value > excess.most).collect()
    }
}

/// Takes the figures out of a table and those in it: without quotes, `memory.kept` is `kept` in a table `memory`.
fn figures(
    module: &str,
    start: &str,
    table: toml::Table,
    most: &mut BTreeMap<String, u64>,
) -> Result<(), BudgetError> {
    for (key, value) in table {
        let name = if start.is_empty() { key } else { format!("{start}.{key}") };
        match value {
            toml::Value::Table(table) => figures(module, &name, table, most)?,
            toml::Value::Integer(value) => {
                if !is_figure(&name) {
                    return Err(BudgetError(format!("[{module}]: there is no figure '{name}'")));
                }
                let value = u64::try_from(value);
                let value = value.map_err(|_| {
                    BudgetError(format!("[{module}]: '{name}' may not be negative"))
                })?;
                most.insert(name, value);
            }
            _ => return Err(BudgetError(format!("[{module}]: '{name}' is not a number"))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_for_all_modules_and_for_some() {
        let text = "[all]\nmemory = 8192\n\"memory.text\" = 4096\nfile = 1\n\
                    [lp_one]\n\"memory\" = 16384\nklp.relocations.vmlinux.\".text\" = 3\n";
        let budget = Budget::parse(text).unwrap();
        let figures =
            [("memory", 12288), ("memory.text", 4097), ("klp.relocations.vmlinux..text", 4)];
        let figures = figures.map(|(figure, value)| (figure.to_owned(), value)).into();
        let machine = klp_arch::by_name("arm64").unwrap();
        let kernel = klp_arch::KernelVersion::new(7, 2);
        let stats = Stats { name: Some("lp_one".into()), machine, kernel, figures };
        let over = |stats: &Stats| {
            budget.exceeded(stats).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            over(&stats),
            [
                "klp.relocations.vmlinux..text is 4, 1 more than its budget of 3",
                "memory.text is 4097, 1 more than its budget of 4096",
            ]
        );
        let other = Stats { name: Some("lp_two".into()), ..stats };
        assert_eq!(
            over(&other),
            [
                "memory is 12288, 4096 more than its budget of 8192",
                "memory.text is 4097, 1 more than its budget of 4096",
            ]
        );
    }

    #[test]
    fn what_is_no_budget_is_refused_by_its_line_or_figure() {
        for (text, word) in [
            ("[all]\nmemory.txt = 1\n", "[all]: there is no figure 'memory.txt'"),
            ("[all]\nfile = -1\n", "'file' may not be negative"),
            ("[all]\nfile = \"1\"\n", "'file' is not a number"),
            ("file = 1\n", "'file' is not a table"),
            ("[all]\nfile = \n", "line 2: "),
            ("[all]\nfile = 1\nfile = 2\n", "line 3: "),
        ] {
            let error = Budget::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
