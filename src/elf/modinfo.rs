//! The key-value pairs of `.modinfo`.
//!
//! The section is a run of NUL-terminated `key=value` strings; there may be padding NULs between
//! them. Source: `get_next_modinfo` in `kernel/module/main.c`.

use super::Module;
use super::bytes::in_file;
use super::section::Section;

/// The strings of the section. The kernel reads them whatever the section's type, and the last one to its end,
/// wherever that is.
pub(super) fn strings<'data>(data: &'data [u8], section: &Section<'_>) -> &'data [u8] {
    let strings = in_file(data, section);
    if strings.last().is_none_or(|last| *last == 0) {
        return strings;
    }
    let whole = usize::try_from(section.sh_offset).ok().and_then(|start| data.get(start..));
    let more = whole.and_then(|whole| memchr::memchr(0, whole.get(strings.len()..)?));
    let end = more.and_then(|more| strings.len().checked_add(more));
    whole.zip(end).and_then(|(whole, end)| whole.get(..end)).unwrap_or(strings)
}

/// The pairs in file order; strings without `=` are skipped.
pub(super) fn pairs(body: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    body.split(|&byte| byte == 0).filter_map(|entry| {
        let (key, value) = entry.split_at_checked(memchr::memchr(b'=', entry)?)?;
        Some((key, value.strip_prefix(b"=")?))
    })
}

impl<'data> Module<'data> {
    /// The first value of a key, which is the one that counts (`get_modinfo`).
    #[must_use]
    pub fn modinfo_value(&self, key: &[u8]) -> Option<&'data [u8]> {
        self.modinfo().find(|(found, _)| *found == key).map(|(_, value)| value)
    }

    /// The module's name.
    #[must_use]
    pub fn name(&self) -> Option<&'data [u8]> {
        self.modinfo_value(b"name")
    }

    /// The kernel that it was built for: its release, and the configuration that must match.
    #[must_use]
    pub fn vermagic(&self) -> Option<&'data [u8]> {
        self.modinfo_value(b"vermagic")
    }

    /// Whether the kernel treats it as a livepatch (`check_modinfo_livepatch`).
    #[must_use]
    pub fn is_livepatch(&self) -> bool {
        self.modinfo_value(b"livepatch").is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_at_the_first_equals_sign() {
        let body = b"license=GPL\0\0\0parm=a:b=c\0stray\0livepatch=Y\0";
        let found: Vec<_> = pairs(body).collect();
        assert_eq!(
            found,
            [
                (&b"license"[..], &b"GPL"[..]),
                (&b"parm"[..], &b"a:b=c"[..]),
                (&b"livepatch"[..], &b"Y"[..]),
            ]
        );
    }

    #[test]
    fn an_unterminated_last_pair_is_read_to_the_end() {
        assert_eq!(pairs(b"name=x").last(), Some((&b"name"[..], &b"x"[..])));
        assert_eq!(pairs(b"").count(), 0);
    }
}
