//! Whether the code of an object file is the code of a linked kernel: run-pre matching.
//!
//! The object is linked to where the kernel has it: names give addresses, and what the linker has filled in gives the
//! others; then every byte is compared, of functions and of the constants that they read. The name is that of the paper
//! that has the idea (J. Arnold and M. F. Kaashoek, *Ksplice: Automatic Rebootless Kernel Updates*, 2009), which compares
//! with a running kernel; here its boot image is enough.

mod clue;
mod compare;
mod compiler;
mod entries;
mod kernel;
mod listing;
mod locate;
mod mismatch;
mod module;
mod object;
mod parts;
mod placed;
mod references;
mod sections;
mod sites;
mod tables;
mod verdict;

pub use kernel::ShippedKernel;
pub use mismatch::{Mismatch, Unknown};

use ::object::elf::STT_FILE;

use crate::findings::Error;
use crate::name::shown;
use object::Object;
use placed::Placed;

/// What came of a function.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum MatchVerdict {
    /// The kernel has the same; without an address in several places, which do not differ.
    Equal,
    /// It is weak, and the kernel uses another definition.
    Overridden,
    /// The kernel has something else.
    Differs(Mismatch),
    /// The kernel lists nothing of that name: the linker has left it out.
    Absent,
    /// It cannot be told.
    Unknown(Unknown),
}

/// A function of an object, and what the kernel has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionMatch {
    /// Its name.
    pub name: String,
    /// Whether it is gone once the kernel has started.
    pub init: bool,
    /// Its address in the linked kernel.
    pub address: Option<u64>,
    /// Which of the kernel's symbols of that name it is, counted from 1; `None` if it is none of them.
    pub position: Option<u64>,
    /// How many symbols of that name the kernel has.
    pub of: usize,
    /// What came of it.
    pub verdict: MatchVerdict,
}

/// A variable that only the object itself can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableMatch {
    /// Its name.
    pub name: String,
    /// Its address in the linked kernel.
    pub address: u64,
    /// Which of the kernel's symbols of that name it is, counted from 1.
    pub position: u64,
    /// How many of them there are.
    pub of: usize,
}

/// A constant, or first contents of a variable, that the kernel does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataMismatch {
    /// Its name, or its section and offset.
    pub name: String,
    /// The first difference.
    pub mismatch: Mismatch,
}

/// What came of an object.
#[derive(Debug, Clone, Default)]
pub struct ObjectMatch {
    /// Its functions, in the order of the symbol table.
    pub functions: Vec<FunctionMatch>,
    /// Its own variables whose place is known, in the order of the symbol table.
    pub variables: Vec<VariableMatch>,
    /// Data that the kernel does not have. What has no known place is not in it.
    pub data: Vec<DataMismatch>,
    /// The name of its source file, if it is of one.
    pub source: Option<String>,
    /// The compilers that made it, if the kernel says that another one made it.
    pub other_compiler: Option<String>,
}

impl ObjectMatch {
    /// Why it is not the kernel's, if it is not: the first function that differs or is unknown, or the compiler.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let refused = self.functions.iter().find_map(|function| match &function.verdict {
            MatchVerdict::Differs(mismatch) => Some(format!("{}: {mismatch}", function.name)),
            MatchVerdict::Unknown(why) => Some(format!("{}: {why}", function.name)),
            _ => None,
        });
        let data = || {
            let first = self.data.first()?;
            Some(format!("{}: {}", first.name, first.mismatch))
        };
        let refused = refused.or_else(data);
        refused.or_else(|| self.other_compiler.as_ref().map(|other| format!("made by {other}")))
    }
}

/// Why an object cannot be compared with a kernel.
#[derive(Debug, thiserror::Error)]
pub enum MatchError {
    /// It cannot be read.
    #[error(transparent)]
    Object(#[from] Error),
    /// It is for another machine.
    #[error("the object is for {object}, the kernel for {kernel}")]
    Machine {
        /// That of the object.
        object: &'static str,
        /// That of the kernel.
        kernel: &'static str,
    },
}

/// Compares an object with a kernel.
///
/// # Errors
/// [`MatchError`]: it is not a relocatable file, or one of another machine.
pub fn match_object(kernel: &ShippedKernel, data: &[u8]) -> Result<ObjectMatch, MatchError> {
    let object = Object::read(data)?;
    if let Some(machine) = kernel.machine().filter(|machine| machine.name != object.machine.name) {
        return Err(MatchError::Machine { object: object.machine.name, kernel: machine.name });
    }
    let placed = Placed::new(&object, kernel);
    let functions = verdict::functions(&placed);
    let variables = verdict::variables(&placed);
    let data = verdict::data(&placed);
    let other_compiler = compiler::other(&object.module, kernel.compilers());
    let mut files = object.module.symbols().filter(|symbol| symbol.kind == STT_FILE);
    let only = files.next().filter(|_| files.next().is_none());
    let source = only.map(|symbol| shown(symbol.name).into_owned());
    Ok(ObjectMatch { functions, variables, data, source, other_compiler })
}
