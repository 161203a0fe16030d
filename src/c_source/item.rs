//! One item at file scope.

use std::ops::Range;

/// What stands between the items before and after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) kind: ItemKind,
    /// Its bytes, from its first token to its last.
    pub(super) range: Range<usize>,
    /// Its tokens.
    pub(super) tokens: Range<usize>,
    /// The names that it declares: tags and enumerators, too.
    pub(super) names: Vec<Range<usize>>,
    /// Words that are arguments of the macro that is called.
    pub(super) arguments: Vec<Range<usize>>,
    /// The end of the part that declares it: a function's body or a variable's first value comes after it.
    pub(super) head: usize,
    /// The `#if` around it, by its number; of `#else` and `#endif`, their own.
    pub(super) condition: Option<usize>,
    /// Whether no other file sees it.
    pub(super) is_static: bool,
}

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// `#include`.
    Include,
    /// `#define` or `#undef`.
    Define,
    /// `#if`, `#ifdef`, `#ifndef`.
    If,
    /// `#else`, `#elif` and the like.
    Else,
    /// `#endif`.
    EndIf,
    /// Another directive.
    Directive,
    /// A function with its body.
    Function,
    /// A declaration of a function.
    Prototype,
    /// One or more variables.
    Variable,
    /// A variable that a known macro defines, such as `DEFINE_MUTEX`.
    MacroVariable,
    /// A structure, union, enumeration or `typedef`.
    Type,
    /// The call of another macro.
    MacroCall,
    /// The call of a macro, with a body after it.
    MacroFunction,
    /// A body after something that is not a function.
    Body,
}

impl ItemKind {
    /// Whether it defines a function or a variable.
    #[must_use]
    pub fn is_definition(self) -> bool {
        matches!(self, Self::Function | Self::Variable | Self::MacroVariable)
    }

    /// Whether it is a directive of the preprocessor.
    #[must_use]
    pub fn is_directive(self) -> bool {
        matches!(
            self,
            Self::Include | Self::Define | Self::If | Self::Else | Self::EndIf | Self::Directive
        )
    }
}
