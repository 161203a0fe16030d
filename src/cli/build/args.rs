//! The arguments of `klp-convert build`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::selection::Named;

#[derive(Debug, Args)]
pub(in crate::cli) struct BuildMatrix {
    /// The project: which livepatches for which kernels
    #[arg(long, value_name = "FILE", default_value = "klp.toml")]
    pub(super) file: PathBuf,
    /// Where modules, logs and reports go; by default klp, beside the project's file
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
    /// How many cells to build at a time; by default one for each processor
    #[arg(short, long, value_name = "N")]
    pub(super) jobs: Option<std::num::NonZeroUsize>,
    /// Only livepatches of these names (repeatable); * and ? match
    #[arg(long = "patch", value_name = "PATTERN")]
    pub(super) patches: Vec<glob::Pattern>,
    /// Only kernels of these names (repeatable); * and ? match
    #[arg(long = "target", value_name = "PATTERN")]
    pub(super) targets: Vec<glob::Pattern>,
    /// Only this cell (repeatable), if it is made from what a plan says; reports are left to --merge
    #[arg(long = "cell", value_name = "PATCH@TARGET[=DIGEST]")]
    pub(super) cells: Vec<Named>,
    /// Print a command for each cell instead of running them
    #[arg(long, value_enum, value_name = "FORM", conflicts_with_all = ["cells", "merge"])]
    pub(super) plan: Option<PlanForm>,
    /// Build nothing: put the results of these folders together, and report on them
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with = "cells")]
    pub(super) merge: Vec<PathBuf>,
}

impl BuildMatrix {
    /// The folder of the project.
    pub(super) fn folder(&self) -> &Path {
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new("."))
    }
}

/// Form of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum PlanForm {
    /// Commands with inputs and digests, for programs
    Json,
    /// A ninja file
    Ninja,
    /// A job array, for sbatch
    Slurm,
    /// An Indexed Job
    Kubernetes,
    /// A workflow of GitHub Actions
    Github,
    /// A pipeline of GitLab
    Gitlab,
}
