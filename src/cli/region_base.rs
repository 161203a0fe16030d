//! The region addresses of `load --place`.

use crate::load::{Loaded, RegionKind};

/// The base address of a region.
#[derive(Debug, Clone, Copy)]
pub(super) struct RegionBase {
    pub(super) region: RegionKind,
    pub(super) address: u64,
}

impl std::str::FromStr for RegionBase {
    type Err = String;

    /// Reads `text=0xffffffffc0000000`.
    fn from_str(text: &str) -> Result<Self, String> {
        use strum::IntoEnumIterator;
        let (region, address) = text.split_once('=').ok_or("not REGION=ADDRESS")?;
        let region = region.parse().map_err(|_| {
            let all: Vec<_> = RegionKind::iter().map(|kind| kind.to_string()).collect();
            format!("'{region}' is not one of {}", all.join(", "))
        })?;
        let digits = address.strip_prefix("0x").ok_or("the address does not start with 0x")?;
        let address = u64::from_str_radix(digits, 16).map_err(|error| error.to_string())?;
        Ok(Self { region, address })
    }
}

/// Two overlapping regions, which only explicit addresses can cause.
pub(super) fn overlap(loaded: &Loaded<'_>) -> Option<(RegionKind, RegionKind)> {
    let size = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let regions = loaded.regions().filter(|(.., bytes)| !bytes.is_empty());
    let mut placed: Vec<_> =
        regions.map(|(kind, base, bytes)| (base, base.saturating_add(size(bytes)), kind)).collect();
    placed.sort_unstable();
    let mut neighbours = placed.iter().zip(placed.iter().skip(1));
    let shared = neighbours.find(|((_, end, _), (next, ..))| end > next);
    shared.map(|((.., first), (.., second))| (*first, *second))
}
