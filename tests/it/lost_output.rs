//! Standard output that does not take what is printed.

use crate::machine::{Map, machines};
use crate::tool::{Sandbox, shell};

/// Commands that print, with `$1` a module and `$2` a linked kernel.
const PRINTING: [&str; 9] = [
    "relocs",
    "man",
    "completions bash",
    "explain KLP-E0101",
    "demo",
    r#"inspect "$1""#,
    r#"symbols lookup set_is_seen no_such_symbol_xyz --vmlinux "$2""#,
    r#"symbols export --vmlinux "$2""#,
    r#"check --format json "$1""#,
];

fn files() -> [std::path::PathBuf; 2] {
    let machine = machines().remove(0);
    [machine.path("lp_two_owners.ko"), machine.path("vmlinux.cut")]
}

#[test]
fn a_full_device_is_an_error_with_a_message() {
    let [module, kernel] = files();
    for command in PRINTING.into_iter().chain(["--version", "--help", "check --help"]) {
        let ended = shell(&format!(r#""$0" {command} >/dev/full"#), &[&module, &kernel]);
        assert_eq!(ended.code, 2, "{command}: {}", ended.stderr);
        assert!(
            ended.stderr.contains("error: stdout: No space left on device"),
            "{}",
            ended.stderr
        );
    }
}

/// As with other tools, which end by SIGPIPE: no message, but not success.
#[test]
fn a_reader_that_goes_away_is_no_success_and_no_news() {
    let [module, kernel] = files();
    for command in PRINTING {
        // The reader ends before the program starts.
        let script = format!(r#"{{ sleep 0.1; "$0" {command}; echo "ended $?" >&2; }} | :"#);
        let ended = shell(&script, &[&module, &kernel]);
        assert!(ended.stderr.ends_with("ended 2\n"), "{command}: {}", ended.stderr);
        assert!(!ended.stderr.contains("stdout"), "{command}: {}", ended.stderr);
    }
}

/// Rust opens /dev/null in place of a descriptor that is closed: what is printed there is not wanted,
/// and no output file gets its number.
#[test]
fn closed_descriptors_are_dev_null() {
    let machine = machines().remove(0);
    let usual = Sandbox::new();
    usual.convert(&machine.path("lp_two_owners.ko"), &machine, Map::Elf).done();
    for closed in [">&-", "2>&-", "<&-", ">&- 2>&- <&-"] {
        let bench = Sandbox::new();
        let output = bench.output();
        let words = machine.map(Map::Elf);
        let words = words.iter().map(std::path::Path::new);
        let module = machine.path("lp_two_owners.ko");
        let all: Vec<_> = [module.as_path(), output.as_path()].into_iter().chain(words).collect();
        let script =
            format!(r#"in=$1 out=$2; shift 2; "$0" convert "$in" -o "$out" "$@" {closed}"#);
        shell(&script, &all).done();
        assert!(bench.written() == usual.written(), "{closed}");
        // A verdict is in the exit code, too.
        let [module, kernel] = files();
        let script = format!(r#""$0" symbols lookup no_such_symbol_xyz --vmlinux "$2" {closed}"#);
        assert_eq!(shell(&script, &[&module, &kernel]).code, 1, "{closed}");
    }
}
