//! The keys of what each command prints with `--format json`, in their order: programs read them.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::machine::{Map, machines};
use crate::symbols::{build, given};
use crate::tool::{Sandbox, run};

/// The keys of an object, and of those in it. Objects of one list count as one.
#[derive(Default)]
struct Keys(Vec<(String, Keys)>);

impl Keys {
    /// Of a document with a key a line.
    fn of(text: &str) -> Self {
        let mut keys = Self::default();
        let mut path: Vec<(usize, &str)> = Vec::new();
        for line in text.lines() {
            let word = line.trim_start();
            let key = word.strip_prefix('"').and_then(|rest| Some(rest.split_once("\": ")?.0));
            let Some(key) = key.filter(|key| !key.contains('"')) else { continue };
            let depth = line.len() - word.len();
            path.retain(|(above, _)| *above < depth);
            path.push((depth, key));
            path.iter().fold(&mut keys, |keys, (_, key)| keys.inner(key));
        }
        keys
    }

    fn inner(&mut self, key: &str) -> &mut Self {
        let at = self.0.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            self.0.push((key.to_owned(), Self::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (key, inner)) in self.0.iter().enumerate() {
            write!(f, "{}{key}", if at == 0 { "" } else { " " })?;
            if !inner.0.is_empty() {
                write!(f, "{{{inner}}}")?;
            }
        }
        Ok(())
    }
}

/// A command, called with `further` arguments, prints a document with these keys and no others.
#[track_caller]
fn prints(command: &str, further: impl IntoIterator<Item = OsString>, keys: &str) {
    let words = command.split(' ').chain(["--format", "json"]).map(OsString::from);
    let ended = run(words.chain(further));
    assert_eq!(ended.stderr, "");
    let keys: Vec<_> = keys.split_whitespace().collect();
    assert_eq!(Keys::of(&ended.stdout).to_string(), keys.join(" "), "{}", ended.stdout);
}

const INSPECTION: &str = "machine name livepatch signature
    klp_sections{name relocations{rela_section entry section offset inside relocation symbol}}
    klp_symbols tombstones other_tools unfinished recorded record_errors annotations annotation_errors undefined";
const CANDIDATE: &str = "object name position homonyms live_position address size file unit section
    binding kind letter init untraceable order beside";
const MAP: &str = "kernel{release machine endian kallsyms_all}
    machine build_id vmlinux modules symbols exports
    siblings{vermagic{value modules first} module_size{value modules first}
    init{value modules first} exit{value modules first} has_versions{value modules first}
    has_flags{value modules first} has_btf{value modules first} btf_strings contested} size";

#[test]
fn documents_about_a_module_have_these_keys() {
    let (bench, machine) = (Sandbox::new(), machines().remove(0));
    let map = build(&bench, "map", &machine.map(Map::Elf));
    let with = |module: PathBuf| [OsString::from(module)].into_iter().chain(given(&map));
    let module = || machine.path("lp_two_owners.ko");
    let plan = "plan{symbols{index name klp{owner symbol position} same_as basis added}
        sections{from{index name} recorded target to{gate section} existing
        entries{entry offset relocation symbol}}
        arch_sections removed_sections removed_symbols removed_relocations disabled_relocations
        disabled_symbols positions exported{name owner}
        versions depends}";
    prints("convert --dry-run", with(module()), &format!("input output {plan} diagnostics"));
    bench.convert_with(&module(), given(&map)).done();
    let line = "module accepted conclusion simulated_loads diagnostics";
    prints("check", with(bench.output()), line);
    let means =
        format!("means symbol{{owner symbol position}} gate basis candidate{{{CANDIDATE}}}");
    let meanings = format!("meanings{{name {means} owner gpl namespace crc}}");
    prints("inspect", with(bench.output()), &format!("{INSPECTION} {meanings}"));
    prints("inspect", [bench.output().into()], &format!("{INSPECTION} meanings"));
    let report = "module machine kernel regions{kind address size file}
        sections{name region address size}
        relocations{rela_section section offset place kind symbol s a value before after through at}
        gates{object arrived} patched_later{address size by section} diagnostics";
    prints("load", with(bench.output()), report);
}

#[test]
fn documents_about_symbols_have_these_keys() {
    let (bench, machine) = (Sandbox::new(), machines().remove(0));
    let sources = machine.map(Map::Elf);
    let map = build(&bench, "map", &sources);
    let output = [OsString::from("-o"), bench.path("other").into()];
    let built = format!("output map{{{MAP}}} notes diagnostics");
    prints("symbols build", sources.iter().cloned().chain(output), &built);
    prints("symbols info", given(&map), MAP);
    let found = format!(
        "name candidates{{{CANDIDATE} reach}} export{{owner gpl namespace crc}} diagnostics"
    );
    prints("symbols lookup set_is_seen seq_printf", given(&map), &found);
    let list = [OsString::from("-o"), bench.path("list").into()];
    prints("symbols export", sources.iter().cloned().chain(list), "output");
    let less = build(&bench, "less", &sources[..2]);
    let maps = [less.into(), map.into()];
    prints("symbols diff", maps, "name object change candidates");
}

#[test]
fn all_other_documents_have_these_keys() {
    let line = "machine bytes_before bytes_after klp_relocations klp_symbols check simulated_loads";
    prints("demo", [], line);
    let row = "machine number name calculation check field kernel source note";
    prints("relocs", [], row);
    prints("explain KLP-E0101", [], "name explanation");
}

#[test]
fn what_is_printed_in_place_of_a_result_is_diagnostics_alone() {
    let missing = run(["inspect", "no/such.ko", "--format", "json"]);
    let diagnostics = "diagnostics{severity code file message help}";
    assert_eq!(Keys::of(&missing.stdout).to_string(), diagnostics);
}

#[test]
fn documents_about_two_livepatches_have_these_keys() {
    let machine = machines().remove(0);
    let path = |name| OsString::from(machine.path(name));
    let [old, new] = ["lp_two_owners.ko", "lp_module_symbols.ko"].map(path);
    prints("diff", [old.clone(), new], "old new same differences{what name old new}");
    prints("diff", [old.clone(), old], "old new same differences");
}
