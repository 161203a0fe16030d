//! An export in a namespace, in none, and in an unknown one are three different things.

use object::elf;

use super::*;
use crate::symbols::fixture::{ALLOC, GLOBAL, Image, LOCAL};
use crate::symbols::image::fixture::{Crcs, Gpl, Layout, Sample, Tables};
use crate::symbols::map::{Map, build};
use crate::symbols::{BootImage, Symvers, SystemMap, Vmlinux};

/// One export of vmlinux, `a`, in a file of five columns.
fn symvers(namespace: &str) -> Symvers {
    let line = format!("0x00000000\ta\tvmlinux\tEXPORT_SYMBOL\t{namespace}\n");
    Symvers::from_bytes("Module.symvers", line)
}

/// A kernel that exports `a` in no namespace.
fn boot_image(relative: bool) -> BootImage {
    let exports = Some(Tables::new(relative, Gpl::Sections, Crcs::None));
    let sample = Sample { exports, ..Sample::new(Layout::SelfRelative, false) };
    BootImage::from_bytes("vmlinuz", sample.build().bytes)
}

/// A kernel that exports `a`; without the text, a file of debug information.
fn vmlinux(namespace: &str, has_text: bool) -> Vmlinux {
    let mut image = Image::new(Endian::Little, elf::ET_EXEC);
    let table = image.section("__ksymtab", ALLOC, 0x1000, &[0; 12]);
    let text = if has_text { format!("{namespace}\0") } else { String::new() };
    let strings = image.section("__ksymtab_strings", ALLOC, 0x2000, text.as_bytes());
    image.symbol("a", GLOBAL, table, 0x1000);
    image.symbol("__ksymtab_a", LOCAL, table, 0x1000);
    image.symbol("__kstrtabns_a", LOCAL, strings, 0x2000);
    Vmlinux::from_bytes("vmlinux", image.bytes())
}

fn merge(sources: &[&dyn SymbolSource]) -> Result<Merged, SymbolError> {
    let mut merged = Merged::default();
    for source in sources {
        merged.add(source.read(Scope::All)?, source.path())?;
    }
    Ok(merged)
}

fn map_of(source: &dyn SymbolSource) -> Map {
    Map::from_bytes("map", build(&merge(&[source]).unwrap()).unwrap()).unwrap()
}

/// The namespace of `a` in two merged sources, whichever comes first.
fn namespace(one: &dyn SymbolSource, other: &dyn SymbolSource) -> Result<Option<String>, String> {
    let [there, back] = [[one, other], [other, one]].map(|pair| {
        let merged = merge(&pair).map_err(|error| error.to_string())?;
        let mut exports = merged.exports().filter(|(name, _)| *name == "a");
        Ok::<_, String>(exports.next().unwrap().1.namespace.clone())
    });
    assert_eq!(there.as_ref().ok(), back.as_ref().ok());
    there
}

#[test]
fn an_export_in_a_namespace_and_the_same_in_none_contradict_each_other() {
    let none: [&dyn SymbolSource; 5] = [
        &symvers(""),
        &boot_image(true),
        &boot_image(false),
        &vmlinux("", true),
        &map_of(&symvers("")),
    ];
    let symvers_within = symvers("A");
    for none in none {
        for within in [&symvers_within as &dyn SymbolSource, &map_of(&symvers_within)] {
            let error = namespace(none, within).unwrap_err();
            assert!(error.contains("'a' of 'vmlinux' is exported in "), "{error}");
            assert!(error.contains("in no namespace"), "{error}");
        }
        assert_eq!(namespace(none, &symvers("")).unwrap().as_deref(), Some(""), "{none:?}");
    }
    let error = namespace(&symvers(""), &vmlinux("A", true)).unwrap_err();
    assert!(error.contains("in namespace 'A' here, in no namespace elsewhere"), "{error}");
}

#[test]
fn a_source_that_does_not_know_the_namespace_contradicts_none() {
    let columns = Symvers::from_bytes("four", "0x00000000\ta\tvmlinux\tEXPORT_SYMBOL\n");
    let table = "1000 R a\n1000 r __ksymtab_a\n2000 r __kstrtabns_a\n";
    let system_map = SystemMap::from_bytes("System.map", table);
    let unknown: [&dyn SymbolSource; 4] =
        [&columns, &system_map, &vmlinux("", false), &map_of(&columns)];
    for unknown in unknown {
        for text in ["", "A"] {
            let known = namespace(unknown, &symvers(text)).unwrap();
            assert_eq!(known.as_deref(), Some(text), "{unknown:?}");
        }
        assert_eq!(namespace(unknown, &columns).unwrap(), None, "{unknown:?}");
    }
}
