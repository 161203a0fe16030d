//! Owner, extended attributes and mode of a file that is replaced, for the one that replaces it.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{Gid, Uid, XattrFlags, fchown, fremovexattr, fsetxattr, getxattr, listxattr};
use rustix::io::Errno;

/// Longest value, and longest list of names (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`,
/// `include/uapi/linux/limits.h`).
const XATTR_MAX: usize = 65536;

/// The attribute that has the access list.
const ACL: &[u8] = b"system.posix_acl_access";

/// What is about the old bytes: signatures, and rights that are granted to them.
const OF_CONTENT: [&[u8]; 3] = [b"security.ima", b"security.evm", b"security.capability"];

/// Gives `new` what `old` has: owner and group, where permitted; extended attributes, where permitted;
/// and its mode, without setuid and setgid if owner or group are others.
///
/// # Errors
/// What is permitted fails.
pub(super) fn keep(old: &Path, metadata: &Metadata, new: &File) -> io::Result<()> {
    let kept = own(metadata, new)?;
    // A change of owner clears setuid, and an access list changes the mode: the mode comes last.
    copy_xattrs(old, new)?;
    let mode = metadata.mode() & if kept { 0o7777 } else { 0o1777 };
    new.set_permissions(Permissions::from_mode(mode))
}

/// Whether owner and group are those of the old file.
fn own(old: &Metadata, new: &File) -> io::Result<bool> {
    let (uid, gid) = (Uid::from_raw(old.uid()), Gid::from_raw(old.gid()));
    let made = new.metadata()?;
    if (made.uid(), made.gid()) == (old.uid(), old.gid()) {
        return Ok(true);
    }
    if permitted(fchown(new, Some(uid), Some(gid)))?.is_some() {
        return Ok(true);
    }
    // A group of the caller's own may be given without privileges.
    permitted(fchown(new, None, Some(gid)))?;
    Ok(false)
}

fn copy_xattrs(old: &Path, new: &File) -> io::Result<()> {
    let mut names = vec![0; XATTR_MAX];
    let Some(length) = permitted(listxattr(old, &mut names))? else { return Ok(()) };
    let names = names.get(..length).unwrap_or_default();
    let names: Vec<_> = names.split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
    if !names.contains(&ACL) {
        // The folder's default access list is for new files.
        let _ = fremovexattr(new, ACL);
    }
    let mut value = vec![0; XATTR_MAX];
    for name in names.into_iter().filter(|name| !OF_CONTENT.contains(name)) {
        if let Some(length) = permitted(getxattr(old, name, &mut value))? {
            let value = value.get(..length).unwrap_or_default();
            permitted(fsetxattr(new, name, value, XattrFlags::empty()))?;
        }
    }
    Ok(())
}

/// `None` for what the caller may not do, the file system cannot do, or is not there any more.
fn permitted<T>(result: Result<T, Errno>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(
            Errno::PERM
            | Errno::ACCESS
            | Errno::NOTSUP
            | Errno::NODATA
            | Errno::NOSYS
            | Errno::INVAL,
        ) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
