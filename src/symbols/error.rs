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
    /// The file is no map that can be used.
    #[error("{0}")]
    Map(MapError),
    /// The file is no boot image, or is not decompressed.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The file is not a 64-bit ELF file.
    #[error("not a 64-bit ELF file")]
    NotElf,
    /// A table of the ELF file lies outside the file or contradicts another one.
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
    /// The file name or a name in the file is no object name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The first line is not the header of a symbol list.
    #[error("not a symbol list or map: the first line is not 'klp-convert-symbol-data.0.1'")]
    NoHeader,
    /// The header names another version than 0.1 and 0.2.
    #[error("symbol list of version '{0}', only 0.1 and 0.2 are known")]
    Version(String),
    /// A line of a list 0.2 introduces a source file and does not name it.
    #[error("'-' without the name of a source file")]
    NoFile,
    /// A line ends in a carriage return. It would become a part of every name, so none would match.
    #[error("line ends in a carriage return; convert the file: sed -i 's/\\r$//' FILE")]
    CarriageReturn,
    /// A line has bytes that no such file has.
    #[error("{0}, which no line may have")]
    Junk(&'static str),
    /// A line is longer than any line of this kind.
    #[error("line of more than {0} bytes")]
    LongLine(usize),
    /// A symbol stands before the first `*object` line.
    #[error("symbol before the first '*object' line")]
    NoObject,
    /// The same object is told twice.
    #[error("object '{object}' was already told by {first}")]
    ObjectTwice {
        /// The object.
        object: ObjectName,
        /// Where it was told first.
        first: String,
    },
    /// A name occurs more often in one object than any kernel has it.
    #[error("more than {limit} symbols '{name}' in '{object}'")]
    TooMany {
        /// The symbol.
        name: String,
        /// The object.
        object: ObjectName,
        /// The limit.
        limit: u32,
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
    /// There is no module below a folder.
    #[error("no module (.ko, .ko.xz, .ko.gz, .ko.zst) below this folder")]
    NoModules,
    /// Nothing was told that a map could hold.
    #[error("no symbols to make a map of")]
    Nothing,
    /// A symbolic link leads back to a folder that it is in.
    #[error("a symbolic link that leads back to {path}", path = .0.display())]
    Loop(PathBuf),
    /// A symbolic link whose target is not there.
    #[error("a symbolic link to {path}, which is not there", path = .0.display())]
    Dangling(PathBuf),
    /// Several modules of one name, of which nothing says which is loaded.
    #[error(
        "nothing says whether modprobe loads this or {others}: depmod ranks them alike, and there is \
         no modules.dep that names one",
        others = .others.join(" or ")
    )]
    NoOrder {
        /// The others, below the tree.
        others: Vec<String>,
    },
    /// A line of `System.map` or `/proc/kallsyms` has another form.
    #[error("not a row 'address letter name': {0}")]
    Row(&'static str),
    /// The last line of a table has no end, so that its name may be the start of a longer one.
    #[error("the last line has no end: the file was probably cut off; make it anew")]
    CutOff,
    /// A table of symbols has no row.
    #[error("no symbols: the file is empty")]
    NoSymbols,
    /// The one line that some packages install in the place of `System.map`.
    #[error("a stand-in without symbols; the real System.map is in the {0}")]
    StandIn(String),
    /// A line of `System.map` has a lower address than the line before.
    #[error(
        "its address is below that of the line before, so this is not the System.map of a build"
    )]
    NotAscending,
    /// `/proc/kallsyms` was read by someone who may not see addresses.
    #[error(
        "every address is 0, as kernel.kptr_restrict shows them to ordinary users; \
         save it as root: sudo cat /proc/kallsyms >FILE"
    )]
    NoAddresses,
    /// The parts of `/proc/kallsyms` stand in another order than the kernel shows them.
    #[error("{0}: not one whole /proc/kallsyms; save it anew")]
    KallsymsPart(&'static str),
    /// A line of `Module.symvers` has none of the three known layouts.
    #[error("not a line of Module.symvers: {0}")]
    Symvers(&'static str),
    /// Two sources tell one object differently.
    #[error("not the same '{object}' as in {first}: {what}")]
    Contradiction {
        /// The object.
        object: ObjectName,
        /// The file that told it first.
        first: String,
        /// What they do not agree about.
        what: Box<Contradiction>,
    },
    /// Two sources speak of kernels of different machines, byte orders or releases.
    #[error("{what} is {this}, but {that} elsewhere: not the same kernel")]
    Disagree {
        /// What differs.
        what: &'static str,
        /// What this file says.
        this: String,
        /// What an earlier file said.
        that: String,
    },
    /// An export is told in two ways, by two sources or by one.
    #[error(transparent)]
    ExportContradiction(Box<ExportContradiction>),
}

/// How an export is told in two ways.
#[derive(Debug, thiserror::Error)]
#[error("'{name}' of '{owner}' is exported {this} here, {that} elsewhere")]
pub struct ExportContradiction {
    /// The exported name.
    pub name: String,
    /// The object that exports it.
    pub owner: ObjectName,
    /// What this file says.
    pub this: String,
    /// What it, or an earlier file, said before.
    pub that: String,
}

/// What two tellers of one object do not agree about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contradiction {
    /// The object's files are of different builds.
    BuildId(BuildId, BuildId),
    /// A name occurs a different number of times.
    Homonyms {
        /// The name.
        name: String,
        /// How often each teller has it.
        counts: (usize, usize),
    },
    /// The same symbol is at different addresses.
    Address {
        /// The name.
        name: String,
        /// Its position among the symbols of this name, from 1.
        position: usize,
        /// Where each teller has it.
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
