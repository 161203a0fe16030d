//! Splits a file's tokens into the items at file scope.

use std::ops::Range;

use super::Fault;
use super::declaration::{Declared, declared, is_body};
use super::item::{Item, ItemKind};
use super::token::{Token, TokenKind, directive_words};

/// The items of a file.
///
/// # Errors
/// [`Fault`] where brackets or conditionals do not pair.
pub(super) fn items(text: &str, tokens: &[Token]) -> Result<Vec<Item>, Fault> {
    let mut splitter =
        Splitter { text, tokens, items: Vec::new(), open: Vec::new(), pending: None };
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            TokenKind::Directive => splitter.directive(at, token)?,
            kind => splitter.token(at, kind)?,
        }
    }
    // The last call of a file may have no semicolon.
    splitter.end_call(tokens.len());
    if let Some(pending) = &splitter.pending {
        return Err(Fault::Unbalanced { line: splitter.line(pending.start) });
    }
    if !splitter.open.is_empty() {
        return Err(Fault::Conditional { line: splitter.line(tokens.len().saturating_sub(1)) });
    }
    Ok(splitter.items)
}

/// An item that has not ended.
struct Pending {
    /// Its first token.
    start: usize,
    /// The brackets that are open.
    depth: usize,
    /// How many were open at each `#if` within the item.
    conditions: Vec<usize>,
    /// The token that opens a function's body.
    body: Option<usize>,
    /// The token after a call that starts the item, and the line on which that ends.
    call_end: Option<usize>,
}

struct Splitter<'a> {
    text: &'a str,
    tokens: &'a [Token],
    items: Vec<Item>,
    /// Conditionals that are open at file scope, by the number of their `#if`.
    open: Vec<usize>,
    pending: Option<Pending>,
}

impl Splitter<'_> {
    fn line(&self, token: usize) -> usize {
        let at = self.tokens.get(token).map_or(0, |token| token.range.start);
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        memchr::memchr_iter(b'\n', before).count() + 1
    }

    fn word(&self, token: usize) -> &str {
        let range = self.tokens.get(token).map(|token| token.range.clone());
        range.and_then(|range| self.text.get(range)).unwrap_or_default()
    }

    fn directive(&mut self, at: usize, token: &Token) -> Result<(), Fault> {
        let text = self.text.get(token.range.clone()).unwrap_or_default();
        let words = directive_words(text);
        let word = |n: usize| words.get(n).cloned();
        let kind = match word(0).and_then(|range| text.get(range)).unwrap_or_default() {
            "if" | "ifdef" | "ifndef" => ItemKind::If,
            "else" | "elif" | "elifdef" | "elifndef" => ItemKind::Else,
            "endif" => ItemKind::EndIf,
            "include" => ItemKind::Include,
            "define" | "undef" => ItemKind::Define,
            _ => ItemKind::Directive,
        };
        self.end_call(at);
        let line = self.line(at);
        if let Some(pending) = &mut self.pending {
            let cut = pending.start;
            match (kind, pending.conditions.last().copied()) {
                (ItemKind::If, _) => pending.conditions.push(pending.depth),
                (ItemKind::Else, Some(depth)) => pending.depth = depth,
                (ItemKind::EndIf, Some(_)) => drop(pending.conditions.pop()),
                (ItemKind::Else | ItemKind::EndIf, None) => {
                    return Err(Fault::Cut { line: self.line(cut) });
                }
                _ => {}
            }
            return Ok(());
        }
        let condition = self.open.last().copied();
        match kind {
            ItemKind::If => self.open.push(self.items.len()),
            ItemKind::Else if condition.is_none() => return Err(Fault::Conditional { line }),
            ItemKind::EndIf if self.open.pop().is_none() => {
                return Err(Fault::Conditional { line });
            }
            _ => {}
        }
        let name = if kind == ItemKind::Define { word(1) } else { None };
        let start = token.range.start;
        self.items.push(Item {
            kind,
            range: token.range.clone(),
            tokens: at..at + 1,
            names: name.into_iter().map(|name| start + name.start..start + name.end).collect(),
            arguments: Vec::new(),
            head: at + 1,
            condition,
            is_static: false,
        });
        Ok(())
    }

    fn token(&mut self, at: usize, kind: TokenKind) -> Result<(), Fault> {
        if kind == TokenKind::Word {
            self.end_call(at);
        }
        if self.pending.is_none() && kind == TokenKind::Mark(b';') {
            return Ok(());
        }
        let (text, tokens) = (self.text, self.tokens);
        let pending = self.pending.get_or_insert_with(|| Pending {
            start: at,
            depth: 0,
            conditions: Vec::new(),
            body: None,
            call_end: None,
        });
        match kind {
            TokenKind::Mark(open @ (b'(' | b'[' | b'{')) => {
                if open == b'{'
                    && pending.depth == 0
                    && pending.body.is_none()
                    && (at == pending.start || is_body(text, tokens, pending.start..at))
                {
                    pending.body = Some(at);
                }
                pending.depth += 1;
            }
            TokenKind::Mark(close @ (b')' | b']' | b'}')) => {
                let Some(depth) = pending.depth.checked_sub(1) else {
                    let line = pending.start;
                    return Err(Fault::Unbalanced { line: self.line(line) });
                };
                pending.depth = depth;
                if depth == 0 && pending.conditions.is_empty() {
                    if close == b'}' && pending.body.is_some() {
                        self.end(at + 1);
                    } else if close == b')' {
                        pending.call_end = pending.call_end.or(Some(at + 1));
                    }
                }
            }
            TokenKind::Mark(b';') if pending.depth == 0 && pending.conditions.is_empty() => {
                self.end(at + 1);
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends an item that is the call of a macro without a semicolon, where the next token starts a line.
    fn end_call(&mut self, at: usize) {
        let Some(pending) = &self.pending else { return };
        let Some(end) = pending.call_end.filter(|end| *end == at) else { return };
        let is_call = self.tokens.get(pending.start + 1).map(|token| token.kind)
            == Some(TokenKind::Mark(b'('));
        let name = self.word(pending.start);
        let is_attribute = name.starts_with("__") && !name.chars().any(char::is_uppercase);
        let before = end.checked_sub(1).and_then(|end| self.tokens.get(end));
        let between = before.zip(self.tokens.get(at));
        let between = between.and_then(|(a, b)| self.text.get(a.range.end..b.range.start));
        let starts_line = between.is_none_or(|between| between.contains('\n'));
        if is_call && !is_attribute && name != "asm" && starts_line && pending.conditions.is_empty()
        {
            self.end(at);
        }
    }

    /// Ends the pending item before a token.
    fn end(&mut self, end: usize) {
        let Some(pending) = self.pending.take() else { return };
        let start = pending.start;
        let first = self.tokens.get(start);
        let last = end.checked_sub(1).and_then(|last| self.tokens.get(last));
        let Some((first, last)) = first.zip(last) else { return };
        let range = first.range.start..last.range.end;
        let head = pending.body.unwrap_or(end);
        let Declared { kind, names, arguments, is_static } =
            declared(self.text, self.tokens, start..head, pending.body.is_some());
        let tokens: Range<usize> = start..end;
        let condition = self.open.last().copied();
        self.items.push(Item { kind, range, tokens, names, arguments, head, condition, is_static });
    }
}
