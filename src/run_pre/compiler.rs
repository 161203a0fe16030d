//! Whether the compiler of an object is that of a kernel.
//!
//! An object has it in `.comment` (`GCC: (Debian 14.2.0-19) 14.2.0`), a kernel in `linux_banner`
//! (`x86_64-linux-gnu-gcc (Debian 14.2.0-19) 14.2.0, GNU ld ...`; `scripts/mkcompile_h`).

use bstr::ByteSlice;

use crate::elf::Module;

/// The compilers that made an object, if the kernel names another one; `None` if either says nothing.
pub(super) fn other(module: &Module<'_>, banner: Option<&str>) -> Option<String> {
    let bodies: Vec<&[u8]> =
        module.sections_named(b".comment").map(|section| module.body(section.index)).collect();
    differs(&bodies.concat(), banner?)
}

/// `comment`: texts that end with a NUL.
fn differs(comment: &[u8], banner: &str) -> Option<String> {
    let all = comment.split_str(b"\0").filter_map(|text| text.to_str().ok());
    let mut versions: Vec<&str> = all
        .filter(|text| !text.is_empty())
        .map(|text| text.strip_prefix("GCC: ").unwrap_or(text))
        .collect();
    versions.dedup();
    let known = versions.is_empty() || versions.iter().any(|version| banner.contains(version));
    (!known).then(|| versions.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANNER: &str = "Linux version 6.12.1 (a@b) (x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) \
                          14.2.0, GNU ld (GNU Binutils for Debian) 2.44) #1 SMP";

    #[test]
    fn only_another_compiler_is_another_one() {
        assert_eq!(differs(b"\0GCC: (Debian 14.2.0-19) 14.2.0\0", BANNER), None);
        let other = differs(b"\0GCC: (Debian 14.2.0-8) 14.2.0\0", BANNER);
        assert_eq!(other.as_deref(), Some("(Debian 14.2.0-8) 14.2.0"));
        let clang = differs(b"Debian clang version 19.1.7 (3)\0", BANNER);
        assert_eq!(clang.as_deref(), Some("Debian clang version 19.1.7 (3)"));
    }

    #[test]
    fn an_object_without_a_comment_may_be_of_any() {
        assert_eq!(differs(b"", BANNER), None);
    }
}
