//! What a module's file reveals about the kernel that it was built for.
//!
//! Read with the module's symbols, kept for each module of a map, and combined for the whole kernel
//! ([`Siblings`](crate::symbols::Siblings)). Invariant: a file that is damaged here reveals less but
//! is never refused: its symbols are still good.

use crate::symbols::data::evidence::{Evidence, ModuleBtf, VERMAGIC_MAX};
use std::io::{Read, Seek};

use object::elf;
use scroll::Pread;

use super::table::{ElfTable, Section};
use crate::btf;
use crate::kmod::THIS_MODULE;
use crate::name::ObjectName;
use crate::symbols::SymbolErrorKind;

/// Sections of the CRCs of imports; a module of a kernel with `CONFIG_MODVERSIONS` has one, even
/// if it imports nothing.
const VERSIONS: [&[u8]; 2] = [b"__versions", b"__version_ext_crcs"];
/// Relocations of `struct module` that are read: there are two.
const RELOCATIONS_MAX: u64 = 16;
const RELA_SIZE: u64 = 24;

/// The `.modinfo` of a module.
#[derive(Debug)]
pub(crate) struct Modinfo {
    bytes: Vec<u8>,
    /// Whether the file has its header but not its contents (`objcopy --only-keep-debug`).
    pub(crate) is_left_out: bool,
}

impl Modinfo {
    pub(crate) fn read<R: Read + Seek>(table: &mut ElfTable<R>) -> Result<Self, SymbolErrorKind> {
        let section = find(table, b".modinfo");
        let is_left_out = section.as_ref().is_some_and(|s| s.sh_type == elf::SHT_NOBITS.0);
        let bytes = section.map_or(Ok(Vec::new()), |section| table.contents(&section))?;
        Ok(Self { bytes, is_left_out })
    }

    /// The first value of a key, with its `=`.
    pub(crate) fn value(&self, key: &str) -> Option<String> {
        let mut entries = self.bytes.split(|byte| *byte == 0);
        let value = entries.find_map(|entry| entry.strip_prefix(key.as_bytes()));
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The modules that it needs; `None` without `depends=`, or if a name is not a module name.
    pub(crate) fn depends(&self) -> Option<Vec<ObjectName>> {
        let depends = self.value("depends=")?;
        depends.split(',').filter(|name| !name.is_empty()).map(|name| name.parse().ok()).collect()
    }
}

impl Evidence {
    /// Reads a module's evidence. `strings` are those of its symbols.
    pub(crate) fn read<R: Read + Seek>(
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
/// the relocations of `.init = init_module` and `.exit`, which modpost writes.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::fixture::{ALLOC, EXEC, GLOBAL, Image, UNDEF, WRITE};
    use crate::symbols::{Merged, ModuleFile, Scope, SymbolData, SymbolSource};
    use scroll::{Endian, Pwrite};

    fn read_data(image: &Image) -> SymbolData {
        ModuleFile::from_bytes("m.ko", image.bytes()).read(Scope::All).unwrap()
    }

    fn evidence(image: &Image) -> Evidence {
        read_data(image).objects[0].evidence.clone().unwrap()
    }

    fn module(endian: Endian, modinfo: &[u8]) -> Image {
        let mut image = Image::new(endian, elf::ET_REL);
        image.section(".modinfo", ALLOC, 0, modinfo);
        image.section(".text", ALLOC | EXEC, 0, &[0; 64]);
        image
    }

    #[test]
    fn a_module_has_its_vermagic_and_what_it_needs() {
        let needs =
            |modinfo: &[u8]| read_data(&module(Endian::Big, modinfo)).objects[0].depends.clone();
        let names =
            |names: &[&str]| Some(names.iter().map(|n| n.parse().unwrap()).collect::<Vec<_>>());
        assert_eq!(needs(b"name=m\0depends=stp,snd-hda,llc\0"), names(&["stp", "snd_hda", "llc"]));
        assert_eq!(needs(b"name=m\0depends=\0"), names(&[]));
        assert_eq!(needs(b"name=m\0"), None);
        assert_eq!(needs(b"name=m\0depends=a.b\0"), None, "not a module name");
        let shown = evidence(&module(Endian::Big, b"name=m\0vermagic=7.2 SMP \0intree=Y\0"));
        assert_eq!(shown.vermagic.as_deref(), Some("7.2 SMP "));
        assert_eq!((shown.release(), shown.in_tree), (Some("7.2"), true));
        assert_eq!(evidence(&module(Endian::Big, b"name=m\0intree=N\0")), Evidence::default());
        let long = [b"name=m\0vermagic=".as_slice(), &[b'x'; 513], b"\0"].concat();
        assert_eq!(evidence(&module(Endian::Big, &long)).vermagic, None);
    }

    #[test]
    fn the_pointers_of_struct_module_are_where_its_relocations_are() {
        for endian in [Endian::Little, Endian::Big] {
            let mut image = module(endian, b"name=m\0");
            let this = image.section(".gnu.linkonce.this_module", ALLOC | WRITE, 0, &[0; 0x500]);
            image.symbol("other", GLOBAL, UNDEF, 0);
            image.symbol("cleanup_module", GLOBAL, 2, 0);
            image.symbol("init_module", GLOBAL, 2, 0);
            let mut relocations = vec![0; 96];
            let entries = [(0x130, 3), (0x4c0, 2), (0x10, 1), (0x20, 0x00ff_ffff)];
            for (n, (offset, symbol)) in entries.into_iter().enumerate() {
                relocations.pwrite_with::<u64>(offset, n * 24, endian).unwrap();
                relocations.pwrite_with::<u64>(symbol << 32 | 1, n * 24 + 8, endian).unwrap();
            }
            image.rela(".rela.gnu.linkonce.this_module", this, &relocations);
            let shown = evidence(&image);
            assert_eq!(shown.module_size, Some(0x500));
            assert_eq!((shown.init, shown.exit), (Some(0x130), Some(0x4c0)));
        }
        let mut image = module(Endian::Little, b"name=m\0");
        image.section(".gnu.linkonce.this_module", ALLOC | WRITE, 0, &[0; 0x500]);
        let shown = evidence(&image);
        assert_eq!((shown.module_size, shown.init, shown.exit), (Some(0x500), None, None));
    }

    #[test]
    fn sections_reveal_versions_flags_and_btf() {
        let with = |names: &[&'static str]| {
            let mut image = module(Endian::Little, b"name=m\0");
            for name in names {
                image.section(name, ALLOC, 0, b"x");
            }
            let shown = evidence(&image);
            (shown.has_versions, shown.has_flags, shown.btf)
        };
        assert_eq!(with(&[]), (false, None, ModuleBtf::Absent));
        assert_eq!(with(&["__versions", "__ksymtab"]), (true, Some(false), ModuleBtf::Absent));
        assert_eq!(with(&["__version_ext_crcs"]), (true, None, ModuleBtf::Absent));
        let all = ["__ksymtab", "__kflagstab", ".BTF"];
        assert_eq!(with(&all), (false, Some(true), ModuleBtf::Present), "it is not BTF");
        assert_eq!(with(&["__kflagstab", ".BTF", ".BTF.base"]), (false, None, ModuleBtf::Present));
    }

    #[test]
    fn modules_with_equal_evidence_are_counted_in_any_order() {
        let modules =
            [b"name=b\0vermagic=7 A\0", b"name=a\0vermagic=7 A\0", b"name=c\0vermagic=7 B\0"];
        let add = |order: [usize; 3]| {
            let mut merged = Merged::default();
            for n in order {
                merged.add(read_data(&module(Endian::Big, modules[n])), "m".as_ref()).unwrap();
            }
            let counted = merged.witnesses().into_iter();
            counted
                .map(|w| (w.evidence.vermagic.unwrap(), w.modules, w.first.to_string()))
                .collect::<Vec<_>>()
        };
        let expected = [("7 A".into(), 2, "a".into()), ("7 B".into(), 1, "c".into())];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            assert_eq!(add(order), expected);
        }
    }
}
