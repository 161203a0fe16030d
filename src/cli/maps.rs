//! The sources of symbols that the arguments name.

use std::path::Path;

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

    /// Their files, each with the option that named it.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let vmlinux = self.vmlinux.iter().map(|path| ("--vmlinux", path));
        let modules = self.modules.iter().map(|path| ("--module", path));
        let symvers = self.symvers.iter().map(|path| ("--symvers", path));
        let symbols = self.symbols.iter().map(|path| ("--symbols", path));
        let all = vmlinux.chain(modules).chain(symvers).chain(symbols);
        all.map(|(option, path)| (option, path.as_path()))
    }
}
