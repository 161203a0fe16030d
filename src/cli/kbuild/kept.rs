//! What a converted module was made from, kept beside it: kbuild's own module, and a stamp.
//!
//! kbuild's module is copied before it is converted; then the converted one takes its name, or, where it is
//! refused, nothing does, so that `modules_install` never finds an unconverted livepatch.
//! Invariant: while there is a stamp, the module beside it is what the stamp says, made from the kept one.

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::digest::{Digest, digest};
use crate::cli::output;

/// Where kbuild's modules and the stamps are, in the folder of the converted ones.
const FOLDER: &str = ".klp";

/// One module: as kbuild links it, as it is converted, and what is kept of both.
#[derive(Debug)]
pub(super) struct Kept {
    /// What kbuild links, and what takes its name.
    pub(super) linked: PathBuf,
    /// The converted one.
    pub(super) converted: PathBuf,
    /// kbuild's own.
    pub(super) original: PathBuf,
    stamp: PathBuf,
}

/// What a stamp says.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    /// Of everything that the converted module was made from.
    made_from: Digest,
    /// Of the converted module.
    converted: Digest,
}

impl Kept {
    /// A module of this name, converted into a folder.
    pub(super) fn new(linked: &Path, output: &Path) -> Self {
        let name = linked.file_name().unwrap_or_default();
        let folder = output.join(FOLDER);
        let stamp = folder.join(name).with_extension("stamp");
        Self {
            linked: linked.to_owned(),
            converted: output.join(name),
            original: folder.join(name),
            stamp,
        }
    }

    /// A module that stays where it is, with what is kept of it beside it.
    pub(super) fn in_place(linked: &Path) -> Self {
        Self::new(linked, linked.parent().unwrap_or(Path::new("")))
    }

    /// The bytes of kbuild's own module, copied if it was linked anew.
    ///
    /// # Errors
    /// It can neither be read nor copied.
    pub(super) fn original(&self) -> io::Result<Vec<u8>> {
        let linked = match std::fs::read(&self.linked) {
            Ok(linked) => Some(linked),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let stamp = self.read();
        match (linked, &stamp) {
            (Some(linked), Some(stamp)) if digest(&linked) == stamp.converted => {
                std::fs::read(&self.original)
            }
            (Some(linked), _) => {
                if let Some(folder) = self.original.parent() {
                    std::fs::create_dir_all(folder)?;
                }
                output::write(&self.original, &linked, &self.linked)?;
                Ok(linked)
            }
            (None, _) => std::fs::read(&self.original),
        }
    }

    /// Whether the converted module is there, and made from this.
    pub(super) fn is_made_from(&self, made_from: &Digest) -> bool {
        let Some(stamp) = self.read().filter(|stamp| stamp.made_from == *made_from) else {
            return false;
        };
        let is = |path| std::fs::read(path).is_ok_and(|bytes| digest(&bytes) == stamp.converted);
        is(&self.converted) && is(&self.linked)
    }

    /// Puts the converted module into its place and in that of kbuild's.
    ///
    /// # Errors
    /// Any I/O error; there is no stamp then.
    pub(super) fn put(&self, bytes: &[u8], made_from: Digest) -> io::Result<()> {
        self.forget()?;
        output::write(&self.converted, bytes, &self.original)?;
        if self.linked != self.converted {
            output::write(&self.linked, bytes, &self.original)?;
        }
        let stamp = Stamp { made_from, converted: digest(bytes) };
        output::write_new(&self.stamp, stamp.to_text().as_bytes())
    }

    /// Takes away what was made of an earlier module, and kbuild's own from where it could be installed.
    ///
    /// # Errors
    /// Any I/O error.
    pub(super) fn take_away(&self) -> io::Result<()> {
        self.forget()?;
        remove(&self.converted)?;
        remove(&self.linked)
    }

    fn forget(&self) -> io::Result<()> {
        remove(&self.stamp)
    }

    fn read(&self) -> Option<Stamp> {
        Stamp::of_text(&std::fs::read_to_string(&self.stamp).ok()?)
    }
}

impl Stamp {
    fn to_text(&self) -> String {
        format!("made-from {}\nconverted {}\n", self.made_from, self.converted)
    }

    fn of_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let made_from = lines.next()?.strip_prefix("made-from ")?.to_owned();
        let converted = lines.next()?.strip_prefix("converted ")?.to_owned();
        Some(Self { made_from, converted })
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
