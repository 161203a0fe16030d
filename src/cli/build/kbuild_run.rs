//! kbuild, run for one livepatch and one kernel.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::project::Target;
use super::tree::Tree;

/// What make and compilers get of the environment: where programs and temporary files are, and what ccache
/// reads.
const ENVIRONMENT: [&str; 4] = ["PATH", "HOME", "TMPDIR", "CCACHE_DIR"];

/// The variable of kbuild that has flags for modules.
const FLAGS: &str = "CFLAGS_MODULE=";

/// Has kbuild build a livepatch; whether it did. All that is printed goes into the log.
///
/// # Errors
/// The log cannot be written, or there is no make.
pub(super) fn build(target: &Target, tree: &Tree, log: &Path, jobs: usize) -> io::Result<bool> {
    let log = File::create(log)?;
    let mut make = Command::new("make");
    make.env_clear().env("LC_ALL", "C");
    for name in ENVIRONMENT {
        if let Some(value) = std::env::var_os(name) {
            make.env(name, value);
        }
    }
    make.args(arguments(target, tree, jobs));
    make.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(make.status()?.success())
}

/// What make is called with. Paths of the tree do not get into modules.
fn arguments(target: &Target, tree: &Tree, jobs: usize) -> Vec<String> {
    let root = tree.root().display();
    let given = target.make.iter().filter_map(|word| word.strip_prefix(FLAGS));
    let given: Vec<_> = given.map(|flags| format!(" {flags}")).collect();
    let others = target.make.iter().filter(|word| !word.starts_with(FLAGS)).cloned();
    let own = [
        format!("-j{jobs}"),
        "-C".into(),
        target.kernel.folder.display().to_string(),
        format!("M={}", tree.folder().display()),
        format!(
            "{FLAGS}-I{} -ffile-prefix-map={root}/={}",
            tree.include().display(),
            given.concat()
        ),
        // What modpost misses is what a conversion finds, or refuses.
        "KBUILD_MODPOST_WARN=1".into(),
        "modules".into(),
    ];
    own.into_iter().chain(others).collect()
}

/// The line of a log that says why kbuild has failed.
pub(in crate::cli) fn reason(log: &str) -> Option<String> {
    let is_compilers = |line: &&str| line.contains("error:") || line.starts_with("ERROR:");
    let is_makes = |line: &&str| line.contains("*** ");
    let line = log.lines().find(is_compilers).or_else(|| log.lines().find(is_makes));
    line.or_else(|| log.lines().last()).map(|line| line.trim().to_owned())
}

/// Whether a compiler has refused the source, as it will again.
pub(super) fn is_refused_source(log: &str) -> bool {
    let is_location = |text: &str| text.rsplit(':').take(2).all(|part| part.parse::<u32>().is_ok());
    let refused =
        log.lines().any(|line| line.split_once(": error: ").is_some_and(|(at, _)| is_location(at)));
    refused && !log.contains("No space left on device") && !log.contains("Killed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_own_line_is_the_reason() {
        let log = "make: Entering directory '/k'\n  CC [M]  lp.o\nlp.c:7:2: error: unknown type name 'x'\n\
                   make[2]: *** [scripts/Makefile.build:255: lp.o] Error 1\nmake: Leaving directory '/k'\n";
        assert_eq!(reason(log).unwrap(), "lp.c:7:2: error: unknown type name 'x'");
        assert!(is_refused_source(log));
        let log = "make[2]: *** No rule to make target 'lp.o', needed by 'lp.mod'.  Stop.\nmake: *** [Makefile] Error 2\n";
        assert!(reason(log).unwrap().contains("No rule to make target 'lp.o'"));
        assert!(!is_refused_source(log));
    }

    #[test]
    fn what_may_go_well_the_next_time_is_not_the_sources_fault() {
        for log in [
            "/bin/sh: 1: s390x-linux-gnu-gcc: not found\n",
            "gcc: fatal error: Killed signal terminated program cc1\n",
            "lp.c:7:2: error: writing to lp.s: No space left on device\n",
            "",
        ] {
            assert!(!is_refused_source(log), "{log}");
        }
    }
}
