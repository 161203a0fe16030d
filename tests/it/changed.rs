//! Tables of a patch that code changes before it enables the patch, and tables that it does not.

use crate::compiled::compile;
use crate::machine::machines;
use crate::tables::{STRUCTURES, check, read};
use crate::tool::Sandbox;

/// Two objects, other data, and an init function that starts with these statements.
fn module(rest: &str, init: &str) -> String {
    format!(
        r#"{STRUCTURES}
        void printk(const char *, ...);
        void *memcpy(void *, const void *, unsigned long);
        void *kallsyms(const char *);
        static int counter = 3;
        static char *text = "x";
        int number = 5;
        static noinline int f(void) {{ return counter++; }}
        static noinline int g(void) {{ return 2; }}
        static int before(struct klp_object *object) {{ counter++; return object->patched; }}
        static struct klp_func some[] = {{ {{ "old_f", f }}, {{ "old_g", g, 3 }}, {{ }} }};
        static struct klp_func more[] = {{ {{ "old_h", g }}, {{ }} }};
        static struct klp_object objects[] =
            {{ {{ .funcs = some, .callbacks = {{ before }} }}, {{ "ext4", more }}, {{ }} }};
        static struct klp_object others[] = {{ {{ "jbd2", more }}, {{ }} }};
        static struct klp_patch patch = {{ .mod = &__this_module, .objs = objects }};
        void *keep = others;
        {rest}
        __attribute__((section(".init.text"))) int init_module(void)
        {{ {init} return klp_enable_patch(&patch); }}"#
    )
}

const FLAGS: [&[&str]; 5] =
    [&[], &["-Os"], &["-fno-section-anchors"], &["-fdata-sections"], &["-O1", "-fno-inline"]];

/// Claims how the tables are read, for each machine and way to compile.
fn say(rest: &str, init: &str, expected: &str) {
    for machine in machines() {
        for flags in FLAGS {
            let bench = Sandbox::new();
            let source = module(rest, init);
            let Some(object) = compile(&bench, &machine, &source, flags) else { continue };
            assert_eq!(read(&object), expected, "{} {flags:?}: {rest} {init}", machine.name);
        }
    }
}

fn are_changed(rest: &str, init: &str) {
    say(rest, init, "at run time");
}

fn are_static(rest: &str, init: &str) {
    say(rest, init, "-: old_f=f,0 old_g=g,3 callbacks; ext4: old_h=g,0");
}

#[test]
fn positions_that_code_fills_in_are_not_known() {
    are_changed("", "some[0].old_sympos = number;");
    are_changed("", "more[0].old_sympos = 2;");
    are_changed("", "if (number == 7) some[1].old_sympos = 4;");
    are_changed("", "for (struct klp_func *p = some; p->old_name; p++) p->old_sympos = number;");
    are_changed(
        "",
        "for (struct klp_object *o = patch.objs; o->funcs; o++)
            for (struct klp_func *p = o->funcs; p->old_name; p++) p->old_sympos = number;",
    );
    are_changed("int at;", "some[at].old_sympos = number;");
}

#[test]
fn functions_that_code_fills_in_are_not_known() {
    are_changed("", "some[1].new_func = 0;");
    are_changed("", "some[0].old_name = text;");
    are_changed("", "some[0].new_func = kallsyms(\"f\");");
    // One more entry at the end of the table.
    are_changed("", "more[1].old_name = text; more[1].new_func = g;");
    are_changed("", "memcpy(some, more, sizeof(more[0]));");
}

#[test]
fn objects_that_code_fills_in_are_not_known() {
    are_changed("", "objects[1].funcs = some;");
    are_changed("", "objects[0].name = text;");
    are_changed("", "objects[1].name = 0;");
    are_changed("", "patch.objs = others;");
    are_changed("", "patch.objs++;");
    are_changed("", "objects[1].callbacks[0] = before;");
}

#[test]
fn what_another_function_may_fill_in_is_not_known() {
    let helper = "static noinline void fill(struct klp_patch *p)
        { p->objs->funcs->old_sympos = number; }";
    are_changed(helper, "fill(&patch);");
    are_changed("void fill(struct klp_patch *);", "fill(&patch);");
    are_changed("void fill(struct klp_object *);", "fill(objects);");
    are_changed("void fill(struct klp_func *);", "fill(&some[1]);");
    are_changed("void fill(void) { some[0].old_sympos = number; }", "");
    are_changed("struct klp_func *list;", "list = more;");
}

#[test]
fn an_init_function_that_does_other_things_leaves_tables_static() {
    are_static("", "");
    are_static("", "number++; counter += 2; text = \"y\";");
    are_static("", "printk(\"%d %s\", counter, text); if (!number) return -1;");
    are_static("", "printk(\"%s\", some[0].old_name);");
    are_static("", "void *p = kallsyms(\"f\"); if (!p) { printk(\"no\"); return -2; } keep = p;");
    are_static(
        "",
        "int ret = klp_enable_patch(&patch); if (ret) { printk(\"%d\", ret); return ret; }",
    );
}

#[test]
fn what_the_livepatch_core_gets_stays_static() {
    // Like the kernel's own `test_klp_state.c`.
    let state = "struct state { unsigned long id; void *data; };
        struct state *klp_get_state(struct klp_patch *, unsigned long);
        int allocate(struct klp_object *o)
        { struct state *s = klp_get_state(&patch, 1); if (!s) return -22; s->data = text; return 0; }
        void restore(struct klp_object *o)
        { struct state *s = klp_get_state(&patch, 1); printk(\"%d\", number); keep = s->data; s->data = 0; }";
    are_static(state, "");
    are_changed(&state.replace("klp_get_state", "klp_set_state"), "");
}

#[test]
fn what_authors_do_not_fill_in_may_be_written() {
    are_static("", "patch.mod = &__this_module;");
    are_static("", "patch.replace = 1;");
    are_static("", "patch.replace = number; patch.states = 0;");
}

#[test]
fn data_beside_the_tables_is_not_part_of_them() {
    are_static(
        "static int a[16] = { 1 }; int *where = a;",
        "for (int i = 0; i < 16; i++) a[i] += number;",
    );
    are_static(
        "static struct { long x, y; } pair = { 1, 2 }; void *use = &pair;",
        "pair.x = number; pair.y = 3;",
    );
    are_static("void set(int *); static int seen = 1;", "set(&seen); set(&counter);");
    // Data points to tables.
    are_static("void *list[] = { some, &objects[1], &patch, more };", "");
    // Replacements and callbacks use data of the section.
    are_static("int other(struct klp_object *o) { o->name = 0; return counter += number; }", "");
}

#[test]
fn what_code_may_correct_is_a_warning_and_not_refused() {
    let wrong = |init: &str| {
        module("", init).replace("\"old_f\", f", "\"set_is_seen\", f").replace("\"ext4\"", "0")
    };
    for machine in machines() {
        let bench = Sandbox::new();
        let Some(object) = compile(&bench, &machine, &wrong(""), &[]) else { continue };
        check(&machine, &object).refused(&["error[KLP-E0113]", "set_is_seen"]);
        let source = wrong("some[0].old_sympos = number; objects[1].name = text;");
        let object = compile(&bench, &machine, &source, &[]).expect("it was there");
        let ended = check(&machine, &object);
        assert!(ended.stderr.contains("warning[KLP-W0720]"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("KLP-E011"), "{}", ended.stderr);
    }
}
