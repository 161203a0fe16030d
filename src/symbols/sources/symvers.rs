//! `Module.symvers`: which object exports what, and for whom.
//!
//! It adds exports to the map, never positions. Its lines are separated by tabs and had three
//! layouts (`write_dump` in `scripts/mod/modpost.c`):
//! `crc symbol module export`, and during Linux 5.4 `crc symbol namespace module export`, since
//! then `crc symbol module export namespace`. Invariant: each line is read by the column of the
//! export kind, so files joined from several kernels are read correctly.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::name::ObjectName;
use crate::symbols::data::{Scope, SymbolData};
use crate::symbols::file::{Input, each_line};
use crate::symbols::{Export, Neighbours, Suggestions, SymbolError, SymbolErrorKind, SymbolSource};

/// The kinds of export that kernels had, and whether only GPL modules may use them.
const KINDS: [(&str, bool); 5] = [
    ("EXPORT_SYMBOL", false),
    ("EXPORT_SYMBOL_GPL", true),
    ("EXPORT_UNUSED_SYMBOL", false),
    ("EXPORT_UNUSED_SYMBOL_GPL", true),
    ("EXPORT_SYMBOL_GPL_FUTURE", true),
];

/// A file `Module.symvers`.
#[derive(Debug)]
pub struct Symvers {
    input: Input,
}

/// One line.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    symbol: &'a str,
    module: &'a str,
    gpl: bool,
    /// Empty for none; `None` if the layout has no column for it.
    namespace: Option<&'a str>,
    /// Zero in a kernel without `CONFIG_MODVERSIONS`.
    crc: Option<u32>,
}

impl Symvers {
    /// The exports in this file, which is read when the source is.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { input: Input::file(path.into()) }
    }

    /// The exports in these bytes; messages name `path`.
    #[must_use]
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { input: Input::memory(path.into(), bytes.into()) }
    }

    fn read_from(&self, reader: impl Read, scope: Scope<'_>) -> Result<SymbolData, SymbolError> {
        let mut data = SymbolData::default();
        each_entry(self.input.path(), reader, |entry| {
            if scope.wants(entry.symbol.as_bytes()) {
                let owner = ObjectName::from_file_name(entry.module)?;
                let namespace = entry.namespace.map(str::to_owned);
                let (gpl, crc) = (Some(entry.gpl), entry.crc);
                data.exports.push((entry.symbol.into(), Export { owner, gpl, namespace, crc }));
            }
            Ok(())
        })?;
        Ok(data)
    }
}

fn each_entry(
    path: &Path,
    reader: impl Read,
    mut see: impl FnMut(Entry<'_>) -> Result<(), SymbolErrorKind>,
) -> Result<(), SymbolError> {
    each_line(path, reader, [b'\t', b' '], |_, line| match line {
        [] => Ok(()),
        line => {
            let line = std::str::from_utf8(line);
            see(entry(line.map_err(|_| SymbolErrorKind::Symvers("not UTF-8"))?)?)
        }
    })
}

fn entry(line: &str) -> Result<Entry<'_>, SymbolErrorKind> {
    let malformed = |why| Err(SymbolErrorKind::Symvers(why));
    let mut columns = line.split('\t');
    let mut next = || columns.next();
    let columns = (next(), next(), next(), next(), next(), next());
    let (Some(crc), Some(symbol), Some(third), Some(fourth), fifth, None) = columns else {
        return malformed("expected 4 or 5 columns, separated by tabs");
    };
    let digits = crc.strip_prefix("0x").unwrap_or("");
    let crc = u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
    let Some(crc) = crc else {
        return malformed("the first column is not a CRC such as 0x12345678");
    };
    if symbol.is_empty() {
        return malformed("the second column, the symbol, is empty");
    }
    // The newest layout first: a namespace could be named like a kind.
    let (module, gpl, namespace) = match (kind(fourth), fifth.and_then(kind), fifth) {
        (Some(gpl), _, namespace) => (third, gpl, namespace),
        (None, Some(gpl), _) => (fourth, gpl, Some(third)),
        (None, None, _) => {
            return malformed("neither the fourth nor the fifth column is a kind of export");
        }
    };
    Ok(Entry { symbol, module, gpl, namespace, crc: Some(crc).filter(|crc| *crc != 0) })
}

/// Whether only GPL modules may use an export of this kind; `None` if it is not a kind.
fn kind(text: &str) -> Option<bool> {
    KINDS.iter().find(|(name, _)| *name == text).map(|(_, gpl)| *gpl)
}

impl SymbolSource for Symvers {
    fn path(&self) -> &Path {
        self.input.path()
    }

    fn read(&self, scope: Scope<'_>) -> Result<SymbolData, SymbolError> {
        self.read_from(self.input.open()?, scope)
    }

    fn similar(&self, near: &mut Suggestions) -> Result<(), SymbolError> {
        each_entry(self.input.path(), self.input.open()?, |entry| {
            near.offer(&ObjectName::from_file_name(entry.module)?, entry.symbol.as_bytes());
            Ok(())
        })
    }

    /// Exports have no addresses.
    fn neighbours(&self, _: &mut Neighbours) -> Result<(), SymbolError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{Answer, Merged, Wanted};

    fn read(text: &str, name: &str) -> Result<Option<Export>, SymbolError> {
        let source = Symvers::new("Module.symvers");
        let wanted = Wanted::new([name]);
        let mut merged = Merged::default();
        merged.add(source.read_from(text.as_bytes(), Scope::Names(&wanted))?, source.path())?;
        let answer = Answer::new(merged)?;
        assert_eq!(answer.objects().count(), 0, "exports are not symbols");
        Ok(answer.export(name).cloned())
    }

    fn line(text: &str) -> (String, Option<bool>, Option<String>) {
        let export = read(text, "f").unwrap().unwrap();
        (export.owner.to_string(), export.gpl, export.namespace)
    }

    #[test]
    fn the_layouts_of_all_kernels_are_read() {
        let module = "drivers/net/a-b";
        let gpl = "EXPORT_SYMBOL_GPL";
        let plain = ("a_b".to_owned(), Some(true), None);
        let with = |namespace: &str| ("a_b".to_owned(), Some(true), Some(namespace.to_owned()));
        assert_eq!(line(&format!("0x12ab34cd\tf\t{module}\t{gpl}\n")), plain);
        assert_eq!(line(&format!("0x12ab34cd\tf\tNS\t{module}\t{gpl}\n")), with("NS"));
        assert_eq!(line(&format!("0x12ab34cd\tf\t\t{module}\t{gpl}\n")), with(""));
        assert_eq!(line(&format!("0x12ab34cd\tf\t{module}\t{gpl}\tNS\n")), with("NS"));
        assert_eq!(line(&format!("0x12ab34cd\tf\t{module}\t{gpl}\t\n")), with(""));
        let vmlinux = line("0x00000000\tf\tvmlinux\tEXPORT_SYMBOL");
        assert_eq!(vmlinux, ("vmlinux".to_owned(), Some(false), None));
    }

    #[test]
    fn one_file_may_mix_layouts() {
        let text = "0x0\tf\tvmlinux\tEXPORT_SYMBOL\n0x0\tg\tNS\tm\tEXPORT_SYMBOL\n";
        assert_eq!(read(text, "g").unwrap().unwrap().namespace.as_deref(), Some("NS"));
    }

    #[test]
    fn an_export_for_named_modules_is_distinguished_from_others() {
        let text = "0x0\tf\tvmlinux\tEXPORT_SYMBOL_GPL\tmodule:kvm,kvm-intel\n";
        assert!(read(text, "f").unwrap().unwrap().for_modules_only());
    }

    #[test]
    fn a_vmlinux_export_comes_before_one_of_a_module() {
        let text = "0x0\tf\ta\tEXPORT_SYMBOL\n0x0\tf\tvmlinux\tEXPORT_SYMBOL\n";
        assert!(read(text, "f").unwrap().unwrap().owner.is_vmlinux());
    }

    #[test]
    fn malformed_lines_are_refused_with_their_number() {
        let good = "0x0\tg\tvmlinux\tEXPORT_SYMBOL\n";
        for (bad, why) in [
            ("0x0\tf\tvmlinux", "expected 4 or 5 columns"),
            ("0x0\tf\tvmlinux\tEXPORT_SYMBOL\ta\tb", "expected 4 or 5 columns"),
            ("0x0 f vmlinux EXPORT_SYMBOL", "expected 4 or 5 columns"),
            ("f\tf\tvmlinux\tEXPORT_SYMBOL", "not a CRC"),
            ("0x\tf\tvmlinux\tEXPORT_SYMBOL", "not a CRC"),
            ("0xzz\tf\tvmlinux\tEXPORT_SYMBOL", "not a CRC"),
            ("0x0\t\tvmlinux\tEXPORT_SYMBOL", "is empty"),
            ("0x0\tf\tvmlinux\tEXPORT", "kind of export"),
            ("0x0\tf\ta.b\tEXPORT_SYMBOL", "object name"),
            ("0x0\tf\tvmlinux\tEXPORT_SYMBOL\r", "carriage return"),
        ] {
            let error = read(&format!("{good}{bad}\n"), "f").unwrap_err();
            assert_eq!(error.line, Some(2));
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
