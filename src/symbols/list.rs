//! Text lists of symbols: `symbols.klp` and `Symbols.list`, version 0.1.
//!
//! A header line, then per object a line `*object` and one line per symbol, made by kbuild with
//! `nm -f posix | cut -f1` (klp-convert v2 to v7). The list is alphabetical, so it proves how often a
//! name occurs in an object but not which occurrence is the first; and what a module leaves undefined
//! stands in it as if the module defined it. Invariant: only wanted names are kept.

use std::io::Read;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::answer::{EXPORT_PREFIX, HOMONYMS_MAX, KSYMTAB_PREFIX};
use super::input::Input;
use super::lines::each_line;
use super::{Answer, Candidate, Export, Kernel, Near, Order, SymbolError, SymbolErrorKind};
use super::{SymbolSource, Wanted};
use crate::klp::ObjectName;

const HEADER: &str = "klp-convert-symbol-data.";
const VERSION: &str = "0.1";
/// A list has neither blanks nor control characters.
const ALLOWED: [u8; 2] = [b'\n'; 2];

/// A file `symbols.klp` or `Symbols.list`.
#[derive(Debug)]
pub struct TextList {
    input: Input,
}

impl TextList {
    /// The list in this file, which is read when the source is asked.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { input: Input::file(path.into()) }
    }

    /// The list in these bytes, which messages call `path`.
    #[must_use]
    pub fn from_bytes(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { input: Input::memory(path.into(), bytes.into()) }
    }

    /// Whether a file that starts with these bytes is meant to be such a list, of any version.
    #[must_use]
    pub fn is_one(start: &[u8]) -> bool {
        start.starts_with(HEADER.as_bytes())
    }

    /// Shows each symbol line with its object; `enter` says whether an object's are to be shown.
    fn scan(
        &self,
        reader: impl Read,
        mut enter: impl FnMut(&ObjectName) -> Result<bool, SymbolErrorKind>,
        mut see: impl FnMut(&ObjectName, &[u8]) -> Result<(), SymbolErrorKind>,
    ) -> Result<(), SymbolError> {
        let mut object: Option<ObjectName> = None;
        let mut shown = false;
        let mut headed = false;
        each_line(self.input.path(), reader, ALLOWED, |number, line| {
            match (number, line) {
                (1, header) => {
                    headed = true;
                    check_header(header)?;
                }
                (_, [b'*', name @ ..]) => {
                    let name = String::from_utf8_lossy(name);
                    let entered = ObjectName::from_file_name(&name)?;
                    shown = enter(&entered)?;
                    object = Some(entered);
                }
                (_, []) => {}
                (_, symbol) => match &object {
                    None => return Err(SymbolErrorKind::NoObject),
                    Some(object) if shown => see(object, symbol)?,
                    Some(_) => {}
                },
            }
            Ok(())
        })?;
        if headed {
            Ok(())
        } else {
            Err(SymbolError::new(self.input.path(), SymbolErrorKind::NoHeader))
        }
    }

    fn answer_from(
        &self,
        reader: impl Read,
        wanted: &Wanted<'_>,
        answer: &mut Answer,
    ) -> Result<(), SymbolError> {
        answer.note(Kernel::default()).map_err(|kind| SymbolError::new(self.input.path(), kind))?;
        // How often each wanted name occurs, object after object.
        let mut counts: Vec<(ObjectName, FxHashMap<&str, u32>)> = Vec::new();
        let mut exports: Vec<(ObjectName, &str)> = Vec::new();
        let enter =
            |object: &ObjectName| answer.object(object, self.input.path(), Order::Alphabetical);
        self.scan(reader, enter, |object, symbol| {
            if let Some(name) = wanted.find(symbol) {
                if counts.last().is_none_or(|(last, _)| last != object) {
                    counts.push((object.clone(), FxHashMap::default()));
                }
                if let Some((_, counts)) = counts.last_mut() {
                    let count = counts.entry(name).or_insert(0);
                    *count += 1;
                    if *count > HOMONYMS_MAX {
                        return Err(SymbolErrorKind::TooMany {
                            name: name.into(),
                            object: object.clone(),
                            limit: HOMONYMS_MAX,
                        });
                    }
                }
            }
            let mark = [KSYMTAB_PREFIX, EXPORT_PREFIX];
            if symbol.starts_with(b"__")
                && let Some(name) = mark.iter().find_map(|m| symbol.strip_prefix(m.as_bytes()))
                && let Some(name) = wanted.find(name)
            {
                exports.push((object.clone(), name));
            }
            Ok(())
        })?;
        for (object, counts) in counts {
            for (name, homonyms) in counts {
                for position in (1..=homonyms).filter_map(NonZeroU32::new) {
                    answer.candidate(candidate(&object, name, position, homonyms));
                }
            }
        }
        for (owner, name) in exports {
            answer.exported(name, Export { owner, gpl: None, namespace: None });
        }
        Ok(())
    }
}

fn candidate(object: &ObjectName, name: &str, position: NonZeroU32, homonyms: u32) -> Candidate {
    Candidate {
        object: object.clone(),
        name: name.into(),
        position,
        homonyms,
        live_position: Some(position),
        address: None,
        size: None,
        file: None,
        unit: None,
        section: None,
        binding: None,
        kind: None,
        init: false,
        order: Order::Alphabetical,
    }
}

/// klp-convert compared 27 bytes, so that it took a list of version 0.10 for one of 0.1.
fn check_header(line: &[u8]) -> Result<(), SymbolErrorKind> {
    match line.strip_prefix(HEADER.as_bytes()) {
        Some(version) if version == VERSION.as_bytes() => Ok(()),
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

    fn order(&self) -> Order {
        Order::Alphabetical
    }

    fn answer(&self, wanted: &Wanted<'_>, answer: &mut Answer) -> Result<(), SymbolError> {
        self.answer_from(self.input.open()?, wanted, answer)
    }

    fn similar(&self, near: &mut Near) -> Result<(), SymbolError> {
        self.scan(
            self.input.open()?,
            |_| Ok(true),
            |object, symbol| {
                near.offer(object, symbol);
                Ok(())
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO: &str = "klp-convert-symbol-data.0.1\n*vmlinux\n__ksymtab_printk\nfoo\nfoo\nprintk\n\
                       *kvm-intel\n__export_symbol_vmx\nfoo\nprintk\nvmx\n";

    fn read(text: &[u8], names: &[&str]) -> Result<Answer, SymbolError> {
        let mut answer = Answer::default();
        let wanted = Wanted::new(names.iter().copied());
        TextList::new("symbols.klp").answer_from(text, &wanted, &mut answer)?;
        Ok(answer)
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
    fn exports_are_known_by_the_marks_of_old_and_new_kernels() {
        let answer = read(TWO.as_bytes(), &["printk", "vmx", "foo"]).unwrap();
        assert!(answer.export("printk").unwrap().owner.is_vmlinux());
        assert_eq!(answer.export("vmx").unwrap().owner.as_str(), "kvm_intel");
        assert_eq!(answer.export("foo"), None);
    }

    #[test]
    fn object_names_are_read_as_module_names() {
        let text = "klp-convert-symbol-data.0.1\n*drivers/net/kvm-intel.ko\nfoo\n*lib/b-c.o\nfoo\n";
        let answer = read(text.as_bytes(), &["foo"]).unwrap();
        let objects: Vec<_> = answer.objects().map(ObjectName::as_str).collect();
        assert_eq!(objects, ["b_c", "kvm_intel"]);
    }

    #[test]
    fn only_version_0_1_is_read() {
        for version in ["0.2", "0.10", "0.1 ", "1", ""] {
            let text = refused(&format!("klp-convert-symbol-data.{version}\n*vmlinux\n"));
            let claim = if version == "0.1 " {
                "symbols.klp:1: white space, which no line may have".into()
            } else {
                format!("symbols.klp:1: symbol list of version '{version}', only 0.1 is known")
            };
            assert_eq!(text, claim);
        }
        for text in ["", "\n", "foo\n", "*vmlinux\nfoo\n", "klp-convert"] {
            assert!(refused(text).contains("not a symbol list"), "{text}");
        }
        assert!(read(b"klp-convert-symbol-data.0.1", &[]).is_ok(), "a list of no objects");
    }

    #[test]
    fn malformed_lists_are_refused_with_the_line() {
        let header = "klp-convert-symbol-data.0.1\n";
        let body = |text: &str| refused(&format!("{header}{text}"));
        assert!(body("foo\n*vmlinux\n").starts_with("symbols.klp:2: symbol before"));
        let twice = body("*a-b\n*vmlinux\n*a_b\n");
        assert_eq!(twice, "symbols.klp:4: object 'a_b' was already told by symbols.klp");
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
        assert!(TextList::is_one(b"klp-convert-symbol-data.0.2\n"));
        assert!(!TextList::is_one(b"\x7fELF"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let source = TextList::new("/nonexistent/symbols.klp");
        let error = source.answer(&Wanted::new([]), &mut Answer::default()).unwrap_err();
        assert!(error.to_string().starts_with("/nonexistent/symbols.klp: "), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer_or_an_error(
            tail in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'*'), Just(b'f'), any::<u8>()], 0..200),
        ) {
            let mut text = b"klp-convert-symbol-data.0.1\n*vmlinux\n".to_vec();
            text.extend(&tail);
            if let Ok(answer) = read(&text, &["f"]) {
                prop_assert!(answer.candidates("f").len() <= tail.len());
                prop_assert!(std::str::from_utf8(&tail).is_ok() && !tail.contains(&0));
            }
        }
    }
}
