//! Modules of a distribution, which use what small ones do not: alternatives, paravirtual calls,
//! retpolines, return thunks, static calls, tracepoints, percpu data.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use crate::case::Case;
use crate::failure::{Failure, same};
use crate::kernel::TestKernel;
use crate::session::Session;
use crate::workshop::{GuestFile, Workshop};

/// Those that need each other in this order; the last two do not find their hardware.
const MODULES: [&str; 18] = [
    "irqbypass",
    "kvm",
    "drm",
    "dccp",
    "9pnet",
    "iavf",
    "nbd",
    "netfs",
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
        kernel.modules.is_none().then(|| "it is no kernel of a distribution".into())
    }

    fn files(&self, workshop: &Workshop) -> Result<Vec<GuestFile>, Failure> {
        let modules = workshop.kernel.modules.as_deref().ok_or("no modules")?;
        let file = |name: &&str| {
            let found = find(modules, &format!("{name}.ko"))?;
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

/// The contents of a file somewhere in a folder.
fn find(folder: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name)? {
                return Ok(Some(found));
            }
        } else if path.file_name().is_some_and(|file| file == name) {
            return fs::read(path).map(Some);
        }
    }
    Ok(None)
}
