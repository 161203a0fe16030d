//! The key-value pairs of `.modinfo`.
//!
//! The section is a run of NUL-terminated `key=value` strings; padding NULs may stand between them.
//! Source: `get_next_modinfo` in `kernel/module/main.c`.

/// The pairs in file order; strings without `=` say nothing and are passed over.
pub(super) fn pairs(body: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    body.split(|&byte| byte == 0).filter_map(|entry| {
        let (key, value) = entry.split_at_checked(memchr::memchr(b'=', entry)?)?;
        Some((key, value.strip_prefix(b"=")?))
    })
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
