//! Arguments of `klp-convert post-link` and `klp-convert create-klp-module`.

use std::path::PathBuf;

use clap::Args;
use klp_arch::KernelVersion;

use super::{Convert, Maps};
use crate::symbols::MODULE_MAX;

/// As `objtool klp post-link`: one file, replaced.
#[derive(Debug, Args)]
pub(in crate::cli) struct PostLink {
    /// The module, which is replaced; one without objtool's records stays as it is
    #[arg(value_name = "MODULE.ko")]
    pub(in crate::cli) module: PathBuf,
    /// Keep the sections __klp_relocs, and what objtool keeps of other relocations
    #[arg(long)]
    pub(in crate::cli) keep_intermediates: bool,
    #[command(flatten)]
    pub(in crate::cli) also: Also,
}

/// As kpatch's `create-klp-module`: one file from another.
#[derive(Debug, Args)]
pub(in crate::cli) struct CreateKlpModule {
    /// The module that create-diff-object and the link have made
    #[arg(value_name = "IN.ko")]
    pub(in crate::cli) input: PathBuf,
    /// Where the finished module goes
    #[arg(value_name = "OUT.ko")]
    pub(in crate::cli) output: PathBuf,
    /// Make no .klp.arch sections; without this option they are made for kernels before 5.8, which read them, and for no
    /// others
    #[arg(short = 'n', long = "no-klp-arch-sections")]
    pub(in crate::cli) no_klp_arch: bool,
    /// Print the plan: what is made, what is removed
    #[arg(short, long)]
    pub(in crate::cli) debug: bool,
    #[command(flatten)]
    pub(in crate::cli) also: Also,
}

/// What the tools themselves do not have.
#[derive(Debug, Args)]
pub(in crate::cli) struct Also {
    #[command(flatten)]
    maps: Maps,
    /// The map of the kernel for which positions were recorded, if it is another one
    #[arg(long, value_name = "FILE")]
    positions_from: Option<PathBuf>,
    /// Let code of a patched object use a module that the object does not depend on
    #[arg(long)]
    allow_undeclared_dependency: bool,
    /// The kernel that the livepatch is for, such as 5.14: older kernels have other limits
    #[arg(long = "target-kernel", value_name = "VERSION")]
    target: Option<KernelVersion>,
    /// Drop an appended module signature, which the conversion invalidates
    #[arg(long)]
    strip_signature: bool,
    /// Write even if the result breaks a rule of the kernel
    #[arg(long)]
    no_check: bool,
    /// Report every finding, not only the first 50 of each kind
    #[arg(long)]
    all: bool,
}

impl From<PostLink> for Convert {
    fn from(post_link: PostLink) -> Self {
        let PostLink { module, keep_intermediates, also } = post_link;
        Self { in_place: true, keep_intermediates, ..also.convert(module) }
    }
}

impl From<CreateKlpModule> for Convert {
    fn from(create: CreateKlpModule) -> Self {
        let CreateKlpModule { input, output, no_klp_arch, debug, also } = create;
        Self { output: Some(output), no_klp_arch, verbose: debug, ..also.convert(input) }
    }
}

impl Also {
    fn convert(self, input: PathBuf) -> Convert {
        Convert {
            input,
            output: None,
            in_place: false,
            dry_run: false,
            maps: self.maps,
            max_unpacked: MODULE_MAX >> 20,
            objects: Vec::new(),
            allow_undeclared_dependency: self.allow_undeclared_dependency,
            keep_module_exports: false,
            strip_signature: self.strip_signature,
            target: self.target,
            positions_from: self.positions_from,
            keep_intermediates: false,
            no_klp_arch: false,
            no_check: self.no_check,
            all: self.all,
            verbose: false,
            only_recorded: true,
        }
    }
}
