//! Kernel versions, and ranges of them, for tables.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// A version of the kernel, ordered as kernels are.
///
/// Without a stable number it sorts before all stable releases of its series: as a bound it includes all of
/// them, and a kernel of unknown stable number is assumed to have no backports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion {
    /// The first number (`VERSION` in the kernel's Makefile).
    pub major: u32,
    /// The second (`PATCHLEVEL`).
    pub minor: u32,
    /// The third, the stable release (`SUBLEVEL`), where known.
    pub stable: Option<u32>,
}

impl KernelVersion {
    /// The newest whose sources were read: what a kernel of unknown version is assumed to be.
    pub const NEWEST: Self = Self::new(7, 3);

    /// A version by its first two numbers.
    #[must_use]
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor, stable: None }
    }

    /// This stable release of the version.
    #[must_use]
    pub const fn stable(self, number: u32) -> Self {
        Self { stable: Some(number), ..self }
    }

    /// The version without its stable number: 6.12, of 6.12.117.
    #[must_use]
    pub const fn series(self) -> Self {
        Self::new(self.major, self.minor)
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { major, minor, stable } = self;
        write!(f, "{major}.{minor}")?;
        stable.map_or(Ok(()), |stable| write!(f, ".{stable}"))
    }
}

/// The text is not a kernel version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAVersion(String);

impl fmt::Display for NotAVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not a kernel version such as 6.12", self.0)
    }
}

impl core::error::Error for NotAVersion {}

impl FromStr for KernelVersion {
    type Err = NotAVersion;

    /// Reads `6.12`, or a release that starts so (`6.12.117-1-amd64`, `6.12-rc7`).
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let mut numbers = text.splitn(3, ['.', '-']).map(str::parse);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
            return Err(NotAVersion(text.into()));
        };
        // `6.12-rc7` has two numbers, `6.12.117+deb13-amd64` has three.
        let third = text.splitn(3, '.').nth(2).unwrap_or_default();
        let digits = third.find(|c: char| !c.is_ascii_digit()).unwrap_or(third.len());
        let stable = third.get(..digits).and_then(|digits| digits.parse().ok());
        Ok(Self { major, minor, stable })
    }
}

/// The versions from one on and before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    from: Option<KernelVersion>,
    end: Option<KernelVersion>,
}

impl VersionRange {
    /// All kernels.
    pub const ALL: Self = Self { from: None, end: None };

    /// This version and later ones.
    #[must_use]
    pub const fn since(major: u32, minor: u32) -> Self {
        Self { from: Some(KernelVersion::new(major, minor)), ..Self::ALL }
    }

    /// Earlier versions only.
    #[must_use]
    pub const fn before(major: u32, minor: u32) -> Self {
        Self::ALL.and_before(major, minor)
    }

    /// Those of them that are before this version.
    #[must_use]
    pub const fn and_before(self, major: u32, minor: u32) -> Self {
        Self { end: Some(KernelVersion::new(major, minor)), ..self }
    }

    /// Whether a version is one of them.
    #[must_use]
    pub fn contains(self, version: KernelVersion) -> bool {
        self.from.is_none_or(|from| version >= from) && self.end.is_none_or(|end| version < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn version(text: &str) -> KernelVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_ordered_as_kernels_are() {
        let order =
            ["5.19.17", "6.1", "6.1.0", "6.1.9", "6.1.10", "6.9", "6.12", "6.12.117", "7.0"];
        assert!(order.map(version).is_sorted_by(|earlier, later| earlier < later));
        assert_eq!(version("6.12.117").series(), KernelVersion::new(6, 12));
    }

    #[test]
    fn stable_releases_of_a_version_are_distinguished() {
        let took_over = |text: &str| version(text) >= KernelVersion::new(6, 12).stable(117);
        for text in ["6.12.117", "6.12.117+deb13-amd64", "6.12.118-1", "6.12.1000", "6.13"] {
            assert!(took_over(text), "{text}");
        }
        for text in ["6.12.116", "6.12.95+deb12-amd64", "6.12", "6.12-rc7", "6.12-117", "6.11.117"]
        {
            assert!(!took_over(text), "{text}");
        }
    }

    #[test]
    fn a_version_is_read_from_a_release_and_printed_as_numbers() {
        for (text, printed) in [
            ("6.12", "6.12"),
            ("6.12-rc7", "6.12"),
            ("6.12.0-rc7", "6.12.0"),
            ("6.12.117-1-amd64", "6.12.117"),
            ("5.14.21-150500.55-default", "5.14.21"),
            ("7.2.13 SMP preempt mod_unload ", "7.2.13"),
        ] {
            assert_eq!(version(text).to_string(), printed);
            assert_eq!(version(printed), version(text));
        }
    }

    #[test]
    fn text_that_is_not_a_version_is_refused() {
        for text in ["", "6", "six.one", "v6.1", "6."] {
            let error = text.parse::<KernelVersion>().unwrap_err().to_string();
            assert_eq!(error, std::format!("'{text}' is not a kernel version such as 6.12"));
        }
    }

    #[test]
    fn a_range_includes_its_first_version_and_excludes_its_end() {
        let in_range = |range: VersionRange| {
            ["6.8.12", "6.9", "6.9.1", "6.10.14", "6.11", "6.11.3"]
                .map(|text| range.contains(version(text)))
        };
        assert_eq!(in_range(VersionRange::ALL), [true; 6]);
        let since = in_range(VersionRange::since(6, 9));
        assert_eq!(since, [false, true, true, true, true, true]);
        let before = in_range(VersionRange::before(6, 11));
        assert_eq!(before, [true, true, true, true, false, false]);
        let both = in_range(VersionRange::since(6, 9).and_before(6, 11));
        assert_eq!(both, [false, true, true, true, false, false]);
    }

    #[test]
    fn no_machine_has_a_bound_after_the_newest_known_kernel() {
        for machine in crate::machines() {
            for (range, features) in machine.features {
                for bound in [range.from, range.end].into_iter().flatten() {
                    assert!(bound <= KernelVersion::NEWEST, "{} {features:?}", machine.name);
                }
            }
        }
    }
}
