//! Text from files, printed so that it stays text.
//!
//! Names, paths and `.modinfo` come from whoever built a module. A newline in one would forge a line of ours
//! ("evil.ko: loads"), an escape sequence would move the cursor or erase what was printed, and a character that
//! turns the direction of writing would show a name as another one.

use std::fmt::{self, Display, Write};

/// On one line: every character that is not printed as itself becomes `\n`, `\x1b` or `\u{202e}`.
#[derive(Debug, Clone, Copy)]
pub struct OneLine<T>(pub T);

/// On several lines, which are the writer's own: as [`OneLine`], except for line ends and tabs.
#[derive(Debug, Clone, Copy)]
pub struct Lines<T>(pub T);

/// A JSON document: what its strings may have as it is, but a terminal may not get, becomes `\u009b`. Between strings
/// there is no such character.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: Display> Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { out: f, kept: &[], show }, "{}", self.0)
    }
}

impl<T: Display> Display for Lines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { out: f, kept: &['\n', '\t'], show }, "{}", self.0)
    }
}

impl<T: Display> Display for Json<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All of them are below U+10000.
        let show: Show = |f, c| write!(f, "\\u{:04x}", u32::from(c));
        write!(Escaping { out: f, kept: &['\n'], show }, "{}", self.0)
    }
}

type Show = fn(&mut fmt::Formatter<'_>, char) -> fmt::Result;

struct Escaping<'a, 'f> {
    out: &'a mut fmt::Formatter<'f>,
    /// Characters that stay.
    kept: &'static [char],
    /// Writes the others.
    show: Show,
}

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|c| is_hidden(c) && !self.kept.contains(&c)) {
            let (plain, from) = rest.split_at(at);
            self.out.write_str(plain)?;
            let mut characters = from.chars();
            if let Some(c) = characters.next() {
                (self.show)(self.out, c)?;
            }
            rest = characters.as_str();
        }
        self.out.write_str(rest)
    }
}

fn show(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\n' => f.write_str("\\n"),
        '\t' => f.write_str("\\t"),
        '\r' => f.write_str("\\r"),
        c if c.is_ascii() => write!(f, "\\x{:02x}", u32::from(c)),
        c => write!(f, "\\u{{{:x}}}", u32::from(c)),
    }
}

/// Whether a character controls the terminal or the direction of writing, or ends a line (Unicode's general
/// category Cc; its Bidi_Control; U+2028 and U+2029).
fn is_hidden(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_as_itself_stays() {
        for text in ["", "ext4_init_fs", "a b\\c", "größe 名前 → (1/2)"] {
            assert_eq!(OneLine(text).to_string(), text);
            assert_eq!(Lines(text).to_string(), text);
        }
        assert_eq!(Lines("a\n\tb\n").to_string(), "a\n\tb\n");
    }

    #[test]
    fn controls_line_ends_and_directions_are_shown() {
        assert_eq!(OneLine("x\ny\tz\r").to_string(), "x\\ny\\tz\\r");
        assert_eq!(OneLine("\u{1b}[2K\u{7f}\u{0}").to_string(), "\\x1b[2K\\x7f\\x00");
        assert_eq!(OneLine("\u{9b}a\u{202e}\u{2028}").to_string(), "\\u{9b}a\\u{202e}\\u{2028}");
        assert_eq!(Lines("\u{1b}\r\n").to_string(), "\\x1b\\r\n");
        assert_eq!(OneLine(format_args!("{}\n{}", 1, 2)).to_string(), "1\\n2");
        assert_eq!(Json("[\n\"a\u{9b}\u{7f}é\"]").to_string(), "[\n\"a\\u009b\\u007fé\"]");
    }
}
