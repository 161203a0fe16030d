//! Runtime constants: instructions that the kernel completes at boot, in itself only.
//!
//! The compiler refuses them in modules. Tools that copy functions out of the kernel's objects bring them along: the code
//! then uses the placeholder as an address. Source: `arch/*/include/asm/runtime-const.h`.

use memchr::memmem::Finder;

use super::Checker;
use crate::elf::{Section, SectionFlags};
use crate::findings::Rule;
use crate::name::shown;

/// How the sections are called that list where they are in the kernel.
const LISTS: [&[u8]; 3] = [b"runtime_ptr_", b"runtime_shift_", b"runtime_mask_"];

pub(super) fn check(checker: &mut Checker<'_, '_>) {
    let module = checker.module;
    let loaded = |section: &&Section<'_>| {
        section.sh_flags.contains(SectionFlags::ALLOC) && section.sh_size > 0
    };
    for section in module.sections().filter(loaded) {
        if LISTS.iter().any(|list| section.name.starts_with(list)) {
            let name = shown(section.name);
            let detail = format!("section {} '{name}' lists runtime constants", section.index);
            checker.broken(Rule::RuntimeConstant, detail);
        }
    }
    // What is built as a module has none: the pattern is a number of its own there.
    let (true, Some(placeholder)) = (module.is_livepatch(), checker.machine.runtime_constant)
    else {
        return;
    };
    let core = Finder::new(placeholder.core.1);
    let code = SectionFlags::ALLOC | SectionFlags::EXECINSTR;
    for section in module.sections().filter(|section| section.sh_flags.contains(code)) {
        let body = module.body(section.index);
        let cores = core.find_iter(body);
        for offset in cores.filter_map(|core| placeholder.around(body, core)) {
            let offset = u64::try_from(offset).unwrap_or(u64::MAX);
            let inside = checker.sites.inside(section.index, offset);
            let inside = inside.map_or_else(String::new, |(name, at)| format!(" ({name}+{at:#x})"));
            let name = shown(section.name);
            let detail = format!(
                "{name}+{offset:#x}{inside}: the address of a runtime constant is not filled in"
            );
            checker.broken(Rule::RuntimeConstant, detail);
        }
    }
}
