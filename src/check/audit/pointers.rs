//! Entries of a table that name no variable of another object, though the kernel changes it, such as the keys of
//! static branches.
//!
//! A name is found whatever it is the name of. Source: `kernel/jump_label.c:jump_label_add_module`.

use bstr::ByteSlice;
use klp_arch::Machine;

use crate::elf::{Module, Rela, SectionIndex, SymbolSection};
use crate::findings::{Consequence, Finding, Stage};
use crate::name::{KlpSymbol, ObjectName};
use crate::site::Sites;
use crate::symbols::{Answer, Candidate, Kind};

/// Bits of the distance that are flags.
const FLAGS: i64 = 3;

/// The first entry of each table that names code, or what is after the end of a variable.
pub(super) fn audit(
    module: &Module<'_>,
    machine: &'static Machine,
    answer: Option<&Answer>,
) -> Vec<Finding> {
    let Some(answer) = answer else { return Vec::new() };
    let sites = Sites::new(module, machine);
    let tables = module.relocation_sections().filter_map(|table| {
        let section = module.section(SectionIndex::new(table.sh_info))?;
        let mut rows = machine.special_sections().filter(|row| row.is_named(section.name));
        let (size, at) = rows.find_map(|row| {
            let pointer = row.pointers.iter().find(|pointer| pointer.changes)?;
            Some((row.entry, pointer.at))
        })?;
        let [size, at] = [u64::try_from(size).ok()?.max(1), u64::try_from(at).ok()?];
        let keys = module.relocations(table.index).enumerate();
        let mut keys = keys.filter(|(_, rela)| rela.offset % size == at);
        let (entry, rela, why) =
            keys.find_map(|(entry, rela)| Some((entry, rela, objection(module, answer, rela)?)))?;
        let why = format!("{why}, and the kernel changes what is there");
        let finding = Finding::unnoticed(Stage::Finish, Consequence::Corrupted, why);
        Some(finding.at(sites.describe(table.index, entry, rela)))
    });
    tables.collect()
}

/// Why there is no variable.
fn objection(module: &Module<'_>, answer: &Answer, rela: Rela) -> Option<String> {
    let symbol = module.symbol(rela.symbol)?;
    let name = symbol.name.to_str().ok()?;
    let of = |name: &str, owner: &ObjectName| answer.candidates_in(name, owner).cloned().collect();
    let (name, found): (String, Vec<Candidate>) = match symbol.section {
        SymbolSection::Livepatch => {
            let KlpSymbol { owner, symbol, .. } = name.parse().ok()?;
            (symbol.as_str().to_owned(), of(symbol.as_str(), &owner))
        }
        SymbolSection::Undefined => (name.to_owned(), of(name, &answer.export(name)?.owner)),
        _ => return None,
    };
    let offset = rela.addend & !FLAGS;
    let all = |is: &dyn Fn(&Candidate) -> bool| !found.is_empty() && found.iter().all(is);
    if all(&|candidate| candidate.kind == Some(Kind::Function)) {
        return Some(format!("'{name}' is code, not a variable"));
    }
    let after = |candidate: &Candidate| {
        let size = candidate.size.filter(|size| *size != 0);
        size.is_some_and(|size| u64::try_from(offset).map_or(true, |offset| offset >= size))
    };
    all(&after).then(|| format!("'{name}' ends before {offset:#x}"))
}
