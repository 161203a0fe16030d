//! What a module's file shows of the kernel that it was built for.
//!
//! Read with the module's symbols, kept for each module of a map, and united for the whole kernel
//! ([`super::siblings`]). Invariant: a file that is damaged here shows less, it is never refused: its
//! symbols are good all the same.

use std::io::{Read, Seek};

use object::elf;
use scroll::Pread;

use super::SymbolErrorKind;
use super::table::{ElfTable, Section};
use crate::btf;
use crate::klp::ObjectName;

/// The module itself.
const THIS_MODULE: &[u8] = b".gnu.linkonce.this_module";
/// Sections of CRCs of what is imported; a module of a kernel with `CONFIG_MODVERSIONS` has one, even
/// where it imports nothing.
const VERSIONS: [&[u8]; 2] = [b"__versions", b"__version_ext_crcs"];
/// The longest vermagic that is kept.
pub(super) const VERMAGIC_MAX: usize = 512;
/// Relocations of the module itself that are looked at: there are two.
const RELOCATIONS_MAX: u64 = 16;
const RELA_SIZE: u64 = 24;

/// BTF of a module's file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModuleBtf {
    /// There is none.
    #[default]
    Absent,
    /// There is, and it does not show what it was made against: it brings its base along
    /// (`.BTF.base`), or has no names of its own.
    Present,
    /// It was made against a vmlinux whose BTF has so many bytes of strings.
    Split(u32),
}

/// What a module's file shows of its kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Evidence {
    /// All of `vermagic`.
    pub vermagic: Option<String>,
    /// Whether it says that it was built with the kernel (`intree=Y`).
    pub in_tree: bool,
    /// `sizeof(struct module)`.
    pub module_size: Option<u64>,
    /// Where `struct module` has the pointer to the init function.
    pub init: Option<u64>,
    /// Where it has the pointer to the exit function.
    pub exit: Option<u64>,
    /// Whether it has CRCs of what it imports.
    pub has_versions: bool,
    /// Whether its exports have flags in a section of their own (`__kflagstab`, since Linux 7.2);
    /// `None`: it exports nothing.
    pub has_flags: Option<bool>,
    /// Its BTF.
    pub btf: ModuleBtf,
}

/// The `.modinfo` of a module.
#[derive(Debug)]
pub(super) struct Modinfo(Vec<u8>);

impl Modinfo {
    pub(super) fn read<R: Read + Seek>(table: &mut ElfTable<R>) -> Result<Self, SymbolErrorKind> {
        let section = find(table, b".modinfo");
        Ok(Self(section.map_or(Ok(Vec::new()), |section| table.contents(&section))?))
    }

    /// The first value of a key, with its `=`.
    pub(super) fn value(&self, key: &str) -> Option<String> {
        let mut entries = self.0.split(|byte| *byte == 0);
        let value = entries.find_map(|entry| entry.strip_prefix(key.as_bytes()));
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The modules that it says it needs; `None` where it does not say, or no module can be called so.
    pub(super) fn depends(&self) -> Option<Vec<ObjectName>> {
        let depends = self.value("depends=")?;
        depends.split(',').filter(|name| !name.is_empty()).map(|name| name.parse().ok()).collect()
    }
}

impl Evidence {
    /// What a module's file shows. `strings` are those of its symbols.
    pub(super) fn read<R: Read + Seek>(
        table: &mut ElfTable<R>,
        modinfo: &Modinfo,
        strings: &[u8],
    ) -> Self {
        let has = |name| table.sections().iter().any(|section| table.name(section) == name);
        let mut evidence = Self {
            vermagic: modinfo.value("vermagic=").filter(|text| text.len() <= VERMAGIC_MAX),
            in_tree: modinfo.value("intree=").as_deref() == Some("Y"),
            has_versions: VERSIONS.into_iter().any(has),
            has_flags: has(b"__ksymtab").then(|| has(b"__kflagstab")),
            ..Self::default()
        };
        evidence.btf = btf(table);
        let index = table.sections().iter().position(|s| table.name(s) == THIS_MODULE);
        if let Some((index, section)) = index.and_then(|i| Some((i, table.sections().get(i)?))) {
            evidence.module_size = Some(section.size);
            let pointers = pointers(table, index, strings).unwrap_or_default();
            (evidence.init, evidence.exit) = pointers;
        }
        evidence
    }
}

fn find<R: Read + Seek>(table: &ElfTable<R>, name: &[u8]) -> Option<Section> {
    table.sections().iter().find(|section| table.name(section) == name).cloned()
}

/// Where `struct module`, which is section `index`, has pointers to the init and the exit function:
/// the relocations that modpost lets the compiler make of `.init = init_module`.
fn pointers<R: Read + Seek>(
    table: &mut ElfTable<R>,
    index: usize,
    strings: &[u8],
) -> Result<(Option<u64>, Option<u64>), SymbolErrorKind> {
    let is_for = |section: &&Section| {
        section.sh_type == elf::SHT_RELA.0 && usize::try_from(section.info) == Ok(index)
    };
    let Some(section) = table.sections().iter().find(is_for).cloned() else {
        return Ok((None, None));
    };
    let relocations = table.piece(&section, 0, RELOCATIONS_MAX * RELA_SIZE)?;
    let (mut init, mut exit) = (None, None);
    for entry in relocations.as_chunks::<24>().0 {
        let word = |at| entry.pread_with::<u64>(at, table.endian).unwrap_or(0);
        let (offset, symbol) = (word(0), word(8) >> 32);
        match table.symbol_name(symbol, strings)? {
            b"init_module" => init = Some(offset),
            b"cleanup_module" => exit = Some(offset),
            _ => {}
        }
    }
    Ok((init, exit))
}

fn btf<R: Read + Seek>(table: &mut ElfTable<R>) -> ModuleBtf {
    let Some(section) = find(table, b".BTF") else { return ModuleBtf::Absent };
    if find(table, b".BTF.base").is_some() {
        return ModuleBtf::Present;
    }
    let Ok(bytes) = table.contents(&section) else { return ModuleBtf::Present };
    let parsed = btf::Btf::parse(&bytes, table.endian).ok();
    parsed.and_then(|btf| btf.base_strings()).map_or(ModuleBtf::Present, ModuleBtf::Split)
}
