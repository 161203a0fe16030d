//! The figures of many modules over time: a file of lines, to which each release adds.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::diagnostic::{Code, Diagnose};

/// The figures of one module at one time: a line of the file, a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The time: a version, a commit, a date.
    pub(super) label: String,
    /// What has the figures: the module's name.
    pub(super) name: String,
    pub(super) figures: BTreeMap<String, u64>,
}

/// A history, in the order of its file.
#[derive(Debug, Default)]
pub(super) struct History(pub(super) Vec<Entry>);

/// Why a file is not a history.
#[derive(Debug)]
pub(super) struct HistoryError {
    line: usize,
    what: String,
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl Diagnose for HistoryError {
    fn code(&self) -> Code {
        Code::History
    }

    fn help(&self) -> Vec<String> {
        vec!["each line is an object with label, name and figures, as --history writes it".into()]
    }
}

impl History {
    /// Reads a file's text.
    ///
    /// # Errors
    /// A line is not an entry.
    pub(super) fn parse(text: &str) -> Result<Self, HistoryError> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let entries = lines.map(|(index, line)| {
            serde_json::from_str(line)
                .map_err(|error| HistoryError { line: index + 1, what: error.to_string() })
        });
        entries.collect::<Result<_, _>>().map(Self)
    }

    /// Adds an entry, in the place of one of the same label and name.
    pub(super) fn add(&mut self, entry: Entry) {
        let same = |there: &&mut Entry| there.label == entry.label && there.name == entry.name;
        match self.0.iter_mut().find(same) {
            Some(there) => *there = entry,
            None => self.0.push(entry),
        }
    }

    /// The file's text.
    pub(super) fn to_text(&self) -> Result<String, serde_json::Error> {
        let lines = self.0.iter().map(|entry| Ok(serde_json::to_string(entry)? + "\n"));
        lines.collect()
    }

    /// The labels, in the order in which they came.
    pub(super) fn labels(&self) -> Vec<&str> {
        let mut labels = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for entry in &self.0 {
            if seen.insert(entry.label.as_str()) {
                labels.push(entry.label.as_str());
            }
        }
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(label: &str, name: &str, file: u64) -> Entry {
        let figures = [("file".to_owned(), file)].into();
        Entry { label: label.into(), name: name.into(), figures }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut history = History::default();
        history.add(entry("v2", "one", 1));
        history.add(entry("v1", "one", 2));
        history.add(entry("v2", "two", 3));
        history.add(entry("v2", "one", 4));
        let text = history.to_text().unwrap();
        assert_eq!(text.lines().count(), 3);
        let again = History::parse(&text).unwrap();
        assert_eq!(again.0, [entry("v2", "one", 4), entry("v1", "one", 2), entry("v2", "two", 3)]);
        assert_eq!(again.labels(), ["v2", "v1"]);
    }

    #[test]
    fn a_line_that_is_no_entry_is_named() {
        let text = "{\"label\":\"v1\",\"name\":\"one\",\"figures\":{}}\n\n{\"label\":\"v1\"}\n";
        let error = History::parse(text).unwrap_err().to_string();
        assert!(error.starts_with("line 3: missing field"), "{error}");
    }
}
