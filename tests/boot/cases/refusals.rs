//! Wrong modules: the kernel refuses them with the message that the library predicts, or silently
//! loads them and does what the library predicts.

use std::sync::Arc;

use klp_convert::check::Conclusion;

use super::{A, B, SHOWS_A};
use crate::case::Case;
use crate::failure::{Failure, same};
use crate::kernel::TestKernel;
use crate::prediction::{self, When, Words};
use crate::session::{Refused, Session};
use crate::workshop::{GuestFile, Workshop};
use crate::wrong::{self, Good, Lost, Then, UNTRIED, Wrong};

/// Unrelated kernel messages, such as the first one about an out-of-tree module.
const UNRELATED: [&str; 5] = [
    "taint",
    "tsc: ",
    "clocksource: ",
    "suppressed due to ratelimiting",
    // Ten times after each boot.
    "percpu: allocation failed, ",
];
/// Messages about a livepatch that is enabled or disabled.
const USUAL: [&str; 4] =
    ["enabling patch", "starting patching transition", "patching complete", "applying patch"];
/// Start and end of a stack trace.
const TRACE: (&str, &str) = ("[ cut here ]", "[ end trace ");
/// A marker line for the kernel's log.
const MARK: &str = "what has been said is said";

pub(super) fn all() -> Vec<Arc<dyn Case + Send>> {
    let tried = wrong::all().map(|wrong| Arc::new(Refusal(wrong)) as _);
    let untried = UNTRIED.iter().map(|(what, why)| Arc::new(Untried { what, why }) as _);
    tried.chain(untried).collect()
}

/// A fault that is not tried on any kernel.
struct Untried {
    what: &'static str,
    why: &'static str,
}

impl Case for Untried {
    fn name(&self) -> String {
        format!("refusals/untried/{}", self.what)
    }

    fn shows(&self) -> String {
        "a fault that would do harm".into()
    }

    fn unfit(&self, _: &TestKernel) -> Option<String> {
        Some(self.why.into())
    }

    fn run(&self, _: &mut Session<'_>) -> Result<(), Failure> {
        Err("it fits no kernel".into())
    }
}

/// A wrong module.
struct Refusal(&'static Wrong);

impl Case for Refusal {
    fn name(&self) -> String {
        format!("refusals/{}", self.0.name)
    }

    fn shows(&self) -> String {
        let mut shows = match self.0.then {
            Then::Refused => "the kernel refuses it with the message and the error that we predict",
            Then::RefusedAtGate => {
                "the same with its target loaded; a target loaded later is refused in the same way"
            }
            Then::Silent(_) => "the kernel reports nothing; memory is as we predict",
        }
        .to_owned();
        if let Some(why) = self.0.placed {
            shows += &format!(" (addresses are left out: {why})");
        }
        if let Some(why) = self.0.unsaid {
            shows += &format!(" (not in the words of `check`: {why})");
        }
        shows
    }

    fn unfit(&self, kernel: &TestKernel) -> Option<String> {
        self.0.unfit(kernel)
    }

    fn files(&self, workshop: &Workshop) -> Result<Vec<GuestFile>, Failure> {
        let good = self.good(workshop)?;
        Ok(vec![GuestFile { name: self.file(), bytes: (self.0.spoil)(&good).bytes }])
    }

    fn run(&self, session: &mut Session<'_>) -> Result<(), Failure> {
        self.check(session.workshop).map_err(|failure| failure.during("check"))?;
        if let Some(alarm) = self.0.alarm {
            session.expect_alarm(alarm);
        }
        match self.0.then {
            Then::Refused => self.refused(session, When::Alone),
            Then::RefusedAtGate => {
                session.unseen(&format!("insmod /modules/{B}.ko && insmod /modules/{A}.ko"))?;
                self.refused(session, When::Enabled)?;
                let file = self.file();
                session.unseen(&format!("rmmod {A} && insmod /modules/{file}.ko"))?;
                self.refused(session, When::Arriving)?;
                session.unpatch(self.0.of)?;
                session.unseen(&format!("rmmod {B}"))
            }
            Then::Silent(lost) => self.silent(session, lost),
        }
    }
}

impl Refusal {
    fn file(&self) -> String {
        self.0.name.replace('/', "@")
    }

    fn good(&self, workshop: &Workshop) -> Result<Good, Failure> {
        Ok(Good::new(workshop.kernel.machine, workshop.file(self.0.of)?.to_vec()))
    }

    /// The predicted kernel message.
    fn predicted(&self, workshop: &Workshop, when: When) -> Result<Option<Words>, Failure> {
        let bytes = workshop.file(&self.file())?;
        let predicted = prediction::words(workshop, &self.good(workshop)?, bytes, when);
        predicted.map_err(|failure| failure.during(format_args!("{when:?}")))
    }

    /// Compares the findings of `check` with the expected ones.
    fn check(&self, workshop: &Workshop) -> Result<(), Failure> {
        let checked = prediction::check(workshop, workshop.file(&self.file())?)?;
        let (when, conclusion) = match self.0.then {
            Then::Refused => (When::Alone, Conclusion::Refused),
            Then::RefusedAtGate => (When::Enabled, Conclusion::Refused),
            // There the target is reloaded, which is refused.
            Then::Silent(_)
                if !workshop.kernel.writes_again() && !self.0.name.ends_with("nothing-wrong") =>
            {
                let hides = checked.conclusion == Some(Conclusion::Refused);
                let lost = checked.conclusion == Some(Conclusion::LoadsWrong);
                return same("whether check objects", &(hides || lost), &true);
            }
            Then::Silent(_) if self.0.name.ends_with("nothing-wrong") => {
                (When::Enabled, Conclusion::Loads)
            }
            Then::Silent(_) => (When::Enabled, Conclusion::LoadsWrong),
        };
        let lines = match self.0.then {
            Then::Silent(_) => Vec::new(),
            _ => self.predicted(workshop, when)?.map(|words| words.lines).unwrap_or_default(),
        };
        let reported = checked.conclusion == Some(conclusion)
            && lines.iter().all(|line| checked.says.contains(line));
        match (reported, self.0.unsaid) {
            (true, None) | (false, Some(_)) => Ok(()),
            (true, Some(why)) => Err(format!("check reports it, although {why}").into()),
            (false, None) => Err(format!("{checked:?} does not have {lines:?}").into()),
        }
    }

    /// Loads the module, or the one that it patches, and compares the kernel's messages with the
    /// prediction.
    fn refused(&self, session: &mut Session<'_>, when: When) -> Result<(), Failure> {
        let expected = self.predicted(session.workshop, when)?;
        let expected = expected.ok_or("we would load it")?;
        session.listen()?;
        let file = if when == When::Arriving { A.to_owned() } else { self.file() };
        let Refused { errno, log } = session.insmod_refused(&file)?;
        same("errno", &errno, &expected.errno)?;
        // busybox tries `finit_module` first and then `init_module`.
        let twice = [expected.lines.as_slice(), &expected.lines].concat();
        let comparable = |lines: Vec<String>| match self.0.placed {
            Some(_) => lines.iter().map(|line| without_addresses(line)).collect(),
            None => lines,
        };
        let mut said = unusual(&log);
        if said.len() < twice.len() {
            // A message without a newline appears only with the next one.
            session.write("/dev/kmsg", MARK)?;
            said.extend(unusual(&session.listen()?));
        }
        same("log", &comparable(said), &comparable(twice))
    }

    /// Loads a module that the kernel accepts, and checks what is lost.
    fn silent(&self, session: &mut Session<'_>, lost: Lost) -> Result<(), Failure> {
        let module = session.workshop.module(&self.file())?;
        let waits = module.sections().any(|s| s.name.starts_with(b".klp.rela.klp_target_b."));
        session.insmod(A)?;
        if waits {
            session.insmod(B)?;
        }
        if lost == Lost::IntoTarget {
            session.expect_alarm("which it does not patch");
        }
        session.insmod(&self.file())?;
        session.enabled(self.0.of)?;
        session.listen()?;
        same("log", &unusual(session.said()), &Vec::new())?;
        let shown = session.read(SHOWS_A)?;
        let mut words = shown.split_whitespace().skip(1);
        let mut pointer = || -> Result<u64, Failure> {
            let word = words.next().ok_or_else(|| format!("no pointer in {shown:?}"))?;
            Ok(u64::from_str_radix(word, 16)?)
        };
        let symbols = [("vmlinux", "nr_processes"), (A, "klp_target_a_hidden")];
        for ((object, name), kind) in symbols.into_iter().zip([Lost::IntoVmlinux, Lost::IntoTarget])
        {
            let points_there = pointer()? == session.address(object, name)?;
            same(
                &format!("whether the pointer to {name} is right"),
                &points_there,
                &(lost != kind),
            )?;
        }
        session.unpatch(self.0.of)
    }
}

impl Session<'_> {
    /// Loads or unloads modules without comparing their memory.
    fn unseen(&mut self, command: &str) -> Result<(), Failure> {
        self.guest.done(&format!("{command} && echo forget >/proc/klp_memory")).map(drop)
    }
}

/// Whether a line is from a message, not from a dump of stack and registers.
fn is_message(line: &str) -> bool {
    line == MARK
        || line.starts_with(|first: char| first.is_ascii_lowercase()) && line.contains(": ")
}

/// The lines that are about modules, without traces of the kernel's stack.
fn related(log: &str) -> Vec<String> {
    let unrelated = |line: &str| line == MARK || UNRELATED.iter().any(|text| line.contains(text));
    let (mut related, mut traced, mut dumped) = (Vec::new(), false, false);
    for line in log.lines() {
        traced |= line.contains(TRACE.0);
        // `dump_stack` marks its start, but not its end.
        dumped = line.starts_with("CPU: ") || dumped && !is_message(line);
        if !traced && !dumped && !unrelated(line) {
            related.push(line.to_owned());
        }
        traced &= !line.contains(TRACE.1);
    }
    related
}

/// The lines about faults.
fn unusual(log: &str) -> Vec<String> {
    let mut lines = related(log);
    lines.retain(|line| !USUAL.iter().any(|usual| line.contains(usual)));
    lines
}

/// A line without the numbers that depend on the module's address.
fn without_addresses(line: &str) -> String {
    let mut line = line.to_owned();
    for before in [" loc ", " val ", " value 0x", " at 0x"] {
        if let Some((start, rest)) = line.split_once(before) {
            // Kernels before 6.19 hash the location, or print that they cannot yet.
            let rest = rest.trim_start_matches("(____ptrval____)");
            let rest = rest.trim_start_matches(|digit: char| digit.is_ascii_hexdigit());
            line = format!("{start}{before}…{rest}");
        }
    }
    line
}
