//! Copies of special sections for kernels before Linux 5.8, which read them once the relocations for an object are written.
//!
//! Source: the kernel's `arch_klp_init_object_loaded`, which was `arch/*/kernel/livepatch.c` until Linux 5.7.

use bstr::ByteSlice;

/// How a copy's name starts.
const PREFIX: &str = ".klp.arch.";
/// Longest name of an object that the kernel scans in a section's name, in bytes.
const OBJECT_MAX: usize = 55;

/// The object and the section in the name of a copy, as the kernel reads it: `.klp.arch.%55[^.].%127s`.
pub(crate) fn parts(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let (object, section) = name.strip_prefix(PREFIX.as_bytes())?.split_once_str(b".")?;
    let read = (1..=OBJECT_MAX).contains(&object.len()) && !section.is_empty();
    read.then_some((object, section))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_kernel_scans_them() {
        let of = |name: &'static str| parts(name.as_bytes());
        let vmlinux = (&b"vmlinux"[..], &b".altinstructions"[..]);
        assert_eq!(of(".klp.arch.vmlinux..altinstructions"), Some(vmlinux));
        assert_eq!(of(".klp.arch.m.x.y"), Some((&b"m"[..], &b"x.y"[..])));
        let long = |bytes: usize| format!(".klp.arch.{}.x", "o".repeat(bytes));
        assert!(parts(long(55).as_bytes()).is_some() && parts(long(56).as_bytes()).is_none());
        for name in
            [".klp.arch.", ".klp.arch.m", ".klp.arch.m.", ".klp.arch..x", ".rela.klp.arch.m.x"]
        {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
