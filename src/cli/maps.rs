//! The symbol sources that the arguments name.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::args::Maps;
use super::report::Reporter;
use crate::symbols::{
    BootImage, FileOf, Map, ModuleFile, ProcKallsyms, Sources, SymbolError, SymbolErrorKind,
    Symvers, SystemMap, TextList, Vmlinux, add_kernel, add_modules,
};

/// Bytes that distinguish a map or a list from other files.
const START: u64 = 24;

impl Maps {
    /// All of them as one, and errors for those that could not be found or opened.
    pub(super) fn gather(&self) -> (Sources, Vec<SymbolError>) {
        self.gather_with(&[])
    }

    /// The same, with source files of symbols of the boot image.
    pub(super) fn gather_with(&self, files: &[FileOf]) -> (Sources, Vec<SymbolError>) {
        let mut sources = Sources::new();
        let mut errors = Vec::new();
        if let Some(folder) = &self.kernel {
            let elsewhere = [&self.image, &self.vmlinux, &self.system_map, &self.kallsyms];
            let elsewhere = elsewhere.iter().any(|path| path.is_some());
            errors.extend(add_kernel(folder, elsewhere, &mut sources));
        }
        if let Some(path) = &self.image {
            sources.push(BootImage::new(path).with_files(files.to_vec()));
        }
        self.vmlinux.iter().for_each(|path| sources.push(Vmlinux::new(path)));
        for path in &self.modules {
            if path.is_dir() {
                errors.extend(add_modules(path, &mut sources));
            } else {
                sources.push(ModuleFile::new(path));
            }
        }
        self.symvers.iter().for_each(|path| sources.push(Symvers::new(path)));
        self.system_map.iter().for_each(|path| sources.push(SystemMap::new(path)));
        self.kallsyms.iter().for_each(|path| sources.push(ProcKallsyms::new(path)));
        for path in &self.symbols {
            let start = start(path);
            if Map::recognises(&start) {
                match Map::open(path) {
                    Ok(map) => sources.push(map),
                    Err(error) => errors.push(error),
                }
            } else if start.is_ascii() && !start.is_empty() && !TextList::recognises(&start) {
                let error = SymbolError::new(path, SymbolErrorKind::NoHeader);
                errors.push(SymbolError { line: Some(1), ..error });
            } else {
                sources.push(TextList::new(path));
            }
        }
        (sources, errors)
    }

    /// All of them as one; prints which files were skipped.
    ///
    /// # Errors
    /// The first that cannot be found or opened.
    pub(super) fn sources(&self, reporter: &Reporter) -> Result<Sources, SymbolError> {
        let (sources, errors) = self.gather();
        sources.notes().iter().for_each(|note| reporter.remark(&note.to_string()));
        errors.into_iter().next().map_or(Ok(sources), Err)
    }

    /// Their files, each with the option that named it.
    pub(super) fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let kernel = self.kernel.iter().map(|path| ("--kernel", path));
        let image = self.image.iter().map(|path| ("--image", path));
        let vmlinux = self.vmlinux.iter().map(|path| ("--vmlinux", path));
        let modules = self.modules.iter().map(|path| ("--module", path));
        let symvers = self.symvers.iter().map(|path| ("--symvers", path));
        let symbols = self.symbols.iter().map(|path| ("--symbols", path));
        let system_map = self.system_map.iter().map(|path| ("--system-map", path));
        let kallsyms = self.kallsyms.iter().map(|path| ("--kallsyms", path));
        let all = kernel.chain(image).chain(vmlinux).chain(modules).chain(symvers).chain(symbols);
        let all = all.chain(system_map).chain(kallsyms);
        all.map(|(option, path)| (option, path.as_path()))
    }
}

/// The start of a file. One that cannot be read fails later, as a source.
fn start(path: &Path) -> Vec<u8> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(START).read_to_end(&mut start));
    read.map_or(Vec::new(), |_| start)
}
