//! The tables of a livepatch, read as compilers emit them on each machine.

use std::path::Path;

use klp_convert::elf::{Module, SymbolSection};
use klp_convert::patch::Tables;
use klp_convert::target::machine;

use crate::compiled::compile;
use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::tool::{Sandbox, run};

/// The kernel's structures, with a kobject of the usual size unless KOBJECT says another.
pub(crate) const STRUCTURES: &str = r#"
#include <klp-convert.h>
#ifndef KOBJECT
#define KOBJECT 8
#endif
struct list { void *next, *prev; };
struct kobject { long words[KOBJECT]; };
struct klp_func {
	const char *old_name; void *new_func; unsigned long old_sympos;
	void *old_func; struct kobject kobj; struct list node, stack_node;
	unsigned long old_size, new_size; char nop, patched, transition;
};
struct klp_object {
	const char *name; struct klp_func *funcs;
	int (*callbacks[4])(struct klp_object *); char post_unpatch_enabled;
	struct kobject kobj; struct list func_list, node; void *mod; char dynamic, patched;
};
struct klp_patch {
	void *mod; struct klp_object *objs; void *states; char replace;
	struct list list; struct kobject kobj; struct list obj_list; char enabled, forced; long rest[16];
};
int klp_enable_patch(struct klp_patch *);
void *kzalloc(long);
struct module { long words[16]; } __this_module
	__attribute__((section(".gnu.linkonce.this_module")));
#define noinline __attribute__((noinline))
#ifndef FILL
#define FILL
#endif
#define INIT(patch) __attribute__((section(".init.text"))) int init_module(void) \
	{ return klp_enable_patch(patch); }
"#;

/// What a module passes to the livepatch core, as text.
pub(crate) fn read(object: &Path) -> String {
    let data = std::fs::read(object).unwrap();
    let module = Module::parse(&data).unwrap();
    let machine = machine(&module).unwrap();
    let text = |name: Option<&[u8]>| {
        name.map_or_else(|| "-".to_owned(), |name| String::from_utf8_lossy(name).into_owned())
    };
    match Tables::of(&module, machine) {
        Tables::None => "none".into(),
        Tables::AtRunTime => "at run time".into(),
        Tables::Faulty(why) | Tables::Incomplete(why) => why.into(),
        Tables::Static(objects) => {
            let lines = objects.iter().map(|object| {
                let functions = object.functions.iter().map(|function| {
                    let new = function.new_func.and_then(|new| {
                        let symbols = module.symbols_in(SymbolSection::Defined(new.section));
                        let mut here =
                            symbols.filter(|s| s.kind.0 == 2 && s.st_value == new.offset);
                        here.next().map(|symbol| symbol.name)
                    });
                    format!(" {}={},{}", text(function.old_name), text(new), function.old_sympos)
                });
                let functions: String = functions.collect();
                let callbacks = object.callbacks.iter().flatten().count();
                let callbacks = if callbacks == 0 { "" } else { " callbacks" };
                format!("{}:{functions}{callbacks}", text(object.name))
            });
            lines.collect::<Vec<_>>().join("; ")
        }
    }
}

fn says(source: &str, flags: &[&str], expected: &str) {
    for machine in machines() {
        let bench = Sandbox::new();
        let source = format!("{STRUCTURES}{source}");
        let Some(object) = compile(&bench, &machine, &source, flags) else { continue };
        assert_eq!(read(&object), expected, "{} {flags:?}", machine.name);
    }
}

/// Two objects; the first one has two functions and a callback.
const TWO: &str = r#"
static noinline int f(void) { return 1; }
static noinline int g(void) { return 2; }
static noinline int h(void) { return 3; }
static int before(struct klp_object *object) { return object->patched; }
static struct klp_func some[] PLACE =
	{ { .old_name = "old_f", .new_func = f }, { .old_name = "old_g", .new_func = g, .old_sympos = 3 }, { } };
static struct klp_func more[] PLACE = { { "old_h", h }, { } };
static struct klp_object objects[] PLACE =
	{ { .funcs = some, .callbacks = { before } }, { .name = "ext4", .funcs = more }, { } };
static struct klp_patch patch = { MOD .objs = objects };
__attribute__((section(".init.text"))) int init_module(void) { FILL; return klp_enable_patch(&patch); }
"#;
const TWO_SAYS: &str = "-: old_f=f,0 old_g=g,3 callbacks; ext4: old_h=h,0";

#[test]
fn objects_and_functions_are_read_in_whatever_section_tables_are() {
    let module = "-DMOD=.mod=&__this_module,";
    for place in [
        "-DPLACE=",
        "-DPLACE=__attribute__((section(\".data..ro_after_init\")))",
        "-DPLACE=__attribute__((section(\".init.data\")))",
    ] {
        says(TWO, &[module, place], TWO_SAYS);
        says(TWO, &[module, place, "-fdata-sections", "-ffunction-sections"], TWO_SAYS);
        // CONFIG_DEBUG_KOBJECT_RELEASE makes every kobject longer.
        says(TWO, &[module, place, "-DKOBJECT=23"], TWO_SAYS);
        let fill = "-DFILL=patch.mod=&__this_module";
        says(TWO, &["-DMOD=", fill, place, "-fno-section-anchors"], TWO_SAYS);
    }
}

#[test]
fn a_patch_without_module_or_objects_is_refused_unless_code_fills_them_in() {
    says(TWO, &["-DMOD=", "-DPLACE="], "`mod` of its klp_patch is NULL");
    let no_objects = r#"
        static struct klp_patch patch = { .mod = &__this_module };
        __attribute__((section(".init.text"))) int init_module(void) { FILL; return klp_enable_patch(&patch); }
    "#;
    says(no_objects, &[], "`objs` of its klp_patch is NULL");
    says(no_objects, &["-DFILL=patch.objs=kzalloc(8)"], "at run time");
    let no_object = r#"
        static struct klp_object objects[] = { { } };
        static struct klp_patch patch = { .mod = &__this_module, .objs = objects };
        INIT(&patch)
    "#;
    says(no_object, &[], "");
}

#[test]
fn the_symbol_of_a_table_of_one_function_gives_its_size() {
    let one = r#"
        static noinline int f(void) { return 1; }
        static struct klp_func funcs[] = { { "old_f", f }, { } };
        static struct klp_object objects[] = { { .name = "a", .funcs = funcs }, { } };
        static struct klp_patch patch = { .mod = &__this_module, .objs = objects };
        INIT(&patch)
    "#;
    says(one, &["-DKOBJECT=30"], "a: old_f=f,0");
    says(one, &[], "a: old_f=f,0");
}

#[test]
fn an_empty_table_of_functions_differs_from_a_missing_one() {
    let source = |funcs: &str| {
        format!(
            r#"
        static noinline int f(void) {{ return 1; }}
        static struct klp_func funcs[] = {{ {{ "old_f", f }}, {{ }} }};
        static struct klp_func none[] = {{ {{ }} }};
        static struct klp_object objects[] = {{ {{ .funcs = funcs }}, {{ "a", {funcs} }}, {{ }} }};
        static struct klp_patch patch = {{ .mod = &__this_module, .objs = objects }};
        void *use = none;
        INIT(&patch)
    "#
        )
    };
    says(&source("none"), &[], "-: old_f=f,0; a:");
    for machine in machines() {
        let bench = Sandbox::new();
        let source = format!("{STRUCTURES}{}", source("0"));
        let Some(object) = compile(&bench, &machine, &source, &[]) else { continue };
        let no_funcs = ["error[KLP-E0116]", "the klp_object of 'a' has no funcs"];
        check(&machine, &object).refused(&no_funcs);
    }
}

#[test]
fn of_two_patches_the_one_that_is_enabled_counts() {
    let source = r#"
        static noinline int f(void) { return 1; }
        static struct klp_func funcs[] = { { "old_f", f }, { } };
        static struct klp_func others[] = { { "old_g", f }, { } };
        static struct klp_object objects[] = { { .funcs = funcs }, { } };
        static struct klp_object other[] = { { .name = "a", .funcs = others }, { } };
        static struct klp_patch unused = { .mod = &__this_module, .objs = other };
        static struct klp_patch patch = { .mod = &__this_module, .objs = objects };
        void *keep = &unused;
        INIT(&patch)
    "#;
    says(source, &["-fno-section-anchors"], "-: old_f=f,0");
    // Code chooses: not known.
    let chooses = source.replace("INIT(&patch)", "int which; INIT(which ? &patch : &unused)");
    says(&chooses, &["-fno-section-anchors"], "at run time");
}

#[test]
fn pointers_that_look_like_a_patch_are_one_only_if_enabled() {
    let source = r#"
        static noinline int f(void) { return 1; }
        static const struct { void *show; int (*store)(void); } ops = { 0, f };
        static struct { void *owner; const void *ops; } type = { &__this_module, &ops };
        void *keep = &type;
        INIT(kzalloc(200))
    "#;
    says(source, &[], "at run time");
}

#[test]
fn what_code_fills_in_is_not_known() {
    let tables = "static struct klp_func funcs[2]; static struct klp_object objects[2];";
    for source in [
        format!(
            "{tables} static struct klp_patch patch = {{ .mod = &__this_module, .objs = objects }};
            static noinline int f(void) {{ return 1; }}
            int fill(void) {{ funcs[0].old_name = \"f\"; funcs[0].new_func = f; objects[0].funcs = funcs;
                return 0; }}
            INIT(&patch)"
        ),
        format!(
            "{tables} static struct klp_patch patch = {{ .mod = &__this_module }};
            __attribute__((section(\".init.text\"))) int init_module(void)
            {{ patch.objs = objects; return klp_enable_patch(&patch); }}"
        ),
        "INIT(kzalloc(200))".to_owned(),
    ] {
        says(&source, &[], "at run time");
    }
    says("int nothing;", &[], "none");
}

pub(crate) fn check(machine: &Machine, module: &Path) -> crate::tool::Run {
    let words = ["check".into(), module.as_os_str().to_owned()];
    run(words.into_iter().chain(machine.map(Map::Elf)))
}

#[test]
fn the_fixtures_replace_one_function_each() {
    for machine in machines() {
        for name in machine.livepatches() {
            let said = read(&machine.path(&name));
            let one =
                said.contains(": klp_target_a_show=") || said == "-: cmdline_proc_show=lp_show,0";
            assert!(one && said.matches('=').count() == 1, "{} {name}: {said}", machine.name);
        }
    }
}

/// A miniature module that patches both targets, and vmlinux.
fn patches(functions: &str, a: &str, b: &str) -> String {
    format!(
        r#"{STRUCTURES}
        extern int klp_target_b_hidden(void);
        extern int klp_target_a_hidden(void);
        {functions}
        static struct klp_func in_a[] = {{ {{ "klp_target_a_show", {a} }}, {{ }} }};
        static struct klp_func in_b[] = {{ {{ "klp_target_b_show", {b} }}, {{ }} }};
        static struct klp_object objects[] =
            {{ {{ "klp_target_a", in_a }}, {{ "klp_target_b", in_b }}, {{ }} }};
        static struct klp_patch patch = {{ .mod = &__this_module, .objs = objects }};
        INIT(&patch)"#
    )
}

/// The klp sections of a source after conversion, for each machine.
fn gates(source: &str, flags: &[&str]) -> Vec<Result<Vec<String>, String>> {
    let convert = |machine: Machine| {
        let bench = Sandbox::new();
        let object = compile(&bench, &machine, source, flags)?;
        let further = ["--no-check", "--allow-undeclared-dependency"].map(Into::into);
        let ended = bench.convert_with(&object, further.into_iter().chain(machine.map(Map::Elf)));
        if ended.code != 0 {
            return Some(Err(ended.stderr));
        }
        let image = Image::read(&bench.written());
        let sections = image.klp_sections().map(|section| {
            let gate = section.name.split('.').nth(3).unwrap();
            format!("{gate} {}", section.relocations.len())
        });
        let mut sections: Vec<_> = sections.collect();
        sections.sort();
        Some(Ok(sections))
    };
    machines().into_iter().filter_map(convert).collect()
}

#[test]
fn a_relocation_waits_for_the_object_whose_code_uses_it_in_any_way() {
    // The symbol is B's, the code that uses it A's.
    for (functions, flags) in [
        ("int f(void) { return klp_target_b_hidden() + 1; } int g(void) { return 2; }", ""),
        // Through a function of its own, whose call the assembler resolves, and through two.
        (
            "static noinline int u(void) { return klp_target_b_hidden() + 1; }
            static noinline int v(void) { return u() + 1; }
            int f(void) { return v() + 1; } int g(void) { return 2; }",
            "",
        ),
        (
            "static noinline int u(void) { return klp_target_b_hidden() + 1; }
            int f(void) { return u(); } int g(void) { return 2; }",
            "-ffunction-sections",
        ),
        // Through a table.
        (
            "static noinline int u(void) { return klp_target_b_hidden() + 1; }
            static int (*volatile ops[2])(void) = { 0, u };
            int f(void) { return ops[1]() + 1; } int g(void) { return 2; }",
            "",
        ),
        // From a part that the compiler has moved elsewhere.
        (
            "__attribute__((section(\".text.unlikely\"))) static noinline int u(void)
            { return klp_target_b_hidden() + 1; }
            int f(void) { return u() + 1; } int g(void) { return 2; }",
            "",
        ),
    ] {
        let flags: &[&str] = if flags.is_empty() { &[] } else { &[flags] };
        for (a, b, gate) in [("f", "g", "klp_target_a"), ("g", "f", "klp_target_b")] {
            for sections in gates(&patches(functions, a, b), flags) {
                let sections = sections.unwrap();
                assert!(
                    sections.len() == 1 && sections[0].starts_with(gate),
                    "{gate}: {sections:?} {functions}"
                );
            }
        }
    }
}

#[test]
fn each_reference_to_one_symbol_waits_for_its_own_object() {
    let functions = "int f(void) { return klp_target_b_hidden() + 1; }
        int g(void) { return klp_target_b_hidden() + 2; }";
    for sections in gates(&patches(functions, "f", "g"), &[]) {
        let sections = sections.unwrap();
        let gates: Vec<_> = sections.iter().map(|s| s.split(' ').next().unwrap()).collect();
        // If both references share a slot, the owner's gate would be too late.
        assert_eq!(gates, ["klp_target_a", "klp_target_b"]);
    }
}

#[test]
fn code_that_both_use_is_refused_unless_the_owner_is_loaded_before_both() {
    let functions = "static noinline int u(void) { return klp_target_b_hidden() + 1; }
        int f(void) { return u() + 1; } int g(void) { return u() + 2; }";
    for refused in gates(&patches(functions, "f", "g"), &[]) {
        let refused = refused.unwrap_err();
        for words in [
            "error[KLP-E0307]",
            "code for 'klp_target_a' and 'klp_target_b' uses 'klp_target_b_hidden'",
            "KLP_RELOC_SYMBOL_POS(klp_target_a, klp_target_b, klp_target_b_hidden, 0);",
        ] {
            assert!(refused.contains(words), "{refused}");
        }
    }
}

#[test]
fn a_patch_of_vmlinux_that_uses_a_module_is_refused_with_both_workarounds() {
    let source = |objects: &str, declaration: &str| {
        format!(
            r#"{STRUCTURES}
            extern int klp_target_b_hidden(void) {declaration};
            static noinline int f(void) {{ return klp_target_b_hidden() + 1; }}
            static struct klp_func funcs[] = {{ {{ "cmdline_proc_show", f }}, {{ }} }};
            static struct klp_func none[] = {{ {{ }} }};
            static struct klp_object objects[] = {{ {{ .funcs = funcs }}, {objects} {{ }} }};
            static struct klp_patch patch = {{ .mod = &__this_module, .objs = objects }};
            void *keep = none;
            INIT(&patch)"#
        )
    };
    for refused in gates(&source("", ""), &[]) {
        let refused = refused.unwrap_err();
        for words in [
            "error[KLP-E0308]",
            "replaces code of vmlinux and uses 'klp_target_b_hidden' of 'klp_target_b'",
            "add a klp_object for 'klp_target_b' to the patch, with empty funcs",
            "KLP_RELOC_SYMBOL_POS(vmlinux, klp_target_b, klp_target_b_hidden, 0);",
        ] {
            assert!(refused.contains(words), "{refused}");
        }
    }
    for sections in gates(&source("{ \"klp_target_b\", none },", ""), &[]) {
        assert!(sections.unwrap()[0].starts_with("klp_target_b "));
    }
    let declaration = "KLP_RELOC_SYMBOL(vmlinux, klp_target_b, klp_target_b_hidden)";
    for sections in gates(&source("", declaration), &[]) {
        assert!(sections.unwrap()[0].starts_with("vmlinux "));
    }
}
