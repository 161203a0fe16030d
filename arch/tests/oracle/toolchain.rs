//! GNU as, ld and objcopy for one machine, in a directory of their own.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Why there is no linked text.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A tool is not installed.
    Missing(String),
    /// A tool failed, or complained.
    Complaint(String),
}

/// The tools of one machine.
#[derive(Debug)]
pub(crate) struct Toolchain {
    prefix: &'static str,
    link_options: &'static [&'static str],
    directory: PathBuf,
}

impl Toolchain {
    /// Tools named `PREFIX-as` and so on, with an empty directory to work in.
    pub(crate) fn new(prefix: &'static str, link_options: &'static [&'static str]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("klp-arch-oracle-{}-{number}-{prefix}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        Self { prefix, link_options, directory }
    }

    /// Runs a tool. Its complaints are refusals even where it continues.
    fn run(&self, tool: &str, arguments: &[&str]) -> Result<(), Refusal> {
        let program = format!("{}-{tool}", self.prefix);
        let output = Command::new(&program).args(arguments).current_dir(&self.directory).output();
        let output = match output {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Refusal::Missing(program));
            }
            other => other.unwrap(),
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let complains = ["rror", "truncated", "verflow", "dangerous", "range"];
        if output.status.success() && !complains.iter().any(|word| said.contains(word)) {
            return Ok(());
        }
        Err(Refusal::Complaint(format!("{program}: {said}")))
    }

    /// Assembles.
    pub(crate) fn assemble(&self, source: &str) -> Result<(), Refusal> {
        fs::write(self.directory.join("sites.s"), source).unwrap();
        self.run("as", &["-o", "sites.o", "sites.s"])
    }

    /// The relocation types of what was assembled last, in the order of the text.
    pub(crate) fn numbers(&self) -> Result<Vec<u32>, Refusal> {
        let program = format!("{}-readelf", self.prefix);
        let output = Command::new(&program)
            .args(["-rW", "sites.o"])
            .current_dir(&self.directory)
            .output()
            .map_err(|_| Refusal::Missing(program))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let table = said.split("Relocation section '.rela.text'").nth(1).unwrap_or_default();
        // Offset, and the symbol's index with the type in the low half.
        let number = |line: &str| {
            let info = line.split_ascii_whitespace().nth(1)?;
            u32::from_str_radix(info.get(8..)?, 16).ok()
        };
        Ok(table.lines().skip(2).map_while(number).collect())
    }

    /// Links what was assembled last at an address, and returns the text and ld's complaints.
    pub(crate) fn link(
        &self,
        text: u64,
        symbols: &str,
    ) -> Result<(Vec<u8>, Option<String>), Refusal> {
        fs::write(self.directory.join("symbols.ld"), symbols).unwrap();
        let base = format!("-Ttext={text:#x}");
        let mut arguments = vec!["-e", "0", "--noinhibit-exec", "-o", "linked", &base];
        arguments.extend(self.link_options);
        arguments.extend(["sites.o", "symbols.ld"]);
        let said = match self.run("ld", &arguments) {
            Ok(()) => None,
            Err(Refusal::Complaint(said)) => Some(said),
            Err(missing) => return Err(missing),
        };
        let copied = self.run("objcopy", &["-O", "binary", "-j", ".text", "linked", "text.bin"]);
        if let (Err(Refusal::Complaint(_)), Some(said)) = (&copied, &said) {
            return Err(Refusal::Complaint(said.clone()));
        }
        copied?;
        Ok((fs::read(self.directory.join("text.bin")).unwrap(), said))
    }
}

impl Drop for Toolchain {
    fn drop(&mut self) {
        // In the worst case it stays; the system clears its temporary directory.
        let _ = fs::remove_dir_all(&self.directory);
    }
}
