//! What one source tells: objects with their symbols, exports, and the kernel they belong to.
//!
//! Between the sources and everything that uses them ([`Merged`](super::Merged)). A kernel has a million
//! symbols, so that names stay in the string table they were read from, and a [`Symbol`] says where.
//! Invariant: the symbols of an object stand in the order in which the kernel counts those of one
//! name, unless the object says that its order is [`Order::Alphabetical`].

pub(crate) mod evidence;
pub(crate) mod kind;
pub(crate) mod promoted;
mod siblings;
mod suggestions;
mod wanted;

pub use evidence::{Evidence, ModuleBtf};
pub use kind::{Binding, Export, Kind, Order};
pub use siblings::{Dissent, Fact, Siblings, Witness};
pub use suggestions::{Suggestion, Suggestions};
pub use wanted::Wanted;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use klp_arch::KernelVersion;
use scroll::Endian;

use promoted::Compares;

use crate::name::ObjectName;

/// Which names a source is asked about.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// All that it has.
    All,
    /// These only.
    Names(&'a Wanted<'a>),
}

impl Scope<'_> {
    /// Whether the name is asked about, or what some kernel compares of it (Clang's LTO).
    #[must_use]
    #[inline]
    pub fn wants(self, name: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Names(wanted) => wanted.admit(name).is_some(),
        }
    }
}

/// A GNU build-id: what `NT_GNU_BUILD_ID` holds, 20 bytes as linkers make it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildId(pub Vec<u8>);

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a source says about the kernel itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelIdentity {
    /// `uname -r`, such as `7.2.13`.
    pub release: Option<String>,
    /// `e_machine` of the ELF header.
    pub machine: Option<u16>,
    /// Byte order.
    pub endian: Option<Endian>,
    /// Whether its table of symbols has data, too (`CONFIG_KALLSYMS_ALL`), which livepatching needs.
    /// Where it has not, only functions are told.
    pub kallsyms_all: Option<bool>,
}

impl KernelIdentity {
    /// The version, where the release begins with one.
    #[must_use]
    pub fn version(&self) -> Option<KernelVersion> {
        self.release.as_deref()?.parse().ok()
    }
}

/// A piece of an object's text. What lies outside of the text is empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// The piece from `start` on, in bytes. `None` where 32 bits do not hold it.
    #[must_use]
    pub fn new(start: usize, length: usize) -> Option<Self> {
        Some(Self { start: start.try_into().ok()?, length: length.try_into().ok()? })
    }

    /// The start of the piece, of so many bytes at most.
    pub(crate) fn first(self, length: usize) -> Self {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        Self { length: self.length.min(length), ..self }
    }

    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        let range = |start, length: u32| {
            let start = usize::try_from(start).ok()?;
            text.get(start..start.checked_add(usize::try_from(length).ok()?)?)
        };
        range(self.start, self.length).unwrap_or(&[])
    }
}

/// One symbol that the kernel counts when it looks for a name in an object.
#[derive(Debug, Clone, Copy)]
pub struct Symbol {
    /// Its name.
    pub name: Span,
    /// Address in the linked kernel, or offset in the module's section.
    pub address: Option<u64>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Name of the section that holds it.
    pub section: Option<Span>,
    /// Which of [`Object::units`] defines it; known for local symbols, and for functions where there
    /// is debug information.
    pub unit: Option<u32>,
    /// ELF binding.
    pub binding: Option<Binding>,
    /// ELF type.
    pub kind: Option<Kind>,
    /// The type letter that `/proc/kallsyms` shows while nobody exports it.
    pub letter: Option<u8>,
    /// Whether it lies in memory that is freed after initialisation.
    pub init: bool,
    /// Whether it is a function that ftrace is known to have no call site in.
    pub untraceable: bool,
    /// Whether it is still counted when a module's init part is gone. Always so in vmlinux.
    pub stays: bool,
}

impl Symbol {
    /// A symbol of which only the name is known.
    #[must_use]
    pub fn named(name: Span) -> Self {
        Self {
            name,
            address: None,
            size: None,
            section: None,
            unit: None,
            binding: None,
            kind: None,
            letter: None,
            init: false,
            untraceable: false,
            stays: true,
        }
    }
}

/// The symbols of one object, as one source tells them.
#[derive(Debug, Clone)]
pub struct Object {
    /// vmlinux or a module.
    pub name: ObjectName,
    /// The file that tells it.
    pub by: Arc<Path>,
    /// How well the order of symbols of one name is known.
    pub order: Order,
    /// Whether its addresses are those of a running kernel, which may all be shifted by one constant.
    pub moved: bool,
    /// Whether Clang's LTO has made a name of it, asked about or not: such kernels may compare less than
    /// the whole name.
    pub promoted: bool,
    /// What its kernel compares of a name, where its boot image shows it.
    pub(crate) compares: Option<Compares>,
    /// The build-id of the object's file.
    pub build_id: Option<BuildId>,
    /// The modules that it needs, as its `.modinfo` says (`depends`); `None` where no file tells.
    pub depends: Option<Vec<ObjectName>>,
    /// What its file shows of the kernel; `None` where no module's file tells it.
    pub evidence: Option<Evidence>,
    /// Where every [`Span`] of this object points into.
    pub text: Vec<u8>,
    /// Source files, one for each translation unit. A file may occur several times: units are told
    /// apart by their index.
    pub units: Vec<Span>,
    /// The symbols, in the order of counting.
    pub symbols: Vec<Symbol>,
}

impl Object {
    /// An object without symbols.
    #[must_use]
    pub fn new(name: ObjectName, by: &Path, order: Order) -> Self {
        Self {
            name,
            by: by.into(),
            order,
            moved: false,
            promoted: false,
            compares: None,
            build_id: None,
            depends: None,
            evidence: None,
            text: Vec::new(),
            units: Vec::new(),
            symbols: Vec::new(),
        }
    }

    /// The bytes of a span.
    #[must_use]
    pub fn text(&self, span: Span) -> &[u8] {
        span.of(&self.text)
    }

    /// Keeps a text. `None` where 4 GiB are full.
    pub fn keep(&mut self, text: &[u8]) -> Option<Span> {
        let span = Span::new(self.text.len(), text.len())?;
        self.text.extend_from_slice(text);
        Some(span)
    }

    /// The source file of a symbol, where it is known.
    #[must_use]
    pub fn file(&self, symbol: &Symbol) -> Option<&[u8]> {
        let unit = usize::try_from(symbol.unit?).ok()?;
        Some(self.text(*self.units.get(unit)?)).filter(|name| !name.is_empty())
    }
}

/// All that one source tells.
#[derive(Debug, Default)]
pub struct SymbolData {
    /// The kernel.
    pub kernel: KernelIdentity,
    /// Objects with their symbols; each once.
    pub objects: Vec<Object>,
    /// Exported names.
    pub exports: Vec<(String, Export)>,
    /// Objects that the source has, too, and that have none of the names in question.
    pub known: Option<Arc<dyn KnownObjects>>,
    /// What the files of those show of the kernel.
    pub witnesses: Vec<Witness>,
}

impl SymbolData {
    /// What there is, in a few words: `ext4, 2041 symbols, 3 exports`.
    #[must_use]
    pub fn summary(&self) -> String {
        let symbols: usize = self.objects.iter().map(|object| object.symbols.len()).sum();
        let files = self.objects.iter().any(|object| !object.units.is_empty());
        let objects = match self.objects.as_slice() {
            [] => String::new(),
            [one] => format!("{}, ", one.name),
            many => format!("{} objects, ", many.len()),
        };
        let symbols =
            if objects.is_empty() { String::new() } else { format!("{symbols} symbols, ") };
        let files = if files { ", source files" } else { "" };
        format!("{objects}{symbols}{} exports{files}", self.exports.len())
    }
}

/// The objects that a source of thousands of them has.
pub trait KnownObjects: fmt::Debug + Send + Sync {
    /// The object of this name, without symbols.
    fn find(&self, name: &ObjectName) -> Option<Object>;

    /// All of them.
    fn names(&self) -> Vec<ObjectName>;

    /// The modules that one of them needs, where that is known.
    fn depends(&self, name: &ObjectName) -> Option<Vec<ObjectName>>;

    /// How many translation units of one of them are of a source file with this base name.
    fn namesakes(&self, name: &ObjectName, base: &[u8]) -> usize;
}

/// The last component of a path.
pub(crate) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}
