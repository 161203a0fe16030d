//! A cell of the matrix: what became of one livepatch for one kernel.

use serde::{Deserialize, Serialize};

use super::kernel::Kernel;
use super::project::{Patch, Target};
use crate::convert::Plan;
use crate::diagnostic::{Diagnostic, Severity};
use crate::elf::{Module, SymbolSection};
use crate::patch::Tables;
use crate::target::machine;

/// How a cell ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::Display,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(super) enum End {
    /// Every module loads.
    Ok,
    /// A module cannot be converted, or would not load.
    Refused,
    /// kbuild has built nothing.
    Failed,
    /// It was not tried: the run was interrupted, or another machine has it.
    NotBuilt,
}

/// What became of a livepatch for a kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) patch: String,
    pub(super) target: String,
    /// The kernel's release.
    pub(super) release: String,
    /// kbuild's `ARCH`.
    pub(super) arch: String,
    /// [`Identity`](super::inputs::Identity), as plans state it.
    pub(super) inputs: String,
    pub(super) end: End,
    /// Why, where it did not go well; one line.
    pub(super) reason: Option<String>,
    /// How long kbuild took.
    pub(super) seconds: f32,
    pub(super) modules: Vec<BuiltModule>,
    pub(super) diagnostics: Vec<Report>,
    /// Names that no symbol of the kernel has.
    pub(super) missing: Vec<Missing>,
}

/// A converted module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct BuiltModule {
    /// The file's name.
    pub(super) file: String,
    pub(super) sha256: String,
    pub(super) bytes: usize,
    /// What was done, on one line.
    pub(super) remark: String,
    /// The symbols that the kernel resolves, by what they were called.
    pub(super) symbols: Vec<Symbol>,
    /// The functions that it replaces.
    pub(super) functions: Vec<Symbol>,
    /// The other undefined names: exports.
    pub(super) imports: Vec<String>,
    /// The relocations that the kernel writes, by section.
    pub(super) relocations: Vec<Section>,
}

/// A symbol of an object, by its position.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Symbol {
    pub(super) object: String,
    pub(super) name: String,
    pub(super) position: u64,
}

/// A klp section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) entries: Vec<Entry>,
}

/// A klp relocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) offset: u64,
    pub(super) relocation: String,
    pub(super) symbol: String,
}

/// A name that was not found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Missing {
    pub(super) name: String,
    /// What a compiler left of it: `name.isra.0`.
    pub(super) variants: Vec<String>,
}

/// A diagnostic, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) severity: String,
    pub(super) code: String,
    pub(super) file: String,
    pub(super) message: String,
    pub(super) help: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) also: Vec<String>,
    /// How many further ones of its kind were left out.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) more: usize,
}

fn is_none(more: &usize) -> bool {
    *more == 0
}

impl Report {
    pub(super) fn is_error(&self) -> bool {
        self.severity == "error"
    }
}

impl From<Diagnostic> for Report {
    fn from(diagnostic: Diagnostic) -> Self {
        let Diagnostic { severity, code, file, message, help, also, more } = diagnostic;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        Self { severity: severity.into(), code: code.to_string(), file, message, help, also, more }
    }
}

impl Cell {
    /// The cell of a livepatch and a kernel before it is tried.
    pub(super) fn new(patch: &Patch, target: &Target) -> Self {
        let Kernel { release, arch, .. } = target.kernel.clone();
        Self { release, arch, ..Self::not_built(&patch.name, &target.name) }
    }

    /// A cell that was not tried.
    pub(super) fn not_built(patch: &str, target: &str) -> Self {
        Self {
            patch: patch.into(),
            target: target.into(),
            release: String::new(),
            arch: String::new(),
            inputs: String::new(),
            end: End::NotBuilt,
            reason: None,
            seconds: 0.0,
            modules: Vec::new(),
            diagnostics: Vec::new(),
            missing: Vec::new(),
        }
    }
}

impl BuiltModule {
    /// Describes a converted module of this plan.
    pub(super) fn new(
        file: &str,
        sha256: String,
        bytes: &[u8],
        remark: String,
        plan: Option<&Plan>,
    ) -> Self {
        let (functions, imports) = tables(bytes).unwrap_or_default();
        Self {
            file: file.into(),
            sha256,
            bytes: bytes.len(),
            remark,
            symbols: plan.map(symbols).unwrap_or_default(),
            functions,
            imports,
            relocations: plan.map(relocations).unwrap_or_default(),
        }
    }
}

/// What a module replaces, and the names that it leaves to the module loader.
fn tables(bytes: &[u8]) -> Option<(Vec<Symbol>, Vec<String>)> {
    let module = Module::parse_as_kernel(bytes).ok()?;
    let tables = Tables::of(&module, machine(&module).ok()?);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let functions = tables.objects().iter().flat_map(|object| {
        let name = object.name.map_or_else(|| "vmlinux".to_owned(), text);
        object.functions.iter().map(move |function| Symbol {
            object: name.clone(),
            name: text(function.old_name.unwrap_or_default()),
            position: function.old_sympos,
        })
    });
    let functions = functions.collect();
    let undefined =
        module.symbols_in(SymbolSection::Undefined).filter(|symbol| !symbol.name.is_empty());
    Some((functions, undefined.map(|symbol| text(symbol.name)).collect()))
}

fn symbols(plan: &Plan) -> Vec<Symbol> {
    let symbols = plan.symbols.iter().map(|symbol| Symbol {
        object: symbol.klp.owner.to_string(),
        name: symbol.klp.symbol.to_string(),
        position: symbol.klp.position.number().into(),
    });
    let mut symbols: Vec<_> = symbols.collect();
    symbols.sort_unstable();
    symbols.dedup();
    symbols
}

fn relocations(plan: &Plan) -> Vec<Section> {
    let sections = plan.sections.iter().map(|section| {
        let entries = section.entries.iter().map(|entry| {
            let symbol = plan.symbols.iter().find(|symbol| symbol.index == entry.rela.symbol);
            Entry {
                offset: entry.rela.offset,
                relocation: entry.relocation.clone(),
                symbol: symbol.map(|symbol| symbol.klp.to_string()).unwrap_or_default(),
            }
        });
        Section { name: section.to.to_string(), entries: entries.collect() }
    });
    sections.collect()
}
