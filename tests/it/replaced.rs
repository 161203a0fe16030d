//! Functions that a livepatch replaces: looked up as the kernel does, and distinguished by
//! selectors.

use klp_convert::elf::Module;

use crate::compiled::compile;
use crate::machine::{Machine, Map, machines};
use crate::tables::{STRUCTURES, check, read};
use crate::tool::{Sandbox, run};

/// A module that replaces a function of vmlinux.
fn replaces(object: &str, functions: &str, rest: &str) -> String {
    format!(
        r#"{STRUCTURES}
        static noinline int f(void) {{ return 1; }}
        static noinline int g(void) {{ return 2; }}
        static struct klp_func funcs[] = {{ {functions} {{ }} }};
        static struct klp_object objects[] = {{ {{ .name = {object}, .funcs = funcs }}, {{ }} }};
        static struct klp_patch patch = {{ .mod = &__this_module, .objs = objects }};
        void *keep[] = {{ f, g }};
        {rest}
        INIT(&patch)"#
    )
}

#[test]
fn replaced_functions_are_looked_up_as_the_kernel_does() {
    let cases: [(&str, &str, &[&str]); 10] = [
        (
            "0",
            "{ \"no_such_function\", f },",
            &["KLP-E0112", "'vmlinux' has no symbol of this name"],
        ),
        ("0", "{ \"set_is_seen\", f },", &["KLP-E0113", "'vmlinux' has 2", "\"ucount.c\");"]),
        ("0", "{ \"set_is_seen\", f, 3 },", &["KLP-E0114", "at position 3", ".old_sympos = 2"]),
        ("0", "{ \"saved_command_line\", f },", &["KLP-E0115", "is not a function"]),
        ("0", "{ .new_func = f },", &["KLP-E0116", "has no old_name"]),
        ("0", "{ \"cmdline_proc_show\" },", &["KLP-E0115", "has no new_func"]),
        (
            "0",
            "{ \"cmdline_proc_show\", f }, { \"cmdline_proc_show\", g, 1 },",
            &["KLP-E0115", "it occurs twice, at one position"],
        ),
        ("\"vmlinux\"", "{ \"cmdline_proc_show\", f },", &["KLP-E0116", "leave .name out"]),
        ("\"klp-target-a\"", "{ \"x\", f },", &["KLP-E0116", "\"klp_target_a\""]),
        ("\"klp_target_a\"", "{ \"no_such\", f },", &["KLP-E0112", "'klp_target_a' has no symbol"]),
    ];
    for (object, functions, words) in cases {
        let source = replaces(object, functions, "");
        for machine in machines() {
            let bench = Sandbox::new();
            let Some(module) = compile(&bench, &machine, &source, &[]) else { continue };
            check(&machine, &module).refused(words);
            let map = machine.map(Map::Elf).into_iter().chain(["--no-check".into()]);
            bench.convert_with(&module, map).refused(words);
        }
    }
    for (object, functions) in [
        ("0", "{ \"cmdline_proc_show\", f }, { \"set_is_seen\", g, 2 },"),
        ("0", "{ \"set_is_seen\", f, 1 }, { \"set_is_seen\", g, 2 },"),
        ("\"klp_target_a\"", "{ \"klp_target_a_show\", f },"),
    ] {
        for machine in machines() {
            let bench = Sandbox::new();
            let source = replaces(object, functions, "");
            let Some(module) = compile(&bench, &machine, &source, &[]) else { continue };
            let ended = check(&machine, &module);
            assert!(!ended.stderr.contains("replaced"), "{} {}", machine.name, ended.stderr);
        }
    }
}

#[test]
fn a_function_without_a_call_site_for_ftrace_is_refused() {
    for machine in machines() {
        let section = match machine.name {
            "arm64" => "__patchable_function_entries",
            _ => "__mcount_loc",
        };
        let target = |list: &str| {
            format!(
                r#"static const char name[] __attribute__((section(".modinfo"), used)) = "name=hooks";
                int hooked(void) {{ return 1; }}
                int last(void) {{ return 2; }}
                int notrace(void) {{ return 3; }}
                asm(".pushsection {section},\"aw\",@progbits; .balign 8; {list} .popsection");"#
            )
        };
        let bench = Sandbox::new();
        let lists = [".8byte hooked + 4; .8byte last;", ".8byte hooked + 4;", ""];
        let list = |at: usize| compile(&bench, &machine, &target(lists[at]), &[]);
        for (at, function, is_refused) in [
            (0, "hooked", false),
            (0, "last", false),
            (0, "notrace", true),
            (1, "last", true),
            (2, "hooked", true),
        ] {
            let Some(target) = list(at) else { continue };
            let target = std::fs::read(target).unwrap();
            let target = bench.file("hooks.ko", &target);
            let source = replaces("\"hooks\"", &format!("{{ \"{function}\", f }},"), "");
            let Some(module) = compile(&bench, &machine, &source, &[]) else { continue };
            let map = || {
                let more = ["--module".into(), target.clone().into_os_string()];
                machine.map(Map::Elf).into_iter().chain(more)
            };
            let words = ["check".into(), module.as_os_str().to_owned()];
            let ended = run(words.into_iter().chain(map()));
            let convert = bench.convert_with(&module, map().chain(["--no-check".into()]));
            if is_refused {
                ended.refused(&[
                    "error[KLP-E0115]",
                    &format!("'{function}' of 'hooks' is to be replaced, but has no call site"),
                    "patch its callers",
                ]);
                convert.refused(&["KLP-E0115"]);
            } else {
                assert!(!ended.stderr.contains("is to be replaced"), "{}", ended.stderr);
                convert.done();
            }
        }
    }
}

#[test]
fn tables_that_the_kernel_cannot_write_are_wrong() {
    let good = replaces("0", "{ \"cmdline_proc_show\", f },", "");
    let place = |old: &str, attributes: &str| good.replace(old, &format!("{attributes} {old}"));
    let functions = "static struct klp_func funcs[]";
    let constant = good.replace(functions, "static const struct klp_func funcs[]");
    let constant = constant.replace(".funcs = funcs", ".funcs = (void *)funcs");
    let init = "__attribute__((section(\".init.data\")))";
    let frozen = "__attribute__((section(\".data..ro_after_init\")))";
    for (source, section) in [
        (constant, ".rodata"),
        (place("static struct klp_object", init), ".init.data"),
        (place("static struct klp_patch", frozen), ".data..ro_after_init"),
    ] {
        for machine in machines() {
            // Init memory is not freed there.
            if machine.name == "ppc64le" && section == ".init.data" {
                continue;
            }
            let bench = Sandbox::new();
            let Some(module) = compile(&bench, &machine, &source, &[]) else { continue };
            let ended = check(&machine, &module);
            ended.refused(&["error[KLP-E0116]", "tables of the patch are in section '.", section]);
        }
    }
    let replacement = good.replace(
        "static noinline int f(void)",
        "__attribute__((section(\".init.text\"))) static noinline int f(void)",
    );
    for machine in machines().into_iter().filter(|machine| machine.name != "ppc64le") {
        let bench = Sandbox::new();
        let Some(module) = compile(&bench, &machine, &replacement, &[]) else { continue };
        check(&machine, &module)
            .refused(&["error[KLP-E0115]", "its replacement lies in init memory"]);
    }
}

#[test]
fn an_object_that_no_source_has_is_reported_as_unchecked() {
    let source = replaces("\"nobody\"", "{ \"f\", f },", "");
    for machine in machines() {
        let bench = Sandbox::new();
        let Some(module) = compile(&bench, &machine, &source, &[]) else { continue };
        let ended = check(&machine, &module);
        assert!(ended.stderr.contains("warning[KLP-W0721]"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("is to be replaced"), "{}", ended.stderr);
    }
}

/// The positions in the table after a conversion.
fn positions(machine: &Machine, source: &str) -> Option<Result<String, String>> {
    let bench = Sandbox::new();
    let object = compile(&bench, machine, source, &[])?;
    let map = machine.map(Map::Elf).into_iter().chain(["--no-check".into()]);
    let ended = bench.convert_with(&object, map);
    let read = || read(&bench.output());
    Some(if ended.code == 0 { Ok(read()) } else { Err(ended.stderr) })
}

#[test]
fn a_selector_fills_in_the_position_of_the_function_that_is_replaced() {
    let two =
        "{ \"set_is_seen\", f }, { \"set_is_seen\", g, SECOND }, { \"cmdline_proc_show\", f },";
    let select = "KLP_FUNC_IN(vmlinux, set_is_seen, f, \"kernel/ucount.c\");
        KLP_FUNC_NEXT_TO(vmlinux, set_is_seen, g, proc_do_static_key);";
    for machine in machines() {
        let source =
            |second: &str, select: &str| replaces("0", &two.replace("SECOND", second), select);
        // Two functions of one name without positions share a directory; a selector distinguishes
        // them.
        let by_file = "KLP_FUNC_IN(vmlinux, set_is_seen, f, \"ucount.c\");
            KLP_FUNC_IN(vmlinux, set_is_seen, g, \"kernel/pid.c\");";
        let Some(both) = positions(&machine, &source("0", by_file)) else { continue };
        let expected = "-: set_is_seen=f,2 set_is_seen=g,1 cmdline_proc_show=f,0";
        assert_eq!(both.unwrap(), expected, "{}", machine.name);
        // A position that the author wrote must be the one found.
        assert!(positions(&machine, &source("1", by_file)).unwrap().is_ok());
        let refused = positions(&machine, &source("7", by_file)).unwrap().unwrap_err();
        assert!(
            refused.contains("KLP-E0205") && refused.contains("old_sympos says 7"),
            "{refused}"
        );
        let refused = positions(&machine, &source("1", select)).unwrap().unwrap_err();
        assert!(refused.contains("error[KLP-E0"), "{refused}");
        let unknown = "KLP_FUNC_IN(vmlinux, cmdline_proc_show, g, \"cmdline.c\");";
        let refused = positions(&machine, &source("1", unknown)).unwrap().unwrap_err();
        assert!(refused.contains("KLP-E0205: ") || refused.contains("[KLP-E0205]"), "{refused}");
        assert!(refused.contains("does not replace 'cmdline_proc_show'"), "{refused}");
    }
}

#[test]
fn a_conversion_that_fills_in_a_position_changes_nothing_else_and_prints_it() {
    let select = "KLP_FUNC_IN(vmlinux, set_is_seen, f, \"ucount.c\");";
    for machine in machines() {
        let (bench, again) = (Sandbox::new(), Sandbox::new());
        let source = replaces("0", "{ \"set_is_seen\", f },", select);
        let Some(object) = compile(&bench, &machine, &source, &[]) else { continue };
        let map = || machine.map(Map::Elf).into_iter().chain(["--no-check".into()]);
        let words = ["convert".into(), "--dry-run".into(), object.clone().into_os_string()];
        let plan = run(words.into_iter().chain(map()));
        assert!(plan.done().stdout.contains("replace 'set_is_seen' of 'vmlinux': position 2\n"));
        bench.convert_with(&object, map()).done();
        again.convert_with(&bench.output(), map()).done();
        assert!(again.written() == bench.written(), "{}", machine.name);
        let (before, after) = (std::fs::read(&object).unwrap(), bench.written());
        let data = |bytes: &[u8]| {
            let module = Module::parse(bytes).unwrap();
            let data = module.sections_named(b".data").next().unwrap().index;
            module.body(data).to_vec()
        };
        let (before, after) = (data(&before), data(&after));
        let changed = before.iter().zip(&after).filter(|(old, new)| old != new).count();
        assert_eq!((before.len(), changed), (after.len(), 1), "{}", machine.name);
    }
}
