//! A module's directory in `/sys/module`, and its files: one for each section, named after it.
//!
//! Two files of one name are an error, which fails the load since 6.12. Source:
//! `kernel/module/sysfs.c:mod_sysfs_setup`, `add_sect_attrs`, `fs/sysfs/dir.c:sysfs_warn_dup`.

use std::collections::HashSet;

use klp_arch::object::SHF_ALLOC;
use klp_arch::{Errno, KernelError};

use super::load_info::LoadInfo;
use super::{TargetKernel, this_module};
use crate::findings::{Finding, Rule, Stage};

/// Creates files for the loaded sections that are not empty, including the symbol table's.
pub(super) fn setup(info: &LoadInfo<'_>, kernel: &TargetKernel) -> Result<(), Finding> {
    if !this_module::is_named(info) {
        let message = "kobject: attempted to be registered with empty name!".to_owned();
        let kernel = KernelError { errno: Errno::EINVAL, message };
        let why = "the name in its struct module is empty".to_owned();
        return Err(Finding::refused(Stage::Sysfs, kernel).explained(why));
    }
    let sections = info.object.sections.iter();
    let mut shown = sections.filter(|section| section.has(SHF_ALLOC) && section.sh_size != 0);
    let mut names = HashSet::new();
    let twin = shown.find(|section| !names.insert(section.name));
    let Some(twin) = twin.filter(|_| kernel.refuses_section_twins) else { return Ok(()) };
    let (module, section) = (&info.name, String::from_utf8_lossy(twin.name));
    let file = format!("/module/{module}/sections/{section}");
    let message = format!("sysfs: cannot create duplicate filename '{file}'");
    let kernel = KernelError { errno: Errno::EEXIST, message };
    Err(Finding::refused(Stage::Sysfs, kernel).breaks(Rule::SectionTwins))
}
