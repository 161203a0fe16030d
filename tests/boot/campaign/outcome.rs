//! What a kernel did with a module, and whether `check` had said so.

use std::fmt;

use klp_convert::check::Conclusion;

use super::mutant::Mutant;

/// What a kernel did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It loaded the module, and the modules that it patches.
    Loaded(String),
    /// It refused the module, or one that it patches, with this number and these messages.
    Refused(u32, String),
    /// It died; the end of its log.
    Died(String),
}

/// How a verdict and an outcome go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub(crate) enum Agreement {
    #[strum(serialize = "loads, as check says")]
    Loads,
    #[strum(serialize = "loads wrong, as check says, whether or not the kernel notices")]
    LoadsWrong,
    #[strum(serialize = "loads wrong, as check says, and the kernel dies of it")]
    DiesOfIt,
    #[strum(serialize = "refused, as check says")]
    Refused,
    #[strum(serialize = "refused, as check says, and loaded when insmod tries again")]
    RefusedFirst,
    #[strum(serialize = "refused; check says that it is not a module for this kernel")]
    NotForIt,
    #[strum(serialize = "check refuses it, and the kernel dies of it")]
    RefusedAndDies,
    #[strum(
        serialize = "loads, as check says; the module's own code makes the kernel die, warn or refuse"
    )]
    OwnCode,
    #[strum(
        serialize = "loads, but what it enables is not known, as check says; the kernel refuses or dies of that"
    )]
    NotKnown,
    #[strum(
        serialize = "loads, but is refused at some addresses, as check says; refused at the kernel's"
    )]
    Somewhere,
    #[strum(
        serialize = "loads only while another module is loaded, as check says; refused without it"
    )]
    OnlyWith,
    #[strum(
        serialize = "check refuses it for a distance to another module, or for one that is not loaded, which is otherwise here"
    )]
    Otherwise,
    #[strum(serialize = "WRONG: check says loads, the kernel refuses it")]
    KernelRefuses,
    #[strum(serialize = "WRONG: check says loads, the kernel dies of it")]
    KernelDies,
    #[strum(serialize = "WRONG: check says loads, the kernel warns")]
    KernelWarns,
    #[strum(serialize = "WRONG: check says loads wrong, the kernel refuses it")]
    RefusedNotWrong,
    #[strum(serialize = "WRONG: check refuses it, the kernel loads it")]
    KernelLoads,
    #[strum(
        serialize = "WRONG: check says that it is not a module for this kernel, which loads it"
    )]
    TooStrict,
    #[strum(serialize = "WRONG: refused with another number than check says")]
    OtherErrno,
}

impl Agreement {
    /// Compares a verdict with one outcome.
    pub(crate) fn between(mutant: &Mutant, outcome: &Outcome) -> Self {
        let verdict = &mutant.verdict;
        let in_own_code = |log| in_own_code(log, mutant.in_code);
        match (verdict.conclusion, outcome) {
            (Some(Conclusion::Loads), Outcome::Loaded(log)) if warns(log) && in_own_code(log) => {
                Self::OwnCode
            }
            (Some(Conclusion::Loads), Outcome::Loaded(log)) if warns(log) => Self::KernelWarns,
            (Some(Conclusion::Loads), Outcome::Loaded(_)) => Self::Loads,
            (Some(Conclusion::Loads), Outcome::Refused(_, log))
                if mutant.in_code || in_own_code(log) =>
            {
                Self::OwnCode
            }
            (Some(Conclusion::Loads), Outcome::Refused(..)) if verdict.only_with => Self::OnlyWith,
            (Some(Conclusion::Loads), Outcome::Refused(..)) if verdict.not_known => Self::NotKnown,
            (Some(Conclusion::Loads), Outcome::Refused(..)) if verdict.somewhere => Self::Somewhere,
            (Some(Conclusion::Loads), Outcome::Died(log))
                if verdict.not_known && (enabling(log) || log.contains("no answer in")) =>
            {
                Self::NotKnown
            }
            (Some(Conclusion::Loads), Outcome::Refused(..)) => Self::KernelRefuses,
            (Some(Conclusion::Loads), Outcome::Died(log))
                if in_own_code(log) || mutant.other_code =>
            {
                Self::OwnCode
            }
            (Some(Conclusion::Loads), Outcome::Died(_)) => Self::KernelDies,
            (Some(Conclusion::LoadsWrong), Outcome::Loaded(_)) => Self::LoadsWrong,
            (Some(Conclusion::LoadsWrong), Outcome::Died(_)) => Self::DiesOfIt,
            // What it finds in memory that it should not read may make it refuse.
            (Some(Conclusion::LoadsWrong), Outcome::Refused(..)) if verdict.corrupts() => {
                Self::LoadsWrong
            }
            (Some(Conclusion::LoadsWrong), Outcome::Refused(..)) => Self::RefusedNotWrong,
            (Some(Conclusion::Refused), Outcome::Loaded(_)) if verdict.of_others => Self::Otherwise,
            // The same.
            (Some(Conclusion::Refused), Outcome::Loaded(_)) if verdict.corrupts() => {
                Self::LoadsWrong
            }
            // insmod tries again, at other addresses.
            (Some(Conclusion::Refused), Outcome::Loaded(log))
                if log.contains("Invalid relocation target, existing value is nonzero") =>
            {
                Self::RefusedFirst
            }
            (Some(Conclusion::Refused), Outcome::Loaded(_)) => Self::KernelLoads,
            (Some(Conclusion::Refused), Outcome::Died(_)) => Self::RefusedAndDies,
            (Some(Conclusion::Refused), Outcome::Refused(errno, _)) => {
                let known = verdict.errnos.is_empty() || verdict.errnos.contains(errno);
                // The same.
                if known || verdict.corrupts() { Self::Refused } else { Self::OtherErrno }
            }
            (None, Outcome::Loaded(_)) => Self::TooStrict,
            (None, Outcome::Refused(..)) => Self::NotForIt,
            (None, Outcome::Died(_)) => Self::RefusedAndDies,
        }
    }

    /// Compares a verdict with the outcomes of all orders; `None` without one. *Refused* is right if it is in one of
    /// them, anything else if it is in each.
    pub(crate) fn among(mutant: &Mutant, outcomes: &[Outcome]) -> Option<Self> {
        let mut all: Vec<_> =
            outcomes.iter().map(|outcome| Self::between(mutant, outcome)).collect();
        let one_is_enough = mutant.verdict.conclusion == Some(Conclusion::Refused);
        all.sort_by_key(|agreement| agreement.holds() != one_is_enough);
        all.first().copied()
    }

    /// Whether the verdict was right.
    pub(crate) fn holds(self) -> bool {
        !self.to_string().starts_with("WRONG")
    }
}

fn warns(log: &str) -> bool {
    ["WARNING: ", "BUG: ", "Oops"].iter().any(|alarm| log.contains(alarm))
}

/// Whether a kernel died of what the module's code did, in its init or exit function: of that no verdict speaks. It
/// may have called the kernel with anything. Only what it passes to the livepatch core is judged, `unless` something
/// else stands in its instructions.
fn in_own_code(log: &str, unless: bool) -> bool {
    let place = |line: &&str| {
        ["RIP: 0010:", "NIP [", "pc : ", "Krnl PSW : "].iter().any(|place| line.contains(place))
    };
    let at = log.lines().find(place);
    // On s390x it stands in brackets of its own.
    let module = |line: &str| line.trim_end().trim_end_matches(')').ends_with(']');
    let inside = at.is_some_and(|line| line.contains('[') && module(line));
    let calling = ["do_one_initcall", "do_init_module", "delete_module"];
    let mut frames = log.lines().skip_while(|line| !line.to_lowercase().contains("call trace"));
    let called = frames.any(|line| calling.iter().any(|function| line.contains(function)));
    // Only its code changes the stack pointer, and of what called it nothing is left to print; or it calls itself.
    let lost = ["Kernel stack pointer invalid", "no answer in"].iter().any(|end| log.contains(end));
    let lost = unless && lost && !enabling(log);
    inside || lost || called && (unless || !enabling(log))
}

/// Whether a kernel died in the livepatch core.
fn enabling(log: &str) -> bool {
    let trace = log.lines().skip_while(|line| !line.to_lowercase().contains("call trace"));
    // A module's functions are followed by its name, in brackets.
    let is_its = |line: &str| {
        let place = line.split_once(" klp_").and_then(|(_, place)| place.split_once("+0x"));
        place.is_some_and(|(_, after)| !after.contains('['))
    };
    trace.into_iter().any(is_its)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded(log) => write!(f, "loaded:\n{log}"),
            Self::Refused(errno, log) => write!(f, "refused with {errno}:\n{log}"),
            Self::Died(log) => write!(f, "died:\n{log}"),
        }
    }
}
