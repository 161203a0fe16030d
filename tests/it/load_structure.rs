//! The structures that a module hands to the kernel, `struct module` and `struct klp_patch`, with faults that the
//! kernel does not look for. Each was found in a running kernel (`cargo
//! campaign`).

use klp_convert::check::Conclusion;
use object::elf::{R_390_32, Rela64, SectionFlags, SectionType};

use crate::gates::converted;
use crate::image::{Image, Relocation};
use crate::load_other_refusals::{comes_of_changed, judged, says};
use crate::load_patch_relocated::list;
use crate::machine::machines;
use crate::patch::Patched;

/// Patches vmlinux, so that it is enabled when it is loaded.
pub(crate) const VMLINUX: &str = "lp_vmlinux_inferred.ko";
/// Patches a module.
pub(crate) const MODULE: &str = "lp_module_symbols.ko";

const THIS: &str = ".gnu.linkonce.this_module";
const OF_THIS: &str = ".rela.gnu.linkonce.this_module";
const WRITE: u64 = 1;

fn wrong(name: &str, change: impl Fn(Patched) -> Patched, word: &str) {
    comes_of_changed(name, change, Conclusion::LoadsWrong, &[word]);
}

fn refused(name: &str, change: impl Fn(Patched) -> Patched, word: &str) {
    comes_of_changed(name, change, Conclusion::Refused, &[word]);
}

/// The offsets in `.data` of the pointers `mod` and `objs` of the patch.
pub(crate) fn patch(patched: &Patched) -> (usize, usize) {
    let image = Image::read(&patched.bytes);
    let all = &image.section(".rela.data").relocations;
    let is_this = |rela: &Relocation| image.symbols[rela.symbol as usize].name == "__this_module";
    let module = all.iter().position(is_this).unwrap();
    let objs = all.iter().position(|rela| rela.offset == all[module].offset + 8).unwrap();
    (module, objs)
}

/// Makes a pointer NULL.
fn null(patched: Patched, section: &str, entry: usize) -> Patched {
    patched.relocation(section, entry, |rela, e| {
        rela.r_info = Rela64::r_info(e, false, 0, rela.r_type(e, false));
        rela.r_addend.set(e, 0);
    })
}

#[test]
fn struct_module_is_written_to() {
    let change = |patched: Patched| {
        patched.section(THIS, |s, e| s.sh_flags.set(e, SectionFlags(s.sh_flags.get(e).0 & !WRITE)))
    };
    wrong(VMLINUX, change, "not in writable memory");
}

#[test]
fn struct_module_is_empty_but_for_its_name_and_its_functions() {
    wrong(VMLINUX, |patched| patched.contents(THIS, |bytes| bytes[0x100] = 1), "to be empty");
    let change = |patched: Patched| {
        let image = Image::read(&patched.bytes);
        let this = image.sections.iter().position(|s| s.name == THIS).unwrap();
        patched.section(&list(&image), |s, e| s.sh_info.set(e, u32::try_from(this).unwrap()))
    };
    wrong(VMLINUX, change, "in other fields than init and exit");
}

#[test]
fn struct_module_has_a_name() {
    let change = |patched: Patched| patched.contents(THIS, |bytes| bytes[24] = 0);
    refused(VMLINUX, change, "the name in its struct module is empty");
}

#[test]
fn declarations_are_read_whatever_the_type_of_their_section() {
    let change =
        |patched: Patched| patched.section(".modinfo", |s, e| s.sh_type.set(e, SectionType(8)));
    comes_of_changed(VMLINUX, change, Conclusion::Loads, &[]);
}

#[test]
fn an_init_function_that_the_kernel_does_not_call_enables_nothing() {
    let change = |patched| null(patched, OF_THIS, 0);
    wrong(VMLINUX, change, "does not name init_module");
    // What it would be refused for when it is enabled.
    let unmarked =
        |patched: Patched| null(patched.replace(b"livepatch=Y", b"livepitch=Y"), OF_THIS, 0);
    wrong(VMLINUX, unmarked, "does not name init_module");
    // It does not look for the functions that are replaced, either.
    let nameless = |patched: Patched| {
        let patched = patched.replace(b"cmdline_proc_show\0", b"cmdline_proc_shot\0");
        null(patched, OF_THIS, 0)
    };
    wrong(VMLINUX, nameless, "does not name init_module");
}

#[test]
fn an_exit_function_in_init_memory_is_gone_when_it_is_called() {
    for machine in machines() {
        let patched = Patched::new(converted(&machine, VMLINUX));
        let image = Image::read(&patched.bytes);
        let section = |name| image.sections.iter().position(|s| s.name == name);
        let code = section(".init.text").unwrap();
        let to =
            image.symbols.iter().position(|symbol| usize::from(symbol.section) == code).unwrap();
        let patched = patched.relocation(OF_THIS, 1, |rela, e| {
            let kind = rela.r_type(e, false);
            rela.r_info = Rela64::r_info(e, false, u32::try_from(to).unwrap(), kind);
            rela.r_addend.set(e, 4);
        });
        let verdict = judged(&machine, &patched);
        let freed = says(&verdict).contains("in memory that is freed after init");
        let frees = klp_arch::by_name(machine.name).unwrap().frees_init_sections;
        assert_eq!(freed, frees, "{}: {}", machine.name, says(&verdict));
    }
}

#[test]
fn a_patch_without_module_or_objects_is_refused() {
    let module = |patched: Patched| {
        let entry = patch(&patched).0;
        null(patched, ".rela.data", entry)
    };
    refused(VMLINUX, module, "`mod` of its klp_patch is NULL");
    let objs = |patched: Patched| {
        let entry = patch(&patched).1;
        null(patched, ".rela.data", entry)
    };
    refused(VMLINUX, objs, "`objs` of its klp_patch is NULL");
    let none = |patched: Patched| patched.section(".rela.data", |s, e| s.sh_size.set(e, 0));
    refused(VMLINUX, none, "`mod` of its klp_patch is NULL");
}

#[test]
fn a_patch_is_empty_where_authors_fill_in_nothing() {
    let change = |patched: Patched| {
        let image = Image::read(&patched.bytes);
        let at = usize::try_from(image.section(".rela.data").relocations[patch(&patched).0].offset)
            .unwrap();
        patched.contents(".data", |bytes| bytes[at + 40] = 1)
    };
    wrong(VMLINUX, change, "in fields that the kernel takes to be empty");
}

#[test]
fn an_object_has_a_name_of_some_length() {
    let change = |patched: Patched| patched.replace(b"klp_target_a\0", b"\0lp_target_a\0");
    let words = ["has an empty name", "(-EINVAL, 22)"];
    for machine in machines() {
        let patched = change(Patched::new(converted(&machine, MODULE)));
        let verdict = judged(&machine, &patched);
        let said = says(&verdict);
        assert!(words.iter().all(|word| said.contains(word)), "{}: {said}", machine.name);
    }
}

#[test]
fn code_passes_the_patch_and_nothing_beside_it() {
    for machine in machines() {
        let patched = Patched::new(converted(&machine, VMLINUX));
        let image = Image::read(&patched.bytes);
        let patch = &image.section(".rela.data").relocations[patch(&patched).0];
        let data = |rela: &Relocation| {
            let symbol = &image.symbols[rela.symbol as usize];
            // The distance of larl counts from the start of the instruction.
            let bias = if machine.name == "s390x" { 2 } else { 0 };
            symbol.value.wrapping_add_signed(rela.addend) == patch.offset + bias
                && image
                    .sections
                    .get(usize::from(symbol.section))
                    .is_some_and(|s| s.name == ".data")
        };
        // On ppc64le its address is in a slot.
        let places = [".rela.init.text", ".rela.toc"].into_iter().filter_map(|table| {
            let table = image.sections.iter().find(|section| section.name == table)?;
            let entries = table.relocations.iter().enumerate().filter(|(_, rela)| data(rela));
            Some((table.name.clone(), entries.map(|(entry, _)| entry).collect::<Vec<_>>()))
        });
        let places: Vec<_> = places.collect();
        assert!(places.iter().any(|(_, entries)| !entries.is_empty()), "{}", machine.name);
        let moved =
            places.iter().flat_map(|(table, entries)| entries.iter().map(move |e| (table, e)));
        let patched = moved.into_iter().fold(patched, |patched, (table, entry)| {
            patched
                .relocation(table, *entry, |rela, e| rela.r_addend.set(e, rela.r_addend.get(e) + 8))
        });
        let verdict = judged(&machine, &patched);
        assert_eq!(
            verdict.conclusion(),
            Conclusion::LoadsWrong,
            "{}: {}",
            machine.name,
            says(&verdict)
        );
        assert!(
            says(&verdict).contains("passes another address"),
            "{}: {}",
            machine.name,
            says(&verdict)
        );
    }
}

#[test]
fn pointers_in_tables_of_the_kernel_lead_to_something() {
    let rename = |name: &'static str| move |patched: Patched| patched.rename_section(".data", name);
    for name in ["__param", "_ftrace_events", "___srcu_struct_ptrs", "_ftrace_eval_map"] {
        wrong(VMLINUX, rename(name), &format!("'{name}' has no pointer at "));
    }
    // These may be NULL.
    comes_of_changed(VMLINUX, rename("__trace_printk_fmt"), Conclusion::Loads, &[]);
    let text = |patched: Patched| {
        let writable = patched.section(".rodata", |s, e| {
            s.sh_flags.set(e, SectionFlags(s.sh_flags.get(e).0 | WRITE));
        });
        writable.rename_section(".rodata", "__trace_printk_fmt")
    };
    wrong(VMLINUX, text, "'__trace_printk_fmt' has no pointer at ");
}

#[test]
fn tables_that_the_kernel_writes_to_are_writable() {
    let word = "is not in writable memory, where ";
    let rename = |patched: Patched| patched.rename_section(".rodata", "__trace_printk_fmt");
    wrong(VMLINUX, rename, word);
    let change = |patched: Patched| {
        patched.section("__jump_table", |s, e| {
            s.sh_flags.set(e, SectionFlags(s.sh_flags.get(e).0 & !WRITE));
        })
    };
    wrong("lp_static_key_vmlinux.ko", change, word);
}

#[test]
fn no_address_of_a_kernel_of_s390x_fits_into_32_bits() {
    let machine = machines().into_iter().find(|machine| machine.name == "s390x").unwrap();
    let patched = Patched::new(converted(&machine, VMLINUX));
    let patched = patched.relocation(".klp.rela.vmlinux..text", 0, |rela, e| {
        let symbol = rela.r_sym(e, false);
        rela.r_info = Rela64::r_info(e, false, symbol, R_390_32);
    });
    let verdict = judged(&machine, &patched);
    let said = says(&verdict);
    assert_eq!(verdict.conclusion(), Conclusion::Refused, "{said}");
    assert!(said.contains("R_390_32") && said.contains("-ENOEXEC"), "{said}");
}

#[test]
fn an_export_has_a_name_in_memory() {
    // Its entry writes to the field of the value instead. Elsewhere these are distances of 32 bits.
    let change = |patched: Patched| {
        patched.relocation(".rela__ksymtab", 1, |rela, e| rela.r_offset.set(e, 0))
    };
    for machine in machines().into_iter().filter(|m| ["s390x", "ppc64le"].contains(&m.name)) {
        let verdict = judged(&machine, &change(Patched::new(machine.read("klp_target_a.ko"))));
        let said = says(&verdict);
        assert_eq!(verdict.conclusion(), Conclusion::LoadsWrong, "{}: {said}", machine.name);
        assert!(said.contains("leads to no name"), "{}: {said}", machine.name);
    }
}

#[test]
fn the_tables_of_a_patch_are_not_what_the_kernel_writes_to() {
    let this = |patched: Patched| {
        let (module, objs) = patch(&patched);
        let symbol = Image::read(&patched.bytes).section(".rela.data").relocations[module].symbol;
        patched.relocation(".rela.data", objs, |rela, e| {
            rela.r_info = Rela64::r_info(e, false, symbol, rela.r_type(e, false));
            rela.r_addend.set(e, 0);
        })
    };
    wrong(VMLINUX, this, "a table of its klp_patch is in its struct module");
    let inside = |patched: Patched| {
        let (module, objs) = patch(&patched);
        let image = Image::read(&patched.bytes);
        let all = &image.section(".rela.data").relocations;
        let value = image.symbols[all[objs].symbol as usize].value;
        let list = i64::try_from(all[module].offset + 40).unwrap();
        patched.relocation(".rela.data", objs, |rela, e| {
            rela.r_addend.set(e, list.wrapping_sub_unsigned(value));
        })
    };
    wrong(VMLINUX, inside, "tables of its klp_patch overlap");
}

#[test]
fn section_0_is_not_found_under_a_name_that_the_kernel_looks_for() {
    for machine in machines() {
        let backend = klp_arch::by_name(machine.name).unwrap();
        let patched = Patched::new(converted(&machine, VMLINUX));
        let name = ".text.ftrace_trampoline";
        let known = Image::read(&patched.bytes).sections.iter().any(|s| s.name == name);
        assert_eq!(known, backend.from_section_0.contains(&name), "{}", machine.name);
        if !known {
            continue;
        }
        let mut sh_name = 0;
        let patched = patched.section(name, |section, e| sh_name = section.sh_name.get(e));
        let patched = patched.section("", |section, e| section.sh_name.set(e, sh_name));
        let verdict = judged(&machine, &patched);
        let said = says(&verdict);
        assert_eq!(verdict.conclusion(), Conclusion::LoadsWrong, "{}: {said}", machine.name);
        assert!(said.contains("section 0 is called '.text.ftrace_trampoline'"), "{said}");
    }
}
