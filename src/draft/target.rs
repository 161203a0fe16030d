//! A function that a livepatch replaces, as it is named on a command line.

use std::str::FromStr;

use crate::annotation::{SourceFile, SourceFileError};
use crate::name::{NameError, ObjectName};

/// `[OBJECT:]FILE:FUNCTION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// vmlinux or a module; `None`: the object that has the function.
    pub object: Option<ObjectName>,
    /// The source file, by its path in the kernel's tree.
    pub file: String,
    /// The function.
    pub function: String,
}

/// Why text does not name a function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// There is no colon, or there are more than two.
    #[error("'{0}' is not FILE:FUNCTION or OBJECT:FILE:FUNCTION")]
    Form(String),
    /// The object is not one.
    #[error(transparent)]
    Object(#[from] NameError),
    /// The file is not a path in a tree.
    #[error(transparent)]
    File(#[from] SourceFileError),
    /// The file is not C.
    #[error("'{0}' is not a C file")]
    Language(String),
    /// The function is not an identifier.
    #[error("'{0}' is not the name of a function")]
    Function(String),
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let parts: Vec<_> = text.split(':').collect();
        let (object, file, function) = match parts.as_slice() {
            [file, function] => (None, *file, *function),
            [object, file, function] => (Some(object.parse()?), *file, *function),
            _ => return Err(TargetError::Form(text.into())),
        };
        let path: SourceFile = file.trim_start_matches("./").parse()?;
        let file = path.as_str().to_owned();
        if file.starts_with('/') || file.contains(char::is_whitespace) {
            return Err(TargetError::Form(text.into()));
        }
        if !file.ends_with(".c") {
            return Err(TargetError::Language(file));
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let starts = function.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !function.bytes().all(is_name) {
            return Err(TargetError::Function(function.into()));
        }
        Ok(Self { object, file, function: function.into() })
    }
}
