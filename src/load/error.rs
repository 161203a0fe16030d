//! Why a module would not load, or would load and be wrong.
//!
//! A [`LoadError`] is one objection, the kernel's own or ours where the kernel does not notice:
//! [`Consequence`] says which. Invariant: `kernel` is there exactly where the kernel refuses or warns;
//! where it does not, `explanation` says what happens.

use std::fmt;

use klp_arch::{Errno, Fault, KernelError};

use crate::elf::{SectionIndex, SymbolIndex};
use crate::patch::Replaced;
use crate::rules::{Consequence, Rule};
use crate::site::Site;
use crate::symbols::Fact;

/// What the loader was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub enum Stage {
    /// Checking the file (`elf_validity_cache_copy`).
    Validate,
    /// Setting room aside (`module_frob_arch_sections`).
    Reserve,
    /// Setting memory aside (`layout_and_allocate`).
    Layout,
    /// Giving symbols their values (`simplify_symbols`).
    Bind,
    /// Applying relocations (`apply_relocations`).
    Apply,
    /// What follows relocation (`module_finalize`).
    Finish,
    /// Taking a patch over (`klp_init_patch`).
    Enable,
    /// Writing relocations of an object that arrives (`klp_init_object_loaded`), or taking them back
    /// (`klp_cleanup_module_patches_limited`).
    Gate,
    /// Checking the signature (`module_sig_check`).
    Signature,
    /// Making it known to others (`complete_formation`).
    #[strum(serialize = "formation")]
    Form,
    /// Showing it in sysfs (`mod_sysfs_setup`).
    Sysfs,
}

/// One objection.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", self.text())]
pub struct LoadError {
    /// What the loader was doing.
    pub stage: Stage,
    /// What comes of it: refused by the kernel, without effect, or damage.
    pub consequence: Consequence,
    /// What the kernel logs, a line or two, and returns; `None` where it does not notice.
    pub kernel: Option<KernelError>,
    /// What happens, where the kernel does not say so.
    pub explanation: Option<String>,
    /// The relocation, where it is about one.
    pub site: Option<Box<Site>>,
    /// What the back end found, where it is about a place.
    pub fault: Option<Fault>,
    /// What else is known of it.
    pub about: Option<Box<About>>,
    /// The symbol, where it is about one.
    pub symbol: Option<SymbolIndex>,
    /// The rule that is broken, where [`rules`](crate::rules) has it, too.
    pub rule: Option<Rule>,
}

/// What else is known of an objection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum About {
    /// What shows that the kernel is so, where that is not the module alone: a line each.
    Proof(Vec<String>),
    /// The function that is replaced.
    Replaced(Replaced),
    /// The relocation table.
    Table(SectionIndex),
    /// The namespace that is not imported.
    Import(MissingImport),
}

/// How a namespace of `EXPORT_SYMBOL_FOR_MODULES` starts.
pub(super) const MODULES: &[u8] = b"module:";

/// A namespace that a module uses and does not import. Its text is what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MissingImport {
    /// The namespace.
    pub namespace: String,
    /// Whether `MODULE_IMPORT_NS` takes it as a string.
    pub quoted: bool,
}

impl fmt::Display for MissingImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { namespace, quoted } = self;
        if namespace.as_bytes().starts_with(MODULES) {
            return f.write_str("it is for the modules named there only: use it by a klp symbol");
        }
        let quote = if *quoted { "\"" } else { "" };
        write!(f, "add to the module's source: MODULE_IMPORT_NS({quote}{namespace}{quote});")
    }
}

impl LoadError {
    /// The kernel's own refusal.
    pub(super) fn new(stage: Stage, kernel: KernelError) -> Self {
        Self {
            stage,
            consequence: Consequence::Refused,
            kernel: Some(kernel),
            explanation: None,
            site: None,
            fault: None,
            about: None,
            symbol: None,
            rule: None,
        }
    }

    /// The same, about a symbol.
    pub(super) fn about(self, symbol: SymbolIndex) -> Self {
        Self { symbol: Some(symbol), ..self }
    }

    /// The same, about a relocation table.
    pub(super) fn about_table(self, table: SectionIndex) -> Self {
        Self { about: Some(Box::new(About::Table(table))), ..self }
    }

    /// The same, because a rule is broken.
    pub(super) fn breaks(self, rule: Rule) -> Self {
        Self { rule: Some(rule), ..self }
    }

    /// What the kernel does not notice.
    pub(super) fn unnoticed(stage: Stage, consequence: Consequence, explanation: String) -> Self {
        let explanation = Some(explanation);
        let kernel = KernelError { errno: Errno::EINVAL, message: String::new() };
        Self { consequence, kernel: None, explanation, ..Self::new(stage, kernel) }
    }

    /// Where the loader stopped at a relocation, and what the kernel would say there.
    pub(super) fn stopped(stage: Stage, kernel: KernelError, fault: Fault) -> Self {
        match Consequence::of(&fault) {
            Consequence::Refused => Self { fault: Some(fault), ..Self::new(stage, kernel) },
            consequence => {
                let error = Self::unnoticed(stage, consequence, fault.to_string());
                Self { fault: Some(fault), ..error }
            }
        }
    }

    /// With the modules that prove what the kernel is like.
    pub(super) fn proven<T>(self, fact: &Fact<T>) -> Self {
        self.proved(fact.proof())
    }

    /// With one more line of what is known of the kernel, and what is not.
    pub(super) fn proved(mut self, line: String) -> Self {
        match self.about.as_deref_mut() {
            Some(About::Proof(lines)) => lines.push(line),
            _ => self.about = Some(Box::new(About::Proof(vec![line]))),
        }
        self
    }

    /// What the kernel says after it, too.
    pub(super) fn says(&mut self, line: &str) {
        if let Some(kernel) = &mut self.kernel {
            let separator = if kernel.message.is_empty() { "" } else { "\n" };
            kernel.message = format!("{}{separator}{line}", kernel.message);
        }
    }

    fn text(&self) -> String {
        let site = self.site.as_ref().map_or_else(String::new, |site| format!("{site}: "));
        let kernel = self.kernel.as_ref().map(ToString::to_string);
        let ours = self.explanation.as_ref().map(|why| match self.consequence {
            Consequence::Refused => why.clone(),
            consequence => format!("{why} [{consequence}]"),
        });
        let texts: Vec<String> = kernel.into_iter().chain(ours).collect();
        format!("{site}{}", texts.join("; "))
    }
}

/// Everything that the kernel objects to before it gives up, in its order.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Refused(pub Vec<LoadError>);

impl Refused {
    /// What `init_module` returns: the last error wins (`simplify_symbols`). `None` where the kernel
    /// does not refuse but damages memory or leaves something out.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        let refusing = self.0.iter().rev().find(|e| e.consequence == Consequence::Refused);
        Some(refusing?.kernel.as_ref()?.errno)
    }
}

impl From<LoadError> for Refused {
    fn from(error: LoadError) -> Self {
        Self(vec![error])
    }
}

impl From<Vec<LoadError>> for Refused {
    fn from(errors: Vec<LoadError>) -> Self {
        Self(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: Errno) -> LoadError {
        LoadError::new(Stage::Bind, KernelError { errno, message: "m: no".into() })
    }

    #[test]
    fn the_last_error_is_what_insmod_sees() {
        let both = Refused(vec![refused(Errno::ENOEXEC), refused(Errno::ENOENT)]);
        assert_eq!(both.errno(), Some(Errno::ENOENT));
        assert_eq!(both.to_string(), "m: no -ENOEXEC\nm: no -ENOENT");
    }

    #[test]
    fn what_the_kernel_does_not_notice_has_no_errno_and_says_what_happens() {
        let fault = Fault::NoSymbol { index: 7 };
        let kernel = KernelError { errno: Errno::ENOEXEC, message: String::new() };
        let error = LoadError::stopped(Stage::Apply, kernel, fault);
        assert_eq!(error.kernel, None);
        assert_eq!(error.to_string(), "the module has no symbol 7 [corrupted]");
        assert_eq!(Refused::from(error).errno(), None);
    }
}
