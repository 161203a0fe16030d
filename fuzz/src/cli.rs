//! Command lines generated from the bytes, run in this process in a folder of their own: an exit code of 0, 1
//! or 2; after an error every file is as it was; afterwards there are only the outputs, whole.
#![allow(clippy::unwrap_used, reason = "the folder is made here, a surprise stops the run")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use klp_convert::cli::run_with;
use klp_convert::symbols::map::build;
use klp_convert::symbols::{ModuleFile, Scope, Sources, Symvers, Vmlinux};

/// The most words of a command line.
const COUNT: usize = 24;

/// The words; those with a slash at the start are files of the folder. Seeds are numbers of words: new ones
/// go to the end.
pub const WORDS: [&str; 107] = [
    // Commands.
    "convert",
    "check",
    "load",
    "inspect",
    "symbols",
    "build",
    "lookup",
    "export",
    "info",
    "diff",
    "explain",
    "relocs",
    "kbuild",
    "annotate",
    "completions",
    "man",
    "demo",
    "help",
    "bash",
    // Options.
    "-s",
    "--symbols",
    "--kernel",
    "--image",
    "--vmlinux",
    "--module",
    "--symvers",
    "--system-map",
    "--kallsyms",
    "--allow-stale-map",
    "-o",
    "--output",
    "--in-place",
    "--dry-run",
    "--max-unpacked",
    "--object",
    "--allow-undeclared-dependency",
    "--keep-module-exports",
    "--strip-signature",
    "--target-kernel",
    "--no-check",
    "--all",
    "-v",
    "--verbose",
    "-q",
    "--format",
    "json",
    "text",
    "--place",
    "--gate",
    "--as",
    "klp",
    "kallsyms",
    "--for",
    "--errors",
    "--kernel-source",
    "--keep-going",
    "--help",
    "--version",
    "--color",
    "never",
    "--",
    "-",
    // Values.
    "vmlinux",
    "klp_target_a",
    "klp_target_b",
    "set_is_seen",
    "set_root",
    "no_such_name",
    "7.2",
    "6.1.0-50",
    "1",
    "0",
    "256",
    "x86_64",
    "s390x",
    "vax",
    "KLP-E0101",
    "E0204",
    "text=0xffffffffc0000000",
    "text=nothing",
    "",
    "a,b",
    "klp_target_a_show",
    "\u{1b}[2K",
    // Files.
    "/module.ko",
    "/cross.ko",
    "/selector.ko",
    "/homonym.ko",
    "/other.ko",
    "/target.ko",
    "/target_b.ko",
    "/converted.ko",
    "/list",
    "/map",
    "/map.s390x",
    "/vmlinux",
    "/Module.symvers",
    "/System.map",
    "/proc-kallsyms",
    "/noise",
    "/empty",
    "/log",
    "/tree",
    "/absent",
    "/out",
    "/out/deeper",
    "/read-only",
];

/// A file of the tests, in the program: where a fuzzer runs there is no repository.
macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/", $name)).as_slice()
    };
}

/// The folder, and what is in it.
struct Place {
    folder: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

static PLACE: LazyLock<Mutex<Place>> = LazyLock::new(|| Mutex::new(Place::new()));

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner);
    let root = place.folder.as_path();
    let (words, outputs) = words(root, data);
    let code = run_with(&words);
    let (before, after) = (&place.files, files(root));
    let mut changed: Vec<_> = after
        .iter()
        .filter(|(path, bytes)| before.get(*path) != Some(bytes))
        .map(|(path, _)| path.clone())
        .collect();
    changed.extend(before.keys().filter(|path| !after.contains_key(*path)).cloned());
    let unexpected = changed
        .iter()
        .find(|path| code != 0 || !outputs.iter().any(|output| path.starts_with(output)));
    let unexpected = unexpected.cloned();
    if !changed.is_empty() {
        restore(root, before);
    }
    assert!(code <= 2, "{words:?}: exit code {code}");
    assert!(unexpected.is_none(), "{words:?}: exit code {code}, and {unexpected:?} is written");
}

/// A command line, and the files that it may write.
fn words(root: &Path, data: &[u8]) -> (Vec<OsString>, Vec<PathBuf>) {
    let mut words = vec![OsString::from("klp-convert")];
    let (mut outputs, mut is_output) = (Vec::new(), false);
    let below = |word: &str| root.join(word.trim_start_matches('/'));
    // A historical call has nothing but files, the last of which is written.
    let known = |byte: u8| WORDS.get(usize::from(byte)).copied();
    let historical =
        data.first().and_then(|&byte| known(byte)).is_none_or(|word| word.starts_with('/'));
    for word in data.iter().take(COUNT).filter_map(|&byte| known(byte)) {
        let file = word.starts_with('/') || is_output || historical && !word.starts_with('-');
        let full = if file { below(word).into_os_string() } else { word.into() };
        if is_output || historical {
            outputs.push(PathBuf::from(&full));
        }
        is_output = matches!(word, "-o" | "--output");
        words.push(full);
    }
    if words.iter().any(|word| word == "--in-place") {
        outputs.extend(
            words.iter().filter(|word| Path::new(word).starts_with(root)).map(PathBuf::from),
        );
    }
    (words, outputs)
}

/// Every file below the folder; folders without files are not of interest.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                files.insert(entry.path(), fs::read(entry.path()).unwrap_or_default());
            }
        }
    }
    files
}

/// Makes the folder what it was.
fn restore(root: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    }
    files.iter().for_each(|(path, bytes)| crate::folder::write(path, bytes));
}

impl Place {
    fn new() -> Self {
        let folder = crate::folder::of_this_process();
        let root = folder.as_path();
        let write = |name: &str, contents: &[u8]| crate::folder::write(&root.join(name), contents);
        for (name, contents) in [
            ("module.ko", fixture!("x86_64/lp_module_symbols.ko")),
            ("cross.ko", fixture!("x86_64/lp_cross_module.ko")),
            ("selector.ko", fixture!("x86_64/lp_selector_file.ko")),
            ("homonym.ko", fixture!("x86_64/lp_homonym_unannotated.ko")),
            ("other.ko", fixture!("s390x/lp_homonyms_annotated.ko")),
            ("target.ko", fixture!("x86_64/klp_target_a.ko")),
            ("target_b.ko", fixture!("x86_64/klp_target_b.ko")),
            ("list", fixture!("x86_64/symbols.klp")),
            ("vmlinux", fixture!("x86_64/vmlinux.cut")),
            ("Module.symvers", fixture!("x86_64/Module.symvers")),
            ("tree/lib/modules/1/kernel/klp_target_a.ko", fixture!("x86_64/klp_target_a.ko")),
            ("tree/lib/modules/1/vmlinux", fixture!("x86_64/vmlinux.cut")),
        ] {
            write(name, contents);
        }
        write(
            "map",
            &map(&Files {
                vmlinux: fixture!("x86_64/vmlinux.cut"),
                modules: [fixture!("x86_64/klp_target_a.ko"), fixture!("x86_64/klp_target_b.ko")],
                symvers: fixture!("x86_64/Module.symvers"),
            }),
        );
        write(
            "map.s390x",
            &map(&Files {
                vmlinux: fixture!("s390x/vmlinux.cut"),
                modules: [fixture!("s390x/klp_target_a.ko"), fixture!("s390x/klp_target_b.ko")],
                symvers: fixture!("s390x/Module.symvers"),
            }),
        );
        write(
            "System.map",
            b"ffffffff81000000 T _text\nffffffff81001000 t set_root\nffffffff81002000 t set_root\n",
        );
        write(
            "proc-kallsyms",
            b"ffffffff81000000 T _text\nffffffffc0000000 t klp_target_a_show\t[klp_target_a]\n",
        );
        write("noise", &(0..=255).collect::<Vec<u8>>());
        write("empty", b"");
        write("log", b"ERROR: modpost: \"set_root\" [/module.ko] undefined!\n");
        write("read-only", b"kept");
        let converted = root.join("converted.ko");
        let words = ["klp-convert", "convert", "-q", "-s"].map(OsString::from).into_iter();
        let paths = ["map", "module.ko"].map(|name| root.join(name).into_os_string());
        let words: Vec<_> =
            words.chain(paths).chain(["-o".into(), converted.into_os_string()]).collect();
        assert_eq!(run_with(&words), 0);
        let files = files(root);
        Self { folder, files }
    }
}

/// The sources of a map.
struct Files {
    vmlinux: &'static [u8],
    modules: [&'static [u8]; 2],
    symvers: &'static [u8],
}

/// The map of a kernel.
fn map(files: &Files) -> Vec<u8> {
    let folder = crate::folder::new();
    let place = |name: &str, contents: &[u8]| {
        let path = folder.path().join(name);
        crate::folder::write(&path, contents);
        path
    };
    let [first, second] = files.modules;
    let mut sources = Sources::new();
    sources.push(Vmlinux::new(place("vmlinux.cut", files.vmlinux)));
    sources.push(ModuleFile::new(place("klp_target_a.ko", first)));
    sources.push(ModuleFile::new(place("klp_target_b.ko", second)));
    sources.push(Symvers::new(place("Module.symvers", files.symvers)));
    let (merged, _) = sources.gather(Scope::All, |_, _| ());
    build(&merged).unwrap()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    /// Set in a process whose output is of no interest.
    const INSIDE: &str = "KLP_FUZZ_CLI";

    #[test]
    fn the_property_holds_for_every_seed() {
        if std::env::var_os(INSIDE).is_some() {
            return crate::replay("cli", super::run);
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = "cli::tests::the_property_holds_for_every_seed";
        let output =
            command.args([name, "--exact", "--nocapture"]).env(INSIDE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}", &said[said.len().saturating_sub(2000)..]);
    }
}
