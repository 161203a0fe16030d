//! Why bytes are not a module, or why edits do not fit one.
//!
//! Every error names its location: the section by index and name, the entry or symbol by index.

use bstr::BString;

use super::{SectionIndex, SectionRef, StringTableFault, SymbolIndex, SymbolRef};

/// Why bytes are not a module, or why edits do not fit it. Offsets and sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    /// The file is shorter than an ELF header.
    #[error("file has {0} bytes, an ELF header has 64")]
    TooShort(usize),
    /// The file does not start with the ELF magic number.
    #[error("file starts with {0:02x?}, not with the ELF magic number")]
    Magic([u8; 4]),
    /// `EI_CLASS` is not `ELFCLASS64`.
    #[error("ELF class {0} is not supported, only 64-bit files (class 2) are")]
    Class(u8),
    /// `EI_DATA` is neither little- nor big-endian.
    #[error("ELF data encoding {0} is neither little-endian (1) nor big-endian (2)")]
    ByteOrder(u8),
    /// `EI_VERSION` or `e_version` is not 1.
    #[error("ELF version {0} is not 1")]
    Version(u32),
    /// `e_type` is not `ET_REL`.
    #[error("ELF type {0} is not a relocatable file (ET_REL, 1)")]
    FileType(u16),
    /// `e_ehsize` or `e_shentsize` is not that of 64-bit ELF.
    #[error("{field} is {size}, not 64")]
    HeaderSize {
        /// The header field.
        field: &'static str,
        /// Its value.
        size: u16,
    },
    /// A relocatable file has program headers.
    #[error("relocatable file has {0} program headers")]
    ProgramHeaders(u16),
    /// The file has no section headers.
    #[error("file has no section header table")]
    NoSections,
    /// The section header table does not lie within the file.
    #[error(
        "section header table of {count} entries at {offset:#x} ends beyond the file ({len:#x} bytes)"
    )]
    SectionTable {
        /// `e_shoff`.
        offset: u64,
        /// Number of section headers.
        count: u64,
        /// Length of the file without its signature.
        len: usize,
    },
    /// Section 0 is not the null section.
    #[error("section 0 has type {0:#x}, not SHT_NULL")]
    SectionZero(u32),
    /// `e_shstrndx` does not name a section.
    #[error("e_shstrndx names section {index} of {count}")]
    SectionNames {
        /// What it names.
        index: u32,
        /// Number of sections.
        count: usize,
    },
    /// A string table that names are read from is malformed.
    #[error("{section} {fault}")]
    StringTable {
        /// The string table.
        section: SectionRef,
        /// What is wrong with it.
        fault: StringTableFault,
    },
    /// A section's name does not start within the section name table.
    #[error("section {section}: name at {offset:#x} of a table of {size:#x} bytes")]
    SectionName {
        /// The section.
        section: SectionIndex,
        /// `sh_name`.
        offset: u32,
        /// Size of the name table.
        size: usize,
    },
    /// A section's body does not lie within the file.
    #[error(
        "{section}: body of {size:#x} bytes at {offset:#x} ends beyond the file ({len:#x} bytes)"
    )]
    Body {
        /// The section.
        section: SectionRef,
        /// `sh_offset`.
        offset: u64,
        /// `sh_size`.
        size: u64,
        /// Length of the file without its signature.
        len: usize,
    },
    /// A section's body covers the file header or the section header table.
    #[error("{section}: body at {offset:#x} overlaps the {}", if *table { "section headers" } else { "file's header" })]
    OverlapsHeaders {
        /// The section.
        section: SectionRef,
        /// `sh_offset`.
        offset: u64,
        /// Whether it covers the table.
        table: bool,
    },
    /// Two sections' bodies share bytes.
    #[error("{section}: body at {offset:#x} overlaps {other}")]
    Overlap {
        /// The section that starts later in the file.
        section: SectionRef,
        /// Its `sh_offset`.
        offset: u64,
        /// The section that it overlaps.
        other: SectionRef,
    },
    /// `sh_addralign` is not a power of two.
    #[error("{section}: alignment {align} is not a power of two")]
    Alignment {
        /// The section.
        section: SectionRef,
        /// `sh_addralign`.
        align: u64,
    },
    /// `sh_link` or `sh_info` names a section that does not exist.
    #[error("{section}: {field} names section {value} of {count}")]
    Link {
        /// The section with the field.
        section: SectionRef,
        /// The header field.
        field: &'static str,
        /// Its value.
        value: u32,
        /// Number of sections.
        count: usize,
    },
    /// Following `sh_link` leads back to the section.
    #[error("{section}: sh_link leads back to itself")]
    LinkCycle {
        /// A section on the cycle.
        section: SectionRef,
    },
    /// `sh_entsize` is not the size of the entries of this type of section.
    #[error("{section}: sh_entsize is {entsize}, its entries have {expected} bytes")]
    EntrySize {
        /// The section.
        section: SectionRef,
        /// `sh_entsize`.
        entsize: u64,
        /// What it must be.
        expected: u64,
    },
    /// A table's size is not a whole number of entries, or it has more entries than an index can
    /// count.
    #[error("{section}: size {size:#x} is not a whole number of entries of {entsize} bytes")]
    Entries {
        /// The section.
        section: SectionRef,
        /// `sh_size`.
        size: u64,
        /// Size of an entry.
        entsize: u64,
    },
    /// The file has relocations without addends.
    #[error("{0}: relocations without addends (SHT_REL) are not supported")]
    Rel(SectionRef),
    /// The file has no symbol table.
    #[error("file has no symbol table")]
    NoSymbolTable,
    /// The file has more than one `SHT_SYMTAB` section.
    #[error("{second} is another symbol table beside {first}")]
    TwoSymbolTables {
        /// The first one.
        first: SectionRef,
        /// The next one.
        second: SectionRef,
    },
    /// `sh_info` of the symbol table is beyond its end.
    #[error("{section}: sh_info puts the first global symbol at {value} of {count}")]
    FirstGlobal {
        /// The symbol table.
        section: SectionRef,
        /// `sh_info`.
        value: u32,
        /// Number of symbols.
        count: usize,
    },
    /// A symbol's name does not start within the string table.
    #[error("symbol {symbol}: name at {offset:#x} of a table of {size:#x} bytes")]
    SymbolName {
        /// The symbol.
        symbol: SymbolIndex,
        /// `st_name`.
        offset: u32,
        /// Size of the string table.
        size: usize,
    },
    /// A symbol is defined in a section that does not exist.
    #[error("{symbol} is in section {section} of {count}")]
    SymbolSection {
        /// The symbol.
        symbol: SymbolRef,
        /// `st_shndx`, or its extended value.
        section: u32,
        /// Number of sections.
        count: usize,
    },
    /// A symbol's section is in the extended table (`SHN_XINDEX`), which does not exist.
    #[error("{symbol} is SHN_XINDEX, but there is no SHT_SYMTAB_SHNDX section")]
    NoExtendedTable {
        /// The symbol.
        symbol: SymbolRef,
    },
    /// There is more than one `SHT_SYMTAB_SHNDX` section for the symbol table.
    #[error("{0} is another SHT_SYMTAB_SHNDX section")]
    TwoExtendedTables(SectionRef),
    /// The `SHT_SYMTAB_SHNDX` section does not have one entry for each symbol.
    #[error("{section} has {entries} entries for {symbols} symbols")]
    ExtendedCount {
        /// The section.
        section: SectionRef,
        /// Its entries.
        entries: u64,
        /// The symbols.
        symbols: usize,
    },
    /// A relocation or group section does not link to the symbol table.
    #[error("{section}: sh_link is {link}, the symbol table is section {symtab}")]
    NotLinkedToSymbols {
        /// The section.
        section: SectionRef,
        /// `sh_link`.
        link: u32,
        /// The symbol table.
        symtab: SectionIndex,
    },
    /// A relocation section applies to itself, to another relocation section or to nothing.
    #[error("{section}: sh_info names section {target}, which cannot be relocated")]
    RelocationTarget {
        /// The section.
        section: SectionRef,
        /// `sh_info`.
        target: u32,
    },
    /// A relocation names a symbol that does not exist.
    #[error("{section}: relocation {entry} names symbol {symbol} of {count}")]
    RelocationSymbol {
        /// The relocation section.
        section: SectionRef,
        /// Index of the relocation in it.
        entry: usize,
        /// The symbol.
        symbol: SymbolIndex,
        /// Number of symbols.
        count: usize,
    },
    /// A group has no flag word or is not made of 32-bit words.
    #[error("{section}: size {size:#x} is not that of a section group")]
    GroupSize {
        /// The group.
        section: SectionRef,
        /// `sh_size`.
        size: u64,
    },
    /// A group's `sh_info` names a symbol that does not exist.
    #[error("{section}: the group's name is symbol {symbol} of {count}")]
    GroupSymbol {
        /// The group.
        section: SectionRef,
        /// The symbol.
        symbol: SymbolIndex,
        /// Number of symbols.
        count: usize,
    },
    /// A group has a member that does not exist or is a group.
    #[error("{section}: member {member} is section {value}, which no group can hold")]
    GroupMember {
        /// The group.
        section: SectionRef,
        /// Position in the group, counted from 0.
        member: usize,
        /// The section index found there.
        value: u32,
    },
    /// The appended signature is longer than the file.
    #[error("module signature before {offset:#x} claims {len:#x} bytes, more than the file has")]
    Signature {
        /// Where the marker starts.
        offset: usize,
        /// Length of the signature.
        len: u64,
    },
    /// The marker does not follow the description of a PKCS#7 signature.
    #[error("module signature before {offset:#x} has type {kind}, PKCS#7 is type 2")]
    SignatureKind {
        /// Where the marker starts.
        offset: usize,
        /// `id_type`.
        kind: u8,
    },
    /// The list of symbols of an `SHT_LLVM_ADDRSIG` section is malformed.
    #[error("{section}: symbol list is malformed at {offset:#x}")]
    AddressSignificance {
        /// The section.
        section: SectionRef,
        /// The offset in its body.
        offset: usize,
    },
    /// Edits name a section that does not exist, or the null section.
    #[error("edits name section {index} of {count}")]
    EditSection {
        /// The section.
        index: SectionIndex,
        /// Number of sections.
        count: usize,
    },
    /// Edits name a symbol that does not exist, or the null symbol.
    #[error("edits name symbol {index} of {count}")]
    EditSymbol {
        /// The symbol.
        index: SymbolIndex,
        /// Number of symbols.
        count: usize,
    },
    /// Edits replace the body of a section that has none or that the rewriter itself writes.
    #[error("{0}: the body cannot be replaced")]
    EditBody(SectionRef),
    /// Edits replace the relocations of a section that has none.
    #[error("{0} has no relocations to replace")]
    EditRelocations(SectionRef),
    /// Edits remove a section that every module needs.
    #[error("{0} cannot be removed")]
    EditRequired(SectionRef),
    /// An added section has a type or an alignment that cannot be added.
    #[error(
        "new section '{name}' has type {sh_type:#x} and alignment {align}, which cannot be added"
    )]
    EditNew {
        /// Its name.
        name: BString,
        /// Its `sh_type`.
        sh_type: u32,
        /// Its `sh_addralign`.
        align: u64,
    },
    /// An edit gives a name with a NUL in it.
    #[error("name {0:?} contains a NUL")]
    EditName(BString),
    /// An edit gives a symbol a reserved section index that is not reserved.
    #[error("{symbol}: {value:#x} is not a reserved section index")]
    EditReserved {
        /// The symbol.
        symbol: SymbolRef,
        /// The section index.
        value: u16,
    },
    /// A section that stays names one that is removed.
    #[error("{section}: {field} names {removed}, which is removed")]
    NamesRemovedSection {
        /// The section that stays.
        section: SectionRef,
        /// The header field.
        field: &'static str,
        /// The removed section.
        removed: SectionRef,
    },
    /// A symbol that stays is defined in a section that is removed.
    #[error("{symbol} is in {removed}, which is removed")]
    InRemovedSection {
        /// The symbol that stays.
        symbol: SymbolRef,
        /// The removed section.
        removed: SectionRef,
    },
    /// A relocation that stays names a symbol that is removed.
    #[error("{section}: relocation {entry} names {removed}, which is removed")]
    NamesRemovedSymbol {
        /// The relocation section.
        section: SectionRef,
        /// Index of the relocation in it.
        entry: usize,
        /// The removed symbol.
        removed: SymbolRef,
    },
    /// A group that stays is named by a symbol that is removed.
    #[error("{section}: the group's name is {removed}, which is removed")]
    GroupOfRemovedSymbol {
        /// The group.
        section: SectionRef,
        /// The removed symbol.
        removed: SymbolRef,
    },
    /// The result does not fit the fields of the format.
    #[error("{0} of the rewritten file is too large for its field")]
    TooLarge(&'static str),
}
