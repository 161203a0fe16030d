//! `diff`: what two livepatches do not have in common, whatever their layout and whoever finishes them.

use klp_convert::comparison::{Difference, What, compare};

use crate::gates::{backend, converted};
use crate::image::{Image, SHN_LIVEPATCH};
use crate::machine::machines;
use crate::patch::Patched;
use crate::recorded::generator::{Generation, kpatch, objtool};
use crate::tool::{Sandbox, run};

const NAME: &str = "lp_module_symbols.ko";

/// The kinds and names of all differences.
fn names(differences: &[Difference]) -> Vec<(What, &str)> {
    differences.iter().map(|difference| (difference.what, difference.name.as_str())).collect()
}

#[test]
fn a_livepatch_is_the_same_before_its_last_step_and_after_it() {
    for machine in machines() {
        for name in machine.convertible() {
            let finished = converted(&machine, &name);
            let big = machine.name != "s390x";
            for form in [
                finished.clone(),
                objtool(backend(&machine), &finished, Generation::Gate, big),
                kpatch(backend(&machine), &finished, big),
            ] {
                let differences = compare(&finished, &form).unwrap();
                assert_eq!(differences, [], "{} {name}", machine.name);
            }
        }
    }
}

#[test]
fn a_livepatch_differs_from_the_source_of_its_conversion_by_what_was_converted() {
    for machine in machines() {
        let differences = compare(
            &machine.read("lp_vmlinux_inferred.ko"),
            &converted(&machine, "lp_vmlinux_inferred.ko"),
        );
        let differences = differences.unwrap();
        for difference in &differences {
            let expected = match difference.what {
                What::Import => difference.new.is_none(),
                What::KlpSymbol | What::KlpRelocations => difference.old.is_none(),
                // Its relocations are other ones.
                What::Function | What::Section => difference.old.is_some(),
                _ => false,
            };
            assert!(expected, "{}: {difference}", machine.name);
        }
        let klp = differences.iter().filter(|difference| difference.what == What::KlpSymbol);
        assert_eq!(klp.count(), 2, "{}", machine.name);
    }
}

#[test]
fn another_position_and_another_instruction_are_found_where_they_are() {
    for machine in machines() {
        let old = converted(&machine, NAME);
        let image = Image::read(&old);
        let is = |s: &crate::image::Symbol| {
            s.section == SHN_LIVEPATCH && s.name.ends_with("klp_homonym,2")
        };
        let symbol = image.symbols.iter().position(is).unwrap();
        let name = image.symbols[symbol].name.replace(",2", ",1");
        let moved = Patched::new(old.clone()).rename(symbol, &name).bytes;
        let differences = compare(&old, &moved).unwrap();
        let found = names(&differences);
        assert!(found.contains(&(What::KlpSymbol, "klp_homonym of klp_target_a")), "{found:?}");
        assert!(found.contains(&(What::Function, "lp_show")), "{found:?}");
        let position = differences.iter().find(|d| d.what == What::KlpSymbol).unwrap();
        assert_eq!(
            position.to_string(),
            "~ klp-symbol klp_homonym of klp_target_a: position 2 → position 1"
        );

        let function = image.symbol("lp_show");
        let section = &image.sections[usize::from(function.section)].name;
        let at = usize::try_from(function.value + function.size).unwrap() - 1;
        let changed = Patched::new(old.clone()).contents(section, |bytes| bytes[at] ^= 1).bytes;
        let differences = compare(&old, &changed).unwrap();
        assert_eq!(names(&differences), [(What::Function, "lp_show")], "{}", machine.name);
        let size = function.size;
        let line = format!("~ function lp_show: {size} bytes → {size} bytes, not the same");
        assert_eq!(differences[0].to_string(), line);
    }
}

#[test]
fn another_text_is_a_difference_of_the_function_that_uses_it() {
    for machine in machines() {
        let old = converted(&machine, NAME);
        let new = Patched::new(old.clone()).replace(b"homonym %d", b"homonym %u").bytes;
        let differences = compare(&old, &new).unwrap();
        // On ppc64le there is a pointer between them, which has no name.
        let found = names(&differences);
        let between = [(What::Function, "lp_show"), (What::Section, ".toc")];
        let expected = if machine.name == "ppc64le" { &between[..] } else { &between[..1] };
        assert_eq!(found, expected, "{}", machine.name);
    }
}

#[test]
fn the_exit_code_says_whether_anything_differs() {
    let machine = machines().remove(0);
    let bench = Sandbox::new();
    let [old, new] =
        [NAME, "lp_two_owners.ko"].map(|name| bench.file(name, &converted(&machine, name)));
    let diff = |old: &std::path::Path, new: &std::path::Path| {
        run(["diff".as_ref(), old.as_os_str(), new.as_os_str()])
    };
    let same = diff(&old, &old);
    assert_eq!((same.code, same.stdout.as_str()), (0, ""), "{}", same.stderr);
    let other = diff(&old, &new);
    assert_eq!(other.code, 1);
    for line in [
        "- klp-symbol klp_homonym of klp_target_a: position 2\n",
        "+ klp-symbol klp_root_kobj of vmlinux: position 0\n",
    ] {
        assert!(other.stdout.contains(line), "{}", other.stdout);
    }
    let bad = bench.file("bad.ko", b"not a module");
    for (old, new) in [(&old, &bad), (&bad, &new), (&old, &bench.path("missing.ko"))] {
        let failed = diff(old, new);
        assert_eq!(failed.code, 2, "{}", failed.stderr);
        assert!(
            failed.stdout.is_empty() && failed.stderr.starts_with("error["),
            "{}",
            failed.stderr
        );
    }
    assert!(diff(&bad, &new).stderr.contains("bad.ko"));
}

#[test]
fn how_a_symbol_is_imported_is_compared_and_the_digest_of_the_build_is_not() {
    for machine in machines() {
        let old = converted(&machine, NAME);
        let image = Image::read(&old);
        let import = image.symbols.iter().position(|s| s.section == 0 && s.info == 0x10).unwrap();
        let weak = Patched::new(old.clone())
            .symbol(import, |s, _| s.st_info = object::elf::SymbolInfo(0x20))
            .bytes;
        let differences = compare(&old, &weak).unwrap();
        let name = image.symbols[import].name.as_str();
        assert_eq!(names(&differences), [(What::Import, name)], "{}", machine.name);

        let note = ".note.gnu.build-id";
        let other = Patched::new(old.clone()).contents(note, |bytes| bytes[20] ^= 1).bytes;
        assert_eq!(compare(&old, &other).unwrap(), [], "{}", machine.name);
    }
}

#[test]
fn a_section_that_is_loaded_elsewhere_differs_in_all_its_parts() {
    for machine in machines() {
        let old = converted(&machine, NAME);
        let section = Image::read(&old);
        let section = &section.sections[usize::from(section.symbol("lp_show").section)].name;
        let new = Patched::new(old.clone())
            .section(section, |s, e| {
                let flags = s.sh_flags.get(e).0;
                s.sh_flags.set(e, object::elf::SectionFlags(flags | 1));
            })
            .bytes;
        let differences = compare(&old, &new).unwrap();
        assert!(names(&differences).contains(&(What::Function, "lp_show")), "{differences:?}");
    }
}
