//! The initial RAM disk: busybox, our init, and modules.

use std::io::{self, Write};

use cpio::newc::{Builder, trailer};

/// The program of process 1.
const INIT: &str = include_str!("init");

/// Writes an uncompressed archive; `modules` are names and contents of `/modules/NAME.ko`.
pub(crate) fn write<'a>(
    busybox: &[u8],
    modules: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    for directory in ["bin", "proc", "sys", "dev", "modules"] {
        Builder::new(directory).mode(0o040_755).write(&mut archive, 0).finish()?;
    }
    let mut file = |name: &str, mode, contents: &[u8]| {
        let size = u32::try_from(contents.len()).map_err(io::Error::other)?;
        let mut entry = Builder::new(name).mode(mode).write(&mut archive, size);
        entry.write_all(contents)?;
        entry.finish().map(|_| ())
    };
    file("bin/busybox", 0o100_755, busybox)?;
    file("init", 0o100_755, INIT.as_bytes())?;
    for (name, contents) in modules {
        file(&format!("modules/{name}.ko"), 0o100_644, contents)?;
    }
    trailer(archive)
}
