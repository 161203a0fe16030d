//! Where the kernel jumps to in a module: its init and exit functions, and the replacements of a patch.
//!
//! The kernel does not look whether there is code. Invariant: what is not known to be without code is
//! taken to have some. Source: `kernel/module/main.c:do_init_module`, `module_enable_nx`,
//! `kernel/livepatch/patch.c:klp_ftrace_handler`.

use klp_arch::object::{SHF_EXECINSTR, SHT_RELA};
use scroll::Pread;

use super::Loaded;
use crate::findings::{Consequence, Finding, Stage};

/// `struct module`, which has the addresses of init and exit.
const THIS_MODULE: &[u8] = b".gnu.linkonce.this_module";

impl Loaded<'_> {
    /// The first function that the kernel would call and that has no code that may be executed.
    pub(super) fn without_code(&self) -> Option<Finding> {
        let object = &self.info.object;
        let this = object.find(THIS_MODULE)?;
        let extent = object.sections.get(this)?.extent?;
        let body = self.memory.bytes(&extent);
        let tables = object.sections.iter().enumerate().filter(|(_, section)| {
            section.sh_type == SHT_RELA && usize::try_from(section.sh_info) == Ok(this)
        });
        let fields = tables.flat_map(|(table, _)| object.relas(table));
        let own = fields.filter_map(|rela| {
            let at = usize::try_from(rela.offset).ok()?;
            Some(("init or exit", body.pread_with::<u64>(at, object.endian()).ok()?))
        });
        let functions = self.tables.objects().iter().flat_map(|object| &object.functions);
        let new = functions.filter_map(|function| Some(("new_func", self.address(function)?)));
        let (what, address) = own.chain(new).find(|(_, address)| self.is_data(*address))?;
        let why = format!(
            "the kernel would jump to {address:#x}{}, its {what}, which has no code that may be executed",
            self.place_of(address)
        );
        Some(Finding::unnoticed(Stage::Form, Consequence::Corrupted, why))
    }

    /// Whether an address is in a section of the module without instructions.
    fn is_data(&self, address: u64) -> bool {
        let section =
            self.section_at(address).and_then(|(index, ..)| self.info.object.sections.get(index));
        section.is_some_and(|section| !section.has(SHF_EXECINSTR))
    }

    /// Where an address is, as ` (section+offset)`; empty outside of the module.
    pub(super) fn place_of(&self, address: u64) -> String {
        let place = |(_, name, offset): (usize, &[u8], u64)| {
            format!(" ({}+{offset:#x})", String::from_utf8_lossy(name))
        };
        self.section_at(address).map_or_else(String::new, place)
    }
}
