//! A project of `klp-convert build`, with a script in place of make.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::machine::{Map, machines};
use crate::tool::{Run, Sandbox, program, run};

/// Puts the fixture that `fixture` names where kbuild links a module, and a line into `made` of the kernel.
/// A source with an error is refused like a compiler does.
pub(crate) const MAKE: &str = r#"#!/bin/sh
set -eu
for word; do
	case "$word" in
	M=*) lp=${word#M=} ;;
	/*) kernel=$word ;;
	KLP_FIXTURE=*) echo "fixture ${word#*=}" ;;
	esac
done
echo "$lp" >> "$kernel/made"
if grep -q ERROR "$lp/lp.c"; then
	echo "$lp/lp.c:7:2: error: unknown type name 'ERROR'"
	exit 2
fi
if test -e "$lp/break"; then
	echo "make: *** something is not installed"
	exit 2
fi
cp "$kernel/fixtures/$(cat "$lp/fixture")" "$lp/lp.ko"
echo lp.o > "$lp/modules.order"
cat > "$lp/.lp.o.cmd" <<EOF
savedcmd_$lp/lp.o := sh -c -o $lp/lp.o $lp/lp.c

source_$lp/lp.o := $lp/lp.c

deps_$lp/lp.o := \\
  $kernel/include/linux/module.h \\
  $lp/../../common/said.h \\

EOF
"#;

/// A project with two livepatches for two kernels, of two machines.
pub(crate) struct Project {
    bench: Sandbox,
}

impl Project {
    pub(crate) fn new() -> Self {
        let project = Self { bench: Sandbox::new() };
        for (name, machine) in ["first", "second"].iter().zip(machines()) {
            let kernel = project.bench.path(name);
            project.write(&format!("{name}/include/config/kernel.release"), "7.2.0\n");
            let title =
                format!("#\n# Linux/{name} 7.2.0 Kernel Configuration\n#\nCONFIG_MODULES=y\n");
            project.write(&format!("{name}/include/config/auto.conf"), &title);
            project.write(&format!("{name}/include/linux/module.h"), "");
            project.write(&format!("{name}/Makefile"), "");
            let fixtures = machine.path("lp_vmlinux_inferred.ko");
            let link = kernel.join("fixtures");
            std::os::unix::fs::symlink(fixtures.parent().unwrap(), link).unwrap();
            let map = project.bench.path(&format!("{name}.map"));
            let words = ["symbols", "build", "-q", "-o"].map(OsString::from);
            run(words.into_iter().chain([map.into()]).chain(machine.map(Map::Elf))).done();
        }
        for name in ["one", "two"] {
            project.write(&format!("patches/{name}/Kbuild"), "obj-m := lp.o\n");
            project.write(&format!("patches/{name}/lp.c"), name);
            project.write(&format!("patches/{name}/fixture"), "lp_vmlinux_inferred.ko");
        }
        project.write("common/said.h", "");
        project.write("bin/make", MAKE);
        let script = project.bench.path("bin/make");
        fs::set_permissions(script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        project.write("klp.toml", &project.toml());
        project
    }

    pub(crate) fn toml(&self) -> String {
        let target = |name: &str| {
            format!("[[target]]\nname = {name:?}\nkernel = {name:?}\nsymbols = [\"{name}.map\"]\n")
        };
        format!("patches = [\"patches/*\"]\n{}{}", target("first"), target("second"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.bench.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn build_in(&self, cache: &str, words: &[&str]) -> Run {
        self.build_by(program(), cache, words)
    }

    /// Builds with a call of the program.
    pub(crate) fn build_by(&self, mut build: Command, cache: &str, words: &[&str]) -> Run {
        let bin = self.bench.path("bin").into_os_string();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path: OsString = [bin, path].join(&OsString::from(":"));
        build.current_dir(self.bench.path(".")).arg("build").args(words);
        build.env("PATH", path).env("XDG_CACHE_HOME", self.bench.path(cache));
        Run::of(build.output().unwrap())
    }

    pub(crate) fn build(&self, words: &[&str]) -> Run {
        self.build_in("cache", words)
    }

    /// Builds, and says how each cell ended, and which livepatches were made anew, kernel by kernel.
    pub(crate) fn ends(&self, words: &[&str]) -> (Vec<String>, Vec<String>) {
        let before = ["first", "second"].map(|kernel| self.made(kernel).len());
        let report = self.build(&[words, &["--format", "json"]].concat()).json();
        let cells = report["cells"].as_array().unwrap().iter();
        let end = |cell: &Value| {
            let text = |key: &str| cell[key].as_str().unwrap().to_owned();
            format!("{}@{} {}", text("patch"), text("target"), text("end"))
        };
        let made = ["first", "second"].into_iter().zip(before).flat_map(|(kernel, before)| {
            let mut made = self.made(kernel).split_off(before);
            // Cells of one kernel are built side by side.
            made.sort();
            made.into_iter().map(move |patch| format!("{patch}@{kernel}"))
        });
        (cells.map(end).collect(), made.collect())
    }

    pub(crate) fn made(&self, kernel: &str) -> Vec<String> {
        let text = fs::read_to_string(self.bench.path(kernel).join("made")).unwrap_or_default();
        let name = |line: &str| Path::new(line).file_name().unwrap().to_str().unwrap().to_owned();
        text.lines().map(name).collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.bench.path(name)
    }

    /// The modules in a folder of results, by cell.
    pub(crate) fn modules(&self, folder: &str) -> Vec<Option<Vec<u8>>> {
        let read = |cell: &&str| fs::read(self.path(folder).join(cell).join("lp.ko")).ok();
        ["first/one", "first/two", "second/one", "second/two"].iter().map(read).collect()
    }
}
