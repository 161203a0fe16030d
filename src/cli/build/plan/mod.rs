//! Plans: a command for each cell, for schedulers that others have built.
//!
//! A command says what its cell is made from, and refuses anything else.

mod github;
mod gitlab;
mod kubernetes;
mod ninja;
mod slurm;

use serde::Serialize;

use super::matrix::{Job, Matrix};
use super::project::{Elsewhere, ProjectError};
use super::results::{CELL, Results};
use crate::cli::Outcome;
use crate::cli::args::{BuildMatrix, PlanForm};
use crate::cli::report::Reporter;
use crate::diagnostic::Diagnostic;

/// A cell to be built somewhere.
#[derive(Debug, Serialize)]
struct Planned {
    patch: String,
    target: String,
    /// `PATCH@TARGET=DIGEST`.
    cell: String,
    command: Vec<String>,
    /// Digests of klp-convert and of all that is known about the kernel's symbols.
    program: String,
    symbols: String,
    inputs: Vec<Input>,
    /// The file that is there at the end, with the modules beside it.
    output: String,
}

#[derive(Debug, Serialize)]
struct Input {
    path: String,
    sha256: Option<String>,
}

/// All cells, with what their commands have in common.
#[derive(Debug)]
struct Plan<'a> {
    cells: Vec<Planned>,
    /// The start of each command, before `--cell`.
    start: Vec<String>,
    /// The folder of results.
    output: String,
    elsewhere: &'a Elsewhere,
}

/// Prints a plan.
pub(super) fn print(
    form: PlanForm,
    args: &BuildMatrix,
    matrix: &Matrix<'_>,
    jobs: &[Job],
    results: &Results<'_>,
    reporter: &Reporter,
) -> Outcome {
    let output = results.folder.display().to_string();
    let file = args.file.display().to_string();
    let start = ["klp-convert", "build", "--file", &file, "--output", &output].map(str::to_owned);
    let cells = jobs.iter().filter_map(|job| {
        let (patch, target) = matrix.project.of_place(job.place)?;
        let cell = format!("{}@{}={}", patch.name, target.name, job.identity);
        let inputs = matrix.files(job.place).into_iter().map(|path| Input {
            sha256: matrix.digest(&path),
            path: path.strip_prefix(&matrix.project.root).unwrap_or(&path).display().to_string(),
        });
        Some(Planned {
            patch: patch.name.clone(),
            target: target.name.clone(),
            command: start.iter().cloned().chain(["--cell".into(), cell.clone()]).collect(),
            cell,
            program: job.identity.program.clone(),
            symbols: job.identity.symbols.clone(),
            inputs: inputs.collect(),
            output: results.of(&patch.name, &target.name).join(CELL).display().to_string(),
        })
    });
    let plan = Plan {
        cells: cells.collect(),
        start: start.to_vec(),
        output,
        elsewhere: &matrix.project.elsewhere,
    };
    let text = match form {
        PlanForm::Json => return reporter.json(&plan.cells),
        PlanForm::Ninja => Ok(ninja::text(&plan)),
        PlanForm::Slurm => Ok(slurm::text(&plan)),
        PlanForm::Kubernetes => kubernetes::text(&plan),
        PlanForm::Github => Ok(github::text(&plan)),
        PlanForm::Gitlab => gitlab::text(&plan),
    };
    match text {
        Ok(text) => reporter.text(&text),
        Err(error) => {
            let diagnostic = Diagnostic::error(&file, &error);
            reporter.failure(&[diagnostic], Outcome::UsageOrIo)
        }
    }
}

impl Plan<'_> {
    /// The cells as arguments, in at most so many groups of equal size.
    fn groups(&self, most: usize) -> Vec<String> {
        let each = self.cells.len().div_ceil(most).max(1);
        let group = |cells: &[Planned]| {
            let words = cells.iter().map(|cell| format!("--cell {}", quoted(&cell.cell)));
            words.collect::<Vec<_>>().join(" ")
        };
        self.cells.chunks(each).map(group).collect()
    }

    /// The start of each command, for a shell.
    fn shell(&self) -> String {
        self.start.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }

    /// What puts results together, for a shell; `folders` is for the shell to expand.
    fn merge(&self, folders: &str) -> String {
        format!("{} --merge {folders}", self.shell())
    }

    /// Shell code that sets `$@` to the arguments of a group, by a variable that has its index.
    fn choice(&self, variable: &str, most: usize) -> String {
        let groups = self.groups(most);
        let cases =
            groups.iter().enumerate().map(|(index, group)| format!("{index}) set -- {group} ;;\n"));
        format!(
            "case \"${variable}\" in\n{}*) echo \"no cell ${variable}\" >&2; exit 2 ;;\nesac\n",
            cases.collect::<String>()
        )
    }

    /// The image that other machines run.
    fn image(&self) -> Result<&str, ProjectError> {
        self.elsewhere.image.as_deref().ok_or_else(|| {
            ProjectError::new(
                "this plan needs a container image",
                "add [plan] with image = \"REGISTRY/IMAGE\"",
            )
        })
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@+,%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A text for YAML, of which JSON is a part.
fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_spaces_and_quotes_stay_one_word() {
        for word in ["", "a b", "it's", "$x", "a\"b", "plain-1.2_x@y=z", "`x`", "*"] {
            let script = format!("printf %s {}", quoted(word));
            let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
