//! Runs the program as people and build scripts do.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::machine::{Machine, Map};

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let code = output.status.code().unwrap_or_else(|| panic!("killed: {stderr}"));
        assert_ne!(code, 101, "{stderr}");
        Self { code, stdout: String::from_utf8(output.stdout).expect("UTF-8"), stderr }
    }

    /// The run succeeded.
    #[track_caller]
    pub(crate) fn done(&self) -> &Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    /// The run refused its input: exit code 1, empty stdout, and all of `words` on stderr.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str]) -> &Self {
        self.failed(1, words)
    }

    /// The run ended with a usage or I/O error: exit code 2, empty stdout, and all of `words` on
    /// stderr.
    #[track_caller]
    pub(crate) fn usage_or_io(&self, words: &[&str]) -> &Self {
        self.failed(2, words)
    }

    #[track_caller]
    fn failed(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert_eq!(self.stdout, "", "stdout is for results");
        for word in words {
            assert!(self.stderr.contains(word), "no '{word}' in:\n{}", self.stderr);
        }
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }
}

/// The program, with empty standard input and no colours.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klp-convert"));
    command.stdin(Stdio::null()).env_remove("CLICOLOR_FORCE").env("NO_COLOR", "1");
    command
}

/// As [`program`], with the usual answer to Ctrl-C: where the tests are started in the background it is ignored.
pub(crate) fn interruptible() -> Command {
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(program().get_program());
    command.stdin(Stdio::null()).env("NO_COLOR", "1");
    command
}

/// The option that a livepatch needs whose code for one target uses the other.
pub(crate) fn undeclared(module: &Path) -> Option<OsString> {
    let crosses = module.file_stem().is_some_and(|stem| stem == "lp_cross_module");
    crosses.then(|| "--allow-undeclared-dependency".into())
}

pub(crate) fn run<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Run {
    Run::of(program().args(words).output().expect("the program starts"))
}

/// Runs a shell script with the program as `$0` and the arguments from `$1` on.
pub(crate) fn shell(script: &str, arguments: &[&Path]) -> Run {
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_klp-convert")]).args(arguments);
    Run::of(command.stdin(Stdio::null()).output().expect("sh starts"))
}

/// A directory for one test's input and output.
#[derive(Debug)]
pub(crate) struct Sandbox {
    directory: TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file; returns its path.
    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.path("out.ko")
    }

    pub(crate) fn written(&self) -> Vec<u8> {
        std::fs::read(self.output()).expect("an output")
    }

    /// Names of the files in it, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// Converts a file into [`Sandbox::output`] with a machine's maps.
    pub(crate) fn convert(&self, input: &Path, machine: &Machine, map: Map) -> Run {
        self.convert_with(input, machine.map(map).into_iter().chain(undeclared(input)))
    }

    /// Converts a file into [`Sandbox::output`] with further arguments.
    pub(crate) fn convert_with<S: Into<OsString>>(
        &self,
        input: &Path,
        further: impl IntoIterator<Item = S>,
    ) -> Run {
        let mut words: Vec<OsString> = vec!["convert".into(), input.into(), "-o".into()];
        words.push(self.output().into());
        words.extend(further.into_iter().map(Into::into));
        run(words)
    }

    /// A conversion that is refused with all of `words`, without and with an old output: no file
    /// appears, none changes.
    #[track_caller]
    pub(crate) fn refuses<S: Into<OsString>>(
        &self,
        input: &Path,
        further: impl IntoIterator<Item = S>,
        words: &[&str],
    ) {
        let further: Vec<OsString> = further.into_iter().map(Into::into).collect();
        let before = self.files();
        self.convert_with(input, further.clone()).refused(words);
        assert_eq!(self.files(), before, "a refused conversion left a file");
        self.file("out.ko", b"old");
        self.convert_with(input, further).refused(words);
        assert_eq!(self.written(), b"old", "a refused conversion touched the old output");
        std::fs::remove_file(self.output()).unwrap();
        assert_eq!(self.files(), before, "a refused conversion left a file");
    }
}
