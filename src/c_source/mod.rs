//! C source as kernel files are written: which definitions a file has, and which of them a function needs.
//!
//! Not a compiler: files are read as they are, before the preprocessor. Between a kernel's source tree and
//! [`crate::draft`], which starts a livepatch from a function's text. A file is split into tokens, the
//! tokens into items at file scope; an [`Extract`] is the file without the items that a function does not
//! need. Invariant: any text gives items or a [`Fault`]; nothing is kept that the file does not have.

mod declaration;
mod extract;
mod fault;
mod item;
mod kept;
mod needs;
mod parts;
mod render;
mod splice;
mod split;
mod token;
mod written;

use std::collections::BTreeMap;

use item::Item;
use token::{Token, TokenKind};

pub use extract::{Extract, Extraction, Treatment};
pub use fault::Fault;
pub use item::ItemKind;
pub use kept::kept_values;
pub use splice::splice;

/// The text of a C file, and what is in it.
#[derive(Debug)]
pub struct CFile<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    items: Vec<Item>,
    /// The items that declare a name.
    named: BTreeMap<&'t str, Vec<usize>>,
}

impl<'t> CFile<'t> {
    /// Splits a file into its items.
    ///
    /// # Errors
    /// [`Fault`] where the text is not C, or is in a form that no kernel file has.
    pub fn parse(text: &'t str) -> Result<Self, Fault> {
        let tokens = token::tokens(text)?;
        let items = split::items(text, &tokens)?;
        let mut named: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, item) in items.iter().enumerate() {
            for name in item.names.iter().filter_map(|name| text.get(name.clone())) {
                named.entry(name).or_default().push(at);
            }
        }
        Ok(Self { text, tokens, items, named })
    }

    /// The functions and variables that the file defines or declares.
    pub fn names(&self) -> impl Iterator<Item = &'t str> {
        let is = |kind: ItemKind| kind.is_definition() || kind == ItemKind::Prototype;
        let items = self.items.iter().filter(move |item| is(item.kind));
        items.flat_map(|item| &item.names).filter_map(|name| self.text.get(name.clone()))
    }

    /// Whether the file declares a name for others: as a function, a variable or a macro.
    #[must_use]
    pub fn declares(&self, name: &str) -> bool {
        self.items_named(name).iter().any(|item| match item.kind {
            ItemKind::Prototype | ItemKind::Define | ItemKind::Function => true,
            ItemKind::Variable => needs::is_extern(self, item),
            _ => false,
        })
    }

    /// A declaration of a function or variable that the file defines.
    #[must_use]
    pub fn declaration(&self, name: &str) -> Option<String> {
        let items = self.items_named(name);
        let item = items.iter().find(|item| item.kind.is_definition())?;
        let render = render::Render { file: self, names: &BTreeMap::new() };
        Some(render::one_line(&render.declaration(item)))
    }

    /// The lines on which a function is defined, from 1.
    ///
    /// # Errors
    /// [`Fault`] that says what the file has instead, if it does not define the function.
    pub fn definitions(&self, function: &str) -> Result<Vec<usize>, Fault> {
        let found = self.items_named(function);
        let of = |kind| found.iter().filter(move |item| item.kind == kind);
        let lines: Vec<_> =
            of(ItemKind::Function).map(|item| self.line(self.name_at(item, function))).collect();
        if !lines.is_empty() {
            return Ok(lines);
        }
        let name = function.to_owned();
        if let Some((made_by, line)) = self.maker(function) {
            return Err(Fault::Macro { name, made_by, line });
        }
        let start = |item: &&Item| self.line(self.name_at(item, function));
        if let Some(line) = of(ItemKind::Define).map(start).next() {
            return Err(Fault::IsMacro { name, line });
        }
        if let Some(body) = self.items.iter().find(|item| item.kind == ItemKind::Body) {
            return Err(Fault::OldStyle { name, line: self.line(body.range.start) });
        }
        if let Some(line) = of(ItemKind::Prototype).map(start).next() {
            return Err(Fault::Declared { name, line });
        }
        if let Some(line) = found.first().map(start) {
            return Err(Fault::NotAFunction { name, line });
        }
        let mentions =
            |token: &&Token| token.kind == TokenKind::Word && self.word(token) == function;
        let used = self.tokens.iter().find(mentions).map(|token| self.line(token.range.start));
        Err(Fault::Missing { name, used })
    }

    fn items_named(&self, name: &str) -> Vec<&Item> {
        let at = self.named.get(name).into_iter().flatten();
        at.filter_map(|at| self.items.get(*at)).collect()
    }

    fn name_at(&self, item: &Item, name: &str) -> usize {
        let mut names = item.names.iter();
        let found = names.find(|range| self.text.get((*range).clone()) == Some(name));
        found.map_or(item.range.start, |range| range.start)
    }

    /// The macro call that makes a function: one that has its name, or a part that system calls add to, as
    /// an argument.
    fn maker(&self, function: &str) -> Option<(String, usize)> {
        let calls = self.items.iter().filter(|item| item.kind == ItemKind::MacroFunction);
        let others = self.items.iter().filter(|item| item.kind == ItemKind::MacroCall);
        let fits = |argument: &str| {
            let before = function.strip_suffix(argument);
            !argument.is_empty()
                && before.is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
        };
        // What has a body makes a function; of the others, those that have its whole name.
        calls
            .map(|item| (item, true))
            .chain(others.map(|item| (item, false)))
            .filter_map(|(item, has_body)| {
                let mut words = self.words(item);
                let made_by =
                    words.next().filter(|word| *word != "static").or_else(|| words.next());
                let made_by = made_by?;
                let arguments = item.arguments.iter().filter_map(|at| self.text.get(at.clone()));
                let known = matches!(
                    made_by,
                    name if name.starts_with("EXPORT_SYMBOL")
                        || name.starts_with("MODULE_")
                        || name.ends_with("_initcall")
                        || name.starts_with("module_")
                        || name.starts_with("NOKPROBE_SYMBOL")
                        || name.starts_with("ALLOW_ERROR_INJECTION")
                );
                let hit = arguments
                    .into_iter()
                    .any(|argument| if has_body { fits(argument) } else { argument == function });
                (hit && !known).then(|| (made_by.to_owned(), self.line(item.range.start)))
            })
            .next()
    }

    fn words<'s>(&'s self, item: &Item) -> impl Iterator<Item = &'t str> + use<'s, 't> {
        let tokens = self.tokens.get(item.tokens.clone()).unwrap_or_default().iter();
        tokens.filter(|token| token.kind == TokenKind::Word).map(|token| self.word(token))
    }

    fn word(&self, token: &Token) -> &'t str {
        self.text.get(token.range.clone()).unwrap_or_default()
    }

    /// The line of a byte, from 1.
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        memchr::memchr_iter(b'\n', before).count() + 1
    }
}

#[cfg(test)]
mod tests;
