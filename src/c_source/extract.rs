//! What some functions of a file need: the file without everything else.
//!
//! The order of the file stays, and so do the conditionals around what is kept. Invariant: a name that the
//! file declares and the kept text uses is kept, too, as it is or as a declaration.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::item::ItemKind;
use super::needs::{Form, is_extern};
use super::render::{Render, one_line};
use super::written::Written;
use super::{CFile, Fault};

/// What becomes of a static function or variable that is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It is declared: the kernel has it.
    Declare,
    /// It is copied: the kernel has it only within others.
    Copy,
}

/// A request for the text of some functions.
pub struct Extract<'a> {
    /// The functions, which get other names.
    pub functions: BTreeMap<&'a str, String>,
    /// What becomes of a static function or variable.
    pub treat: &'a dyn Fn(&str, ItemKind) -> Treatment,
    /// Lines to put after the declaration of a name, which is static or not.
    pub annotate: &'a dyn Fn(&str, bool) -> Vec<String>,
}

/// The text, and what it is made of.
#[derive(Debug, Default)]
pub struct Extraction {
    /// C text: includes, definitions, and the functions.
    pub text: String,
    /// Where in it the includes at its start end.
    pub includes: usize,
    /// Functions and variables of the file that are declared.
    pub declared: BTreeSet<String>,
    /// Static functions and variables that are copied.
    pub copied: BTreeSet<String>,
    /// Whether a header is included by a path that starts at the file's own folder.
    pub has_own_headers: bool,
}

impl fmt::Debug for Extract<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extract").field("functions", &self.functions).finish_non_exhaustive()
    }
}

impl Extract<'_> {
    /// Takes the functions out of a file.
    ///
    /// # Errors
    /// [`Fault`] if the file does not define one of them, or not once.
    pub fn from(&self, file: &CFile<'_>) -> Result<Extraction, Fault> {
        for name in self.functions.keys() {
            let lines = file.definitions(name)?;
            let named = file.items_named(name).into_iter();
            let mut bodies = named.filter(|item| item.kind == ItemKind::Function);
            if lines.len() > 1 && bodies.any(|item| item.condition.is_none()) {
                return Err(Fault::Several { name: (*name).into(), lines });
            }
        }
        let forms = self.needed(file);
        let render = Render { file, names: &self.functions };
        let mut made = Extraction::default();
        let mut written = Written::default();
        for (at, item) in file.items.iter().enumerate() {
            match item.kind {
                ItemKind::If => written.open(&render.whole(item)),
                ItemKind::Else => written.turn(&render.whole(item)),
                ItemKind::EndIf => written.close(&render.whole(item)),
                _ => {}
            }
            let Some(form) = forms.get(&at) else { continue };
            let names: Vec<_> =
                item.names.iter().filter_map(|n| file.text.get(n.clone())).collect();
            let ours = names.iter().any(|name| self.functions.contains_key(name));
            match form {
                // The tables are in another file.
                Form::Whole if ours && item.kind == ItemKind::Function => {
                    let prototype = one_line(&render.declaration(item));
                    written.line(prototype.trim_start_matches("extern "));
                    written.item(&format!("{}{}", render.comment(at), render.shared(item)));
                }
                Form::Whole if ours => written.line(&one_line(&render.shared(item))),
                Form::Whole => {
                    if item.is_static && item.kind.is_definition() {
                        made.copied.extend(names.iter().map(|name| (*name).to_owned()));
                    }
                    if item.kind == ItemKind::Include {
                        let text = file.text.get(item.range.clone()).unwrap_or_default();
                        made.has_own_headers |= text.contains('"');
                    }
                    let text = render.whole(item);
                    let is_foreign = item.kind == ItemKind::Prototype && !item.is_static
                        || item.kind == ItemKind::Variable && is_extern(file, item);
                    if item.kind.is_directive() {
                        written.line(&text);
                    } else if is_foreign {
                        let lines = names.iter().flat_map(|name| (self.annotate)(name, false));
                        let lines: Vec<_> = [one_line(&text)].into_iter().chain(lines).collect();
                        written.line(&lines.join("\n"));
                    } else {
                        written.item(&format!("{}{text}", render.comment(at)));
                    }
                }
                Form::Declaration => {
                    let mut text = one_line(&render.declaration(item));
                    for name in names {
                        made.declared.insert(name.to_owned());
                        for line in (self.annotate)(name, item.is_static) {
                            text.push('\n');
                            text.push_str(&line);
                        }
                    }
                    written.line(&text);
                }
            }
        }
        made.includes = written.includes.unwrap_or(written.text.len());
        made.text = written.text;
        Ok(made)
    }
}
