//! The kernels to boot: machine, release, build tree, boot image.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::ValueEnum;
use klp_arch::KernelVersion;
use klp_convert::symbols::{BootImage, ModuleFile, Sources, Symvers, Vmlinux};

use crate::failure::Failure;

/// The folder of the repository's scripts.
pub(crate) const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// The Clang that builds kernels and modules with link-time optimisation, as in
/// `tests/kernel/build`.
const CLANG: &str = "-19";

/// A machine, with its names for QEMU and kbuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, strum::Display, strum::EnumIter)]
#[value(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Machine {
    /// 64-bit x86
    #[value(name = "x86_64")]
    #[strum(serialize = "x86_64")]
    X86,
    /// 64-bit POWER, little-endian
    Ppc64le,
    /// IBM Z
    S390x,
    /// 64-bit ARM
    Arm64,
}

impl Machine {
    pub(crate) fn backend(self) -> &'static klp_arch::Machine {
        klp_arch::by_name(&self.to_string()).unwrap()
    }

    /// `ARCH` and `CROSS_COMPILE` of kbuild.
    fn kbuild(self) -> (&'static str, &'static str) {
        match self {
            Self::X86 => ("x86_64", ""),
            Self::Ppc64le => ("powerpc", "powerpc64le-linux-gnu-"),
            Self::S390x => ("s390", "s390x-linux-gnu-"),
            Self::Arm64 => ("arm64", "aarch64-linux-gnu-"),
        }
    }

    /// The boot image in a build tree.
    fn image(self) -> &'static str {
        match self {
            Self::X86 => "arch/x86/boot/bzImage",
            Self::Ppc64le => "vmlinux",
            Self::S390x => "arch/s390/boot/bzImage",
            Self::Arm64 => "arch/arm64/boot/Image",
        }
    }

    pub(crate) fn console(self) -> &'static str {
        match self {
            Self::X86 => "ttyS0",
            Self::Ppc64le => "hvc0",
            Self::S390x => "ttysclp0",
            Self::Arm64 => "ttyAMA0",
        }
    }

    /// QEMU and its arguments for the machine.
    pub(crate) fn qemu(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::X86 => ("qemu-system-x86_64", &[]),
            Self::Ppc64le => {
                ("qemu-system-ppc64", &["-M", "pseries", "-cpu", "power9", "-vga", "none"])
            }
            Self::S390x => ("qemu-system-s390x", &["-M", "s390-ccw-virtio", "-cpu", "max"]),
            Self::Arm64 => ("qemu-system-aarch64", &["-M", "virt", "-cpu", "cortex-a72"]),
        }
    }
}

/// A release, and its builder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, strum::Display)]
pub(crate) enum Release {
    /// A small 7.3, built here
    #[value(name = "7.3")]
    #[strum(serialize = "7.3")]
    Small73,
    /// A small 7.2, built here
    #[value(name = "7.2")]
    #[strum(serialize = "7.2")]
    Small72,
    /// A small 6.12, built here
    #[value(name = "6.12")]
    #[strum(serialize = "6.12")]
    Small612,
    /// A small 6.12, built here by Clang with ThinLTO; KLP_LTO_KERNEL names another version or a tree
    #[strum(serialize = "lto")]
    Lto,
    /// A small 6.1, built here
    #[value(name = "6.1")]
    #[strum(serialize = "6.1")]
    Small61,
    /// Debian's own 6.1, as shipped
    #[strum(serialize = "debian")]
    Debian,
    /// Debian's own 6.12, as shipped
    #[value(name = "debian-6.12")]
    #[strum(serialize = "debian-6.12")]
    Debian612,
}

impl Release {
    /// Why a machine has no such kernel.
    pub(crate) fn unfit(self, machine: Machine) -> Option<&'static str> {
        match (self, machine) {
            (Self::Small61, Machine::Arm64) => Some("Linux 6.1 has no livepatches on arm64"),
            (Self::Small612, Machine::Arm64) => Some("Linux 6.12 has no livepatches on arm64"),
            (
                Self::Debian | Self::Debian612,
                Machine::Ppc64le | Machine::S390x | Machine::Arm64,
            ) => Some("Debian builds its kernel with support for livepatches on amd64 only"),
            (Self::Lto, Machine::Ppc64le | Machine::S390x) => {
                Some("Linux has no link-time optimisation there")
            }
            (Self::Lto, Machine::Arm64) => Some("it is built for x86_64"),
            _ => None,
        }
    }
}

/// A kernel that can be booted, and for which modules can be built.
#[derive(Debug)]
pub(crate) struct TestKernel {
    pub(crate) machine: Machine,
    pub(crate) release: Release,
    pub(crate) version: KernelVersion,
    /// For `make -C`: external modules are built against it.
    pub(crate) build: PathBuf,
    pub(crate) image: PathBuf,
    /// The ELF file of a kernel that was built here; others have only a boot image.
    vmlinux: Option<PathBuf>,
    /// The modules of the package, for a kernel that was not built here.
    pub(crate) modules: Option<PathBuf>,
    /// Memory of the guest in MiB.
    pub(crate) memory: u32,
    /// Additions to the kernel's command line.
    pub(crate) arguments: &'static str,
}

impl TestKernel {
    /// Builds or fetches the kernel, unless cached.
    pub(crate) fn obtain(machine: Machine, release: Release) -> Result<Self, Failure> {
        match release {
            Release::Small73 => Self::built(machine, release, "7.3"),
            Release::Small72 => Self::built(machine, release, "7.2"),
            Release::Small612 => Self::built(machine, release, "6.12"),
            Release::Lto => {
                let kernel = std::env::var("KLP_LTO_KERNEL").unwrap_or_else(|_| "6.12".into());
                Self::built(machine, release, &kernel)
            }
            Release::Small61 => Self::built(machine, release, "6.1"),
            Release::Debian => Self::distributed(machine, release, "6.1"),
            Release::Debian612 => Self::distributed(machine, release, "6.12"),
        }
    }

    fn built(machine: Machine, release: Release, series: &str) -> Result<Self, Failure> {
        let build = Path::new(REPOSITORY).join("tests/kernel/build");
        let mut build = Command::new(build);
        build.env("KERNEL", series).arg(machine.to_string());
        if release == Release::Lto {
            build.env("LTO", "thin");
        }
        let build = said(&mut build)?;
        let build = PathBuf::from(build);
        let version = version_of(&build)?;
        let (image, vmlinux) = (build.join(machine.image()), Some(build.join("vmlinux")));
        let memory = if machine == Machine::Ppc64le { 1024 } else { 512 };
        let (arguments, modules) = ("nokaslr", None);
        Ok(Self { machine, release, version, build, image, vmlinux, modules, memory, arguments })
    }

    /// A distribution's kernel, placed at a random address (KASLR).
    fn distributed(machine: Machine, release: Release, series: &str) -> Result<Self, Failure> {
        let script = Path::new(REPOSITORY).join("tests/kernel/distribution");
        let said = said(Command::new(script).env("SERIES", series).arg(machine.to_string()))?;
        let path = |key: &str| {
            let path = said.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            path.map(PathBuf::from).ok_or_else(|| Failure(format!("no {key} in {said:?}")))
        };
        let (build, image) = (path("build")?, path("image")?);
        let (vmlinux, modules) = (None, Some(path("modules")?));
        let version = version_of(&build)?;
        let (memory, arguments) = (1024, "");
        Ok(Self { machine, release, version, build, image, vmlinux, modules, memory, arguments })
    }

    /// Whether a patched module may be reloaded while its livepatch stays: x86_64 and ppc64le
    /// refuse to write a location twice, and clear nothing before Linux 6.3 (`clear_relocate_add`).
    pub(crate) fn writes_again(&self) -> bool {
        self.version >= KernelVersion::new(6, 3)
            || matches!(self.machine, Machine::S390x | Machine::Arm64)
    }

    /// Whether lookups truncate names made by Clang's LTO, according to the kernel's source;
    /// livepatches of 6.1 search the whole table.
    pub(crate) fn cuts_names(&self) -> bool {
        let source = || std::fs::read_to_string(self.build.join("source/kernel/kallsyms.c"));
        self.release == Release::Lto
            && self.version >= KernelVersion::new(6, 2)
            && source().unwrap().contains("cleanup_symbol_name")
    }

    /// `machine/release`, as in reports and trials.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.machine, self.release)
    }

    /// The symbol sources of a livepatch's author: the kernel, and the patched modules.
    pub(crate) fn sources(&self, targets: impl Iterator<Item = PathBuf>) -> Sources {
        let mut sources = Sources::new();
        match &self.vmlinux {
            Some(vmlinux) => sources.push(Vmlinux::new(vmlinux)),
            None => sources.push(BootImage::new(&self.image)),
        }
        sources.push(Symvers::new(self.build.join("Module.symvers")));
        targets.for_each(|target| sources.push(ModuleFile::new(&target)));
        sources
    }

    /// `make` for external modules in `directory`.
    pub(crate) fn make(&self, directory: &Path) -> Command {
        let (arch, cross) = self.machine.kbuild();
        let mut make = Command::new("make");
        make.arg("-s").arg("-C").arg(&self.build);
        make.arg(format!("ARCH={arch}"));
        match self.release {
            Release::Lto => make.arg(format!("LLVM={CLANG}")),
            _ => make.arg(format!("CROSS_COMPILE={cross}")),
        };
        make.arg(format!("M={}", directory.display()));
        make.arg(format!("KLP_KBUILD={REPOSITORY}/kbuild"));
        make.arg(format!("KLP_MACHINE={}", self.machine));
        make.args(["KBUILD_MODPOST_WARN=1", "modules"]);
        make
    }
}

/// The version of the kernel that a build tree is of.
fn version_of(build: &Path) -> Result<KernelVersion, Failure> {
    let release = std::fs::read_to_string(build.join("include/config/kernel.release"))?;
    Ok(release.parse()?)
}

/// The single line of a command's output.
pub(crate) fn said(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{command:?} ended with {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
