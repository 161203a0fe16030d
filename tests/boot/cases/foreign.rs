//! Modules of a distribution, which use features that small ones do not: alternatives, paravirtual
//! calls, retpolines, return thunks, static calls, tracepoints, percpu data.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use liblzma::read::XzDecoder;

use crate::case::Case;
use crate::failure::{Failure, same};
use crate::kernel::TestKernel;
use crate::session::Session;
use crate::workshop::{GuestFile, Workshop};

/// In the order of their dependencies; the last two do not find their hardware.
const MODULES: [&str; 18] = [
    "irqbypass",
    "kvm",
    "drm",
    "dccp",
    "netfs",
    "9pnet",
    "ena",
    "nbd",
    "qrtr",
    "libphy",
    "sunrpc",
    "tls",
    "xor",
    "raid6_pq",
    "ib_core",
    "test_static_key_base",
    "crc32c-intel",
    "hv_vmbus",
];

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    vec![Arc::new(Foreign)]
}

struct Foreign;

impl Case for Foreign {
    fn name(&self) -> String {
        "memory/distribution".into()
    }

    fn shows(&self) -> String {
        "eighteen modules as the distribution ships them, before their init".into()
    }

    fn unfit(&self, kernel: &TestKernel) -> Option<String> {
        kernel.modules.is_none().then(|| "it is not a distribution kernel".into())
    }

    fn files(&self, workshop: &Workshop) -> Result<Vec<GuestFile>, Failure> {
        let modules = workshop.kernel.modules.as_deref().ok_or("no modules")?;
        let file = |name: &&str| {
            let found = find(modules, &[format!("{name}.ko"), format!("{name}.ko.xz")])?;
            let bytes = found.ok_or_else(|| format!("{} has no {name}", modules.display()))?;
            Ok(GuestFile { name: (*name).into(), bytes })
        };
        MODULES.iter().map(file).collect()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        let mut stay = 0;
        for name in MODULES {
            stay += usize::from(session.insmod_foreign(name)?);
        }
        same("whether most stay", &(stay >= 12), &true)
    }
}

/// The contents of a file of one of these names somewhere in a folder; those of `.xz` decompressed.
fn find(folder: &Path, names: &[String]) -> io::Result<Option<Vec<u8>>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, names)? {
                return Ok(Some(found));
            }
        } else if path.file_name().is_some_and(|file| names.iter().any(|name| file == &**name)) {
            let mut bytes = Vec::new();
            if path.extension().is_some_and(|extension| extension == "xz") {
                XzDecoder::new(fs::File::open(path)?).read_to_end(&mut bytes)?;
            } else {
                fs::File::open(path)?.read_to_end(&mut bytes)?;
            }
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}
