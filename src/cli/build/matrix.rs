//! The matrix: which cells are up to date, and the building of the others.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use rayon::prelude::*;

use super::cell::{BuiltModule, Cell, End, Missing, Report};
use super::dependencies::Compilers;
use super::digests::Digests;
use super::estimate::Estimate;
use super::inputs::{Bases, Identity, Read, program};
use super::kbuild_run::{self, is_refused_source, reason};
use super::project::{Patch, Place, Project, Target};
use super::results::Results;
use super::store::{Store, Stored};
use super::tree::{Surroundings, Tree};
use crate::cli::Outcome;
use crate::cli::digest::{Digest, digest};
use crate::cli::interruption;
use crate::cli::kbuild::{Converted, SYMVERS, converted, is_source, modules};
use crate::cli::kernel_map::{self, KernelMap};
use crate::cli::report::Reporter;
use crate::elf::Module;
use crate::options::Options;
use crate::symbols::{Map, ModuleFile, SymbolError, Symvers};
use crate::target::machine;
use crate::threads::on_all;

/// The symbols of a target's kernel.
#[derive(Debug)]
struct Symbols {
    map: Map,
    digest: Digest,
}

/// All that cells are built from.
#[derive(Debug)]
pub(super) struct Matrix<'a> {
    pub(super) project: &'a Project,
    surroundings: Surroundings,
    /// By target; the error of what cannot be read.
    symbols: BTreeMap<usize, Result<Symbols, SymbolError>>,
    digests: Digests,
    compilers: Compilers,
    store: Store,
}

/// A cell with what it is made from.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) place: Place,
    pub(super) identity: Identity,
}

/// A cell, and its files if there are any.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) cell: Cell,
    /// The log of what is not kept.
    pub(super) log: Vec<u8>,
    pub(super) stored: Option<Stored>,
}

impl<'a> Matrix<'a> {
    /// Reads the symbols of the kernels of some cells. `cache`: where things are kept.
    pub(super) fn new(
        project: &'a Project,
        places: &[Place],
        (output, cache): (&Path, PathBuf),
        reporter: &Reporter,
    ) -> Self {
        let digests = Digests::open(cache.join("digests"));
        let mut targets: Vec<_> = places.iter().map(|place| place.target).collect();
        targets.dedup();
        let of = |index: usize| Some((index, find(project.targets.get(index)?)));
        let found: Vec<_> = on_all(|| targets.into_par_iter().filter_map(of).collect());
        let made = found.into_iter().map(|(index, found)| {
            let map = found.and_then(|found| found.map_or_else(|map| map.make(reporter), Ok));
            let digest = |map: &Map| map.bytes().map(|bytes| digest(&bytes));
            (index, map.and_then(|map| Ok(Symbols { digest: digest(&map)?, map })))
        });
        Self {
            project,
            surroundings: Surroundings::of(project, [output, &cache]),
            symbols: made.collect(),
            digests,
            compilers: Compilers::default(),
            store: Store::new(cache),
        }
    }

    /// What is wrong with the symbols of a target's kernel.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = (&Target, &SymbolError)> {
        self.symbols.iter().filter_map(|(index, symbols)| {
            Some((self.project.targets.get(*index)?, symbols.as_ref().err()?))
        })
    }

    /// What cells are made from. Cells of a kernel whose symbols cannot be read are left out.
    pub(super) fn jobs(&self, places: &[Place]) -> Vec<Job> {
        let job = |&place: &Place| {
            let symbols = self.symbols.get(&place.target)?.as_ref().ok()?;
            let of = self.project.of_place(place)?;
            let identity =
                Identity::new(self.project, of, &self.surroundings, &symbols.digest, &self.digests);
            Some(Job { place, identity })
        };
        on_all(|| places.par_iter().with_max_len(1).filter_map(job).collect())
    }

    /// The files of a job that are known before it is built.
    pub(super) fn files(&self, place: Place) -> Vec<PathBuf> {
        let Some((patch, target)) = self.project.of_place(place) else { return Vec::new() };
        let folder = self.project.root.join(&patch.path);
        let own = super::tree::files(&folder).into_iter().map(|file| folder.join(file));
        let others = self.surroundings.makefiles().map(|file| self.project.root.join(file));
        own.chain(others).chain(target.kernel.decisive()).collect()
    }

    /// The digest of a file.
    pub(super) fn digest(&self, file: &Path) -> Option<Digest> {
        self.digests.of(file)
    }

    /// Brings every cell up to date: `jobs` at a time, each put into the results when it is done.
    pub(super) fn run(
        &self,
        all: &[Job],
        jobs: usize,
        results: &Results<'_>,
        reporter: &Reporter,
    ) -> Vec<Done> {
        let found: Vec<_> =
            on_all(|| all.par_iter().with_max_len(1).map(|job| self.find(job)).collect());
        let (mut done, mut rest) = (Vec::new(), VecDeque::new());
        for (job, found) in all.iter().zip(found) {
            match found {
                Some(found) => done.push(results.put(found, &self.digests)),
                None => rest.push_back(job),
            }
        }
        let estimate = Estimate::new(
            all.len(),
            rest.len(),
            jobs,
            rest.iter().map(|job| {
                self.project
                    .of_place(job.place)
                    .and_then(|(patch, target)| results.seconds(patch, target))
            }),
        );
        estimate.start(reporter);
        let threads = jobs.min(rest.len()).max(1);
        let each = jobs.div_ceil(threads);
        let (queue, built) = (Mutex::new(rest), Mutex::new(Vec::new()));
        let work = || {
            while !interruption::is_pending() {
                let job = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(job) = job else { break };
                let Some(cell) = self.build(job, each) else { break };
                let cell = results.put(cell, &self.digests);
                estimate.step(&cell.cell, reporter);
                built.lock().unwrap_or_else(PoisonError::into_inner).push(cell);
            }
        };
        thread::scope(|scope| {
            // The calling thread works, too, and alone where there are no others.
            for _ in 1..threads {
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
        estimate.finish();
        self.digests.keep();
        done.extend(built.into_inner().unwrap_or_else(PoisonError::into_inner));
        done
    }

    /// A cell that was built before from the same.
    fn find(&self, job: &Job) -> Option<Done> {
        let (patch, target) = self.project.of_place(job.place)?;
        let stored = self.store.find(&job.identity, &self.bases(target), &self.digests)?;
        // Names are the project's, and may change.
        let cell =
            Cell { patch: patch.name.clone(), target: target.name.clone(), ..stored.cell.clone() };
        Some(Done { cell, log: Vec::new(), stored: Some(stored) })
    }

    fn bases<'b>(&'b self, target: &'b Target) -> Bases<'b> {
        Bases { project: &self.project.root, kernel: &target.kernel.folder }
    }

    /// Builds a cell; `None` if the user has interrupted it.
    fn build(&self, job: &Job, jobs: usize) -> Option<Done> {
        let (patch, target) = self.project.of_place(job.place)?;
        let cell =
            Cell { inputs: job.identity.to_string(), end: End::Failed, ..Cell::new(patch, target) };
        let built = self.try_build(job, (patch, target), cell.clone(), jobs);
        let failed = |error: io::Error| Done {
            cell: Cell { reason: Some(error.to_string()), ..cell.clone() },
            log: Vec::new(),
            stored: None,
        };
        let done = built.unwrap_or_else(failed);
        let stopped = interruption::is_pending() && done.cell.end == End::Failed;
        (!stopped).then_some(done)
    }

    fn try_build(
        &self,
        job: &Job,
        (patch, target): (&Patch, &Target),
        mut cell: Cell,
        jobs: usize,
    ) -> io::Result<Done> {
        let start = Instant::now();
        let tree = Tree::new(self.project, patch, &self.surroundings)?;
        let log = tree.log();
        let built = kbuild_run::build(target, &tree, &log, jobs)?;
        cell.seconds = start.elapsed().as_secs_f32();
        // The tree goes, and its files are the project's.
        let text = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
        std::fs::write(&log, text.replace(&format!("{}/", tree.root().display()), ""))?;
        let (mut files, mut keep) = (Vec::new(), true);
        if built {
            self.convert(job, target, &tree, &mut cell, &mut files)?;
        } else {
            let text = std::fs::read_to_string(&log)?;
            cell.reason = reason(&text);
            keep = is_refused_source(&text);
        }
        if !keep {
            return Ok(Done { cell, log: std::fs::read(&log)?, stored: None });
        }
        let read = self.read(target, &tree, built);
        let stored = self.store.keep(&job.identity, &read, &cell, &log, &files)?;
        Ok(Done { cell, log: Vec::new(), stored: Some(stored) })
    }

    /// Converts and checks what kbuild has built.
    fn convert(
        &self,
        job: &Job,
        target: &Target,
        tree: &Tree,
        cell: &mut Cell,
        files: &mut Vec<(String, Vec<u8>)>,
    ) -> io::Result<()> {
        let folder = tree.folder();
        let paths = modules(&folder)?;
        if paths.is_empty() {
            cell.reason =
                Some("kbuild has built no module: is there obj-m in the Kbuild file?".into());
            return Ok(());
        }
        let Some(Ok(symbols)) = self.symbols.get(&job.place.target) else { return Ok(()) };
        let mut sources = kernel_map::one(symbols.map.clone());
        let symvers = folder.join(SYMVERS);
        if symvers.metadata().is_ok_and(|file| file.len() > 0) {
            sources.push(Symvers::new(symvers));
        }
        cell.end = End::Ok;
        let originals: Vec<_> = paths.iter().map(std::fs::read).collect::<Result<_, _>>()?;
        for (path, _) in paths.iter().zip(&originals).filter(|(_, bytes)| is_source(bytes)) {
            sources.push(ModuleFile::new(path));
        }
        for (path, original) in paths.iter().zip(&originals) {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Converted { diagnostics, not_found, result } =
                converted(&file, original, &sources, &Options::default());
            cell.diagnostics.extend(diagnostics.into_iter().map(Report::from));
            cell.missing
                .extend(not_found.into_iter().map(|(name, variants)| Missing { name, variants }));
            let loads = match result {
                Ok(loads) => loads,
                Err(end) => {
                    cell.end = if end == Outcome::Refused { End::Refused } else { End::Failed };
                    continue;
                }
            };
            if let Some(other) = other_machine(&loads.bytes, target) {
                cell.end = End::Failed;
                cell.reason = Some(other);
                continue;
            }
            let sha256 = digest(&loads.bytes);
            cell.modules.push(BuiltModule::new(
                &file,
                sha256,
                &loads.bytes,
                loads.remark(),
                loads.plan.as_ref(),
            ));
            files.push((file, loads.bytes.into_owned()));
        }
        if cell.end != End::Ok {
            // Modules of one livepatch belong together.
            files.clear();
            cell.modules.clear();
            let first = cell.diagnostics.iter().find(|report| report.is_error());
            cell.reason = cell.reason.take().or_else(|| {
                first.map(|report| format!("{}: {}: {}", report.code, report.file, report.message))
            });
        }
        Ok(())
    }

    /// What a build has read. What a failed one has read is not known: all of the project counts.
    fn read(&self, target: &Target, tree: &Tree, built: bool) -> Read {
        let bases = self.bases(target);
        let read = self.compilers.read_for(&tree.folder(), &target.kernel.folder);
        let mut paths: Vec<_> = read.programs.iter().map(|name| program(name)).collect();
        let root = tree.root().canonicalize().unwrap_or_else(|_| tree.root().to_owned());
        for file in read.files {
            let Ok(file) = file.canonicalize() else { continue };
            match file.strip_prefix(&root) {
                Ok(inside) => {
                    let file = self.project.root.join(inside);
                    paths.extend(file.exists().then(|| bases.shorten(&file)));
                }
                Err(_) => paths.push(bases.shorten(&file)),
            }
        }
        if !built {
            let others = self.surroundings.files.iter();
            paths.extend(others.map(|file| bases.shorten(&self.project.root.join(file))));
        }
        Read::new(paths, &bases, &self.digests)
    }
}

/// The map of a target's kernel, or what makes it.
fn find(target: &Target) -> Result<Result<Map, KernelMap>, SymbolError> {
    let maps = &target.maps;
    if let ([only], None, None, []) = (&*maps.symbols, &maps.image, &maps.vmlinux, &*maps.modules)
        && let Ok(map) = Map::open(only)
    {
        return Ok(Ok(map));
    }
    let (sources, errors) = maps.gather();
    if let Some(error) = errors.into_iter().next() {
        return Err(error);
    }
    let map = KernelMap::new(&target.kernel.folder, "", sources)?;
    Ok(map.find().ok_or(map))
}

/// What to say where a module is not for the machine that the target should be.
fn other_machine(bytes: &[u8], target: &Target) -> Option<String> {
    let wanted = target.machine.as_ref()?;
    let module = Module::parse_as_kernel(bytes).ok()?;
    let built = machine(&module).ok()?.name;
    (built != wanted).then(|| {
        format!("this kernel's modules are for {built}, and klp.toml says machine = \"{wanted}\"")
    })
}
