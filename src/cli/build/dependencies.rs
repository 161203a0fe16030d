//! What a compiler has read, by the `.cmd` files that kbuild leaves.
//!
//! Source: `scripts/basic/fixdep.c`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// What a compiler runs.
const PROGRAMS: [&str; 3] = ["cc1", "as", "ld"];

/// A `.cmd` file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Commands {
    /// The words of the command.
    compiler: Vec<String>,
    /// The files that were read.
    files: Vec<PathBuf>,
}

impl Commands {
    fn of(text: &str) -> Self {
        let mut commands = Self::default();
        for line in text.lines() {
            if let Some((name, value)) = line.split_once(" := ") {
                if name.starts_with("cmd_") || name.starts_with("savedcmd_") {
                    commands.compiler = value.split(' ').map(str::to_owned).collect();
                }
                if name.starts_with("source_") {
                    commands.files.push(value.into());
                }
            } else if let Some(path) = line.strip_prefix("  ") {
                let path = path.trim_end_matches('\\').trim();
                if !path.is_empty() && !path.starts_with('$') {
                    commands.files.push(path.into());
                }
            }
        }
        commands
    }
}

/// The compilers of all builds, and the programs that each runs.
#[derive(Debug, Default)]
pub(super) struct Compilers(Mutex<BTreeMap<String, Vec<String>>>);

/// What a build has read.
#[derive(Debug, Default)]
pub(super) struct WasRead {
    pub(super) files: Vec<PathBuf>,
    /// As they were called: in `PATH` another one may be first the next time.
    pub(super) programs: Vec<String>,
}

impl Compilers {
    /// All files that were read for what is in a folder, programs included. Relative paths are from the folder
    /// that kbuild was in: the kernel's, or, since Linux 6.13, the module's.
    pub(super) fn read_for(&self, folder: &Path, kernel: &Path) -> WasRead {
        let mut read = WasRead::default();
        let entries = walkdir::WalkDir::new(folder).into_iter().flatten();
        for entry in entries.filter(|entry| entry.path().extension() == Some(OsStr::new("cmd"))) {
            let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
            let Commands { compiler, files } = Commands::of(&text);
            if files.is_empty() {
                continue;
            }
            if let Some(program) = compiler.iter().find(|word| !word.ends_with("ccache")) {
                read.programs.extend(self.programs(program));
            }
            read.files.extend(files.into_iter().map(|file| {
                let inside = folder.join(&file);
                if inside.exists() { inside } else { kernel.join(file) }
            }));
        }
        read.files.sort_unstable();
        read.files.dedup();
        read
    }

    /// A compiler, and the programs that it runs.
    fn programs(&self, compiler: &str) -> Vec<String> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(programs) = known.get(compiler) {
            return programs.clone();
        }
        let mut programs = vec![compiler.to_owned()];
        for program in PROGRAMS {
            let output = Command::new(compiler).arg(format!("-print-prog-name={program}")).output();
            let text = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
            programs
                .extend(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()));
        }
        known.insert(compiler.to_owned(), programs.clone());
        programs
    }
}

/// A program's file, without links.
pub(super) fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|_| !program.contains('/'));
    let files = folders.map(|folder| folder.join(program)).chain([PathBuf::from(program)]);
    files.filter(|file| file.is_file()).find_map(|file| file.canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_the_compiler_are_read_in_the_form_of_each_kernel() {
        for name in ["cmd", "savedcmd"] {
            let text = format!(
                "{name}_/lp/lp.o := gcc-12 -Wp,-MMD,/lp/.lp.o.d -c -o /lp/lp.o /lp/lp.c\n\nsource_/lp/lp.o := /lp/lp.c\n\n\
                 deps_/lp/lp.o := \\\n    $(wildcard include/config/SMP) \\\n  ./include/linux/kconfig.h \\\n  /lp/lp.h \\\n\n\
                 /lp/lp.o: $(deps_/lp/lp.o)\n\n$(deps_/lp/lp.o):\n"
            );
            let commands = Commands::of(&text);
            assert_eq!(commands.compiler.first().map(String::as_str), Some("gcc-12"));
            let files = ["/lp/lp.c", "./include/linux/kconfig.h", "/lp/lp.h"];
            assert_eq!(commands.files, files.map(PathBuf::from));
        }
    }

    #[test]
    fn a_link_reads_no_sources() {
        let commands =
            Commands::of("savedcmd_lp.ko := ld -r -m elf_x86_64 -o lp.ko lp.o lp.mod.o\n");
        assert!(commands.files.is_empty());
    }
}
