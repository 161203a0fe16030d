//! Why a source of symbols cannot be used, with the file and, for text, the line.

use std::fmt;
use std::path::{Path, PathBuf};

use super::MapError;
use super::data::BuildId;
use super::image::ImageError;
use crate::name::{NameError, ObjectName};

/// What is wrong, and in which file.
#[derive(Debug, thiserror::Error)]
#[error("{path}{line}: {kind}", path = .path.display(), line = Line(*.line))]
pub struct SymbolError {
    /// The file as the caller named it.
    pub path: PathBuf,
    /// The line in a text file, counted from 1.
    pub line: Option<u64>,
    /// What is wrong.
    #[source]
    pub kind: SymbolErrorKind,
}

impl SymbolError {
    /// An error about a whole file.
    #[must_use]
    pub fn new(path: &Path, kind: impl Into<SymbolErrorKind>) -> Self {
        Self { path: path.into(), line: None, kind: kind.into() }
    }

    /// An error in one line, counted from 1.
    pub(super) fn at(path: &Path, line: u64, kind: impl Into<SymbolErrorKind>) -> Self {
        Self { path: path.into(), line: Some(line), kind: kind.into() }
    }
}

/// Prints `:12`, or nothing.
struct Line(Option<u64>);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// What is wrong with a source of symbols.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SymbolErrorKind {
    /// The file cannot be opened or read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is not a usable map.
    #[error("{0}")]
    Map(MapError),
    /// The file is not a boot image, or cannot be decompressed.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The file is not a 64-bit ELF file.
    #[error("not a 64-bit ELF file")]
    NotElf,
    /// A table of the ELF file is outside the file or contradicts another one.
    #[error("malformed ELF file: {0}")]
    Elf(&'static str),
    /// The ELF file has no symbol table.
    #[error("no symbol table (stripped?)")]
    Stripped,
    /// A relocatable file was given as the kernel.
    #[error(
        "a relocatable file; positions come from the linked image only, give the linked vmlinux"
    )]
    NotLinked,
    /// A linked file was given as a module.
    #[error("not a relocatable file, so not a kernel module")]
    NotModule,
    /// The file name or a name in the file is not an object name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The first line is not the header of a symbol list.
    #[error("not a symbol list or map: the first line is not 'klp-convert-symbol-data.0.1'")]
    NoHeader,
    /// The header names a version other than 0.1 and 0.2.
    #[error("symbol list of version '{0}', only 0.1 and 0.2 are supported")]
    Version(String),
    /// A line of a version 0.2 list introduces a source file without naming it.
    #[error("'-' without the name of a source file")]
    NoFile,
    /// A line ends in a carriage return. It would become part of every name, and none would match.
    #[error("line ends in a carriage return; convert the file: sed -i 's/\\r$//' FILE")]
    CarriageReturn,
    /// A line has bytes that no such file has.
    #[error("{0}, which is not allowed in a line")]
    Junk(&'static str),
    /// A line is longer than any line of this kind.
    #[error("line of more than {0} bytes")]
    LongLine(usize),
    /// A symbol before the first `*object` line.
    #[error("symbol before the first '*object' line")]
    NoObject,
    /// One object occurs twice.
    #[error("object '{object}' is already in {first}")]
    ObjectTwice {
        /// The object.
        object: ObjectName,
        /// The file that has it first.
        first: String,
    },
    /// A name occurs more often in one object than in any kernel.
    #[error("more than {limit} symbols '{name}' in '{object}'")]
    TooMany {
        /// The symbol.
        name: String,
        /// The object.
        object: ObjectName,
        /// The limit.
        limit: u32,
    },
    /// A compressed module has more bytes than are allowed.
    #[error("unpacks to more than {} MiB", .limit >> 20)]
    ModuleTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// A compressed source of symbols has more bytes than any of its kind.
    #[error("unpacks to more than {} MiB", .limit >> 20)]
    SourceTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// One object has more text than its tables can point into.
    #[error("more than 4 GiB of names")]
    TooLarge,
    /// A folder is neither a build tree nor an installed one.
    #[error(
        "neither a build tree (vmlinux, modules.order) nor an installed one (kernel/, as in \
         /lib/modules/RELEASE)"
    )]
    NoKernel,
    /// There are headers, and the kernel that they belong to is not installed.
    #[error(
        "the headers of {release}, whose kernel is not installed here; install its package \
         (Debian: linux-image-{release}), or give its symbols: -s FILE.map, --image, --modules"
    )]
    NotInstalled {
        /// The release.
        release: String,
    },
    /// An installed tree has the modules only.
    #[error("modules without their kernel; add the boot image: --image /boot/vmlinuz-RELEASE")]
    NoVmlinux,
    /// No module below a folder.
    #[error("no module (.ko, .ko.xz, .ko.gz, .ko.zst) below this folder")]
    NoModules,
    /// The sources have nothing that a map could hold.
    #[error("no symbols for a map")]
    Nothing,
    /// A symbolic link leads back to a folder that it is in.
    #[error("a symbolic link that leads back to {path}", path = .0.display())]
    Loop(PathBuf),
    /// A symbolic link whose target does not exist.
    #[error("a symbolic link to {path}, which does not exist", path = .0.display())]
    Dangling(PathBuf),
    /// A list of modules names one elsewhere.
    #[error("lists {path}, which is not below this folder", path = .0.display())]
    Outside(PathBuf),
    /// Several modules of one name, and nothing decides which is loaded.
    #[error(
        "cannot determine whether modprobe loads this or {others}: depmod ranks them equally, and \
         no modules.dep names one",
        others = .others.join(" or ")
    )]
    NoOrder {
        /// The others, below the tree.
        others: Vec<String>,
    },
    /// A line of `System.map` or `/proc/kallsyms` is malformed.
    #[error("not a row 'address letter name': {0}")]
    Row(&'static str),
    /// The last line of a table has no newline: its name may be truncated.
    #[error("the last line has no newline: the file is probably truncated; create it again")]
    CutOff,
    /// A symbol table without rows.
    #[error("no symbols: the file is empty")]
    NoSymbols,
    /// The placeholder that some packages install instead of `System.map`.
    #[error("a placeholder without symbols; the real System.map is in the {0}")]
    StandIn(String),
    /// A line of `System.map` has a lower address than the previous line.
    #[error(
        "its address is below that of the previous line, so this is not the System.map of a build"
    )]
    NotAscending,
    /// `/proc/kallsyms` was read by a user who may not see addresses.
    #[error(
        "every address is 0, as kernel.kptr_restrict shows them to ordinary users; \
         save it as root: sudo cat /proc/kallsyms >FILE"
    )]
    NoAddresses,
    /// The parts of `/proc/kallsyms` are not in the kernel's order.
    #[error("{0}: not a complete /proc/kallsyms; save it again")]
    KallsymsPart(&'static str),
    /// A line of `Module.symvers` has none of the three known layouts.
    #[error("not a line of Module.symvers: {0}")]
    Symvers(&'static str),
    /// Two sources disagree about one object.
    #[error("not the same '{object}' as in {first}: {what}")]
    Contradiction {
        /// The object.
        object: ObjectName,
        /// The file that has it first.
        first: String,
        /// What they disagree about.
        what: Box<Contradiction>,
    },
    /// Two sources describe kernels of different machines, byte orders or releases.
    #[error("{what} is {this}, but {that} elsewhere: not the same kernel")]
    Disagree {
        /// What differs.
        what: &'static str,
        /// What this file says.
        this: String,
        /// What an earlier file said.
        that: String,
    },
    /// An export has two contradictory descriptions, in two sources or in one.
    #[error(transparent)]
    ExportContradiction(Box<ExportContradiction>),
}

/// Two contradictory descriptions of an export.
#[derive(Debug, thiserror::Error)]
#[error("'{name}' of '{owner}' is exported {this} here, {that} elsewhere")]
pub struct ExportContradiction {
    /// The exported name.
    pub name: String,
    /// The object that exports it.
    pub owner: ObjectName,
    /// What this file says.
    pub this: String,
    /// What it said before, or an earlier file.
    pub that: String,
}

/// What two descriptions of one object disagree about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contradiction {
    /// The files are from different builds.
    BuildId(BuildId, BuildId),
    /// A name occurs a different number of times.
    Homonyms {
        /// The name.
        name: String,
        /// How often each description has it.
        counts: (usize, usize),
    },
    /// The same symbol is at different addresses.
    Address {
        /// The name.
        name: String,
        /// Its position among the symbols of this name, from 1.
        position: usize,
        /// Where each description has it.
        addresses: (u64, u64),
    },
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuildId(this, that) => write!(f, "build-id {this} here, {that} there"),
            Self::Homonyms { name, counts: (this, that) } => {
                write!(f, "'{name}' occurs {this} times here, {that} times there")
            }
            Self::Address { name, position, addresses: (this, that) } => {
                write!(f, "'{name}', position {position}, is at {this:#x} here, at {that:#x} there")
            }
        }
    }
}
