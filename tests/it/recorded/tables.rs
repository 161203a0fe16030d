//! What kpatch's livepatches replace, read from its tables.

use klp_convert::elf::{
    Edits, Module, NewBody, NewSection, NewSymbol, Rela, SHT_RELA, SectionFlags, SectionIndex,
    SymbolSection, rewrite,
};
use object::elf::{SHT_PROGBITS, STB_LOCAL, STT_SECTION};

use crate::gates::{backend, converted};
use crate::machine::{Machine, Map, machines};
use crate::tool::{Sandbox, run};

const FUNCS: &str = ".kpatch.funcs";
const CALLBACKS: &str = ".kpatch.callbacks.pre_patch";
const TEXTS: &str = ".rodata.kpatch";

fn section(name: &str, body: Vec<u8>) -> NewSection {
    NewSection {
        name: name.as_bytes().to_vec(),
        sh_type: SHT_PROGBITS,
        sh_flags: SectionFlags::ALLOC,
        link: SectionIndex::NULL,
        info: SectionIndex::NULL,
        sh_addralign: 8,
        sh_entsize: 0,
        body: NewBody::Bytes(body),
    }
}

/// A finished livepatch with the tables that `kpatch.lds` leaves: one function, and so many callbacks before an empty
/// word.
fn with_tables(machine: &Machine, function: &str, callbacks: usize) -> Vec<u8> {
    let bytes = converted(machine, "lp_vmlinux_inferred.ko");
    let module = Module::parse(&bytes).unwrap();
    let texts = format!("vmlinux\0{function}\0").into_bytes();
    let mut edits = Edits::new();
    edits.add_section(section(TEXTS, texts));
    edits.add_section(section(FUNCS, vec![0; 56]));
    edits.add_section(section(CALLBACKS, vec![0; callbacks * 16 + 8]));
    let bytes = rewrite(&module, &edits).unwrap().into_owned();
    let module = Module::parse(&bytes).unwrap();
    let index = |name: &str| module.sections_named(name.as_bytes()).next().unwrap().index;
    let code = module.symbols().find(|symbol| symbol.name == b"lp_show").unwrap();
    let first = u32::try_from(module.symbol_count()).unwrap();
    let mut edits = Edits::new();
    let (name, section_of) = (Vec::new(), SymbolSection::Defined(index(TEXTS)));
    edits.add_symbol(NewSymbol { name, bind: STB_LOCAL, kind: STT_SECTION, section: section_of });
    let pointer = super::generator::pointer(backend(machine));
    let text = |offset, addend| {
        let symbol = klp_convert::elf::SymbolIndex::new(first);
        Rela { offset, symbol, kind: pointer, addend }
    };
    let of_code = |offset| Rela { offset, symbol: code.index, kind: pointer, addend: 0 };
    let each = (0..callbacks as u64).flat_map(|n| [of_code(n * 16), text(n * 16 + 8, 0)]);
    for (name, relocations) in
        [(FUNCS, vec![of_code(0), text(40, 8), text(48, 0)]), (CALLBACKS, each.collect())]
    {
        edits.add_section(NewSection {
            sh_type: SHT_RELA,
            sh_flags: SectionFlags::INFO_LINK,
            sh_entsize: 24,
            link: module.symtab(),
            info: index(name),
            body: NewBody::Relocations(relocations),
            ..section(&format!(".rela{name}"), Vec::new())
        });
    }
    rewrite(&module, &edits).unwrap().into_owned()
}

fn check(machine: &Machine, bytes: &[u8]) -> (i32, String) {
    let bench = Sandbox::new();
    let path = bench.file("in.ko", bytes).into_os_string();
    let ended = run(["check".into(), path].into_iter().chain(machine.map(Map::Elf)));
    (ended.code, ended.stderr)
}

#[test]
fn a_function_that_kpatch_replaces_must_be_there() {
    for machine in machines() {
        for callbacks in [0, 1] {
            let (code, said) = check(&machine, &with_tables(&machine, "nosuch", callbacks));
            let words = ["error[KLP-E0112]", "'nosuch' is to be replaced"];
            assert!(code == 1 && words.iter().all(|word| said.contains(word)), "{said}");
            let (_, said) = check(&machine, &with_tables(&machine, "cmdline_proc_show", callbacks));
            assert!(!said.contains("E0112") && !said.contains("W0720"), "{}: {said}", machine.name);
        }
    }
}

#[test]
fn two_callbacks_of_one_kind_for_one_object_are_refused_as_its_init_code_does() {
    for machine in machines() {
        let (code, said) = check(&machine, &with_tables(&machine, "cmdline_proc_show", 2));
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("an object has two callbacks of one kind"), "{said}");
    }
}
