//! The tokens of C text: words, texts, punctuation, and directives as wholes.

use std::ops::Range;

use super::Fault;

/// One token, by its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) range: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// An identifier or keyword.
    Word,
    /// A number, a string or a character.
    Literal,
    /// One byte of punctuation.
    Mark(u8),
    /// A directive of the preprocessor: all of its lines.
    Directive,
}

/// Splits text; comments and blanks are between tokens.
///
/// # Errors
/// [`Fault::OpenComment`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let bytes = text.as_bytes();
    let mut reader = Reader { bytes, at: 0 };
    let (mut tokens, mut line_start) = (Vec::new(), true);
    loop {
        let blanks = reader.blanks()?;
        line_start |= blanks;
        let start = reader.at;
        let Some(byte) = reader.peek(0) else { return Ok(tokens) };
        let kind = match byte {
            b'#' if line_start => {
                reader.directive()?;
                TokenKind::Directive
            }
            b'"' | b'\'' if reader.literal(byte) => TokenKind::Literal,
            b'0'..=b'9' => {
                reader.skip(|byte| is_word(byte) || byte == b'.');
                TokenKind::Literal
            }
            byte if is_word(byte) => {
                reader.skip(is_word);
                TokenKind::Word
            }
            mark => {
                reader.at += 1;
                TokenKind::Mark(mark)
            }
        };
        line_start = kind == TokenKind::Directive;
        tokens.push(Token { kind, range: start..reader.at });
    }
}

/// Whether a byte is part of a word; a byte of a longer character is.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The words in a directive, after its name and without what is in comments and texts.
pub(super) fn directive_words(text: &str) -> Vec<Range<usize>> {
    let Some(hash) = text.find('#') else { return Vec::new() };
    // What follows the hash is C; a lone quote is a mark.
    let Ok(tokens) = tokens(text.get(hash + 1..).unwrap_or_default()) else { return Vec::new() };
    let words = tokens.into_iter().filter(|token| token.kind == TokenKind::Word);
    words.map(|token| token.range.start + hash + 1..token.range.end + hash + 1).collect()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn skip(&mut self, is: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&is) {
            self.at += 1;
        }
    }

    /// Skips blanks and comments; whether a line started.
    fn blanks(&mut self) -> Result<bool, Fault> {
        let mut line = self.at == 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'\n'), _) => {
                    line = true;
                    self.at += 1;
                }
                (Some(b'\\'), Some(b'\n')) => self.at += 2,
                (Some(byte), _) if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
                (Some(b'/'), Some(b'/' | b'*')) => self.comment()?,
                _ => return Ok(line),
            }
        }
    }

    fn comment(&mut self) -> Result<(), Fault> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if self.peek(1) == Some(b'/') {
            // A backslash goes on with the comment, too.
            while let Some(byte) = self.peek(0).filter(|byte| *byte != b'\n') {
                self.at += if byte == b'\\' && self.peek(1) == Some(b'\n') { 2 } else { 1 };
            }
            return Ok(());
        }
        match memchr::memmem::find(rest.get(2..).unwrap_or_default(), b"*/") {
            Some(end) => {
                self.at += end + 4;
                Ok(())
            }
            None => {
                let before = self.bytes.get(..self.at).unwrap_or_default();
                let line = memchr::memchr_iter(b'\n', before).count() + 1;
                Err(Fault::OpenComment { line })
            }
        }
    }

    /// Reads a string or character that ends on its line; otherwise nothing.
    fn literal(&mut self, quote: u8) -> bool {
        let mut at = self.at + 1;
        loop {
            match self.bytes.get(at) {
                Some(b'\\') => at += 2,
                Some(b'\n') | None => return false,
                Some(byte) if *byte == quote => {
                    self.at = at + 1;
                    return true;
                }
                Some(_) => at += 1,
            }
        }
    }

    /// Reads to the end of the line that no backslash continues.
    fn directive(&mut self) -> Result<(), Fault> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (None | Some(b'\n'), _) => return Ok(()),
                (Some(b'\\'), Some(b'\n')) => self.at += 2,
                (Some(b'\\'), Some(b'\r')) if self.peek(2) == Some(b'\n') => self.at += 3,
                // A comment on the line belongs to it, with all of its lines.
                (Some(b'/'), Some(b'*' | b'/')) => self.comment()?,
                (Some(quote @ (b'"' | b'\'')), _) if self.literal(quote) => {}
                _ => self.at += 1,
            }
        }
    }
}
