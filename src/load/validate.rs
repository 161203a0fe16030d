//! The kernel's checks of a module's file, before anything else.
//!
//! [`Module::parse`] has already refused most of what the kernel refuses, and more; what remains is
//! specific to modules. Messages are the kernel's, in its order; the first one ends the load.
//! Source: `kernel/module/main.c:elf_validity_cache_copy`, `early_mod_check`,
//! `kernel/module/strict_rwx.c:module_enforce_rwx_sections`.

use klp_arch::object::{SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_NOBITS};
use klp_arch::{Errno, KernelError, Machine};
use scroll::Endian;

use super::TargetKernel;
use super::load_info::LoadInfo;
use super::proven::words;
use crate::elf::{Module, Section};
use crate::findings::{Finding, Rule, Stage};
use crate::kmod::THIS_MODULE;
use crate::name::VMLINUX;

/// From here on `e_shnum` does not hold the number of sections, and the kernel does not read it
/// from section 0.
const SHN_LORESERVE: usize = 0xff00;

fn refuse(message: String) -> Finding {
    Finding::refused(Stage::Validate, KernelError { errno: Errno::ENOEXEC, message })
}

/// The checks of the file (`elf_validity_cache_copy`).
pub(super) fn validate(
    module: &Module<'_>,
    machine: &Machine,
    kernel: &TargetKernel,
) -> Result<(), Finding> {
    header(module, machine, kernel)?;
    this_module(module, kernel)?;
    versions(module)
}

fn header(module: &Module<'_>, machine: &Machine, kernel: &TargetKernel) -> Result<(), Finding> {
    let e_machine = module.machine();
    if !machine.e_machines.contains(&e_machine) || machine.endian != module.endian() {
        return Err(refuse(format!("Invalid architecture in ELF header: {e_machine}")));
    }
    if kernel.checks_machine_flags && machine.check_header(module.flags()).is_err() {
        let error = refuse(format!("Invalid module architecture in ELF header: {e_machine}"));
        return Err(error.breaks(Rule::MachineFlags));
    }
    if module.sections().len() >= SHN_LORESERVE {
        let index = shstrndx(module);
        // The number is then in the size of section 0, which must be 0.
        if kernel.checks_headers_first {
            let what = "section 0 type(0)!=SH_NULL or non-zero len or addr";
            return Err(refuse(format!("ELF Spec violation: {what}")));
        }
        let (name, compared) = ("Invalid ELF section name index", "e_shstrndx");
        return Err(refuse(format!("{name}: {index} || {compared} ({index}) >= e_shnum (0)")));
    }
    sections(module, kernel)
}

/// Section 0, the index of the names, and empty sections, whose offsets must lie in the file
/// (`elf_validity_cache_sechdrs`, `elf_validity_cache_secstrings`; before, `elf_validity_check`).
fn sections(module: &Module<'_>, kernel: &TargetKernel) -> Result<(), Finding> {
    let count = module.sections().len();
    let zero = || {
        let found = module.sections().next().filter(|s| s.sh_size != 0 || s.sh_addr != 0);
        let what = "section 0 type(0)!=SH_NULL or non-zero len or addr";
        found.map_or(Ok(()), |_| Err(refuse(format!("ELF Spec violation: {what}"))))
    };
    let names = || {
        let (name, compared) = ("Invalid ELF section name index", "e_shstrndx");
        let index = shstrndx(module);
        let refusal = format!("{name}: {index} || {compared} ({index}) >= e_shnum ({count})");
        if usize::from(index) < count { Ok(()) } else { Err(refuse(refusal)) }
    };
    let outside = || {
        let end = module.signature().map_or(module.data().len(), |signature| signature.start);
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        let mut used = module.sections().skip(1).filter(|s| !s.has_body());
        let Some(section) =
            used.find(|s| !matches!(s.sh_type.0, SHT_NULL | SHT_NOBITS) && s.sh_offset > end)
        else {
            return Ok(());
        };
        let (index, kind) = (section.index, section.sh_type.0);
        Err(refuse(format!("Invalid ELF section in module (section {index} type {kind})")))
    };
    if kernel.checks_headers_first {
        zero()?;
        outside()?;
        names()
    } else {
        names()?;
        zero()?;
        outside()
    }
}

/// `e_shstrndx` as it is in the header.
fn shstrndx(module: &Module<'_>) -> u16 {
    match (module.data().get(62..64), module.endian()) {
        (Some(&[a, b]), Endian::Little) => u16::from_le_bytes([a, b]),
        (Some(&[a, b]), Endian::Big) => u16::from_be_bytes([a, b]),
        _ => 0,
    }
}

/// `SHT_NULL`.
const SHT_NULL: u32 = 0;

/// `elf_validity_cache_index_info`, `elf_validity_cache_index_mod`; before, `setup_load_info`.
fn this_module(module: &Module<'_>, kernel: &TargetKernel) -> Result<(), Finding> {
    // Before 6.13 the loop that looks for them skips sections without contents.
    let counted = |section: &&Section<'_>| {
        kernel.checks_headers_first || !matches!(section.sh_type.0, SHT_NULL | SHT_NOBITS)
    };
    let mut modinfo = module.sections_named(b".modinfo").filter(counted);
    if modinfo.nth(1).is_some() && kernel.rejects_second_modinfo {
        let error = refuse("Only one .modinfo section must exist.".to_owned());
        return Err(error.breaks(Rule::ModuleSections));
    }
    let name = module.name().unwrap_or(b"(missing .modinfo section or name field)");
    let name = String::from_utf8_lossy(name);
    if !kernel.checks_this_module {
        let loaded = |section: &Section<'_>| section.sh_flags.bits() & SHF_ALLOC != 0;
        let found = module.sections_named(THIS_MODULE).any(loaded);
        let none =
            || refuse(format!("{name}: No module found in object")).breaks(Rule::ModuleSections);
        return found.then_some(()).ok_or_else(none);
    }
    let fault = |fault| Err(refuse(format!("module {name}: .gnu.linkonce.this_module {fault}")));
    let breaks = |error: Finding| error.breaks(Rule::ModuleSections);
    let mut found = module.sections_named(THIS_MODULE).filter(counted);
    let (Some(section), None) = (found.next(), found.next()) else {
        let message = if kernel.checks_headers_first {
            format!("module {name}: Exactly one .gnu.linkonce.this_module section must exist.")
        } else {
            format!("module {name}: Only one .gnu.linkonce.this_module section must exist.")
        };
        return Err(refuse(message).breaks(Rule::ModuleSections));
    };
    if section.sh_type.0 == SHT_NOBITS {
        return fault("section must have a size set").map_err(breaks);
    }
    if section.sh_flags.bits() & SHF_ALLOC == 0 {
        return fault("must occupy memory during process execution").map_err(breaks);
    }
    if kernel.module_size.is_none_or(|size| size == section.sh_size) {
        return Ok(());
    }
    let wrong = fault("section size must match the kernel's built struct module size at run time");
    match &kernel.siblings.module_size {
        Some(fact) => {
            let sizes = format!(
                "its struct module has {} bytes, the kernel's has {}",
                section.sh_size, fact.value
            );
            wrong.map_err(|error| error.explained(sizes).proven(fact))
        }
        None => wrong,
    }
}

/// `elf_validity_cache_index_versions`. Kernels without this check have modules without such
/// sections.
fn versions(module: &Module<'_>) -> Result<(), Finding> {
    let find = |name: &[u8]| {
        module.sections_named(name).find(|section| section.sh_flags.bits() & SHF_ALLOC != 0)
    };
    match (find(b"__version_ext_crcs"), find(b"__version_ext_names")) {
        (None, None) => Ok(()),
        (Some(crcs), Some(names)) => {
            let ends = module.body(names.index).iter().filter(|byte| **byte == 0).count();
            let needed = crcs.sh_size / 4;
            let enough = u64::try_from(ends).is_ok_and(|ends| ends >= needed);
            let message = "more extended version crcs than names";
            if enough { Ok(()) } else { Err(refuse(message.to_owned())) }
        }
        _ => Err(refuse("extended version crc+name presence does not match".to_owned())),
    }
}

/// The module must be built for this kernel, if it has a vermagic (`check_modinfo`). If it has
/// symbol versions, the release may differ (`same_magic`).
pub(super) fn vermagic(module: &Module<'_>, kernel: &TargetKernel) -> Result<(), Finding> {
    let (Some(ours), Some(theirs)) = (module.vermagic(), kernel.vermagic.as_deref()) else {
        return Ok(());
    };
    let versions = theirs.split_ascii_whitespace().any(|word| word == "modversions")
        && module.sections_named(b"__versions").next().is_some();
    let compared = |magic: &[u8]| {
        let release = if versions { magic.iter().position(|&byte| byte == b' ') } else { Some(0) };
        magic.get(release.unwrap_or(magic.len())..).unwrap_or_default().to_vec()
    };
    if compared(ours) == compared(theirs.as_bytes()) {
        return Ok(());
    }
    let name = String::from_utf8_lossy(module.name().unwrap_or_default());
    let ours = String::from_utf8_lossy(ours);
    let error = refuse(format!("{name}: version magic '{ours}' should be '{theirs}'"));
    Err(match &kernel.siblings.vermagic {
        Some(fact) => error.explained(words(&ours, theirs)).proven(fact),
        None => error,
    })
}

/// A livepatch needs a kernel that accepts livepatches (`check_modinfo_livepatch`).
pub(super) fn livepatch(info: &LoadInfo<'_>, kernel: &TargetKernel) -> Result<(), Finding> {
    if kernel.livepatches || !info.livepatch {
        return Ok(());
    }
    let what = "module is marked as livepatch module, but livepatch support is disabled";
    Err(refuse(format!("{}: {what}", info.name)))
}

/// With livepatching, no module may be named vmlinux (`klp_module_coming`).
pub(super) fn name(info: &LoadInfo<'_>, kernel: &TargetKernel) -> Result<(), Finding> {
    if info.name != VMLINUX || !kernel.livepatches {
        return Ok(());
    }
    let message = "livepatch: vmlinux.ko: invalid module name".to_owned();
    Err(Finding::refused(Stage::Form, KernelError { errno: Errno::EINVAL, message }))
}

/// Nothing may be writable and executable (`module_enforce_rwx_sections`).
pub(super) fn enforce_rwx(info: &LoadInfo<'_>, kernel: &TargetKernel) -> Result<(), Finding> {
    let mut sections = info.object.sections.iter().enumerate();
    let both = sections.find(|(_, section)| section.has(SHF_WRITE | SHF_EXECINSTR));
    let Some((index, section)) = both.filter(|_| kernel.strict_module_rwx) else { return Ok(()) };
    let (module, section) = (&info.name, String::from_utf8_lossy(section.name));
    let fault = "has invalid WRITE|EXEC flags";
    let error = refuse(format!("{module}: section {section} (index {index}) {fault}"));
    Err(error.breaks(Rule::WriteExecute))
}
