//! Addresses as the kernel prints them in its messages (`%pS`).
//!
//! It knows a module's symbols once the module is formed, so it can name what late relocations
//! patch. Source: `kernel/module/kallsyms.c:find_kallsyms_symbol`,
//! `kernel/kallsyms.c:__sprint_symbol`.

use klp_arch::object::{SHN_UNDEF, Symbol};

use super::Loaded;
use crate::elf::is_mapping_symbol;

impl Loaded<'_> {
    /// The symbol before an address in the module, the offset from it, and the distance to the next
    /// symbol; `None` for an address outside the module.
    pub(super) fn symbolic(&self, address: u64) -> Option<String> {
        let region = self.memory.regions.iter().find(|region| {
            let size = u64::try_from(region.bytes.len()).unwrap_or(u64::MAX);
            address.checked_sub(region.base).is_some_and(|offset| offset < size)
        })?;
        let size = u64::try_from(region.bytes.len()).unwrap_or(u64::MAX);
        // Where those are that are left behind depends on where the temporary copy is.
        let shown = |symbol: &&Symbol<'_>| is_shown(symbol) && !self.is_left_behind(symbol);
        let named = self.info.object.symbols.iter().skip(1).filter(shown);
        let (mut best, mut next) = (None::<&Symbol<'_>>, region.base.saturating_add(size));
        for symbol in named {
            let value = symbol.st_value;
            if value > address {
                next = next.min(value);
            } else if value >= region.base && best.is_none_or(|best| value > best.st_value) {
                best = Some(symbol);
            }
        }
        let best = best?;
        let (name, module) = (String::from_utf8_lossy(best.name), &self.info.name);
        let (offset, size) = (address - best.st_value, next.wrapping_sub(best.st_value));
        Some(format!("{name}+{offset:#x}/{size:#x} [{module}]"))
    }
}

/// Whether the kernel names addresses by a symbol.
fn is_shown(symbol: &Symbol<'_>) -> bool {
    symbol.st_shndx != SHN_UNDEF && !symbol.name.is_empty() && !is_mapping_symbol(symbol.name)
}
