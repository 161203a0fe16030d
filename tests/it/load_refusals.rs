//! What a loader refuses before relocation, each with the kernel's message.

use klp_convert::elf::Module;
use klp_convert::load::{Loader, Placement, Record, Refused, SimulatedKernel, TargetKernel};
use object::elf::{SectionFlags, SectionType};

use crate::gates::{answer, backend, converted};
use crate::machine::{Machine, machines};
use crate::patch::Patched;

const NAME: &str = "lp_module_symbols.ko";
const THIS_MODULE: &str = ".gnu.linkonce.this_module";

/// Loads a modified livepatch, with the addresses of the original.
pub(crate) fn load(
    machine: &Machine,
    wrong: &[u8],
    backend: &'static klp_arch::Machine,
    kernel: &TargetKernel,
) -> Result<(), Refused> {
    let right = converted(machine, NAME);
    let answer = answer(machine, &Module::parse(&right).unwrap());
    let module = Module::parse_as_kernel(wrong).unwrap();
    let placement = Placement::usual(backend, kernel);
    let loader =
        Loader { machine: backend, kernel, placement: &placement, record: Record::Nothing };
    loader.load(&module, &SimulatedKernel::new(&answer)).map(|_| ())
}

/// Claims that the newest kernel of each machine refuses the changed livepatch with this message.
fn refused(change: impl Fn(Patched) -> Patched, says: &str) {
    for machine in machines() {
        let wrong = change(Patched::new(converted(&machine, NAME))).bytes;
        let backend = backend(&machine);
        let error = load(&machine, &wrong, backend, &TargetKernel::newest(backend)).unwrap_err();
        assert_eq!(error.to_string(), format!("{says} -ENOEXEC"), "{}", machine.name);
    }
}

/// The livepatch as the kernel of this version sees it.
fn at_version(machine: &Machine, wrong: &Patched, version: &str) -> Result<(), Refused> {
    let backend = backend(machine);
    let kernel = TargetKernel::of_version(backend, version.parse().unwrap());
    load(machine, &wrong.bytes, backend, &kernel)
}

fn flags(patched: Patched, section: &str, change: impl Fn(u64) -> u64) -> Patched {
    patched.section(section, |s, e| s.sh_flags.set(e, SectionFlags(change(s.sh_flags.get(e).0))))
}

#[test]
fn a_module_of_another_machine_or_abi_is_refused() {
    let (all, mut abis) = (machines(), 0);
    for (machine, other) in all.iter().zip(all.iter().cycle().skip(1)) {
        let right = converted(machine, NAME);
        let number = Module::parse(&right).unwrap().machine();
        let newest = TargetKernel::newest(backend(other));
        let error = load(machine, &right, backend(other), &newest).unwrap_err();
        let says = format!("Invalid architecture in ELF header: {number} -ENOEXEC");
        assert_eq!(error.to_string(), says);
        let backend = backend(machine);
        let wrong =
            Patched::new(right).header(|h, e| h.e_flags.set(e, object::elf::FileFlags(1))).bytes;
        if backend.check_header(1).is_err() {
            abis += 1;
            let error = load(machine, &wrong, backend, &TargetKernel::newest(backend)).unwrap_err();
            let says = format!("Invalid module architecture in ELF header: {number} -ENOEXEC");
            assert_eq!(error.to_string(), says);
        }
    }
    assert!(abis > 0);
}

#[test]
fn a_second_modinfo_is_refused_since_6_4() {
    let change = |patched: Patched| patched.rename_section(".comment", ".modinfo");
    refused(change, "Only one .modinfo section must exist.");
    for machine in machines() {
        let wrong = change(Patched::new(converted(&machine, NAME)));
        assert!(at_version(&machine, &wrong, "6.4").is_err());
        assert_eq!(at_version(&machine, &wrong, "6.3"), Ok(()), "{}", machine.name);
    }
}

#[test]
fn the_flags_of_the_file_are_checked_since_6_2() {
    for machine in machines() {
        let flags = object::elf::FileFlags(1);
        let wrong = Patched::new(converted(&machine, NAME)).header(|h, e| h.e_flags.set(e, flags));
        let looked = backend(&machine).check_header(1).is_err();
        let at = |version| at_version(&machine, &wrong, version).is_err();
        assert_eq!(["6.1", "6.2"].map(at), [false, looked], "{}", machine.name);
    }
}

#[test]
fn a_second_struct_module_is_refused_since_6_4_with_each_versions_message() {
    for machine in machines() {
        let wrong = Patched::new(converted(&machine, NAME)).rename_section(".comment", THIS_MODULE);
        let says = |version| at_version(&machine, &wrong, version).map_err(|e| e.to_string());
        assert_eq!(says("6.3"), Ok(()), "{}", machine.name);
        for (version, number) in [("6.4", "Only"), ("6.12", "Only"), ("6.13", "Exactly")] {
            let what = "one .gnu.linkonce.this_module section must exist. -ENOEXEC";
            let message = format!("module lp_module_symbols: {number} {what}");
            assert_eq!(says(version), Err(message), "{}", machine.name);
        }
    }
}

#[test]
fn only_newer_kernels_need_room_for_a_stub_in_init() {
    let machines: Vec<_> = machines().into_iter().filter(|m| m.name == "arm64").collect();
    assert_eq!(machines.len(), 1);
    for machine in machines {
        let name = ".init.text.ftrace_trampoline";
        let wrong = Patched::new(converted(&machine, NAME)).rename_section(name, ".init.text.f");
        for version in ["6.6", "6.12", "6.14"] {
            assert_eq!(at_version(&machine, &wrong, version), Ok(()), "{version:?}");
        }
        for version in ["6.18", "7.3"] {
            assert!(at_version(&machine, &wrong, version).is_err(), "{version:?}");
        }
    }
}

#[test]
fn there_must_be_exactly_one_struct_module() {
    let one = "module lp_module_symbols: Exactly one .gnu.linkonce.this_module section must exist.";
    refused(|patched| patched.rename_section(THIS_MODULE, ".gnu.linkonce.that_module"), one);
    refused(|patched| patched.rename_section(".comment", THIS_MODULE), one);
    let nameless = one.replace("lp_module_symbols", "(missing .modinfo section or name field)");
    let change = |patched: Patched| {
        patched.rename_section(".comment", THIS_MODULE).replace(b"\0name=", b"\0nama=")
    };
    refused(change, &nameless);
}

#[test]
fn an_old_kernel_only_needs_a_struct_module_to_exist() {
    let none = "lp_module_symbols: No module found in object -ENOEXEC";
    for machine in machines() {
        let right = || Patched::new(converted(&machine, NAME));
        let at = |wrong: Patched| at_version(&machine, &wrong, "6.1").map_err(|e| e.to_string());
        let other = right().rename_section(THIS_MODULE, ".gnu.linkonce.that_module");
        assert_eq!(at(other), Err(none.into()), "{}", machine.name);
        assert_eq!(at(flags(right(), THIS_MODULE, |flags| flags & !2)), Err(none.into()));
        assert_eq!(at(right().rename_section(".comment", THIS_MODULE)), Ok(()));
        let flags = object::elf::FileFlags(1);
        assert_eq!(at(right().header(|h, e| h.e_flags.set(e, flags))), Ok(()), "{}", machine.name);
    }
}

#[test]
fn struct_module_must_be_loaded_from_the_file_and_as_large_as_the_kernels() {
    let says = |what: &str| format!("module lp_module_symbols: .gnu.linkonce.this_module {what}");
    refused(
        |patched| patched.section(THIS_MODULE, |s, e| s.sh_type.set(e, SectionType(8))),
        &says("section must have a size set"),
    );
    refused(
        |patched| flags(patched, THIS_MODULE, |flags| flags & !2),
        &says("must occupy memory during process execution"),
    );
    for machine in machines() {
        // Before 6.13 it is then not found.
        let wrong = Patched::new(converted(&machine, NAME))
            .section(THIS_MODULE, |s, e| s.sh_type.set(e, SectionType(8)));
        let only = "module lp_module_symbols: Only one .gnu.linkonce.this_module section must exist. -ENOEXEC";
        let said = at_version(&machine, &wrong, "6.12").unwrap_err().to_string();
        assert_eq!(said, only, "{}", machine.name);
        let right = converted(&machine, NAME);
        let module = Module::parse(&right).unwrap();
        let size = module.sections_named(THIS_MODULE.as_bytes()).next().unwrap().sh_size;
        let backend = backend(&machine);
        let kernel = |module_size| TargetKernel { module_size, ..TargetKernel::newest(backend) };
        let error = load(&machine, &right, backend, &kernel(Some(size + 64))).unwrap_err();
        let what = "section size must match the kernel's built struct module size at run time";
        assert_eq!(error.to_string(), format!("{} -ENOEXEC", says(what)));
        assert_eq!(load(&machine, &right, backend, &kernel(Some(size))), Ok(()));
        assert_eq!(load(&machine, &right, backend, &kernel(None)), Ok(()));
    }
}

#[test]
fn extended_versions_need_as_many_names() {
    let crcs = |patched: Patched| {
        let patched = patched.rename_section(".comment", "__version_ext_crcs");
        flags(patched, "__version_ext_crcs", |flags| flags | 2)
    };
    refused(crcs, "extended version crc+name presence does not match");
    let names = |patched: Patched| {
        let patched = crcs(patched).rename_section(".note.GNU-stack", "__version_ext_names");
        flags(patched, "__version_ext_names", |flags| flags | 2)
    };
    refused(names, "more extended version crcs than names");
}

#[test]
fn more_sections_than_the_header_can_count_are_refused() {
    let machine = machines().remove(0);
    let right = converted(&machine, NAME);
    let count = Module::parse(&right).unwrap().sections().len();
    let start = right.len();
    let wrong = Patched::new(right.clone()).header(|h, e| {
        let old = usize::try_from(h.e_shoff.get(e)).unwrap();
        assert_eq!(usize::from(h.e_shnum.get(e)), count);
        assert!(old + count * 64 <= start);
    });
    let mut at = 0;
    let mut wrong = wrong.header(|h, e| {
        at = usize::try_from(h.e_shoff.get(e)).unwrap();
        h.e_shoff.set(e, start as u64);
        h.e_shnum.set(e, 0);
    });
    let mut table = right[at..at + count * 64].to_vec();
    table.resize(0xff00 * 64, 0);
    // `sh_size` of section 0 has the number.
    table[32..40].copy_from_slice(&0xff00_u64.to_le_bytes());
    wrong.bytes.extend(table);
    let error = at_version(&machine, &wrong, "7.2").unwrap_err();
    let says = "ELF Spec violation: section 0 type(0)!=SH_NULL or non-zero len or addr -ENOEXEC";
    assert_eq!(error.to_string(), says);
    let error = at_version(&machine, &wrong, "6.1").unwrap_err().to_string();
    assert!(error.starts_with("Invalid ELF section name index: "), "{error}");
}

#[test]
fn writable_and_executable_sections_are_refused_where_memory_is_protected() {
    for machine in machines() {
        let wrong = flags(Patched::new(converted(&machine, NAME)), ".text", |flags| flags | 1);
        let module = Module::parse(&wrong.bytes).unwrap();
        let index = module.sections().position(|s| s.name == b".text").unwrap();
        let backend = backend(&machine);
        let kernel =
            |strict_module_rwx| TargetKernel { strict_module_rwx, ..TargetKernel::newest(backend) };
        let error = load(&machine, &wrong.bytes, backend, &kernel(true)).unwrap_err();
        let says = format!(
            "lp_module_symbols: section .text (index {index}) has invalid WRITE|EXEC flags -ENOEXEC"
        );
        assert_eq!(error.to_string(), says);
        assert_eq!(load(&machine, &wrong.bytes, backend, &kernel(false)), Ok(()));
    }
}

#[test]
fn too_much_memory_is_refused_by_the_allocator() {
    for machine in machines() {
        let wrong = Patched::new(converted(&machine, NAME));
        let wrong = wrong.section(".bss", |s, e| s.sh_size.set(e, 0x8000_0000));
        let error = at_version(&machine, &wrong, "7.2").unwrap_err();
        assert_eq!(error.to_string(), "execmem: unable to allocate memory -ENOMEM");
    }
}

#[test]
fn a_module_without_room_for_ftrace_is_refused_silently() {
    let machine = machines().into_iter().find(|machine| machine.name == "arm64").unwrap();
    let name = ".text.ftrace_trampoline";
    let wrong = Patched::new(converted(&machine, NAME)).rename_section(name, ".text.other");
    let error = at_version(&machine, &wrong, "7.2").unwrap_err();
    let kernel = error.0[0].kernel.as_ref().unwrap();
    assert_eq!((kernel.message.as_str(), kernel.errno.number()), ("", 8));
    assert!(error.to_string().ends_with(&format!("the module has no section {name}")), "{error}");
}

#[test]
fn a_modules_vermagic_must_be_the_kernels() {
    for machine in machines() {
        let right = converted(&machine, NAME);
        let module = Module::parse(&right).unwrap();
        let magic = module.modinfo().find(|(key, _)| *key == b"vermagic").unwrap().1;
        let magic = String::from_utf8(magic.to_vec()).unwrap();
        let backend = backend(&machine);
        let kernel = |magic: &str| {
            let vermagic = Some(magic.to_owned());
            load(
                &machine,
                &right,
                backend,
                &TargetKernel { vermagic, ..TargetKernel::newest(backend) },
            )
        };
        assert_eq!(kernel(&magic), Ok(()));
        let other = magic.replace("mod_unload", "modversions");
        let says = format!("version magic '{magic}' should be '{other}'");
        let error = kernel(&other).unwrap_err().to_string();
        assert_eq!(error, format!("lp_module_symbols: {says} -ENOEXEC"));
    }
}

#[test]
fn with_symbol_versions_the_release_does_not_matter() {
    let magic = |bytes: &[u8]| {
        let module = Module::parse(bytes).unwrap();
        let magic = module.modinfo().find(|(key, _)| *key == b"vermagic").unwrap().1;
        String::from_utf8(magic.to_vec()).unwrap()
    };
    for machine in machines() {
        let right = converted(&machine, NAME);
        let without = magic(&right);
        let (word, other) = (" mod_unload", " modversions");
        let at = without.find(word).unwrap();
        // The word is longer by one.
        let word = &without[at - 1..at + word.len()];
        let right = Patched::new(right).replace(word.as_bytes(), other.as_bytes());
        let vermagic = Some(magic(&right.bytes).replacen("7.2", "7.9", 1));
        let backend = backend(&machine);
        let kernel = TargetKernel { vermagic, ..TargetKernel::newest(backend) };
        let versions = right.clone().rename_section(".comment", "__versions").bytes;
        assert_eq!(load(&machine, &versions, backend, &kernel), Ok(()), "{}", machine.name);
        assert!(load(&machine, &right.bytes, backend, &kernel).is_err(), "{}", machine.name);
    }
}
