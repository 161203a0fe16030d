//! Which cells are meant, by names.

use std::fmt;
use std::str::FromStr;

use super::inputs::Expected;
use super::project::{Place, Project, ProjectError};
use crate::cli::args::BuildMatrix;

/// A cell by its names, with what a plan says that it is made from: `PATCH@TARGET` or `PATCH@TARGET=DIGEST`.
#[derive(Debug, Clone)]
pub(super) struct Named {
    patch: String,
    target: String,
    pub(super) expected: Option<Expected>,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A target's name has no `@`; its release may have anything else.
        let (patch, target) = text.rsplit_once('@').ok_or("write LIVEPATCH@TARGET")?;
        let (target, expected) = match target.rsplit_once('=') {
            Some((target, digest)) => (target, Some(digest.parse()?)),
            None => (target, None),
        };
        Ok(Self { patch: patch.into(), target: target.into(), expected })
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.patch, self.target)
    }
}

/// The cells that are named.
///
/// # Errors
/// A text is not a cell's name.
pub(super) fn cells(args: &BuildMatrix) -> Result<Vec<Named>, ProjectError> {
    let wrong = |text: &String, why: String| {
        ProjectError::new(
            format!("--cell {text}: {why}"),
            "klp-convert build --plan json lists them",
        )
    };
    args.cells.iter().map(|text| text.parse().map_err(|why| wrong(text, why))).collect()
}

/// Whether this is the cell of these names.
pub(super) fn is(project: &Project, place: Place, named: &Named) -> bool {
    let patch = project.patches.get(place.patch).is_some_and(|patch| patch.name == named.patch);
    patch && project.targets.get(place.target).is_some_and(|target| target.name == named.target)
}

/// The cells that the arguments select, all if none.
///
/// # Errors
/// A name or a pattern fits nothing.
pub(super) fn places(project: &Project, args: &BuildMatrix) -> Result<Vec<Place>, ProjectError> {
    let patches: Vec<_> = project.patches.iter().map(|patch| patch.name.as_str()).collect();
    let targets: Vec<_> = project.targets.iter().map(|target| target.name.as_str()).collect();
    let patch = fitting(&args.patches, &patches, "livepatch")?;
    let target = fitting(&args.targets, &targets, "target")?;
    let all = project.places();
    let all = all.filter(|place| patch.contains(&place.patch) && target.contains(&place.target));
    let all: Vec<_> = all.collect();
    let cells = cells(args)?;
    if cells.is_empty() {
        return Ok(all);
    }
    for cell in &cells {
        if !all.iter().any(|&place| is(project, place, cell)) {
            return Err(ProjectError::new(
                format!("--cell {cell}: no such cell"),
                "klp-convert build --plan json lists them",
            ));
        }
    }
    let selected =
        all.into_iter().filter(|&place| cells.iter().any(|cell| is(project, place, cell)));
    Ok(selected.collect())
}

/// The indices of the names that patterns fit.
fn fitting(
    patterns: &[glob::Pattern],
    names: &[&str],
    what: &str,
) -> Result<Vec<usize>, ProjectError> {
    for pattern in patterns {
        if !names.iter().any(|name| pattern.matches(name)) {
            return Err(ProjectError::new(
                format!("no {what} is called {:?}", pattern.as_str()),
                format!("there are: {}", names.join(", ")),
            ));
        }
    }
    let fits =
        |name: &str| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name));
    Ok(names.iter().enumerate().filter(|(_, name)| fits(name)).map(|(index, _)| index).collect())
}
