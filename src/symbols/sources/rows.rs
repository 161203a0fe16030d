//! The rows of `nm`, `System.map` and `/proc/kallsyms`: address, type letter, name, perhaps a module.
//!
//! Between [`each_line`] and the two sources of this form. A malformed row is an
//! error, never skipped: a missing symbol shifts the positions of those after it.
//! Invariant: for the same reason a file whose last line has no newline, probably truncated, is
//! refused. Written by `nm` (GNU binutils) and `s_show` in `kernel/kallsyms.c`.

use std::io::Read;

use crate::symbols::data::kind::KSYMTAB_PREFIX;
use crate::symbols::data::{Object, Scope, Symbol};
use crate::symbols::file::{Input, each_line};
use crate::symbols::{Binding, Export, Kind, SymbolError, SymbolErrorKind};

/// The white space of a row.
const ALLOWED: [u8; 2] = [b' ', b'\t'];
/// Hexadecimal digits of the longest address.
const DIGITS: usize = 16;
/// Start of the line that some Debian packages install instead of `System.map`.
pub(crate) const STAND_IN: &[u8] = b"The real System.map is in the ";

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    pub(crate) address: u64,
    pub(crate) letter: u8,
    pub(crate) name: &'a [u8],
    /// The name in brackets after the symbol's name.
    pub(crate) module: Option<&'a [u8]>,
}

impl<'a> Row<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, SymbolErrorKind> {
        let wrong = SymbolErrorKind::Row;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let address = line.get(..digits).filter(|digits| (1..=DIGITS).contains(&digits.len()));
        let address = address.and_then(|digits| std::str::from_utf8(digits).ok());
        let address = address.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let address = address.ok_or(wrong("it does not start with an address"))?;
        let (letter, name) = match line.get(digits..) {
            Some([b' ', letter, b' ', name @ ..]) if letter.is_ascii_graphic() => (*letter, name),
            _ => return Err(wrong("no type letter between spaces after the address")),
        };
        if let Some(package) = name.strip_prefix(STAND_IN) {
            return Err(SymbolErrorKind::StandIn(String::from_utf8_lossy(package).into_owned()));
        }
        let (name, module) = match memchr::memchr(b'\t', name) {
            Some(at) => {
                let bracketed = name.get(at + 1..).and_then(|rest| rest.strip_prefix(b"["));
                let module = bracketed.and_then(|rest| rest.strip_suffix(b"]"));
                let module = module.filter(|module| !module.is_empty());
                let module = module.ok_or(wrong("no [module] after the tab"))?;
                (name.get(..at).unwrap_or(name), Some(module))
            }
            None => (name, None),
        };
        let blank = |text: &[u8]| text.iter().any(|byte| ALLOWED.contains(byte));
        if blank(name) || module.is_some_and(blank) {
            return Err(wrong("more columns than address, letter, name and [module]"));
        }
        if name.is_empty() {
            return Err(wrong("no name"));
        }
        Ok(Self { address, letter, name, module })
    }

    /// The symbol of the row.
    ///
    /// # Errors
    /// [`SymbolErrorKind::TooLarge`] if the text of the object is full.
    pub(crate) fn symbol(&self, object: &mut Object) -> Result<Symbol, SymbolErrorKind> {
        let name = object.keep(self.name).ok_or(SymbolErrorKind::TooLarge)?;
        let binding = match self.letter {
            b'W' | b'w' | b'V' | b'v' => Some(Binding::Weak),
            // A per-CPU variable, before Linux 6.15 whatever its binding
            // (`make_percpus_absolute` in `scripts/kallsyms.c`).
            b'A' | b'a' => None,
            // An indirect function, with a letter of its own.
            b'i' => None,
            letter if letter.is_ascii_lowercase() => Some(Binding::Local),
            letter if letter.is_ascii_uppercase() => Some(Binding::Global),
            _ => None,
        };
        let kind = match self.letter {
            b'V' | b'v' => Some(Kind::Object),
            b'i' => Some(Kind::Function),
            _ => None,
        };
        let (address, letter) = (Some(self.address), Some(self.letter));
        Ok(Symbol { address, binding, kind, letter, ..Symbol::named(name) })
    }

    /// The name whose export by `object` the row marks, if it is in scope.
    pub(crate) fn export(&self, object: &Object, scope: Scope<'_>) -> Option<(String, Export)> {
        let name = self.name.strip_prefix(KSYMTAB_PREFIX.as_bytes())?;
        let name = std::str::from_utf8(name).ok().filter(|name| scope.wants(name.as_bytes()))?;
        Some((name.into(), Export::by(object.name.clone())))
    }
}

/// Visits every row with its line, counted from 1.
///
/// # Errors
/// What the visitor refuses, what is not a row, and a file without rows or without a last newline.
pub(crate) fn each_row(
    input: &Input,
    mut see: impl FnMut(u64, Row<'_>) -> Result<(), SymbolErrorKind>,
) -> Result<(), SymbolError> {
    let mut reader = Tail { inner: input.open()?, last: None };
    let mut count = 0;
    each_line(input.path(), &mut reader, ALLOWED, |number, line| {
        count = number;
        see(number, Row::parse(line)?)
    })?;
    match reader.last {
        None => Err(SymbolError::new(input.path(), SymbolErrorKind::NoSymbols)),
        Some(b'\n') => Ok(()),
        Some(_) => Err(SymbolError::at(input.path(), count, SymbolErrorKind::CutOff)),
    }
}

/// A reader that remembers the last byte.
struct Tail<R> {
    inner: R,
    last: Option<u8>,
}

impl<R: Read> Read for Tail<R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(to)?;
        self.last = to.get(..read).and_then(|bytes| bytes.last()).copied().or(self.last);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    fn refused(line: &str) -> String {
        Row::parse(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_row_has_an_address_a_letter_and_a_name() {
        let row = Row::parse(b"ffffffff81000000 T _text").unwrap();
        assert_eq!(
            (row.address, row.letter, row.name),
            (0xffff_ffff_8100_0000, b'T', &b"_text"[..])
        );
        let row = Row::parse(b"0 ? f.isra.0\t[kvm_intel]").unwrap();
        assert_eq!((row.name, row.module), (&b"f.isra.0"[..], Some(&b"kvm_intel"[..])));
    }

    #[test]
    fn anything_else_is_refused_with_what_is_wrong() {
        for line in ["", "x T f", " 0 T f", "-1 T f", "0x10 T f", "00000000000000001 T f"] {
            assert!(
                refused(line).contains("address") || refused(line).contains("letter"),
                "{line}"
            );
        }
        for line in ["10", "10 ", "10 T", "10 T_text", "10  f", "10 TT f", "10\tT\tf"] {
            assert!(refused(line).contains("letter"), "{line}");
        }
        for line in ["10 T ", "10 T \t[m]"] {
            assert!(refused(line).contains("no name"), "{line}");
        }
        for line in ["10 T f\t", "10 T f\tm", "10 T f\t[m", "10 T f\t[]", "10 T f\t[m] "] {
            assert!(refused(line).contains("[module]"), "{line}");
        }
        for line in ["10 T f g", "10 T f\t[m n]", "10 T f [m]", "10 T f\t[m\tn]"] {
            assert!(refused(line).contains("columns"), "{line}");
        }
    }

    #[test]
    fn the_placeholder_of_a_package_names_the_package() {
        let line = "ffffffffffffffff B The real System.map is in the linux-image-6.1.0-dbg package";
        assert!(refused(line).contains("linux-image-6.1.0-dbg package"), "{}", refused(line));
    }

    #[test]
    fn the_letter_gives_the_binding() {
        let binding = |letter: char| {
            let line = format!("10 {letter} f");
            let mut object =
                Object::new("m".parse().unwrap(), Path::new("f"), crate::symbols::Order::Proven);
            Row::parse(line.as_bytes()).unwrap().symbol(&mut object).unwrap().binding
        };
        assert_eq!("TDBR".chars().map(binding).collect::<Vec<_>>(), [Some(Binding::Global); 4]);
        assert_eq!("tdbr".chars().map(binding).collect::<Vec<_>>(), [Some(Binding::Local); 4]);
        assert_eq!("WwVv".chars().map(binding).collect::<Vec<_>>(), [Some(Binding::Weak); 4]);
        assert_eq!("?Aai".chars().map(binding).collect::<Vec<_>>(), [None; 4]);
    }

    #[test]
    fn a_truncated_or_empty_file_is_refused() {
        let rows = |text: &str| {
            each_row(&Input::memory("f".into(), text.into()), |_, _| Ok(()))
                .map_err(|e| e.to_string())
        };
        assert_eq!(rows("1 T f\n2 T g\n"), Ok(()));
        assert!(rows("1 T f\n2 T g").unwrap_err().starts_with("f:2: the last line has no newline"));
        assert!(rows("").unwrap_err().starts_with("f: no symbols"));
        assert!(rows("1 T f\r\n").unwrap_err().contains("carriage return"));
    }

    proptest! {
        #[test]
        fn a_row_has_the_contents_of_its_line(
            line in "[0-9a-f]{0,18}[ \t]{0,2}[A-Za-z?]{0,2}[ \t]{0,2}[a-z._$]{0,4}[ \t]{0,2}\\[?[a-z]{0,2}\\]?",
        ) {
            if let Ok(row) = Row::parse(line.as_bytes()) {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let module = row.module.map(|m| format!("\t[{}]", text(m))).unwrap_or_default();
                let rest = format!(" {} {}{module}", char::from(row.letter), text(row.name));
                let address = line.strip_suffix(&rest);
                prop_assert_eq!(address.map(|a| u64::from_str_radix(a, 16)), Some(Ok(row.address)));
            }
        }
    }
}
