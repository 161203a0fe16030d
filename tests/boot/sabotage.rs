//! Runs the suite with deliberate mistakes: it must fail.

use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

use crate::kernel::{Machine, Release};
use crate::mistake::Mistake;
use crate::options::Options;

/// A mistake, its machine, the case that must notice it, and the expected message, to rule out
/// other failures.
const SABOTAGE: [(Mistake, Machine, &str, &str); 5] = [
    (Mistake::Position, Machine::X86, "vmlinux/homonyms", "/proc/cmdline: found"),
    (Mistake::GateOwner, Machine::Arm64, "module/cross/before", "which it does not patch"),
    (Mistake::StubRoom, Machine::Ppc64le, "vmlinux/annotated-name", "memory of"),
    (Mistake::LeftBehind, Machine::S390x, "vmlinux/annotated-array", "Kernel panic"),
    (Mistake::ByteOrder, Machine::S390x, "vmlinux/inferred", "the kernel refuses"),
];

/// A trial for each mistake on the selected machines. Without the mistake the same case holds: it
/// is one of the others.
pub(crate) fn trials(options: &Options) -> impl Iterator<Item = Trial> {
    let sabotage = SABOTAGE.into_iter();
    let sabotage = sabotage.filter(|(_, machine, ..)| options.machines().contains(machine));
    sabotage.map(|(mistake, machine, case, says)| {
        let name = format!("sabotage/{mistake}");
        Trial::test(name, move || fails(mistake, machine, case, says)).with_ignored_flag(true)
    })
}

/// Runs one case with a mistake.
fn fails(mistake: Mistake, machine: Machine, case: &str, says: &str) -> Result<(), Failed> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--ignored").args(["--mistake", &mistake.to_string()]);
    command.args(["--machine", &machine.to_string(), "--kernel", &Release::Small72.to_string()]);
    let output = command.args(["--case", case]).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() || !said.contains("0 passed; 1 failed") {
        return Err(format!("{case} holds in spite of the mistake:\n{said}").into());
    }
    if !said.contains(says) {
        return Err(format!("{case} fails, but does not say '{says}':\n{said}").into());
    }
    Ok(())
}
