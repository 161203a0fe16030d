//! A list of symbols in the form of `/proc/kallsyms`: `ADDRESS TYPE NAME`, with `\t[MODULE]` after
//! a module's.

use std::collections::BTreeMap;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) address: u64,
    pub(crate) letter: char,
    pub(crate) name: String,
    /// `None`: vmlinux.
    pub(crate) module: Option<String>,
}

/// The constant that is added to the addresses of one list of vmlinux to get those of another, if all
/// lines are otherwise the same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shift(u64);

impl Shift {
    /// Between lists of different order, by a symbol that each has once.
    pub(crate) fn by_name(name: &str, ours: &[&Entry], theirs: &[&Entry]) -> Option<Self> {
        let address = |list: &[&Entry]| {
            list.iter().find(|entry| entry.name == name).map(|entry| entry.address)
        };
        Some(Self(address(theirs)?.wrapping_sub(address(ours)?)))
    }

    /// The address in the running kernel. Absolute symbols (per-CPU offsets up to 6.14's x86)
    /// are not shifted.
    pub(crate) fn apply(self, letter: char, address: u64) -> u64 {
        if matches!(letter, 'A' | 'a') { address } else { address.wrapping_add(self.0) }
    }
}

impl std::fmt::Display for Shift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "shift {:#x}", self.0)
    }
}

/// The lines of `text`.
pub(crate) fn parse(text: &str) -> Vec<Entry> {
    let line = |line: &str| {
        let (line, module) = match line.split_once('\t') {
            Some((line, module)) => (line, Some(module.trim_matches(['[', ']']).to_owned())),
            None => (line, None),
        };
        let mut words = line.splitn(3, ' ');
        let address = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
        let letter = words.next().and_then(|word| word.chars().next());
        match (address, letter, words.next()) {
            (Some(address), Some(letter), Some(name)) => {
                Entry { address, letter, name: name.to_owned(), module }
            }
            _ => panic!("not a line of kallsyms: {line:?}"),
        }
    };
    text.lines().map(line).collect()
}

/// The lines of one object; `None`: vmlinux.
pub(crate) fn of<'a>(list: &'a [Entry], module: Option<&str>) -> Vec<&'a Entry> {
    list.iter().filter(|entry| entry.module.as_deref() == module).collect()
}

/// Compares line by line; an error lists the first lines that differ.
pub(crate) fn same(ours: &[&Entry], theirs: &[&Entry]) -> Result<Shift, String> {
    let relative = |entry: &&&Entry| !matches!(entry.letter, 'A' | 'a');
    let (Some(our), Some(their)) = (ours.iter().find(relative), theirs.iter().find(relative))
    else {
        return Err("no symbols".into());
    };
    let shift = Shift(their.address.wrapping_sub(our.address));
    let show = |entry: &Entry| format!("{:x} {} {}", entry.address, entry.letter, entry.name);
    let different = |(_, (our, their)): &(usize, (&&Entry, &&Entry))| {
        our.name != their.name
            || our.letter != their.letter
            || shift.apply(our.letter, our.address) != their.address
    };
    let pairs = || ours.iter().zip(theirs).enumerate();
    let count = pairs().filter(different).count();
    if count == 0 && ours.len() == theirs.len() {
        return Ok(shift);
    }
    let first: Vec<String> = pairs()
        .filter(different)
        .take(5)
        .map(|(line, (our, their))| format!("  {line}: {} / {}", show(our), show(their)))
        .collect();
    Err(format!(
        "{} lines, the kernel has {}; {shift}; {count} differ:\n{}",
        ours.len(),
        theirs.len(),
        first.join("\n")
    ))
}

/// The list with the lines of one address sorted by name. No position depends on which
/// of two names at one address comes first, and a map does not record it.
pub(crate) fn by_name_at_each_address<'a>(list: &[&'a Entry]) -> Vec<&'a Entry> {
    let mut list = list.to_vec();
    for same in list.chunk_by_mut(|one, next| one.address == next.address) {
        same.sort_by_key(|entry| (&entry.name, entry.letter));
    }
    list
}

/// Addresses of each name, in list order.
pub(crate) fn occurrences<'a>(list: &[&'a Entry]) -> BTreeMap<&'a str, Vec<&'a Entry>> {
    let mut found: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in list {
        found.entry(&entry.name).or_default().push(entry);
    }
    found
}

#[test]
fn lists_are_the_same_up_to_one_shift() {
    let ours = parse("0 A cpu\n1000 T _text\n1000 t first\n1010 t again\n1020 t again\n");
    let same_as = |text: &str| same(&of(&ours, None), &of(&parse(text), None));
    let shifted = "0 A cpu\n5000 T _text\n5000 t first\n5010 t again\n5020 t again\n";
    assert!(same_as(shifted).is_ok());
    for (one, other) in
        [("5020", "5021"), ("t first", "T first"), ("first", "last"), ("0 A", "4000 A")]
    {
        assert!(same_as(&shifted.replace(one, other)).is_err(), "{one} to {other}");
    }
    assert!(same_as("0 A cpu\n5000 T _text\n").is_err(), "a list that ends early");
    assert!(same_as("").is_err());
}

#[test]
fn modules_are_distinguished_from_vmlinux() {
    let list = parse("1000 T _text\n40 t again\t[klp_target_a]\n");
    assert_eq!(of(&list, Some("klp_target_a")).len(), 1);
    assert_eq!(of(&list, None).len(), 1);
}
