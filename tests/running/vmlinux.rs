//! The symbols of vmlinux.

use std::path::Path;
use std::process::{Command, Stdio};

use klp_convert::symbols::image::{self, KallsymsSymbol};

use crate::dump::Dump;
use crate::list::{self, Entry, Shift, by_name_at_each_address, occurrences, of, same};
use crate::program::Map;

/// Fewer homonyms than this prove nothing.
const LEAST: usize = 200;

/// The exported list is the running kernel's, in every boot, except for the order of different names
/// at one address.
pub(crate) fn lists_the_same(dump: &Dump, map: &Map) -> Result<String, String> {
    compare(dump, &map.list()?, by_name_at_each_address)
}

/// The list in the boot image, by itself, is the running kernel's, in every boot.
pub(crate) fn the_image_lists_the_same(dump: &Dump) -> Result<String, String> {
    let bytes = std::fs::read(dump.image()).expect("the image");
    let image = image::read(&bytes).map_err(|error| error.to_string())?;
    let entry = |symbol: KallsymsSymbol<'_>| Entry {
        address: symbol.address,
        letter: symbol.letter.into(),
        name: String::from_utf8_lossy(symbol.name).into_owned(),
        module: None,
    };
    compare(dump, &image.iter().map(entry).collect::<Vec<_>>(), |list| list.to_vec())
}

/// Compares both lists, each passed through `order`, for every boot.
fn compare(
    dump: &Dump,
    ours: &[Entry],
    order: for<'a> fn(&[&'a Entry]) -> Vec<&'a Entry>,
) -> Result<String, String> {
    let ours = order(&of(ours, None));
    let mut found = format!("{} symbols", ours.len());
    for boot in &dump.boots {
        for (when, list) in [("before", &boot.before), ("after", &boot.after)] {
            let shift = same(&ours, &order(&of(list, None)))
                .map_err(|what| format!("{} {when}: {what}", boot.name))?;
            found += &format!(", {} {when}: {shift}", boot.name);
        }
    }
    Ok(found)
}

/// Every name that occurs more than once has its n-th position at the address of its n-th line,
/// in the running kernel's list and in the output of the kernel's own filter for the linked kernel.
pub(crate) fn counts_the_same(dump: &Dump, map: &Map) -> Result<String, String> {
    let ours = map.list()?;
    let mut found = Vec::new();
    for boot in &dump.boots {
        let running = of(&boot.before, None);
        let shift = Shift::by_name("_stext", &of(&ours, None), &running).expect("_stext");
        let count = positions_agree(map, &running, shift)
            .map_err(|what| format!("{}: {what}", boot.name))?;
        found.push(format!("{count} homonyms as in {}", boot.name));
    }
    if let Some(vmlinux) = dump.vmlinux() {
        let linked = filtered(vmlinux);
        let linked = of(&linked, None);
        let shift = Shift::by_name("_stext", &of(&ours, None), &linked).expect("_stext");
        let count = positions_agree(map, &linked, shift).map_err(|what| format!("nm: {what}"))?;
        found.push(format!("{count} as in nm"));
    }
    Ok(found.join(", "))
}

/// Number of names that were compared.
fn positions_agree(map: &Map, list: &[&Entry], shift: Shift) -> Result<usize, String> {
    let mut homonyms = occurrences(list);
    homonyms.retain(|_, entries| entries.len() > 1);
    if homonyms.len() < LEAST {
        return Err(format!("only {} homonyms", homonyms.len()));
    }
    let names: Vec<&str> = homonyms.keys().copied().collect();
    let candidates = map.lookup(&names)?;
    let mut wrong = Vec::new();
    for (name, entries) in &homonyms {
        // A per-CPU symbol can share its name with another.
        let letter = |index: usize| entries.get(index).map_or('?', |entry| entry.letter);
        let ours: Vec<_> = candidates
            .get(*name)
            .into_iter()
            .flatten()
            .filter(|candidate| candidate.object == "vmlinux")
            .enumerate()
            .map(|(index, candidate)| {
                (candidate.position, shift.apply(letter(index), candidate.address))
            })
            .collect();
        let theirs: Vec<_> =
            (1..).map(Some).zip(entries.iter().map(|entry| entry.address)).collect();
        if ours != theirs {
            wrong.push(format!("  {name}: {ours:x?}, the kernel {theirs:x?}"));
        }
    }
    if wrong.is_empty() {
        return Ok(homonyms.len());
    }
    let first = wrong.iter().take(5).cloned().collect::<Vec<_>>().join("\n");
    Err(format!("{} of {} names:\n{first}", wrong.len(), homonyms.len()))
}

/// The output of `nm -n` and the kernel's own filter for a linked kernel. Absolute symbols are
/// dropped later in the kernel's build, by scripts/kallsyms.c.
fn filtered(vmlinux: &Path) -> Vec<Entry> {
    let filter = vmlinux.with_file_name("source").join("scripts/mksysmap");
    let mut nm = Command::new("nm")
        .arg("-n")
        .arg(vmlinux)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("nm runs");
    let symbols = nm.stdout.take().expect("a pipe");
    let output = Command::new("sed").arg("-f").arg(&filter).stdin(symbols).output().expect("sed");
    assert!(
        output.status.success() && nm.wait().expect("nm ends").success(),
        "nm | sed -f {filter:?}"
    );
    let mut list = list::parse(&String::from_utf8(output.stdout).expect("names are text"));
    list.retain(|entry| entry.letter != 'A');
    list
}
