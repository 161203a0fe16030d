//! Relocations that change what a `struct klp_patch` leads to, whose tables are read in the file.

use klp_arch::Calc;
use klp_convert::check::Conclusion;
use object::Endianness;
use object::elf::{Rela64, RelocationType, SectionHeader64};

use crate::gates::converted;
use crate::image::Image;
use crate::load_other_refusals::{judged, says};
use crate::load_structure::{MODULE, VMLINUX, patch};
use crate::machine::machines;
use crate::patch::Patched;

/// The relocations of the list of call sites.
pub(crate) fn list(image: &Image) -> String {
    let list = [".rela__mcount_loc", ".rela__patchable_function_entries"];
    image.sections.iter().find(|s| list.contains(&&*s.name)).unwrap().name.clone()
}

/// Has the first of these relocations, of this type, write to this offset of another section, and removes the others.
fn redirect(patched: Patched, rela: &str, to: &str, offset: u64, kind: u32) -> Patched {
    let image = Image::read(&patched.bytes);
    let to = image.sections.iter().position(|section| section.name == to).unwrap();
    let first = |section: &mut SectionHeader64<Endianness>, e| {
        section.sh_info.set(e, u32::try_from(to).unwrap());
        section.sh_size.set(e, 24);
    };
    patched.section(rela, first).relocation(rela, 0, |rela, e| {
        rela.r_offset.set(e, offset);
        rela.r_info = Rela64::r_info(e, false, rela.r_sym(e, false), RelocationType(kind));
    })
}

/// The type of relocation that a machine has for this field.
fn kind(machine: &str, calc: Calc, size: usize) -> u32 {
    let mut rows = klp_arch::by_name(machine).unwrap().rows.iter();
    rows.find(|row| row.calc == calc && row.field.size() == size).unwrap().number
}

/// Has the relocations of the list of call sites write to the name of a function that is replaced, or before it: 64
/// bits, or 32.
fn relocate_name(patched: Patched, distance: u64, kind: u32) -> Patched {
    let image = Image::read(&patched.bytes);
    let name = b"cmdline_proc_show\0";
    let text = &image.section(".rodata").body;
    let at = text.windows(name.len()).position(|bytes| bytes == name);
    let at = u64::try_from(at.unwrap()).unwrap();
    redirect(patched, &list(&image), ".rodata", at + 10 - distance, kind)
}

#[test]
fn names_in_a_patch_are_not_relocated() {
    for machine in machines() {
        let backend = klp_arch::by_name(machine.name).unwrap();
        let said = |distance, kind| {
            let patched = Patched::new(converted(&machine, VMLINUX));
            let verdict = judged(&machine, &relocate_name(patched, distance, kind));
            (verdict.conclusion(), says(&verdict))
        };
        let word = "relocations change a name or a position of its klp_patch";
        let (conclusion, said_of_64) = said(0, kind(machine.name, Calc::Absolute, 8));
        // Some loaders find something there, and refuse it.
        if backend.needs_untouched_place {
            assert_eq!(conclusion, Conclusion::Refused, "{}: {said_of_64}", machine.name);
            continue;
        }
        assert_eq!(conclusion, Conclusion::LoadsWrong, "{}: {said_of_64}", machine.name);
        assert!(said_of_64.contains(word), "{}: {said_of_64}", machine.name);
        // A table of jumps may end where the name starts.
        let (_, before) = said(14, kind(machine.name, Calc::Relative, 4));
        assert!(!before.contains(word), "{}: {before}", machine.name);
        let (_, inside) = said(13, kind(machine.name, Calc::Relative, 4));
        assert!(inside.contains(word), "{}: {inside}", machine.name);
    }
}

#[test]
fn relocations_of_the_tables_of_a_patch_are_those_of_its_pointers() {
    for machine in machines() {
        let backend = klp_arch::by_name(machine.name).unwrap();
        let absolute = kind(machine.name, Calc::Absolute, 8);
        let said = |at: u64| {
            let patched = Patched::new(converted(&machine, VMLINUX));
            let image = Image::read(&patched.bytes);
            let (module, objs) = patch(&patched);
            let all = &image.section(".rela.data").relocations;
            let offset = all[module].offset + at;
            assert_eq!(all[objs].offset, all[module].offset + 8);
            let verdict =
                judged(&machine, &redirect(patched, &list(&image), ".data", offset, absolute));
            (verdict.conclusion(), says(&verdict))
        };
        for (at, word) in [
            (0, "two relocations write one pointer"),
            (8, "two relocations write one pointer"),
            (24, "values in fields that the kernel takes to be empty"),
            (40, "values in fields that the kernel takes to be empty"),
        ] {
            let (conclusion, said) = said(at);
            // Some loaders find something there, and refuse it.
            if at < 16 && backend.needs_untouched_place {
                assert_eq!(conclusion, Conclusion::Refused, "{}: {said}", machine.name);
                continue;
            }
            assert_eq!(conclusion, Conclusion::LoadsWrong, "{}, {at}: {said}", machine.name);
            assert!(said.contains(word), "{}, {at}: {said}", machine.name);
        }
    }
}

#[test]
fn relocations_of_klp_sections_do_not_write_to_the_tables_of_a_patch() {
    let word = "relocations of a klp section write to a table of its klp_patch";
    for machine in machines() {
        let absolute = kind(machine.name, Calc::Absolute, 8);
        // Some loaders find something there besides, and refuse it.
        let refuses = klp_arch::by_name(machine.name).unwrap().needs_untouched_place;
        let conclusion =
            |at| if refuses && at < 16 { Conclusion::Refused } else { Conclusion::LoadsWrong };
        let patched = Patched::new(converted(&machine, MODULE));
        let (module, _) = patch(&patched);
        let image = Image::read(&patched.bytes);
        let start = image.section(".rela.data").relocations[module].offset;
        for at in [0, 8, 40, 120] {
            let patched = Patched::new(patched.bytes.clone());
            let klp = ".klp.rela.klp_target_a..text";
            let verdict = judged(&machine, &redirect(patched, klp, ".data", start + at, absolute));
            let said = says(&verdict);
            assert_eq!(verdict.conclusion(), conclusion(at), "{}, {at}: {said}", machine.name);
            assert!(said.contains(word), "{}, {at}: {said}", machine.name);
        }
    }
}

#[test]
fn the_kernel_does_not_read_the_sizes_of_the_symbols_of_tables() {
    for machine in machines() {
        let patched = Patched::new(converted(&machine, VMLINUX));
        let symbols = Image::read(&patched.bytes).symbols;
        let tables = ["lp_patch", "lp_objs", "lp_funcs"];
        let tables: Vec<_> =
            (0..symbols.len()).filter(|n| tables.contains(&&*symbols[*n].name)).collect();
        assert!(!tables.is_empty(), "{}", machine.name);
        for size in [1, 8, 24, 25, 64, 127, 1 << 40, u64::MAX] {
            let patched =
                tables.iter().fold(Patched::new(patched.bytes.clone()), |patched, table| {
                    patched.symbol(*table, |symbol, e| symbol.st_size.set(e, size))
                });
            let verdict = judged(&machine, &patched);
            let said = says(&verdict);
            assert_eq!(verdict.conclusion(), Conclusion::Loads, "{}, {size}: {said}", machine.name);
        }
    }
}

#[test]
fn callbacks_are_code_of_the_module() {
    for machine in machines() {
        let backend = klp_arch::by_name(machine.name).unwrap();
        let absolute = kind(machine.name, Calc::Absolute, 8);
        let original = Patched::new(converted(&machine, VMLINUX)).bytes;
        let image = Image::read(&original);
        let (_, objs) = patch(&Patched::new(original.clone()));
        let objs = &image.section(".rela.data").relocations[objs];
        let at = image.symbols[objs.symbol as usize].value.wrapping_add_signed(objs.addend) + 16;
        let list = list(&image);
        // Relocations of the pointers to callbacks: each its symbol, unless that of a function, and its addend.
        let judge = |callback: u64, relocations: &[(Option<u32>, i64)]| {
            let change = |patched: Patched, (n, (symbol, addend)): (usize, &(Option<u32>, i64))| {
                patched.relocation(&list, n, |rela, e| {
                    let symbol = symbol.unwrap_or(rela.r_sym(e, false));
                    rela.r_offset.set(e, at + callback * 8);
                    rela.r_addend.set(e, *addend);
                    rela.r_info = Rela64::r_info(e, false, symbol, RelocationType(absolute));
                })
            };
            let patched = redirect(Patched::new(original.clone()), &list, ".data", 0, absolute);
            let size = 24 * u64::try_from(relocations.len()).unwrap();
            let patched = patched.section(&list, |section, e| section.sh_size.set(e, size));
            let verdict = judged(&machine, &relocations.iter().enumerate().fold(patched, change));
            (verdict.conclusion(), says(&verdict))
        };
        let (conclusion, said) = judge(0, &[(None, 0)]);
        assert_eq!(conclusion, Conclusion::Loads, "{}: {said}", machine.name);
        let in_init = |symbol: &crate::image::Symbol| {
            image.sections.get(usize::from(symbol.section)).is_some_and(|s| s.name == ".init.text")
        };
        let init = u32::try_from(image.symbols.iter().position(in_init).unwrap()).unwrap();
        for (callback, name) in ["pre_patch", "post_patch", "pre_unpatch"].iter().enumerate() {
            // The first is called by the module's init function, as it is the kernel that is patched.
            let (expected, word) = if callback == 0 || !backend.frees_init_sections {
                (Conclusion::Loads, String::new())
            } else {
                (Conclusion::LoadsWrong, format!("its callback {name} is at "))
            };
            let (conclusion, said) = judge(u64::try_from(callback).unwrap(), &[(Some(init), 0)]);
            assert_eq!(conclusion, expected, "{}, {name}: {said}", machine.name);
            assert!(said.contains(&word), "{}, {name}: {said}", machine.name);
        }
        for callback in 0..4 {
            let (conclusion, said) = judge(callback, &[(None, 0x10_0000)]);
            assert_eq!(conclusion, Conclusion::LoadsWrong, "{}: {said}", machine.name);
            assert!(said.contains("leads to nothing"), "{}: {said}", machine.name);
            let (conclusion, said) = judge(callback, &[(Some(objs.symbol), objs.addend)]);
            assert_eq!(conclusion, Conclusion::LoadsWrong, "{}: {said}", machine.name);
            assert!(
                said.contains("its callback, where it has no code"),
                "{}: {said}",
                machine.name
            );
            let (conclusion, said) = judge(callback, &[(None, 0), (None, 8)]);
            // Some loaders find something there, and refuse it.
            if backend.needs_untouched_place {
                assert_eq!(conclusion, Conclusion::Refused, "{}: {said}", machine.name);
                continue;
            }
            assert_eq!(conclusion, Conclusion::LoadsWrong, "{}: {said}", machine.name);
            assert!(said.contains("two relocations write one"), "{}: {said}", machine.name);
        }
        // A number is no address of the module.
        let offset = usize::try_from(at).unwrap();
        let patched = Patched::new(original.clone()).contents(".data", |data| data[offset + 2] = 1);
        let verdict = judged(&machine, &patched);
        let said = says(&verdict);
        assert!(verdict.conclusion() != Conclusion::Loads, "{}: {said}", machine.name);
    }
}
