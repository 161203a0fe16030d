//! Merged symbols as text: for the tools that read such lists, and for comparison with a kernel.
//!
//! Each loses some of what a map has: one keeps names only, the other no sizes and source files.
//! Forms: `nm -f posix | cut -d' ' -f1`, and `s_show` in `kernel/kallsyms.c`.

use std::io::{self, Write};

use crate::symbols::sources::HEADER;
use crate::symbols::{Kind, Merged, Object, Symbol};

/// Writes `symbols.klp`, version 0.1: per object, vmlinux first, its names in alphabetical order, once
/// per symbol.
///
/// # Errors
/// Those of the writer.
pub fn write_list(merged: &Merged, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{HEADER}0.1")?;
    for object in vmlinux_first(merged) {
        writeln!(out, "*{}", object.name)?;
        // Like nm, which made such lists: no files, sections and mapping symbols.
        let listed = object.symbols.iter().filter(|symbol| symbol.kind != Some(Kind::Marker));
        let names = listed.map(|symbol| object.text(symbol.name));
        let mut names: Vec<_> = names.filter(|name| !name.starts_with(b"$")).collect();
        names.sort_unstable();
        for name in names {
            out.write_all(name)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// Writes lines of `/proc/kallsyms`, sorted by address in each object: the address in the
/// linked kernel, or the offset in the module's section; the type letter, `?` if unknown;
/// the name; for a module a tab and `[module]`.
///
/// # Errors
/// Those of the writer.
pub fn write_kallsyms(merged: &Merged, out: &mut impl Write) -> io::Result<()> {
    for object in vmlinux_first(merged) {
        let mut symbols: Vec<&Symbol> = object.symbols.iter().collect();
        symbols.sort_by_key(|symbol| symbol.address);
        for symbol in symbols {
            let name = object.text(symbol.name);
            let mut letter = symbol.letter.unwrap_or(b'?');
            let exported = || {
                let name = std::str::from_utf8(name);
                name.is_ok_and(|name| merged.is_exported(name, &object.name))
            };
            if !object.name.is_vmlinux() && exported() {
                letter.make_ascii_uppercase();
            }
            write!(out, "{:016x} {} ", symbol.address.unwrap_or(0), char::from(letter))?;
            out.write_all(name)?;
            if object.name.is_vmlinux() {
                writeln!(out)?;
            } else {
                writeln!(out, "\t[{}]", object.name)?;
            }
        }
    }
    Ok(())
}

fn vmlinux_first(merged: &Merged) -> impl Iterator<Item = &Object> {
    let (vmlinux, modules): (Vec<_>, Vec<_>) =
        merged.objects().partition(|object| object.name.is_vmlinux());
    vmlinux.into_iter().chain(modules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{Export, Order, SymbolData};
    use std::path::Path;

    fn kernel() -> Merged {
        let mut vmlinux =
            Object::new("vmlinux".parse().unwrap(), Path::new("source"), Order::Proven);
        let mut module =
            Object::new("a_module".parse().unwrap(), Path::new("source"), Order::Proven);
        for (object, rows) in [
            (&mut vmlinux, &[("zeta", 0x10, b'T'), ("f", 0x30, b't'), ("f", 0x20, b't')][..]),
            (&mut module, &[("g", 8, b't'), ("exported", 4, b't'), ("value", 0, b'd')]),
        ] {
            for (name, address, letter) in rows {
                let name = object.keep(name.as_bytes()).unwrap();
                let (address, letter) = (Some(*address), Some(*letter));
                object.symbols.push(Symbol { address, letter, ..Symbol::named(name) });
            }
        }
        let bare = module.keep(b"bare").unwrap();
        module.symbols.push(Symbol::named(bare));
        let owner = |name: &str| Export::by(name.parse().unwrap());
        let exports = vec![
            ("exported".to_owned(), owner("a_module")),
            ("g".into(), owner("other")),
            ("f".into(), owner("vmlinux")),
        ];
        let mut merged = Merged::default();
        let data = SymbolData { objects: vec![module, vmlinux], exports, ..SymbolData::default() };
        merged.add(data, Path::new("source")).unwrap();
        merged
    }

    fn text(write: impl Fn(&Merged, &mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&kernel(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_list_has_vmlinux_first_and_every_name_once_per_symbol() {
        let text = text(write_list);
        let expected = "klp-convert-symbol-data.0.1\n*vmlinux\nf\nf\nzeta\n\
                        *a_module\nbare\nexported\ng\nvalue\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn lines_of_kallsyms_are_sorted_by_address_and_exports_of_modules_are_upper_case() {
        let text = text(write_kallsyms);
        let expected = [
            "0000000000000010 T zeta",
            "0000000000000020 t f",
            "0000000000000030 t f",
            "0000000000000000 ? bare\t[a_module]",
            "0000000000000000 d value\t[a_module]",
            "0000000000000004 T exported\t[a_module]",
            "0000000000000008 t g\t[a_module]",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
