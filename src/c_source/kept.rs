//! Variables within a function that keep their values: a copy of the function has its own.

use super::CFile;
use super::declaration::declared;
use super::item::ItemKind;
use super::token::TokenKind;

/// The static variables of a function's body that are not constant, with their lines.
#[must_use]
pub fn kept_values(file: &CFile<'_>, function: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let items = file.items_named(function).into_iter();
    for body in items.filter(|item| item.kind == ItemKind::Function) {
        for at in body.head..body.tokens.end {
            let Some(token) = file.tokens.get(at) else { break };
            if token.kind != TokenKind::Word || file.word(token) != "static" {
                continue;
            }
            let ends = |at: &usize| {
                file.tokens.get(*at).is_some_and(|token| token.kind == TokenKind::Mark(b';'))
            };
            let end = (at..body.tokens.end).find(ends).unwrap_or(at);
            let mut words = file.tokens.get(at..end).unwrap_or_default().iter().take(3);
            if words.any(|token| file.word(token) == "const") {
                continue;
            }
            let names = declared(file.text, &file.tokens, at..end + 1, false).names.into_iter();
            let line = file.line(token.range.start);
            found.extend(names.filter_map(|n| file.text.get(n)).map(|name| (name.into(), line)));
        }
    }
    found
}
