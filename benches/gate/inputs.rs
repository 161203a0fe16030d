//! What benchmarks read: generated files, and livepatches of the repository, made anew in each run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::generate::kernel::{boot_image, kernel_module, vmlinux};
use crate::generate::{Shape, module, relinked, text_list};

/// Sizes of what grows.
pub(crate) const SIZES: [u64; 4] = [1, 2, 4, 8];
/// Modules and symbols of vmlinux in the smallest kernel.
const MODULES: u64 = 24;
const SYMBOLS: u64 = 2500;
/// Lines of the list of symbols, and of one that takes most of a conversion.
const LINES: u64 = 5000;
const MANY_LINES: u64 = 100_000;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("gate")
}

/// Waits for any other run to end; until this is dropped, none begins.
pub(crate) fn lock() -> fs::File {
    let file = fs::File::create(folder().with_extension("lock")).unwrap();
    file.lock().unwrap();
    file
}

/// A module of this many eighths of the large one.
pub(crate) fn part(size: u64) -> Shape {
    let Shape { symbols, relocations, convert } = Shape::LARGE;
    Shape { symbols: symbols * size / 8, relocations: relocations * size / 8, convert }
}

/// A module in which little but names is resolved: so many of them.
fn named(size: u64) -> Shape {
    Shape { symbols: 1200, relocations: 1200, convert: size * 125 }
}

/// Writes all.
pub(crate) fn make() {
    let folder = folder();
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    write("list.klp", &text_list(LINES));
    write("long-list.klp", &text_list(MANY_LINES));
    write("small.ko", &module(Shape::SMALL));
    write("image.gz", &boot_image(SYMBOLS));
    for size in SIZES {
        write(&format!("module-{size}.ko"), &module(part(size)));
        write(&format!("relinked-{size}.ko"), &relinked(part(size)));
        write(&format!("names-{size}.ko"), &module(named(size)));
        write(&format!("vmlinux-{size}"), &vmlinux(size * SYMBOLS));
        let modules = folder.join(format!("modules-{size}"));
        fs::create_dir(&modules).unwrap();
        for number in 0..size * MODULES {
            fs::write(modules.join(format!("module_{number:04}.ko")), kernel_module(number))
                .unwrap();
        }
    }
    fs::create_dir(folder.join("packed")).unwrap();
    for number in 0..MODULES {
        let file =
            fs::File::create(folder.join(format!("packed/module_{number:04}.ko.xz"))).unwrap();
        let mut packed = liblzma::write::XzEncoder::new(file, 6);
        std::io::Write::write_all(&mut packed, &kernel_module(number)).unwrap();
        packed.finish().unwrap();
    }
    program(&[
        "symbols",
        "build",
        "--vmlinux",
        "vmlinux-8",
        "--modules",
        "modules-8",
        "-o",
        "8.map",
    ]);
    fixtures();
}

/// The livepatches of the repository, with a map of their kernel, and one converted.
fn fixtures() {
    let from = Path::new("tests/fixtures/x86_64");
    for file in fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        fs::copy(&path, folder().join(path.file_name().unwrap())).unwrap();
    }
    let words = ["symbols", "build", "--vmlinux", "vmlinux.cut", "--symvers", "Module.symvers"];
    let modules =
        ["--module", "klp_target_a.ko", "--module", "klp_target_b.ko", "-o", "kernel.map"];
    program(&[&words[..], &modules].concat());
    for name in ["lp_vmlinux_inferred", "lp_module_symbols", "lp_many_objects", "lp_many_sections"]
    {
        let (from, to) = (format!("{name}.ko"), format!("converted-{name}.ko"));
        program(&["convert", &from, "-s", "kernel.map", "-o", &to]);
    }
}

fn program(words: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klp-convert"));
    command.args(words).current_dir(folder()).stdout(Stdio::null());
    let ended = command.output().unwrap();
    assert!(ended.status.success(), "{words:?}: {}", String::from_utf8_lossy(&ended.stderr));
}
