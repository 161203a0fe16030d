//! Merged symbols as text: for the tools that read such lists, and for comparison with a kernel.
//!
//! Each loses some of what a map has: one keeps names only, the other no sizes and source files.
//! Forms: `nm -f posix | cut -d' ' -f1`, and `s_show` in `kernel/kallsyms.c`.

use std::io::{self, Write};

use super::list::HEADER;
use super::{Kind, Merged, Object, Symbol};

/// Writes `symbols.klp`, version 0.1: per object, vmlinux first, its names in alphabetical order, as
/// often as it has them.
///
/// # Errors
/// Those of the writer.
pub fn write_list(merged: &Merged, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{HEADER}0.1")?;
    for object in vmlinux_first(merged) {
        writeln!(out, "*{}", object.name)?;
        // As nm, which made such lists: no files, sections and mapping symbols.
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

/// Writes lines as `/proc/kallsyms` has them, sorted by address in each object: the address in the
/// linked kernel, or the offset in the module's section; the type letter, `?` where it is not known;
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
