//! What the documents for authors tell to type: every block of commands is executed.
//!
//! A block fenced as `sh` is executed, all of a document in one shell and one folder. A block fenced as
//! `console` is a transcript that cannot be executed here; each is listed with the reason. `KLP_KBUILD` names
//! build trees of kernels as in `tests/kbuild`; the tutorial boots one for each machine.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
const PROGRAM: &str = env!("CARGO_BIN_EXE_klp-convert");

const GUIDE: &str = "docs/guide.md";
const TUTORIAL: &str = "docs/tutorial.md";
const COMING_FROM: &str = "docs/coming-from.md";
const DOCUMENTS: [&str; 3] = [GUIDE, TUTORIAL, COMING_FROM];

/// Blocks that are not executed: document, first line, reason.
const NOT_EXECUTED: [(&str, &str, &str); 9] = [
    (
        GUIDE,
        "$ klp-convert match --image /boot/vmlinuz-$RELEASE --tree linux-source-6.1 fs/dcache.c kernel/fork.c",
        "compiles in a kernel's tree, which other tests use; tests/run_pre/changes does so in a copy",
    ),
    (
        GUIDE,
        "$ klp-convert match --module jbd2.ko fs/jbd2/*.o",
        "needs a kernel's objects; tests/run_pre/distribution compares these",
    ),
    (
        GUIDE,
        "$ patch -p1 <kbuild/linux-7.2.patch",
        "builds a kernel; tests/intree.rs patches and builds one",
    ),
    (
        GUIDE,
        "$ make -j8 KBUILD_MODPOST_WARN=1",
        "builds a kernel; tests/intree.rs converts what one has built",
    ),
    (
        GUIDE,
        "$ klp-convert symbols lookup --image vmlinuz-7.2.13 set_is_seen",
        "needs a boot image; tests/images.rs looks names up in such",
    ),
    (
        GUIDE,
        "$ klp-convert symbols diff maps/7.2.12.map maps/7.2.13.map --for lp.ko",
        "needs two kernels; tests/it/changed.rs compares such",
    ),
    (
        TUTORIAL,
        "# apt-get install gcc make binutils flex bison bc libelf-dev libssl-dev xz-utils cpio",
        "changes the machine; CI has installed the packages (.ci/packages)",
    ),
    (
        TUTORIAL,
        "# apt-get install gcc make linux-image-amd64 linux-headers-amd64",
        "changes the machine, and patches its kernel",
    ),
    (TUTORIAL, "# echo 0 >/sys/kernel/livepatch/lp/enabled", "changes the machine's kernel"),
];
/// Languages of blocks that have no commands.
const NO_COMMANDS: [&str; 4] = ["c", "make", "text", "toml"];

/// A fenced block of a document.
#[derive(Debug)]
struct Block {
    /// Of the fence, from 1.
    line: usize,
    language: String,
    text: String,
}

impl Block {
    fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut blocks, mut open) = (Vec::<Block>::new(), false);
    for (number, line) in (1..).zip(text.lines()) {
        match line.strip_prefix("```") {
            Some(_) if open => open = false,
            Some(language) => {
                open = true;
                blocks.push(Block {
                    line: number,
                    language: language.to_owned(),
                    text: String::new(),
                });
            }
            None if open => writeln!(blocks.last_mut().unwrap().text, "{line}").unwrap(),
            None => {}
        }
    }
    assert!(!open, "the last block has no end");
    blocks
}

fn read(document: &str) -> Vec<Block> {
    blocks(&fs::read_to_string(Path::new(REPOSITORY).join(document)).unwrap())
}

/// A script that executes the blocks, and says on stderr where it is.
fn script(blocks: &[Block]) -> String {
    let mut script = String::from("set -eu -o pipefail\n");
    for block in blocks.iter().filter(|block| block.language == "sh") {
        writeln!(script, "echo '@ line {}' >&2\n{}", block.line, block.text).unwrap();
    }
    script
}

/// The build tree of this machine.
fn tree(machine: &str) -> PathBuf {
    let trees = trees();
    let found = trees.iter().find(|(name, _)| name == machine);
    found.unwrap_or_else(|| panic!("KLP_KBUILD has no {machine}")).1.clone()
}

fn trees() -> Vec<(String, PathBuf)> {
    let Ok(trees) = std::env::var("KLP_KBUILD") else {
        panic!("KLP_KBUILD is not set; see the top of this file");
    };
    let tree = |line: &str| {
        let (machine, path) = line.split_once(' ').unwrap();
        (machine.to_owned(), path.into())
    };
    trees.lines().map(tree).collect()
}

/// Executes a document's blocks in a folder.
fn execute(document: &str, folder: &Path, set: &[(&str, &str)]) {
    execute_text(document, &script(&read(document)), folder, set);
}

fn execute_text(document: &str, script: &str, folder: &Path, set: &[(&str, &str)]) {
    let path = std::env::var("PATH").unwrap();
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let output = Command::new("bash")
        .args(["-c", script])
        .current_dir(folder)
        .env_remove("MAKEFLAGS")
        .env("PATH", format!("{programs}:{path}"))
        .env("REPO", REPOSITORY)
        .envs(set.iter().copied())
        .output()
        .unwrap();
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{document} {set:?}:\n{}\n{}", said[0], said[1]);
}

/// A folder with `lp.c` and its Kbuild, what they build, and a livepatch that is annotated by name.
fn author(kernel: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    let copy = |from: &str, to: &str| {
        fs::copy(Path::new(REPOSITORY).join(from), folder.path().join(to)).unwrap();
    };
    copy("kbuild/samples/klp_inferred/klp_inferred.c", "lp.c");
    copy("tests/fixtures/x86_64/lp_vmlinux_annotated_name.ko", "named.ko");
    fs::write(folder.path().join("Kbuild"), "obj-m := lp.o\n").unwrap();
    let kernel = kernel.display().to_string();
    let make = "make -s -C $KDIR M=$PWD KBUILD_MODPOST_WARN=1 modules";
    execute_text("the author's folder", make, folder.path(), &[("KDIR", &kernel)]);
    folder
}

#[test]
fn every_block_of_commands_is_executed_or_listed_with_a_reason() {
    let mut listed = BTreeSet::new();
    for document in DOCUMENTS {
        for block in read(document) {
            let (line, first) = (block.line, block.first_line());
            let is_listed = NOT_EXECUTED.iter().any(|(of, begins, reason)| {
                (*of, *begins) == (document, first) && !reason.is_empty()
            });
            match &*block.language {
                "sh" => assert!(!is_listed, "{document}:{line}: it is executed"),
                "console" => {
                    assert!(is_listed, "{document}:{line}: '{first}' is neither sh nor listed");
                    listed.insert((document, first.to_owned()));
                }
                language => {
                    assert!(NO_COMMANDS.contains(&language), "{document}:{line}: '{language}'");
                    let typed = block.text.lines().find(|line| line.starts_with("$ "));
                    assert_eq!(typed, None, "{document}:{line}: what is typed is console or sh");
                }
            }
        }
    }
    assert_eq!(listed.len(), NOT_EXECUTED.len(), "only {listed:?} are left of those listed");
}

#[test]
fn a_block_that_fails_is_noticed_wherever_it_is() {
    let folder = TempDir::new().unwrap();
    let runs = |text: &str| {
        let script = script(&blocks(text));
        let run = || execute_text("a document", &script, folder.path(), &[]);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_ok()
    };
    assert!(runs("```sh\nx=1\n```\ntext\n```sh\ntest $x = 1\n```\n"), "one shell for all");
    assert!(runs("```console\n# false\n```\n```text\nfalse\n```\n"));
    for fails in ["false", "false | cat", "echo $no_such_variable"] {
        assert!(!runs(&format!("```sh\n{fails}\n```\n```sh\ntrue\n```\n")), "{fails}");
    }
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn the_guides_commands_do_what_it_says() {
    let kernel = tree("x86_64");
    let release = fs::read_to_string(kernel.join("include/config/kernel.release")).unwrap();
    let release = release.trim();
    let folder = author(&kernel);
    let path = |name: &str| folder.path().join(name);
    // A kernel that is installed, and a build for it.
    let installed = format!("lib/modules/{release}");
    fs::create_dir_all(path(&installed).join("kernel")).unwrap();
    fs::copy(kernel.join("arch/x86/boot/bzImage"), path(&installed).join("vmlinuz")).unwrap();
    let module = Path::new(REPOSITORY).join("tests/fixtures/x86_64/klp_target_b.ko");
    fs::copy(module, path(&installed).join("kernel/klp_target_b.ko")).unwrap();
    let script = script(&read(GUIDE)).replace(" /lib/modules/", " lib/modules/");
    let kernel = kernel.display().to_string();
    execute_text(GUIDE, &script, folder.path(), &[("KDIR", &kernel), ("RELEASE", release)]);
    for made in ["out/lp.ko", &format!("maps/{release}.map"), &format!("lp/klp/{release}/lp.ko")] {
        assert!(path(made).is_file(), "{made}");
    }
}

#[test]
#[ignore = "needs kernels' build trees; .ci/run makes and names them"]
fn calls_of_other_tools_work_as_written() {
    let kernel = tree("x86_64");
    let folder = author(&kernel);
    execute(COMING_FROM, folder.path(), &[("KDIR", &kernel.display().to_string())]);
    for made in ["symbols.klp", "out/lp.ko", "out/named.ko"] {
        assert!(folder.path().join(made).is_file(), "{made}");
    }
}

#[test]
#[ignore = "boots a kernel for each machine; .ci/run names them"]
fn the_tutorial_ends_with_a_patched_kernel_on_each_machine() {
    let machines: BTreeSet<_> = trees().into_iter().map(|(machine, _)| machine).collect();
    for machine in machines {
        let folder = TempDir::new().unwrap();
        execute(TUTORIAL, folder.path(), &[("MACHINE", &machine)]);
        let said = fs::read_to_string(folder.path().join("console.txt")).unwrap();
        let lines: Vec<_> = said.lines().map(str::trim_end).collect();
        let at = lines.iter().position(|line| line.ends_with(" (livepatched)"));
        let at = at.unwrap_or_else(|| panic!("{machine}: {said}"));
        let plain = lines[at].trim_end_matches(" (livepatched)");
        // What the firmware has printed may have no end of line.
        let has = |lines: &[&str]| lines.iter().any(|line| line.ends_with(plain));
        assert!(has(&lines[..at]), "{machine}, before: {said}");
        assert!(has(&lines[at + 1..]), "{machine}, after: {said}");
    }
}

/// What benches/history.jsonl has is what docs/performance.html shows, in a browser that may load nothing.
#[test]
#[ignore = "needs Chromium; .ci/packages installs it"]
fn the_page_of_performance_shows_its_history() {
    let folder = TempDir::new().unwrap();
    let (drawn, picture) = (folder.path().join("page.html"), folder.path().join("page.png"));
    let [history, committed] = ["benches/history.jsonl", "docs/performance.html"]
        .map(|file| Path::new(REPOSITORY).join(file));
    let mut command = Command::new(PROGRAM);
    command.arg("stats").arg("--history").arg(&history).arg("--page").arg(&drawn);
    assert!(command.status().unwrap().success());
    let same = fs::read(&drawn).unwrap() == fs::read(&committed).unwrap();
    assert!(same, "klp-convert stats --history benches/history.jsonl --page docs/performance.html");

    let browser = |words: &[String]| {
        let mut chromium = Command::new("chromium");
        chromium.args(["--headless", "--no-sandbox", "--disable-gpu"]);
        chromium.arg("--host-resolver-rules=MAP * ~NOTFOUND").args(words);
        chromium.env("HOME", folder.path()).output().expect("Chromium")
    };
    let page = format!("file://{}", drawn.display());
    let dom = browser(&["--dump-dom".to_owned(), page.clone()]).stdout;
    let dom = String::from_utf8(dom).unwrap();
    let text = fs::read_to_string(history).unwrap();
    let (mut figures, mut points) = (BTreeSet::new(), 0);
    for line in text.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let [label, name] = ["label", "name"].map(|key| entry[key].as_str().unwrap().to_owned());
        for (figure, value) in entry["figures"].as_object().unwrap() {
            assert!(dom.contains(&format!("<title>{name}, {label}: {value}</title>")), "{line}");
            figures.insert(figure.clone());
            points += 1;
        }
    }
    assert_eq!(dom.matches("<circle").count(), points);
    assert_eq!(dom.matches("<figure>").count(), figures.len());
    for figure in &figures {
        assert!(dom.contains(&format!("<figcaption>{figure}</figcaption>")), "{figure}");
    }
    assert!(points > 0 && !dom.contains("http"), "it asks for something");
    browser(&[
        "--window-size=1400,900".into(),
        format!("--screenshot={}", picture.display()),
        page,
    ]);
    assert!(fs::metadata(picture).unwrap().len() > 10_000, "an empty page");
}
