//! Command-line arguments.

mod annotate;
mod build;
mod convert;
mod diff;
mod drop_in;
mod inspect;
mod match_kernel;
mod new;
mod objdiff;
mod stats;

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{ArgGroup, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use klp_arch::KernelVersion;

use super::destination::is_stdout;
use super::region_base::RegionBase;
use crate::name::ObjectName;
use crate::symbols::MODULE_MAX;

pub(super) use annotate::Annotate;
pub(super) use build::{BuildMatrix, PlanForm};
pub(super) use convert::Convert;
pub(super) use diff::DiffModules;
pub(super) use drop_in::{CreateKlpModule, PostLink};
pub(super) use inspect::Inspect;
pub(super) use match_kernel::Match;
pub(super) use new::New;
pub(super) use objdiff::ObjDiff;
pub(super) use stats::Stats;

/// Makes Linux livepatch modules for x86_64, ppc64le, s390x and arm64, from any machine.
///
/// A livepatch uses kernel symbols that are not exported. klp-convert finds each in a map of the
/// kernel, uses the author's annotation if a name is ambiguous, refuses with the line to paste if
/// there is none, and rewrites the module for the kernel's livepatch loader to resolve them.
#[derive(Debug, Parser)]
#[command(
    name = "klp-convert",
    version,
    propagate_version = true,
    after_help = "Historical calls: klp-convert SYMBOLS IN OUT (v1 to v7), klp-convert IN OUT (minimal version).\n\
                  Called as objtool or create-klp-module, it finishes modules as those do.\n\
                  Exit codes: 0 done; 1 the input was refused; 2 usage or I/O."
)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of every command.
#[derive(Debug, ClapArgs)]
pub(super) struct Global {
    /// Form of reports: text for people, JSON for programs
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// Print only errors
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) color: colorchoice_clap::Color,
}

/// Form of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs: one document on stdout.
    Json,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Convert and check four bundled livepatches, one per machine; needs nothing else
    Demo,
    /// Convert a module into one that the livepatch loader accepts
    Convert(Convert),
    /// Finish a klp-build livepatch in place, as objtool klp post-link does; exit 255 if that fails
    PostLink(PostLink),
    /// Finish a kpatch livepatch, as kpatch's create-klp-module does
    CreateKlpModule(CreateKlpModule),
    /// Load modules in simulation, by the kernel's rules; exit 1 if one is refused or wrong
    Check(Check),
    /// Load a module in simulation and show the resulting memory
    Load(Load),
    /// Show klp sections, symbols, annotations; with a map, what names resolve to
    Inspect(Inspect),
    /// Show what differs between two livepatches, finished or not; exit 1 if anything does
    Diff(DiffModules),
    /// Show which functions a change really changed: objects before and after; exit 1 if any, 2 if it cannot be livepatched
    Objdiff(ObjDiff),
    /// Prove that objects are compiled as a kernel's were, from its boot image alone; exit 1 if they are not
    Match(Match),
    /// Build, query and compare maps of a kernel's symbols
    Symbols(Symbols),
    /// Show what livepatches cost a kernel, compare it, and hold it against a budget
    Stats(Stats),
    /// Explain an error code or a rule
    Explain(Explain),
    /// Show the relocation types that a machine's module loader knows
    Relocs(Relocs),
    /// Write what livepatch Makefiles include, or convert what kbuild has built
    Kbuild(Kbuild),
    /// Build, convert and check livepatches for many kernels, as klp.toml names them
    Build(BuildMatrix),
    /// Start a livepatch: its Makefile, its tables, and the functions to change
    New(New),
    /// Print what to write for names that a livepatch uses: declarations, selectors, candidates
    Annotate(Annotate),
    /// Print a completion script
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

impl Command {
    /// Whether `--verbose` is given; not every command has it.
    pub(super) fn is_verbose(&self) -> bool {
        match self {
            Self::Convert(convert) => convert.verbose,
            Self::CreateKlpModule(create) => create.debug,
            Self::Check(check) => check.verbose,
            Self::Load(load) => load.verbose,
            Self::Symbols(Symbols { command: SymbolsCommand::Info(info) }) => info.verbose,
            Self::Symbols(Symbols { command: SymbolsCommand::Build(build) }) => build.verbose,
            _ => false,
        }
    }
}

/// Heading of the options in [`Maps`]. Each option names it: a heading set for the struct would
/// also cover options that follow it.
const SYMBOLS: &str = "Kernel symbols";

/// The options of [`Maps`] that name a source.
const SOURCES: [&str; 8] =
    ["symbols", "kernel", "image", "vmlinux", "modules", "symvers", "system_map", "kallsyms"];

/// The sources of the target kernel's symbols; several together make one map.
#[derive(Debug, Default, ClapArgs)]
pub(super) struct Maps {
    /// A map made by 'symbols build', or a text list (symbols.klp, Symbols.list)
    #[arg(short, long = "symbols", help_heading = SYMBOLS, value_name = "FILE")]
    pub(super) symbols: Vec<PathBuf>,
    /// A kernel's build tree, or an installed one such as /lib/modules/RELEASE
    #[arg(long, help_heading = SYMBOLS, value_name = "DIR")]
    pub(super) kernel: Option<PathBuf>,
    /// The boot image, such as /boot/vmlinuz: it holds the kernel's own table of symbols
    #[arg(long, help_heading = SYMBOLS, value_name = "FILE")]
    pub(super) image: Option<PathBuf>,
    /// The linked kernel, with its symbol table
    #[arg(long, help_heading = SYMBOLS, value_name = "FILE")]
    pub(super) vmlinux: Option<PathBuf>,
    /// A module of the target kernel, or a folder of them; .ko, .ko.xz, .ko.gz, .ko.zst
    #[arg(long = "module", visible_alias = "modules", help_heading = SYMBOLS, value_name = "PATH")]
    pub(super) modules: Vec<PathBuf>,
    /// Exports of the target kernel: Module.symvers
    #[arg(long = "symvers", help_heading = SYMBOLS, value_name = "FILE")]
    pub(super) symvers: Vec<PathBuf>,
    /// System.map of the target kernel
    #[arg(long, help_heading = SYMBOLS, value_name = "FILE")]
    pub(super) system_map: Option<PathBuf>,
    /// A saved /proc/kallsyms of the target kernel
    #[arg(long, help_heading = SYMBOLS, value_name = "FILE")]
    pub(super) kallsyms: Option<PathBuf>,
    /// Accept symbols of another release than the module's vermagic
    #[arg(long)]
    pub(super) allow_stale_map: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Check {
    /// The modules to check, livepatches or not; .ko, .ko.xz, .ko.gz, .ko.zst
    #[arg(value_name = "MODULE.ko", required = true)]
    pub(super) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) maps: Maps,
    /// The most that a compressed module may unpack to
    #[arg(long, value_name = "MIB", default_value_t = MODULE_MAX >> 20)]
    pub(super) max_unpacked: u64,
    /// An object that the livepatches patch (repeatable), if tables are filled in at run time
    #[arg(long = "object", value_name = "NAME")]
    pub(super) objects: Vec<ObjectName>,
    /// Let code of a patched object use a module that the object does not depend on
    #[arg(long)]
    pub(super) allow_undeclared_dependency: bool,
    /// The kernel that the modules are for, such as 5.14: older kernels have other limits
    #[arg(long = "target-kernel", value_name = "VERSION")]
    pub(super) target: Option<KernelVersion>,
    /// Report every finding, not only the first 50 of each kind
    #[arg(long)]
    pub(super) all: bool,
    /// Print which kernel each module is assumed to be for, and where it was placed
    #[arg(short, long)]
    pub(super) verbose: bool,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("map").args(SOURCES).multiple(true).required(true))]
pub(super) struct Load {
    /// The module to load, livepatch or not; .ko, .ko.xz, .ko.gz, .ko.zst
    #[arg(value_name = "MODULE.ko")]
    pub(super) module: PathBuf,
    #[command(flatten)]
    pub(super) maps: Maps,
    /// The most that a compressed module may unpack to
    #[arg(long, value_name = "MIB", default_value_t = MODULE_MAX >> 20)]
    pub(super) max_unpacked: u64,
    /// Where a region goes, such as text=0xffffffffc0000000 (repeatable); others follow
    #[arg(long = "place", value_name = "REGION=0xADDRESS")]
    pub(super) bases: Vec<RegionBase>,
    /// An object to load, too (repeatable, in order): relocations that wait for it are written
    #[arg(long = "gate", value_name = "OBJECT")]
    pub(super) gates: Vec<ObjectName>,
    /// A new folder for the memory: a file for each region, and image.json
    #[arg(short, long, value_name = "DIR", value_parser = folder())]
    pub(super) output: Option<PathBuf>,
    /// The kernel that the module is for, such as 6.12: kernels lay out modules differently
    #[arg(long = "target-kernel", value_name = "VERSION")]
    pub(super) target: Option<KernelVersion>,
    /// Report every refusal, not only the first 50 of each kind
    #[arg(long)]
    pub(super) all: bool,
    /// Print which kernel it is assumed to be for, and every relocation
    #[arg(short, long)]
    pub(super) verbose: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Explain {
    /// An error code such as KLP-E0102, or a rule such as target-consumed
    #[arg(value_name = "CODE")]
    pub(super) code: String,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Relocs {
    /// A machine such as s390x; without it, all of them
    #[arg(value_name = "MACHINE")]
    pub(super) machine: Option<String>,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("map").args(SOURCES).multiple(true).requires("convert"))]
pub(super) struct Kbuild {
    /// Where klp-convert.h and klp.mk go, or the converted modules
    #[arg(short, long, value_name = "DIR", value_parser = folder(), required_unless_present = "tree")]
    pub(super) output: Option<PathBuf>,
    /// Convert and check what kbuild has built in this folder; what is up to date stays
    #[arg(long, value_name = "DIR", requires = "map")]
    pub(super) convert: Option<PathBuf>,
    /// Convert and check, in place, the livepatches of a kernel's build tree, by its own symbols
    #[arg(long, value_name = "DIR", conflicts_with_all = ["convert", "output", "map"])]
    pub(super) tree: Option<PathBuf>,
    #[command(flatten)]
    pub(super) maps: Maps,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Symbols {
    #[command(subcommand)]
    pub(super) command: SymbolsCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum SymbolsCommand {
    /// Make a map file of all symbols of a kernel and its modules
    Build(Build),
    /// Show every symbol of a name, and whether a livepatch can reach it
    Lookup(Lookup),
    /// Write the names as a text list
    Export(Export),
    /// Describe a map, and verify all of it
    Info(Info),
    /// Show which names changed meaning between two kernels
    Diff(Diff),
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("map").args(SOURCES).multiple(true).required(true))]
pub(super) struct Build {
    #[command(flatten)]
    pub(super) maps: Maps,
    /// Objects of the image's kernel, or a folder of them: source files for symbols that they prove (repeatable)
    #[arg(long = "match", value_name = "FILE.o", requires = "image", help_heading = SYMBOLS)]
    pub(super) matched: Vec<PathBuf>,
    /// Where the map goes, - for stdout
    #[arg(short, long, value_name = "MAP")]
    pub(super) output: PathBuf,
    /// Skip files that cannot be used, with a warning, instead of failing
    #[arg(long)]
    pub(super) keep_going: bool,
    /// Print which sources were read, and what each contains
    #[arg(short, long)]
    pub(super) verbose: bool,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("map").args(SOURCES).multiple(true).required(true))]
pub(super) struct Lookup {
    /// The names
    #[arg(value_name = "NAME", required = true)]
    pub(super) names: Vec<String>,
    #[command(flatten)]
    pub(super) maps: Maps,
}

/// A folder to write: standard output is none.
fn folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if is_stdout(&path) { Err("a folder cannot go to standard output") } else { Ok(path) }
    })
}

/// Form of an exported list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ListForm {
    /// symbols.klp, version 0.1.
    Klp,
    /// Lines as in /proc/kallsyms, with the addresses in the files.
    Kallsyms,
}

#[derive(Debug, ClapArgs)]
#[command(group = ArgGroup::new("map").args(SOURCES).multiple(true).required(true))]
pub(super) struct Export {
    #[command(flatten)]
    pub(super) maps: Maps,
    /// Where the list goes; without it, or with -, to stdout
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Form of the list
    #[arg(long = "as", value_enum, default_value_t = ListForm::Klp)]
    pub(super) form: ListForm,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Info {
    /// The map
    #[arg(short = 's', long = "symbols", value_name = "MAP")]
    pub(super) map: PathBuf,
    /// Print every object: its order, source files and build-id, if known
    #[arg(short, long)]
    pub(super) verbose: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct Diff {
    /// The map of the kernel that livepatches are built for
    #[arg(value_name = "OLD")]
    pub(super) old: PathBuf,
    /// The map of the kernel that they will be moved to
    #[arg(value_name = "NEW")]
    pub(super) new: PathBuf,
    /// Only the names that this module leaves undefined or annotates
    #[arg(long = "for", value_name = "MODULE.ko")]
    pub(super) module: Option<PathBuf>,
    /// Every change, a line each: names that compilers and macros make, too, and of gone modules
    #[arg(long)]
    pub(super) all: bool,
}
