//! How an item is written in another file: with other names, without its storage, or as a declaration.

use std::collections::BTreeMap;

use super::CFile;
use super::declaration::{DEFINERS, split};
use super::item::{Item, ItemKind};
use super::parts::{is_attribute, is_storage};
use super::token::TokenKind;

/// Writes items of a file.
pub(super) struct Render<'a, 't> {
    pub(super) file: &'a CFile<'t>,
    /// New names by old ones.
    pub(super) names: &'a BTreeMap<&'a str, String>,
}

impl Render<'_, '_> {
    /// An item as it is, but for new names.
    pub(super) fn whole(&self, item: &Item) -> String {
        self.write(item, item.tokens.end, |_, _| false)
    }

    /// A function that other files use.
    pub(super) fn shared(&self, item: &Item) -> String {
        // Not those of its own variables.
        let head = item.head;
        self.write(item, item.tokens.end, |at, word| {
            at < head && matches!(word, "static" | "inline")
        })
    }

    /// A function or variable of another file, as a declaration.
    pub(super) fn declaration(&self, item: &Item) -> String {
        if item.kind == ItemKind::MacroVariable {
            return self.macro_declaration(item).unwrap_or_else(|| self.whole(item));
        }
        let omitted = |_, word: &str| {
            is_storage(word) && word != "asmlinkage" && !word.starts_with("__attribute")
        };
        let text = if item.kind == ItemKind::Variable {
            self.without_values(item)
        } else {
            self.write(item, item.head, omitted)
        };
        let text = text.trim().trim_end_matches(';').trim_end();
        format!("extern {text};")
    }

    /// The comment right before an item, with a newline.
    pub(super) fn comment(&self, at: usize) -> String {
        let item = |at: usize| self.file.items.get(at);
        let start = at.checked_sub(1).and_then(item).map_or(0, |before| before.range.end);
        let Some(item) = item(at) else { return String::new() };
        let gap = self.file.text.get(start..item.range.start).unwrap_or_default();
        // What is on the line of the item before belongs to that.
        let gap = if start == 0 { gap } else { gap.split_once('\n').map_or("", |(_, rest)| rest) };
        let own = gap.rsplit("\n\n").next().unwrap_or_default().trim();
        let is_comment = own.starts_with("/*") && own.ends_with("*/")
            || own.lines().all(|line| line.trim_start().starts_with("//"));
        if is_comment && !own.is_empty() && !own.contains("SPDX-") {
            format!("{own}\n")
        } else {
            String::new()
        }
    }

    /// The tokens of an item up to one, with what is between them.
    fn write(&self, item: &Item, end: usize, omitted: impl Fn(usize, &str) -> bool) -> String {
        let tokens = self.file.tokens.get(item.tokens.start..end).unwrap_or_default();
        let mut text = String::new();
        let (mut before, mut kinds) = (item.range.start, [TokenKind::Literal; 2]);
        let mut gap_omitted = false;
        for (at, token) in (item.tokens.start..).zip(tokens) {
            let gap = self.file.text.get(before..token.range.start).unwrap_or_default();
            if !gap_omitted {
                text.push_str(gap);
            }
            gap_omitted = false;
            before = token.range.end;
            let word = self.file.word(token);
            let is_member = matches!(
                kinds,
                [_, TokenKind::Mark(b'.')] | [TokenKind::Mark(b'-'), TokenKind::Mark(b'>')]
            );
            kinds = [kinds[1], token.kind];
            if token.kind == TokenKind::Word && omitted(at, word) {
                gap_omitted = true;
            } else if token.kind == TokenKind::Word && !is_member {
                text.push_str(self.names.get(word).map_or(word, String::as_str));
            } else {
                text.push_str(word);
            }
        }
        text
    }

    /// Variables without their values.
    fn without_values(&self, item: &Item) -> String {
        let tokens = item.tokens.start..item.tokens.end.saturating_sub(1);
        let mut text = String::new();
        for (n, declarator) in split(&self.file.tokens, tokens).into_iter().enumerate() {
            let is_value = |at: &usize| {
                self.file.tokens.get(*at).is_some_and(|t| t.kind == TokenKind::Mark(b'='))
            };
            let end = declarator.clone().find(is_value).unwrap_or(declarator.end);
            let first = self.file.tokens.get(declarator.start);
            let Some(start) = first.map(|token| token.range.start) else { continue };
            let mut range = item.range.clone();
            range.start = start;
            let part = Item { range, tokens: declarator.start..end, ..item.clone() };
            let omitted = |_, word: &str| word == "static" || is_attribute(word);
            let separator = if n == 0 { "" } else { ", " };
            text.push_str(separator);
            text.push_str(self.write(&part, end, omitted).trim());
        }
        text
    }

    /// A variable that a macro defines.
    fn macro_declaration(&self, item: &Item) -> Option<String> {
        let tokens = self.file.tokens.get(item.tokens.clone())?;
        let open = tokens.iter().position(|token| token.kind == TokenKind::Mark(b'('))?;
        let name = open.checked_sub(1).and_then(|at| tokens.get(at)).map(|t| self.file.word(t))?;
        let (.., declaration) = DEFINERS.iter().find(|(definer, ..)| *definer == name)?;
        let start = item.tokens.start + open + 1;
        let mut depth = 1_usize;
        let close = (start..item.tokens.end).find(|at| {
            match self.file.tokens.get(*at).map(|token| token.kind) {
                Some(TokenKind::Mark(b'(')) => depth += 1,
                Some(TokenKind::Mark(b')')) => depth -= 1,
                _ => {}
            }
            depth == 0
        })?;
        let mut text = (*declaration).to_owned();
        for (n, argument) in split(&self.file.tokens, start..close).into_iter().enumerate() {
            let first = self.file.tokens.get(argument.start)?.range.start;
            let last = self.file.tokens.get(argument.end.checked_sub(1)?)?.range.end;
            let argument = self.file.text.get(first..last)?;
            text = text.replace(&format!("${}", n + 1), argument);
        }
        Some(text)
    }
}

/// Text with each run of blanks as one.
pub(super) fn one_line(text: &str) -> String {
    if text.contains('{') || text.contains('#') || text.contains("//") {
        return text.to_owned();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
