//! What the kernel's other modules prove about it, and what happens to a module that differs from
//! them.
//!
//! The kernel compares each of these with itself, so the module alone does not show the outcome.
//! Without modules of the kernel, the module's own values are taken to be right. Sources:
//! `kernel/module/main.c` (`check_modinfo`, `check_export_symbol_sections`, `do_init_module`),
//! `kernel/bpf/btf.c` (`btf_module_notify`).

use std::sync::Arc;

use klp_arch::object::SHF_ALLOC;
use klp_arch::{Errno, Features, KernelError};

use super::load_info::LoadInfo;
use super::{Refused, TargetKernel};
use crate::btf::Btf;
use crate::elf::{Module, Section};
use crate::findings::{Consequence, Finding, Stage};
use crate::kmod::THIS_MODULE;
use crate::symbols::{Fact, Siblings};

/// The functions whose pointers are in `struct module`.
const INIT: &[u8] = b"init_module";
const EXIT: &[u8] = b"cleanup_module";
/// Added to every BTF fault.
const FORGIVING: &str = "a kernel with CONFIG_MODULE_ALLOW_BTF_MISMATCH would only warn; no source \
                         shows whether this one has it; it is off by default";

impl TargetKernel {
    /// Adopts what modules prove, if they are of the release that the module is built for.
    pub(super) fn believe(&mut self, siblings: &Arc<Siblings>, built_for: Option<&str>) {
        let release = |magic: &str| magic.split_ascii_whitespace().next().map(str::to_owned);
        let theirs = siblings.vermagic.as_ref().and_then(|fact| release(&fact.value));
        if theirs.zip(built_for.and_then(release)).is_some_and(|(this, that)| this != that) {
            return;
        }
        if let Some(Fact { value: vermagic, .. }) = &siblings.vermagic {
            self.configure(vermagic);
            self.vermagic = Some(vermagic.clone());
        }
        let flags_apart = siblings.has_flags.as_ref().map(|fact| fact.value);
        self.flags_apart = flags_apart.unwrap_or(self.flags_apart);
        self.module_size = siblings.module_size.as_ref().map(|fact| fact.value);
        self.reads_btf |= siblings.has_btf.as_ref().is_some_and(|fact| fact.value);
        self.siblings = Arc::clone(siblings);
    }

    /// Configuration in the words of a vermagic (`MODULE_ARCH_VERMAGIC` and before it).
    pub(super) fn configure(&mut self, vermagic: &str) {
        let says = |word: &str| vermagic.split_ascii_whitespace().any(|said| said == word);
        self.smp = says("SMP");
        self.configuration.features.set(Features::EXIT_IS_INIT, !says("mod_unload"));
    }

    /// What follows relocation: the kernel's other parts are notified and the init function is
    /// called. Checks the BTF and the pointers in `struct module`.
    ///
    /// Reads all of the BTF; does not depend on the module's addresses.
    ///
    /// # Errors
    /// [`Refused`], with what the kernel says.
    pub fn receive(&self, module: &Module<'_>) -> Result<(), Refused> {
        self.btf(module)?;
        Ok(self.pointers(module)?)
    }

    /// `btf_module_notify`. Nothing shows whether the kernel allows a mismatch
    /// (`CONFIG_MODULE_ALLOW_BTF_MISMATCH`): assume that it does not, as in distributions.
    fn btf(&self, module: &Module<'_>) -> Result<(), Finding> {
        if !self.reads_btf {
            return Ok(());
        }
        // `any_section_objs` takes the first match, loaded or not.
        let find = |name: &[u8]| {
            let mut sections = module.sections_named(name);
            sections.next().map(|section| module.body(section.index))
        };
        let Some(bytes) = find(b".BTF").filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        let name = name(module);
        let refuse = |log: Option<&str>| {
            let errno = Errno::EINVAL;
            let log = log.map_or(String::new(), |log| format!("BPF: {log}\n"));
            let message =
                format!("{log}failed to validate module [{name}] BTF: -{}", errno.number());
            Finding::refused(Stage::Finish, KernelError { errno, message })
                .proved(FORGIVING.to_owned())
        };
        let btf = Btf::parse(bytes, module.endian()).map_err(|fault| {
            refuse(Some(fault.0)).explained(format!("its BTF is malformed: {fault}"))
        })?;
        // It has its own base, and is relocated.
        if find(b".BTF.base").is_some_and(|base| !base.is_empty()) {
            return Ok(());
        }
        let Some(fact) = &self.siblings.btf_strings else {
            return btf.names(|_| ()).map_err(|fault| refuse(Some(fault.0)));
        };
        match btf.base_strings() {
            Some(strings) if strings != fact.value => {
                let why = format!(
                    "its BTF was made against a vmlinux whose BTF has {strings} bytes of strings, \
                     this kernel's has {}",
                    fact.value
                );
                Err(refuse(None).explained(why).proven(fact))
            }
            Some(_) => Ok(()),
            None => {
                let end = u64::from(fact.value) + u64::from(btf.strings());
                let mut outside = false;
                let named = btf.names(|name| {
                    outside |= name.is_checked && u64::from(name.offset) >= end;
                });
                named.map_err(|fault| refuse(Some(fault.0)))?;
                if outside { Err(refuse(None).proven(fact)) } else { Ok(()) }
            }
        }
    }

    /// The kernel reads the pointers at the offsets of its own `struct module`.
    fn pointers(&self, module: &Module<'_>) -> Result<(), Finding> {
        let Siblings { init, exit, .. } = &*self.siblings;
        let Some(this) = module.sections_named(THIS_MODULE).next() else { return Ok(()) };
        let index = this.index.get();
        let is_for = |section: &&Section<'_>| section.sh_info == index;
        let tables = module.relocation_sections().filter(is_for);
        for rela in tables.flat_map(|table| module.relocations(table.index)) {
            let (what, fact) = match module.symbol(rela.symbol).map(|symbol| symbol.name) {
                Some(INIT) => ("init", init),
                Some(EXIT) => ("exit", exit),
                _ => continue,
            };
            if let Some(fact) = fact
                && fact.value != rela.offset
            {
                let why = format!(
                    "its struct module has the pointer to its {what} function at {:#x}, the kernel's \
                     has it at {:#x}: the function is not called, and something else is overwritten",
                    rela.offset, fact.value
                );
                let stage = Stage::Validate;
                return Err(Finding::unnoticed(stage, Consequence::Corrupted, why).proven(fact));
            }
        }
        Ok(())
    }

    /// Exports must have flags (`check_export_symbol_sections`).
    pub(super) fn check_exports(&self, info: &LoadInfo<'_>) -> Result<(), Finding> {
        let find = |name: &[u8]| {
            let sections = info.object.sections.iter();
            sections.skip(1).find(|section| section.name == name && section.has(SHF_ALLOC))
        };
        // What is shorter than an entry of three offsets has none.
        let exports = find(b"__ksymtab").is_some_and(|section| section.sh_size >= 12);
        if !self.flags_apart || !exports || find(b"__kflagstab").is_some() {
            return Ok(());
        }
        let message = format!("{}: no flags for exported symbols", info.name);
        let kernel = KernelError { errno: Errno::ENOEXEC, message };
        let why = "it exports symbols, but has no section '__kflagstab' with their flags";
        let error = Finding::refused(Stage::Validate, kernel).explained(why.to_owned());
        Err(match &self.siblings.has_flags {
            Some(fact) => error.proven(fact),
            None => error,
        })
    }
}

/// The words by which two vermagics differ.
pub(super) fn words(ours: &str, theirs: &str) -> Option<String> {
    let split = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (ours, theirs) = (split(ours), split(theirs));
    let without = |these: &[String], those: &[String]| {
        let missing = these.iter().filter(|word| !those.contains(word));
        missing.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
    };
    let (missing, more) = (without(&theirs, &ours), without(&ours, &theirs));
    let missing = (!missing.is_empty()).then(|| format!("its vermagic lacks {missing}"));
    let more = (!more.is_empty()).then(|| format!("the kernel's lacks {more}"));
    let both: Vec<_> = missing.into_iter().chain(more).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

fn name(module: &Module<'_>) -> String {
    String::from_utf8_lossy(module.name().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact<T>(value: T) -> Option<Fact<T>> {
        Some(Fact { value, modules: 2, first: "m".parse().unwrap() })
    }

    fn believing(siblings: Siblings, built_for: Option<&str>, version: &str) -> TargetKernel {
        let mut kernel =
            TargetKernel::of_version(klp_arch::machines()[0], version.parse().unwrap());
        kernel.believe(&Arc::new(siblings), built_for);
        kernel
    }

    #[test]
    fn what_modules_prove_holds_for_the_kernel() {
        let siblings = || Siblings {
            vermagic: fact("7.2 preempt mod_unload ".into()),
            module_size: fact(0x500),
            has_flags: fact(false),
            has_btf: fact(true),
            ..Siblings::default()
        };
        for built_for in [None, Some("7.2 SMP "), Some("")] {
            let kernel = believing(siblings(), built_for, "7.2");
            assert_eq!(kernel.vermagic.as_deref(), Some("7.2 preempt mod_unload "));
            assert_eq!((kernel.module_size, kernel.flags_apart), (Some(0x500), false));
            // The module may say SMP; the kernel does not.
            assert!(kernel.reads_btf && !kernel.smp);
        }
        let kernel = believing(siblings(), Some("7.3 SMP "), "7.2");
        assert_eq!((kernel.vermagic, kernel.module_size), (None, None), "of another release");
        assert!(kernel.flags_apart && kernel.smp && !kernel.reads_btf);
    }

    #[test]
    fn export_flags_are_required_since_7_1_or_where_modules_have_them() {
        let wanted = |has_flags, version| {
            believing(Siblings { has_flags, ..Siblings::default() }, None, version).flags_apart
        };
        assert_eq!(
            ["6.1", "6.12", "7.0", "7.1"].map(|v| wanted(None, v)),
            [false, false, false, true]
        );
        assert!(wanted(fact(true), "6.12"), "a vendor's kernel");
    }

    #[test]
    fn words_of_vermagic_are_named() {
        let words = |ours, theirs| words(ours, theirs).unwrap_or_default();
        assert_eq!(words("7 SMP ", "7 SMP preempt "), "its vermagic lacks 'preempt'");
        assert_eq!(words("7 SMP a b ", "7 SMP "), "the kernel's lacks 'a', 'b'");
        assert_eq!(words("7 x", "7 y"), "its vermagic lacks 'y'; the kernel's lacks 'x'");
        assert_eq!(words("7 a b", "7 b a"), "", "in another order");
    }
}
