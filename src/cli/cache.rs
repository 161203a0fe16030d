//! Where things are kept that can be made again.

use std::path::{Path, PathBuf};

/// `$XDG_CACHE_HOME/klp-convert`, by default below `~/.cache`; `None` where there is no home.
pub(super) fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let xdg = set("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || set("HOME").map(|home| Path::new(&home).join(".cache"));
    Some(xdg.or_else(home)?.join("klp-convert"))
}
