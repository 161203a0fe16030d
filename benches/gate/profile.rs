//! A file of callgrind, and whose instructions are whose.
//!
//! Functions of others, `memcpy` or what is generic in `alloc`, say little about what has changed: their cost is that
//! of the functions of ours that call them, in proportion to what each call has taken. Source of the format:
//! valgrind's manual, "Callgrind Format Specification".

use std::collections::{BTreeMap, HashMap};

/// What asks for memory.
const ALLOCATING: [&str; 6] =
    ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];
/// Calls from others to others to follow on the way to ours.
const STEPS: usize = 24;
/// The start of our names.
const OURS: &str = "klp_";
/// What is nobody's of ours: the runtime before `main`, the dynamic linker.
pub(crate) const NOBODY: &str = "(start of the program)";

/// The counts of a run.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    /// Instructions of each function itself.
    own: HashMap<String, u64>,
    /// From caller to callee: how many calls, and their instructions with what they call.
    calls: HashMap<(String, String), (u64, u64)>,
}

impl Profile {
    /// Reads a file that callgrind has written with `--compress-strings=no --compress-pos=no`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut profile = Self::default();
        let (mut function, mut callee, mut calls) = (String::new(), String::new(), None);
        for line in text.lines() {
            let number = |word: Option<&str>| word.and_then(|word| word.parse::<u64>().ok());
            if let Some(name) = line.strip_prefix("fn=") {
                function = readable(name);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                callee = readable(name);
            } else if let Some(call) = line.strip_prefix("calls=") {
                calls = number(call.split(' ').next());
            } else if line.starts_with(|first: char| first.is_ascii_digit()) {
                let Some(cost) = number(line.split(' ').nth(1)) else { continue };
                match calls.take() {
                    Some(calls) => {
                        let edge = profile.calls.entry((function.clone(), callee.clone()));
                        let (count, all) = edge.or_default();
                        (*count, *all) = (*count + calls, *all + cost);
                    }
                    None => *profile.own.entry(function.clone()).or_default() += cost,
                }
            }
        }
        profile
    }

    /// Instructions of all functions.
    pub(crate) fn instructions(&self) -> u64 {
        self.own.values().sum()
    }

    /// Instructions of our functions.
    pub(crate) fn functions(&self) -> BTreeMap<String, u64> {
        self.ours(&self.own)
    }

    /// Allocations, and those of our functions.
    pub(crate) fn allocations(&self) -> (u64, BTreeMap<String, u64>) {
        let mut direct = HashMap::new();
        for ((caller, callee), (count, _)) in &self.calls {
            // The C library calls itself.
            if ALLOCATING.contains(&callee.as_str()) && !ALLOCATING.contains(&caller.as_str()) {
                *direct.entry(caller.clone()).or_default() += count;
            }
        }
        (direct.values().sum(), self.ours(&direct))
    }

    /// Moves counts of others to those who call them.
    fn ours(&self, counts: &HashMap<String, u64>) -> BTreeMap<String, u64> {
        let mut callers: HashMap<&str, Vec<(&str, f64)>> = HashMap::new();
        for ((caller, callee), (_, all)) in &self.calls {
            if caller != callee {
                callers.entry(callee).or_default().push((caller, *all as f64));
            }
        }
        let mut found = BTreeMap::new();
        let mut open: HashMap<&str, f64> = HashMap::new();
        let counts = counts.iter().map(|(name, count)| (name.as_str(), *count as f64));
        counts.for_each(|(name, count)| *open.entry(name).or_default() += count);
        for step in 0..=STEPS {
            let mut next: HashMap<&str, f64> = HashMap::new();
            for (name, count) in open {
                let from = callers.get(name).map(Vec::as_slice).unwrap_or_default();
                let all: f64 = from.iter().map(|(_, cost)| cost).sum();
                if is_ours(name) {
                    *found.entry(name.to_owned()).or_insert(0.0) += count;
                } else if all == 0.0 || step == STEPS {
                    *found.entry(NOBODY.to_owned()).or_insert(0.0) += count;
                } else {
                    for (caller, cost) in from {
                        *next.entry(caller).or_default() += count * cost / all;
                    }
                }
            }
            open = next;
        }
        let whole = found.into_iter().map(|(name, count)| (name, count.round() as u64));
        whole.filter(|(_, count)| *count > 0).collect()
    }
}

/// A name without its hash.
fn readable(mangled: &str) -> String {
    // Recursion has a number after it.
    let (name, _) = mangled.split_once('\'').unwrap_or((mangled, ""));
    format!("{:#}", rustc_demangle::demangle(name))
}

/// Whether a function is defined by us: by its path, or as the trait of a type.
pub(crate) fn is_ours(name: &str) -> bool {
    name.trim_start_matches(['<', '&']).starts_with(OURS) || {
        let (_, of) = name.split_once(" as ").unwrap_or_default();
        name.starts_with('<') && of.starts_with(OURS)
    }
}
