//! Single files of a kernel's source, compiled by its own kbuild in a tree that is prepared or built.
//!
//! Before anything is compiled, what the boot image says of its release, compiler and configuration is compared with the
//! tree: another one would make other code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::build::kbuild_run::reason;
use super::build::kernel::Kernel;
use super::object_files::plain;
use crate::diagnostic::{Code, Diagnose, Diagnostic};
use crate::path_text::path_text;
use crate::run_pre::ShippedKernel;
use crate::threads;

/// Options whose values are those of a tree and its compiler, and say nothing about code.
const OF_THE_TREE: [&str; 4] = [
    "CONFIG_CC_VERSION_TEXT",
    "CONFIG_BUILD_SALT",
    "CONFIG_SYSTEM_TRUSTED_KEYS",
    "CONFIG_MODULE_SIG_KEY",
];
/// Options that are named.
const NAMED: usize = 5;

/// Why a tree is not that of a kernel.
#[derive(Debug, thiserror::Error)]
enum OtherTree {
    #[error("is configured for {tree}, which did not build the kernel: {banner}")]
    Compiler { tree: String, banner: String },
    #[error("is of release {tree}, the kernel is {banner}")]
    Release { tree: String, banner: String },
    #[error("has another configuration than the kernel: {0}")]
    Configuration(String),
}

impl Diagnose for OtherTree {
    fn code(&self) -> Code {
        match self {
            Self::Compiler { .. } => Code::OtherCompiler,
            Self::Release { .. } => Code::OtherRelease,
            Self::Configuration(_) => Code::OtherConfiguration,
        }
    }

    fn help(&self) -> Vec<String> {
        vec![match self {
            Self::Compiler { .. } => {
                "install that compiler, and prepare the tree with CC= its name: make CC=... olddefconfig prepare"
            }
            Self::Release { .. } => "give the source of the kernel that the image is of",
            Self::Configuration(_) => {
                "copy the kernel's configuration to .config in the tree; then make olddefconfig prepare"
            }
        }
        .to_owned()]
    }
}

/// A folder is not a tree in which single files can be compiled.
#[derive(Debug, thiserror::Error)]
#[error("is not a prepared tree of a kernel's source: {0}")]
struct NotPrepared(String);

impl Diagnose for NotPrepared {
    fn code(&self) -> Code {
        Code::NotCompiled
    }

    fn help(&self) -> Vec<String> {
        vec![
            "copy the kernel's configuration to .config there; then make olddefconfig prepare"
                .to_owned(),
        ]
    }
}

/// Compiles files of a tree; returns their objects. `variables`: further ones for make.
///
/// # Errors
/// The tree is not prepared, or not the kernel's; or kbuild fails.
pub(super) fn compile(
    kernel: &ShippedKernel,
    tree: &Path,
    files: &[PathBuf],
    variables: &[String],
) -> Result<Vec<PathBuf>, Diagnostic> {
    let shown = path_text(tree);
    let prepared = Kernel::of(tree)
        .map_err(|error| Diagnostic::error(&shown, &NotPrepared(error.to_string())))?;
    if let Some(other) = other(kernel, &prepared) {
        return Err(Diagnostic::error(&shown, &other));
    }
    let objects: Vec<PathBuf> = files.iter().map(|file| file.with_extension("o")).collect();
    let mut make = Command::new("make");
    make.arg("-s").arg("-C").arg(&prepared.folder).arg(format!("-j{}", threads::count()));
    make.arg(format!("ARCH={}", prepared.arch));
    make.args(prepared.compiler_prefix().map(|prefix| format!("CROSS_COMPILE={prefix}")));
    match prepared.compiler.split(' ').next() {
        _ if prepared.is_of_clang() => drop(make.arg("LLVM=1")),
        Some(program) if !program.is_empty() => drop(make.arg(format!("CC={program}"))),
        _ => {}
    }
    make.args(variables).args(&objects);
    make.env("LC_ALL", "C").env_remove("MAKEFLAGS").stdin(Stdio::null());
    let output = make
        .output()
        .map_err(|error| plain(Code::Read, Path::new("make"), format!("cannot be run: {error}")))?;
    if !output.status.success() {
        let log = [output.stdout, output.stderr].concat();
        let log = String::from_utf8_lossy(&log);
        let why = reason(&log).unwrap_or_else(|| "make has failed".to_owned());
        return Err(plain(Code::NotCompiled, tree, why));
    }
    Ok(objects.into_iter().map(|object| tree.join(object)).collect())
}

/// What differs between a tree and a kernel, as far as the image says.
fn other(kernel: &ShippedKernel, tree: &Kernel) -> Option<OtherTree> {
    let banner = kernel.banner().unwrap_or_default();
    // The name under which it was called may differ.
    let version = tree.compiler.split_once(' ').map_or("", |(_, version)| version);
    if !banner.is_empty() && !version.is_empty() && !banner.contains(version) {
        let (tree, banner) = (tree.compiler.clone(), banner.to_owned());
        return Some(OtherTree::Compiler { tree, banner });
    }
    // Debian's source says 6.1.176, its kernel `6.1.0-50-amd64 ... Debian 6.1.176-1`.
    let words = || banner.split(|c: char| c.is_whitespace() || c == '-');
    let is_release = banner.split_whitespace().any(|word| word == tree.release)
        || words().any(|word| word == tree.release);
    if !banner.is_empty() && !is_release {
        let (tree, banner) = (tree.release.clone(), banner.to_owned());
        return Some(OtherTree::Release { tree, banner });
    }
    let theirs = kernel.configuration()?;
    let own = std::fs::read_to_string(tree.folder.join("include/config/auto.conf")).ok()?;
    let differing = differing(&own, &theirs);
    (!differing.is_empty()).then(|| OtherTree::Configuration(in_words(&differing)))
}

/// Options with another value in the tree: name, value there, value in the kernel.
fn differing<'t>(own: &'t str, theirs: &'t str) -> Vec<(&'t str, &'t str, &'t str)> {
    let options = |text: &'t str| -> BTreeMap<&'t str, &'t str> {
        let set = text.lines().filter_map(|line| line.split_once('='));
        set.filter(|(name, _)| name.starts_with("CONFIG_")).collect()
    };
    let (own, theirs) = (options(own), options(theirs));
    let names: std::collections::BTreeSet<&str> =
        own.keys().chain(theirs.keys()).copied().collect();
    let value =
        |all: &BTreeMap<&'t str, &'t str>, name: &str| all.get(name).copied().unwrap_or("not set");
    names
        .into_iter()
        .filter(|name| !OF_THE_TREE.contains(name))
        .map(|name| (name, value(&own, name), value(&theirs, name)))
        .filter(|(_, own, theirs)| own != theirs)
        .collect()
}

fn in_words(differing: &[(&str, &str, &str)]) -> String {
    let named = differing.iter().take(NAMED);
    let named = named
        .map(|(name, own, theirs)| format!("{name} is {own} there and {theirs} in the kernel"));
    let mut text = named.collect::<Vec<_>>().join(", ");
    let more = differing.len().saturating_sub(NAMED);
    if more > 0 {
        text.push_str(&format!(", and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_differ_are_named_with_both_values() {
        let own = "CONFIG_SMP=y\nCONFIG_NR_CPUS=64\nCONFIG_CC_VERSION_TEXT=\"gcc\"\n";
        let theirs = "CONFIG_SMP=y\nCONFIG_NR_CPUS=8192\n# CONFIG_X is not set\nCONFIG_NUMA=y\n";
        let found = differing(own, theirs);
        assert_eq!(
            in_words(&found),
            "CONFIG_NR_CPUS is 64 there and 8192 in the kernel, CONFIG_NUMA is not set there and y in the kernel"
        );
        assert_eq!(differing(own, own), []);
    }

    #[test]
    fn of_many_options_some_are_named() {
        let many: String = (0..9).map(|number| format!("CONFIG_{number}=y\n")).collect();
        assert!(in_words(&differing(&many, "")).ends_with(", and 4 more"));
    }
}
