//! Text lists of symbols: `symbols.klp` and `Symbols.list`, versions 0.1 and 0.2.
//!
//! A header line, then per object a line `*object` and one line per symbol, made by kbuild with
//! `nm -f posix | cut -f1` (klp-convert v2 to v7). The list is alphabetical, so it proves how often a
//! name occurs in an object but not which occurrence is the first; and a module's undefined symbols
//! are listed as if the module defined them. Version 0.2, which was only ever a draft on the
//! livepatch list, puts a line `-file.c` before the symbols of each source file, which distinguishes
//! homonyms by their files; within a file the list is still alphabetical, and the order of the files
//! is not the kernel's. Invariant: only wanted names are kept.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::homonyms::Homonyms;
use crate::name::ObjectName;
use crate::path_text::path_text;
use crate::symbols::data::kind::{EXPORT_PREFIX, KSYMTAB_PREFIX};
use crate::symbols::data::{Object, Scope, Symbol, SymbolData};
use crate::symbols::file::{Input, each_line};
use crate::symbols::{
    Export, Neighbours, Order, Suggestions, SymbolError, SymbolErrorKind, SymbolSource,
};

pub(crate) const HEADER: &str = "klp-convert-symbol-data.";
/// A list has neither blanks nor control characters.
const ALLOWED: [u8; 2] = [b'\n'; 2];

/// The versions that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// Objects and symbols.
    V0_1,
    /// Source files, too.
    V0_2,
}

/// One line after the header.
enum Line<'a> {
    Object(ObjectName),
    File(&'a [u8]),
    Symbol(&'a [u8]),
}

/// A file `symbols.klp` or `Symbols.list`.
#[derive(Debug)]
pub struct TextList {
    input: Input,
}

impl TextList {
    /// The list in this file, which is read when the source is.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { input: Input::file(path.into()) }
    }

    /// The list in these bytes; messages name `path`.
    #[must_use]
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { input: Input::memory(path.into(), bytes.into()) }
    }

    /// Whether a file that starts with these bytes is such a list, of any version.
    #[must_use]
    pub fn recognises(start: &[u8]) -> bool {
        start.starts_with(HEADER.as_bytes())
    }

    /// Visits each line; the first one is an object's.
    fn scan(
        &self,
        reader: impl Read,
        mut see: impl FnMut(Line<'_>) -> Result<(), SymbolErrorKind>,
    ) -> Result<(), SymbolError> {
        let (mut version, mut entered) = (None, false);
        each_line(self.input.path(), reader, ALLOWED, |number, line| {
            let line = match (number, line) {
                (1, header) => {
                    version = Some(version_of(header)?);
                    return Ok(());
                }
                (_, [b'*', name @ ..]) => {
                    entered = true;
                    Line::Object(ObjectName::from_file_name(&String::from_utf8_lossy(name))?)
                }
                (_, []) => return Ok(()),
                (_, _) if !entered => return Err(SymbolErrorKind::NoObject),
                (_, [b'-', file @ ..]) if version == Some(Version::V0_2) => match file {
                    [] => return Err(SymbolErrorKind::NoFile),
                    file => Line::File(file),
                },
                (_, symbol) => Line::Symbol(symbol),
            };
            see(line)
        })?;
        if version.is_some() {
            Ok(())
        } else {
            Err(SymbolError::new(self.input.path(), SymbolErrorKind::NoHeader))
        }
    }

    fn read_from(&self, reader: impl Read, scope: Scope<'_>) -> Result<SymbolData, SymbolError> {
        let path = self.input.path();
        let mut data = SymbolData::default();
        let mut seen: HashSet<ObjectName> = HashSet::new();
        let mut homonyms = Homonyms::default();
        let mut unit = None;
        self.scan(reader, |line| match line {
            // Nearly every line, when only a few names are looked up.
            Line::Symbol(symbol) if !scope.wants(symbol) && !symbol.starts_with(b"__") => Ok(()),
            Line::Symbol(symbol) => {
                let Some(object) = data.objects.last_mut() else { return Ok(()) };
                if homonyms.admit(scope, &object.name, symbol)? {
                    keep(object, symbol, unit)?;
                }
                data.exports.extend(export(&object.name, symbol, scope));
                Ok(())
            }
            Line::Object(object) => {
                if !seen.insert(object.clone()) {
                    let first = path_text(path);
                    return Err(SymbolErrorKind::ObjectTwice { object, first });
                }
                homonyms.clear();
                unit = None;
                data.objects.push(Object::new(object, path, Order::Alphabetical));
                Ok(())
            }
            Line::File(file) => {
                let Some(object) = data.objects.last_mut() else { return Ok(()) };
                let file = object.keep(file).ok_or(SymbolErrorKind::TooLarge)?;
                let index = u32::try_from(object.units.len());
                unit = Some(index.map_err(|_| SymbolErrorKind::TooLarge)?);
                object.units.push(file);
                Ok(())
            }
        })?;
        Ok(data)
    }
}

/// Adds a symbol to its object. Homonyms are adjacent and share their text.
fn keep(object: &mut Object, symbol: &[u8], unit: Option<u32>) -> Result<(), SymbolErrorKind> {
    let last = object.symbols.last().map(|symbol| symbol.name);
    let same = last.filter(|last| object.text(*last) == symbol);
    let name = same.or_else(|| object.keep(symbol)).ok_or(SymbolErrorKind::TooLarge)?;
    object.symbols.push(Symbol { unit, ..Symbol::named(name) });
    Ok(())
}

/// The name whose export by `owner` a symbol marks, if it is in scope.
fn export(owner: &ObjectName, symbol: &[u8], scope: Scope<'_>) -> Option<(String, Export)> {
    let mark = [KSYMTAB_PREFIX, EXPORT_PREFIX];
    let name = mark.iter().find_map(|mark| symbol.strip_prefix(mark.as_bytes()))?;
    let name = std::str::from_utf8(name).ok().filter(|name| scope.wants(name.as_bytes()))?;
    Some((name.into(), Export::by(owner.clone())))
}

/// The version in the header. klp-convert compared 27 bytes, and mistook a list of version 0.10
/// for 0.1.
fn version_of(line: &[u8]) -> Result<Version, SymbolErrorKind> {
    match line.strip_prefix(HEADER.as_bytes()) {
        Some(b"0.1") => Ok(Version::V0_1),
        Some(b"0.2") => Ok(Version::V0_2),
        Some(version) => {
            let version = String::from_utf8_lossy(version.get(..16).unwrap_or(version));
            Err(SymbolErrorKind::Version(version.into_owned()))
        }
        None => Err(SymbolErrorKind::NoHeader),
    }
}

impl SymbolSource for TextList {
    fn path(&self) -> &Path {
        self.input.path()
    }

    fn read(&self, scope: Scope<'_>) -> Result<SymbolData, SymbolError> {
        self.read_from(self.input.open()?, scope)
    }

    fn similar(&self, near: &mut Suggestions) -> Result<(), SymbolError> {
        let mut object = None;
        self.scan(self.input.open()?, |line| {
            match (line, &object) {
                (Line::Object(entered), _) => object = Some(entered),
                (Line::Symbol(symbol), Some(object)) => near.offer(object, symbol),
                (Line::Symbol(_), None) | (Line::File(_), _) => {}
            }
            Ok(())
        })
    }

    /// A list has no addresses.
    fn neighbours(&self, _: &mut Neighbours) -> Result<(), SymbolError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::data::kind::HOMONYMS_MAX;
    use crate::symbols::{Answer, Merged, Wanted};
    use proptest::prelude::*;

    const TWO: &str = "klp-convert-symbol-data.0.1\n*vmlinux\n__ksymtab_printk\nfoo\nfoo\nprintk\n\
                       *kvm-intel\n__export_symbol_vmx\nfoo\nprintk\nvmx\n";

    fn read(text: &[u8], names: &[&str]) -> Result<Answer, SymbolError> {
        let wanted = Wanted::new(names.iter().copied());
        let source = TextList::new("symbols.klp");
        let mut merged = Merged::default();
        merged.add(source.read_from(text, Scope::Names(&wanted))?, source.path())?;
        Answer::new(merged)
    }

    fn refused(text: &str) -> String {
        read(text.as_bytes(), &["foo"]).unwrap_err().to_string()
    }

    #[test]
    fn homonyms_are_counted_per_object() {
        let answer = read(TWO.as_bytes(), &["foo", "vmx", "absent"]).unwrap();
        let found: Vec<_> = answer
            .candidates("foo")
            .iter()
            .map(|c| (c.object.as_str(), c.position.get(), c.homonyms))
            .collect();
        assert_eq!(found, [("vmlinux", 1, 2), ("vmlinux", 2, 2), ("kvm_intel", 1, 1)]);
        assert_eq!(answer.candidates("absent"), []);
        assert_eq!(answer.objects().count(), 2);
    }

    #[test]
    fn an_alphabetical_list_proves_no_order() {
        let answer = read(TWO.as_bytes(), &["foo"]).unwrap();
        assert!(answer.candidates("foo").iter().all(|c| c.order == Order::Alphabetical));
    }

    #[test]
    fn exports_are_recognised_by_the_marks_of_old_and_new_kernels() {
        let answer = read(TWO.as_bytes(), &["printk", "vmx", "foo"]).unwrap();
        assert!(answer.export("printk").unwrap().owner.is_vmlinux());
        assert_eq!(answer.export("vmx").unwrap().owner.as_str(), "kvm_intel");
        assert_eq!(answer.export("foo"), None);
    }

    #[test]
    fn object_names_are_read_as_module_names() {
        let text = "klp-convert-symbol-data.0.1\n*drivers/net/kvm-intel.ko\nfoo\n*lib/b-c.o\nfoo\n";
        let answer = read(text.as_bytes(), &["foo"]).unwrap();
        let objects: Vec<_> = answer.objects().map(|o| o.to_string()).collect();
        assert_eq!(objects, ["b_c", "kvm_intel"]);
    }

    #[test]
    fn only_versions_0_1_and_0_2_are_read() {
        for version in ["0.3", "0.20", "0.10", "0.1 ", "1", ""] {
            let text = refused(&format!("klp-convert-symbol-data.{version}\n*vmlinux\n"));
            let claim = if version == "0.1 " {
                "symbols.klp:1: white space, which is not allowed in a line".into()
            } else {
                format!(
                    "symbols.klp:1: symbol list of version '{version}', only 0.1 and 0.2 are supported"
                )
            };
            assert_eq!(text, claim);
        }
        for text in ["", "\n", "foo\n", "*vmlinux\nfoo\n", "klp-convert"] {
            assert!(refused(text).contains("not a symbol list"), "{text}");
        }
        assert!(read(b"klp-convert-symbol-data.0.1", &[]).is_ok(), "a list of no objects");
    }

    const FILES: &str = "klp-convert-symbol-data.0.2\n*vmlinux\nasm\nfoo\n-fs/base.c\nbar\nfoo\n\
                         -fs/base.c\nfoo\n-mm/slab.c\n*m\nfoo\n-m.c\nfoo\n";

    #[test]
    fn in_version_0_2_a_symbol_belongs_to_the_file_before_it() {
        let answer = read(FILES.as_bytes(), &["foo", "-m.c"]).unwrap();
        let found: Vec<_> = answer
            .candidates("foo")
            .iter()
            .map(|c| (c.object.as_str(), c.position.get(), c.file.as_deref(), c.unit))
            .collect();
        let expected = [
            ("vmlinux", 1, None, None),
            ("vmlinux", 2, Some("fs/base.c"), Some(0)),
            ("vmlinux", 3, Some("fs/base.c"), Some(1)),
            ("m", 1, None, None),
            ("m", 2, Some("m.c"), Some(0)),
        ];
        assert_eq!(found, expected);
        assert_eq!(answer.candidates("-m.c"), []);
        assert!(answer.candidates("foo").iter().all(|c| c.order == Order::Alphabetical));
    }

    #[test]
    fn in_version_0_1_a_line_with_a_dash_is_a_symbol() {
        let text = FILES.replace("0.2", "0.1");
        let answer = read(text.as_bytes(), &["foo", "-m.c"]).unwrap();
        assert!(answer.candidates("foo").iter().all(|c| c.file.is_none()));
        assert_eq!(answer.candidates("-m.c").len(), 1);
    }

    #[test]
    fn a_file_without_a_name_or_an_object_is_refused() {
        let body = |text: &str| refused(&format!("klp-convert-symbol-data.0.2\n{text}"));
        assert!(body("-a.c\n*vmlinux\n").starts_with("symbols.klp:2: symbol before"));
        assert!(body("*vmlinux\n-\n").starts_with("symbols.klp:3: '-' without the name"));
    }

    #[test]
    fn malformed_lists_are_refused_with_the_line() {
        let header = "klp-convert-symbol-data.0.1\n";
        let body = |text: &str| refused(&format!("{header}{text}"));
        assert!(body("foo\n*vmlinux\n").starts_with("symbols.klp:2: symbol before"));
        let twice = body("*a-b\n*vmlinux\n*a_b\n");
        assert_eq!(twice, "symbols.klp:4: object 'a_b' is already in symbols.klp");
        assert!(body("*vmlinux\nfoo T 0\n").starts_with("symbols.klp:3: white space"));
        assert!(body("*vmlinux\nfoo\r\n").starts_with("symbols.klp:3: line ends in a carriage"));
        assert!(body("*\n").contains("object name is empty"));
        assert!(body("*a.b\n").starts_with("symbols.klp:2: object name"));
    }

    #[test]
    fn a_flood_of_one_name_is_refused() {
        let text = "foo\n".repeat(usize::try_from(HOMONYMS_MAX).unwrap() + 1);
        let error = refused(&format!("klp-convert-symbol-data.0.1\n*vmlinux\n{text}"));
        assert!(error.contains("more than 65536 symbols 'foo' in 'vmlinux'"), "{error}");
    }

    #[test]
    fn a_list_is_recognised_by_its_start() {
        assert!(TextList::recognises(b"klp-convert-symbol-data.0.3\n"));
        assert!(!TextList::recognises(b"\x7fELF"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let source = TextList::new("/nonexistent/symbols.klp");
        let error = source.read(Scope::All).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/symbols.klp: "), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer_or_an_error(
            files in any::<bool>(),
            tail in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'*'), Just(b'-'), Just(b'f'), any::<u8>()], 0..200),
        ) {
            let version = if files { "0.2" } else { "0.1" };
            let mut text = format!("klp-convert-symbol-data.{version}\n*vmlinux\n").into_bytes();
            text.extend(&tail);
            if let Ok(answer) = read(&text, &["f"]) {
                prop_assert!(answer.candidates("f").len() <= tail.len());
                prop_assert!(std::str::from_utf8(&tail).is_ok() && !tail.contains(&0));
            }
        }
    }
}
