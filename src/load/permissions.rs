//! Permissions of a module's parameters, which become files of `/sys/module/NAME/parameters`.
//!
//! The compiler checks them (`VERIFY_OCTAL_PERMISSIONS`). Source: `fs/sysfs/group.c:create_files`.

use scroll::Pread;

use super::Loaded;
use crate::findings::{Consequence, Finding, Stage};

/// Bytes of a `struct kernel_param`, and where `perm` is in it.
const PARAM: (usize, usize) = (40, 24);

/// Those of a file in sysfs, with `SYSFS_PREALLOC`.
const ALLOWED: u16 = 0o10664;

impl Loaded<'_> {
    /// A parameter whose file would have other permissions: the kernel warns.
    pub(super) fn wrong_permissions(&self) -> Option<Finding> {
        let object = &self.info.object;
        let params =
            object.find(b"__param").and_then(|index| object.sections.get(index)?.extent)?;
        let mut entries = self.memory.bytes(&params).chunks_exact(PARAM.0);
        let wrong = entries.find_map(|entry| {
            let permissions = entry.pread_with::<u16>(PARAM.1, object.endian()).ok()?;
            (permissions & !ALLOWED != 0).then_some(permissions)
        })?;
        let why = format!("a parameter has the permissions {wrong:#o}: the kernel warns");
        Some(Finding::unnoticed(Stage::Sysfs, Consequence::Ignored, why))
    }
}
