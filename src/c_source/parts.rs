//! A declaration's tokens, with each bracketed group as one part.

use std::ops::Range;

use super::token::{Token, TokenKind};

/// A word, a group, or something else, outside of brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// The number of a word's token.
    Word(usize),
    /// The opening bracket, and the numbers of the tokens between it and the closing one.
    Group(u8, Range<usize>),
    /// A mark or a literal, and its number.
    Mark(u8, usize),
}

/// The parts of some tokens; directives are none. A closing bracket too many is passed over.
pub(super) fn parts(tokens: &[Token], range: Range<usize>) -> Vec<Part> {
    let mut parts = Vec::new();
    let (mut depth, mut group) = (0_usize, (0, 0));
    for at in range {
        let Some(token) = tokens.get(at) else { break };
        match token.kind {
            TokenKind::Mark(open @ (b'(' | b'[' | b'{')) => {
                if depth == 0 {
                    group = (open, at + 1);
                }
                depth += 1;
            }
            TokenKind::Mark(b')' | b']' | b'}') => {
                if depth == 1 {
                    parts.push(Part::Group(group.0, group.1..at));
                }
                depth = depth.saturating_sub(1);
            }
            _ if depth > 0 => {}
            TokenKind::Word => parts.push(Part::Word(at)),
            TokenKind::Mark(mark) => parts.push(Part::Mark(mark, at)),
            TokenKind::Literal => parts.push(Part::Mark(b'0', at)),
            TokenKind::Directive => {}
        }
    }
    parts
}

/// Words before a declaration that are not part of its type.
pub(super) fn is_storage(word: &str) -> bool {
    const STORAGE: &[&str] = &[
        "static",
        "extern",
        "inline",
        "__inline",
        "__inline__",
        "asmlinkage",
        "noinline",
        "notrace",
        "nokprobe_inline",
    ];
    STORAGE.contains(&word) || is_attribute(word)
}

/// Attributes that kernel sources write as one word. A declaration must not have most of them.
pub(super) fn is_attribute(word: &str) -> bool {
    const ATTRIBUTES: &[&str] = &[
        "__always_inline",
        "__always_unused",
        "__attribute",
        "__attribute__",
        "__bpf_kfunc",
        "__cacheline_aligned",
        "__cacheline_aligned_in_smp",
        "____cacheline_aligned",
        "____cacheline_aligned_in_smp",
        "____cacheline_internodealigned_in_smp",
        "__cold",
        "__cpuidle",
        "__deprecated",
        "__exit",
        "__exitdata",
        "__flatten",
        "__hot",
        "__init",
        "__init_memblock",
        "__init_or_module",
        "__initconst",
        "__initdata",
        "__initdata_memblock",
        "__initdata_or_module",
        "__kprobes",
        "__latent_entropy",
        "__lockfunc",
        "__malloc",
        "__maybe_unused",
        "__meminit",
        "__meminitdata",
        "__must_check",
        "__net_exit",
        "__net_init",
        "__net_initdata",
        "__noreturn",
        "__no_kcsan",
        "__packed",
        "__page_aligned_bss",
        "__page_aligned_data",
        "__pure",
        "__read_mostly",
        "__ref",
        "__refdata",
        "__ro_after_init",
        "__sched",
        "__used",
        "__visible",
        "__weak",
        "noinline_for_stack",
        "noinstr",
        "__nosave",
    ];
    ATTRIBUTES.contains(&word)
}

/// Words that are called like functions, and are attributes or types.
pub(super) fn is_attribute_call(word: &str) -> bool {
    const CALLS: &[&str] = &[
        "__attribute",
        "__attribute__",
        "__acquire",
        "__acquires",
        "__acquires_shared",
        "__aligned",
        "__alignof__",
        "__alloc_size",
        "__asm__",
        "__assume_aligned",
        "__assume_ctx_lock",
        "__cond_acquires",
        "__cond_lock",
        "__counted_by",
        "__context_unsafe",
        "__free",
        "__guarded_by",
        "__must_hold",
        "__must_hold_shared",
        "__no_sanitize",
        "__nonstring",
        "__printf",
        "__releases",
        "__releases_shared",
        "__scanf",
        "__section",
        "__typeof",
        "__typeof__",
        "_Alignas",
        "asm",
        "typeof",
        "__realloc_size",
        "__diag_ignore_all",
    ];
    CALLS.contains(&word)
}
