//! Why a map file cannot be used.

/// What is wrong with a map file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The file does not start like a map.
    #[error("not a map made by 'klp-convert symbols build'")]
    NotMap,
    /// The file was copied as text: its line end has changed.
    #[error("a map that was copied as text; copy it as binary, or build it again")]
    Text,
    /// The file has an unknown version.
    #[error("map version {0}, only 1 and 2 are supported; build it again with this klp-convert")]
    Version(u32),
    /// The file is shorter or longer than its header says.
    #[error("a truncated map; build it again")]
    Truncated,
    /// A part of the file is damaged.
    #[error("a damaged map (its {0} is wrong); build it again")]
    Damaged(&'static str),
    /// The file cannot be read, for this `errno`.
    #[error("{}", std::io::Error::from_raw_os_error(*.0))]
    Read(i32),
    /// There is more than the format holds.
    #[error("more symbols than a map can hold")]
    TooLarge,
}

impl From<scroll::Error> for MapError {
    fn from(_: scroll::Error) -> Self {
        Self::Damaged("table")
    }
}
