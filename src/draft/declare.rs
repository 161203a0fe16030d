//! Declarations of names that a compiler does not know: what to paste for each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::kernel::comment;
use super::tree::{Found, find};
use crate::resolve::{Query, Resolution, Resolve, Resolver, Unresolved, suggest};
use crate::symbols::{Answer, Sources, SymbolError, Wanted};

/// What a name is in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// An export: it needs its header only.
    Exported,
    /// One symbol, which a conversion finds.
    Unique,
    /// Several symbols, of which the author has to choose one.
    Ambiguous,
    /// No symbol: a macro, a type, or nothing of this kernel.
    Unknown,
}

/// A name, and the lines to paste for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The name.
    pub name: String,
    /// What it is.
    pub known: Known,
    /// An include, a declaration, or a comment with what there is to choose from.
    pub lines: Vec<String>,
}

/// What to paste for some names, with declarations from source trees.
///
/// # Errors
/// The first [`SymbolError`] of a source.
pub fn declare(
    names: &[String],
    sources: &Sources,
    trees: &[PathBuf],
) -> Result<Vec<Declared>, SymbolError> {
    let answer = sources.answer(&Wanted::new(names.iter().map(String::as_str)))?;
    let files = |name: &String| {
        let files = answer.candidates(name).iter().filter_map(|c| c.file.clone());
        (name.clone(), files.collect())
    };
    let wanted: BTreeMap<String, Vec<String>> = names.iter().map(files).collect();
    let found = find(trees, &wanted);
    let nothing = Found::default();
    let mut all = Vec::new();
    for name in names {
        let found = found.get(name).unwrap_or(&nothing);
        all.push(one(name, &answer, sources, found)?);
    }
    Ok(all)
}

fn one(
    name: &str,
    answer: &Answer,
    sources: &Sources,
    found: &Found,
) -> Result<Declared, SymbolError> {
    let query = Query { name, weak: false, loader: false, annotation: None };
    let mut resolved = Resolver::new(answer).resolve(&query);
    if let Err(reason) = &mut resolved {
        suggest(sources, &mut [reason])?;
    }
    let known = match &resolved {
        Ok(Resolution::Export(_)) => Known::Exported,
        Ok(_) => Known::Unique,
        Err(Unresolved::NotFound { .. } | Unresolved::Name(_)) => Known::Unknown,
        Err(_) => Known::Ambiguous,
    };
    let mut lines = Vec::new();
    match (&found.header, found.declarations.as_slice()) {
        (Some(header), _) => lines.push(format!("#include <{header}>")),
        (None, [(_, only)]) if known != Known::Ambiguous => lines.push(only.clone()),
        _ => {}
    }
    match &resolved {
        Ok(_) if lines.is_empty() => {
            let owner = answer.candidates(name).first().map(|candidate| &candidate.object);
            let of = owner.map_or(String::new(), |owner| format!(" of {owner}"));
            lines.push(format!("/* {name}{of}: declare it as its source does */"));
        }
        Ok(_) => {}
        // A macro or an inline function is no symbol.
        Err(Unresolved::NotFound { .. }) if found.header.is_some() => {}
        Err(reason) => {
            let mut text = comment(reason);
            let end = text.pop();
            let is_alone = found.header.is_none();
            let declarations = found.declarations.iter().filter(|_| is_alone);
            text.extend(declarations.map(|(file, text)| format!(" * {file}: {text}")));
            text.extend(end);
            lines.extend(text);
        }
    }
    Ok(Declared { name: name.into(), known, lines })
}

/// The names that a compiler's messages say are not declared, each once.
#[must_use]
pub fn undeclared(log: &str) -> Vec<String> {
    const BEFORE: [&str; 3] = [
        "implicit declaration of function ",
        "use of undeclared identifier ",
        "call to undeclared function ",
    ];
    let quoted = |text: &str| {
        let text = text.trim_start_matches(['\'', '‘', '`']);
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        text.get(..end).filter(|name| !name.is_empty()).map(str::to_owned)
    };
    let mut names = Vec::new();
    for line in log.lines().filter(|line| line.contains("error: ") || line.contains("warning: ")) {
        let after = BEFORE.iter().find_map(|before| line.split_once(before));
        let name = match after {
            Some((_, rest)) => quoted(rest),
            // GCC: 'x' undeclared (first use in this function)
            None => line.split_once(" undeclared").and_then(|(before, _)| {
                let name = before.strip_suffix(['\'', '’'])?;
                quoted(name.rsplit(['\'', '‘']).next()?)
            }),
        };
        names.extend(name.filter(|name| !names.contains(name)));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_messages_of_both_compilers() {
        let log = "\
            a.c:3:9: error: implicit declaration of function ‘f’; did you mean ‘g’? [-Werror]\n\
            a.c:4:9: error: ‘v’ undeclared (first use in this function)\n\
            a.c:4:9: error: 'v' undeclared here (not in a function)\n\
            a.c:5:9: warning: implicit declaration of function 'h'\n\
            a.c:6:9: error: use of undeclared identifier 'u'\n\
            a.c:7:9: error: call to undeclared function 'c'; ISO C99 and later do not support\n\
            a.c:8:9: error: too few arguments to function ‘n’\n\
            note: ‘x’ undeclared\n  9 | implicit declaration of function ‘y’\n\
            error: undeclared\nerror: '' undeclared\n";
        assert_eq!(undeclared(log), ["f", "v", "h", "u", "c"]);
    }
}
