//! Object files compiled by the machines' compilers during the test, with what kbuild's fixtures
//! lack.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::tool::Sandbox;

/// A livepatch in miniature, with annotations of both dialects.
const SOURCE: &str = r#"
#include <klp-convert.h>
extern int set_is_seen(void *set);
extern int second_seen(void *set) KLP_RELOC_SYMBOL_POS(vmlinux, vmlinux, set_is_seen, 2);
static KLP_MODULE_RELOC(vmlinux) hidden_symbols[] = { KLP_SYMPOS(set_is_seen, 1) };
int lp(void *set) { return set_is_seen(set) + second_seen(set) + 1; }
"#;

/// What the header needs from the kernel's headers.
const KERNEL_HEADERS: [(&str, &str); 3] = [
    ("compiler.h", ""),
    ("stringify.h", "#define __stringify_1(x...) #x\n#define __stringify(x...) __stringify_1(x)\n"),
    ("types.h", "typedef unsigned int __u32;\ntypedef unsigned long long __u64;\n"),
];

/// The compiler of a machine, its Debian package, and kbuild's flags.
pub(crate) fn compiler(machine: &Machine) -> (&'static str, &'static str, &'static [&'static str]) {
    match machine.name {
        "x86_64" => ("gcc", "gcc", &["-mcmodel=kernel", "-mno-red-zone"]),
        "ppc64le" => {
            ("powerpc64le-linux-gnu-gcc", "gcc-powerpc64le-linux-gnu", &["-mcmodel=large"])
        }
        "s390x" => ("s390x-linux-gnu-gcc", "gcc-s390x-linux-gnu", &[]),
        _ => ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu", &[]),
    }
}

/// Compiles C source; `None` without a compiler, which fails in CI.
pub(crate) fn compile(
    bench: &Sandbox,
    machine: &Machine,
    source: &str,
    flags: &[&str],
) -> Option<PathBuf> {
    let (gcc, package, own) = compiler(machine);
    if Command::new(gcc).arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "{gcc} is missing: apt install {package}");
        eprintln!("{}: skipped, {gcc} is missing: apt install {package}", machine.name);
        return None;
    }
    std::fs::create_dir_all(bench.path("linux")).unwrap();
    for (name, text) in KERNEL_HEADERS {
        std::fs::write(bench.path("linux").join(name), text).unwrap();
    }
    let source = bench.file("lp.c", source.as_bytes());
    let object = bench.path("lp.o");
    let kbuild = Path::new(env!("CARGO_MANIFEST_DIR")).join("kbuild");
    let mut command = Command::new(gcc);
    command.args(["-c", "-O2", "-fno-pic", "-ffreestanding", "-o"]).arg(&object).arg(&source);
    command.arg("-I").arg(bench.path("")).arg("-I").arg(kbuild).args(own).args(flags);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(object)
}

#[test]
fn debug_information_about_annotations_is_removed_with_them() {
    for machine in machines() {
        let bench = Sandbox::new();
        let Some(object) = compile(&bench, &machine, SOURCE, &["-g"]) else { continue };
        let before = Image::read(&std::fs::read(&object).unwrap());
        let debug = before.section(".rela.debug_info");
        let annotations = |image: &Image| {
            let gone = |name: &str| name.contains("hidden_symbols") || name.starts_with(".klp.mod");
            image.symbols.iter().filter(|symbol| gone(&symbol.name)).count()
        };
        assert!(annotations(&before) > 0, "{}: the premise", machine.name);
        // An object file lacks what modpost adds.
        let map = machine.map(Map::Elf).into_iter().chain(["--no-check".into()]);
        bench.convert_with(&object, map).done();
        let after = Image::read(&bench.written());
        assert_eq!(annotations(&after), 0);
        let rest = after.section(".rela.debug_info").relocations.len();
        assert!(rest > 0 && rest < debug.relocations.len(), "{}", machine.name);
        let klp: usize = after.klp_sections().map(|section| section.relocations.len()).sum();
        assert_eq!(klp, 2, "{}", machine.name);
    }
}

/// Declarations that wrongly claim a name to be unique, with a gate that is not the owner.
const NOT_UNIQUE: &str = r#"
#include <klp-convert.h>
extern int klp_homonym(void) KLP_RELOC_SYMBOL(klp_target_b, klp_target_a, klp_homonym);
int lp(void) { return klp_homonym() + 1; }
"#;

#[test]
fn advice_for_an_annotated_name_keeps_its_gate_and_works() {
    for machine in machines() {
        let bench = Sandbox::new();
        let Some(object) = compile(&bench, &machine, NOT_UNIQUE, &[]) else { continue };
        let advised = "KLP_RELOC_SYMBOL_POS(klp_target_b, klp_target_a, klp_homonym, 2)";
        let refused = bench.convert(&object, &machine, Map::Elf);
        refused.refused(&["error[KLP-E0103]", "annotate the declaration", advised]);
        let wrong = "KLP_RELOC_SYMBOL(klp_target_b, klp_target_a, klp_homonym)";
        assert!(NOT_UNIQUE.contains(wrong));
        let followed = NOT_UNIQUE.replace(wrong, advised);
        let object = compile(&bench, &machine, &followed, &[]).expect("it was there");
        let map = machine.map(Map::Elf).into_iter().chain(["--no-check".into()]);
        let needs = "waits for 'klp_target_b' and needs 'klp_target_a'";
        bench.convert_with(&object, map.clone()).refused(&["error[KLP-E0309]", needs]);
        let map = map.chain(["--allow-undeclared-dependency".into()]);
        bench.convert_with(&object, map).done();
        let after = Image::read(&bench.written());
        let klp = after.section(".klp.rela.klp_target_b..text");
        assert_eq!(after.symbol_of(&klp.relocations[0]), ".klp.sym.klp_target_a.klp_homonym,2");
    }
}
