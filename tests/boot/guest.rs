//! A kernel under QEMU that runs commands.
//!
//! The serial console carries one command at a time; `init` defines the format of the lines. Kernel
//! messages on the console are kept in the log and not mistaken for an answer.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::kernel::TestKernel;
use crate::monitor::Monitor;

/// A guest without an answer for this long is dead. The host may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(180);

/// Lines of a log that a failure shows.
const MOST_LINES: usize = 150;

/// The output of a command.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u32,
    pub(crate) output: String,
}

/// A running kernel; dropping it ends the kernel.
#[derive(Debug)]
pub(crate) struct Guest {
    child: Child,
    orders: ChildStdin,
    lines: Receiver<String>,
    monitor: Monitor,
    number: u32,
    /// Without an answer for so long it is dead.
    pub(crate) patience: Duration,
    log: File,
    path: PathBuf,
}

/// A guest in a file, from which it goes on as often as wanted.
#[derive(Debug)]
pub(crate) struct Suspended {
    initramfs: PathBuf,
    state: PathBuf,
    number: u32,
}

impl Guest {
    /// Boots a kernel and waits for its init. The console goes to the file `log`, too.
    pub(crate) fn boot(kernel: &TestKernel, initramfs: &Path, log: &Path) -> Result<Self, Failure> {
        let mut guest = Self::start(kernel, initramfs, log, &[])?;
        guest.answer(0).map_err(|failure| failure.during("boot"))?;
        Ok(guest)
    }

    /// Writes the guest to the file `state`, and ends it.
    pub(crate) fn suspend(mut self, initramfs: &Path, state: &Path) -> Result<Suspended, Failure> {
        self.monitor.migrate(state)?;
        let (initramfs, state) = (initramfs.to_owned(), state.to_owned());
        Ok(Suspended { initramfs, state, number: self.number })
    }

    fn start(
        kernel: &TestKernel,
        initramfs: &Path,
        log: &Path,
        more: &[String],
    ) -> Result<Self, Failure> {
        let (qemu, arguments) = kernel.machine.qemu();
        let console = kernel.machine.console();
        let command_line = format!("console={console} quiet panic=-1 {}", kernel.arguments);
        let mut command = Command::new(qemu);
        let socket = Monitor::socket()?;
        command.args(["-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio"]);
        command
            .arg("-qmp")
            .arg(socket.option())
            .arg("-m")
            .arg(kernel.memory.to_string())
            .args(arguments);
        command.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(initramfs);
        command.args(["-append", &command_line]).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let (path, log) = (log.to_owned(), File::create(log)?);
        command.stderr(log.try_clone()?);
        let mut child = command.spawn().map_err(|error| {
            format!("{qemu}: {error}; install it with .ci/packages (Debian: qemu-system)")
        })?;
        let orders = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while output.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
                line.clear();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        let monitor = socket.connect()?;
        Ok(Self { child, orders, lines, monitor, number: 0, patience: PATIENCE, log, path })
    }

    /// Runs a command line in the guest's shell.
    pub(crate) fn run(&mut self, command: &str) -> Result<Reply, Failure> {
        self.number += 1;
        // A terminal in the kernel takes lines of up to 4095 bytes.
        assert!(command.len() < 4000 && !command.contains('\n'), "{command}");
        writeln!(self.log, "> {} {command}", self.number)?;
        writeln!(self.orders, "{} {command}", self.number)?;
        self.orders.flush()?;
        self.answer(self.number).map_err(|failure| failure.during(format_args!("`{command}`")))
    }

    /// Runs a command line and fails unless it succeeds.
    pub(crate) fn done(&mut self, command: &str) -> Result<String, Failure> {
        let Reply { status, output } = self.run(command)?;
        if status == 0 {
            return Ok(output);
        }
        Err(format!("`{command}` ended with {status}: {}", output.trim_end()).into())
    }

    /// The raw bytes that a command writes; `src/klp_memory.c` carries them.
    pub(crate) fn bytes(&mut self, command: &str) -> Result<Vec<u8>, Failure> {
        self.done("echo forget >/proc/klp_memory")?;
        self.done(&format!("{command} >/proc/klp_carry"))?;
        self.kept()
    }

    /// The data that `src/klp_memory.c` has kept since the last call.
    pub(crate) fn kept(&mut self) -> Result<Vec<u8>, Failure> {
        let places = self.done("cat /proc/klp_memory")?;
        let mut words = places.split_ascii_whitespace().map(|word| u64::from_str_radix(word, 16));
        let mut word = || words.next().transpose();
        let (Some(size), Some(chunk)) = (word()?, word()?) else {
            return Err(format!("/proc/klp_memory says {places}").into());
        };
        let mut bytes = Vec::new();
        while let Some(address) = word()? {
            bytes.extend(self.monitor.physical(address, chunk)?);
        }
        bytes.truncate(usize::try_from(size)?);
        self.done("echo forget >/proc/klp_memory")?;
        Ok(bytes)
    }

    fn answer(&mut self, number: u32) -> Result<Reply, Failure> {
        let (line_of, end_of) = (format!("{number}|"), format!("{number}="));
        let mut output = String::new();
        let deadline = Instant::now() + self.patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.dead(&format!("no answer in {:?}", self.patience)));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.dead("the guest ended")),
            };
            writeln!(self.log, "{line}")?;
            if let Some(line) = line.strip_prefix(&line_of) {
                output.push_str(line);
                output.push('\n');
            } else if let Some(status) = line.strip_prefix(&end_of) {
                return Ok(Reply { status: status.parse()?, output });
            }
        }
    }

    /// Why the guest is gone, with the end of its log.
    fn dead(&self, why: &str) -> Failure {
        let log = std::fs::read(&self.path).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().filter(|line| line.len() < 400).collect();
        // From the last command on, or what is the end of it.
        let told = lines.iter().rposition(|line| line.starts_with("> ")).unwrap_or(0);
        let start = told.max(lines.len().saturating_sub(MOST_LINES));
        let end = lines[start..].join("\n    ");
        format!("{why}; the end of {}:\n    {end}", self.path.display()).into()
    }
}

impl Suspended {
    /// A guest that goes on from there.
    pub(crate) fn resume(&self, kernel: &TestKernel, log: &Path) -> Result<Guest, Failure> {
        let state = format!("file:{}", self.state.display());
        let more = ["-incoming".to_owned(), state];
        let mut guest = Guest::start(kernel, &self.initramfs, log, &more)?;
        guest.monitor.resumed()?;
        guest.number = self.number;
        Ok(guest)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It has no data to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
