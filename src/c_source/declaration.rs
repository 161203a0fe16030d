//! What a declaration declares, and how it is written in another file.

use std::ops::Range;

use super::item::ItemKind;
use super::parts::{Part, is_attribute, is_attribute_call, is_storage, parts};
use super::token::{Token, TokenKind};

/// What was read from a declaration.
pub(super) struct Declared {
    pub(super) kind: ItemKind,
    pub(super) names: Vec<Range<usize>>,
    pub(super) arguments: Vec<Range<usize>>,
    pub(super) is_static: bool,
}

/// Macros that define a variable: their name, the argument that names the variable, and its declaration
/// with the arguments `$1` to `$3`.
pub(super) const DEFINERS: &[(&str, usize, &str)] = &[
    ("ATOMIC_NOTIFIER_HEAD", 0, "extern struct atomic_notifier_head $1;"),
    ("BLOCKING_NOTIFIER_HEAD", 0, "extern struct blocking_notifier_head $1;"),
    ("DECLARE_BITMAP", 0, "extern DECLARE_BITMAP($1, $2);"),
    ("DECLARE_COMPLETION", 0, "extern struct completion $1;"),
    ("DECLARE_DEFERRABLE_WORK", 0, "extern struct delayed_work $1;"),
    ("DECLARE_DELAYED_WORK", 0, "extern struct delayed_work $1;"),
    ("DECLARE_RWSEM", 0, "extern struct rw_semaphore $1;"),
    ("DECLARE_TASKLET", 0, "extern struct tasklet_struct $1;"),
    ("DECLARE_WAIT_QUEUE_HEAD", 0, "extern wait_queue_head_t $1;"),
    ("DECLARE_WORK", 0, "extern struct work_struct $1;"),
    ("DEFINE_HASHTABLE", 0, "extern struct hlist_head $1[1 << ($2)];"),
    ("DEFINE_IDA", 0, "extern struct ida $1;"),
    ("DEFINE_IDR", 0, "extern struct idr $1;"),
    ("DEFINE_MUTEX", 0, "extern struct mutex $1;"),
    ("DEFINE_PER_CPU", 1, "DECLARE_PER_CPU($1, $2);"),
    ("DEFINE_PER_CPU_ALIGNED", 1, "DECLARE_PER_CPU_ALIGNED($1, $2);"),
    ("DEFINE_PER_CPU_READ_MOSTLY", 1, "DECLARE_PER_CPU_READ_MOSTLY($1, $2);"),
    ("DEFINE_PER_CPU_SHARED_ALIGNED", 1, "DECLARE_PER_CPU_SHARED_ALIGNED($1, $2);"),
    ("DEFINE_RATELIMIT_STATE", 0, "extern struct ratelimit_state $1;"),
    ("DEFINE_RAW_SPINLOCK", 0, "extern raw_spinlock_t $1;"),
    ("DEFINE_RWLOCK", 0, "extern rwlock_t $1;"),
    ("DEFINE_SEMAPHORE", 0, "extern struct semaphore $1;"),
    ("DEFINE_SEQLOCK", 0, "extern seqlock_t $1;"),
    ("DEFINE_SPINLOCK", 0, "extern spinlock_t $1;"),
    ("DEFINE_SRCU", 0, "extern struct srcu_struct $1;"),
    ("DEFINE_STATIC_KEY_FALSE", 0, "DECLARE_STATIC_KEY_FALSE($1);"),
    ("DEFINE_STATIC_KEY_FALSE_RO", 0, "DECLARE_STATIC_KEY_FALSE($1);"),
    ("DEFINE_STATIC_KEY_MAYBE", 1, "DECLARE_STATIC_KEY_MAYBE($1, $2);"),
    ("DEFINE_STATIC_KEY_MAYBE_RO", 1, "DECLARE_STATIC_KEY_MAYBE($1, $2);"),
    ("DEFINE_STATIC_KEY_TRUE_RO", 0, "DECLARE_STATIC_KEY_TRUE($1);"),
    ("DEFINE_STATIC_KEY_TRUE", 0, "DECLARE_STATIC_KEY_TRUE($1);"),
    ("DEFINE_STATIC_PERCPU_RWSEM", 0, "extern struct percpu_rw_semaphore $1;"),
    ("DEFINE_STATIC_SRCU", 0, "extern struct srcu_struct $1;"),
    ("DEFINE_TIMER", 0, "extern struct timer_list $1;"),
    ("DEFINE_XARRAY", 0, "extern struct xarray $1;"),
    ("DEFINE_XARRAY_ALLOC", 0, "extern struct xarray $1;"),
    ("DEFINE_XARRAY_ALLOC1", 0, "extern struct xarray $1;"),
    ("DEFINE_XARRAY_FLAGS", 0, "extern struct xarray $1;"),
    ("HLIST_HEAD", 0, "extern struct hlist_head $1;"),
    ("LIST_HEAD", 0, "extern struct list_head $1;"),
    ("LLIST_HEAD", 0, "extern struct llist_head $1;"),
    ("RAW_NOTIFIER_HEAD", 0, "extern struct raw_notifier_head $1;"),
    ("SRCU_NOTIFIER_HEAD", 0, "extern struct srcu_notifier_head $1;"),
    ("STATIC_KEY_FALSE_INIT", 0, "extern struct static_key_false $1;"),
];

/// Whether the brace after these tokens opens a function's body.
pub(super) fn is_body(text: &str, tokens: &[Token], range: Range<usize>) -> bool {
    let reader = Reader { text, tokens, parts: parts(tokens, range) };
    let has_value = reader.parts.iter().any(|part| matches!(part, Part::Mark(b'=', _)));
    !has_value && reader.call().is_some()
}

/// Reads the tokens of an item up to its body, if it has one.
pub(super) fn declared(
    text: &str,
    tokens: &[Token],
    range: Range<usize>,
    has_body: bool,
) -> Declared {
    let reader = Reader { text, tokens, parts: parts(tokens, range) };
    let words: Vec<_> = reader.words().collect();
    let is_static = words.iter().any(|(_, word)| *word == "static");
    let is = |kind, names: Vec<usize>| Declared {
        kind,
        names: names.into_iter().filter_map(|at| reader.range(at)).collect(),
        arguments: Vec::new(),
        is_static,
    };
    let call = reader.call();
    if has_body {
        let Some((at, name)) = call else { return is(ItemKind::Body, Vec::new()) };
        if reader.has_type(at) {
            return is(ItemKind::Function, vec![name]);
        }
        let arguments = reader.arguments(at);
        return Declared { arguments, ..is(ItemKind::MacroFunction, Vec::new()) };
    }
    if words.iter().any(|(_, word)| *word == "typedef") {
        return is(ItemKind::Type, reader.tags().chain(reader.typedef()).collect());
    }
    if let Some((at, name)) = call {
        let macro_name = reader.word(name);
        if !reader.has_type(at) {
            let definer = DEFINERS.iter().find(|(definer, ..)| *definer == macro_name);
            let arguments = reader.arguments(at);
            let name = definer.and_then(|(_, n, _)| reader.argument(at, *n));
            if is_cleanup(macro_name) {
                return is(ItemKind::Type, reader.argument(at, 0).into_iter().collect());
            }
            return match name {
                Some(name) => Declared { arguments, ..is(ItemKind::MacroVariable, vec![name]) },
                None => Declared { arguments, ..is(ItemKind::MacroCall, Vec::new()) },
            };
        }
        return is(ItemKind::Prototype, vec![name]);
    }
    let variables = reader.variables();
    let kind = if variables.is_empty() { ItemKind::Type } else { ItemKind::Variable };
    is(kind, reader.tags().chain(variables).collect())
}

/// A declaration that is being read.
struct Reader<'a> {
    text: &'a str,
    tokens: &'a [Token],
    parts: Vec<Part>,
}

impl<'a> Reader<'a> {
    fn range(&self, token: usize) -> Option<Range<usize>> {
        self.tokens.get(token).map(|token| token.range.clone())
    }

    fn word(&self, token: usize) -> &'a str {
        self.range(token).and_then(|range| self.text.get(range)).unwrap_or_default()
    }

    /// The words outside of brackets, with the numbers of their parts.
    fn words(&self) -> impl Iterator<Item = (usize, &'a str)> {
        self.parts.iter().enumerate().filter_map(|(n, part)| match part {
            Part::Word(token) => Some((n, self.word(*token))),
            _ => None,
        })
    }

    /// The first word before a group in parentheses that is not an attribute, before any value: the
    /// function's or macro's name. Returns the number of its part and of its token.
    fn call(&self) -> Option<(usize, usize)> {
        let before = self.parts.iter().take_while(|part| !matches!(part, Part::Mark(b'=', _)));
        let before: Vec<_> = before.collect();
        before.windows(2).enumerate().find_map(|(n, pair)| match pair {
            [Part::Word(name), Part::Group(b'(', inner)] => {
                let starts = self.tokens.get(inner.start).map(|token| token.kind);
                let is_pointer = starts == Some(TokenKind::Mark(b'*'));
                let word = self.word(*name);
                let keyword = matches!(word, "struct" | "union" | "enum");
                let other = is_pointer || keyword || is_attribute_call(word);
                (!other).then_some((n, *name))
            }
            _ => None,
        })
    }

    /// Whether a type precedes this part.
    fn has_type(&self, at: usize) -> bool {
        let call = |n: usize| matches!(self.parts.get(n + 1), Some(Part::Group(b'(', _)));
        let mut words = self.words().take_while(|(n, _)| *n < at);
        words.any(|(n, word)| !is_storage(word) && (!call(n) || word.starts_with("typeof")))
    }

    /// The token of an argument that is one word or an array, of the call at this part.
    fn argument(&self, at: usize, wanted: usize) -> Option<usize> {
        let Some(Part::Group(b'(', inner)) = self.parts.get(at + 1) else { return None };
        let argument = split(self.tokens, inner.clone()).into_iter().nth(wanted)?;
        let is_word =
            |at: usize| self.tokens.get(at).is_some_and(|token| token.kind == TokenKind::Word);
        // An array has its size after its name.
        let second = self.tokens.get(argument.start + 1).map(|token| token.kind);
        let is_name = argument.len() == 1 || second == Some(TokenKind::Mark(b'['));
        (is_name && is_word(argument.start)).then_some(argument.start)
    }

    /// All arguments of the call at this part that are one word.
    fn arguments(&self, at: usize) -> Vec<Range<usize>> {
        let Some(Part::Group(b'(', inner)) = self.parts.get(at + 1) else { return Vec::new() };
        let count = split(self.tokens, inner.clone()).len();
        let words = (0..count).filter_map(|n| self.argument(at, n));
        words.filter_map(|token| self.range(token)).collect()
    }

    /// The tags that the declaration defines or mentions first, and enumerators.
    fn tags(&self) -> impl Iterator<Item = usize> {
        let mut names = Vec::new();
        for (n, word) in self.words() {
            if !matches!(word, "struct" | "union" | "enum") {
                continue;
            }
            // Attributes may come between.
            let rest = self.parts.get(n + 1..).unwrap_or_default();
            let rest = rest.iter().filter(|part| match part {
                Part::Word(token) => {
                    !is_attribute(self.word(*token)) && !is_attribute_call(self.word(*token))
                }
                Part::Group(open, _) => *open != b'(',
                Part::Mark(..) => true,
            });
            let mut rest = rest.peekable();
            let tag = rest.next_if(|part| matches!(part, Part::Word(_)));
            match (tag, rest.next()) {
                (tag, Some(Part::Group(b'{', inner))) => {
                    names.extend(tag.and_then(token_of));
                    if word == "enum" {
                        let each = split(self.tokens, inner.clone()).into_iter();
                        let first = each.filter_map(|each| {
                            let mut tokens = each.filter(|at| {
                                self.tokens.get(*at).is_some_and(|t| t.kind == TokenKind::Word)
                            });
                            tokens.next()
                        });
                        names.extend(first);
                    }
                }
                // A forward declaration.
                (Some(tag), Some(Part::Mark(b';', _))) => names.extend(token_of(tag)),
                _ => {}
            }
        }
        names.into_iter()
    }

    /// The name that a `typedef` gives.
    fn typedef(&self) -> Option<usize> {
        let pointer = self.parts.iter().find_map(|part| match part {
            Part::Group(b'(', inner) => self.pointer(inner),
            _ => None,
        });
        // Of `typedef int f(int)`, the word before the parameters.
        let function =
            self.call().filter(|(at, _)| self.words().filter(|(n, _)| n < at).count() > 1);
        let plain = || {
            let words = self.words().filter(|(n, word)| {
                let call = matches!(self.parts.get(n + 1), Some(Part::Group(b'(', _)));
                !is_attribute(word) && !call
            });
            words.last().and_then(|(n, _)| self.parts.get(n)).and_then(token_of)
        };
        pointer.or(function.map(|(_, name)| name)).or_else(plain)
    }

    /// The name in `(*name)` or `(*name[3])`.
    fn pointer(&self, inner: &Range<usize>) -> Option<usize> {
        let is = |at: usize, kind| self.tokens.get(at).is_some_and(|token| token.kind == kind);
        let star = is(inner.start, TokenKind::Mark(b'*'));
        star.then(|| inner.clone().find(|at| is(*at, TokenKind::Word)))?
    }

    /// The variables that are declared.
    fn variables(&self) -> Vec<usize> {
        let mut names = Vec::new();
        let mut before = None;
        let (mut in_value, mut words) = (false, 0_usize);
        for (n, part) in self.parts.iter().enumerate() {
            match part {
                Part::Mark(b'=', _) => in_value = true,
                Part::Mark(b',' | b';', _) => {
                    names.extend(before.take());
                    in_value = false;
                }
                _ if in_value => {}
                Part::Word(token) => {
                    let word = self.word(*token);
                    let call = matches!(self.parts.get(n + 1), Some(Part::Group(b'(', _)));
                    let tag = n.checked_sub(1).and_then(|n| self.parts.get(n)).and_then(token_of);
                    let tag = tag.map(|tag| self.word(tag));
                    let is_tag = matches!(tag, Some("struct" | "union" | "enum"));
                    if matches!(word, "struct" | "union" | "enum") || is_tag {
                        words += 1;
                    } else if !(is_storage(word) || call && is_attribute_call(word)) {
                        words += 1;
                        // The first word is the type.
                        if words > 1 && !is_type(word) {
                            before = Some(*token);
                        }
                    }
                }
                Part::Group(b'(', inner) if before.is_none() => before = self.pointer(inner),
                Part::Group(b'{', _) => words += 1,
                _ => {}
            }
        }
        names
    }
}

/// Whether a macro defines what `CLASS`, `guard` and `__free` use (`include/linux/cleanup.h`).
fn is_cleanup(name: &str) -> bool {
    let family = ["CLASS", "GUARD", "FREE"].iter().any(|word| name.contains(word));
    (name.starts_with("DEFINE_") || name.starts_with("EXTEND_")) && family
}

/// Words of which types are made.
fn is_type(word: &str) -> bool {
    matches!(
        word,
        "char"
            | "short"
            | "int"
            | "long"
            | "signed"
            | "unsigned"
            | "float"
            | "double"
            | "void"
            | "const"
            | "volatile"
            | "_Bool"
            | "__user"
            | "__iomem"
            | "__percpu"
            | "__rcu"
    )
}

fn token_of(part: &Part) -> Option<usize> {
    match part {
        Part::Word(token) => Some(*token),
        _ => None,
    }
}

/// Splits tokens at the commas outside of brackets.
pub(super) fn split(tokens: &[Token], range: Range<usize>) -> Vec<Range<usize>> {
    let (mut all, mut start, mut depth) = (Vec::new(), range.start, 0_usize);
    for at in range.clone() {
        match tokens.get(at).map(|token| token.kind) {
            Some(TokenKind::Mark(b'(' | b'[' | b'{')) => depth += 1,
            Some(TokenKind::Mark(b')' | b']' | b'}')) => depth = depth.saturating_sub(1),
            Some(TokenKind::Mark(b',')) if depth == 0 => {
                all.push(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < range.end {
        all.push(start..range.end);
    }
    all
}
