//! The samples for authors: each does what the comment in its source says.

use std::sync::Arc;

use klp_convert::convert::convert;
use klp_convert::options::Options;

use super::{CMDLINE, fits};
use crate::build;
use crate::case::Case;
use crate::failure::Failure;
use crate::kernel::TestKernel;
use crate::session::Session;
use crate::workshop::{GuestFile, Workshop};

/// Every case of this kind.
pub(crate) fn all() -> Vec<Arc<dyn Case + Send>> {
    SAMPLES.iter().map(|sample| Arc::new(sample) as _).collect()
}

/// A folder of `kbuild/samples`.
struct Sample {
    /// The folder, and its livepatch.
    name: &'static str,
    shows: &'static str,
    /// The other modules of the folder, in the order in which they are loaded.
    targets: &'static [&'static str],
    /// The file whose text the livepatch changes.
    path: &'static str,
    /// What is in it while patched, and otherwise not.
    says: &'static str,
    unfit: fn(&TestKernel) -> Option<String>,
}

/// The symbols of such a kernel are those of its boot image.
fn debug_information(kernel: &TestKernel) -> Option<String> {
    kernel.modules.is_some().then(|| "a boot image does not record source files".into())
}

static SAMPLES: [Sample; 8] = [
    Sample {
        name: "klp_inferred",
        shows: "sample: symbols of vmlinux that occur once",
        targets: &[],
        path: CMDLINE,
        says: " processes)\n",
        unfit: fits,
    },
    Sample {
        name: "klp_annotated",
        shows: "sample: a homonym of a module, annotated with its position",
        targets: &["klp_annotated_target"],
        path: "/proc/klp_annotated_target",
        says: "3 pears\n",
        unfit: fits,
    },
    Sample {
        name: "klp_module",
        shows: "sample: a module's function, and what the module hides",
        targets: &["klp_module_target"],
        path: "/proc/klp_module_target",
        says: "limit 42\n",
        unfit: fits,
    },
    Sample {
        name: "klp_other_module",
        shows: "sample: a symbol of another module than the patched one",
        targets: &["klp_other_module_owner", "klp_other_module_target"],
        path: "/proc/klp_other_module_target",
        says: "42 events\n",
        unfit: fits,
    },
    Sample {
        name: "klp_homonym",
        shows: "sample: one of two functions of one name is replaced, the other is not",
        targets: &["klp_homonym_target"],
        path: "/proc/klp_homonym_target",
        says: "first: 1\nsecond: livepatched, first has 1\n",
        unfit: fits,
    },
    Sample {
        name: "klp_homonym_debuginfo",
        shows: "sample: a homonym of vmlinux, chosen by its source file",
        targets: &[],
        path: CMDLINE,
        says: " (livepatched, 1)\n",
        unfit: debug_information,
    },
    Sample {
        name: "klp_static_key",
        shows: "sample: a static key of vmlinux",
        targets: &[],
        path: CMDLINE,
        says: " (livepatched, the clock runs)\n",
        unfit: fits,
    },
    Sample {
        name: "klp_callbacks",
        shows: "sample: callbacks that attach and free a shadow variable",
        targets: &["klp_callbacks_target"],
        path: "/proc/klp_callbacks_target",
        says: " reads, 1 since the patch\n",
        unfit: fits,
    },
];

impl Sample {
    fn is_patched(&self, session: &mut Session<'_>, is: bool) -> Result<(), Failure> {
        let text = session.read(self.path)?;
        if text.ends_with(self.says) == is {
            return Ok(());
        }
        let state = if is { "patched" } else { "not patched" };
        Err(format!("{state}, {} has {text:?}", self.path).into())
    }
}

impl Case for &'static Sample {
    fn name(&self) -> String {
        format!("sample/{}", self.name)
    }

    fn shows(&self) -> String {
        self.shows.into()
    }

    fn unfit(&self, kernel: &TestKernel) -> Option<String> {
        (self.unfit)(kernel)
    }

    fn files(&self, workshop: &Workshop) -> Result<Vec<GuestFile>, Failure> {
        let built = build::samples(&workshop.kernel)?;
        let path = |name: &str| built.join(name).with_extension("ko");
        let sources = workshop.kernel.sources(self.targets.iter().map(|target| path(target)));
        let livepatch = std::fs::read(path(self.name))?;
        let converted = convert(&livepatch, &sources, &Options::default());
        let converted =
            converted.map_err(|why| format!("{} is not converted: {why}", self.name))?;
        let mut files =
            vec![GuestFile { name: self.name.into(), bytes: converted.bytes.into_owned() }];
        for &name in self.targets {
            files.push(GuestFile { name: name.into(), bytes: std::fs::read(path(name))? });
        }
        Ok(files)
    }

    /// The livepatch is loaded after the modules that it patches, and before them.
    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        self.targets.iter().try_for_each(|target| session.insmod(target))?;
        self.is_patched(session, false)?;
        session.patch(self.name)?;
        self.is_patched(session, true)?;
        session.disable(self.name)?;
        self.is_patched(session, false)?;
        session.rmmod(self.name)?;
        self.is_patched(session, false)?;
        self.targets.iter().rev().try_for_each(|target| session.rmmod(target))?;

        session.patch(self.name)?;
        self.targets.iter().try_for_each(|target| session.insmod(target))?;
        self.is_patched(session, true)?;
        session.unpatch(self.name)?;
        self.is_patched(session, false)?;
        self.targets.iter().rev().try_for_each(|target| session.rmmod(target))
    }
}
