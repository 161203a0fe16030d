//! `klp-convert build` with real kernels: the samples for each, twice, by plans, and as a page.
//!
//! `KLP_KBUILD` names the build trees, a line each: `MACHINE DIRECTORY`. Needs ninja and Chromium, and
//! `KLP_SCHEMAS`: a folder of programs that validate plans, as `.ci/schemas` makes it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_klp-convert");

/// A sample in which something is wrong.
const BROKEN: &str = "klp_broken";

/// The samples and a broken one, for all kernels, in a path with spaces.
struct Project {
    folder: TempDir,
    /// Names of the kernels.
    targets: Vec<String>,
    livepatches: Vec<String>,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("our patches ").tempdir().unwrap();
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("kbuild/samples");
        let mut livepatches = Vec::new();
        for sample in fs::read_dir(samples).unwrap().map(|entry| entry.unwrap().path()) {
            if sample.join("Kbuild").exists() {
                livepatches.push(sample.file_name().unwrap().to_str().unwrap().to_owned());
                copy(&sample, &folder.path().join("patches").join(sample.file_name().unwrap()));
            }
        }
        let broken = folder.path().join("patches").join(BROKEN);
        copy(&folder.path().join("patches/klp_inferred"), &broken);
        let source = fs::read_to_string(broken.join("klp_inferred.c")).unwrap();
        let wrong = source.replace("saved_command_line", "saved_comand_line");
        assert_ne!(wrong, source);
        fs::write(broken.join("klp_inferred.c"), wrong).unwrap();
        livepatches.push(BROKEN.into());
        livepatches.sort();
        let (mut toml, mut targets) = ("patches = [\"patches/*\"]\n".to_owned(), Vec::new());
        let trees = std::env::var("KLP_KBUILD").expect("KLP_KBUILD: see the top of this file");
        for (index, tree) in trees.lines().enumerate() {
            let (machine, kernel) = tree.split_once(' ').unwrap();
            let name = format!("{machine}-{index}");
            let target = format!("name = {name:?}\nmachine = {machine:?}\nkernel = {kernel:?}\n");
            toml += &format!("\n[[target]]\n{target}");
            targets.push(name);
        }
        toml +=
            "\n[plan]\nimage = \"registry.example.org/klp-convert:1\"\nclaim = \"livepatches\"\n";
        fs::write(folder.path().join("klp.toml"), toml).unwrap();
        Self { folder, targets, livepatches }
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    fn build(&self, words: &[&str]) -> Output {
        self.command(PROGRAM, "cache").arg("build").args(words).output().unwrap()
    }

    /// A program in the project's folder, which finds klp-convert.
    fn command(&self, program: impl AsRef<OsStr>, cache: &str) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap();
        let converter = Path::new(PROGRAM).parent().unwrap().display();
        command.current_dir(self.path("")).env("PATH", format!("{converter}:{path}"));
        command.env("XDG_CACHE_HOME", self.path(cache)).env("NO_COLOR", "1");
        command
    }

    /// The report of the last build.
    fn report(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("klp/report.json")).unwrap()).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The modules below a folder, by their paths.
fn modules(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some(OsStr::new("ko")) {
                all.push((path.strip_prefix(folder).unwrap().into(), fs::read(path).unwrap()));
            }
        }
    }
    all.sort();
    all
}

#[test]
#[ignore = "needs kernels, ninja, Chromium and validators"]
fn the_samples_for_all_kernels() {
    let project = Project::new();
    let first = project.build(&[]);
    let said = text(&first.stdout) + &text(&first.stderr);
    assert_eq!(first.status.code(), Some(1), "one is broken: {said}");
    for livepatch in &project.livepatches {
        for target in &project.targets {
            let report = project.report();
            let cells = report["cells"].as_array().unwrap();
            let is = |cell: &&Value| cell["patch"] == **livepatch && cell["target"] == **target;
            let cell = cells.iter().find(is).unwrap();
            let end = if livepatch == BROKEN { "refused" } else { "ok" };
            assert_eq!(cell["end"], end, "{livepatch} for {target}: {cell}");
        }
    }
    let reason = "'saved_comand_line' is not found";
    assert!(text(&first.stdout).contains(reason), "{said}");
    let made = modules(&project.path("klp"));
    assert!(made.len() >= (project.livepatches.len() - 1) * project.targets.len());

    let again = project.build(&[]);
    assert_eq!((again.status.code(), &again.stdout), (Some(1), &first.stdout));
    assert!(!text(&again.stderr).contains(" to build"), "{}", text(&again.stderr));

    // One changed source is one row.
    let source = project.path("patches/klp_inferred/klp_inferred.c");
    let changed = fs::read_to_string(&source).unwrap() + "\n/* another */\n";
    fs::write(&source, changed).unwrap();
    let row = text(&project.build(&[]).stderr);
    let count = project.targets.len();
    assert!(row.contains(&format!("{count} to build")), "{row}");
    let built = row.lines().filter(|line| line.starts_with("klp_inferred for ")).count();
    assert_eq!(built, count, "{row}");

    by_ninja_and_array(&project);
    plans_fit_their_schemas(&project);
    the_page_has_everything(&project);
}

/// Elsewhere, with nothing kept: the same modules.
fn by_ninja_and_array(project: &Project) {
    let target = project.targets.first().unwrap().as_str();
    let direct: Vec<_> = modules(&project.path("klp").join(target));
    let all = ["--target", target, "-o"];
    let plan = project.build(&[&all[..], &["by ninja", "--plan", "ninja"]].concat());
    fs::write(project.path("build.ninja"), plan.stdout).unwrap();
    let ninja = project.command("ninja", "other cache").args(["-k", "0"]).output().expect("ninja");
    assert!(!ninja.status.success(), "one is broken");
    assert_eq!(modules(&project.path("by ninja").join(target)), direct, "{}", text(&ninja.stdout));

    let plan = project.build(&[&all[..], &["by array", "--plan", "slurm"]].concat());
    fs::write(project.path("array"), plan.stdout).unwrap();
    for index in 0..project.livepatches.len() {
        let mut task = project.command("sh", "third cache");
        let task =
            task.arg("array").env("SLURM_ARRAY_TASK_ID", index.to_string()).output().unwrap();
        let broken = project.livepatches[index] == BROKEN;
        assert_eq!(task.status.success(), !broken, "{index}: {}", text(&task.stderr));
    }
    assert_eq!(modules(&project.path("by array").join(target)), direct);
    let merged = project.build(&[&all[..], &["merged", "--merge", "by array"]].concat());
    assert!(text(&merged.stdout).contains("1 refused"), "{}", text(&merged.stderr));
    assert_eq!(modules(&project.path("merged").join(target)), direct);
}

fn plans_fit_their_schemas(project: &Project) {
    let programs = std::env::var("KLP_SCHEMAS").expect("KLP_SCHEMAS: see the top of this file");
    let validate = |form: &str, program: &str, words: &[&str]| {
        let plan = project.build(&["--plan", form]);
        assert!(plan.status.success(), "{}", text(&plan.stderr));
        let file = project.path(format!("{form}.yml"));
        fs::write(&file, plan.stdout).unwrap();
        let mut validator = Command::new(Path::new(&programs).join(program));
        let output = validator.args(words).arg(file).output().unwrap();
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success(), "{form}: {said}");
    };
    validate("github", "check-jsonschema", &["--builtin-schema", "vendor.github-workflows"]);
    validate("gitlab", "check-jsonschema", &["--builtin-schema", "vendor.gitlab-ci"]);
    validate("kubernetes", "kubernetes-validate", &["--strict"]);
}

/// As a browser shows it, which may load nothing.
fn the_page_has_everything(project: &Project) {
    let page = format!("file://{}", project.path("klp/report.html").display()).replace(' ', "%20");
    let browser = |words: &[&str]| {
        let mut chromium = Command::new("chromium");
        chromium.args(["--headless", "--no-sandbox", "--disable-gpu"]).args(words);
        chromium.env("HOME", project.path("")).output().expect("Chromium")
    };
    let refuse = "--host-resolver-rules=MAP * ~NOTFOUND";
    let dom = text(&browser(&[refuse, "--dump-dom", &page]).stdout);
    for name in project.livepatches.iter().chain(&project.targets) {
        assert!(dom.contains(name), "{name}");
    }
    let cells = project.livepatches.len() * project.targets.len();
    assert_eq!(dom.matches("<section class=\"cell\"").count(), cells);
    assert!(dom.contains("'saved_comand_line' is not found") && dom.contains("R_390_"));
    let picture = project.path("page.png");
    let shot = format!("--screenshot={}", picture.display());
    browser(&[refuse, "--window-size=1400,900", &shot, &format!("{page}#c0")]);
    assert!(fs::metadata(picture).unwrap().len() > 10_000, "an empty page");
}
