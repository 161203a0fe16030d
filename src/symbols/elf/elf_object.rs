//! The names of an ELF file's symbols and sections as the text of an [`Object`](crate::symbols::Object).
//!
//! Between [`super::table`] and the two ELF sources: the string table of the symbols becomes the
//! text, followed by the names of the sections. Invariant: no name is copied.

use std::io::{Read, Seek};

use super::table::{ElfTable, Shndx, Symbol};
use crate::symbols::SymbolErrorKind;
use crate::symbols::data::{Span, Symbol as SourceSymbol};

/// The text, and where each section's name is in it.
#[derive(Debug)]
pub(crate) struct Strings {
    text: Vec<u8>,
    /// Length of the string table of the symbols.
    symbols: usize,
    sections: Vec<Option<Span>>,
}

impl Strings {
    pub(crate) fn read<R: Read + Seek>(table: &mut ElfTable<R>) -> Result<Self, SymbolErrorKind> {
        let (text, symbols) = table.strings()?;
        let span = |section| {
            let (start, name) = table.name_range(section);
            Span::new(symbols.checked_add(start)?, name)
        };
        let sections = table.sections().iter().map(span).collect();
        Ok(Self { text, symbols, sections })
    }

    /// The string table of the symbols.
    pub(crate) fn symbols(&self) -> &[u8] {
        self.text.get(..self.symbols).unwrap_or(&[])
    }

    /// Where the name of a symbol is.
    pub(crate) fn name(&self, symbol: &Symbol<'_>) -> Span {
        let start = usize::try_from(symbol.name_offset).ok();
        start.and_then(|start| Span::new(start, symbol.name.len())).unwrap_or_default()
    }

    /// The symbol in the form that sources provide.
    pub(crate) fn source_symbol(
        &self,
        symbol: &Symbol<'_>,
        letter: u8,
        init: bool,
        stays: bool,
    ) -> SourceSymbol {
        let section = match symbol.shndx {
            Shndx::Section(index) => self.sections.get(index).copied().flatten(),
            _ => None,
        };
        SourceSymbol {
            name: self.name(symbol),
            address: Some(symbol.value),
            size: Some(symbol.size),
            section,
            unit: symbol.unit(),
            binding: Some(symbol.binding()),
            kind: Some(symbol.kind()),
            letter: Some(letter),
            init,
            untraceable: false,
            stays,
        }
    }

    pub(crate) fn into_text(self) -> Vec<u8> {
        self.text
    }
}
