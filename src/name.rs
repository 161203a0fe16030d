//! The names that the kernel scans: objects, positions, klp symbols and klp sections.
//!
//! A livepatch identifies symbols and sections to the kernel by name alone. A name that `sscanf` in
//! `kernel/livepatch/core.c` (`klp_resolve_symbols`, `klp_write_section_relocs`) would not scan back
//! into its parts is not a value of these types. Invariant: `name.to_string().parse() == name`.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use klp_arch::KernelVersion;

/// Start of every klp symbol name (`KLP_SYM_PREFIX`, `include/linux/livepatch_external.h`).
pub const KLP_SYM_PREFIX: &str = ".klp.sym.";
/// Start of every klp relocation section name (`KLP_RELOC_SEC_PREFIX`).
pub const KLP_RELA_PREFIX: &str = ".klp.rela.";
/// Longest object name in bytes: `MODULE_NAME_LEN` is 56 with its NUL on 64-bit kernels.
pub const OBJECT_NAME_MAX: usize = 55;
/// Longest symbol name in bytes: `KSYM_NAME_LEN` is 512 with its NUL since Linux 6.1.
pub const SYMBOL_NAME_MAX: usize = 511;
/// The object name of the kernel itself.
pub const VMLINUX: &str = "vmlinux";

/// Longest symbol name in bytes on a kernel of this version, in its own table and in a klp symbol:
/// `KSYM_NAME_LEN` was 128 with its NUL before Linux 6.1.
#[must_use]
pub fn symbol_name_max(version: KernelVersion) -> usize {
    if version < KernelVersion::new(6, 1) { 127 } else { SYMBOL_NAME_MAX }
}

/// Bytes of a name that is shown whole. The longest klp symbol has 587, and a section's name not many more.
const SHOWN_WHOLE: usize = 640;
/// Bytes that are shown of a longer one.
const SHOWN_START: usize = 32;

/// A name from a file as it is shown: of one that no kernel can have, the start and the length.
///
/// Names may share the end of one long string, so a file of some kilobytes may have gigabytes of them. Whatever keeps
/// or prints names from a file takes them in this form, or borrows them.
#[must_use]
pub(crate) fn shown(name: &[u8]) -> Cow<'_, str> {
    if name.len() <= SHOWN_WHOLE {
        return String::from_utf8_lossy(name);
    }
    let start = String::from_utf8_lossy(name.get(..SHOWN_START).unwrap_or(name));
    Cow::Owned(format!("{start}… ({} bytes)", name.len()))
}

/// Whether a name is shown without its end ([`shown`]). No symbol has a name with a space in it.
#[must_use]
pub(crate) fn is_cut(shown: &str) -> bool {
    shown.ends_with(" bytes)")
}

/// Why text is not a name that the kernel would scan correctly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The object name has no characters.
    #[error("object name is empty")]
    ObjectEmpty,
    /// The object name is longer than [`OBJECT_NAME_MAX`].
    #[error("object name '{0}' has {len} bytes, the kernel reads {OBJECT_NAME_MAX}", len = .0.len())]
    ObjectTooLong(String),
    /// The object name has a dot, a comma, white space or a control character.
    #[error("object name '{0}' contains '{1}', which no module name has")]
    ObjectCharacter(String, char),
    /// The symbol name has no characters.
    #[error("symbol name is empty")]
    SymbolEmpty,
    /// The symbol name is longer than [`SYMBOL_NAME_MAX`].
    #[error("symbol name '{0}' has {len} bytes, the kernel reads {SYMBOL_NAME_MAX}", len = .0.len())]
    SymbolTooLong(String),
    /// The symbol name has a comma, which the kernel reads as its end, or a control character.
    #[error("symbol name '{0}' contains '{1}', which would end it")]
    SymbolCharacter(String, char),
    /// The position is not a decimal number that fits 32 bits.
    #[error("'{0}' is not a symbol position (0 for a unique name, else counted from 1)")]
    Position(String),
    /// The text does not start with [`KLP_SYM_PREFIX`] or lacks a part.
    #[error("'{0}' is not of the form .klp.sym.OBJECT.SYMBOL,POSITION")]
    KlpSymbol(String),
    /// The text does not start with [`KLP_RELA_PREFIX`] or lacks a part.
    #[error("'{0}' is not of the form .klp.rela.OBJECT.SECTION")]
    KlpSection(String),
}

/// A klp object: `vmlinux` or a module, in the spelling of `module.name` (`kvm_intel`).
///
/// Every symbol, export and relocation names one, so copies share the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(Arc<str>);

impl ObjectName {
    /// The kernel itself.
    #[must_use]
    pub fn vmlinux() -> Self {
        Self(VMLINUX.into())
    }

    /// Whether this is the kernel itself, not a module.
    #[must_use]
    pub fn is_vmlinux(&self) -> bool {
        &*self.0 == VMLINUX
    }

    /// The name as the kernel compares it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the module in a file: the last component of the path, without `.ko`, `.o` or a
    /// compression suffix, with `-` read as `_` (`KBUILD_MODNAME`).
    ///
    /// # Errors
    /// [`NameError`] when what remains is not an object name.
    pub fn from_file_name(path: &str) -> Result<Self, NameError> {
        let file = path.rsplit('/').next().unwrap_or(path);
        let file = file.strip_suffix(".ko.debug").unwrap_or(file);
        let stem = [".xz", ".gz", ".zst"].iter().find_map(|s| file.strip_suffix(s)).unwrap_or(file);
        let stem = [".ko", ".o"].iter().find_map(|s| stem.strip_suffix(s)).unwrap_or(stem);
        stem.parse()
    }
}

impl FromStr for ObjectName {
    type Err = NameError;

    /// Reads a name as people write it: a trailing `.ko` is dropped, `-` becomes `_`.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let stem = text.strip_suffix(".ko").unwrap_or(text);
        if stem.is_empty() {
            return Err(NameError::ObjectEmpty);
        }
        if stem.len() > OBJECT_NAME_MAX {
            return Err(NameError::ObjectTooLong(stem.into()));
        }
        if let Some(c) = stem.chars().find(|&c| matches!(c, '.' | ',' | '/') || ends_a_word(c)) {
            return Err(NameError::ObjectCharacter(stem.into(), c));
        }
        Ok(Self(stem.replace('-', "_").into()))
    }
}

/// White space and control characters, which no object name contains.
fn ends_a_word(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The kernel's sympos: selects among the symbols of one name in one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Position {
    /// 0: the name must occur exactly once in its object.
    Unique,
    /// n ≥ 1: the n-th occurrence, in the order of `klp_find_object_symbol`.
    Nth(NonZeroU32),
}

impl Position {
    /// The number in the klp symbol name.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Unique => 0,
            Self::Nth(n) => n.get(),
        }
    }
}

impl From<u32> for Position {
    fn from(number: u32) -> Self {
        NonZeroU32::new(number).map_or(Self::Unique, Self::Nth)
    }
}

impl FromStr for Position {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse::<u32>().ok()).flatten();
        number.map(Self::from).ok_or_else(|| NameError::Position(text.into()))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// A symbol name that fits into a klp symbol: 1 to [`SYMBOL_NAME_MAX`] bytes, no comma.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SymbolName(Box<str>);

impl SymbolName {
    /// The name as `kallsyms` has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SymbolName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::SymbolEmpty);
        }
        if text.len() > SYMBOL_NAME_MAX {
            return Err(NameError::SymbolTooLong(text.into()));
        }
        if let Some(c) = text.chars().find(|&c| c == ',' || c.is_control()) {
            return Err(NameError::SymbolCharacter(text.into(), c));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for SymbolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// `.klp.sym.<owner>.<symbol>,<position>`: what the kernel looks up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KlpSymbol {
    /// The object that has the symbol.
    pub owner: ObjectName,
    /// The symbol's name in that object.
    pub symbol: SymbolName,
    /// Which symbol of that name.
    pub position: Position,
}

impl FromStr for KlpSymbol {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let malformed = || NameError::KlpSymbol(text.into());
        let rest = text.strip_prefix(KLP_SYM_PREFIX).ok_or_else(malformed)?;
        let (owner, rest) = rest.split_once('.').ok_or_else(malformed)?;
        let (symbol, position) = rest.split_once(',').ok_or_else(malformed)?;
        let klp =
            Self { owner: owner.parse()?, symbol: symbol.parse()?, position: position.parse()? };
        // `-` in the object or zeros before the digits: the kernel compares what is written.
        if klp.to_string() == text { Ok(klp) } else { Err(malformed()) }
    }
}

impl fmt::Display for KlpSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KLP_SYM_PREFIX}{}.{},{}", self.owner, self.symbol, self.position)
    }
}

/// `.klp.rela.<gate>.<section>`: relocations that are written when the gate object is loaded.
///
/// The kernel reads only the gate; `sh_info` selects the patched section. The section's own name
/// follows the dot after the gate unchanged: `.text` gives two dots there, `__jump_table` one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KlpSection {
    /// The object whose loading triggers the write.
    pub gate: ObjectName,
    /// Name of the patched section.
    pub section: String,
}

impl FromStr for KlpSection {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let malformed = || NameError::KlpSection(text.into());
        let rest = text.strip_prefix(KLP_RELA_PREFIX).ok_or_else(malformed)?;
        let (gate, section) = rest.split_once('.').ok_or_else(malformed)?;
        let klp = Self { gate: gate.parse()?, section: section.into() };
        if klp.to_string() == text { Ok(klp) } else { Err(malformed()) }
    }
}

impl fmt::Display for KlpSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KLP_RELA_PREFIX}{}.{}", self.gate, self.section)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn object(text: &str) -> Result<ObjectName, NameError> {
        text.parse()
    }

    #[test]
    fn object_names_are_normalised_once() {
        assert_eq!(object("kvm-intel").unwrap().as_str(), "kvm_intel");
        assert_eq!(object("zfs.ko").unwrap().as_str(), "zfs");
        let path = "kernel/arch/x86/kvm/kvm-intel.ko.xz";
        assert_eq!(ObjectName::from_file_name(path).unwrap().as_str(), "kvm_intel");
    }

    #[test]
    fn object_names_that_the_kernel_would_misread_are_refused() {
        assert_eq!(object(""), Err(NameError::ObjectEmpty));
        assert!(matches!(object("a.b"), Err(NameError::ObjectCharacter(_, '.'))));
        assert!(matches!(object("a b"), Err(NameError::ObjectCharacter(_, ' '))));
        assert!(object(&"x".repeat(55)).is_ok());
        assert!(matches!(object(&"x".repeat(56)), Err(NameError::ObjectTooLong(_))));
    }

    #[test]
    fn symbol_names_end_where_the_kernel_ends_them() {
        assert!("foo.isra.0".parse::<SymbolName>().is_ok());
        assert!(matches!("a,b".parse::<SymbolName>(), Err(NameError::SymbolCharacter(_, ','))));
        assert!("x".repeat(511).parse::<SymbolName>().is_ok());
        assert!("x".repeat(512).parse::<SymbolName>().is_err());
    }

    #[test]
    fn klp_symbols_scan_as_the_kernel_scans_them() {
        let klp: KlpSymbol = ".klp.sym.vmlinux.__key.12345,2".parse().unwrap();
        assert_eq!((klp.symbol.as_str(), klp.position.number()), ("__key.12345", 2));
        for bad in [
            ".klp.sym.vmlinux.foo",
            ".klp.sym.vmlinux,0",
            ".klp.sym..foo,0",
            ".klp.sym.vmlinux.foo,-1",
            ".klp.sym.vmlinux.foo,1x",
            ".klp.sym.vmlinux.foo,01",
            ".klp.sym.kvm-intel.foo,0",
            "klp.sym.vmlinux.foo,0",
        ] {
            assert!(bad.parse::<KlpSymbol>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_section_without_a_leading_dot_still_gets_its_separator() {
        let gate = ObjectName::vmlinux();
        let klp = KlpSection { gate, section: "__jump_table".into() };
        assert_eq!(klp.to_string(), ".klp.rela.vmlinux.__jump_table");
        assert_eq!(".klp.rela.vmlinux..text".parse::<KlpSection>().unwrap().section, ".text");
        assert!(".klp.rela.vmlinux__jump_table".parse::<KlpSection>().is_err());
    }

    #[test]
    fn only_names_that_no_kernel_has_are_cut_and_their_length_stays() {
        let longest = format!(".klp.sym.{}.{},4294967295", "m".repeat(55), "f".repeat(511));
        assert!(longest.parse::<KlpSymbol>().is_ok());
        assert_eq!(shown(longest.as_bytes()), longest);
        let cut = shown(&[b'x'; 60_000]);
        assert_eq!(cut, format!("{}… (60000 bytes)", "x".repeat(32)));
        assert!(is_cut(&cut) && !is_cut(&longest));
    }

    proptest! {
        #[test]
        fn klp_symbol_names_survive_a_round_trip(
            owner in "[a-z][a-z0-9_]{0,54}",
            symbol in "[A-Za-z_.$][A-Za-z0-9_.$]{0,510}",
            position: u32,
        ) {
            let klp = KlpSymbol {
                owner: owner.parse().unwrap(),
                symbol: symbol.parse().unwrap(),
                position: position.into(),
            };
            prop_assert_eq!(klp.to_string().parse::<KlpSymbol>().unwrap(), klp);
        }

        #[test]
        fn any_text_that_parses_as_a_name_prints_unchanged(text in "\\PC{0,80}") {
            let prefixed = format!("{KLP_SYM_PREFIX}{text}");
            if let Ok(klp) = prefixed.parse::<KlpSymbol>() {
                prop_assert_eq!(klp.to_string(), prefixed);
            }
        }
    }
}
