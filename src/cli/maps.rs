//! The sources of symbols that the arguments name.

use super::args::Maps;
use crate::symbols::{ModuleFile, Sources, Symvers, TextList, Vmlinux};

impl Maps {
    /// All of them as one.
    pub(super) fn sources(&self) -> Sources {
        let mut sources = Sources::new();
        self.vmlinux.iter().for_each(|path| sources.push(Vmlinux::new(path)));
        self.modules.iter().for_each(|path| sources.push(ModuleFile::new(path)));
        self.symvers.iter().for_each(|path| sources.push(Symvers::new(path)));
        self.symbols.iter().for_each(|path| sources.push(TextList::new(path)));
        sources
    }
}
