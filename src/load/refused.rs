//! Why a module, or an object that it patches, does not load.

use klp_arch::Errno;

use crate::findings::{Consequence, Finding};

/// Every objection of the kernel before it gives up, in its order.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}", .0.iter().map(Finding::in_the_kernels_words).collect::<Vec<_>>().join("\n"))]
pub struct Refused(pub Vec<Finding>);

impl Refused {
    /// What `init_module` returns: the last error wins (`simplify_symbols`). `None` if the kernel
    /// does not refuse but corrupts memory or skips something.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        let refusing = |finding: &&Finding| finding.consequence == Some(Consequence::Refused);
        Some(self.0.iter().rev().find(refusing)?.kernel.as_ref()?.errno)
    }
}

impl From<Finding> for Refused {
    fn from(finding: Finding) -> Self {
        Self(vec![finding])
    }
}

impl From<Vec<Finding>> for Refused {
    fn from(findings: Vec<Finding>) -> Self {
        Self(findings)
    }
}

#[cfg(test)]
mod tests {
    use klp_arch::{Fault, KernelError};

    use super::*;
    use crate::findings::Stage;

    fn refused(errno: Errno) -> Finding {
        Finding::refused(Stage::Bind, KernelError { errno, message: "m: no".into() })
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
        let error = Refused::from(Finding::stopped(Stage::Apply, kernel, fault));
        assert_eq!(error.0[0].kernel, None);
        assert_eq!(error.to_string(), "the module has no symbol 7 [corrupted]");
        assert_eq!(error.errno(), None);
    }
}
