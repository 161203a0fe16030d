//! The kernel that a livepatch is for, as far as rules differ between kernels.

use std::str::FromStr;

/// A target kernel; the newest known unless said otherwise.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    version: Option<(u32, u32)>,
}

/// The text is not a kernel version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a kernel version such as 6.12")]
pub struct NotAVersion(String);

impl Target {
    /// Major and minor number; `None` for the newest known kernel.
    #[must_use]
    pub fn version(self) -> Option<(u32, u32)> {
        self.version
    }

    /// Longest symbol name in bytes that the kernel scans from a klp symbol: `KSYM_NAME_LEN` was
    /// 128 with its NUL before Linux 6.1, and is 512 since.
    #[must_use]
    pub fn symbol_name_max(self) -> usize {
        if self.version.is_some_and(|version| version < (6, 1)) {
            127
        } else {
            super::SYMBOL_NAME_MAX
        }
    }
}

impl FromStr for Target {
    type Err = NotAVersion;

    /// Reads `6.12`, or a release that starts so (`6.12.117-1-amd64`).
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let mut numbers = text.splitn(3, ['.', '-']).map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self { version: Some((major, minor)) }),
            _ => Err(NotAVersion(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbol_names_were_shorter_before_6_1() {
        let max = |text: &str| text.parse::<Target>().unwrap().symbol_name_max();
        assert_eq!((max("5.14.21-150500"), max("6.0"), max("6.1.0-38-amd64")), (127, 127, 511));
        assert_eq!(Target::default().symbol_name_max(), 511);
    }

    #[test]
    fn text_that_is_no_version_is_refused() {
        for text in ["", "6", "six.one", "v6.1", "6."] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
