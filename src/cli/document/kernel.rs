//! What is known of a kernel: itself, and what its modules prove of it.

use scroll::Endian;
use serde::{Serialize, Serializer};

use crate::symbols;

#[derive(Serialize)]
struct KernelIdentity<'a> {
    release: Option<&'a str>,
    /// `e_machine` of the ELF header.
    machine: Option<u16>,
    endian: Option<&'static str>,
    kallsyms_all: Option<bool>,
}

#[derive(Serialize)]
struct Siblings<'a> {
    vermagic: Option<Fact<'a, String>>,
    module_size: Option<Fact<'a, u64>>,
    init: Option<Fact<'a, u64>>,
    exit: Option<Fact<'a, u64>>,
    has_versions: Option<Fact<'a, bool>>,
    has_flags: Option<Fact<'a, bool>>,
    has_btf: Option<Fact<'a, bool>>,
    btf_strings: Option<Fact<'a, u32>>,
    contested: &'a [&'static str],
}

#[derive(Serialize)]
struct Fact<'a, T> {
    value: &'a T,
    /// How many modules show it.
    modules: u64,
    /// The first of them by name.
    first: &'a str,
}

impl<'a, T> From<&'a symbols::Fact<T>> for Fact<'a, T> {
    fn from(fact: &'a symbols::Fact<T>) -> Self {
        Self { value: &fact.value, modules: fact.modules, first: fact.first.as_str() }
    }
}

/// Serialises what sources say of a kernel itself.
pub(in crate::cli) fn kernel<S: Serializer>(
    kernel: &symbols::KernelIdentity,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let endian = |endian| if endian == Endian::Little { "little" } else { "big" };
    let document = KernelIdentity {
        release: kernel.release.as_deref(),
        machine: kernel.machine,
        endian: kernel.endian.map(endian),
        kallsyms_all: kernel.kallsyms_all,
    };
    document.serialize(serializer)
}

/// Serialises what the modules of a kernel prove of it.
pub(in crate::cli) fn siblings<S: Serializer>(
    siblings: &symbols::Siblings,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let document = Siblings {
        vermagic: siblings.vermagic.as_ref().map(Fact::from),
        module_size: siblings.module_size.as_ref().map(Fact::from),
        init: siblings.init.as_ref().map(Fact::from),
        exit: siblings.exit.as_ref().map(Fact::from),
        has_versions: siblings.has_versions.as_ref().map(Fact::from),
        has_flags: siblings.has_flags.as_ref().map(Fact::from),
        has_btf: siblings.has_btf.as_ref().map(Fact::from),
        btf_strings: siblings.btf_strings.as_ref().map(Fact::from),
        contested: &siblings.contested,
    };
    document.serialize(serializer)
}
