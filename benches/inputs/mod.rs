//! The kernel for the figures of maps: a distribution's or a generated one.
//!
//! Everything is below `CARGO_TARGET_TMPDIR` and kept for the next run.

use std::fs;
use std::path::{Path, PathBuf};

use super::generate::kernel::{kernel_module, vmlinux};
use super::generate::{Shape, module};
use super::measure::DOUBLINGS;
use super::peers::{below, decoder, share};

const KERNEL: &str = "KLP_DISTRIBUTION_KERNEL";
/// Of the generated kernel an eighth: modules, and symbols of vmlinux.
const MODULES: u64 = 527;
const SYMBOLS: u64 = 20_000;
/// Threads of the baselines: the promises are for two CPUs.
pub(crate) const THREADS: usize = 2;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("symbols")
}

/// The kernel of the figures.
pub(crate) struct Kernel {
    pub(crate) name: String,
    /// The option for the file, and the file.
    pub(crate) image: (&'static str, PathBuf),
    pub(crate) plain: Vec<PathBuf>,
    pub(crate) packed: PathBuf,
    /// A livepatch for it, and one for the program without a map.
    pub(crate) livepatch: PathBuf,
    pub(crate) without: PathBuf,
}

pub(crate) fn parts(times: u64) -> Vec<PathBuf> {
    (0..times).map(|part| folder().join(format!("part-{part}"))).collect()
}

pub(crate) fn generated_image(times: u64) -> PathBuf {
    folder().join(format!("vmlinux-{times}"))
}

impl Kernel {
    pub(crate) fn given() -> Option<Self> {
        let kernel = PathBuf::from(std::env::var_os(KERNEL)?);
        let image = below(&kernel, "/vmlinuz").into_iter().next().unwrap();
        let fixture = |name: &str| Path::new("tests/fixtures/x86_64").join(name);
        Some(Self {
            name: kernel.file_name().unwrap().to_string_lossy().into_owned(),
            packed: image.parent().unwrap().to_owned(),
            image: ("--image", image),
            plain: vec![folder().join("plain")],
            livepatch: fixture("lp_vmlinux_inferred.ko"),
            without: fixture("lp_vmlinux_annotated_name.ko"),
        })
    }

    pub(crate) fn generated() -> Self {
        Self {
            name: "generated kernel".into(),
            image: ("--vmlinux", generated_image(8)),
            plain: parts(8),
            packed: folder().join("packed"),
            livepatch: folder().join("small.ko"),
            without: folder().join("bare.ko"),
        }
    }

    pub(crate) fn modules(&self) -> Vec<PathBuf> {
        self.plain.iter().flat_map(|folder| below(folder, ".ko")).collect()
    }
}

/// Writes every missing input.
pub(crate) fn make_inputs() {
    let root = folder();
    fs::create_dir_all(&root).unwrap();
    let once = |name: &str, of: &str, make: &dyn Fn()| {
        let mark = root.join(format!("{name}.done"));
        if fs::read(&mark).is_ok_and(|text| text == of.as_bytes()) {
            return;
        }
        make();
        fs::write(mark, of).unwrap();
    };
    once("generated", &format!("{MODULES} {SYMBOLS}"), &|| {
        for times in DOUBLINGS {
            fs::write(generated_image(times), vmlinux(times * SYMBOLS)).unwrap();
        }
        for (part, folder) in (0..).zip(parts(8)) {
            fs::create_dir_all(&folder).unwrap();
            for number in part * MODULES..(part + 1) * MODULES {
                let module = kernel_module(number);
                fs::write(folder.join(format!("module_{number:04}.ko")), module).unwrap();
            }
        }
        fs::write(root.join("small.ko"), module(Shape::SMALL)).unwrap();
        fs::write(root.join("bare.ko"), module(Shape { convert: 0, ..Shape::SMALL })).unwrap();
    });
    let Some(kernel) = Kernel::given() else {
        return once("packed", "1", &|| {
            let kernel = Kernel::generated();
            fs::create_dir_all(&kernel.packed).unwrap();
            share(THREADS, &kernel.modules(), |module, _| {
                let name = module.file_name().unwrap().to_str().unwrap();
                let file = fs::File::create(kernel.packed.join(format!("{name}.xz"))).unwrap();
                let mut packed = liblzma::write::XzEncoder::new(file, 6);
                std::io::copy(&mut fs::File::open(module).unwrap(), &mut packed).unwrap();
                packed.finish().unwrap();
            });
        });
    };
    once("plain", &kernel.name, &|| {
        let plain = &kernel.plain[0];
        let _ = fs::remove_dir_all(plain);
        share(THREADS, &below(&kernel.packed, ".ko.xz"), |module, _| {
            let to = plain.join(module.strip_prefix(&kernel.packed).unwrap()).with_extension("");
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let bytes = fs::read(module).unwrap();
            std::io::copy(&mut decoder(&bytes), &mut fs::File::create(to).unwrap()).unwrap();
        });
    });
}
