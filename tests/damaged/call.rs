//! The commands that a damaged file is given to, each as a user writes it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::bases::{Base, Kind};
use crate::home::Home;
use crate::machine::{Machine, machines};
use crate::patch::Random;

/// The modules of a build tree.
pub(crate) const ORDER: &str = "klp_target_a.o\nklp_target_b.o\n";
/// A name that is in every kernel of the fixtures, and exported.
pub(crate) const ASKED: &str = "klp_enable_patch";

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Call {
    /// Of a module, with many at once.
    Check,
    Convert,
    Inspect,
    Load,
    /// `symbols build` with the file as the source.
    Build,
    Lookup,
    Export,
    Info,
    Diff,
    /// A good module is checked, or converted, with the file as its source of symbols.
    #[strum(serialize = "check of a module with it")]
    CheckWith,
    #[strum(serialize = "convert of a module with it")]
    ConvertWith,
}

impl Call {
    /// One that takes such a file.
    pub(crate) fn draw(kind: Kind, random: &mut Random) -> Self {
        let calls: &[Self] = match kind {
            // A process takes longer than a hundred modules of one process.
            Kind::Module if random.below(4) > 0 => &[Self::Check],
            Kind::Module | Kind::PackedModule => {
                &[Self::Check, Self::Convert, Self::Load, Self::Inspect, Self::Build]
            }
            Kind::Map => &[
                Self::Build,
                Self::Lookup,
                Self::Export,
                Self::Info,
                Self::Diff,
                Self::CheckWith,
                Self::ConvertWith,
            ],
            Kind::Tree => &[Self::Build, Self::ConvertWith],
            _ => &[Self::Build, Self::Build, Self::Lookup, Self::Export, Self::ConvertWith],
        };
        calls[random.below(calls.len())]
    }

    /// The words; `file` is the damaged one, and what the command writes is called `out`.
    pub(crate) fn words(self, base: &Base, home: &Home, file: &Path, out: &Path) -> Vec<OsString> {
        let source = |option: &str| vec![option.into(), file.as_os_str().to_owned()];
        let damaged = match base.kind {
            Kind::Module | Kind::PackedModule => source("--module"),
            Kind::Vmlinux => source("--vmlinux"),
            Kind::Image => source("--image"),
            Kind::Symvers => source("--symvers"),
            Kind::SystemMap => source("--system-map"),
            Kind::Kallsyms => source("--kallsyms"),
            Kind::List | Kind::Map => source("--symbols"),
            Kind::Tree => vec!["--kernel".into(), file.parent().unwrap().into()],
        };
        let map = || ["--symbols".into(), home.map.clone().into()];
        let out = || ["-o".into(), out.into()];
        let command = |words: &str| words.split(' ').map(OsString::from).collect::<Vec<_>>();
        let (file, good) = (file.into(), home.livepatch.clone().into());
        match self {
            Self::Check => [command("--format json check"), map().into(), vec![file]].concat(),
            Self::Convert => [command("convert"), map().into(), out().into(), vec![file]].concat(),
            Self::Inspect => [command("inspect"), map().into(), vec![file]].concat(),
            Self::Load => [command("load"), map().into(), out().into(), vec![file]].concat(),
            Self::Build => [command("symbols build"), damaged, out().into()].concat(),
            Self::Lookup => [command("symbols lookup"), damaged, command(ASKED)].concat(),
            Self::Export => [command("symbols export"), damaged, out().into()].concat(),
            Self::Info => [command("symbols info"), damaged].concat(),
            Self::Diff => [command("symbols diff"), vec![file, home.map.clone().into()]].concat(),
            Self::CheckWith => [command("check"), damaged, vec![good]].concat(),
            Self::ConvertWith => [command("convert"), damaged, out().into(), vec![good]].concat(),
        }
    }

    /// Whether it writes a file or a folder when it succeeds.
    pub(crate) fn writes(self) -> bool {
        matches!(self, Self::Convert | Self::Load | Self::Build | Self::Export | Self::ConvertWith)
    }

    /// Whether it uses another good file besides the map.
    pub(crate) fn uses_livepatch(self) -> bool {
        matches!(self, Self::CheckWith | Self::ConvertWith)
    }
}

/// The other files of a build tree, whole.
pub(crate) fn plant(tree: &Path, home: &Home) {
    let machine = machines().into_iter().find(|machine| machine.name == home.name);
    let machine: Machine = machine.expect("trees are of fixtures");
    fs::write(tree.join("modules.order"), ORDER).unwrap();
    for (name, file) in [
        ("vmlinux", "vmlinux.cut"),
        ("klp_target_a.ko", "klp_target_a.ko"),
        ("klp_target_b.ko", "klp_target_b.ko"),
        ("Module.symvers", "Module.symvers"),
    ] {
        fs::write(tree.join(name), machine.read(file)).unwrap();
    }
}
