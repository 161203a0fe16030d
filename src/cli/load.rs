//! `klp-convert load`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::args::Load;
use super::region_base::overlap;
use super::report::{Reporter, io_diagnostic};
use super::{Outcome, document, memory_image};
use crate::check::Assumed;
use crate::diagnostic::{Code, Diagnostic, OneLine};
use crate::elf::{Module, Rela, SectionIndex, SymbolIndex};
use crate::findings::{Collector, Encounter, Error, Finding, Occasion};
use crate::load::{Loaded, Record, Refused, RegionKind, TargetKernel, Way, prepare};
use crate::options::Options;
use crate::path_text::path_text;
use crate::site::Sites;
use crate::symbols::{Sources, read_module_within};

/// The document of `--format json`, also written beside an image.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    module: String,
    machine: &'static str,
    kernel: String,
    regions: Vec<Region>,
    sections: Vec<Section>,
    relocations: Vec<Relocation>,
    /// For the summary, how many there are of each type and way.
    #[serde(skip)]
    counts: BTreeMap<(String, Through), usize>,
    gates: Vec<Gate>,
    /// Bytes that the kernel edits later; comparisons must skip them.
    patched_later: Vec<Changed>,
    #[serde(serialize_with = "document::diagnostics")]
    diagnostics: Vec<Diagnostic>,
}

#[derive(Debug, Serialize)]
struct Region {
    kind: String,
    address: u64,
    size: usize,
    /// Name of the file with its bytes, in an image.
    file: String,
}

#[derive(Debug, Serialize)]
struct Section {
    name: String,
    region: String,
    address: u64,
    size: u64,
}

#[derive(Debug, Serialize)]
struct Relocation {
    rela_section: String,
    section: String,
    offset: u64,
    place: u64,
    kind: String,
    symbol: String,
    s: u64,
    a: i64,
    /// The value given to the field, in its scale; `null` if nothing is written.
    value: Option<i64>,
    before: String,
    after: String,
    through: Through,
    /// Address of the slot or stub.
    at: Option<u64>,
}

/// [`Way`], as it is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
enum Through {
    /// Directly.
    Direct,
    /// Through a slot of the GOT.
    Slot,
    /// Through a stub, veneer or PLT entry.
    Stub,
}

#[derive(Debug, Serialize)]
struct Gate {
    object: String,
    /// Whether it was loaded with `--gate`.
    arrived: bool,
}

#[derive(Debug, Serialize)]
struct Changed {
    address: u64,
    size: u64,
    /// The kernel function.
    by: &'static str,
    section: String,
}

pub(super) fn run(args: &Load, reporter: &Reporter) -> Outcome {
    let sources = match args.maps.sources(reporter) {
        Ok(sources) => sources,
        Err(error) => return reporter.symbols(&[error]),
    };
    let name = path_text(&args.module);
    let data = match read_module_within(&args.module, args.max_unpacked.saturating_mul(1 << 20)) {
        Ok(module) => module.bytes,
        Err(error) => return reporter.symbols(&[error]),
    };
    // A relocation's description takes some hundred bytes.
    let all = args.verbose || args.output.is_some() || reporter.is_json();
    let record = if all { Record::Everything } else { Record::Counts };
    match load(args, record, &data, &sources, |text| reporter.remark(text)) {
        Ok((report, images)) => {
            if let Some(directory) = &args.output
                && let Err(error) = memory_image::write(directory, &report, &images)
            {
                let diagnostic = io_diagnostic(Code::Write, directory, &error);
                return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
            }
            print(&report, reporter)
        }
        Err(Stopped::Failed(failure)) => {
            reporter.failure(&failure.diagnostics(&name), Outcome::of(&failure))
        }
        Err(Stopped::NoGate { gate, gates }) => {
            let gates: Vec<_> = gates.iter().map(ToString::to_string).collect();
            let known = if gates.is_empty() { "none".to_owned() } else { gates.join(", ") };
            reporter.usage(&format!("--gate {gate}: nothing waits for it; the gates are: {known}"))
        }
        Err(Stopped::Overlap(first, second)) => reporter
            .usage(&format!("--place: the regions '{first}' and '{second}' would share bytes")),
        Err(Stopped::Refused(refused, occasion)) => {
            let encountered =
                |finding: Finding| finding.encountered(Encounter::usual(occasion.clone()));
            let mut found = Collector::new(args.all);
            found.extend(refused.0.into_iter().map(encountered));
            let found = found.into_vec();
            let diagnostics: Vec<_> =
                found.iter().map(|finding| Diagnostic::error(&name, finding)).collect();
            reporter.failure(&diagnostics, Outcome::Refused)
        }
    }
}

/// Why there is no result.
enum Stopped {
    Failed(Error),
    NoGate { gate: crate::name::ObjectName, gates: BTreeSet<crate::name::ObjectName> },
    Overlap(RegionKind, RegionKind),
    Refused(Refused, Occasion),
}

impl<E: Into<Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Bytes of the regions, in the order of the report.
type Images = Vec<Vec<u8>>;

fn load(
    args: &Load,
    record: Record,
    data: &[u8],
    sources: &Sources,
    remark: impl Fn(&str),
) -> Result<(Report, Images), Stopped> {
    let options = Options {
        target: args.target,
        allow_stale_map: args.maps.allow_stale_map,
        ..Options::default()
    };
    let prepared = prepare(data, sources, &options)?;
    let mut placement = prepared.usual_placement();
    placement.bases.extend(args.bases.iter().map(|place| (place.region, place.address)));
    let refused = |occasion| move |refused| Stopped::Refused(refused, occasion);
    let mut loaded =
        prepared.load_recording(&placement, record, args.all).map_err(refused(Occasion::Load))?;
    if let Some((first, second)) = overlap(&loaded) {
        return Err(Stopped::Overlap(first, second));
    }
    let gates = loaded.gates();
    if let Some(gate) = args.gates.iter().find(|gate| !gates.contains(*gate)) {
        return Err(Stopped::NoGate { gate: gate.clone(), gates });
    }
    for gate in &args.gates {
        let occasion = Occasion::Enable(gate.clone());
        loaded.gate_arrives(gate, &prepared.known()).map_err(refused(occasion))?;
    }
    if args.verbose {
        remark(&Assumed::of(&prepared.module, args.target, Some(&prepared.answer))?.to_string());
    }
    let report = report(args, &prepared.module, &prepared.kernel, &loaded, &gates);
    let images = loaded.regions().map(|(_, _, bytes)| bytes.to_vec()).collect();
    Ok((report, images))
}

fn report(
    args: &Load,
    module: &Module<'_>,
    kernel: &TargetKernel,
    loaded: &Loaded<'_>,
    gates: &BTreeSet<crate::name::ObjectName>,
) -> Report {
    let name = path_text(&args.module);
    let regions = loaded.regions().map(|(kind, address, bytes)| Region {
        kind: kind.to_string(),
        address,
        size: bytes.len(),
        file: format!("{kind}.bin"),
    });
    let sections = loaded.sections().map(|(name, kind, address, size)| Section {
        name: String::from_utf8_lossy(name).into_owned(),
        region: kind.to_string(),
        address,
        size,
    });
    let encountered = |finding: Finding| finding.encountered(Encounter::usual(Occasion::Load));
    let mut warned = Collector::new(args.all);
    warned.extend(loaded.unnoticed().into_iter().map(encountered));
    let warned = warned.into_vec();
    Report {
        machine: klp_arch::for_machine(module.machine()).map_or("", |b| b.name),
        kernel: kernel.version.series().to_string(),
        regions: regions.collect(),
        sections: sections.collect(),
        counts: counts(module, loaded),
        relocations: relocations(module, loaded),
        gates: gates
            .iter()
            .map(|gate| Gate { object: gate.to_string(), arrived: args.gates.contains(gate) })
            .collect(),
        patched_later: patched_later(module, loaded),
        diagnostics: warned.iter().map(|finding| Diagnostic::warning(&name, finding)).collect(),
        module: name,
    }
}

fn patched_later(module: &Module<'_>, loaded: &Loaded<'_>) -> Vec<Changed> {
    let name = |index| module.sections().nth(index).map_or(&b""[..], |section| section.name);
    let changed = loaded.patched_later().into_iter().map(|patched| Changed {
        address: patched.address,
        size: patched.size,
        by: patched.by,
        section: String::from_utf8_lossy(name(patched.section)).into_owned(),
    });
    changed.collect()
}

impl From<Way> for Through {
    fn from(way: Way) -> Self {
        match way {
            Way::Direct => Self::Direct,
            Way::Slot => Self::Slot,
            Way::Stub => Self::Stub,
        }
    }
}

/// How many relocations there are of each type and way, whether or not each was recorded.
fn counts(module: &Module<'_>, loaded: &Loaded<'_>) -> BTreeMap<(String, Through), usize> {
    let Some(machine) = klp_arch::for_machine(module.machine()) else { return BTreeMap::new() };
    let sites = Sites::new(module, machine);
    let mut counts = loaded.counts().clone();
    for relocated in loaded.relocations() {
        *counts.entry((relocated.rela.kind, Way::of(&relocated.inputs))).or_default() += 1;
    }
    let named = |((kind, way), count)| ((sites.relocation_name(kind), Through::from(way)), count);
    counts.into_iter().map(named).collect()
}

fn relocations(module: &Module<'_>, loaded: &Loaded<'_>) -> Vec<Relocation> {
    let Some(machine) = klp_arch::for_machine(module.machine()) else { return Vec::new() };
    let sites = Sites::new(module, machine);
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let relocation = |relocated: &crate::load::Relocated| {
        let klp_arch::Rela { offset, symbol, kind, addend } = relocated.rela;
        let rela = Rela { offset, symbol: SymbolIndex::new(symbol), kind, addend };
        let section = SectionIndex::new(u32::try_from(relocated.section).unwrap_or(u32::MAX));
        let site = sites.describe(section, relocated.entry, rela);
        let inputs = relocated.inputs;
        let (through, at) = (Way::of(&inputs).into(), inputs.plt.or(inputs.got_slot));
        Relocation {
            rela_section: site.rela_section,
            section: site.section,
            offset: site.offset,
            place: inputs.p,
            kind: site.relocation,
            symbol: site.symbol,
            s: inputs.s,
            a: inputs.a,
            value: relocated.patch.map(|patch| patch.value),
            before: hex(&relocated.before),
            after: hex(&relocated.after),
            through,
            at,
        }
    };
    loaded.relocations().iter().map(relocation).collect()
}

fn print(report: &Report, reporter: &Reporter) -> Outcome {
    if reporter.is_json() {
        return reporter.json(report);
    }
    reporter.diagnostics(&report.diagnostics);
    let Report { module, machine, kernel, .. } = report;
    let mut text = format!("{}: {machine}, Linux {kernel}\n{}\n", OneLine(module), regions(report));
    let count: usize = report.counts.values().sum();
    let _ = writeln!(text, "{count} relocations\n{}", summary(report));
    let mut changes: BTreeMap<&str, u64> = BTreeMap::new();
    for Changed { by, size, .. } in &report.patched_later {
        let bytes = changes.entry(by).or_default();
        *bytes = bytes.saturating_add(*size);
    }
    for (by, bytes) in changes {
        let _ = writeln!(text, "{by} changes up to {bytes:#x} bytes later");
    }
    for gate in &report.gates {
        let state = if gate.arrived { "are written" } else { "wait" };
        let _ = writeln!(text, "relocations for '{}' {state}", OneLine(&gate.object));
    }
    if reporter.is_verbose() {
        let _ = writeln!(text, "{}", table(report));
    }
    reporter.text(&text)
}

fn new_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

fn regions(report: &Report) -> Table {
    let mut table = new_table(["REGION", "ADDRESS", "SIZE"]);
    for Region { kind, address, size, .. } in &report.regions {
        table.add_row([kind.clone(), format!("{address:#x}"), format!("{size:#x}")]);
    }
    table
}

/// Counts of relocations by type and way.
fn summary(report: &Report) -> Table {
    let mut table = new_table(["TYPE", "THROUGH", "COUNT"]);
    for ((kind, through), count) in &report.counts {
        table.add_row([OneLine(kind).to_string(), through.to_string(), count.to_string()]);
    }
    table
}

fn table(report: &Report) -> Table {
    let header =
        ["PLACE", "SECTION", "TYPE", "SYMBOL", "S", "A", "VALUE", "BEFORE", "AFTER", "THROUGH"];
    let mut table = new_table(header);
    for relocation in &report.relocations {
        let through = relocation.at.map_or_else(
            || relocation.through.to_string(),
            |at| format!("{} {at:#x}", relocation.through),
        );
        table.add_row([
            format!("{:#x}", relocation.place),
            format!("{}+{:#x}", OneLine(&relocation.section), relocation.offset),
            OneLine(&relocation.kind).to_string(),
            OneLine(&relocation.symbol).to_string(),
            format!("{:#x}", relocation.s),
            relocation.a.to_string(),
            relocation.value.map_or_else(|| "-".into(), |value| value.to_string()),
            relocation.before.clone(),
            relocation.after.clone(),
            through,
        ]);
    }
    table
}

impl Report {
    /// Names of the files with each region's bytes.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.regions.iter().map(|region| Path::new(&region.file))
    }
}
