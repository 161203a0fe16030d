//! Runs of the program under strace, and how they end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::bad_symbols::{gzip, xz};
use crate::machine::{Map, machines};
use crate::tool::{Sandbox, program};
use crate::trees::{Root, kernel, module, rebuilt};

use super::{End, Fault};

/// How the names of temporary files start.
const TEMPORARY: &str = ".klp-convert-";

/// A call of the program: its words, what is there before, and what it makes.
pub(super) struct Call {
    pub(super) name: &'static str,
    words: &'static [&'static str],
    /// Whether there is an old output.
    over: bool,
}

const OLD: &[u8] = b"the old one";
const OUTPUT: &str = "output";

/// A map file.
const MAP: &str = "kernel.map";

/// An installed kernel, below the folder of the run.
const TREE: &str = "root/lib/modules/7.2.13";

pub(super) const CALLS: [Call; 7] = [
    Call { name: "`convert -o NEW`", words: &["convert", "in.ko", "-o", OUTPUT], over: false },
    Call { name: "`convert -o OLD`", words: &["convert", "in.ko", "-o", OUTPUT], over: true },
    Call {
        name: "`convert -s MAP -o OLD`",
        words: &["convert", "in.ko", "-s", MAP, "-o", OUTPUT],
        over: true,
    },
    Call { name: "`convert --in-place`", words: &["convert", OUTPUT, "--in-place"], over: false },
    Call { name: "`symbols build -o OLD`", words: &["symbols", "build", "-o", OUTPUT], over: true },
    Call {
        name: "`symbols build --kernel`",
        words: &["symbols", "build", "--kernel", TREE, "-o", OUTPUT],
        over: true,
    },
    Call { name: "`load -o NEW`", words: &["load", "target.ko", "-o", OUTPUT], over: false },
];

/// The map file of the machine, which is made once.
fn map() -> &'static [u8] {
    static MADE: OnceLock<Vec<u8>> = OnceLock::new();
    MADE.get_or_init(|| {
        let bench = Sandbox::new();
        let mut command = program();
        command.args(["symbols", "build", "-q", "-o"]).arg(bench.path(MAP));
        let output = command.args(machines().remove(0).map(Map::Elf)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        fs::read(bench.path(MAP)).unwrap()
    })
}

impl Call {
    /// A folder in which it can be run.
    fn bench(&self) -> Sandbox {
        let (bench, machine) = (tree(), machines().remove(0));
        let input = fs::read(machine.path("lp_two_owners.ko")).unwrap();
        bench.file("in.ko", &input);
        bench.file("target.ko", &fs::read(machine.path("klp_target_a.ko")).unwrap());
        if self.words.contains(&MAP) {
            bench.file(MAP, map());
        }
        if self.words.contains(&"--in-place") {
            bench.file(OUTPUT, &input);
        } else if self.over {
            bench.file(OUTPUT, OLD);
        }
        bench
    }

    /// Runs it under strace with these options.
    fn run(&self, bench: &Sandbox, strace: &[&str]) -> Output {
        let mut words: Vec<OsString> = self.words.iter().map(OsString::from).collect();
        if !self.words.contains(&"--kernel") && !self.words.contains(&MAP) {
            words.extend(machines().remove(0).map(Map::Elf));
        }
        let mut command = Command::new("strace");
        command.args(["-qq", "-o"]).arg(bench.path("trace")).args(strace);
        // One thread, so that the numbers of the calls mean the same in each run: no other can be started.
        command.args(["-e", "inject=clone,clone3:error=EAGAIN"]);
        command.arg(program().get_program()).args(words);
        // cargo's: the dynamic linker would search there.
        command.env("NO_COLOR", "1").env_remove("LD_LIBRARY_PATH");
        command.current_dir(bench.path("")).stdin(Stdio::null()).output().unwrap()
    }

    /// How often each call is made without a fault, with these options of strace, and the output.
    pub(super) fn undisturbed(&self, strace: &[&str]) -> (BTreeMap<String, usize>, Contents) {
        let bench = self.bench();
        let output = self.run(&bench, strace);
        assert!(output.status.success(), "{output:?}");
        let mut calls = BTreeMap::new();
        for line in fs::read_to_string(bench.path("trace")).unwrap().lines() {
            if let Some((call, _)) = line.split_once('(') {
                *calls.entry(call.to_owned()).or_default() += 1;
            }
        }
        (calls, contents(&bench.path(OUTPUT)))
    }

    /// How it ends with a fault; what is wrong with that.
    pub(super) fn disturbed(
        &self,
        fault: Fault,
        call: &str,
        number: usize,
        whole: &Contents,
    ) -> Result<End, String> {
        let bench = self.bench();
        let old = contents(&bench.path(OUTPUT));
        let output = self.run(&bench, &["-e", &fault.injected(call, number)]);
        let said = String::from_utf8_lossy(&output.stderr);
        let now = contents(&bench.path(OUTPUT));
        let (is_old, is_whole) = (now == old, now == *whole);
        let left = bench.files().into_iter().any(|name| name.starts_with(TEMPORARY));
        // A message that could not be written is none.
        let is_told = said.contains("error") || call == "write";
        let wrong = |what| {
            let status = output.status;
            Err(format!("{}: {fault} at {call} {number}: {what}: {status}\n{said}", self.name))
        };
        if !is_old && !is_whole {
            return wrong("neither the old output nor the whole new one");
        }
        match (output.status.code(), output.status.signal()) {
            (None, Some(9)) if is_old => Ok(End::Killed),
            (None, Some(9)) => Ok(End::KilledLate),
            _ if left => wrong("a temporary file is left"),
            (Some(0), _) if !is_whole => wrong("success without the output"),
            (Some(0), _) => Ok(End::Done),
            (Some(127), _) if said.contains("error while loading shared libraries") => {
                Ok(End::NotStarted)
            }
            (Some(1 | 2), _) if !is_told => wrong("no message"),
            (Some(1 | 2), _) if is_old => Ok(End::Refused),
            (Some(1 | 2), _) => Ok(End::RefusedLate),
            _ => wrong("not an end of the program's own"),
        }
    }
}

/// A folder with an installed kernel that has what each kind of them has.
fn tree() -> Sandbox {
    let root = Root::new("lib/modules");
    let (image, map) = kernel();
    root.put("/boot/vmlinuz-7.2.13", &gzip(&image));
    root.put("System.map", &map);
    root.put("symvers.xz", &xz(&machines().remove(0).read("Module.symvers")));
    root.put("modules.dep", b"updates/klp_target_a.ko.xz:\nkernel/klp_target_b.ko.xz:\n");
    root.put("updates/klp_target_a.ko.xz", &xz(&module("a")));
    root.put("kernel/drivers/klp_target_a.ko.xz", &xz(&rebuilt("a", 7)));
    root.put("kernel/klp_target_b.ko.xz", &xz(&module("b")));
    root.put("/lib/depmod.d/dist.conf", b"search extra updates built-in\n");
    root.bench
}

/// A file, or the files of a folder; `None` where nothing is.
pub(super) type Contents = Option<BTreeMap<OsString, Vec<u8>>>;

fn contents(path: &Path) -> Contents {
    if path.is_dir() {
        let files = fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
        return Some(files.map(|e| (e.file_name(), fs::read(e.path()).unwrap())).collect());
    }
    Some([(OsString::new(), fs::read(path).ok()?)].into())
}
