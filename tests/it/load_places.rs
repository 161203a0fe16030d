//! Places and functions that the kernel finds through a module's tables, and that are not what it takes
//! them for. Each was found in a running kernel (`cargo campaign`), where it refused the module, warned
//! or died.

use klp_convert::check::Conclusion;
use object::elf::{Rela64, RelocationType, SectionFlags, SymbolSection};

use crate::gates::converted;
use crate::image::{ALLOC, Image, Relocation};
use crate::load_other_refusals::{comes_of_changed, judged, says};
use crate::machine::machines;
use crate::patch::Patched;

/// Patches vmlinux, so that it is enabled when it is loaded.
const VMLINUX: &str = "lp_vmlinux_inferred.ko";

/// The list of call sites: the table of its relocations, and itself.
fn list(patched: &Patched) -> (String, String) {
    let image = Image::read(&patched.bytes);
    let names = ["__mcount_loc", "__patchable_function_entries"];
    let list = image.sections.iter().find(|s| names.contains(&&*s.name) && s.size > 0).unwrap();
    (format!(".rela{}", list.name), list.name.clone())
}

fn moved(patched: Patched, by: i64) -> Patched {
    let (table, _) = list(&patched);
    patched.relocation(&table, 0, |rela, e| rela.r_addend.set(e, rela.r_addend.get(e) + by))
}

#[test]
fn a_call_site_without_a_call_stops_ftrace_and_with_it_the_livepatch() {
    for by in [16, 0x10_0000, i64::MIN] {
        let words = ["ftrace", "until the next boot", "(-ENODEV, 19)"];
        let change = |patched| moved(patched, by);
        comes_of_vmlinux(change, Conclusion::Refused, &words);
    }
}

#[test]
fn a_call_site_may_not_be_listed_twice() {
    let change = |patched: Patched| {
        let (table, _) = list(&patched);
        let first = Image::read(&patched.bytes);
        let first = first.section(&table).relocations[0];
        patched.relocation(&table, 1, |rela, e| {
            rela.r_addend.set(e, first.addend);
            rela.r_info = Rela64::r_info(e, false, first.symbol, RelocationType(first.kind));
        })
    };
    comes_of_vmlinux(change, Conclusion::Refused, &["listed twice"]);
}

#[test]
fn an_empty_entry_of_the_list_is_passed_over() {
    let change = |patched: Patched| {
        let (table, _) = list(&patched);
        patched.relocation(&table, 0, |rela, e| {
            rela.r_info = Rela64::r_info(e, false, 0, RelocationType(0));
        })
    };
    // ppc64 refuses type 0.
    for machine in machines().into_iter().filter(|machine| machine.name != "ppc64le") {
        let patched = change(Patched::new(converted(&machine, VMLINUX)));
        let verdict = judged(&machine, &patched);
        assert_eq!(verdict.conclusion(), Conclusion::Loads, "{}", machine.name);
    }
}

#[test]
fn a_call_of_something_else_is_no_call_site() {
    // Only x86_64 calls there, and looks.
    let machine = machines().into_iter().find(|machine| machine.name == "x86_64").unwrap();
    let patched = Patched::new(converted(&machine, VMLINUX));
    let image = Image::read(&patched.bytes);
    let fentry = image.symbols.iter().position(|symbol| symbol.name == "__fentry__").unwrap();
    let patched = patched.rename(fentry, "seq_printf");
    let verdict = judged(&machine, &patched);
    assert_eq!(verdict.conclusion(), Conclusion::Refused);
    assert!(says(&verdict).contains("ftrace"));
}

#[test]
fn references_to_a_section_that_is_not_loaded_dangle() {
    for section in [".rodata", ".data"] {
        for machine in machines() {
            let patched = Patched::new(converted(&machine, VMLINUX));
            let image = Image::read(&patched.bytes);
            if !image.sections.iter().any(|s| s.name == section && s.size > 0) {
                continue;
            }
            let patched = patched.section(section, |s, e| {
                s.sh_flags.set(e, SectionFlags(s.sh_flags.get(e).0 & !ALLOC));
            });
            let verdict = judged(&machine, &patched);
            let said = says(&verdict);
            assert_ne!(
                verdict.conclusion(),
                Conclusion::Loads,
                "{} {section}: {said}",
                machine.name
            );
        }
    }
}

#[test]
fn the_kernel_does_not_execute_data() {
    let change = |patched: Patched| {
        patched.section(".init.text", |s, e| {
            s.sh_flags.set(e, SectionFlags(s.sh_flags.get(e).0 & !4));
        })
    };
    let words = ["init or exit", "where it has no code"];
    comes_of_vmlinux(change, Conclusion::LoadsWrong, &words);
}

#[test]
fn a_patch_of_another_module_is_not_a_patch() {
    let change = |patched: Patched| {
        let image = Image::read(&patched.bytes);
        let this = image.symbols.iter().position(|symbol| symbol.name == "__this_module").unwrap();
        patched.symbol(this, |symbol, e| symbol.st_value.set(e, 0x40))
    };
    comes_of_vmlinux(change, Conclusion::LoadsWrong, &["not THIS_MODULE"]);
}

#[test]
fn a_name_that_leads_into_code_is_the_name_of_no_function() {
    for machine in machines() {
        let patched = Patched::new(converted(&machine, VMLINUX));
        let image = Image::read(&patched.bytes);
        // The strings of the tables.
        let strings = image
            .sections
            .iter()
            .position(|s| s.name.starts_with(".rodata") && s.flags & 0x20 != 0);
        let text = image.sections.iter().position(|section| section.name == ".text").unwrap();
        let moved = image
            .symbols
            .iter()
            .enumerate()
            .filter(|(_, symbol)| Some(usize::from(symbol.section)) == strings);
        let moved: Vec<_> = moved.map(|(index, _)| index).collect();
        assert!(!moved.is_empty(), "{}", machine.name);
        let text = SymbolSection(u16::try_from(text).unwrap());
        let patched = moved.into_iter().fold(patched, |patched, index| {
            patched.symbol(index, |symbol, e| symbol.st_shndx.set(e, text))
        });
        let verdict = judged(&machine, &patched);
        assert_ne!(verdict.conclusion(), Conclusion::Loads, "{}: {}", machine.name, says(&verdict));
    }
}

#[test]
fn the_symbol_of_a_section_names_a_section() {
    let change = |patched: Patched| {
        let image = Image::read(&patched.bytes);
        let data = image.sections.iter().position(|section| section.name == ".data").unwrap();
        let mut symbols = image.symbols.iter();
        let symbol =
            symbols.position(|s| usize::from(s.section) == data && s.info & 0xf == 3).unwrap();
        patched.symbol(symbol, |symbol, e| symbol.st_shndx.set(e, SymbolSection(0xfff1)))
    };
    for machine in machines() {
        let verdict = judged(&machine, &change(Patched::new(converted(&machine, VMLINUX))));
        assert_ne!(verdict.conclusion(), Conclusion::Loads, "{}: {}", machine.name, says(&verdict));
    }
}

#[test]
fn an_entry_of_a_jump_table_names_code_of_the_module() {
    let mut tried = 0;
    for machine in machines() {
        for name in machine.convertible() {
            let patched = Patched::new(converted(&machine, &name));
            if !Image::read(&patched.bytes).sections.iter().any(|s| s.name == ".rela__jump_table") {
                continue;
            }
            tried += 1;
            // The first field of an entry is its code.
            let patched = patched.relocation(".rela__jump_table", 0, |rela, e| {
                assert_eq!(rela.r_offset.get(e), 0);
                rela.r_addend.set(e, 0x10_0000);
            });
            let verdict = judged(&machine, &patched);
            let said = says(&verdict);
            assert_ne!(verdict.conclusion(), Conclusion::Loads, "{} {name}: {said}", machine.name);
            assert!(
                said.contains("an entry of '__jump_table' names"),
                "{} {name}: {said}",
                machine.name
            );
        }
    }
    assert!(tried > 0, "no fixture has a jump table");
}

#[test]
fn init_is_in_the_module() {
    let change = |patched: Patched| {
        patched.relocation(".rela.gnu.linkonce.this_module", 0, |rela, e| {
            rela.r_addend.set(e, 0x10_0000);
        })
    };
    comes_of_vmlinux(change, Conclusion::LoadsWrong, &["init or exit", "where it has no code"]);
}

/// The relocations of `.data` that are the pointers of a patch: `objs`, then of its first object `name`, if it has
/// one, and `funcs`, then of its first function `old_name` and `new_func`.
fn pointers(image: &Image) -> [Option<usize>; 5] {
    let all = &image.section(".rela.data").relocations;
    let symbol = |rela: &Relocation| &image.symbols[rela.symbol as usize];
    let at = |offset| all.iter().position(|rela| rela.offset == offset);
    let to = |index: Option<usize>| {
        let rela = &all[index.unwrap()];
        symbol(rela).value.wrapping_add_signed(rela.addend)
    };
    let module = all.iter().find(|rela| symbol(rela).name == "__this_module").unwrap();
    let objs = at(module.offset + 8);
    let funcs = at(to(objs) + 8);
    [objs, at(to(objs)), funcs, at(to(funcs)), at(to(funcs) + 8)]
}

#[test]
fn a_patch_with_a_pointer_to_nowhere_is_not_one_that_code_makes() {
    for (name, count) in [(VMLINUX, 4), ("lp_module_symbols.ko", 5)] {
        let mut tried = 0;
        for field in 0..5 {
            // Of vmlinux no object has a name.
            if field == 1 && count == 4 {
                continue;
            }
            tried += 1;
            let change = |patched: Patched| {
                let pointer = pointers(&Image::read(&patched.bytes))[field].unwrap();
                patched.relocation(".rela.data", pointer, |rela, e| {
                    rela.r_addend.set(e, 0x7fff_0000);
                })
            };
            let words = ["leads to nothing"];
            comes_of_changed(name, change, Conclusion::LoadsWrong, &words);
        }
        assert_eq!(tried, count);
    }
}

#[test]
fn no_replacement_is_at_an_absolute_address() {
    let change = |patched: Patched| {
        let image = Image::read(&patched.bytes);
        let new_func = pointers(&image)[4].unwrap();
        let file = image.symbols.iter().position(|symbol| symbol.section == 0xfff1).unwrap();
        patched.relocation(".rela.data", new_func, |rela, e| {
            let kind = rela.r_type(e, false);
            rela.r_info = Rela64::r_info(e, false, u32::try_from(file).unwrap(), kind);
        })
    };
    comes_of_vmlinux(change, Conclusion::LoadsWrong, &["leads to nothing"]);
}

/// Claims the outcome for a livepatch of vmlinux after a change, with all of `words`.
#[track_caller]
fn comes_of_vmlinux(change: impl Fn(Patched) -> Patched, conclusion: Conclusion, words: &[&str]) {
    comes_of_changed(VMLINUX, change, conclusion, words);
}
