//! The annotation macros, preprocessed and compiled by the cross compilers of each machine.

use std::process::Command;

use crate::fixtures::installed;
use crate::image::Image;
use crate::machine::machines;
use crate::tool::Bench;

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

fn compiler(machine: &str) -> &'static str {
    match machine {
        "x86_64" => "x86_64-linux-gnu-gcc",
        "ppc64le" => "powerpc64le-linux-gnu-gcc",
        "s390x" => "s390x-linux-gnu-gcc",
        "arm64" => "aarch64-linux-gnu-gcc",
        _ => panic!("{machine}: no compiler is known"),
    }
}

#[test]
fn names_in_the_macros_are_taken_as_written_even_where_they_are_macros() {
    for machine in machines() {
        let gcc = compiler(machine.name);
        if !installed(gcc) {
            continue;
        }
        let bench = Bench::new();
        // What the header takes from the kernel's own headers is the type __u32.
        std::fs::create_dir(bench.path("linux")).unwrap();
        bench.file("linux/compiler.h", b"");
        let types = b"typedef unsigned int __u32; typedef unsigned long long __u64;";
        bench.file("linux/types.h", types);
        let source = bench.file("annotated.c", SOURCE.as_bytes());
        let unit = bench.path("annotated.o");
        let mut compile = Command::new(gcc);
        compile.args(["-std=gnu11", "-O2", "-Wall", "-Werror", "-c", "-I"]).arg(bench.path(""));
        compile.args(["-I", concat!(env!("CARGO_MANIFEST_DIR"), "/kbuild")]).arg(source);
        let ended = compile.arg("-o").arg(&unit).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));

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
