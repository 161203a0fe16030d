//! Which items of a file some functions need, directly or through others.

use std::collections::{BTreeMap, BTreeSet};

use super::CFile;
use super::extract::{Extract, Treatment};
use super::item::{Item, ItemKind};
use super::token::{Token, TokenKind, directive_words};

/// How an item is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    Declaration,
    Whole,
}

impl Extract<'_> {
    /// The items that are needed, and in which form.
    pub(super) fn needed(&self, file: &CFile<'_>) -> BTreeMap<usize, Form> {
        let mut needs = Needs {
            file,
            forms: BTreeMap::new(),
            seen: BTreeSet::new(),
            members: BTreeSet::new(),
            left: Vec::new(),
        };
        let first = file.items.iter().position(|item| item.kind == ItemKind::Include);
        for (at, item) in file.items.iter().enumerate() {
            let name = item.names.first().and_then(|name| file.text.get(name.clone()));
            let kept = match item.kind {
                ItemKind::Include => true,
                // It may be meant for a header; but events are defined once.
                ItemKind::Define => {
                    let before = first.is_some_and(|first| at < first);
                    matches!(name, Some("pr_fmt" | "dev_fmt"))
                        || before && name != Some("CREATE_TRACE_POINTS")
                }
                _ => false,
            };
            if kept {
                needs.keep(at, Form::Whole);
            }
        }
        for at in self.functions.keys().filter_map(|name| file.named.get(name)).flatten() {
            needs.keep(*at, Form::Whole);
        }
        // The directives of each conditional.
        let mut branches: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (at, item) in file.items.iter().enumerate() {
            match (item.kind, item.condition) {
                (ItemKind::If, _) => branches.entry(at).or_default().push(at),
                (ItemKind::Else, Some(start)) => branches.entry(start).or_default().push(at),
                _ => {}
            }
        }
        while let Some((at, form)) = needs.left.pop() {
            for used in used(file, at, form) {
                needs.want(self, used);
            }
            let mut around = file.items.get(at).and_then(|item| item.condition);
            while let Some(directives) = around.and_then(|start| branches.remove(&start)) {
                for at in directives {
                    for used in used(file, at, Form::Whole) {
                        needs.want(self, used);
                    }
                }
                let start = around.and_then(|start| file.items.get(start));
                around = start.and_then(|item| item.condition);
            }
        }
        // Headers of events are the only ones of its own that a file always includes.
        if !needs.seen.iter().any(|name| name.starts_with("trace_")) {
            let is = |at: &usize| file.items.get(*at).is_some_and(|item| is_events(file, item));
            needs.forms.retain(|at, _| !is(at));
        }
        needs.forms
    }

    /// How the items that declare a name are written, if something uses the name.
    fn forms_of(&self, file: &CFile<'_>, name: &str) -> Vec<(usize, Form)> {
        let all = file.named.get(name).map_or(&[][..], Vec::as_slice);
        if self.functions.contains_key(name) {
            return Vec::new();
        }
        let item = |at: &usize| file.items.get(*at);
        let is = |at: &usize, kind| item(at).is_some_and(|item| item.kind == kind);
        let defines = |at: &&usize| is(at, ItemKind::Function);
        let function = all.iter().find(defines).and_then(item);
        let whole_function = function.is_some_and(|function| {
            let mut words = file.words(function).take(6);
            let is_inline = words.any(|word| word.contains("inline") && !word.contains("noinline"));
            function.is_static
                && (is_inline || (self.treat)(name, ItemKind::Function) == Treatment::Copy)
        });
        let mut declared = false;
        let form = |at: &usize| {
            let item = item(at)?;
            let form = match item.kind {
                ItemKind::Function | ItemKind::Prototype if whole_function => Form::Whole,
                ItemKind::Prototype if function.is_none() && !item.is_static => Form::Whole,
                ItemKind::Function | ItemKind::Prototype => {
                    // In each branch of a conditional, or once.
                    if declared && item.condition.is_none() {
                        return None;
                    }
                    declared |= item.condition.is_none();
                    Form::Declaration
                }
                ItemKind::Variable | ItemKind::MacroVariable => {
                    let copied = item.is_static
                        && (is_constant_table(file, item)
                            || (self.treat)(name, item.kind) == Treatment::Copy);
                    if is_extern(file, item) || copied { Form::Whole } else { Form::Declaration }
                }
                _ => Form::Whole,
            };
            Some((*at, form))
        };
        all.iter().filter_map(form).collect()
    }
}

/// A word that an item uses.
#[derive(Debug, Clone, Copy)]
enum Used<'t> {
    /// Anything that a file may declare.
    Name(&'t str),
    /// A member of a structure: nothing, unless a macro has its name.
    Member(&'t str),
}

/// What is needed so far.
struct Needs<'f, 't> {
    file: &'f CFile<'t>,
    forms: BTreeMap<usize, Form>,
    /// The names that are used.
    seen: BTreeSet<&'t str>,
    members: BTreeSet<&'t str>,
    /// Items whose own needs are still to be found.
    left: Vec<(usize, Form)>,
}

impl<'t> Needs<'_, 't> {
    fn keep(&mut self, at: usize, form: Form) {
        if self.forms.get(&at).is_none_or(|known| *known < form) {
            self.forms.insert(at, form);
            self.left.push((at, form));
        }
    }

    fn want(&mut self, extract: &Extract<'_>, used: Used<'t>) {
        let file = self.file;
        match used {
            Used::Name(name) => {
                if self.seen.insert(name) {
                    for (at, form) in extract.forms_of(file, name) {
                        self.keep(at, form);
                    }
                }
            }
            Used::Member(name) => {
                if self.members.insert(name) {
                    let named = file.named.get(name).into_iter().flatten();
                    let is = |at: &&usize| {
                        file.items.get(**at).is_some_and(|item| item.kind == ItemKind::Define)
                    };
                    named.filter(is).for_each(|at| self.keep(*at, Form::Whole));
                }
            }
        }
    }
}

/// Whether an item includes a header of events of the file's own folder.
fn is_events(file: &CFile<'_>, item: &Item) -> bool {
    let text = file.text.get(item.range.clone()).unwrap_or_default();
    item.kind == ItemKind::Include && text.contains('"') && text.contains("trace")
}

/// Whether a variable is another file's.
pub(super) fn is_extern(file: &CFile<'_>, item: &Item) -> bool {
    file.words(item).next() == Some("extern")
}

/// A constant table whose size only its values say: a declaration would not be enough.
fn is_constant_table(file: &CFile<'_>, item: &Item) -> bool {
    let tokens = file.tokens.get(item.tokens.start..item.head).unwrap_or_default();
    let unsized_ = tokens.windows(2).take_while(|pair| !pair.iter().any(is_equals)).any(|pair| {
        matches!(pair, [a, b] if a.kind == TokenKind::Mark(b'[') && b.kind == TokenKind::Mark(b']'))
    });
    unsized_ && file.words(item).take(4).any(|word| word == "const")
}

fn is_equals(token: &Token) -> bool {
    token.kind == TokenKind::Mark(b'=')
}

/// The words that an item uses, as far as it is written.
fn used<'t>(file: &CFile<'t>, at: usize, form: Form) -> Vec<Used<'t>> {
    let Some(item) = file.items.get(at) else { return Vec::new() };
    let end = if form == Form::Whole { item.tokens.end } else { item.head };
    let tokens = file.tokens.get(item.tokens.start..end).unwrap_or_default();
    let mut names = Vec::new();
    let mut before: [TokenKind; 2] = [TokenKind::Literal; 2];
    for token in tokens {
        // The value of a variable that is declared is not written.
        if form == Form::Declaration && is_equals(token) {
            break;
        }
        let is_member = matches!(
            before,
            [_, TokenKind::Mark(b'.')] | [TokenKind::Mark(b'-'), TokenKind::Mark(b'>')]
        );
        match token.kind {
            TokenKind::Word if is_member => names.push(Used::Member(file.word(token))),
            TokenKind::Word => names.push(Used::Name(file.word(token))),
            TokenKind::Directive => {
                let text = file.word(token);
                let words = directive_words(text).into_iter();
                names.extend(words.skip(1).filter_map(|word| text.get(word)).map(Used::Name));
            }
            _ => {}
        }
        before = [before[1], token.kind];
    }
    names
}
