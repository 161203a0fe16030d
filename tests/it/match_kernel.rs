//! `match`: what cannot be compared is said, whatever it is. What can be is in `tests/run_pre`, with kernels.

use klp_convert::elf::{Module, SymbolSection};
use serde_json::Value;

use crate::machine::machines;
use crate::tool::{Sandbox, run};

#[test]
fn a_module_has_what_is_in_it_and_nothing_else() {
    let sandbox = Sandbox::new();
    for machine in machines() {
        let module = machine.path("klp_target_b.ko");
        let compared = |object: &std::path::Path| {
            run(["match", "--format", "json", "--module"]
                .map(Into::into)
                .into_iter()
                .chain([module.clone().into_os_string(), object.as_os_str().to_owned()]))
        };
        let verdicts = |json: &Value| -> Vec<(String, String)> {
            let functions = json["objects"][0]["functions"].as_array().unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            functions.iter().map(|f| (text(&f["name"]), text(&f["verdict"]))).collect()
        };
        let same = compared(&module);
        let same = verdicts(&same.done().json());
        assert!(same.len() > 3, "{}", machine.name);
        assert!(same.iter().all(|(_, verdict)| verdict == "equal"), "{}: {same:?}", machine.name);

        let mut bytes = std::fs::read(&module).unwrap();
        let at = code_of(&bytes, b"klp_target_b_hidden");
        bytes[at] ^= 1;
        let changed = compared(&sandbox.file("changed.ko", &bytes));
        assert_eq!(changed.code, 1, "{}", changed.stderr);
        for (name, verdict) in verdicts(&changed.json()) {
            let expected = if name == "klp_target_b_hidden" { "differs" } else { "equal" };
            assert_eq!(verdict, expected, "{}: {name}", machine.name);
        }
    }
}

/// Where in a module's file the last byte of a function's code is.
fn code_of(bytes: &[u8], name: &[u8]) -> usize {
    let module = Module::parse(bytes).unwrap();
    let symbol = module.symbols().find(|symbol| symbol.name == name).unwrap();
    let SymbolSection::Defined(section) = symbol.section else { panic!("{symbol:?}") };
    let start = module.section(section).unwrap().sh_offset + symbol.st_value;
    usize::try_from(start + symbol.st_size).unwrap() - 1
}

#[test]
fn what_is_not_a_kernel_is_named_and_nothing_is_compared() {
    let sandbox = Sandbox::new();
    let object = sandbox.file("a.o", b"not an object");
    let absent = sandbox.path("vmlinuz");
    let words = ["match".into(), "--image".into(), absent.into_os_string(), object.clone().into()];
    run(words).usage_or_io(&["KLP-E0601", "vmlinuz"]);
    let text = sandbox.file("text", b"not a kernel");
    let words = ["match".into(), "--image".into(), text.into_os_string(), object.into()];
    run(words).refused(&["KLP-E", "text"]);
}

#[test]
fn variables_for_make_need_a_tree() {
    run(["match", "--image", "vmlinuz", "--make", "CC=gcc", "a.c"]).usage_or_io(&["--tree"]);
}

#[test]
fn objects_tell_source_files_of_a_boot_image_only() {
    let words = ["symbols", "build", "--match", "a.o", "-o", "a.map"];
    run(words).usage_or_io(&["--image"]);
}
