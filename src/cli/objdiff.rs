//! `klp-convert objdiff`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::args::ObjDiff;
use super::object_files::{objects, plain};
use super::report::Reporter;
use super::{Outcome, document};
use crate::diagnostic::{Code, Diagnose, Diagnostic, OneLine, Severity};
use crate::objdiff::{Audit, Change, DiffError, ObjectDiff, Verdict, audit, diff};
use crate::path_text::path_text;
use crate::symbols::{SymbolError, read_module_within};
use crate::threads;

/// What `--format json` prints.
#[derive(Serialize)]
struct Document {
    pairs: Vec<Pair>,
    /// What a livepatch and the changes do not agree on.
    #[serde(serialize_with = "document::diagnostics")]
    livepatch: Vec<Diagnostic>,
    /// Objects that only the old folder has.
    only_old: Vec<String>,
    /// Objects that only the new folder has.
    only_new: Vec<String>,
}

/// What came of two objects.
#[derive(Serialize)]
struct Pair {
    old: String,
    new: String,
    /// Functions that are the same.
    same: usize,
    changes: Vec<Line>,
    #[serde(serialize_with = "document::diagnostics")]
    diagnostics: Vec<Diagnostic>,
    #[serde(skip)]
    failed: bool,
    /// One of them cannot be read.
    #[serde(skip)]
    unread: bool,
    #[serde(skip)]
    found: Vec<Change>,
}

#[derive(Serialize)]
struct Line {
    verdict: String,
    part: String,
    name: String,
    renamed: Option<String>,
    aliases: Vec<String>,
    why: Option<String>,
    /// Of a function that no other object can name: what refers to it.
    users: Option<Vec<String>>,
}

impl From<&Change> for Line {
    fn from(change: &Change) -> Self {
        let Change { verdict, part, name, renamed, aliases, difference, users } = change;
        Self {
            verdict: verdict.to_string(),
            part: part.to_string(),
            name: name.clone(),
            renamed: renamed.clone(),
            aliases: aliases.clone(),
            why: difference.as_ref().map(ToString::to_string),
            users: users.clone(),
        }
    }
}

pub(super) fn run(args: &ObjDiff, reporter: &Reporter) -> Outcome {
    let Objects { pairs, only_old, only_new } = match found(args) {
        Ok(pairs) => pairs,
        Err(diagnostic) => return reporter.failure(&[diagnostic], Outcome::UsageOrIo),
    };
    let compare = |(old, new): &(PathBuf, PathBuf)| compared(old, new, args);
    let pairs: Vec<Pair> = threads::on_all(|| pairs.par_iter().map(compare).collect());
    if let [Pair { diagnostics, unread: true, .. }] = &*pairs {
        return reporter.failure(diagnostics, Outcome::UsageOrIo);
    }
    let livepatch =
        args.livepatch.as_deref().map_or_else(Vec::new, |path| audited(&pairs, path, args));
    let document = Document { pairs, livepatch, only_old, only_new };
    for diagnostics in
        document.pairs.iter().map(|pair| &pair.diagnostics).chain([&document.livepatch])
    {
        reporter.diagnostics(diagnostics);
    }
    let changed = |pair: &Pair| !pair.changes.is_empty();
    let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
    let failed =
        document.pairs.iter().any(|pair| pair.failed) || document.livepatch.iter().any(is_error);
    let outcome = if failed {
        Outcome::UsageOrIo
    } else if document.pairs.iter().any(changed)
        || !document.only_old.is_empty()
        || !document.only_new.is_empty()
    {
        Outcome::Refused
    } else {
        Outcome::Done
    };
    let printed = if reporter.is_json() {
        reporter.json(&document)
    } else {
        reporter.text(&text(&document, args))
    };
    if printed == Outcome::Done { outcome } else { printed }
}

/// What a livepatch and the changes of all objects do not agree on.
fn audited(pairs: &[Pair], path: &Path, args: &ObjDiff) -> Vec<Diagnostic> {
    let name = path_text(path);
    let module = match read_module_within(path, args.max_unpacked.saturating_mul(1 << 20)) {
        Ok(module) => module.bytes,
        Err(error) => return vec![error.diagnostic()],
    };
    match audit(pairs.iter().flat_map(|pair| &pair.found), &module) {
        Ok(audits) => audits
            .iter()
            .map(|finding| match finding {
                Audit::Missing(_) => Diagnostic::error(&name, finding),
                Audit::Unchanged(_) => Diagnostic::warning(&name, finding),
            })
            .collect(),
        Err(error) => error.diagnostics(&name),
    }
}

/// The objects to compare.
struct Objects {
    pairs: Vec<(PathBuf, PathBuf)>,
    only_old: Vec<String>,
    only_new: Vec<String>,
}

/// Finds the objects to compare, and those that have no counterpart.
fn found(args: &ObjDiff) -> Result<Objects, Diagnostic> {
    match (args.old.is_dir(), args.new.is_dir()) {
        (false, false) => {
            let pairs = vec![(args.old.clone(), args.new.clone())];
            Ok(Objects { pairs, only_old: Vec::new(), only_new: Vec::new() })
        }
        (true, true) => {
            let (old, new) = (objects(&args.old)?, objects(&args.new)?);
            let both =
                old.intersection(&new).map(|path| (args.old.join(path), args.new.join(path)));
            let only = |these: &BTreeSet<PathBuf>, those: &BTreeSet<PathBuf>| -> Vec<String> {
                these.difference(those).map(|path| path_text(path)).collect()
            };
            let pairs = both.collect();
            Ok(Objects { pairs, only_old: only(&old, &new), only_new: only(&new, &old) })
        }
        (old_is_folder, _) => {
            let (folder, file) =
                if old_is_folder { (&args.old, &args.new) } else { (&args.new, &args.old) };
            Err(Diagnostic {
                help: vec!["compare two objects, or two folders".to_owned()],
                ..plain(Code::Usage, folder, format!("is a folder, and {} is not", path_text(file)))
            })
        }
    }
}

fn compared(old: &Path, new: &Path, args: &ObjDiff) -> Pair {
    let mut pair = Pair {
        old: path_text(old),
        new: path_text(new),
        same: 0,
        changes: Vec::new(),
        diagnostics: Vec::new(),
        failed: true,
        unread: true,
        found: Vec::new(),
    };
    let limit = args.max_unpacked.saturating_mul(1 << 20);
    let read = |path: &Path| read_module_within(path, limit).map(|module| module.bytes);
    match (read(old), read(new)) {
        (Ok(a), Ok(b)) => match diff(&a, &b) {
            Ok(found) => pair.take(found),
            Err(error) => pair.diagnostics = error.diagnostics(&pair.old, &pair.new),
        },
        (a, b) => {
            let errors = [a.err(), b.err()].into_iter().flatten();
            pair.diagnostics = errors.map(|error: SymbolError| error.diagnostic()).collect();
        }
    }
    pair
}

impl Pair {
    fn take(&mut self, found: ObjectDiff) {
        self.unread = false;
        self.same = found.same;
        self.changes = found.changes.iter().map(Line::from).collect();
        let refusals = found.refusals.iter();
        self.diagnostics = refusals.map(|refusal| Diagnostic::error(&self.new, refusal)).collect();
        self.failed = !found.refusals.is_empty();
        self.found = found.changes;
    }
}

impl DiffError {
    /// The printable form.
    fn diagnostics(&self, old: &str, new: &str) -> Vec<Diagnostic> {
        match self {
            Self::Old(error) => error.diagnostics(old),
            Self::New(error) => error.diagnostics(new),
            Self::Machines { .. } => vec![Diagnostic::error(new, self)],
        }
    }
}

impl Diagnose for DiffError {
    fn code(&self) -> Code {
        Code::OtherMachine
    }

    fn help(&self) -> Vec<String> {
        vec!["compare two builds for one machine".to_owned()]
    }
}

fn text(document: &Document, args: &ObjDiff) -> String {
    let mut text = String::new();
    let several = document.pairs.len() != 1;
    for pair in &document.pairs {
        let lines: Vec<&Line> = match &args.explain {
            Some(name) => pair.changes.iter().filter(|line| line.is_called(name)).collect(),
            None => pair.changes.iter().collect(),
        };
        if several && lines.is_empty() {
            continue;
        }
        if several {
            let _ = writeln!(text, "{}:", OneLine(&pair.new));
        }
        for line in &lines {
            let _ = writeln!(text, "{line}");
            if let (Some(users), true) = (&line.users, args.explain.is_some()) {
                let users = if users.is_empty() { "nothing".to_owned() } else { users.join(", ") };
                let _ =
                    writeln!(text, "         in the old object {} refers to it", OneLine(&users));
            }
        }
        if let (Some(name), true, false) = (&args.explain, lines.is_empty(), pair.failed) {
            let _ = writeln!(text, "{name} is the same, or in neither object");
        }
    }
    for (paths, which) in [(&document.only_old, "old"), (&document.only_new, "new")] {
        for path in paths {
            let _ = writeln!(text, "only in the {which} folder: {}", OneLine(path));
        }
    }
    if args.explain.is_none() {
        let all = || document.pairs.iter().flat_map(|pair| &pair.changes);
        let count =
            |verdict: Verdict| all().filter(|line| line.verdict == verdict.to_string()).count();
        let same: usize = document.pairs.iter().map(|pair| pair.same).sum();
        let _ = writeln!(
            text,
            "{} changed, {} new, {} gone; {} the same",
            count(Verdict::Changed),
            count(Verdict::New),
            count(Verdict::Gone),
            if same == 1 { "1 function is".to_owned() } else { format!("{same} functions are") },
        );
    }
    text
}

impl Line {
    fn is_called(&self, name: &str) -> bool {
        self.name == name
            || self.aliases.iter().any(|alias| alias == name)
            || self.renamed.as_deref() == Some(name)
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { verdict, part, name, renamed, aliases, why, .. } = self;
        write!(f, "{verdict:<8} {part:<9} {}", OneLine(name))?;
        if let Some(renamed) = renamed {
            write!(f, " (now {})", OneLine(renamed))?;
        }
        if !aliases.is_empty() {
            write!(f, " (also {})", OneLine(&aliases.join(", ")))?;
        }
        match why {
            Some(why) => write!(f, "  {}", OneLine(why)),
            None => Ok(()),
        }
    }
}
