//! Runtime constants in modules: the kernel does not fill them in.

use crate::gates::{backend, converted};
use crate::machine::{Map, machines};
use crate::patch::Patched;
use crate::tool::{Sandbox, run};

/// `.text` with the instructions of a runtime constant at its end, and the machines that have them.
fn with_placeholder(name: &str, bytes: Vec<u8>) -> Option<Vec<u8>> {
    let placeholder = klp_arch::by_name(name).unwrap().runtime_constant?;
    let patched = Patched::new(bytes);
    let odd = patched.body(".text").len() % 16;
    let mut code = vec![0; (16 - odd) % 16];
    code.extend(placeholder.bytes.iter().map(|(byte, _)| *byte));
    Some(patched.append(".text", &code).bytes)
}

#[test]
fn a_livepatch_with_a_runtime_constant_is_neither_converted_nor_said_to_load() {
    let mut tried = 0;
    for machine in machines() {
        let Some(source) = with_placeholder(machine.name, machine.read("lp_vmlinux_inferred.ko"))
        else {
            assert_eq!(machine.name, "ppc64le");
            continue;
        };
        tried += 1;
        let said =
            ["the address of a runtime constant is not filled in [runtime-constant, corrupted]"];
        let bench = Sandbox::new();
        let input = bench.file("in.ko", &source);
        bench.refuses(&input, machine.map(Map::Elf), &said);
        let right = converted(&machine, "lp_vmlinux_inferred.ko");
        let wrong = bench.file("lp.ko", &with_placeholder(machine.name, right).unwrap());
        for further in [Vec::new(), machine.map(Map::Elf)] {
            let words = ["check".into(), wrong.clone().into_os_string()];
            let ended = run(words.into_iter().chain(further));
            ended.refused(&said);
            assert!(ended.stderr.contains("would load incorrectly"), "{}", ended.stderr);
        }
        // In a module that is none it is a number.
        let module = with_placeholder(machine.name, machine.read("klp_target_a.ko")).unwrap();
        let ended = run(["check".into(), bench.file("module.ko", &module).into_os_string()]);
        assert_eq!(ended.code, 0, "{}: {}", backend(&machine).name, ended.stderr);
    }
    assert_eq!(tried, 3);
}

#[test]
fn a_list_of_runtime_constants_shows_them_in_any_module() {
    for machine in machines() {
        for name in ["runtime_ptr_dentry_hashtable", "runtime_shift_d_hash_shift", "runtime_mask_x"]
        {
            let module = Patched::new(machine.read("klp_target_a.ko"));
            let module = module.rename_section(".note.gnu.build-id", name).bytes;
            let bench = Sandbox::new();
            let ended = run(["check".into(), bench.file("module.ko", &module).into_os_string()]);
            ended.refused(&[name, "lists runtime constants [runtime-constant, corrupted]"]);
        }
    }
}
