//! What a loader refuses besides relocations, and header fields that it ignores.

use klp_convert::check::{Conclusion, Verdict, check};
use klp_convert::convert::convert;
use klp_convert::elf::Module;
use klp_convert::load::TargetKernel;
use klp_convert::options::Options;
use klp_convert::symbols::{Sources, Symvers, Vmlinux};
use object::elf::{SectionFlags, SectionType};

use crate::gates::{backend, converted, sources};
use crate::load_refusals::load;
use crate::machine::{Machine, machines};
use crate::patch::{Patched, signature};
use crate::tool::Sandbox;

const NAME: &str = "lp_module_symbols.ko";
/// `SHT_REL`, and a type of table that the kernel does not know.
const REL: u32 = 9;
const CREL: u32 = 0x4000_0014;

pub(crate) fn judged(machine: &Machine, wrong: &Patched) -> Verdict {
    check(&wrong.bytes, &sources(machine), &Options::default())
        .unwrap_or_else(|failure| panic!("{}: {failure}", machine.name))
}

pub(crate) fn says(verdict: &Verdict) -> String {
    let diagnostics = verdict.diagnostics("m.ko");
    let lines = diagnostics.iter().flat_map(|d| {
        std::iter::once(format!("{} {}", d.code, d.message)).chain(d.help.iter().cloned())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Claims the outcome for a converted livepatch of a module after a change, with all of `words`.
#[track_caller]
fn comes_of(change: impl Fn(Patched) -> Patched, conclusion: Conclusion, words: &[&str]) {
    comes_of_changed(NAME, change, conclusion, words);
}

/// The same for any livepatch.
#[track_caller]
pub(crate) fn comes_of_changed(
    name: &str,
    change: impl Fn(Patched) -> Patched,
    conclusion: Conclusion,
    words: &[&str],
) {
    for machine in machines() {
        let verdict = judged(&machine, &change(Patched::new(converted(&machine, name))));
        let said = says(&verdict);
        assert_eq!(verdict.conclusion(), conclusion, "{}: {said}", machine.name);
        assert!(words.iter().all(|word| said.contains(word)), "{}: {said}", machine.name);
        let new = said.contains("KLP-E") || said.contains("KLP-W082");
        assert!(!words.is_empty() || !new, "{}: {said}", machine.name);
    }
}

/// Claims that converting its changed source fails with these words.
#[track_caller]
fn not_converted(change: impl Fn(Patched) -> Patched, words: &[&str]) {
    for machine in machines() {
        let wrong = change(Patched::new(machine.read(NAME))).bytes;
        let failure = convert(&wrong, &sources(&machine), &Options::default()).unwrap_err();
        let diagnostics = failure.diagnostics("m.ko");
        let said: Vec<_> =
            diagnostics.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
        let said = said.join("\n");
        assert!(words.iter().all(|word| said.contains(word)), "{}: {said}", machine.name);
    }
}

#[test]
fn two_loaded_sections_of_one_name_are_refused_because_of_sysfs() {
    for (old, new) in [(".note.Linux", ".data"), (".exit.data", ".text"), (".rodata", ".exit.text")]
    {
        let file = format!("filename '/module/lp_module_symbols/sections/{new}' (-EEXIST, 17)");
        let words = ["[section-twins, refused]", &file];
        comes_of(|patched| patched.rename_section(old, new), Conclusion::Refused, &words);
    }
    // A table of klp relocations is a section, too.
    not_converted(|patched| patched.rename_section(".exit.data", ".data"), &["section-twins"]);
}

#[test]
fn sections_that_are_empty_or_not_loaded_may_share_a_name() {
    for (old, new) in [(".comment", ".text"), (".bss", ".data"), (".comment", ".note.GNU-stack")] {
        comes_of(|patched| patched.rename_section(old, new), Conclusion::Loads, &[]);
    }
}

#[test]
fn an_old_kernel_accepts_the_twins() {
    for machine in machines() {
        let wrong = Patched::new(converted(&machine, NAME)).rename_section(".note.Linux", ".data");
        let backend = backend(&machine);
        let at = |version: &str| {
            let kernel = TargetKernel::of_version(backend, version.parse().unwrap());
            load(&machine, &wrong.bytes, backend, &kernel)
        };
        for version in ["6.1", "6.6"] {
            assert_eq!(at(version), Ok(()), "{}", machine.name);
        }
        assert_eq!(at("6.12").unwrap_err().errno().unwrap().number(), 17);
    }
}

#[test]
fn a_malformed_signature_is_refused_and_a_lone_marker_is_not() {
    for machine in machines() {
        let right = converted(&machine, NAME);
        let backend = backend(&machine);
        let kernel = TargetKernel::newest(backend);
        let with = |end: &[u8]| [&right[..], end].concat();
        let garbage = with(&signature());
        let error = load(&machine, &garbage, backend, &kernel).unwrap_err();
        assert_eq!(error.to_string(), "(the kernel logs nothing) -EBADMSG", "{}", machine.name);
        let off = TargetKernel { checks_signatures: false, ..kernel.clone() };
        assert_eq!(load(&machine, &garbage, backend, &off), Ok(()));
        let marker = with(b"~Module signature appended~\n");
        let module = Module::parse_as_kernel(&marker).unwrap();
        assert_eq!(module.irregularities().len(), 1);
        let verdict = judged(&machine, &Patched::new(marker));
        assert_eq!(verdict.conclusion(), Conclusion::Loads);
        assert!(says(&verdict).contains("KLP-W0821 module signature before"), "{}", says(&verdict));
    }
}

#[test]
fn more_per_cpu_memory_than_modules_have_is_refused() {
    let name = ".data..percpu";
    for machine in machines() {
        let with = |size: u64, align: u64| {
            let right = Patched::new(converted(&machine, NAME));
            let right = right.rename_section(".rodata", name).section(name, |s, e| {
                s.sh_type.set(e, SectionType(8));
                s.sh_flags.set(e, SectionFlags(3));
                s.sh_size.set(e, size);
                s.sh_addralign.set(e, align);
            });
            let backend = backend(&machine);
            let loaded = load(&machine, &right.bytes, backend, &TargetKernel::newest(backend));
            loaded.err().map(|error| error.to_string())
        };
        let reserve = backend(&machine).percpu_reserve;
        let refused = |size| {
            format!("lp_module_symbols: Could not allocate {size} bytes percpu data -ENOMEM")
        };
        let page = TargetKernel::newest(backend(&machine)).page_size;
        let most = reserve.unwrap_or(page.max(32 << 10));
        let text = |size, align| with(size, align).filter(|text| text.contains("percpu"));
        assert_eq!(text(most, 64), None, "{}", machine.name);
        assert_eq!(text(most + 1, 64), Some(refused(most + 1)), "{}", machine.name);
        assert_eq!(text(12288, 4096).is_some(), reserve.is_some(), "{}", machine.name);
        assert_eq!(text(64, 640), Some(refused(64)), "{}", machine.name);
    }
}

#[test]
fn a_kernel_without_livepatching_or_with_constructors_refuses_more() {
    for machine in machines() {
        let right = converted(&machine, NAME);
        let backend = backend(&machine);
        let kernel = TargetKernel { livepatches: false, ..TargetKernel::newest(backend) };
        let error = load(&machine, &right, backend, &kernel).unwrap_err().to_string();
        let what = "module is marked as livepatch module, but livepatch support is disabled";
        assert_eq!(error, format!("lp_module_symbols: {what} -ENOEXEC"));
        let wrong = Patched::new(right).rename_section(".note.Linux", ".ctors");
        let wrong = wrong.rename_section(".exit.data", ".init_array").bytes;
        let kernel = |constructors| TargetKernel { constructors, ..TargetKernel::newest(backend) };
        assert_eq!(load(&machine, &wrong, backend, &kernel(false)), Ok(()));
        let error = load(&machine, &wrong, backend, &kernel(true)).unwrap_err().to_string();
        assert_eq!(error, "lp_module_symbols: has both .ctors and .init_array. -EINVAL");
    }
}

/// The verdict on `klp_target_a` if other objects export these names.
fn exported_by(machine: &Machine, owners: &[(&str, &str)]) -> Verdict {
    let exports = String::from_utf8(machine.read("Module.symvers")).unwrap();
    let lines = exports.lines().map(|line| {
        let mut fields: Vec<_> = line.split('\t').collect();
        if let Some((_, owner)) = owners.iter().find(|(name, _)| *name == fields[1]) {
            fields[2] = owner;
        }
        fields.join("\t") + "\n"
    });
    let bench = Sandbox::new();
    let symvers = bench.file("Module.symvers", lines.collect::<String>().as_bytes());
    let mut sources = Sources::new();
    sources.push(Vmlinux::new(machine.path("vmlinux.cut")));
    sources.push(Symvers::new(symvers));
    check(&machine.read("klp_target_a.ko"), &sources, &Options::default()).unwrap()
}

#[test]
fn an_export_of_a_loaded_object_cannot_be_exported_again() {
    let name = "klp_target_a_exported";
    for machine in machines() {
        let verdict = exported_by(&machine, &[]);
        assert_eq!(verdict.conclusion(), Conclusion::Loads, "{}", says(&verdict));
        assert_eq!(says(&verdict), "", "{}: its own exports are not duplicates", machine.name);
        let verdict = exported_by(&machine, &[(name, "vmlinux")]);
        let words = format!("klp_target_a: exports duplicate symbol {name} (owned by kernel)");
        assert_eq!(verdict.conclusion(), Conclusion::Refused, "{}", machine.name);
        assert!(says(&verdict).contains(&words), "{}", says(&verdict));
        // Another module may be loaded or not.
        let verdict = exported_by(&machine, &[(name, "drivers/other-mod")]);
        assert_eq!(verdict.conclusion(), Conclusion::Loads, "{}", says(&verdict));
        let warns = format!("KLP-W0822 exports '{name}', as 'other_mod' does");
        assert!(says(&verdict).contains(&warns), "{}: {}", machine.name, says(&verdict));
    }
}

#[test]
fn a_table_that_the_loader_skips_is_reported() {
    let retype = |kind| {
        move |patched: Patched| {
            patched.section(".rela.data", |s, e| s.sh_type.set(e, SectionType(kind)))
        }
    };
    let crel = ["KLP-E0410", "'.rela.data': relocations of type SHT_CREL"];
    // Without them the patch is empty.
    comes_of(retype(CREL), Conclusion::Refused, &crel);
    comes_of(retype(0x6000_0002), Conclusion::Refused, &["type SHT_ANDROID_RELA"]);
    let rel = ["KLP-E0410", "(SHT_REL)", "module lp_module_symbols: REL relocation unsupported"];
    comes_of(retype(REL), Conclusion::Refused, &rel);
    not_converted(retype(CREL), &crel);
    not_converted(retype(REL), &["KLP-E0410"]);
    for index in [0, 60_000] {
        let astray =
            |patched: Patched| patched.section(".rela.data", |s, e| s.sh_info.set(e, index));
        let what = format!("'.rela.data': sh_info {index} names no loaded section");
        comes_of(astray, Conclusion::Refused, &["KLP-E0410", &what]);
        not_converted(astray, &["KLP-E0410", &what]);
    }
}

#[test]
fn a_table_for_an_unloaded_section_may_have_any_type() {
    let not_loaded = |kind| {
        move |patched: Patched| {
            let patched = patched.rename_section(".comment", ".rela.debug_info");
            patched.section(".rela.debug_info", |s, e| s.sh_type.set(e, SectionType(kind)))
        }
    };
    comes_of(not_loaded(CREL), Conclusion::Loads, &[]);
    // A linker would not make it, but the kernel does not care.
    comes_of(not_loaded(REL), Conclusion::Loads, &["KLP-W0821"]);
}

#[test]
fn header_fields_that_the_kernel_ignores_are_a_warning_and_rule_out_conversion() {
    type Change = fn(Patched) -> Patched;
    let cases: [(&str, Change); 6] = [
        ("alignment 640 is not a power of two", |patched| {
            patched.section(".note.Linux", |s, e| s.sh_addralign.set(e, 640))
        }),
        ("sh_entsize is 0", |patched| patched.section(".rela.data", |s, e| s.sh_entsize.set(e, 0))),
        ("sh_link names section 5000", |patched| {
            patched.section(".note.Linux", |s, e| s.sh_link.set(e, 5000))
        }),
        ("ELF version 9 is not 1", |patched| patched.header(|h, e| h.e_version.set(e, 9))),
        ("e_ehsize is 52", |patched| patched.header(|h, e| h.e_ehsize.set(e, 52))),
        ("sh_info puts the first global symbol at 90000", |patched| {
            patched.section(".symtab", |s, e| s.sh_info.set(e, 90_000))
        }),
    ];
    for (words, change) in cases {
        comes_of(change, Conclusion::Loads, &["KLP-W0821", words]);
        not_converted(change, &["KLP-E0001", words]);
    }
}

#[test]
fn what_the_kernel_refuses_and_a_linker_would_not_write_is_refused() {
    let outside = |patched: Patched| {
        let end = patched.bytes.len() as u64;
        patched.section(".bss", |s, e| {
            s.sh_type.set(e, SectionType(1));
            s.sh_size.set(e, 0);
            s.sh_offset.set(e, end + 1);
        })
    };
    comes_of(outside, Conclusion::Refused, &["Invalid ELF section in module (section "]);
    let zero = |mut patched: Patched| {
        let mut at = 0;
        patched = patched.header(|h, e| at = usize::try_from(h.e_shoff.get(e)).unwrap());
        patched.bytes[at + 16] = 1;
        patched
    };
    let words = ["ELF Spec violation: section 0 type(0)!=SH_NULL or non-zero len or addr"];
    comes_of(zero, Conclusion::Refused, &words);
    let symbol = |patched: Patched| {
        patched.symbol(1, |s, e| s.st_shndx.set(e, object::elf::SymbolSection(0xfe00)))
    };
    comes_of(symbol, Conclusion::Refused, &["has an invalid section index 65024 (max "]);
}
