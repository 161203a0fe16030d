//! The same modules for kpatch's own create-klp-module.

use std::process::Command;

use super::arch_sections::{PIECES, with_arch};
use super::{is_big, kpatch};
use crate::gates::converted;
use crate::image::{Image, Relocation, Section, Symbol};
use crate::machine::machines;
use crate::tool::{Sandbox, run};

/// A symbol by what it is, because both tools number symbols.
fn described(image: &Image, symbol: &Symbol) -> String {
    let section = image.sections.get(usize::from(symbol.section));
    let section = section.map_or("", |section| section.name.as_str());
    let Symbol { name, info, other, section: index, value, size } = symbol;
    // Those of sections have no name.
    format!("{name} {info:x} {other:x} {index:x} {section} {value:x} {size:x}")
}

/// Everything of a file that does not depend on the order of symbols and strings.
fn everything(bytes: &[u8]) -> (Vec<String>, Vec<String>) {
    let image = Image::read(bytes);
    let relocation = |rela: &Relocation| {
        let symbol = described(&image, &image.symbols[rela.symbol as usize]);
        format!("{:x} {} {:x} {symbol}", rela.offset, rela.kind, rela.addend)
    };
    let sections = image.sections.iter().map(|section| {
        let Section { name, kind, flags, align, entry_size, link, info, .. } = section;
        let numbered = [".symtab", ".strtab", ".shstrtab"].contains(&name.as_str());
        let (info, body) = match section.relocations.is_empty() {
            _ if numbered => (0, Vec::new()),
            true => (*info, section.body.clone()),
            false => (*info, Vec::new()),
        };
        let relocations: Vec<_> = section.relocations.iter().map(relocation).collect();
        format!(
            "{name} {kind} {flags:x} {align} {entry_size} {link} {info} {body:?} {relocations:?}"
        )
    });
    let mut symbols: Vec<_> = image.symbols.iter().map(|one| described(&image, one)).collect();
    symbols.sort();
    (sections.collect(), symbols)
}

#[test]
#[ignore = "needs KLP_CREATE_KLP_MODULE, the path of kpatch's create-klp-module"]
fn kpatch_finishes_modules_as_we_do() {
    let program = std::env::var_os("KLP_CREATE_KLP_MODULE").expect("KLP_CREATE_KLP_MODULE");
    let mut compared = 0;
    // kpatch reads records in the host's byte order.
    for machine in machines().iter().filter(|machine| !is_big(machine)) {
        for name in machine.convertible() {
            let plain = kpatch(machine, &converted(machine, &name), false);
            let with_arch = with_arch(machine, &plain, &PIECES);
            for (bytes, options) in
                [(&plain, &["-n"][..]), (&with_arch, &[]), (&with_arch, &["-n"])]
            {
                let bench = Sandbox::new();
                let (input, output) = (bench.file("in.ko", bytes), bench.path("theirs.ko"));
                let mut call = Command::new(&program);
                call.args(options).args([&input, &output]).env("PARA_STRUCT_SIZE", "16");
                let ended = call.output().unwrap();
                assert!(ended.status.success(), "{name}: {ended:?}");
                let ours = ["create-klp-module", "--allow-undeclared-dependency", "--no-check"];
                let ours = ours.iter().chain(&["--target-kernel", "5.7"]).chain(options);
                let ours = ours.map(AsRef::as_ref);
                run(ours.chain([input.as_os_str(), bench.output().as_os_str()])).done();
                let (ours, theirs) =
                    (everything(&bench.written()), everything(&std::fs::read(&output).unwrap()));
                assert_eq!(ours, theirs, "{} {name} {options:?}", machine.name);
                compared += 1;
            }
        }
    }
    println!("{compared} modules as kpatch finishes them");
    assert!(compared >= 100, "{compared}");
}
