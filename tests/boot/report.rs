//! `docs/proof.md`: the cases of each kernel, how much was compared, and what was not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use crate::boot::{Boot, Outcome, Outcomes};
use crate::cases;
use crate::failure::Failure;
use crate::memory::Tally;
use crate::page::{Page, Row, UNFIT};

/// The path of the report in the repository.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/proof.md");

/// The results of all boots.
pub(crate) struct Report(Page);

impl Report {
    /// # Errors
    /// If a kernel was not booted or a case does not hold: a report has only proofs.
    pub(crate) fn of(boots: &[Arc<Boot>]) -> Result<Self, Failure> {
        let mut page = Page::default();
        for boot in boots {
            let outcomes =
                boot.outcomes().ok_or_else(|| format!("{} was not run", boot.title()))?;
            add(&mut page, boot, outcomes)?;
        }
        Ok(Self(page))
    }

    /// Fails unless the committed report has every case and every reason.
    pub(crate) fn is_committed(&self) -> Result<(), Failure> {
        let committed = Page::parse(&std::fs::read_to_string(COMMITTED)?)?;
        let mut missing = BTreeSet::new();
        for row in &self.0.cases {
            let known = committed.cases.iter().find(|known| known.case == row.case);
            for kernel in row.cells.keys() {
                if !known.is_some_and(|known| known.cells.contains_key(kernel)) {
                    missing.insert(format!("`{}` on {kernel}", row.case));
                }
            }
        }
        for ((case, why), kernels) in &self.0.unfit {
            let known = committed.unfit.get(&(case.clone(), why.clone()));
            for kernel in kernels {
                if !known.is_some_and(|known| known.contains(kernel)) {
                    missing.insert(format!("`{case}` on {kernel}: {why}"));
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<_> = missing.into_iter().collect();
        Err(format!(
            "docs/proof.md is out of date; write it with `cargo boot --every-kernel --report \
             docs/proof.md`, or add a case to it with `--case NAME`. It does not have:\n{}",
            missing.join("\n")
        )
        .into())
    }

    /// Writes the page, or adds cases to the committed one.
    pub(crate) fn write(self, path: &Path, is_whole: bool) -> Result<Self, Failure> {
        if is_whole {
            std::fs::write(path, self.0.text()?)?;
            return Ok(self);
        }
        let mut page = Page::parse(&std::fs::read_to_string(path)?)?;
        let order: Vec<String> = cases::all().iter().map(|case| case.name()).collect();
        page.add(self.0, &order)?;
        std::fs::write(path, page.text()?)?;
        Ok(Self(page))
    }
}

/// Adds a kernel.
fn add(page: &mut Page, boot: &Boot, outcomes: &Outcomes) -> Result<(), Failure> {
    let title = boot.title();
    let mut sum = Tally::default();
    let mut holds = 0;
    for case in boot.cases() {
        let name = case.name();
        let cell = match outcomes.cases.get(&name) {
            Some(Outcome::Holds(tally)) => {
                holds += 1;
                sum.add(tally);
                format!("{} / {}", tally.compared, tally.masked.values().sum::<u64>())
            }
            Some(Outcome::Unfit(why)) => {
                page.unfit.entry((name.clone(), why.clone())).or_default().push(title.clone());
                UNFIT.to_owned()
            }
            _ => return Err(format!("{title}: {name} does not hold").into()),
        };
        match page.cases.iter_mut().find(|row| row.case == name) {
            Some(row) => {
                row.cells.insert(title.clone(), cell);
            }
            None => page.cases.push(Row {
                case: name,
                cells: BTreeMap::from([(title.clone(), cell)]),
                shows: case.shows(),
            }),
        }
    }
    let Tally { snapshots, compared, written, hidden, masked, relocations } = sum;
    let unfit = u64::try_from(outcomes.cases.len() - holds)?;
    let figures =
        [u64::try_from(holds)?, unfit, snapshots, compared, masked.values().sum(), written, hidden];
    page.kernels.push((title, outcomes.uname.clone(), figures));
    for (by, bytes) in masked {
        *page.masked.entry(by.to_owned()).or_default() += bytes;
    }
    for (name, count) in relocations {
        *page.relocations.entry(name.to_string()).or_default() += count;
    }
    Ok(())
}
