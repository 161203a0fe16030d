//! Errors that leave no result at all.

use super::diagnose;
use super::finding::Finding;
use crate::diagnostic::{Code, Diagnose, Diagnostic};
use crate::elf::{ElfError, SymbolIndex};
use crate::symbols::SymbolError;

/// Why a module was not converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not a well-formed module.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// The machine is not supported.
    #[error("e_machine {0} is not one of {list}", list = machine_names())]
    Machine(u16),
    /// The module is for another machine than the kernel.
    #[error("the module is for {module}, the symbols are from a kernel for {kernel}")]
    OtherMachine {
        /// The module's machine.
        module: &'static str,
        /// The machine of the sources.
        kernel: String,
    },
    /// The module was built for another release than the sources describe.
    #[error("the module is built for '{module}', the symbols are from '{kernel}'")]
    OtherRelease {
        /// The release in the module's vermagic.
        module: String,
        /// The release of the sources.
        kernel: String,
    },
    /// The kernel cannot load livepatches.
    #[error("the kernel is built without CONFIG_KALLSYMS_ALL, so it cannot have CONFIG_LIVEPATCH")]
    NoLivepatching,
    /// The module is signed.
    #[error(
        "the module carries an appended signature of {0} bytes, which a conversion invalidates"
    )]
    Signed(usize),
    /// A symbol map cannot be read.
    #[error(transparent)]
    Symbols(#[from] SymbolError),
    /// Its symbols or relocations cannot be converted.
    #[error("{} refusals", .0.len())]
    Refused(Vec<Finding>),
    /// The result is not what was planned.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

fn machine_names() -> String {
    klp_arch::machines().iter().map(|b| b.name).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// The error as diagnostics about the module named `file`.
    #[must_use]
    pub fn diagnostics(&self, file: &str) -> Vec<Diagnostic> {
        match self {
            Self::Refused(findings) => diagnose::diagnostics(findings, file),
            // A fault of a map is not about the module.
            Self::Symbols(error) => vec![error.diagnostic()],
            _ => vec![Diagnostic::error(file, self)],
        }
    }

    /// Whether a file could not be read, rather than its contents refused.
    #[must_use]
    pub fn is_io(&self) -> bool {
        matches!(self, Self::Symbols(error) if error.is_io())
    }
}

impl Diagnose for Error {
    fn code(&self) -> Code {
        match self {
            Self::Elf(_) => Code::MalformedElf,
            Self::Machine(_) => Code::UnknownMachine,
            Self::OtherMachine { .. } => Code::OtherMachine,
            Self::OtherRelease { .. } => Code::OtherRelease,
            Self::NoLivepatching => Code::NoLivepatching,
            Self::Signed(_) => Code::Signed,
            Self::Symbols(error) => error.code(),
            Self::Refused(_) => Code::KernelRule,
            Self::Verify(_) => Code::Unfaithful,
        }
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::Signed(_) => {
                vec!["convert before signing, or pass --strip-signature and sign again".into()]
            }
            Self::OtherRelease { .. } => vec![
                "give the files of the kernel that the module was built for, or pass \
                 --allow-stale-map if both are the same kernel"
                    .into(),
            ],
            Self::Verify(_) => vec!["please report this with the module".into()],
            _ => Vec::new(),
        }
    }
}

/// The written module is not the planned one: a bug of this program, never a fault of the input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A symbol is wrong or at the wrong index.
    #[error("symbol {index} should be '{name}' in the written module")]
    Symbol {
        /// Index in the written file.
        index: SymbolIndex,
        /// The name that was planned.
        name: String,
    },
    /// A position is not written as planned.
    #[error("the position of {0} is not written as it was planned")]
    Position(String),
    /// The relocations of a section are not the planned ones.
    #[error("the relocations written to '{0}' are not those that were planned")]
    Relocations(String),
    /// A table of versions or `.modinfo` is not the planned one.
    #[error("what is written to '{0}' is not what was planned")]
    Contents(String),
    /// The symbols are not as many as planned.
    #[error("{written} symbols are written, {planned} were planned")]
    Symbols {
        /// Symbols in the written file.
        written: usize,
        /// Symbols that it should have.
        planned: usize,
    },
    /// The relocation sections are not the planned ones.
    #[error("{written} relocation sections are written, {planned} were planned")]
    Sections {
        /// Relocation sections in the written file.
        written: usize,
        /// Relocation sections that it should have.
        planned: usize,
    },
}
