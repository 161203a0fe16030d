use super::*;
use proptest::prelude::*;

/// A file as kernel sources have them.
const FILE: &str = r#"// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) "f: " fmt
#include <linux/seq_file.h>
#define CREATE_TRACE_POINTS
#include "trace.h"

struct pair { int a, b; };	/* two */

/* How many. */
static unsigned int count __read_mostly = 3;
static DEFINE_MUTEX(lock);
static const char *const names[] = { "show_it", "{" };
static int unused;
enum { RED, GREEN = 2, };

static int __init setup(void) { unused = 1; return 0; }

static struct pair *helper(struct pair *p)
{
	p->unused = RED;	/* not the variable */
	return p;
}

#ifdef CONFIG_SMALL
#define LIMIT 1
#else
#define LIMIT 2
#endif

static inline int small(int x) { return x < LIMIT; }

/* Shows it. */
static int show_it(struct seq_file *m, void *v)
{
	static int calls;
	static const int fixed = 1;
	const char *text = "show_it '{' \" /*";

	mutex_lock(&lock);
	if (small(count) && helper(v))
		return show_it(m, names[fixed + calls++]);
	mutex_unlock(&lock);
	return '}';
}
EXPORT_SYMBOL_GPL(show_it);
module_init(setup)
"#;

fn extract(text: &str, function: &str, treatment: Treatment) -> Extraction {
    let functions = [(function, format!("new_{function}"))].into();
    let (treat, annotate) =
        (&|_: &str, _| treatment, &|name: &str, _| vec![format!("/* {name} */")]);
    Extract { functions, treat, annotate }.from(&CFile::parse(text).unwrap()).unwrap()
}

fn fault(text: &str, function: &str) -> String {
    let file = CFile::parse(text).map(|file| file.definitions(function));
    file.unwrap_or_else(Err).unwrap_err().to_string()
}

#[test]
fn what_a_function_needs_is_kept_and_nothing_else() {
    let made = extract(FILE, "show_it", Treatment::Declare);
    let expected = r#"#define pr_fmt(fmt) "f: " fmt
#include <linux/seq_file.h>

struct pair { int a, b; };

extern unsigned int count;
/* count */
extern struct mutex lock;
/* lock */

static const char *const names[] = { "show_it", "{" };

enum { RED, GREEN = 2, };

extern struct pair *helper(struct pair *p);
/* helper */
#ifdef CONFIG_SMALL
#define LIMIT 1
#else
#define LIMIT 2
#endif

static inline int small(int x) { return x < LIMIT; }

int new_show_it(struct seq_file *m, void *v);

/* Shows it. */
int new_show_it(struct seq_file *m, void *v)
{
	static int calls;
	static const int fixed = 1;
	const char *text = "show_it '{' \" /*";

	mutex_lock(&lock);
	if (small(count) && helper(v))
		return new_show_it(m, names[fixed + calls++]);
	mutex_unlock(&lock);
	return '}';
}
"#;
    // A declaration needs no enumerator of the body.
    let expected = expected.replace("enum { RED, GREEN = 2, };\n\n", "");
    assert_eq!(made.text, expected);
    assert!(made.text[..made.includes].ends_with("seq_file.h>\n"));
    let declared: Vec<_> = made.declared.iter().map(String::as_str).collect();
    assert_eq!(declared, ["count", "helper", "lock"]);
}

#[test]
fn what_the_kernel_has_no_symbol_of_is_copied_with_its_own_needs() {
    let made = extract(FILE, "show_it", Treatment::Copy);
    assert!(made.text.contains("static struct pair *helper(struct pair *p)\n{"), "{}", made.text);
    assert!(made.text.contains("enum { RED, GREEN = 2, };"), "{}", made.text);
    assert!(!made.text.contains("static int unused"), "a member is not the variable");
    assert!(made.copied.contains("helper") && made.declared.is_empty());
}

#[test]
fn variables_that_keep_their_values_are_found_and_constant_ones_are_not() {
    let file = CFile::parse(FILE).unwrap();
    assert_eq!(kept_values(&file, "show_it"), [("calls".to_owned(), 35)]);
    assert_eq!(kept_values(&file, "helper"), []);
}

#[test]
fn a_file_without_the_definition_says_what_it_has_instead() {
    assert_eq!(fault(FILE, "absent"), "'absent' is not defined here");
    assert_eq!(fault(FILE, "mutex_lock"), "'mutex_lock' is not defined here, only used (line 39)");
    assert_eq!(fault(FILE, "LIMIT"), "'LIMIT' is a macro (line 25)");
    assert_eq!(fault(FILE, "count"), "'count' is not a function (line 10)");
    assert_eq!(fault("int f(int);\n", "f"), "'f' is only declared here (line 1)");
    let text = "\nSYSCALL_DEFINE2(read, int, fd, char *, b)\n{\n}\nSTORE(a, b)\n{\n}\n";
    for name in ["read", "sys_read", "__do_sys_read", "__x64_sys_read"] {
        let expected = format!("'{name}' is made by the macro SYSCALL_DEFINE2 (line 2)");
        assert_eq!(fault(text, name), expected);
    }
    assert_eq!(fault(text, "readv"), "'readv' is not defined here");
    assert_eq!(fault("MAKE_SHOW(f);\n", "f"), "'f' is made by the macro MAKE_SHOW (line 1)");
    assert!(fault("EXPORT_SYMBOL(f);\n", "f").contains("only used (line 1)"));
}

#[test]
fn names_in_comments_texts_and_code_that_is_left_out_are_none() {
    let text = "/* int f(void) { } */\nchar *s = \"int f(void) { }\"; // int f(void) { }\n";
    assert_eq!(fault(text, "f"), "'f' is not defined here");
    let text = "#if 0\nisn't C: { ( \"\n#endif\nint f(void)\n{\n}\n";
    assert!(CFile::parse(text).is_err(), "text that is not C, even where it is left out");
    let text = "#error isn't {\nint f(void)\n{\n}\n";
    assert_eq!(CFile::parse(text).unwrap().definitions("f"), Ok(vec![2]));
}

#[test]
fn definitions_of_each_form_are_found() {
    for text in [
        "int f(void) { }",
        "static noinline\nstruct a\n*f(int a,\n\tint b)\n{\n}",
        "static int f(int (*g)(int), int n) { struct { int a; } b = { }; }",
        "__printf(1, 2)\nint f(const char *s, ...) { }",
        "static __always_inline unsigned long __must_check f(void) { }",
        "void f(int a) __must_hold(&lock) { }",
        "struct a { int f; } a;\nint f(void) { }",
        "static struct a a = { .f = f };\nint f(void) { }",
        "static int (*g[])(void) = { f };\nint f(void) { }",
        "module_init(g)\nint f(void) { }",
        "__setup(\"f\", g);\nint __attribute__((cold)) f(void) { }",
        "int g(void) {\n#ifdef A\n\tif (a) {\n#else\n\tif (b) {\n#endif\n\t}\n}\nint f(void) { }",
        "#define X {\nint f(void) { }",
        "#define X a \\\n\t{ int f(void)\nint f(void) { }",
        "typedef int (*g)(int f);\nint f(void) { }",
        "u64 f(void) { return ({ 1; }); };;\nint a;",
        "struct __packed a { };\nenum b f(struct a a) { }",
    ] {
        let file = CFile::parse(text).unwrap();
        assert_eq!(file.definitions("f").map(|lines| lines.len()), Ok(1), "{text}");
    }
}

#[test]
fn definitions_in_branches_are_all_copied_and_two_without_are_refused() {
    let text = "#ifdef A\nint f(void) { return 1; }\n#else\nint f(void) { return 2; }\n#endif\n";
    assert_eq!(CFile::parse(text).unwrap().definitions("f"), Ok(vec![2, 4]));
    let made = extract(text, "f", Treatment::Copy).text;
    assert!(made.contains("#ifdef A\nint new_f(void);\n"), "{made}");
    assert!(made.contains("#else\nint new_f(void);\n"), "{made}");
    let file = CFile::parse("int f(void) { }\nint f(void) { }\n").unwrap();
    let functions = [("f", "g".to_owned())].into();
    let made = Extract { functions, treat: &|_, _| Treatment::Copy, annotate: &|_, _| Vec::new() };
    assert_eq!(made.from(&file).unwrap_err().to_string(), "'f' is defined on lines 1, 2");
}

#[test]
fn text_that_does_not_pair_is_refused_with_its_line() {
    for (text, expected) in [
        ("int a;\nint f(void)\n{\n", "line 2: the item that starts here has no end"),
        ("int f(void) { } }\n", "line 1: the item that starts here has no end"),
        ("int f(void);\n/* a\n", "line 2: the comment has no end"),
        ("#endif\n", "line 1: conditional compilation is not balanced"),
        ("#else\n", "line 1: conditional compilation is not balanced"),
        ("#ifdef A\nint a;\n", "conditional compilation is not balanced"),
        ("#ifdef A\nint f(int a)\n#else\nint f(void)\n#endif\n{ }\n", "line 2: conditional"),
        ("int f(a)\nint a;\n{ }\n", "line 3 has a body without a prototype"),
        ("f(a, b)\nint a;\nint b;\n{ }\n", "line 4 has a body without a prototype"),
    ] {
        let said = fault(text, "f");
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn every_form_of_a_variable_is_declared_as_it_is() {
    for (text, expected) in [
        ("static int a = 1, *x = &a;", "extern int a, *x;"),
        ("static int x[2][3] = { { 1 } };", "extern int x[2][3];"),
        ("static int (*x)(int, char) = f;", "extern int (*x)(int, char);"),
        ("static struct { int a; } x;", "extern struct { int a; } x;"),
        ("struct list_head x __ro_after_init = LIST_HEAD_INIT(x);", "extern struct list_head x;"),
        ("static LIST_HEAD(x);", "extern struct list_head x;"),
        ("static DEFINE_PER_CPU(struct a, x) = { .b = 1 };", "DECLARE_PER_CPU(struct a, x);"),
        ("static DEFINE_PER_CPU(struct a *, x[2]);", "DECLARE_PER_CPU(struct a *, x[2]);"),
        ("static DEFINE_HASHTABLE(x, 3 + 1);", "extern struct hlist_head x[1 << (3 + 1)];"),
        ("DEFINE_STATIC_KEY_FALSE(x);", "DECLARE_STATIC_KEY_FALSE(x);"),
    ] {
        let made =
            extract(&format!("{text}\nint f(void) {{ return x; }}"), "f", Treatment::Declare);
        assert!(made.text.starts_with(&format!("{expected}\n")), "{text}: {}", made.text);
    }
}

#[test]
fn forward_declarations_stay_before_their_first_use() {
    let text =
        "static int g(void);\nint f(void) { return g(); }\nstatic int g(void) { return f(); }\n";
    let copied = extract(text, "f", Treatment::Copy).text;
    assert!(copied.starts_with("static int g(void);\n"), "{copied}");
    assert!(copied.ends_with("static int g(void) { return new_f(); }\n"), "{copied}");
    let declared = extract(text, "f", Treatment::Declare).text;
    assert!(declared.starts_with("extern int g(void);\n/* g */\n"), "{declared}");
    assert_eq!(declared.matches("g(void)").count(), 1, "{declared}");
}

#[test]
fn headers_of_the_files_own_folder_take_the_place_of_their_includes() {
    let read = |path: &str| match path {
        "fs/a/own.h" => {
            Some("#ifndef OWN_H\n#define OWN_H\n#include \"../up.h\"\nint own(void);\n#endif\n")
        }
        "fs/up.h" => Some("int up(void);\n#include \"a/own.h\"\n"),
        "fs/a/trace.h" => Some("#include <trace/define_trace.h>\n"),
        _ => None,
    };
    let read = |path: &str| read(path).map(str::to_owned);
    let text =
        "#include <own.h>\n#include \"own.h\"\n#include \"trace.h\"\n#include \"no.h\"\nint f;\n";
    let made = splice("fs/a/f.c", text, &read);
    let lines: Vec<_> = made.lines().filter(|line| !line.is_empty()).collect();
    let expected = [
        "#include <own.h>",
        "int up(void);",
        "int own(void);",
        "#include \"trace.h\"",
        "#include \"no.h\"",
        "int f;",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_header_of_events_is_included_where_one_is_used() {
    let text = "#include \"trace.h\"\nint f(void) { CALL }\n";
    let made = |call| extract(&text.replace("CALL", call), "f", Treatment::Copy);
    assert!(made("trace_f();").has_own_headers);
    assert!(!made("g();").has_own_headers && !made("g();").text.contains("include"));
}

proptest! {
    #[test]
    fn any_text_gives_items_or_a_fault(
        pieces in proptest::collection::vec(prop_oneof![
            Just("int f(void)"), Just("{"), Just("}"), Just("("), Just(")"), Just(";"), Just("="),
            Just("\n#if A\n"), Just("\n#else\n"), Just("\n#endif\n"), Just("static "), Just("\""),
            Just("/*"), Just("*/"), Just("//"), Just("\\\n"), Just("'"), Just("struct s "), Just(","),
            Just("*"), Just("typedef "), Just("enum "), Just("\n"), Just("#define f "), Just("[é]"),
            Just("DEFINE_PER_CPU("), Just("DEFINE_MUTEX(f)"), Just("extern "), Just("\n#include \"a\"\n"),
        ], 0..30),
    ) {
        let text: String = pieces.concat();
        if let Ok(file) = CFile::parse(&text) && file.definitions("f").is_ok() {
            let functions = [("f", "new_f".to_owned())].into();
            let extract =
                Extract { functions, treat: &|_, _| Treatment::Declare, annotate: &|_, _| Vec::new() };
            if let Ok(made) = extract.from(&file) {
                prop_assert!(made.text.contains("new_f"));
                prop_assert!(made.text.is_char_boundary(made.includes));
            }
        }
        prop_assert!(!splice("a/b.c", &text, &|_| None).is_empty() || text.is_empty());
    }
}
