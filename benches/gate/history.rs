//! What commits cost, a line for each: the file that `klp-convert stats --history FILE --page PAGE` draws.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::cases::{self, Work};
use super::{inputs, side_by_side, valgrind};
use crate::measure::is_installed;

/// A line to add.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) file: PathBuf,
    /// The commit.
    pub(crate) label: String,
    /// Its program; this one if there is none.
    pub(crate) program: Option<PathBuf>,
}

impl History {
    /// Counts the instructions of all commands that the program has, and adds them; with this program those of other
    /// programs that do as much, too.
    pub(crate) fn add(&self) {
        let _only_one = inputs::lock();
        inputs::make();
        let this = Path::new(env!("CARGO_BIN_EXE_klp-convert"));
        let program = self.program.as_deref().unwrap_or(this);
        let commands = cases::all().into_iter().filter_map(|case| match case.work {
            Work::Command(words) => Some((case.name, words)),
            Work::Call => None,
        });
        let counted = side_by_side(&commands.collect::<Vec<_>>(), |(name, words)| {
            let count = valgrind::instructions(program, words);
            (name.clone(), count.or_else(|| valgrind::instructions(program, &historical(words)?)))
        });
        let figures: BTreeMap<_, _> =
            counted.into_iter().filter_map(|(name, count)| Some((name, count?))).collect();
        // Our first program succeeds with nothing but its name.
        let (least, most) = (figures.values().min(), figures.values().max());
        let works = least.zip(most).is_some_and(|(least, most)| *most > 2 * least);
        assert!(works, "{} does nothing of this", program.display());
        let mut lines = vec![("klp-convert".to_owned(), figures)];
        if self.program.is_none() {
            lines.extend(others());
        }
        let mut text = fs::read_to_string(&self.file).unwrap_or_default();
        for (name, figures) in lines {
            // In the order of what `stats` writes.
            let start = format!("{{\"label\":{},\"name\":{}", json!(self.label), json!(name));
            text =
                text.lines().filter(|l| !l.starts_with(&start)).map(|l| format!("{l}\n")).collect();
            text += &format!("{start},\"figures\":{}}}\n", json!(figures));
        }
        fs::write(&self.file, text).unwrap();
    }
}

/// The words of a conversion as the first programs understood them: symbols, input, output.
fn historical(words: &[String]) -> Option<Vec<String>> {
    match words {
        [convert, input, _, symbols, _, output] if convert == "convert" => {
            Some([symbols, input, output].map(Clone::clone).to_vec())
        }
        _ => None,
    }
}

/// Programs that read all of a module, or read it and write another with all of it, by the benchmark that does as much.
fn others() -> Vec<(String, BTreeMap<String, u64>)> {
    const CONVERT: &str = "convert/large-8 -r module-8.ko -o linked.out";
    let others = [
        ("ld -r", "ld", CONVERT),
        ("ld.lld -r", "ld.lld", CONVERT),
        ("mold -r", "mold", CONVERT),
        ("readelf", "readelf", "inspect/large -W -S -s -r module-8.ko"),
        ("llvm-readelf", "llvm-readelf", "inspect/large -W -S -s -r module-8.ko"),
    ];
    let counted = others.into_iter().filter(|(_, program, _)| is_installed(program));
    let counted = counted.filter_map(|(name, program, words)| {
        let mut words = words.split(' ').map(str::to_owned);
        let figure = words.next()?;
        let count = valgrind::instructions(Path::new(program), &words.collect::<Vec<_>>())?;
        Some((name.to_owned(), [(figure, count)].into()))
    });
    counted.collect()
}
