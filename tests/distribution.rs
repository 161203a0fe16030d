//! Thousands of modules that a distribution ships: without symbols to convert they stay unchanged,
//! and converting an arbitrary part of their symbols is correct and idempotent.
//!
//! `KLP_DISTRIBUTION_MODULES=DIR[:DIR…] cargo test --release --test distribution -- --ignored`;
//! `.ci/distribution-modules` makes such directories.

#![allow(clippy::panic, reason = "a test may stop at the first surprise")]

use std::path::{Path, PathBuf};

use klp_convert::elf::{Edits, Module, rewrite};
use klp_convert::findings::Rule;
use klp_convert::name::{KlpSymbol, ObjectName, Position};
use klp_convert::options::Options;
use klp_convert::patch::Tables;
use klp_convert::resolve::{Basis, Klp, Query, Resolution, Resolve, Unresolved};
use klp_convert::rules;
use klp_convert::symbols::Export;
use klp_convert::{convert, target};

/// Fewer modules than this prove nothing.
const LEAST: usize = 1000;

/// Resolves every name with a low hash to an unexported symbol of vmlinux, and the others to exports
/// of vmlinux.
struct Share {
    /// How many of 256 names are converted.
    converted: u8,
}

impl Resolve for Share {
    fn resolve(&self, query: &Query<'_>) -> Result<Resolution, Unresolved> {
        let hash = query.name.bytes().fold(7u8, |hash, byte| hash.wrapping_mul(31) ^ byte);
        let owner = ObjectName::vmlinux();
        if query.loader {
            return Ok(Resolution::Loader);
        }
        if hash >= self.converted {
            return Ok(Resolution::Export(Export::by(owner)));
        }
        let symbol = query.name.parse().map_err(Unresolved::Name)?;
        let symbol = KlpSymbol { owner, symbol, position: Position::Unique };
        let basis = Basis::Inferred;
        Ok(Resolution::Klp(Box::new(Klp {
            symbol,
            gate: None,
            basis,
            candidate: None,
            export: None,
        })))
    }
}

fn modules_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap_or_else(|e| panic!("{directory:?}: {e}")) {
        let path = entry.unwrap_or_else(|e| panic!("{directory:?}: {e}")).path();
        if path.is_dir() {
            found.extend(modules_below(&path));
        } else if path.extension().is_some_and(|ext| ext == "ko") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The number of converted relocations, or what went wrong.
fn holds(data: &[u8]) -> Result<usize, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let module = Module::parse(data).map_err(|e| text(&e))?;
    let backend = target::machine(&module).map_err(|e| text(&e))?;
    let plan = |module: &Module<'_>, converted| {
        let tables = Tables::of(module, backend);
        convert::plan(module, backend, &tables, &Share { converted }, &Options::default())
            .map_err(|refusals| refusals.first().map_or_else(String::new, ToString::to_string))
    };
    if *rewrite(&module, &Edits::default()).map_err(|e| text(&e))? != *data {
        return Err("no edits, but different bytes".into());
    }
    if !plan(&module, 0)?.plan.is_empty() {
        return Err("everything is exported, but something is converted".into());
    }
    let planned = plan(&module, 64)?.plan;
    let bytes = convert::rewrite(&module, &planned).map_err(|e| text(&e))?;
    let written = Module::parse(&bytes).map_err(|e| text(&e))?;
    convert::verify(&module, &planned, &written).map_err(|e| text(&e))?;
    if !plan(&written, 0)?.plan.is_empty() || !plan(&written, 64)?.plan.is_empty() {
        return Err("a second conversion would change something".into());
    }
    // The kernel accepts what the distribution ships.
    if let Some(broken) = rules::check(&module, backend, None).first() {
        return Err(format!("unconverted: {broken}"));
    }
    // The modules are not livepatches: one rule is violated as soon as something is converted.
    let mut broken = rules::check(&written, backend, None);
    broken.retain(|finding| finding.rule() != Some(Rule::LivepatchMarker));
    broken.first().map_or(Ok(planned.relocations()), |finding| Err(finding.to_string()))
}

#[test]
#[ignore = "needs thousands of distribution modules; .ci/run fetches and names them"]
fn distribution_modules_are_converted_correctly() {
    let Some(directories) = std::env::var_os("KLP_DISTRIBUTION_MODULES") else {
        panic!("KLP_DISTRIBUTION_MODULES is not set; see the top of this file");
    };
    for directory in std::env::split_paths(&directories) {
        let modules = modules_below(&directory);
        let mut failures = Vec::new();
        let mut relocations = 0;
        for path in &modules {
            let data = std::fs::read(path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            match holds(&data) {
                Ok(converted) => relocations += converted,
                Err(what) => failures.push(format!("{}: {what}", path.display())),
            }
        }
        println!("{}: {} modules, {relocations} converted", directory.display(), modules.len());
        assert!(failures.is_empty(), "{}:\n{}", failures.len(), failures.join("\n"));
        assert!(modules.len() >= LEAST, "{} modules are too few", modules.len());
        assert!(relocations > modules.len(), "hardly anything was converted");
    }
}
