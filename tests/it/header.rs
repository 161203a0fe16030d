//! The annotation macros, preprocessed and compiled by the cross compilers of each machine.

use std::path::PathBuf;
use std::process::Command;

use crate::fixtures::installed;
use crate::image::Image;
use crate::machine::machines;
use crate::tool::{Sandbox, run};

/// `unix` and `linux` are macros of gnu11, the language of the kernel; `modern` and `zero` of this
/// file.
const SOURCE: &str = "
    #define modern 7
    #define zero(x) x
    #include \"klp-convert.h\"
    extern int set_root(void);
    KLP_MODULE_RELOC(unix) a[] = { KLP_SYMPOS(set_root, 1) };
    KLP_MODULE_RELOC(linux) b[] = { KLP_SYMPOS(set_root, 2) };
    KLP_MODULE_RELOC(vmlinux) c[] = { KLP_SYMPOS(set_root, 0) };
    extern int first(void) KLP_RELOC_SYMBOL(unix, linux, modern);
    extern int second(void) KLP_RELOC_SYMBOL_POS(unix, linux, zero, 2);
    int uses(void) { return first() + second(); }
";

/// One of two object files of a livepatch, each with two selectors.
const SELECTORS: &str = "
    #define modern 7
    #include \"klp-convert.h\"
    extern int set_root(void);
    KLP_SYMBOL_IN(unix, set_root, \"kernel/ucount.c\");
    extern int UNIT_seen(void);
    KLP_SYMBOL_NEXT_TO(linux, UNIT_seen, modern, .name = \"set_is_seen\", .patched = \"unix\");
    int UNIT(void) { return set_root() + UNIT_seen(); }
";

pub(crate) fn compiler(machine: &str) -> &'static str {
    match machine {
        "x86_64" => "x86_64-linux-gnu-gcc",
        "ppc64le" => "powerpc64le-linux-gnu-gcc",
        "s390x" => "s390x-linux-gnu-gcc",
        "arm64" => "aarch64-linux-gnu-gcc",
        _ => panic!("{machine}: no compiler is known"),
    }
}

/// Compiles a source into an object file of this name.
fn compiled(gcc: &str, bench: &Sandbox, name: &str, source: &str) -> PathBuf {
    // The header uses two types of the kernel's own headers.
    std::fs::create_dir_all(bench.path("linux")).unwrap();
    bench.file("linux/compiler.h", b"");
    let types = b"typedef unsigned int __u32; typedef unsigned long long __u64;";
    bench.file("linux/types.h", types);
    let source = bench.file(&format!("{name}.c"), source.as_bytes());
    let unit = bench.path(&format!("{name}.o"));
    let mut compile = Command::new(gcc);
    compile.args(["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-c", "-I"]);
    compile.arg(bench.path(""));
    compile.args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/kbuild")]).arg(source);
    let ended = compile.arg("-o").arg(&unit).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    unit
}

#[test]
fn names_in_the_macros_are_taken_verbatim_even_if_they_are_macros() {
    for machine in machines() {
        let gcc = compiler(machine.name);
        if !installed(gcc) {
            continue;
        }
        let bench = Sandbox::new();
        let unit = compiled(gcc, &bench, "annotated", SOURCE);
        let image = Image::read(&std::fs::read(unit).unwrap());
        for object in ["unix", "linux", "vmlinux"] {
            let section = image.section(&format!(".klp.module_relocs.{object}"));
            assert_eq!(section.size, 12, "{gcc}: {object}");
        }
        for name in [".klp.sym.rela.unix.linux.modern.0", ".klp.sym.rela.unix.linux.zero.2"] {
            assert!(image.symbols.iter().any(|s| s.name == name), "{gcc}: no {name}");
        }
    }
}

#[test]
fn selectors_of_several_object_files_are_linked_into_one_section_and_read() {
    for machine in machines() {
        let gcc = compiler(machine.name);
        if !installed(gcc) {
            continue;
        }
        let bench = Sandbox::new();
        let unit = |name| compiled(gcc, &bench, name, &SELECTORS.replace("UNIT", name));
        let (one, two, both) = (unit("one"), unit("two"), bench.path("both.ko"));
        let mut link = Command::new(gcc);
        link.args(["-r", "-nostdlib", "-o"]).args([&both, &one, &two]);
        assert!(link.status().unwrap().success(), "{gcc}");
        assert_eq!(
            Image::read(&std::fs::read(&both).unwrap()).section(".klp.selectors").size,
            4608
        );
        let shown = run(["inspect".as_ref(), both.as_os_str()]).done().stdout.clone();
        for line in [
            "annotations (3)",
            "]: 'set_root' of unix, from 'kernel/ucount.c'\n",
            "]: 'set_is_seen' of linux, next to 'modern', gate unix\n",
        ] {
            assert!(shown.contains(line), "{gcc}: {shown}");
        }
    }
}
