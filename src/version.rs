//! The kernel that a livepatch is for, as far as rules differ between kernels.

use std::str::FromStr;

/// A target kernel; the newest known unless said otherwise.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion {
    version: Option<(u32, u32)>,
    /// The third number: which stable release of the version it is.
    stable: Option<u32>,
}

/// The text is not a kernel version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a kernel version such as 6.12")]
pub struct NotAVersion(String);

impl KernelVersion {
    /// Major and minor number; `None` for the newest known kernel.
    #[must_use]
    pub fn version(self) -> Option<(u32, u32)> {
        self.version
    }

    /// Whether it is a stable release of the version from `number` on, as far as the text tells; what
    /// stable releases take over from later versions begins somewhere among them.
    #[must_use]
    pub fn is_stable(self, version: (u32, u32), number: u32) -> bool {
        self.version == Some(version) && self.stable.is_some_and(|stable| stable >= number)
    }

    /// Longest symbol name in bytes that the kernel scans from a klp symbol: `KSYM_NAME_LEN` was
    /// 128 with its NUL before Linux 6.1, and is 512 since.
    #[must_use]
    pub fn symbol_name_max(self) -> usize {
        if self.version.is_some_and(|version| version < (6, 1)) {
            127
        } else {
            crate::name::SYMBOL_NAME_MAX
        }
    }
}

impl FromStr for KernelVersion {
    type Err = NotAVersion;

    /// Reads `6.12`, or a release that starts so (`6.12.117-1-amd64`).
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let mut numbers = text.splitn(3, ['.', '-']).map(str::parse);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
            return Err(NotAVersion(text.into()));
        };
        let version = Some((major, minor));
        // `6.12-rc7` has two numbers, `6.12.117+deb13-amd64` has three.
        let third = text.splitn(3, '.').nth(2).unwrap_or_default();
        let digits = third.find(|c: char| !c.is_ascii_digit()).unwrap_or(third.len());
        let stable = third.get(..digits).and_then(|digits| digits.parse().ok());
        Ok(Self { version, stable })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbol_names_were_shorter_before_6_1() {
        let max = |text: &str| text.parse::<KernelVersion>().unwrap().symbol_name_max();
        assert_eq!((max("5.14.21-150500"), max("6.0"), max("6.1.0-38-amd64")), (127, 127, 511));
        assert_eq!(KernelVersion::default().symbol_name_max(), 511);
    }

    #[test]
    fn stable_releases_of_a_version_are_told_apart() {
        let stable = |text: &str| text.parse::<KernelVersion>().unwrap().is_stable((6, 12), 117);
        for text in ["6.12.117", "6.12.117+deb13-amd64", "6.12.118-1", "6.12.1000"] {
            assert!(stable(text), "{text}");
        }
        for text in ["6.12.116", "6.12.95+deb12-amd64", "6.12", "6.12-rc7", "6.12-117", "6.13.117"]
        {
            assert!(!stable(text), "{text}");
        }
    }

    #[test]
    fn text_that_is_no_version_is_refused() {
        for text in ["", "6", "six.one", "v6.1", "6."] {
            assert!(text.parse::<KernelVersion>().is_err(), "{text}");
        }
    }
}
