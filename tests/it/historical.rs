//! The calls of the C tools, which build scripts make and whose messages they search.

use std::ffi::OsStr;
use std::path::Path;

use object::elf::{Rela64, SHT_PROGBITS};

use crate::image::{Image, RELA};
use crate::machine::{Expected, Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Run, Sandbox, run};

const ARRAY: &str = ".klp.module_relocs.vmlinux";
const RELOCATIONS: &str = ".rela.klp.module_relocs.vmlinux";

/// `klp-convert SYMBOLS IN OUT`
fn three(symbols: &Path, input: &Path, output: &Path) -> Run {
    run([symbols, input, output])
}

fn first() -> Machine {
    machines().remove(0)
}

/// The call with a patched fixture is refused with all of `words`; there is no output.
#[track_caller]
fn refused(module: &str, words: &[&str], patch: impl Fn(Patched, &Image) -> Patched) {
    for machine in machines() {
        let bytes = machine.read(module);
        let image = Image::read(&bytes);
        let bench = Sandbox::new();
        let input = bench.file("in.ko", &patch(Patched::new(bytes), &image).bytes);
        let ended = three(&machine.path("symbols.klp"), &input, &bench.output());
        ended.refused(&[&["klp-convert: "], words].concat());
        assert_eq!(bench.files(), ["in.ko"]);
    }
}

fn position(patched: Patched, position: u8) -> Patched {
    patched.contents(ARRAY, |bytes| {
        let at = if bytes[8] == 0 { 11 } else { 8 };
        assert_eq!(bytes[at], 1, "the first entry is position 1");
        bytes[at] = position;
    })
}

#[test]
fn three_arguments_do_what_convert_does_with_a_list() {
    for machine in machines() {
        for (name, expected) in machine.expected() {
            let bench = Sandbox::new();
            let ended = three(&machine.path("symbols.klp"), &machine.path(&name), &bench.output());
            match expected {
                Expected::Klp(_) if machine.needs_files(&name) => {
                    ended.refused(&["KLP-E0110"]);
                }
                Expected::Klp(_) => {
                    assert_eq!(ended.done().stdout, "");
                    let historical = bench.written();
                    bench.convert(&machine.path(&name), &machine, Map::ListAlone).done();
                    assert!(historical == bench.written(), "{} {name}", machine.name);
                }
                Expected::Refused(code, _) => {
                    ended.refused(&[code]);
                    assert_eq!(bench.files(), [""; 0]);
                }
            }
        }
    }
}

#[test]
fn two_arguments_convert_what_is_annotated_by_name_and_leave_the_rest() {
    for machine in machines() {
        for name in ["lp_vmlinux_annotated_name.ko", "lp_two_positions.ko", "lp_cross_module.ko"] {
            let bench = Sandbox::new();
            assert_eq!(run([machine.path(name), bench.output()]).done().stdout, "");
            let without_map = bench.written();
            bench.convert(&machine.path(name), &machine, Map::Elf).done();
            assert!(without_map == bench.written(), "{} {name}", machine.name);
        }
        let bench = Sandbox::new();
        let plain = machine.path("lp_vmlinux_inferred.ko");
        run([plain.clone(), bench.output()]).done();
        assert!(bench.written() == std::fs::read(plain).unwrap(), "{}", machine.name);
    }
}

#[test]
fn words_that_are_not_commands_are_files_and_one_word_is_not_a_call() {
    run(["symbols.klp"]).usage_or_io(&["Usage: klp-convert"]);
    run(["a", "b", "c", "d"]).usage_or_io(&["Usage: klp-convert"]);
    run::<&OsStr>([]).usage_or_io(&["Usage: klp-convert"]);
}

#[test]
fn a_mistyped_command_is_reported_as_such() {
    let bench = Sandbox::new();
    let module = first().path("lp_vmlinux_inferred.ko");
    let said = "'chek' is neither a command nor a file: see klp-convert --help";
    let input = "klp-convert: Unable to read elf file chek";
    run(["chek".as_ref(), module.as_path()]).usage_or_io(&[input, said]);
    let list = "klp-convert: Unable to open Symbol list: chek";
    three("chek".as_ref(), &module, &bench.output()).usage_or_io(&[list, said]);
    for file in ["chek.ko", "./chek"] {
        let ended = run([file.as_ref(), module.as_path()]);
        ended.usage_or_io(&["Unable to read elf file"]);
        assert!(!ended.stderr.contains("neither a command"), "{}", ended.stderr);
    }
}

#[test]
fn a_command_is_never_mistaken_for_a_historical_call() {
    let help = run(["--help"]).done().stdout.clone();
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // What is indented further goes on with a description.
    let commands = commands.lines().filter_map(|line| line.strip_prefix("  "));
    let commands: Vec<_> = commands
        .filter_map(|line| line.split(' ').next())
        .filter(|word| !word.is_empty())
        .collect();
    assert!(commands.contains(&"help") && commands.len() > 8, "{commands:?}");
    for command in commands {
        let ended = run([command, "no/such/file"]);
        assert!(!ended.stderr.contains("klp-convert: "), "{command}: {}", ended.stderr);
    }
}

#[test]
fn an_unreadable_input_keeps_its_message() {
    let bench = Sandbox::new();
    let list = first().path("symbols.klp");
    let missing = bench.path("missing.ko");
    let said = format!("klp-convert: Unable to read elf file {}", missing.display());
    three(&list, &missing, &bench.output()).usage_or_io(&[&said]);
    let broken = bench.file("in.ko", b"no module");
    let said = format!("klp-convert: Unable to read elf file {}", broken.display());
    three(&list, &broken, &bench.output()).refused(&[&said]);
    assert_eq!(bench.files(), ["in.ko"]);
}

#[test]
fn a_missing_symbol_table_keeps_its_message() {
    refused("lp_vmlinux_inferred.ko", &["in.ko: missing symbol table"], |patched, _| {
        patched.section(".symtab", |s, e| s.sh_type.set(e, SHT_PROGBITS))
    });
}

#[test]
fn a_relocation_section_without_a_target_keeps_its_message() {
    let words = ["can't find base section for rela section .rela.text"];
    for target in [0, 60_000] {
        refused("lp_vmlinux_inferred.ko", &words, |patched, _| {
            patched.section(".rela.text", |s, e| s.sh_info.set(e, target))
        });
    }
}

#[test]
fn faults_of_lists_keep_their_messages() {
    let bench = Sandbox::new();
    let input = first().path("lp_vmlinux_inferred.ko");
    let missing = bench.path("missing.klp");
    let said = format!("klp-convert: Unable to open Symbol list: {}", missing.display());
    three(&missing, &input, &bench.output()).usage_or_io(&[&said]);
    let binary = first().read("vmlinux.cut");
    let endless = vec![b'x'; 1 << 20];
    for start in [
        b"".as_slice(),
        b"nothing\n",
        b"klp-convert-symbol-data.0.3\n*vmlinux\n",
        b"klp-convert-symbol-data.0.1\0\n*vmlinux\n",
        b"\x1f\x8b\x08\0\xff\n",
        &binary,
        &endless,
    ] {
        let list = bench.file("symbols.klp", start);
        let said = "klp-convert: Symbol list is in unknown format.";
        three(&list, &input, &bench.output()).refused(&[said]);
    }
    let list = bench.file("symbols.klp", b"klp-convert-symbol-data.0.1\nset_root\n");
    let said = format!("klp-convert: Unable to read Symbol list: {}", list.display());
    three(&list, &input, &bench.output()).refused(&[&said, "File format error"]);
    assert_eq!(bench.files(), ["symbols.klp"]);
}

#[test]
fn malformed_arrays_keep_their_messages() {
    let module = "lp_homonyms_annotated.ko";
    let words = ["section .klp.module_relocs.vmlinux length beyond nr_entries"];
    refused(module, &words, |patched, _| patched.section(ARRAY, |s, e| s.sh_size.set(e, 20)));
    let words = ["nr_entries mismatch (", ") for .klp.module_relocs.vmlinux"];
    refused(module, &words, |patched, _| patched.section(RELOCATIONS, |s, e| s.sh_size.set(e, 24)));
    refused(module, &["Unable to load user-provided sympos"], |patched, _| {
        patched.relocation(RELOCATIONS, 0, |r, e| r.r_addend.set(e, 4))
    });
}

#[test]
fn contradicting_annotations_keep_their_message() {
    let words = ["Conflicting KLP_SYMPOS definition: vmlinux.set_is_seen 1 vs. 2."];
    refused("lp_homonyms_annotated.ko", &words, |patched, image| {
        let seen = image.section(RELOCATIONS).relocations[0].symbol;
        patched.relocation(RELOCATIONS, 1, |r, e| {
            r.r_info = Rela64::r_info(e, false, seen, r.r_type(e, false));
        })
    });
}

#[test]
fn an_unused_annotation_keeps_its_message() {
    let words = ["Couldn't find rela for annotated symbol: set_root"];
    refused("lp_homonyms_annotated.ko", &words, |mut patched, image| {
        let index = |name: &str| image.symbols.iter().position(|s| s.name == name).unwrap();
        let (root, other) = (index("set_root"), u32::try_from(index("seq_printf")).unwrap());
        for section in image.sections.iter().filter(|s| s.kind == RELA && s.name != RELOCATIONS) {
            for entry in 0..section.relocations.len() {
                if section.relocations[entry].symbol as usize == root {
                    patched = patched.relocation(&section.name, entry, |r, e| {
                        r.r_info = Rela64::r_info(e, false, other, r.r_type(e, false));
                    });
                }
            }
        }
        patched
    });
}

/// klp-convert v7 counted the candidates from 0: the second line it offered chose the first symbol.
#[test]
fn an_ambiguous_name_is_answered_with_a_list_that_counts_from_1() {
    let title = "Valid KLP_SYMPOS for symbol set_is_seen:";
    let block = format!(
        "{title}\n{}\nKLP_MODULE_RELOC(vmlinux){{\n\tKLP_SYMPOS(set_is_seen,1)\n\tKLP_SYMPOS(set_is_seen,2)\n}}",
        "-".repeat(title.len())
    );
    let words = ["Define KLP_SYMPOS for the symbol: set_is_seen", &block];
    refused("lp_homonym_unannotated.ko", &words, |patched, _| patched);
}

#[test]
fn wrong_positions_keep_their_messages() {
    let module = "lp_homonyms_annotated.ko";
    let found = "Provided KLP_SYMPOS of 0, but found 2 symbols matching: vmlinux.set_is_seen,0";
    refused(module, &[found, "\tKLP_SYMPOS(set_is_seen,2)\n"], |patched, _| position(patched, 0));
    let found = "Provided KLP_SYMPOS does not match a symbol: vmlinux.set_is_seen,7";
    refused(module, &[found, "\tKLP_SYMPOS(set_is_seen,1)\n"], |patched, _| position(patched, 7));
}

#[test]
fn a_name_that_no_object_has_is_a_missing_symbol() {
    let words = ["Unable to find missing symbol: no_such_symbol"];
    refused("lp_vmlinux_inferred.ko", &words, |patched, image| {
        let index = image.symbols.iter().position(|s| s.name == "nr_processes").unwrap();
        patched.rename(index, "no_such_symbol")
    });
}

#[test]
fn a_section_that_cannot_take_the_relocation_is_not_supported() {
    let words = [
        "Conversion not supported for symbol: klp_target_a_key section: .rela__jump_table object: klp_target_a",
    ];
    refused("lp_static_key_module.ko", &words, |patched, _| patched);
}

#[test]
fn annotated_names_keep_their_messages() {
    for machine in machines() {
        let bytes = machine.read("lp_two_positions.ko");
        let image = Image::read(&bytes);
        let mut symbols = image.symbols.iter();
        let index = symbols.position(|s| s.name.starts_with(".klp.sym.rela.")).unwrap();
        let gated_on_module = ".klp.sym.rela.some_module.vmlinux.set_is_seen.1";
        let long = format!(".klp.sym.rela.vmlinux.vmlinux.{}.1", "x".repeat(512));
        for (name, word) in [
            (".klp.sym.rela.vmlinux.vmlinux", "Invalid format of symbol (.klp.sym.rela.vmlinux"),
            (".klp.sym.rela.vmlinux.vmlinux.x.y", "Invalid format of symbol ("),
            (&long, "Length error (xxx"),
            (gated_on_module, "Unable to convert relocation: "),
            (".klp.sym.vmlinux.set_is_seen,1", "Unable to convert symbol name (.klp.sym.vmlinux"),
        ] {
            let bench = Sandbox::new();
            let patched = Patched::new(bytes.clone()).rename(index, name);
            let input = bench.file("in.ko", &patched.bytes);
            run([&input, &bench.output()]).refused(&["klp-convert: ", word]);
            assert_eq!(bench.files(), ["in.ko"]);
        }
    }
}

#[test]
fn an_unwritable_output_is_an_io_error() {
    let machine = first();
    let bench = Sandbox::new();
    let (list, input) = (machine.path("symbols.klp"), machine.path("lp_vmlinux_inferred.ko"));
    three(&list, &input, &bench.path("missing/out.ko")).usage_or_io(&["error[KLP-E0602]"]);
    assert_eq!(bench.files(), [""; 0]);
}
