//! Source files of a boot image's symbols, from objects that are proven to be the kernel's.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::super::args::Build;
use super::super::object_files::objects;
use super::super::report::Reporter;
use crate::diagnostic::{Code, Diagnose, Diagnostic};
use crate::path_text::path_text;
use crate::run_pre::{ObjectMatch, ShippedKernel, match_object};
use crate::symbols::{FileOf, MODULE_MAX, SymbolError, read_module_within};
use crate::threads;

/// An object is not the kernel's.
#[derive(Debug, thiserror::Error)]
#[error("is not the kernel's object: {0}")]
struct NotTheKernels(String);

impl Diagnose for NotTheKernels {
    fn code(&self) -> Code {
        Code::NotTheKernels
    }

    fn help(&self) -> Vec<String> {
        vec!["klp-convert match says of each function what differs".to_owned()]
    }
}

/// An object, and the source file that it is of.
struct Named {
    path: PathBuf,
    /// From the root of the kernel's source, with the object's own ending.
    inside: PathBuf,
    /// Whether it was named itself, and not found in a folder.
    is_asked: bool,
}

/// The files of symbols that the objects of `--match` prove. What is in a folder and is not the kernel's is passed over.
pub(super) fn proven(args: &Build, reporter: &Reporter) -> Result<Vec<FileOf>, Vec<Diagnostic>> {
    let (Some(image), false) = (&args.maps.image, args.matched.is_empty()) else {
        return Ok(Vec::new());
    };
    let bytes = std::fs::read(image).map_err(|error| SymbolError::new(image, error));
    let kernel = bytes.and_then(|bytes| {
        ShippedKernel::read(&bytes).map_err(|error| SymbolError::new(image, error))
    });
    let kernel = kernel.map_err(|error| vec![error.diagnostic()])?;
    let mut all = Vec::new();
    for path in &args.matched {
        if path.is_dir() {
            let found = objects(path).map_err(|error| vec![error])?;
            all.extend(found.into_iter().map(|inside| Named {
                path: path.join(&inside),
                inside,
                is_asked: false,
            }));
        } else {
            all.push(Named { path: path.clone(), inside: path.clone(), is_asked: true });
        }
    }
    let read = |named: &Named| files(&kernel, named).map_err(|error| (named.is_asked, error));
    let results: Vec<_> = threads::on_all(|| all.par_iter().map(read).collect());
    let (mut files, mut errors, mut passed) = (Vec::new(), Vec::new(), 0_usize);
    for result in results {
        match result {
            Ok(found) => files.extend(found),
            Err((true, error)) => errors.push(error),
            Err((false, _)) => passed = passed.saturating_add(1),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if passed > 0 {
        reporter.remark(&format!("{passed} objects are not the kernel's, and say nothing"));
    }
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// The local symbols that an object proves, with its source file.
fn files(kernel: &ShippedKernel, named: &Named) -> Result<Vec<FileOf>, Diagnostic> {
    let shown = path_text(&named.path);
    let data = read_module_within(&named.path, MODULE_MAX).map_err(|error| error.diagnostic())?;
    let found = match_object(kernel, &data.bytes)
        .map_err(|error| Diagnostic::error(&shown, &NotTheKernels(error.to_string())))?;
    if let Some(why) = found.refusal() {
        return Err(Diagnostic::error(&shown, &NotTheKernels(why)));
    }
    let ObjectMatch { functions, variables, source, .. } = found;
    let Some(source) = source else { return Ok(Vec::new()) };
    let file = path_text(&named.inside.parent().unwrap_or(Path::new("")).join(source));
    let functions = functions
        .into_iter()
        .filter(|function| function.position.is_some())
        .filter_map(|function| Some((function.name, function.address?)));
    let variables = variables.into_iter().map(|variable| (variable.name, variable.address));
    let all = functions.chain(variables);
    Ok(all.map(|(name, address)| FileOf { name, address, file: file.clone() }).collect())
}
