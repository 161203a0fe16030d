//! Why a map file cannot be used.

/// What is wrong with a map file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// The file starts like no map.
    #[error("not a map made by 'klp-convert symbols build'")]
    NotMap,
    /// The file was copied as text: its line end has changed.
    #[error("a map that was changed as text on its way; copy it as binary, or build it again")]
    Text,
    /// The file is of a version that this program does not know.
    #[error("a map of version {0}, only 1 and 2 are known; build it again with this klp-convert")]
    Version(u32),
    /// The file is shorter or longer than it says.
    #[error("a map that is cut off; build it again")]
    Cut,
    /// A part of the file is not what was written.
    #[error("a damaged map (its {0} is wrong); build it again")]
    Damaged(&'static str),
    /// There is more than the format holds.
    #[error("more symbols than a map can hold")]
    TooLarge,
}

impl From<scroll::Error> for MapError {
    fn from(_: scroll::Error) -> Self {
        Self::Damaged("table")
    }
}
