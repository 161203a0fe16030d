//! A ninja file: an edge for each cell.

use std::fmt::Write as _;

use super::{Plan, quoted};

pub(super) fn text(plan: &Plan<'_>) -> String {
    let command = plan.shell().replace('$', "$$");
    let mut text = format!(
        "# Run: ninja -k 0 -f FILE; then: {}\n\
         ninja_required_version = 1.5\n\nrule cell\n  command = {command} --quiet --cell $cell\n  \
         description = $name\n\n",
        plan.merge(&quoted(&plan.output))
    );
    for cell in &plan.cells {
        let inputs: String =
            cell.inputs.iter().map(|input| format!(" {}", path(&input.path))).collect();
        let (name, words) = (format!("{}@{}", cell.patch, cell.target), quoted(&cell.cell));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "build {}: cell |{inputs}\n  cell = {}\n  name = {}",
            path(&cell.output),
            words.replace('$', "$$"),
            name.replace('$', "$$")
        );
    }
    text
}

/// A path in a build line.
fn path(text: &str) -> String {
    text.replace('$', "$$").replace(':', "$:").replace(' ', "$ ")
}
