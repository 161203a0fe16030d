//! A guest in which modules are loaded and unloaded; memory is compared with our loads after each
//! event.

use klp_convert::load::Loaded;

use crate::failure::Failure;
use crate::guest::{Guest, Reply};
use crate::memory::{Memory, Symbols, dump, modinfo};
use crate::workshop::Workshop;

/// Keeps the memory of all other modules; loaded first, and stays.
const WITNESS: &str = "klp_memory";
/// Livepatches of the running kernel.
const LIVEPATCHES: &str = "/sys/kernel/livepatch";
/// Kernel messages about internal faults.
const ALARMS: [&str; 4] = ["WARNING: ", "BUG: ", "Oops", "FAILED klp_memory"];

/// The refusal of a module by the kernel.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The error number of `init_module`.
    pub(crate) errno: u32,
    /// The kernel's messages meanwhile, one per line.
    pub(crate) log: String,
}

/// A running kernel with what is known about it.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) workshop: &'a Workshop,
    pub(crate) guest: Guest,
    pub(crate) memory: Memory,
    /// Length of vmlinux's part of `/proc/kallsyms`, before all modules.
    vmlinux: usize,
    /// The kernel's messages since the start of the case.
    log: String,
    /// Alarms that the case expects.
    expected: Vec<String>,
}

impl<'a> Session<'a> {
    /// Starts a session with a kernel that has just been booted.
    pub(crate) fn new(workshop: &'a Workshop, mut guest: Guest) -> Result<Self, Failure> {
        guest.done(&format!("insmod /modules/{WITNESS}.ko"))?;
        let vmlinux = guest.bytes("grep -v '\\[' /proc/kallsyms")?;
        let version = workshop.kernel.version;
        let cuts = workshop.kernel.cuts_names();
        let symbols = Symbols::new(version, cuts, std::str::from_utf8(&vmlinux)?);
        let memory = Memory::new(workshop.kernel.machine.backend(), symbols, workshop.mistake);
        let (log, expected) = Default::default();
        let vmlinux = vmlinux.len();
        let mut session = Self { workshop, guest, memory, vmlinux, log, expected };
        session.listen()?;
        session.begin();
        Ok(session)
    }

    /// Resets the state of the previous case.
    pub(crate) fn begin(&mut self) {
        self.log.clear();
        self.expected.clear();
        self.memory.tally = Default::default();
    }

    /// Loads a module and compares its memory, and that of the livepatches that waited for it.
    pub(crate) fn insmod(&mut self, file: &str) -> Result<(), Failure> {
        match self.try_insmod(file)? {
            None => Ok(()),
            Some(Refused { errno, log }) => {
                Err(format!("the kernel refuses {file}: errno {errno}\n{log}").into())
            }
        }
    }

    /// Tries to load a module that the kernel must refuse.
    pub(crate) fn insmod_refused(&mut self, file: &str) -> Result<Refused, Failure> {
        let refused = self.try_insmod(file)?;
        refused.ok_or_else(|| format!("the kernel has loaded {file}").into())
    }

    /// Loads a module, if the kernel accepts it.
    pub(crate) fn try_insmod(&mut self, file: &str) -> Result<Option<Refused>, Failure> {
        self.workshop.file(file)?;
        let Reply { status, .. } = self.guest.run(&format!("insmod /modules/{file}.ko"))?;
        let log = self.listen()?;
        if status != 0 {
            self.guest.done("echo forget >/proc/klp_memory")?;
            // busybox ends with it.
            return Ok(Some(Refused { errno: status, log }));
        }
        let module = self.workshop.module(file)?;
        let name = modinfo(module, "name").ok_or("a module without name")?;
        let snapshots = self.snapshots()?;
        let objects = if modinfo(module, "livepatch").is_some() {
            self.objects(&name)?
        } else {
            self.renew_symbols()?;
            Vec::new()
        };
        let came = self.memory.came(module, objects, &snapshots);
        came.map_err(|failure| failure.during(file))?;
        if let Some(gate) = self.memory.unopened(&name) {
            let why = format!("{file} waits for {gate}, which it does not patch");
            if !self.expected.iter().any(|text| why.contains(text)) {
                return Err(why.into());
            }
        }
        self.turn(&name, true)?;
        Ok(None)
    }

    /// Loads a module whose init may fail or write data that our load does not have: compares its
    /// memory before init. Returns whether it stays.
    pub(crate) fn insmod_foreign(&mut self, file: &str) -> Result<bool, Failure> {
        let Reply { status, .. } = self.guest.run(&format!("insmod /modules/{file}.ko"))?;
        let module = self.workshop.module(file)?;
        let snapshots = self.snapshots()?;
        self.renew_symbols()?;
        let passed = self.memory.passed(module, &snapshots, status == 0);
        passed.map_err(|failure| failure.during(file))?;
        Ok(status == 0)
    }

    /// Unloads a module and compares the memory of the livepatches whose relocations wait for it.
    pub(crate) fn rmmod(&mut self, name: &str) -> Result<(), Failure> {
        // A worker releases a livepatch some time after it was disabled.
        let rmmod = format!(
            "i=0; until rmmod {name}; do i=$((i+1)); [ $i -lt 50 ] || false || break; usleep 100000; done; \
             [ ! -e /sys/module/{name} ]"
        );
        self.guest.done(&rmmod)?;
        self.memory.left(name);
        self.turn(name, false)
    }

    /// The objects that a livepatch patches.
    fn objects(&mut self, name: &str) -> Result<Vec<String>, Failure> {
        let listed =
            self.guest.done(&format!("ls -d {LIVEPATCHES}/{name}/*/ 2>/dev/null; true"))?;
        let directories = listed.lines().map(|line| line.trim_end_matches('/'));
        Ok(directories.filter_map(|line| Some(line.rsplit_once('/')?.1.to_owned())).collect())
    }

    /// A module that livepatches wait for was loaded or unloaded.
    fn turn(&mut self, gate: &str, arrived: bool) -> Result<(), Failure> {
        for livepatch in self.memory.waiting(gate) {
            let point = if arrived { "arrived" } else { "left" };
            self.guest.done(&format!("echo {point} {livepatch} >/proc/klp_memory"))?;
            let snapshots = self.snapshots()?;
            self.memory.turned(&livepatch, gate, arrived, &snapshots)?;
        }
        Ok(())
    }

    /// Waits until a livepatch has taken effect everywhere.
    pub(crate) fn enabled(&mut self, name: &str) -> Result<(), Failure> {
        self.wait(&format!(r#"[ "$(cat {LIVEPATCHES}/{name}/transition)" = 0 ]"#))?;
        self.guest.done(&format!(r#"[ "$(cat {LIVEPATCHES}/{name}/enabled)" = 1 ]"#))?;
        self.renew_enabled()
    }

    /// Loads a livepatch and waits until it has taken effect.
    pub(crate) fn patch(&mut self, file: &str) -> Result<(), Failure> {
        self.insmod(file)?;
        self.enabled(file)
    }

    /// Disables a livepatch and waits until the kernel has released it.
    pub(crate) fn disable(&mut self, name: &str) -> Result<(), Failure> {
        self.guest.done(&format!("echo 0 >{LIVEPATCHES}/{name}/enabled"))?;
        self.wait(&format!("[ ! -e {LIVEPATCHES}/{name} ]"))?;
        self.renew_enabled()
    }

    /// Disables and unloads a livepatch.
    pub(crate) fn unpatch(&mut self, name: &str) -> Result<(), Failure> {
        self.disable(name)?;
        self.rmmod(name)
    }

    /// Waits until a condition of the shell holds.
    pub(crate) fn wait(&mut self, condition: &str) -> Result<(), Failure> {
        let wait = format!(
            "i=0; until {condition}; do i=$((i+1)); [ $i -lt 300 ] || break; usleep 50000; done; {condition}"
        );
        self.guest.done(&wait).map(drop)
    }

    /// The text of a file.
    pub(crate) fn read(&mut self, path: &str) -> Result<String, Failure> {
        self.guest.done(&format!("cat {path}"))
    }

    /// Writes a line into a file.
    pub(crate) fn write(&mut self, path: &str, text: &str) -> Result<(), Failure> {
        self.guest.done(&format!("echo '{text}' >{path}")).map(drop)
    }

    /// The only address of a name in an object, as `/proc/kallsyms` has it.
    pub(crate) fn address(&self, object: &str, name: &str) -> Result<u64, Failure> {
        match self.memory.symbols.addresses(object, name)[..] {
            [address] => Ok(address),
            ref found => Err(format!("{object} has {} symbols '{name}'", found.len()).into()),
        }
    }

    /// Our load of a loaded module.
    pub(crate) fn loaded(&self, name: &str) -> Result<&Loaded<'static>, Failure> {
        self.memory.loaded(name).ok_or_else(|| format!("{name} is not there").into())
    }

    /// The kernel's messages since the last call; all are kept until the case ends.
    pub(crate) fn listen(&mut self) -> Result<String, Failure> {
        let said = self.guest.done("dmesg -c")?;
        let said: String = said.lines().map(|line| message(line).to_owned() + "\n").collect();
        self.log.push_str(&said);
        Ok(said)
    }

    /// The kernel's messages since the start of the case, up to the last [`listen`](Self::listen).
    pub(crate) fn said(&self) -> &str {
        &self.log
    }

    /// An alarm with this text does not fail the case.
    pub(crate) fn expect_alarm(&mut self, text: &str) {
        self.expected.push(text.to_owned());
    }

    /// Ends a case: unloads everything, and fails if the kernel raised an alarm.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        let livepatches = self.guest.done(&format!("ls {LIVEPATCHES}"))?;
        for name in livepatches.split_whitespace() {
            self.disable(name)?;
        }
        let present: Vec<_> = self.memory.present().map(str::to_owned).collect();
        for name in present {
            self.rmmod(&name)?;
        }
        let left =
            self.guest.done(&format!("ls -d /sys/module/*/sections | grep -v {WITNESS}; true"))?;
        if !left.is_empty() {
            return Err(format!("modules are left: {left}").into());
        }
        self.listen()?;
        let alarm = |line: &&str| {
            ALARMS.iter().any(|alarm| line.contains(alarm))
                && !self.expected.iter().any(|text| line.contains(text.as_str()))
        };
        let alarms: Vec<_> = self.log.lines().filter(alarm).collect();
        if alarms.is_empty() { Ok(()) } else { Err(alarms.join("\n").into()) }
    }

    fn renew_symbols(&mut self) -> Result<(), Failure> {
        // A search would take ten times as long in the guest.
        let modules = self.guest.bytes(&format!("tail -c +{} /proc/kallsyms", self.vmlinux + 1))?;
        self.memory.symbols.renew(std::str::from_utf8(&modules)?);
        Ok(())
    }

    fn renew_enabled(&mut self) -> Result<(), Failure> {
        let livepatches = self.guest.done(&format!("ls {LIVEPATCHES}"))?;
        self.memory.enabled(&livepatches.split_whitespace().collect::<Vec<_>>());
        Ok(())
    }

    /// The memory snapshots since the last call.
    fn snapshots(&mut self) -> Result<Vec<dump::Snapshot>, Failure> {
        Ok(dump::snapshots(&self.guest.kept()?))
    }
}

/// A message without the time that some kernels put before it.
fn message(line: &str) -> &str {
    let text = line.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    let time = |time: &str| time.trim().parse::<f64>().is_ok();
    text.filter(|(before, _)| time(before)).map_or(line, |(_, text)| text)
}
