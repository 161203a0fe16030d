//! Objects of one kernel against others of the same machine, such as another release: what refers to other names or other
//! texts than the kernel's own object does is not equal.

use std::collections::BTreeMap;

use klp_convert::elf::{Module, Rela, SectionFlags, SectionIndex, SymbolSection};
use klp_convert::run_pre::{MatchVerdict, match_object};
use object::elf::STT_FUNC;

use crate::built::all_built;

/// What a relocation of a function refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meant {
    /// What another object has, and what is added.
    Name(Vec<u8>, i64),
    Text(Vec<u8>),
    /// Something else, which is not compared here.
    Other,
}

/// What each function of an object refers to, by offset.
fn functions(bytes: &[u8]) -> BTreeMap<String, BTreeMap<u64, Meant>> {
    let module = Module::parse(bytes).unwrap();
    let mut all = BTreeMap::new();
    let mut by_section: BTreeMap<SectionIndex, Vec<Rela>> = BTreeMap::new();
    for table in module.relocation_sections() {
        let own = by_section.entry(SectionIndex::new(table.sh_info)).or_default();
        own.extend(module.relocations(table.index));
    }
    for symbol in module.symbols().filter(|symbol| symbol.kind == STT_FUNC) {
        let SymbolSection::Defined(section) = symbol.section else { continue };
        let within = symbol.st_value..symbol.st_value + symbol.st_size;
        let own = by_section.get(&section).into_iter().flatten();
        let own = own.filter(|rela| within.contains(&rela.offset));
        let meant = own.map(|rela| (rela.offset - symbol.st_value, meant(&module, *rela)));
        let meant: BTreeMap<u64, Meant> = meant.collect();
        // Of several with one name the first.
        all.entry(String::from_utf8_lossy(symbol.name).into_owned()).or_insert(meant);
    }
    all
}

fn meant(module: &Module<'_>, rela: Rela) -> Meant {
    let Some(symbol) = module.symbol(rela.symbol) else { return Meant::Other };
    match symbol.section {
        SymbolSection::Undefined if !symbol.name.is_empty() => {
            Meant::Name(symbol.name.to_vec(), rela.addend)
        }
        SymbolSection::Defined(section) => {
            let section = module.section(section).unwrap();
            if !section.sh_flags.contains(SectionFlags::STRINGS) {
                return Meant::Other;
            }
            let bias = match (module.machine(), rela.kind) {
                (62, 2 | 4) => 4,
                (22, 19 | 20 | 26) => -2,
                _ => 0,
            };
            let at = symbol.st_value.wrapping_add_signed(rela.addend + bias);
            let body = module.body(section.index);
            let text = body.get(usize::try_from(at).unwrap()..).unwrap_or_default();
            Meant::Text(text.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
        }
        _ => Meant::Other,
    }
}

/// Whether two functions certainly differ in what they refer to.
fn differ(one: &BTreeMap<u64, Meant>, other: &BTreeMap<u64, Meant>) -> bool {
    one.iter().any(|(offset, meant)| match (meant, other.get(offset)) {
        (Meant::Name(..), Some(Meant::Name(..))) | (Meant::Text(_), Some(Meant::Text(_))) => {
            other.get(offset) != Some(meant)
        }
        _ => false,
    })
}

#[test]
#[ignore = "needs KLP_MATCH, kernels and the trees that they were built in; .ci/run makes them"]
fn what_refers_to_something_else_than_the_kernels_own_object_is_not_equal() {
    let all = all_built();
    let mut pairs = 0;
    for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
        if one.tree == other.tree || one.machine() != other.machine() {
            continue;
        }
        let kernel = other.kernel();
        let (mut different, mut equal, mut wrong) = (0, 0, Vec::new());
        for (path, bytes) in &one.objects {
            let theirs = other.objects.iter().find(|(known, _)| known == path);
            let Some((_, theirs)) = theirs.filter(|(_, theirs)| theirs != bytes) else { continue };
            let (own, theirs) = (functions(bytes), functions(theirs));
            for function in match_object(&kernel, bytes).unwrap().functions {
                let is_equal = function.verdict == MatchVerdict::Equal;
                equal += usize::from(is_equal);
                let both = own.get(&function.name).zip(theirs.get(&function.name));
                if both.is_some_and(|(own, theirs)| differ(own, theirs)) {
                    different += 1;
                    // Of several with one name another object's may be the same.
                    if is_equal && function.of == 1 {
                        wrong.push(format!("{path}: {}", function.name));
                    }
                }
            }
        }
        println!(
            "{} in {}: {different} refer to something else, {equal} equal",
            one.name, other.name
        );
        assert_eq!(wrong, [""; 0]);
        pairs += different;
    }
    assert!(pairs > 30, "{pairs}");
}
