//! QEMU's monitor: reads the guest's physical memory, faster than over a console.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::failure::Failure;

/// A monitor that QEMU has not opened yet.
#[derive(Debug)]
pub(crate) struct Socket {
    directory: TempDir,
}

/// A connection to QEMU (docs/interop/qmp-spec of QEMU).
#[derive(Debug)]
pub(crate) struct Monitor {
    directory: TempDir,
    stream: BufReader<UnixStream>,
}

impl Socket {
    fn path(&self) -> PathBuf {
        self.directory.path().join("monitor")
    }

    /// The value of QEMU's option `-qmp`.
    pub(crate) fn option(&self) -> String {
        format!("unix:{},server=on,wait=off", self.path().display())
    }

    /// Connects to a QEMU that has just been started.
    pub(crate) fn connect(self) -> Result<Monitor, Failure> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let stream = loop {
            match UnixStream::connect(self.path()) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => {
                    return Err(format!("QEMU's monitor: {error}").into());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let stream = BufReader::new(stream);
        let mut monitor = Monitor { directory: self.directory, stream };
        monitor.execute(&json!({ "execute": "qmp_capabilities" }))?;
        Ok(monitor)
    }
}

impl Monitor {
    /// A socket path for QEMU's monitor.
    pub(crate) fn socket() -> Result<Socket, Failure> {
        Ok(Socket { directory: TempDir::new()? })
    }

    /// `size` bytes of physical memory from `address` on.
    pub(crate) fn physical(&mut self, address: u64, size: u64) -> Result<Vec<u8>, Failure> {
        let path = self.directory.path().join("memory");
        let arguments = json!({ "val": address, "size": size, "filename": path });
        self.execute(&json!({ "execute": "pmemsave", "arguments": arguments }))?;
        Ok(fs::read(path)?)
    }

    /// Writes the guest to a file, for `-incoming`; it has ended then.
    pub(crate) fn migrate(&mut self, state: &Path) -> Result<(), Failure> {
        let unlimited = json!({ "max-bandwidth": 0 });
        self.execute(&json!({ "execute": "migrate-set-parameters", "arguments": unlimited }))?;
        let to = json!({ "uri": format!("file:{}", state.display()) });
        self.execute(&json!({ "execute": "migrate", "arguments": to }))?;
        self.wait_for("query-migrate", "completed")
    }

    /// Waits until a guest that goes on from a state does so. It loses what it is told before.
    pub(crate) fn resumed(&mut self) -> Result<(), Failure> {
        self.wait_for("query-status", "running")
    }

    fn wait_for(&mut self, query: &str, wanted: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let said = self.execute(&json!({ "execute": query }))?;
            let status = said.get("status").and_then(Value::as_str);
            if status == Some(wanted) {
                return Ok(());
            }
            if status == Some("failed") || Instant::now() > deadline {
                return Err(format!("QEMU: {query}: {said}").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What a command returns.
    fn execute(&mut self, command: &Value) -> Result<Value, Failure> {
        writeln!(self.stream.get_mut(), "{command}")?;
        // There may be greetings and events in between.
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err("QEMU has closed its monitor".into());
            }
            let mut reply: Value = serde_json::from_str(&line)?;
            if let Some(error) = reply.get("error") {
                return Err(format!("QEMU: {command}: {error}").into());
            }
            if let Some(returned) = reply.get_mut("return") {
                return Ok(returned.take());
            }
        }
    }
}
