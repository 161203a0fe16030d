//! A kernel's own export tables: GPL-only, namespace, CRC.
//!
//! Each export is an entry of `__ksymtab` (of `__ksymtab_gpl` until Linux 7.0), which the symbol
//! `__ksymtab_NAME` marks; CRCs and flags are tables in the same order, by name.
//! Invariant: a table is accepted whole or not at all: each entry has its mark and points to the
//! name in it, and other tables have one element for each entry. Pointers that are filled in only
//! at boot point to no name; what they refer to stays unknown. Sources:
//! `include/linux/export-internal.h`, `include/asm-generic/vmlinux.lds.h`, `find_symbol` in
//! `kernel/module/main.c`; 6.1: `include/linux/export.h`.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;

use super::memory::Memory;
use super::names::Name;

/// Prefix of the symbol that marks an entry.
const MARK: &[u8] = b"__ksymtab_";
/// `KSYM_FLAG_GPL_ONLY`.
const GPL_ONLY: u8 = 1;
/// Longest namespace that is accepted.
const NAMESPACE_MAX: usize = 4096;

/// One export, by the symbol that marks it.
#[derive(Debug)]
pub(super) struct Export {
    mark: Name,
    address: u64,
    gpl: Option<bool>,
    namespace: Option<String>,
    crc: Option<u32>,
}

/// An export of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KallsymsExport<'a> {
    /// The name that is exported.
    pub name: &'a [u8],
    /// Whether to GPL modules only; `None` if the image does not show it.
    pub gpl: Option<bool>,
    /// The namespace, empty for none; `None` if the image does not show it.
    pub namespace: Option<&'a str>,
    /// The CRC of its type; `None` if the image does not show it, and without
    /// `CONFIG_MODVERSIONS`.
    pub crc: Option<u32>,
}

impl Export {
    /// The export with its name; `mark` is the name of the symbol that marks it.
    pub(super) fn with_name<'a>(&'a self, mark: &'a [u8]) -> KallsymsExport<'a> {
        let name = mark.strip_prefix(MARK).unwrap_or_default();
        let namespace = self.namespace.as_deref();
        KallsymsExport { name, gpl: self.gpl, namespace, crc: self.crc }
    }

    /// The symbol that marks it.
    pub(super) fn mark(&self) -> Name {
        self.mark
    }
}

/// How an entry refers to the value, the name and the namespace.
#[derive(Debug, Clone, Copy)]
enum Entries {
    /// 32-bit distances from their own addresses (`CONFIG_HAVE_ARCH_PREL32_RELOCATIONS`).
    Relative,
    /// 64-bit pointers.
    Pointers,
}

impl Entries {
    /// Size of one reference.
    fn width(self) -> u64 {
        match self {
            Self::Relative => 4,
            Self::Pointers => 8,
        }
    }

    /// Size of an entry since Linux 5.4, which added namespaces.
    fn size(self) -> u64 {
        3 * self.width()
    }

    /// What the reference at an address refers to; `Some(None)`: nothing.
    fn follow(self, memory: &Memory<'_>, address: u64) -> Option<Option<u64>> {
        let at = memory.offset_of(address)?;
        let target = match self {
            Self::Relative => match memory.blob.i32(at)? {
                0 => None,
                distance => Some(address.wrapping_add_signed(distance.into())),
            },
            Self::Pointers => Some(memory.blob.u64(at)?).filter(|&pointer| pointer != 0),
        };
        Some(target)
    }
}

/// Reads the kernel's exports; `symbols` in address order.
pub(super) fn read<'n>(
    memory: &Memory<'_>,
    symbols: impl Iterator<Item = (Name, &'n [u8], u64)>,
) -> Vec<Export> {
    let mut exports = Vec::new();
    let mut names = Vec::new();
    let mut bounds: HashMap<&[u8], u64> = HashMap::new();
    for (mark, text, address) in symbols {
        if let Some(name) = text.strip_prefix(MARK) {
            exports.push(Export { mark, address, gpl: None, namespace: None, crc: None });
            names.push(name);
        } else if text.starts_with(b"__start___k") || text.starts_with(b"__stop___k") {
            bounds.entry(text).or_insert(address);
        }
    }
    let table = |name: &str| -> Option<Range<u64>> {
        let bound = |side: &str| bounds.get(format!("__{side}_{name}").as_bytes()).copied();
        Some(bound("start")?..bound("stop")?)
    };
    let flags = table("__kflagstab");
    let gpl = table("__ksymtab_gpl");
    for (section, crcs, is_gpl) in
        [("__ksymtab", "__kcrctab", false), ("__ksymtab_gpl", "__kcrctab_gpl", true)]
    {
        let Some(section) = table(section) else { continue };
        // Exports are in address order.
        let first = exports.partition_point(|export| export.address < section.start);
        let end = exports.partition_point(|export| export.address < section.end);
        let (Some(inside), Some(names)) = (exports.get_mut(first..end), names.get(first..end))
        else {
            continue;
        };
        // Known from the section, whatever the form of the entries.
        if gpl.is_some() && flags.is_none() {
            inside.iter_mut().for_each(|export| export.gpl = Some(is_gpl));
        }
        let proven = [Entries::Relative, Entries::Pointers]
            .into_iter()
            .find_map(|entries| namespaces(memory, entries, &section, inside, names));
        let Some(namespaces) = proven else { continue };
        let flags = flags.clone().filter(|_| !is_gpl);
        let flags = flags.and_then(|flags| elements(memory, &flags, 1, inside.len()));
        let flags = flags.and_then(|flags| memory.blob.bytes.get(flags)).unwrap_or_default();
        let crcs = table(crcs).and_then(|table| read_crcs(memory, &table, inside.len()));
        let mut flags = flags.iter();
        let mut crcs = crcs.into_iter().flatten();
        for (export, namespace) in inside.iter_mut().zip(namespaces) {
            export.namespace = Some(namespace);
            // Zero means none.
            export.crc = crcs.next().filter(|&crc| crc != 0);
            if let Some(flags) = flags.next() {
                export.gpl = Some(flags & GPL_ONLY != 0);
            }
        }
    }
    exports
}

/// The namespaces in a table of entries, empty for none, if it has this form and these exports.
fn namespaces(
    memory: &Memory<'_>,
    entries: Entries,
    table: &Range<u64>,
    exports: &[Export],
    names: &[&[u8]],
) -> Option<Vec<String>> {
    let count = u64::try_from(exports.len()).ok()?;
    if exports.is_empty() || table.end.checked_sub(table.start) != count.checked_mul(entries.size())
    {
        return None;
    }
    let addresses = (0..count).map(|index| table.start + index * entries.size());
    let read = |((address, export), name): ((u64, &Export), &&[u8])| {
        let field =
            |index: u64| entries.follow(memory, address.checked_add(index * entries.width())?);
        let at = memory.offset_of(field(1)??)?;
        let text = memory.blob.slice(at, name.len().checked_add(1)?)?;
        if export.address != address || text.strip_suffix(b"\0") != Some(*name) {
            return None;
        }
        match field(2)? {
            None => Some(String::new()),
            Some(address) => namespace(memory, address),
        }
    };
    addresses.zip(exports).zip(names).map(read).collect()
}

/// The text of a namespace; empty for none.
fn namespace(memory: &Memory<'_>, address: u64) -> Option<String> {
    let rest = memory.blob.bytes.get(memory.offset_of(address)?..)?;
    let rest = rest.get(..NAMESPACE_MAX).unwrap_or(rest);
    let text = rest.get(..memchr::memchr(0, rest)?)?;
    let text = std::str::from_utf8(text).ok().filter(|text| !text.contains(char::is_control))?;
    Some(text.to_owned())
}

/// The range of a table with one element for each entry.
fn elements(
    memory: &Memory<'_>,
    table: &Range<u64>,
    size: usize,
    count: usize,
) -> Option<Range<usize>> {
    let range = memory.range(table.start, table.end)?;
    (Some(range.len()) == count.checked_mul(size)).then_some(range)
}

/// The CRCs of a table.
fn read_crcs(memory: &Memory<'_>, table: &Range<u64>, count: usize) -> Option<Vec<u32>> {
    let offsets = elements(memory, table, 4, count)?.step_by(4);
    let crcs: Vec<_> = offsets.map_while(|at| memory.blob.u32(at)).collect();
    // Until 5.18 there may be distances to the CRCs instead (CONFIG_MODULE_REL_CRCS), all of
    // which point into the kernel; few CRCs do, by chance.
    let reaches = |(address, &crc): (u64, &u32)| {
        memory.offset_of(address.wrapping_add_signed(crc.cast_signed().into())).is_some()
    };
    let distances = (table.start..).step_by(4).zip(&crcs).all(reaches);
    (!distances).then_some(crcs)
}
