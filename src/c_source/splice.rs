//! A file with the headers of its own folder in it, so that what it needs of them can be taken out, too.
//!
//! What a compiler finds in its own folders (`#include <...>`) stays an include. Headers of events stay, too:
//! macros make what they declare.

use std::collections::BTreeSet;
use std::ops::Range;

use super::CFile;
use super::item::{Item, ItemKind};

/// How deep headers include others.
const DEPTH_MAX: usize = 16;
/// How long a file may become.
const LENGTH_MAX: usize = 16 << 20;
/// What a header of events includes at its end.
const EVENTS: &str = "define_trace.h";

/// The text of a file, with the headers in place of their includes. `read` gets paths in the tree.
pub fn splice(path: &str, text: &str, read: &dyn Fn(&str) -> Option<String>) -> String {
    Splicer { read, seen: BTreeSet::new(), length: text.len() }.splice(path, text, 0)
}

struct Splicer<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
    seen: BTreeSet<String>,
    length: usize,
}

impl Splicer<'_> {
    fn splice(&mut self, path: &str, text: &str, depth: usize) -> String {
        let Ok(file) = CFile::parse(text) else { return text.to_owned() };
        let (mut made, mut before) = (String::new(), 0);
        for item in file.items.iter().filter(|item| item.kind == ItemKind::Include) {
            let include = text.get(item.range.clone()).unwrap_or_default();
            let Some(name) = own(include) else { continue };
            let Some(header) = self.header(path, name, depth) else { continue };
            made.push_str(text.get(before..item.range.start).unwrap_or_default());
            made.push_str(&header);
            before = item.range.end;
        }
        made.push_str(text.get(before..).unwrap_or_default());
        made
    }

    /// What stands in place of an include; `None`: the include stays.
    fn header(&mut self, path: &str, name: &str, depth: usize) -> Option<String> {
        if depth == DEPTH_MAX {
            return None;
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        // Its own folder, then those that makefiles add most.
        let folders = std::iter::successors(Some(folder), |folder| {
            (!folder.is_empty()).then(|| folder.rsplit_once('/').map_or("", |(above, _)| above))
        });
        let mut paths = folders.filter_map(|folder| joined(folder, name));
        let found = paths.find_map(|path| {
            if self.seen.contains(&path) {
                return Some((path, None));
            }
            (self.read)(&path).map(|text| (path, Some(text)))
        });
        let (path, text) = found?;
        // It is there already.
        let Some(text) = text else { return Some(String::new()) };
        self.length = self.length.checked_add(text.len()).filter(|length| *length <= LENGTH_MAX)?;
        let file = CFile::parse(&text).ok()?;
        if text.contains(EVENTS) {
            return None;
        }
        self.seen.insert(path.clone());
        let inner = guarded(&file, &text).and_then(|inner| text.get(inner)).unwrap_or(&text);
        Some(self.splice(&path, inner, depth + 1))
    }
}

/// The path in quotes.
fn own(include: &str) -> Option<&str> {
    let (_, rest) = include.split_once('"')?;
    rest.split_once('"').map(|(name, _)| name)
}

/// A path from a folder; `None` if it leaves the tree.
fn joined(folder: &str, name: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What is between the directives that keep a header from being read twice.
fn guarded(file: &CFile<'_>, text: &str) -> Option<Range<usize>> {
    let [first, second, .., last] = file.items.as_slice() else { return None };
    let word = |item: &Item, n: usize| {
        let directive = text.get(item.range.clone()).unwrap_or_default();
        directive.split_whitespace().nth(n).map(str::to_owned)
    };
    let kinds = (first.kind, second.kind, last.kind);
    let opens = kinds == (ItemKind::If, ItemKind::Define, ItemKind::EndIf)
        && word(first, 0).is_some_and(|word| word == "#ifndef")
        && word(first, 1) == word(second, 1);
    // The last directive ends the first one.
    let mut depth = 0_i64;
    let inner = file.items.get(..file.items.len().saturating_sub(1)).unwrap_or_default();
    let whole = inner.iter().all(|item| {
        depth += match item.kind {
            ItemKind::If => 1,
            ItemKind::EndIf => -1,
            ItemKind::Else if depth == 1 => return false,
            _ => 0,
        };
        depth > 0
    });
    (opens && whole).then_some(second.range.end..last.range.start)
}
