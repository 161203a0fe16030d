//! Names that would control the terminal, or forge a line.

use std::path::Path;

use crate::machine::{Machine, Map, machines};
use crate::tool::{Run, Sandbox, program};

/// Part of many names of the fixtures: of symbols, sections, objects and modules.
const IN_NAMES: &[u8] = b"klp_target";
/// As long: an escape sequence, a forged line, one of C1 and a turn of the direction of writing (in UTF-8).
const HOSTILE: [&[u8]; 4] =
    [b"k\x1b[2Karget", b"\nx: loads\n", b"k\xc2\x9b2Jxxxxx", b"k\xe2\x80\xaexxget\t"];

/// The file with a part of its names replaced by one as long.
fn with_names(bytes: &[u8], part: &[u8]) -> Vec<u8> {
    assert_eq!(part.len(), IN_NAMES.len());
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(part.len()).position(|w| w == IN_NAMES) {
        at += found;
        bytes[at..at + part.len()].copy_from_slice(part);
    }
    assert!(at > 0, "a name to replace");
    bytes
}

/// Everything that prints names of a livepatch and of a module it patches.
fn all(machine: &Machine, livepatch: &Path, target: &Path, sandbox: &Sandbox) -> Vec<Run> {
    let map = machine.map(Map::Elf);
    let run = |words: &[&str], files: &[&Path], with_map: bool| {
        let mut program = program();
        program.args(words).args(files);
        if with_map {
            program.args(&map);
        }
        Run::of(program.output().unwrap())
    };
    let built = sandbox.path("built.map");
    let mut runs = vec![
        run(&["check", "-v"], &[livepatch], false),
        run(&["check", "-v"], &[livepatch, target], true),
        run(&["inspect"], &[livepatch], false),
        run(&["inspect"], &[livepatch], true),
        run(&["convert", "--dry-run"], &[livepatch], true),
        run(&["convert", "-v", "-o"], &[&sandbox.output(), livepatch], true),
        run(&["load", "-v"], &[livepatch], true),
        run(&["load", "-v"], &[target], true),
        run(&["annotate"], &[livepatch], true),
        run(&["check", "--format", "json"], &[livepatch, target], true),
        run(&["inspect", "--format", "json"], &[livepatch], true),
        run(&["symbols", "build", "-v", "--module"], &[target, Path::new("-o"), &built], false),
    ];
    if built.exists() {
        runs.push(run(&["symbols", "info", "-v"], &[&built], false));
        runs.push(run(&["symbols", "export", "-s"], &[&built], false));
        runs.push(run(&["symbols", "lookup", "hidden", "-s"], &[&built], false));
    }
    runs
}

#[test]
fn no_name_controls_the_terminal_or_makes_a_line() {
    // What prints is the same for every machine.
    for machine in machines().into_iter().take(1) {
        let original = machine.read("klp_target_a.ko");
        for name in machine.livepatches() {
            let livepatch = machine.read(&name);
            if !livepatch.windows(IN_NAMES.len()).any(|window| window == IN_NAMES) {
                continue;
            }
            for part in HOSTILE {
                let sandbox = Sandbox::new();
                let livepatch = sandbox.file("lp.ko", &with_names(&livepatch, part));
                let target = sandbox.file("target.ko", &with_names(&original, part));
                for run in all(&machine, &livepatch, &target, &sandbox) {
                    let text = format!("{}{}", run.stdout, run.stderr);
                    let hidden =
                        |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}';
                    assert!(!text.contains(hidden), "{name}: {text:?}");
                    let forged = text.lines().any(|line| line.starts_with("x: loads"));
                    assert!(!forged, "{name}: {text:?}");
                }
            }
        }
    }
}
