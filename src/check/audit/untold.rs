//! What the kernel checks of each import, and no source tells: the load is taken to pass there.
//!
//! Sources: `kernel/module/main.c:resolve_symbol` (`verify_namespace_is_imported`),
//! `find_exported_symbol_in_section` (GPL-only exports), `kernel/module/version.c:check_version`.

use std::collections::BTreeSet;

use super::told;
use crate::elf::{Module, SymbolSection};
use crate::findings::{Finding, UntoldOfExports, Warning};
use crate::symbols::{Answer, Export};
use crate::{convert, load};

/// Warns once of each thing that is not known.
pub(in super::super) fn audit(module: &Module<'_>, answer: &Answer) -> Vec<Finding> {
    let undefined = module.symbols_in(SymbolSection::Undefined).skip(1);
    let names: BTreeSet<&str> =
        undefined.filter_map(|symbol| std::str::from_utf8(symbol.name).ok()).collect();
    let versions = convert::versions(module);
    let is_gpl = load::is_gpl(module);
    let untold = |what, is_untold: &dyn Fn(&str, &Export) -> bool| {
        let names = names.iter().copied();
        let names = names.filter(|name| answer.export(name).is_some_and(|e| is_untold(name, e)));
        told(&names.collect::<Vec<_>>()).map(|names| Warning::ExportsUntold { what, names }.into())
    };
    let warnings = [
        untold(UntoldOfExports::Namespace, &|_, export| export.namespace.is_none()),
        untold(UntoldOfExports::Gpl, &|_, export| !is_gpl && export.gpl.is_none()),
        untold(UntoldOfExports::Crc, &|name, export| {
            export.crc.is_none() && versions.contains(name.as_bytes())
        }),
    ];
    warnings.into_iter().flatten().collect()
}
