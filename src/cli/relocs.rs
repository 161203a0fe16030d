//! `klp-convert relocs`.

use comfy_table::{ContentArrangement, Table, presets};
use klp_arch::{Calculation, Machine, Row};
use serde::Serialize;

use super::Outcome;
use super::args::Relocs;
use super::report::Reporter;

/// What `--format json` prints, one for each relocation type.
#[derive(Serialize)]
struct Entry {
    machine: &'static str,
    number: u32,
    name: &'static str,
    calculation: String,
    check: String,
    field: String,
    kernel: String,
    source: &'static str,
    note: Option<&'static str>,
}

pub(super) fn run(args: &Relocs, reporter: &Reporter) -> Outcome {
    let wanted = |b: &&&Machine| args.machine.as_ref().is_none_or(|m| m == b.name);
    let backends: Vec<_> = klp_arch::machines().iter().filter(wanted).collect();
    if backends.is_empty() {
        let names: Vec<_> = klp_arch::machines().iter().map(|b| b.name).collect();
        let machine = args.machine.as_deref().unwrap_or_default();
        return reporter.usage(&format!("'{machine}' is not one of {}", names.join(", ")));
    }
    let entries = backends.iter().flat_map(|b| b.rows.iter().map(|row| entry(b.name, row)));
    if reporter.is_json() {
        return reporter.json(&entries.collect::<Vec<_>>());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["machine", "type", "name", "value", "check", "field", "kernel", "source"]);
    for entry in entries {
        let Entry { machine, number, name, calculation, check, field, kernel, source, .. } = &entry;
        let number = number.to_string();
        table.add_row([machine, number.as_str(), name, calculation, check, field, kernel, source]);
    }
    reporter.text(&format!("{}\n", table.trim_fmt()))
}

fn entry(machine: &'static str, row: &Row) -> Entry {
    Entry {
        machine,
        number: row.number,
        name: row.name,
        calculation: Calculation(row).to_string(),
        check: row.check.to_string(),
        field: row.field.to_string(),
        kernel: row.when.to_string(),
        source: row.source,
        note: row.note,
    }
}
