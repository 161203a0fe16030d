//! `klp-convert symbols diff`.

use std::path::Path;

use super::super::Outcome;
use super::super::args::Diff;
use super::super::report::{Reporter, io_diagnostic};
use crate::convert::wanted_names;
use crate::diagnostic::Code;
use crate::symbols::{Map, Merged, Scope, SymbolError, SymbolSource, Wanted, diff};

pub(super) fn run(args: &Diff, reporter: &Reporter) -> Outcome {
    let names = match &args.module {
        None => None,
        Some(path) => match std::fs::read(path) {
            Ok(data) => match wanted_names(&data) {
                Ok(names) => Some(names),
                Err(failure) => {
                    let name = path.display().to_string();
                    return reporter.failure(&failure.diagnostics(&name), Outcome::of(&failure));
                }
            },
            Err(error) => {
                let diagnostic = io_diagnostic(Code::Read, path, &error);
                return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
            }
        },
    };
    let wanted = names.as_ref().map(|names| Wanted::new(names.iter().map(String::as_str)));
    let scope = wanted.as_ref().map_or(Scope::All, Scope::Names);
    let read = read(&args.old, scope).and_then(|old| Ok((old, read(&args.new, scope)?)));
    let (old, new) = match read {
        Ok(both) => both,
        Err(error) => return reporter.symbols(&[error]),
    };
    let changes = diff(&old, &new);
    if reporter.is_json() {
        return reporter.json(&changes);
    }
    let text: String = changes.iter().map(|change| format!("{change}\n")).collect();
    reporter.remark(&format!("{} changes", changes.len()));
    reporter.text(&text)
}

fn read(path: &Path, scope: Scope<'_>) -> Result<Merged, SymbolError> {
    let map = Map::open(path)?;
    let mut merged = Merged::default();
    merged.add(map.read(scope)?, path)?;
    Ok(merged)
}
