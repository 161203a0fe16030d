//! Builds and converts the modules for a kernel before it is booted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{fs, io};

use klp_convert::convert::convert;
use klp_convert::elf::Module;
use klp_convert::findings::Error;
use klp_convert::options::Options;
use klp_convert::symbols::{Map, Scope, Sources, map};

use crate::build;
use crate::failure::Failure;
use crate::kernel::{REPOSITORY, TestKernel};
use crate::mistake::Mistake;

/// A file in `/modules` of the guest.
#[derive(Debug)]
pub(crate) struct GuestFile {
    /// Without `.ko`.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// The modules for one kernel.
#[derive(Debug)]
pub(crate) struct Workshop {
    pub(crate) kernel: TestKernel,
    pub(crate) mistake: Option<Mistake>,
    /// The modules that livepatches patch, as built by kbuild.
    targets: Vec<PathBuf>,
    /// As they are in the guest. They are never freed, because our loads of them borrow their
    /// memory.
    guest: BTreeMap<String, &'static [u8]>,
    /// Why livepatches were not converted.
    refused: BTreeMap<String, Error>,
    /// The map of the kernel and the patched modules.
    map: OnceLock<Map>,
}

impl Workshop {
    /// Builds all modules and converts the livepatches.
    pub(crate) fn new(kernel: TestKernel, mistake: Option<Mistake>) -> Result<Self, Failure> {
        let mut built = BTreeMap::new();
        for entry in fs::read_dir(build::modules(&kernel)?)? {
            let path = entry?.path();
            built.insert(path.file_stem().unwrap().to_string_lossy().into_owned(), path);
        }
        let targets = built.iter().filter(|(name, _)| name.starts_with("klp_target_"));
        let targets = targets.map(|(_, path)| path.clone()).collect();
        let (guest, refused, map) = Default::default();
        let mut workshop = Self { kernel, mistake, targets, guest, refused, map };
        let sources = workshop.map()?;
        for (name, path) in built {
            let bytes = fs::read(path)?;
            let is_livepatch = name.starts_with("lp_");
            let options = Options {
                // Only this livepatch uses a module that the patched one does not depend on.
                allow_undeclared_dependency: name == "lp_cross_module",
                ..Options::default()
            };
            match is_livepatch.then(|| convert(&bytes, &sources, &options)) {
                None => workshop.put(GuestFile { name, bytes }),
                Some(Ok(converted)) => {
                    let bytes = workshop.in_guest(converted.bytes.into_owned());
                    workshop.put(GuestFile { name, bytes });
                }
                Some(Err(why)) => drop(workshop.refused.insert(name, why)),
            }
        }
        Ok(workshop)
    }

    /// A livepatch as it was converted, or with the mistake.
    pub(crate) fn in_guest(&self, converted: Vec<u8>) -> Vec<u8> {
        match self.mistake {
            Some(mistake) => mistake.convert(converted),
            None => converted,
        }
    }

    /// Adds a file for the guest.
    pub(crate) fn put(&mut self, file: GuestFile) {
        self.guest.insert(file.name, file.bytes.leak());
    }

    /// The files for the guest.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.guest.iter().map(|(name, bytes)| (name.as_str(), *bytes))
    }

    /// A file of the guest.
    pub(crate) fn file(&self, name: &str) -> Result<&'static [u8], Failure> {
        self.guest.get(name).copied().ok_or_else(|| self.missing(name))
    }

    /// A module as it is in the guest.
    pub(crate) fn module(&self, name: &str) -> Result<&'static Module<'static>, Failure> {
        let module =
            Module::parse_as_kernel(self.file(name)?).map_err(|why| format!("{name}: {why}"))?;
        Ok(Box::leak(Box::new(module)))
    }

    fn missing(&self, name: &str) -> Failure {
        match self.refused.get(name) {
            Some(Error::Refused(refusals)) => {
                let refusals: Vec<_> = refusals.iter().map(|r| format!("{r:?}")).collect();
                format!("{name} was not converted: {}", refusals.join("\n")).into()
            }
            Some(why) => format!("{name} was not converted: {why}").into(),
            None => format!("no module is called {name}").into(),
        }
    }

    /// The symbol sources of a livepatch's author.
    pub(crate) fn sources(&self) -> Sources {
        self.kernel.sources(self.targets.iter().cloned())
    }

    /// The sources as one map file, which is fast to search.
    pub(crate) fn map(&self) -> Result<Sources, Failure> {
        let map = match self.map.get() {
            Some(map) => map,
            None => {
                let (merged, errors) = self.sources().gather(Scope::All, |_, _| ());
                if let Some(error) = errors.first() {
                    return Err(error.into());
                }
                let map = Map::from_bytes("the map", map::build(&merged)?)?;
                self.map.get_or_init(|| map)
            }
        };
        let mut sources = Sources::new();
        sources.push(map.clone());
        Ok(sources)
    }
}

/// The busybox of the kernel's machine; fetched once.
pub(crate) fn busybox(kernel: &TestKernel) -> Result<Vec<u8>, Failure> {
    let script = Path::new(REPOSITORY).join("tests/kernel/busybox");
    let machine = kernel.machine.to_string();
    let path = crate::kernel::said(std::process::Command::new(script).arg(machine))?;
    let read = |error: io::Error| Failure(format!("{path}: {error}"));
    fs::read(&path).map_err(read)
}
