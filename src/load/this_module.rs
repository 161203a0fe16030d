//! `struct module` as the kernel finds it in the file, and starts to use it.
//!
//! It writes to it, takes what the file has in fields that it does not set to be its own, and calls the functions
//! that it names. Source: `kernel/module/main.c:load_module`, `do_init_module`, `scripts/mod/modpost.c:add_header`.

use std::ops::Range;

use klp_arch::Features;
use klp_arch::object::{SHF_EXECINSTR, SHF_WRITE};
use scroll::Pread;

use super::Loaded;
use super::load_info::LoadInfo;
use crate::elf::SymbolSection;
use crate::findings::{Consequence, Finding, Stage};
use crate::kmod::THIS_MODULE;

/// The field `name`, after `state` and `list`: the only one with a value that no relocation gives.
const NAME: Range<usize> = 24..24 + 56;

/// What modpost calls the functions.
const INIT: &[u8] = b"init_module";
const EXIT: &[u8] = b"cleanup_module";

/// Refuses to go on with values in fields that the kernel takes to be empty, such as the sizes of its memory.
pub(super) fn check_empty(info: &LoadInfo<'_>) -> Result<(), Finding> {
    let this = info.object.find(THIS_MODULE).and_then(|this| info.object.sections.get(this));
    let body = this.map_or(&[][..], |this| &this.body);
    if body.iter().enumerate().all(|(at, byte)| *byte == 0 || NAME.contains(&at)) {
        return Ok(());
    }
    let why = "its struct module has values in fields that the kernel takes to be empty".to_owned();
    Err(Finding::unnoticed(Stage::Layout, Consequence::Corrupted, why))
}

/// Whether the module has a name in its `struct module`, which is that of its directory in `/sys/module`.
pub(super) fn is_named(info: &LoadInfo<'_>) -> bool {
    let this = info.object.find(THIS_MODULE).and_then(|this| info.object.sections.get(this));
    this.and_then(|this| this.body.get(NAME.start)).is_none_or(|first| *first != 0)
}

impl Loaded<'_> {
    /// Whether the kernel calls an init function of the module.
    pub(crate) fn runs_init(&self) -> bool {
        let exit = self.value_of(EXIT);
        self.entry_points().any(|address| address != 0 && Some(address) != exit)
    }

    /// An init function that the kernel does not call.
    pub(super) fn without_init(&self) -> Option<Finding> {
        self.value_of(INIT).filter(|_| !self.runs_init())?;
        let why = "its struct module does not name init_module, which the kernel does not call"
            .to_owned();
        Some(Finding::unnoticed(Stage::Form, Consequence::Ignored, why))
    }

    /// An exit function that is freed before the kernel calls it.
    pub(super) fn frees_exit(&self) -> Option<Finding> {
        // It is never called there.
        if self.kernel.configuration.features.contains(Features::EXIT_IS_INIT) {
            return None;
        }
        let init = self.value_of(INIT)?;
        let is_freed = |address: &u64| {
            self.section_at(*address).is_some_and(|(index, ..)| self.is_init(index))
        };
        let exit = self.entry_points().filter(|address| *address != init).find(is_freed)?;
        let why = format!(
            "its exit function is at {exit:#x}{}, in memory that is freed after init",
            self.place_of(exit)
        );
        Some(Finding::unnoticed(Stage::Form, Consequence::Corrupted, why))
    }

    /// What makes the kernel write to memory that it cannot write, or take other numbers for its own.
    pub(super) fn unusable_structure(&self) -> Option<Finding> {
        let object = &self.info.object;
        let this_index = object.find(THIS_MODULE)?;
        let this = object.sections.get(this_index)?;
        let why =
            if self.kernel.strict_module_rwx && (!this.has(SHF_WRITE) || this.has(SHF_EXECINSTR)) {
                "is not in writable memory, where the kernel writes to it"
            } else if self.overwrites(this_index) {
                "gets pointers in other fields than init and exit"
            } else {
                return None;
            };
        let why = format!("its struct module {why}");
        Some(Finding::unnoticed(Stage::Form, Consequence::Corrupted, why))
    }

    /// Whether there are more relocations of `struct module` than it has functions, or one of its first fields.
    fn overwrites(&self, this: usize) -> bool {
        let object = &self.info.object;
        let fields: Vec<_> = self.tables_for(this).flat_map(|table| object.relas(table)).collect();
        let first = |offset| usize::try_from(offset).is_ok_and(|offset| offset < NAME.end);
        fields.len() > 2 || fields.iter().any(|rela| first(rela.offset))
    }

    /// The functions in `struct module`.
    pub(super) fn entry_points(&self) -> impl Iterator<Item = u64> + '_ {
        let object = &self.info.object;
        let this = object.find(THIS_MODULE);
        let extent = this.and_then(|this| object.sections.get(this)?.extent);
        let body = extent.map_or(&[][..], |extent| self.memory.bytes(&extent));
        let tables = this.into_iter().flat_map(|this| self.tables_for(this));
        let fields = tables.flat_map(|table| object.relas(table));
        fields.filter_map(|rela| {
            let at = usize::try_from(rela.offset).ok()?;
            body.pread_with::<u64>(at, object.endian()).ok()
        })
    }

    /// The value of the module's own symbol of this name.
    fn value_of(&self, name: &[u8]) -> Option<u64> {
        let mut symbols = self.module.symbols().filter(|symbol| symbol.name == name);
        let index =
            symbols.find(|symbol| matches!(symbol.section, SymbolSection::Defined(_)))?.index.get();
        Some(self.info.object.symbols.get(usize::try_from(index).ok()?)?.st_value)
    }
}
