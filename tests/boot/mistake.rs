//! Deliberate mistakes: a suite that passes despite one would prove nothing.

use clap::ValueEnum;
use klp_arch::Features;
use klp_convert::load::TargetKernel;
use klp_convert::name::{KLP_RELA_PREFIX, KLP_SYM_PREFIX};
use object::elf::{SectionFlags, SymbolSection};

use crate::image::{Image, RELA_LIVEPATCH, SHN_LIVEPATCH};
use crate::patch::Patched;

/// A mistake in converting or loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, strum::Display)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Mistake {
    /// Positions are 2 for 1 and 1 for 2
    Position,
    /// Gate and owner have changed places
    GateOwner,
    /// The room for stubs is short by one
    StubRoom,
    /// Relocations are left behind in an ordinary section
    LeftBehind,
    /// The section of a klp symbol is written in the other byte order
    ByteOrder,
}

impl Mistake {
    /// A converted livepatch with the mistake.
    pub(crate) fn convert(self, bytes: Vec<u8>) -> Vec<u8> {
        let image = Image::read(&bytes);
        let patched = Patched::new(bytes);
        let symbols = image.symbols.iter().enumerate();
        let klp = symbols.filter(|(_, symbol)| symbol.section == SHN_LIVEPATCH);
        match self {
            Self::Position => klp.fold(patched, |patched, (index, symbol)| {
                let (name, position) = symbol.name.rsplit_once(',').unwrap();
                let position = match position {
                    "1" => "2",
                    "2" => "1",
                    other => other,
                };
                patched.rename(index, &format!("{name},{position}"))
            }),
            Self::GateOwner => {
                let sections = image.klp_sections();
                let sections = sections.filter_map(|s| parts(&s.name, KLP_RELA_PREFIX));
                let sections: Vec<_> = sections.collect();
                let symbols = klp.filter_map(|(index, s)| {
                    parts(&s.name, KLP_SYM_PREFIX).map(|(owner, rest)| (index, owner, rest))
                });
                let symbols: Vec<_> = symbols.collect();
                // A livepatch may have no klp relocations.
                let (Some((gate, _)), Some((_, owner, _))) = (sections.first(), symbols.first())
                else {
                    return patched.bytes;
                };
                let patched = sections.iter().fold(patched, |patched, (gate, rest)| {
                    let wrong = format!("{KLP_RELA_PREFIX}{owner}.{rest}");
                    patched.rename_section(&format!("{KLP_RELA_PREFIX}{gate}.{rest}"), &wrong)
                });
                symbols.iter().fold(patched, |patched, (index, _, rest)| {
                    patched.rename(*index, &format!("{KLP_SYM_PREFIX}{gate}.{rest}"))
                })
            }
            Self::LeftBehind => image.klp_sections().take(1).fold(patched, |patched, section| {
                let plain = section.name.replacen(KLP_RELA_PREFIX, ".rela.", 1);
                let patched = patched.section(&section.name, |s, e| {
                    s.sh_flags.set(e, SectionFlags(s.sh_flags.get(e).0 & !RELA_LIVEPATCH));
                });
                patched.rename_section(&section.name, &plain)
            }),
            Self::ByteOrder => klp.take(1).fold(patched, |patched, (index, _)| {
                patched.symbol(index, |s, e| {
                    s.st_shndx.set(e, SymbolSection(s.st_shndx.get(e).0.swap_bytes()));
                })
            }),
            Self::StubRoom => patched,
        }
        .bytes
    }

    /// Makes a kernel reserve less room.
    pub(crate) fn reserve(self, kernel: &mut TargetKernel) {
        if self == Self::StubRoom {
            // The entry for `ftrace_regs_caller`.
            kernel.configuration.features.remove(Features::DYNAMIC_FTRACE_WITH_REGS);
        }
    }
}

/// The object and the rest of `PREFIX OBJECT . REST`.
fn parts<'a>(name: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    name.strip_prefix(prefix)?.split_once('.')
}
