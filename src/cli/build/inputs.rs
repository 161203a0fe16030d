//! What a livepatch for a kernel is made from, by content: the same on every machine and in every checkout.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::dependencies::in_path;
use super::digests::Digests;
use super::project::{Patch, Project, Target};
use super::tree::{Surroundings, files};
use crate::cli::digest::{Digest, digest};

/// Digits of a part in an identity's text.
const DIGITS: usize = 8;

/// What is known before anything is built: digests of the program, the livepatch's files, the kernel, and its
/// symbols. Which further files a compiler reads is known after it has run: [`Read`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) program: Digest,
    patch: Digest,
    kernel: Digest,
    pub(super) symbols: Digest,
}

/// An identity as a plan states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected([String; 4]);

impl Identity {
    pub(super) fn new(
        project: &Project,
        (patch, target): (&Patch, &Target),
        surroundings: &Surroundings,
        symbols: &Digest,
        digests: &Digests,
    ) -> Self {
        let program = std::env::current_exe().ok();
        let program = program.and_then(|path| digests.of(&path)).unwrap_or_default();
        let own =
            files(&project.root.join(&patch.path)).into_iter().map(|file| patch.path.join(file));
        let own = own.chain(surroundings.makefiles().cloned()).map(|file| {
            let digest = digests.of(&project.root.join(&file)).unwrap_or_default();
            format!("{digest} {}\n", file.display())
        });
        let of_patch = format!("{}\n{}", patch.path.display(), own.collect::<String>());
        let decisive = target.kernel.decisive().map(|file| digests.of(&file).unwrap_or_default());
        let decisive: Vec<_> = decisive.collect();
        let (make, machine) = (&target.make, &target.machine);
        let of_kernel = format!("{}\n{decisive:?}\n{make:?}\n{machine:?}", target.kernel.release);
        Self {
            program,
            patch: digest(of_patch.as_bytes()),
            kernel: digest(of_kernel.as_bytes()),
            symbols: symbols.clone(),
        }
    }

    fn parts(&self) -> [(&'static str, &Digest); 4] {
        [
            ("klp-convert", &self.program),
            ("the livepatch's files", &self.patch),
            (
                "the kernel's configuration, Makefile or Module.symvers, or the variables of make",
                &self.kernel,
            ),
            ("the kernel's symbols", &self.symbols),
        ]
    }

    /// All of it as one digest.
    pub(super) fn digest(&self) -> Digest {
        let all: Vec<_> = self.parts().iter().map(|(_, digest)| digest.as_str()).collect();
        digest(all.join("\n").as_bytes())
    }

    /// What is another than a plan says.
    pub(super) fn differs(&self, expected: &Expected) -> Vec<&'static str> {
        let parts = self.parts().into_iter().zip(&expected.0);
        parts
            .filter(|((_, here), there)| !here.starts_with(there.as_str()))
            .map(|((what, _), _)| what)
            .collect()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts().map(|(_, digest)| digest.get(..DIGITS).unwrap_or_default());
        f.write_str(&parts.join("-"))
    }
}

impl FromStr for Expected {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('-').map(str::to_owned).collect();
        let is_part =
            |part: &String| part.len() == DIGITS && part.bytes().all(|b| b.is_ascii_hexdigit());
        let parts: [String; 4] =
            parts.try_into().map_err(|_| format!("{text:?} is not a plan's digest"))?;
        if parts.iter().all(is_part) {
            Ok(Self(parts))
        } else {
            Err(format!("{text:?} is not a plan's digest"))
        }
    }
}

/// Where the path of an input starts, which another machine or checkout has elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bases<'a> {
    pub(super) project: &'a Path,
    pub(super) kernel: &'a Path,
}

const PROJECT: &str = "project:";
const KERNEL: &str = "kernel:";
const PROGRAM: &str = "program:";

/// A program as it is kept: the one that `PATH` has now.
pub(super) fn program(name: &str) -> String {
    format!("{PROGRAM}{name}")
}

impl Bases<'_> {
    /// A path as it is kept.
    pub(super) fn shorten(&self, path: &Path) -> String {
        for (base, prefix) in [(self.project, PROJECT), (self.kernel, KERNEL)] {
            if let Ok(rest) = path.strip_prefix(base) {
                return format!("{prefix}{}", rest.display());
            }
        }
        path.display().to_string()
    }

    fn whole(&self, text: &str) -> PathBuf {
        for (base, prefix) in [(self.project, PROJECT), (self.kernel, KERNEL)] {
            if let Some(rest) = text.strip_prefix(prefix) {
                return base.join(rest);
            }
        }
        match text.strip_prefix(PROGRAM) {
            Some(program) => in_path(program).unwrap_or_default(),
            None => PathBuf::from(text),
        }
    }
}

/// The files that a build has read, in order, and what they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    paths: Vec<String>,
    pub(super) digest: Digest,
}

impl Read {
    pub(super) fn new(mut paths: Vec<String>, bases: &Bases<'_>, digests: &Digests) -> Self {
        paths.sort_unstable();
        paths.dedup();
        let digest = Self::now(&paths, bases, digests);
        Self { paths, digest }
    }

    /// Whether all of them are what they were.
    pub(super) fn is_current(&self, bases: &Bases<'_>, digests: &Digests) -> bool {
        Self::now(&self.paths, bases, digests) == self.digest
    }

    fn now(paths: &[String], bases: &Bases<'_>, digests: &Digests) -> Digest {
        let mut text = String::new();
        for path in paths {
            text.push_str(path);
            text.push(' ');
            text.push_str(&digests.of(&bases.whole(path)).unwrap_or_default());
            text.push('\n');
        }
        digest(text.as_bytes())
    }

    pub(super) fn to_text(&self) -> String {
        let lines = [&self.digest].into_iter().chain(&self.paths);
        lines.flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    pub(super) fn of_text(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::to_owned);
        let digest = lines.next().filter(|digest| !digest.is_empty())?;
        Some(Self { digest, paths: lines.collect() })
    }
}
