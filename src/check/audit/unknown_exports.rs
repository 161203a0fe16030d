//! Properties of imports that the kernel checks and no source has: the load is assumed to pass.
//!
//! Sources: `kernel/module/main.c:resolve_symbol` (`verify_namespace_is_imported`),
//! `find_exported_symbol_in_section` (GPL-only exports), `kernel/module/version.c:check_version`.

use std::collections::BTreeSet;

use super::first_few;
use crate::elf::{Module, SymbolSection};
use crate::findings::{ExportProperty, Finding, Warning};
use crate::symbols::{Answer, Export};
use crate::{convert, load};

/// Warns once about each property that is not known.
pub(in super::super) fn audit(module: &Module<'_>, answer: &Answer) -> Vec<Finding> {
    let undefined = module.symbols_in(SymbolSection::Undefined).skip(1);
    let names: BTreeSet<&str> =
        undefined.filter_map(|symbol| std::str::from_utf8(symbol.name).ok()).collect();
    let versions = convert::versions(module);
    let is_gpl = load::is_gpl(module);
    let unknown = |what, is_unknown: &dyn Fn(&str, &Export) -> bool| {
        let names = names.iter().copied();
        let names = names.filter(|name| answer.export(name).is_some_and(|e| is_unknown(name, e)));
        first_few(&names.collect::<Vec<_>>())
            .map(|names| Warning::ExportsUnknown { what, names }.into())
    };
    let warnings = [
        unknown(ExportProperty::Namespace, &|_, export| export.namespace.is_none()),
        unknown(ExportProperty::Gpl, &|_, export| !is_gpl && export.gpl.is_none()),
        unknown(ExportProperty::Crc, &|name, export| {
            export.crc.is_none() && versions.contains(name.as_bytes())
        }),
    ];
    warnings.into_iter().flatten().collect()
}
