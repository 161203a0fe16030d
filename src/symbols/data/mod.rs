//! What one source provides: objects with their symbols, exports, and the kernel they belong to.
//!
//! Between the sources and everything that uses them ([`Merged`](super::Merged)). A kernel has a million
//! symbols, so names stay in the string table they were read from, and a [`Symbol`] points into it.
//! Invariant: the symbols of an object are in the order in which the kernel counts those of one
//! name, unless the object's order is [`Order::Alphabetical`].

mod base_names;
pub(crate) mod evidence;
pub(crate) mod kind;
mod neighbours;
pub(crate) mod promoted;
mod siblings;
mod suggestions;
mod wanted;

pub use base_names::BaseNames;
pub(crate) use base_names::base_name;
pub use evidence::{Evidence, ModuleBtf};
pub use kind::{Binding, Export, Kind, Order};
pub use neighbours::{Beside, Neighbours};
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

/// The names to read from a source.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// All of them.
    All,
    /// These only.
    Names(&'a Wanted<'a>),
}

impl Scope<'_> {
    /// Whether the name is in scope, or the part of it that some kernel compares (Clang's LTO).
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

/// What a source records about the kernel itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelIdentity {
    /// `uname -r`, such as `7.2.13`.
    pub release: Option<String>,
    /// `e_machine` of the ELF header.
    pub machine: Option<u16>,
    /// Byte order.
    pub endian: Option<Endian>,
    /// Whether its symbol table also has data (`CONFIG_KALLSYMS_ALL`), which livepatching needs.
    /// If not, the source has functions only.
    pub kallsyms_all: Option<bool>,
}

impl KernelIdentity {
    /// The version, if the release begins with one.
    #[must_use]
    pub fn version(&self) -> Option<KernelVersion> {
        self.release.as_deref()?.parse().ok()
    }
}

/// A piece of an object's text; empty if outside of the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Span {
    start: u32,
    length: u32,
}

impl Span {
    /// The piece at `start`, in bytes. `None` if it does not fit into 32 bits.
    #[must_use]
    pub fn new(start: usize, length: usize) -> Option<Self> {
        Some(Self { start: start.try_into().ok()?, length: length.try_into().ok()? })
    }

    /// The first `length` bytes of the piece, if it has as many.
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

/// One symbol that the kernel counts when it searches for a name in an object.
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
    /// Which of [`Object::units`] defines it; known for local symbols, and for functions if there
    /// is debug information.
    pub unit: Option<u32>,
    /// ELF binding.
    pub binding: Option<Binding>,
    /// ELF type.
    pub kind: Option<Kind>,
    /// The type letter in `/proc/kallsyms`, disregarding exports.
    pub letter: Option<u8>,
    /// Whether it is in memory that is freed after initialisation.
    pub init: bool,
    /// Whether it is a function that is known to have no ftrace call site.
    pub untraceable: bool,
    /// Whether it is still counted after a module's init part is freed. Always true in vmlinux.
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

/// The symbols of one object from one source.
#[derive(Debug, Clone)]
pub struct Object {
    /// vmlinux or a module.
    pub name: ObjectName,
    /// The file it was read from.
    pub by: Arc<Path>,
    /// How well the order of symbols of one name is known.
    pub order: Order,
    /// Whether its addresses are those of a running kernel, all of which may be shifted by one constant.
    pub moved: bool,
    /// Whether any of its names, in scope or not, was made by Clang's LTO: such kernels may compare less
    /// than the whole name.
    pub promoted: bool,
    /// Which part of a name its kernel compares, if its boot image reveals it.
    pub(crate) compares: Option<Compares>,
    /// The build-id of the object's file.
    pub build_id: Option<BuildId>,
    /// The modules that it needs, by its `.modinfo` (`depends`); `None` if no file was read.
    pub depends: Option<Vec<ObjectName>>,
    /// What its file reveals about the kernel; `None` if no module file was read.
    pub evidence: Option<Evidence>,
    /// What every [`Span`] of this object points into.
    pub text: Vec<u8>,
    /// Source files, one for each translation unit. A file may occur several times: units are
    /// distinguished by their index.
    pub units: Vec<Span>,
    /// The symbols, in the order of counting.
    pub symbols: Vec<Symbol>,
}

impl Object {
    /// An object without symbols.
    #[must_use]
    pub fn new(name: ObjectName, by: impl Into<Arc<Path>>, order: Order) -> Self {
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

    /// Stores a text. `None` if the 4 GiB are full.
    pub fn keep(&mut self, text: &[u8]) -> Option<Span> {
        let span = Span::new(self.text.len(), text.len())?;
        self.text.extend_from_slice(text);
        Some(span)
    }

    /// Offers every symbol with an address, if neighbours in this object are searched for.
    pub(in crate::symbols) fn offer(&self, near: &mut Neighbours) {
        if !near.is_in(&self.name) {
            return;
        }
        for symbol in &self.symbols {
            let section = symbol.section.map_or(&[][..], |section| self.text(section));
            if let Some(address) = symbol.address {
                near.offer(&self.name, section, address, self.text(symbol.name));
            }
        }
    }

    /// The source file of a symbol, if known.
    #[must_use]
    pub fn file(&self, symbol: &Symbol) -> Option<&[u8]> {
        let unit = usize::try_from(symbol.unit?).ok()?;
        Some(self.text(*self.units.get(unit)?)).filter(|name| !name.is_empty())
    }
}

/// Everything from one source.
#[derive(Debug, Default)]
pub struct SymbolData {
    /// The kernel.
    pub kernel: KernelIdentity,
    /// Objects with their symbols; each once.
    pub objects: Vec<Object>,
    /// Exported names.
    pub exports: Vec<(String, Export)>,
    /// Further objects of the source, which have none of the names in scope.
    pub known: Option<Arc<dyn KnownObjects>>,
    /// What the files of those reveal about the kernel.
    pub witnesses: Arc<[Witness]>,
}

impl SymbolData {
    /// A short summary: `ext4, 2041 symbols, 3 exports`.
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

/// The objects of a source that has thousands.
pub trait KnownObjects: fmt::Debug + Send + Sync {
    /// The object of this name, without symbols.
    fn find(&self, name: &ObjectName) -> Option<Object>;

    /// All of them.
    fn names(&self) -> Vec<ObjectName>;

    /// The modules that one of them needs, if known.
    fn depends(&self, name: &ObjectName) -> Option<Vec<ObjectName>>;

    /// The base names of the source files of one of them.
    fn base_names(&self, name: &ObjectName) -> BaseNames;
}
