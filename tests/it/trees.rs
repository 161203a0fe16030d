//! Installed trees as in distributions: the README's command builds a map of each.
//!
//! [`Root`] is a root folder with a release in it, of real small modules and a small boot image.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bad_symbols::{gzip, xz};
use crate::fixtures::installed;
use crate::kernel_image::{Layout, Sample};
use crate::machine::machines;
use crate::symbols::{given, symbols};
use crate::tool::{Run, Sandbox};

const RELEASE: &str = "7.2.13";
const OLD: &str = "7.2.12";
pub(crate) const STAND_IN: &str =
    "ffffffffffffffff B The real System.map is in the linux-image-7.2.13-amd64-dbg package\n";

/// A root folder.
pub(crate) struct Root {
    pub(crate) bench: Sandbox,
    /// `lib/modules/RELEASE`, or that below `usr`.
    pub(crate) tree: PathBuf,
}

impl Root {
    pub(crate) fn new(modules: &str) -> Self {
        let bench = Sandbox::new();
        let tree = bench.path("root").join(modules).join(RELEASE);
        fs::create_dir_all(&tree).unwrap();
        for link in ["build", "source"] {
            symlink(Path::new("/usr/src/not/installed").join(link), tree.join(link)).unwrap();
        }
        let root = Self { bench, tree };
        root.put("modules.order", b"kernel/drivers/klp_target_a.ko\nkernel/klp_target_b.ko\n");
        root.put("modules.builtin", b"kernel/fs/ext4/ext4.ko\n");
        root.put("modules.builtin.modinfo", b"");
        root
    }

    /// Writes a file below the tree, or below the root if the path starts with `/`.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        match path.strip_prefix('/') {
            Some(below) => self.bench.path("root").join(below),
            None => self.tree.join(path),
        }
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.path(path)).unwrap();
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.bench.path("out.klpmap")
    }

    pub(crate) fn build(&self, further: &[&str]) -> Run {
        let words = ["build", "--kernel", self.tree.to_str().unwrap(), "-o"];
        let out = self.out();
        let words = [&words[..], &[out.to_str().unwrap()], further].concat();
        symbols(&words, [] as [&str; 0])
    }

    /// Builds the map of vmlinux and two modules; returns the output except the summary.
    #[track_caller]
    pub(crate) fn said(&self) -> Vec<String> {
        let run = self.build(&[]);
        let mut said: Vec<_> = run.done().stderr.lines().map(str::to_owned).collect();
        let summary = said.pop().unwrap();
        for part in ["kernel 7.2.13 (x86_64)", "vmlinux and 2 modules"] {
            assert!(summary.contains(part), "no '{part}' in: {summary}");
        }
        let root = format!("{}/", self.bench.path("root").display());
        said.into_iter().map(|line| line.replace(&root, "")).collect()
    }

    /// The build-id of a module in the map.
    pub(crate) fn build_id(&self, module: &str) -> String {
        let info = symbols(&["info", "-v"], given(&self.out()));
        let mut lines = info.done().stdout.lines();
        let line = lines.find(|line| line.starts_with(&format!("{module} "))).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    }
}

pub(crate) fn module(name: &str) -> Vec<u8> {
    machines().remove(0).read(&format!("klp_target_{name}.ko"))
}

/// The module from another build, whose build-id starts with `id`.
pub(crate) fn rebuilt(name: &str, id: u8) -> Vec<u8> {
    let mut bytes = module(name);
    let at = bytes.windows(4).position(|window| window == b"GNU\0").unwrap() + 4;
    bytes[at] = id;
    bytes
}

/// The module for the previous release.
fn old(name: &str) -> Vec<u8> {
    let mut bytes = module(name);
    let vermagic = format!("vermagic={RELEASE} ");
    let at = bytes.windows(vermagic.len()).position(|w| w == vermagic.as_bytes()).unwrap();
    bytes[at..at + vermagic.len()].copy_from_slice(format!("vermagic={OLD} ").as_bytes());
    bytes
}

/// A boot image of the modules' release, and its System.map.
pub(crate) fn kernel() -> (Vec<u8>, Vec<u8>) {
    let built = Sample::new(Layout::After, false).build();
    let mut bytes = built.bytes;
    let from = b"6.1.0-test (me@here) #1\n";
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + from.len()].copy_from_slice(b"7.2.13 (me@here)    #1 \n");
    let row = |(address, letter, name): &(u64, u8, String)| {
        format!("{address:016x} {} {name}\n", char::from(*letter))
    };
    (bytes, built.symbols.iter().map(row).collect::<String>().into())
}

#[test]
fn a_stock_debian_tree_gives_a_map() {
    // Debian 13: the boot image beside the tree.
    let root = Root::new("lib/modules");
    root.put("/boot/vmlinuz-7.2.13", &gzip(&kernel().0));
    root.put("/boot/System.map-7.2.13", STAND_IN.as_bytes());
    root.put("kernel/drivers/klp_target_a.ko.xz", &xz(&module("a")));
    root.put("kernel/klp_target_b.ko.xz", &xz(&module("b")));
    assert_eq!(root.said(), [""; 0]);
    // Debian 14: it is in the tree, below usr, with the placeholder.
    let root = Root::new("usr/lib/modules");
    root.put("vmlinuz", &gzip(&kernel().0));
    root.put("System.map", STAND_IN.as_bytes());
    root.put("config", b"CONFIG_LIVEPATCH=y\n");
    root.put("kernel/drivers/klp_target_a.ko.xz", &xz(&module("a")));
    root.put("kernel/klp_target_b.ko.xz", &xz(&module("b")));
    let said = "usr/lib/modules/7.2.13/System.map: skipped: a placeholder without symbols";
    assert_eq!(root.said(), [said]);
    let document = root.build(&["--format", "json"]).done().json();
    assert_eq!(document["notes"].as_array().unwrap().len(), 1);
    let note = &document["notes"][0];
    assert!(note["path"].as_str().unwrap().ends_with("/7.2.13/System.map"));
    assert_eq!(note["text"], "skipped: a placeholder without symbols");
    assert_eq!(root.build(&["-q"]).done().stderr, "");
    // With other text instead, or none.
    for text in ["", "# See the debug package.\n", "System.map was moved to /boot\n"] {
        root.put("System.map", text.as_bytes());
        assert_eq!(root.said(), [said], "{text}");
    }
}

#[test]
fn a_fedora_like_tree_gives_a_map() {
    let root = Root::new("usr/lib/modules");
    let (image, map) = kernel();
    root.put("vmlinuz", &gzip(&image));
    root.put("System.map", &map);
    root.put(".vmlinuz.hmac", b"00\n");
    root.put("config", b"CONFIG_LIVEPATCH=y\n");
    root.put("symvers.xz", &xz(&machines().remove(0).read("Module.symvers")));
    root.put("vdso/vdso64.so", b"\x7fELF");
    root.put("modules.dep", b"kernel/drivers/klp_target_a.ko.xz:\n");
    root.put("kernel/drivers/klp_target_a.ko.xz", &xz(&module("a")));
    root.put("kernel/klp_target_b.ko.xz", &xz(&module("b")));
    for folder in ["updates", "weak-updates", "systemtap"] {
        fs::create_dir(root.tree.join(folder)).unwrap();
    }
    assert_eq!(root.said(), [""; 0]);
    // A real System.map of another build is not a placeholder.
    root.put("System.map", b"ffff800080000000 T something_else\n");
    root.build(&[]).refused(&["KLP-E0502", "vmlinux"]);
}

#[test]
fn a_rhel_like_tree_gives_a_map_with_modules_of_another_release() {
    let root = Root::new("lib/modules");
    root.put("vmlinuz", &gzip(&kernel().0));
    root.put("/usr/lib/depmod.d/dist.conf", b"search updates extra built-in weak-updates\n");
    root.put("kernel/drivers/klp_target_a.ko.xz", &xz(&module("a")));
    root.put("/lib/modules/7.2.12/extra/b/klp_target_b.ko", &old("b"));
    root.link("weak-updates/b/klp_target_b.ko", "/lib/modules/7.2.12/extra/b/klp_target_b.ko");
    // The link, absolute as weak-modules makes it or relative, means a module of this root.
    for target in
        ["/lib/modules/7.2.12/extra/b/klp_target_b.ko", "../../../7.2.12/extra/b/klp_target_b.ko"]
    {
        root.remove("weak-updates/b/klp_target_b.ko");
        root.link("weak-updates/b/klp_target_b.ko", target);
        let said = root.said();
        assert!(said[0].starts_with("warning[KLP-W0731]"), "{said:?}");
        assert!(said[0].contains("klp_target_b.ko: built for '7.2.12'"), "{said:?}");
    }
    // A link to a module that is gone.
    root.link("weak-updates/c/klp_target_c.ko", "/lib/modules/7.2.12/extra/klp_target_c.ko");
    root.build(&[]).usage_or_io(&["KLP-E0601", "klp_target_c.ko", "which does not exist"]);
    let kept = root.build(&["--keep-going"]).done().stderr.clone();
    assert!(kept.contains("warning[KLP-E0601]") && kept.contains("2 modules"), "{kept}");
    // depmod found no file there, and modprobe will not look for one.
    let listed = "kernel/drivers/klp_target_a.ko.xz:\nweak-updates/b/klp_target_b.ko:\n";
    root.put("modules.dep", listed.as_bytes());
    let said = root.said();
    assert_eq!(
        said[0],
        "lib/modules/7.2.13/weak-updates/c/klp_target_c.ko: skipped: a symbolic link to \
         /lib/modules/7.2.12/extra/klp_target_c.ko, which does not exist; modules.dep does not list it"
    );
    let listed = format!("{listed}weak-updates/c/klp_target_c.ko:\n");
    root.put("modules.dep", listed.as_bytes());
    root.build(&[]).usage_or_io(&["KLP-E0601", "klp_target_c.ko", "which does not exist"]);
    root.remove("modules.dep");
    root.remove("weak-updates/c/klp_target_c.ko");
    // The kernel's own module takes precedence.
    root.put("kernel/klp_target_b.ko.xz", &xz(&module("b")));
    assert_eq!(
        root.said(),
        ["lib/modules/7.2.13/weak-updates/b/klp_target_b.ko: skipped: modprobe loads \
          kernel/klp_target_b.ko.xz, depmod searches built-in before weak-updates"]
    );
}

#[test]
fn an_opensuse_like_tree_gives_a_map() {
    let root = Root::new("usr/lib/modules");
    let (image, map) = kernel();
    root.put("vmlinux.xz", &xz(&image));
    root.link("vmlinuz", "/boot/vmlinuz-7.2.13");
    root.put("System.map", &map);
    root.put("symvers.gz", &gzip(&machines().remove(0).read("Module.symvers")));
    root.put("kernel/drivers/klp_target_a.ko.zst", &zstd::encode_all(&*module("a"), 1).unwrap());
    root.put("kernel/klp_target_b.ko.zst", &zstd::encode_all(&*module("b"), 1).unwrap());
    root.link("weak-updates/loop", "..");
    root.build(&[]).refused(&["weak-updates/loop", "leads back"]);
    root.remove("weak-updates/loop");
    assert_eq!(root.said(), [""; 0]);
    root.remove("vmlinuz");
    root.put("vmlinuz", &gzip(&image));
    assert_eq!(root.said(), ["usr/lib/modules/7.2.13/vmlinux.xz: skipped: vmlinuz is used"]);
}

#[test]
fn an_undecided_module_is_refused_and_not_in_the_map() {
    let root = Root::new("lib/modules");
    root.put("vmlinuz", &gzip(&kernel().0));
    root.put("kernel/klp_target_b.ko", &module("b"));
    root.put("kernel/klp_target_a.ko", &module("a"));
    root.put("extra/klp-target-a.ko.xz", &xz(&module("a")));
    // The same bytes: one module.
    let said = root.said();
    assert!(said[0].contains("which is identical"), "{said:?}");
    root.put("extra/klp-target-a.ko.xz", &xz(&rebuilt("a", 0xee)));
    let words = ["KLP-E0520", "extra/klp-target-a.ko.xz", "kernel/klp_target_a.ko"];
    root.build(&[]).refused(&words);
    let kept = root.build(&["--keep-going"]).done().stderr.clone();
    assert!(kept.contains("warning[KLP-E0520]") && kept.contains("1 modules"), "{kept}");
    // depmod decided.
    root.put("modules.dep", b"kernel/klp_target_b.ko:\nextra/klp-target-a.ko.xz:\n");
    assert!(root.said()[0].contains("which modules.dep lists"));
    assert!(root.build_id("klp_target_a").starts_with("ee"));
}

/// The file that modprobe loads, once depmod has run with the root's configuration.
fn loaded(root: &Root) -> String {
    let base = root.bench.path("root");
    let mut depmod = Command::new("depmod");
    depmod.arg("-b").arg(&base).arg("-C").arg(base.join("etc/depmod.d")).arg(RELEASE);
    assert!(depmod.status().unwrap().success());
    let mut modprobe = Command::new("modprobe");
    modprobe.args(["--show-depends", "-S", RELEASE, "-d"]).arg(&base).arg("klp_target_a");
    let output = modprobe.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let path = text.lines().last().unwrap().trim().strip_prefix("insmod ").unwrap().to_owned();
    let below = fs::canonicalize(&path).unwrap();
    let tree = fs::canonicalize(&root.tree).unwrap();
    below.strip_prefix(tree).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_module_that_modprobe_loads_is_the_one_in_the_map() {
    if !installed("depmod") || !installed("modprobe") {
        return;
    }
    let cases = [
        ("", vec!["kernel/drivers/klp_target_a.ko", "updates/dkms/klp_target_a.ko.xz"]),
        ("", vec!["updates/klp-target-a.ko", "kernel/klp_target_a.ko.xz", "build/klp_target_a.ko"]),
        ("search extra built-in", vec!["kernel/klp_target_a.ko", "extra/klp_target_a.ko"]),
        ("search extra updates", vec!["updates/x/klp_target_a.ko", "extra/klp_target_a.ko"]),
        ("search built-in extra", vec!["kernel/klp_target_a.ko", "extra/klp_target_a.ko"]),
        ("search extra", vec!["kernel/klp_target_a.ko", "extra/klp_target_a.ko"]),
        (
            "search updates ubuntu built-in weak-updates",
            vec!["weak-updates/klp_target_a.ko", "misc/klp_target_a.ko", "ubuntu/klp_target_a.ko"],
        ),
        (
            "search updates built-in\noverride klp_target_a 7.2.* weak-updates/b",
            vec!["updates/klp_target_a.ko", "weak-updates/b/klp_target_a.ko"],
        ),
        (
            "override klp_target_a 6.1 weak-updates/b",
            vec!["updates/klp_target_a.ko", "weak-updates/b/klp_target_a.ko"],
        ),
        // Only the file system's order decides here; depmod's result is used.
        ("dep", vec!["kernel/klp_target_a.ko", "extra/klp_target_a.ko"]),
        ("dep", vec!["updates/a/klp_target_a.ko", "updates/b/klp_target_a.ko.xz"]),
    ];
    for (configuration, files) in cases {
        let root = Root::new("lib/modules");
        root.remove("build");
        root.put("vmlinuz", &gzip(&kernel().0));
        root.put("kernel/klp_target_b.ko", &module("b"));
        for (id, file) in (0xe0_u8..).zip(&files) {
            let bytes = rebuilt("a", id);
            root.put(file, &if file.ends_with("xz") { xz(&bytes) } else { bytes });
        }
        let undecided = configuration == "dep";
        let text = if undecided { "" } else { configuration };
        root.put("/etc/depmod.d/test.conf", text.as_bytes());
        let loaded = loaded(&root);
        let id = (0xe0_u8..).zip(&files).find(|(_, file)| **file == loaded).unwrap().0;
        // From what depmod wrote, and from what it would write.
        for entry in fs::read_dir(&root.tree).unwrap().map(Result::unwrap) {
            if !undecided && entry.file_name().to_string_lossy().starts_with("modules.dep") {
                root.said();
                assert!(root.build_id("klp_target_a").starts_with(&format!("{id:x}")));
                fs::remove_file(entry.path()).unwrap();
            }
        }
        let others = files.iter().filter(|file| **file != loaded && !file.starts_with("build"));
        let said = root.said();
        assert_eq!(said.len(), others.count(), "{configuration}: {said:?}");
        assert!(said.iter().all(|line| line.contains(&loaded)), "{configuration}: {said:?}");
        assert!(root.build_id("klp_target_a").starts_with(&format!("{id:x}")), "{configuration}");
    }
}
