//! Arguments of `klp-convert new`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::{Maps, SOURCES};
use crate::draft::Target;
use crate::name::{ObjectName, VMLINUX};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("map").args(SOURCES).multiple(true))]
pub(in crate::cli) struct New {
    /// The name of the module, and of the folder
    #[arg(value_name = "NAME", value_parser = module_name)]
    pub(in crate::cli) name: String,
    /// A function to change (repeatable): FILE:FUNCTION or OBJECT:FILE:FUNCTION, by the file's path in the source tree
    #[arg(long = "function", value_name = "FILE:FUNCTION", required = true)]
    pub(in crate::cli) targets: Vec<Target>,
    /// The kernel's source tree (repeatable); without it, that of the build tree in --kernel
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) kernel_source: Vec<PathBuf>,
    /// Write a shadow variable, too
    #[arg(long)]
    pub(in crate::cli) shadow: bool,
    /// Write callbacks, too
    #[arg(long)]
    pub(in crate::cli) callbacks: bool,
    /// The folder to write, which must not exist; by default NAME
    #[arg(short, long, value_name = "DIR")]
    pub(in crate::cli) output: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) maps: Maps,
}

/// A name that kbuild and the kernel take for a module.
fn module_name(text: &str) -> Result<String, String> {
    let is = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.is_empty() || !text.chars().all(is) || text.starts_with('-') {
        return Err("a module's name has letters, digits, _ and - only".into());
    }
    text.replace('-', "_").parse::<ObjectName>().map_err(|error| error.to_string())?;
    if text == VMLINUX {
        return Err("the kernel itself has this name".into());
    }
    Ok(text.into())
}
