//! `klp-convert demo`: four real livepatches, one per machine, converted and checked.
//!
//! The bundled files are written to a temporary directory, then converted and checked as by
//! `convert` and `check`.

use std::io;
use std::path::Path;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::interruption::Held;
use super::output::TEMPORARY;
use super::report::{Reporter, io_diagnostic};
use super::{Outcome, output};
use crate::check::{Conclusion, Tried, Verdict, check};
use crate::convert::{Plan, convert};
use crate::diagnostic::{Code, Diagnostic};
use crate::options::Options;
use crate::symbols::{Sources, Symvers, Vmlinux};

/// A livepatch for one machine, with the symbols of the kernel that it is for.
struct Bundle {
    machine: &'static str,
    module: &'static [u8],
    vmlinux: &'static [u8],
    symvers: &'static [u8],
}

macro_rules! bundle {
    ($machine:literal) => {
        Bundle {
            machine: $machine,
            module: include_bytes!(concat!(
                "../../tests/fixtures/",
                $machine,
                "/lp_homonyms_annotated.ko"
            )),
            vmlinux: include_bytes!(concat!("../../tests/fixtures/", $machine, "/vmlinux.cut")),
            symvers: include_bytes!(concat!("../../tests/fixtures/", $machine, "/Module.symvers")),
        }
    };
}

const BUNDLES: &[Bundle] =
    &[bundle!("x86_64"), bundle!("ppc64le"), bundle!("s390x"), bundle!("arm64")];

/// One line of the table.
#[derive(Serialize)]
struct Line {
    machine: &'static str,
    bytes_before: usize,
    bytes_after: usize,
    klp_relocations: usize,
    klp_symbols: Vec<String>,
    check: String,
    /// At how many placements it was loaded in simulation.
    simulated_loads: usize,
}

pub(super) fn run(reporter: &Reporter) -> Outcome {
    let mut lines = Vec::new();
    for bundle in BUNDLES {
        match one(bundle) {
            Ok(line) => lines.push(line),
            Err((diagnostics, outcome)) => return reporter.failure(&diagnostics, outcome),
        }
    }
    if reporter.is_json() {
        return reporter.json(&lines);
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "machine",
        "bytes",
        "klp relocations",
        "klp symbols",
        "check",
        "simulated loads",
    ]);
    for line in &lines {
        table.add_row([
            line.machine.to_owned(),
            format!("{} → {}", line.bytes_before, line.bytes_after),
            line.klp_relocations.to_string(),
            line.klp_symbols.join("\n"),
            line.check.clone(),
            line.simulated_loads.to_string(),
        ]);
    }
    reporter.text(&format!("{table}\n"))
}

fn one(bundle: &Bundle) -> Result<Line, (Vec<Diagnostic>, Outcome)> {
    let io = |error: io::Error| {
        (vec![io_diagnostic(Code::Write, &std::env::temp_dir(), &error)], Outcome::UsageOrIo)
    };
    let _held = Held::new();
    let directory = tempfile::Builder::new().prefix(TEMPORARY).tempdir().map_err(io)?;
    let path = |name: &str| directory.path().join(name);
    let (input, result) = (path("livepatch.ko"), path("livepatch.klp.ko"));
    std::fs::write(&input, bundle.module).map_err(io)?;
    std::fs::write(path("vmlinux"), bundle.vmlinux).map_err(io)?;
    std::fs::write(path("Module.symvers"), bundle.symvers).map_err(io)?;
    let sources = sources(directory.path());
    let refused = |failure: crate::findings::Error| {
        (failure.diagnostics(&format!("{} demo", bundle.machine)), Outcome::of(&failure))
    };
    let conversion = convert(bundle.module, &sources, &Options::default()).map_err(refused)?;
    output::write(&result, &conversion.bytes, &input).map_err(io)?;
    let written = std::fs::read(&result).map_err(io)?;
    let verdict = check(&written, &sources, &Options::default()).map_err(refused)?;
    if verdict.conclusion() != Conclusion::Loads {
        let diagnostics = verdict.diagnostics(&format!("{} demo", bundle.machine));
        return Err((diagnostics, Outcome::Refused));
    }
    Ok(line(bundle, &conversion.plan, written.len(), &verdict))
}

fn sources(directory: &Path) -> Sources {
    let mut sources = Sources::new();
    sources.push(Vmlinux::new(directory.join("vmlinux")));
    sources.push(Symvers::new(directory.join("Module.symvers")));
    sources
}

fn line(bundle: &Bundle, plan: &Plan, written: usize, verdict: &Verdict) -> Line {
    Line {
        machine: bundle.machine,
        bytes_before: bundle.module.len(),
        bytes_after: written,
        klp_relocations: plan.relocations(),
        klp_symbols: plan.symbols.iter().map(|s| s.klp.to_string()).collect(),
        check: verdict.conclusion().to_string(),
        simulated_loads: if let Tried::At(count) = verdict.tried { count } else { 0 },
    }
}
