//! The output of `readelf` and `llvm-readelf` for a file is the same before and after its
//! conversion, except for what is in the plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::fixtures::installed;
use crate::machine::{Map, machines};
use crate::tool::Sandbox;
use crate::unchanged::{klp_section, klp_symbol, list, plan, text};

/// A listing in rows; sections are named instead of numbered, and file offsets are left out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listing {
    /// Name, type, address, size, entry size, flags, link, info, alignment.
    sections: Vec<[String; 9]>,
    /// Value, size, type, binding, visibility, section, name.
    symbols: Vec<[String; 7]>,
    /// Relocation section → offset, type, symbol and addend.
    relocations: BTreeMap<String, Vec<[String; 3]>>,
}

impl Listing {
    fn of(tool: &str, file: &Path) -> Self {
        let output = Command::new(tool).arg("-SrsW").arg(file).output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let mut listing = Self::default();
        let mut relocated = String::new();
        for line in text.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            if let Some(rest) = line.strip_prefix("Relocation section '") {
                relocated = rest.split('\'').next().unwrap().into();
                listing.relocations.insert(relocated.clone(), Vec::new());
            } else if line.trim_start().starts_with('[') && !line.contains("[Nr]") {
                listing.section(line);
            } else if words
                .first()
                .is_some_and(|w| w.ends_with(':') && w[..w.len() - 1].parse::<u32>().is_ok())
            {
                listing.symbol(&words[1..]);
            } else if words.len() >= 4 && words[..2].iter().all(|w| w.len() == 16) {
                // The symbol's value comes first, if there is a symbol.
                let skip = if words.len() > 4 { 4 } else { 3 };
                let target = words[skip..].join(" ");
                let row = [words[0].into(), words[2].into(), target];
                listing.relocations.get_mut(&relocated).unwrap().push(row);
            }
        }
        listing.name_sections();
        listing
    }

    fn section(&mut self, line: &str) {
        let words: Vec<_> = line.split_once(']').unwrap().1.split_whitespace().collect();
        // The null section has no name.
        let words = if words[0] == "NULL" { [&[""], words.as_slice()].concat() } else { words };
        let (fixed, tail) = words.split_at(6);
        let flags = if tail.len() == 4 { tail[0] } else { "" };
        let [link, info, align] = tail[tail.len() - 3..] else { panic!("{line}") };
        let [name, kind, address, _, size, entry] = fixed else { panic!("{line}") };
        let row = [*name, *kind, *address, *size, *entry, flags, link, info, align];
        self.sections.push(row.map(str::to_owned));
    }

    fn symbol(&mut self, words: &[&str]) {
        let fixed: Vec<_> = words[..5].to_vec();
        let index = words[5..].iter().position(|w| {
            w.parse::<u32>().is_ok() || ["UND", "ABS", "COM"].contains(w) || w.starts_with("OS")
        });
        let mut rest = words[5 + index.expect("a section index")..].to_vec();
        let mut section = rest.remove(0).to_owned();
        if section == "OS" {
            section += rest.remove(0);
        }
        let mut row: Vec<String> = fixed.into_iter().map(Into::into).collect();
        row.extend([section, rest.join(" ")]);
        self.symbols.push(row.try_into().unwrap());
    }

    /// Replaces numbers of sections by their names.
    fn name_sections(&mut self) {
        let names: Vec<_> = self.sections.iter().map(|row| row[0].clone()).collect();
        let name = |number: &mut String| *number = names[number.parse::<usize>().unwrap()].clone();
        for row in &mut self.sections {
            name(&mut row[6]);
            if row[1] == "RELA" {
                name(&mut row[7]);
            } else if row[1] == "SYMTAB" {
                row[7].clear();
            }
            // Their sizes follow from the rest.
            if ["RELA", "SYMTAB", "STRTAB"].contains(&row[1].as_str()) {
                row[3].clear();
            }
        }
        for row in self.symbols.iter_mut().filter(|row| row[5].parse::<u32>().is_ok()) {
            name(&mut row[5]);
        }
    }

    /// Applies a plan.
    fn follow(&mut self, plan: &Value) {
        let before = self.relocations.clone();
        for section in list(&plan["sections"]) {
            let (from, to) = (text(&section["from"]["name"]), klp_section(section));
            let entries = list(&section["entries"]).iter().map(|e| e["entry"].as_u64().unwrap());
            let moved = entries.map(|entry| before[from][usize::try_from(entry).unwrap()].clone());
            let moved: Vec<_> = moved.collect();
            self.relocations.get_mut(from).unwrap().retain(|row| !moved.contains(row));
            self.relocations.insert(to.clone(), moved);
            let target = text(&section["to"]["section"]);
            let zero = "0".repeat(16);
            let row = [&to, "RELA", &zero, "", "18", "KLP", ".symtab", target, "8"];
            self.sections.push(row.map(str::to_owned));
        }
        self.relocations.retain(|_, rows| !rows.is_empty());
        for symbol in list(&plan["symbols"]) {
            let (old, new) = (text(&symbol["name"]), klp_symbol(symbol));
            let row = self.symbols.iter_mut().find(|row| row[6] == old).unwrap();
            (row[5], row[6]) = ("KLP".into(), new.clone());
            for [_, _, target] in self.relocations.values_mut().flatten() {
                if target.split(' ').next() == Some(old) {
                    *target = target.replacen(old, &new, 1);
                }
            }
        }
        let names = |key: &str| list(&plan[key]).iter().map(|v| text(&v["name"])).collect();
        let gone: BTreeSet<&str> = names("removed_sections");
        self.sections.retain(|row| !gone.contains(row[0].as_str()));
        self.relocations.retain(|section, _| !gone.contains(section.as_str()));
        self.symbols.retain(|row| !gone.contains(row[5].as_str()));
    }

    /// Unifies the one flag and the one section index that the two programs spell differently.
    fn spell_klp(&mut self) {
        for row in self.sections.iter_mut().filter(|row| row[0].starts_with(".klp.rela.")) {
            assert!(
                row[5].contains('A') && row[5].contains('I') && row[5].contains('o'),
                "{row:?}"
            );
            row[5] = "KLP".into();
        }
        for row in self.symbols.iter_mut().filter(|row| row[5].starts_with("OS")) {
            assert!(row[5].contains("0xff20"), "{row:?}");
            row[5] = "KLP".into();
        }
        self.relocations.retain(|_, rows| !rows.is_empty());
    }
}

fn agrees_except_for_the_plan(tool: &str) {
    if !installed(tool) {
        return;
    }
    for machine in machines() {
        for name in machine.convertible() {
            let bench = Sandbox::new();
            let input = machine.path(&name);
            bench.convert(&input, &machine, Map::Elf).done();
            let mut before = Listing::of(tool, &input);
            assert!(before.sections.len() > 20 && before.symbols.len() > 20);
            assert!(before.relocations.len() > 5);
            before.follow(&plan(&machine, &input));
            let mut after = Listing::of(tool, &bench.output());
            after.spell_klp();
            let context = format!("{tool} {} {name}", machine.name);
            for (before, after) in before.sections.iter().zip(&after.sections) {
                assert_eq!(before, after, "{context}");
            }
            for (before, after) in before.symbols.iter().zip(&after.symbols) {
                assert_eq!(before, after, "{context}");
            }
            for (before, after) in before.relocations.iter().zip(&after.relocations) {
                assert_eq!(before, after, "{context}");
            }
            assert!(before == after, "{context}: something is missing at an end");
        }
    }
}

#[test]
fn readelf_agrees_before_and_after_except_for_the_plan() {
    agrees_except_for_the_plan("readelf");
}

#[test]
fn llvm_readelf_agrees_before_and_after_except_for_the_plan() {
    agrees_except_for_the_plan("llvm-readelf");
}
