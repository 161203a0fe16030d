//! `klp-convert new`: the start of a livepatch, in a folder of its own.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Outcome;
use super::args::New;
use super::interruption::Held;
use super::kbuild::INCLUDED;
use super::output::{TEMPORARY, folder_of};
use super::report::{Reporter, io_diagnostic};
use crate::diagnostic::Code;
use crate::draft::{
    Draft, DraftError, File, Origin, Placed, Request, Stubs, Target, draft, read, source_trees,
};
use crate::path_text::path_text;
use crate::symbols::Sources;

/// The folder of what the Makefile and the sources include.
const INCLUDE: &str = "include";

/// What `--format json` prints.
#[derive(Serialize)]
struct Document {
    folder: String,
    files: Vec<String>,
    functions: Vec<Function>,
    /// Symbols that the copies declare.
    declared: Vec<String>,
    /// Static functions and variables that are copied with them.
    copied: Vec<String>,
    remarks: Vec<String>,
}

#[derive(Serialize)]
struct Function {
    object: String,
    file: String,
    name: String,
    replacement: String,
}

pub(super) fn run(args: &New, reporter: &Reporter) -> Outcome {
    let targets: Vec<_> = args.targets.iter().enumerate().collect();
    let twice = |(n, target): &&(usize, &Target)| {
        args.targets.iter().take(*n).any(|other| same(other, target))
    };
    if let Some((_, target)) = targets.iter().find(twice) {
        let Target { file, function, .. } = target;
        return reporter.usage(&format!("--function {file}:{function} is given twice"));
    }
    let folder = args.output.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    if folder.symlink_metadata().is_ok() {
        let error = io::Error::new(
            io::ErrorKind::AlreadyExists,
            "exists already, and is not written over: give another name, or -o FOLDER",
        );
        let diagnostic = io_diagnostic(Code::Write, &folder, &error);
        return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
    }
    let trees = source_trees(&args.kernel_source, args.maps.kernel.as_deref());
    if trees.is_empty() {
        return reporter.usage(
            "no source tree: give it with --kernel-source DIR (Debian: linux-source, unpacked)",
        );
    }
    let origins = match origins(args, &trees) {
        Ok(origins) => origins,
        Err((path, error)) => {
            let diagnostic = io_diagnostic(Code::Read, &path, &error);
            return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
        }
    };
    let sources = match args.maps.sources(reporter) {
        Ok(sources) => sources,
        Err(error) => return reporter.symbols(&[error]),
    };
    let known = (!sources.is_empty()).then_some(&sources);
    let stubs = Stubs { callbacks: args.callbacks, shadow: args.shadow };
    let request = Request { name: &args.name, targets: &args.targets, stubs };
    let made = match draft(&request, &origins, known) {
        Ok(made) => made,
        Err(DraftError::Symbols(error)) => return reporter.symbols(&[error]),
        Err(error) => return reporter.failure(&[error.diagnostic()], Outcome::Refused),
    };
    let files = files(args, &made);
    if let Err(error) = write(&folder, &files) {
        let diagnostic = io_diagnostic(Code::Write, &folder, &error);
        return reporter.failure(&[diagnostic], Outcome::UsageOrIo);
    }
    report(made, &folder, &files, remarks(&origins, known), reporter)
}

/// Whether two targets are one function.
fn same(one: &Target, other: &Target) -> bool {
    one.file == other.file && one.function == other.function
}

/// The files of the functions, each once.
fn origins(args: &New, trees: &[PathBuf]) -> Result<Vec<Origin>, (PathBuf, io::Error)> {
    let mut origins: Vec<Origin> = Vec::new();
    for Target { file, .. } in &args.targets {
        if origins.iter().all(|origin| origin.file != *file) {
            let last = trees.last().map(|tree| tree.join(file)).unwrap_or_default();
            origins.push(read(trees, file).map_err(|error| (last, error))?);
        }
    }
    Ok(origins)
}

/// All files of the folder.
fn files(args: &New, made: &Draft) -> Vec<File> {
    let mut files = made.files.clone();
    let kernel = kernel_folder(args).unwrap_or("/lib/modules/$(shell uname -r)/build".into());
    let text =
        format!("# SPDX-License-Identifier: GPL-2.0\nKDIR ?= {kernel}\ninclude {INCLUDE}/klp.mk\n");
    files.push(File { name: "Makefile".into(), text });
    for (name, bytes) in INCLUDED {
        let text = String::from_utf8_lossy(bytes).into_owned();
        files.push(File { name: format!("{INCLUDE}/{name}"), text });
    }
    files
}

/// The folder for make, of the kernel that was named, if make can be told so.
fn kernel_folder(args: &New) -> Option<String> {
    let kernel = args.maps.kernel.as_ref()?;
    let folders = [kernel.clone(), kernel.join("build")];
    let found = folders.iter().find(|path| path.join("include/config/kernel.release").is_file())?;
    let path = std::path::absolute(found).ok()?.into_os_string().into_string().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~,@".contains(c);
    path.chars().all(plain).then_some(path)
}

/// Writes a folder whole or not at all.
fn write(folder: &Path, files: &[File]) -> io::Result<()> {
    let parent = folder_of(folder);
    std::fs::create_dir_all(parent)?;
    let _held = Held::new();
    let new = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(parent)?;
    // That of a temporary folder is for its owner only.
    let made = new.path().join("new");
    std::fs::create_dir_all(made.join(INCLUDE))?;
    for File { name, text } in files {
        std::fs::write(made.join(name), text)?;
    }
    if folder.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    std::fs::rename(&made, folder)
}

/// What an author should know about the kernel and the source.
fn remarks(origins: &[Origin], sources: Option<&Sources>) -> Vec<String> {
    let mut remarks = Vec::new();
    let Some(sources) = sources else {
        return vec![
            "no symbols of the kernel were given (--kernel, -s): static functions are copied, and objects and \
             homonyms are not checked"
                .into(),
        ];
    };
    let kernel = sources.answer(&crate::symbols::Wanted::new([]));
    let release = kernel.ok().and_then(|answer| answer.kernel().release.clone());
    for origin in origins {
        if let (Some(source), Some(release)) = (&origin.release, &release)
            && source.parse::<klp_arch::KernelVersion>().ok()
                != release.parse::<klp_arch::KernelVersion>().ok()
        {
            remarks.push(format!(
                "{}: is of Linux {source}, but the kernel is {release}: compare the function with that kernel's",
                origin.path.display()
            ));
        }
    }
    remarks.dedup();
    remarks
}

fn report(
    made: Draft,
    folder: &Path,
    files: &[File],
    mut remarks: Vec<String>,
    reporter: &Reporter,
) -> Outcome {
    remarks.extend(made.remarks);
    if reporter.is_json() {
        let function = |placed: Placed| Function {
            object: placed.object.to_string(),
            file: placed.file,
            name: placed.function,
            replacement: placed.replacement,
        };
        return reporter.json(&Document {
            folder: path_text(folder),
            files: files.iter().map(|file| file.name.clone()).collect(),
            functions: made.functions.into_iter().map(function).collect(),
            declared: made.declared.into_iter().collect(),
            copied: made.copied.into_iter().collect(),
            remarks,
        });
    }
    for File { name, .. } in files {
        reporter.remark(&path_text(&folder.join(name)));
    }
    let names = |names: std::collections::BTreeSet<String>| {
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    if !made.declared.is_empty() {
        reporter.remark(&format!("declared: {}", names(made.declared)));
    }
    if !made.copied.is_empty() {
        reporter.remark(&format!("copied, no symbol of the kernel: {}", names(made.copied)));
    }
    remarks.iter().for_each(|remark| reporter.remark(remark));
    reporter.remark(&format!("next: change the functions, then make -C {}", folder.display()));
    Outcome::Done
}
