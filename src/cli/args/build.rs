//! The arguments of `klp-convert build`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub(in crate::cli) struct BuildMatrix {
    /// The project: which livepatches for which kernels
    #[arg(long, value_name = "FILE", default_value = "klp.toml")]
    pub(in crate::cli) file: PathBuf,
    /// Where modules, logs and reports go; by default klp, beside the project's file
    #[arg(short, long, value_name = "DIR", value_parser = super::folder())]
    pub(in crate::cli) output: Option<PathBuf>,
    /// How many cells to build at a time; by default one for each processor
    #[arg(short, long, value_name = "N")]
    pub(in crate::cli) jobs: Option<std::num::NonZeroUsize>,
    /// Only livepatches of these names (repeatable); * and ? match
    #[arg(long = "patch", value_name = "PATTERN")]
    pub(in crate::cli) patches: Vec<glob::Pattern>,
    /// Only kernels of these names (repeatable); * and ? match
    #[arg(long = "target", value_name = "PATTERN")]
    pub(in crate::cli) targets: Vec<glob::Pattern>,
    /// Only this cell (repeatable), if it is made from what a plan says; reports are left to --merge
    #[arg(long = "cell", value_name = "PATCH@TARGET[=DIGEST]")]
    pub(in crate::cli) cells: Vec<String>,
    /// Print a command for each cell instead of running them
    #[arg(long, value_enum, value_name = "FORM", conflicts_with_all = ["cells", "merge"])]
    pub(in crate::cli) plan: Option<PlanForm>,
    /// Build nothing: put the results of these folders together, and report on them
    #[arg(long, value_name = "DIR", num_args = 1.., conflicts_with = "cells")]
    pub(in crate::cli) merge: Vec<PathBuf>,
}

impl BuildMatrix {
    /// The folder of the project.
    pub(in crate::cli) fn folder(&self) -> &Path {
        let folder = self.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new("."))
    }
}

/// Form of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum PlanForm {
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
