//! Error codes of symbol sources.

use super::image::ImageError;
use super::{SymbolError, SymbolErrorKind};
use crate::diagnostic::{Code, Diagnose, Diagnostic};
use crate::path_text::path_text;

impl SymbolError {
    /// The error as a diagnostic about its own file: a wrong map is not the module's fault.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let path = path_text(&self.path);
        let file = self.line.map_or(path.to_string(), |line| format!("{path}:{line}"));
        Diagnostic { message: self.kind.to_string(), ..Diagnostic::error(&file, self) }
    }

    /// Whether a file could not be read, as opposed to refused for its contents.
    #[must_use]
    pub fn is_io(&self) -> bool {
        matches!(self.kind, SymbolErrorKind::Io(_) | SymbolErrorKind::Dangling(_))
    }
}

impl Diagnose for SymbolError {
    fn code(&self) -> Code {
        match self.kind {
            SymbolErrorKind::Io(_) | SymbolErrorKind::Dangling(_) => Code::Read,
            SymbolErrorKind::ModuleTooLarge { .. } | SymbolErrorKind::SourceTooLarge { .. } => {
                Code::UnpacksTooLarge
            }
            SymbolErrorKind::NoOrder { .. } => Code::NoModuleOrder,
            SymbolErrorKind::Image(ImageError::Several(_) | ImageError::Banners(_)) => {
                Code::SeveralKernels
            }
            SymbolErrorKind::ObjectTwice { .. }
            | SymbolErrorKind::Disagree { .. }
            | SymbolErrorKind::Contradiction { .. }
            | SymbolErrorKind::ExportContradiction(_) => Code::ConflictingMaps,
            _ => Code::MalformedMap,
        }
    }

    fn help(&self) -> Vec<String> {
        match self.kind {
            SymbolErrorKind::ModuleTooLarge { .. } => {
                vec!["if it is a module with its debug information: --max-unpacked MIB".into()]
            }
            SymbolErrorKind::SourceTooLarge { .. } => {
                vec![
                    "if it is what it should be, unpack it first: a plain file has no limit".into(),
                ]
            }
            _ => Vec::new(),
        }
    }
}
