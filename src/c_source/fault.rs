//! Why a function's text cannot be taken from a file.

/// What is wrong with a file, or what it has instead of a function's definition. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A comment without an end.
    #[error("line {line}: the comment has no end")]
    OpenComment {
        /// Where it starts.
        line: usize,
    },
    /// Brackets that do not pair.
    #[error("line {line}: the item that starts here has no end: its brackets do not pair")]
    Unbalanced {
        /// Where the item starts.
        line: usize,
    },
    /// `#else` or `#endif` without `#if`, or `#if` without an end.
    #[error("line {line}: conditional compilation is not balanced")]
    Conditional {
        /// The directive.
        line: usize,
    },
    /// A definition that starts within a conditional and ends outside of it.
    #[error("line {line}: conditional compilation cuts through the definition that starts here")]
    Cut {
        /// Where the definition starts.
        line: usize,
    },
    /// The file does not define it.
    #[error("'{name}' is not defined here{}", used.map(|line| format!(", only used (line {line})")).unwrap_or_default())]
    Missing {
        /// The function.
        name: String,
        /// Where the name is, if it is used.
        used: Option<usize>,
    },
    /// The file has only a declaration of it.
    #[error("'{name}' is only declared here (line {line})")]
    Declared {
        /// The function.
        name: String,
        /// The declaration.
        line: usize,
    },
    /// A macro makes it.
    #[error("'{name}' is made by the macro {made_by} (line {line})")]
    Macro {
        /// The function.
        name: String,
        /// The macro.
        made_by: String,
        /// Its call.
        line: usize,
    },
    /// It is a macro.
    #[error("'{name}' is a macro (line {line})")]
    IsMacro {
        /// The name.
        name: String,
        /// Its definition.
        line: usize,
    },
    /// It is a variable or a type.
    #[error("'{name}' is not a function (line {line})")]
    NotAFunction {
        /// The name.
        name: String,
        /// Its definition.
        line: usize,
    },
    /// It is defined as before ANSI C.
    #[error(
        "'{name}' is not found, and line {line} has a body without a prototype: definitions as before ANSI C are not read"
    )]
    OldStyle {
        /// The function.
        name: String,
        /// The body.
        line: usize,
    },
    /// It is defined several times, and not depending on the configuration.
    #[error("'{name}' is defined on lines {}", listed(.lines))]
    Several {
        /// The function.
        name: String,
        /// The definitions.
        lines: Vec<usize>,
    },
}

/// Lines as people write them: `3, 5`.
fn listed(lines: &[usize]) -> String {
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Fault {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Vec<String> {
        let text = match self {
            Self::Macro { made_by, .. } if made_by.contains("SYSCALL_DEFINE") => {
                "patch a function that the system call calls, or define the wrappers by hand as the \
                 macro does: `make FILE.i` shows what it expands to"
            }
            Self::Macro { .. } => {
                "write the function by hand, as the macro expands: `make FILE.i` shows it"
            }
            Self::IsMacro { .. } => "patch the functions that use it",
            Self::Declared { .. } => "give the file that defines it",
            Self::Missing { .. } | Self::NotAFunction { .. } => {
                "give the file that defines the function, as FILE:FUNCTION"
            }
            Self::Several { .. } => "the copy would define it twice: write it by hand",
            Self::OldStyle { .. } => "write it by hand",
            Self::OpenComment { .. }
            | Self::Unbalanced { .. }
            | Self::Conditional { .. }
            | Self::Cut { .. } => "klp-convert cannot read this file: write the function by hand",
        };
        vec![text.to_owned()]
    }
}
