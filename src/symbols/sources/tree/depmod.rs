//! Which of several modules of one name modprobe loads.
//!
//! modprobe loads the one that `modules.dep` names. depmod chose it: by `override` and `search` of
//! `depmod.d`, where what is not listed ranks as `built-in`. Of two with equal rank it keeps one by
//! the order in which the file system lists them, which no file records. Invariant: such a choice is
//! never made here. Source: `tools/depmod.c` of kmod 34, `depmod_module_is_higher_priority` and
//! `cfg_file_parse`; depmod.d(5).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::optional::{is_file, optional};
use crate::symbols::SymbolError;

/// Where depmod searches for `*.conf`, below the root. Of two files with one name the first counts.
const FOLDERS: [&str; 5] =
    ["etc/depmod.d", "run/depmod.d", "usr/local/lib/depmod.d", "usr/lib/depmod.d", "lib/depmod.d"];
/// Rank of modules that no `search` lists.
const BUILT_IN: &str = "built-in";
/// What is searched first unless a `search` says otherwise.
const UPDATES: &str = "updates";

/// What decides between modules with one name in a tree.
#[derive(Debug, Default)]
pub(crate) struct Depmod {
    /// `modules.dep`: the file of each module, as written there.
    loaded: BTreeMap<String, PathBuf>,
    /// Paths without their suffixes.
    overrides: Vec<PathBuf>,
    searches: Vec<String>,
    excludes: Vec<OsString>,
}

/// The module that is chosen among those with its name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Which of them.
    pub(crate) index: usize,
    /// Why.
    pub(crate) reason: String,
}

impl Depmod {
    /// Reads what exists of `modules.dep` in the tree and `depmod.d` of the root that the tree is in.
    ///
    /// # Errors
    /// One of them is there, and cannot be read.
    pub(crate) fn read(tree: &Path) -> Result<Self, SymbolError> {
        let mut depmod = Self::default();
        let dependencies = tree.join("modules.dep");
        let dependencies = optional(&dependencies, fs::read(&dependencies))?.unwrap_or_default();
        for line in String::from_utf8_lossy(&dependencies).lines() {
            if let Some((path, _)) = line.split_once(':') {
                let path = PathBuf::from(path);
                depmod.loaded.insert(module_name(&path), path);
            }
        }
        if let Some((root, release)) = root_of(tree)? {
            for file in configuration(&root)? {
                let text = optional(&file, fs::read(&file))?.unwrap_or_default();
                depmod.configure(&String::from_utf8_lossy(&text), &release);
            }
        }
        if depmod.searches.is_empty() {
            depmod.searches.push(UPDATES.into());
        }
        Ok(depmod)
    }

    fn configure(&mut self, text: &str, release: &str) {
        for line in text.replace("\\\n", "").lines() {
            let mut words = line.split_ascii_whitespace();
            let command = words.next();
            let words: Vec<_> = words.collect();
            match (command, words.as_slice()) {
                (Some("search"), folders) => {
                    self.searches.extend(folders.iter().map(|folder| (*folder).to_owned()));
                }
                (Some("override"), [module, kernels, folder, ..]) if covers(kernels, release) => {
                    self.overrides.push(Path::new(folder).join(module));
                }
                (Some("exclude"), names) => {
                    self.excludes.extend(names.iter().map(|name| OsString::from(*name)));
                }
                _ => {}
            }
        }
    }

    /// Whether depmod skips everything with this name, folder or file.
    pub(crate) fn skips(&self, name: &OsStr) -> bool {
        name == "build" || name == "source" || self.excludes.iter().any(|other| other == name)
    }

    /// Whether `modules.dep` exists and does not list this path below the tree: depmod found no such
    /// file, and modprobe does not know it.
    pub(crate) fn does_not_list(&self, module: &Path) -> bool {
        let listed = self.loaded.get(&module_name(module));
        !self.loaded.is_empty() && listed.is_none_or(|path| path != module)
    }

    /// Which of several modules with one name is loaded; `None` if nothing decides. Paths are
    /// relative to the tree.
    pub(crate) fn choose(&self, modules: &[&Path]) -> Option<Choice> {
        let named = modules.first().and_then(|path| self.loaded.get(&module_name(path)));
        if let Some(index) = modules.iter().position(|path| named.is_some_and(|n| n == path)) {
            return Some(Choice { index, reason: "which modules.dep lists".into() });
        }
        // The last line that was read wins.
        for path in self.overrides.iter().rev() {
            let mut overriding = (0..).zip(modules).filter(|(_, m)| without_ending(m) == *path);
            if let (Some((index, _)), None) = (overriding.next(), overriding.next()) {
                let reason = format!("depmod.d has an override for {}", path.display());
                return Some(Choice { index, reason });
            }
        }
        let mut ranks: Vec<_> = modules.iter().map(|m| self.rank(m)).zip(0..).collect();
        ranks.sort_unstable();
        match ranks.as_slice() {
            [(first, index), (second, _), ..] if first < second => {
                let reason = format!(
                    "depmod searches {} before {}",
                    self.searched(*first),
                    self.searched(*second)
                );
                Some(Choice { index: *index, reason })
            }
            [(_, index)] => Some(Choice { index: *index, reason: String::new() }),
            _ => None,
        }
    }

    /// The rank of a module in the search order; the lowest is loaded.
    fn rank(&self, module: &Path) -> usize {
        let listed = self.searches.iter().position(|folder| {
            folder != BUILT_IN && module.starts_with(folder) && module != Path::new(folder)
        });
        let built_in = || self.searches.iter().position(|folder| folder == BUILT_IN);
        listed.or_else(built_in).unwrap_or(self.searches.len())
    }

    fn searched(&self, rank: usize) -> &str {
        self.searches.get(rank).map_or(BUILT_IN, String::as_str)
    }
}

/// modprobe's name of a module, from its file name.
pub(crate) fn module_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().replace('-', "_")
}

fn without_ending(module: &Path) -> PathBuf {
    let name = module.file_name().unwrap_or_default().to_string_lossy();
    module.with_file_name(name.split('.').next().unwrap_or_default())
}

/// The root that `lib/modules/RELEASE` or `usr/lib/modules/RELEASE` is in, and the release.
///
/// # Errors
/// The tree cannot be read.
pub(crate) fn root_of(tree: &Path) -> Result<Option<(PathBuf, String)>, SymbolError> {
    Ok(optional(tree, tree.canonicalize())?.and_then(|tree| root_of_path(&tree)))
}

fn root_of_path(tree: &Path) -> Option<(PathBuf, String)> {
    let release = tree.file_name()?.to_str()?.to_owned();
    let modules = tree.parent().filter(|path| path.ends_with("lib/modules"))?;
    let root = modules.parent()?.parent()?;
    let root = if root.ends_with("usr") { root.parent()? } else { root };
    Some((root.to_owned(), release))
}

/// The files of `depmod.d`, in the order in which they are read.
fn configuration(root: &Path) -> Result<Vec<PathBuf>, SymbolError> {
    let mut files = BTreeMap::new();
    for folder in FOLDERS {
        let folder = root.join(folder);
        for entry in optional(&folder, fs::read_dir(&folder))?.into_iter().flatten() {
            let entry = entry.map_err(|error| SymbolError::new(&folder, error))?;
            let name = entry.file_name();
            let bytes = name.as_encoded_bytes();
            if bytes.ends_with(b".conf") && !bytes.starts_with(b".") {
                files.entry(name).or_insert_with(|| entry.path());
            }
        }
    }
    let mut found = Vec::new();
    for path in files.into_values() {
        found.extend(is_file(&path)?.then_some(path));
    }
    Ok(found)
}

/// Whether an `override` is for a release: `*`, or a regular expression, of which only a literal prefix
/// is understood; others are assumed to be for other kernels.
fn covers(kernels: &str, release: &str) -> bool {
    if kernels == "*" {
        return true;
    }
    let (anchored, text) = kernels.strip_prefix('^').map_or((false, kernels), |text| (true, text));
    let (whole, text) = text.strip_suffix('$').map_or((false, text), |text| (true, text));
    // `x*` is any number of `x`, including none.
    let repeated = text.strip_suffix('*').and_then(|text| text.get(..text.len().checked_sub(1)?));
    let (open, text) = repeated.map_or((false, text), |text| (true, text));
    let text = text.replace("\\.", ".");
    let literal = |c: char| c.is_ascii_alphanumeric() || "._-+~".contains(c);
    let whole = whole && !open;
    text.chars().all(literal)
        && match (anchored, whole) {
            (true, true) => release == text,
            (true, false) => release.starts_with(&text),
            (false, true) => release.ends_with(&text),
            (false, false) => release.contains(&text),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depmod(configuration: &str) -> Depmod {
        let mut depmod = Depmod::default();
        depmod.configure(configuration, "5.14.0-70.el9.x86_64");
        if depmod.searches.is_empty() {
            depmod.searches.push(UPDATES.into());
        }
        depmod
    }

    /// The module that is chosen, and why.
    fn chosen<'a>(depmod: &Depmod, modules: &[&'a str]) -> Option<(&'a str, String)> {
        let paths: Vec<_> = modules.iter().map(Path::new).collect();
        let chosen = depmod.choose(&paths);
        let mut turned = paths.clone();
        turned.reverse();
        let other = depmod.choose(&turned);
        assert_eq!(
            chosen.as_ref().map(|c| paths[c.index]),
            other.map(|c| turned[c.index]),
            "the order of reading does not matter"
        );
        chosen.map(|c| (modules[c.index], c.reason))
    }

    #[test]
    fn updates_come_first_by_default() {
        let both = ["kernel/drivers/x.ko.xz", "updates/dkms/x.ko"];
        let (module, why) = chosen(&depmod("# search nothing\n"), &both).unwrap();
        assert_eq!((module, &*why), (both[1], "depmod searches updates before built-in"));
        assert_eq!(chosen(&depmod(""), &["kernel/x.ko", "extra/x.ko"]), None);
        assert_eq!(chosen(&depmod(""), &["updates/a/x.ko", "updates/b/x.ko"]), None);
        assert_eq!(chosen(&depmod(""), &["updates-old/x.ko", "kernel/x.ko"]), None);
    }

    #[test]
    fn a_search_ranks_folders_and_unlisted_ones_are_built_in() {
        let fedora = depmod("search updates extra \\\n built-in weak-updates\n");
        let all = ["weak-updates/x.ko", "kernel/x.ko", "extra/x.ko", "updates/x.ko"];
        for length in 2..=all.len() {
            assert_eq!(chosen(&fedora, &all[..length]).unwrap().0, all[length - 1]);
        }
        assert_eq!(chosen(&fedora, &["misc/x.ko", "kernel/x.ko"]), None);
        // Without built-in, the rest comes last.
        let listed = chosen(&depmod("search extra"), &["updates/x.ko", "extra/x.ko"]).unwrap();
        assert_eq!(listed.0, "extra/x.ko");
    }

    #[test]
    fn an_override_beats_a_search_on_its_kernels() {
        let both = ["updates/kvm-intel.ko", "weak-updates/kvm/kvm-intel.ko.xz"];
        for (kernels, expected) in [
            ("*", both[1]),
            ("5.14.0-*", both[1]),
            ("^5\\.14.*", both[1]),
            ("5.14.0-70.el9.x86_64", both[1]),
            ("^14", both[0]),
            ("6.1", both[0]),
            ("(5|6)", both[0]),
        ] {
            let text = format!("override kvm-intel {kernels} weak-updates/kvm\n");
            assert_eq!(chosen(&depmod(&text), &both).unwrap().0, expected, "{kernels}");
        }
    }

    #[test]
    fn what_depmod_wrote_beats_what_it_would_write_now() {
        let mut depmod = depmod("");
        depmod.loaded.insert("snd_x".into(), "kernel/snd-x.ko".into());
        let both = ["kernel/snd-x.ko", "updates/snd_x.ko"];
        assert_eq!(chosen(&depmod, &both), Some((both[0], "which modules.dep lists".into())));
        // It names a file that does not exist.
        depmod.loaded.insert("snd_x".into(), "extra/snd-x.ko".into());
        assert_eq!(chosen(&depmod, &both).unwrap().0, both[1]);
    }
}
