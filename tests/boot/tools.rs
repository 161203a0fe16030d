//! External programs, and the Debian packages that have them.

use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::kernel::{Machine, REPOSITORY};

/// Tools to build kernels and modules for every machine.
const TOOLS: [(&str, &str); 13] = [
    ("apt-get", "apt"),
    ("bash", "bash"),
    ("bc", "bc"),
    ("bison", "bison"),
    ("dpkg-deb", "dpkg"),
    ("flex", "flex"),
    ("gcc", "gcc"),
    ("ld", "binutils"),
    ("make", "make"),
    ("perl", "perl"),
    ("sha256sum", "coreutils"),
    ("tar", "tar"),
    ("xz", "xz-utils"),
];

/// Further tools for a machine.
fn of(machine: Machine) -> [(&'static str, &'static str); 2] {
    let (qemu, _) = machine.qemu();
    match machine {
        Machine::X86 => [(qemu, "qemu-system-x86"), ("gcc", "gcc")],
        Machine::Ppc64le => {
            [(qemu, "qemu-system-ppc"), ("powerpc64le-linux-gnu-gcc", "gcc-powerpc64le-linux-gnu")]
        }
        Machine::S390x => {
            [(qemu, "qemu-system-misc"), ("s390x-linux-gnu-gcc", "gcc-s390x-linux-gnu")]
        }
        Machine::Arm64 => {
            [(qemu, "qemu-system-arm"), ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")]
        }
    }
}

/// Fails if a program is missing, with the packages to install; with `install` installs them.
pub(crate) fn are_there(machines: &[Machine], install: bool) -> Result<(), Failure> {
    let missing = || {
        let tools = machines.iter().flat_map(|machine| of(*machine)).chain(TOOLS);
        let mut missing: Vec<_> = tools.filter(|(program, _)| !is_there(program)).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    };
    if install && !missing().is_empty() {
        let packages = Path::new(REPOSITORY).join(".ci/packages");
        let status = Command::new(&packages).status();
        let status = status.map_err(|error| format!("{}: {error}", packages.display()))?;
        if !status.success() {
            return Err(format!("{} ended with {status}", packages.display()).into());
        }
    }
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let (programs, packages): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    Err(format!(
        "missing: {}; `--install` installs all that is needed, or: apt-get install {}",
        programs.join(", "),
        packages.join(" ")
    )
    .into())
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}
