//! Why a name has no meaning, or more than one.

use crate::annotation::Selector;
use crate::name::{NameError, ObjectName, Position};
use crate::symbols::{Candidate, Candidates, Suggestion};

/// How many objects are listed.
pub(super) const LISTED: usize = 20;

/// Why a name cannot be resolved. `Display` is one line; candidates and causes are for the lines
/// after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unresolved {
    /// The name does not fit into a klp symbol.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Several symbols have the name, and the author does not select one.
    #[error("'{name}' has {count} candidates in {objects}",
        count = .candidates.len() + usize::from(.exporter.is_some()),
        objects = Objects(.candidates, .exporter.as_ref()))]
    Ambiguous {
        /// The name.
        name: String,
        /// All candidates, grouped by object, in the order of positions.
        candidates: Candidates,
        /// An object that also exports the name, and whose symbols no source lists.
        exporter: Option<ObjectName>,
    },
    /// No symbol has the name, or none in the object that the author names.
    #[error("'{name}' is not found{place}", place = In(.owner.as_ref()))]
    NotFound {
        /// The name.
        name: String,
        /// The object that the author names.
        owner: Option<ObjectName>,
        /// Probable causes, the most likely first.
        causes: Vec<Cause>,
        /// Similar names; [`super::suggest`] fills them in.
        similar: Vec<Suggestion>,
    },
    /// The annotation has position 0, but the object has several symbols of the name.
    #[error("'{name}' is annotated with position 0 (unique), but '{owner}' has {count} of them",
        count = .candidates.len())]
    AnnotatedNotUnique {
        /// The name.
        name: String,
        /// The object.
        owner: ObjectName,
        /// The symbols of that name in that object.
        candidates: Candidates,
    },
    /// The annotation has a position that the object does not have.
    #[error("'{name}' is annotated with position {position}, but '{owner}' has {count} of them",
        count = .candidates.len())]
    AnnotatedNoSuchPosition {
        /// The name.
        name: String,
        /// The object.
        owner: ObjectName,
        /// The annotated position.
        position: Position,
        /// The symbols of that name in that object.
        candidates: Candidates,
    },
    /// No symbol with the name is known to be where the selector says.
    #[error("'{name}' is selected {which}, but none of {count} in '{owner}' is known to be from there",
        count = .candidates.count())]
    SelectedNone {
        /// The name.
        name: String,
        /// The object.
        owner: ObjectName,
        /// How the author selects it.
        which: Box<Selector>,
        /// The symbols of that name in that object.
        candidates: Candidates,
    },
    /// Several symbols with the name are where the selector says.
    #[error("'{name}' is selected {which}, but '{owner}' has {count} of them that fit",
        count = .candidates.count())]
    SelectedSeveral {
        /// The name.
        name: String,
        /// The object.
        owner: ObjectName,
        /// How the author selects it.
        which: Box<Selector>,
        /// Those that fit.
        candidates: Candidates,
    },
    /// The sources do not record source files, or there are no sources.
    #[error(
        "'{name}' is selected {which}, but no symbol source records source files for '{owner}'"
    )]
    FilesUnknown {
        /// The name.
        name: String,
        /// The object.
        owner: ObjectName,
        /// How the author selects it.
        which: Box<Selector>,
        /// The symbols of that name in that object.
        candidates: Candidates,
    },
    /// The source file of the neighbour is unknown.
    #[error(
        "'{name}' is selected next to '{neighbour}', whose source file in '{owner}' is not known"
    )]
    NeighbourFileUnknown {
        /// The name.
        name: String,
        /// The object.
        owner: ObjectName,
        /// The neighbour's name.
        neighbour: String,
        /// The symbols of the neighbour's name in that object.
        neighbours: Candidates,
    },
    /// The author names an object that no source describes.
    #[error("'{name}' is annotated as belonging to '{owner}', which no symbol source describes")]
    ObjectUnknown {
        /// The name.
        name: String,
        /// The object.
        owner: ObjectName,
        /// Known objects with a similar name, the most likely first; all, if they
        /// are few.
        similar: Vec<ObjectName>,
    },
    /// A module has the name, but whether vmlinux also has it is unknown.
    #[error("'{name}' is found in '{owner}', but no symbol source describes vmlinux",
        owner = .candidate.object)]
    VmlinuxUnknown {
        /// The name.
        name: String,
        /// The symbol that was found.
        candidate: Box<Candidate>,
    },
    /// The only symbol of the name is in memory that is freed after initialisation.
    #[error("'{name}' is in init memory of '{owner}', which is freed before a livepatch runs",
        owner = .candidate.object)]
    InitMemory {
        /// The name.
        name: String,
        /// The symbol.
        candidate: Box<Candidate>,
    },
}

impl Unresolved {
    /// The name; empty for one that does not fit into a klp symbol.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Name(_) => "",
            Self::Ambiguous { name, .. }
            | Self::NotFound { name, .. }
            | Self::AnnotatedNotUnique { name, .. }
            | Self::AnnotatedNoSuchPosition { name, .. }
            | Self::SelectedNone { name, .. }
            | Self::SelectedSeveral { name, .. }
            | Self::FilesUnknown { name, .. }
            | Self::NeighbourFileUnknown { name, .. }
            | Self::ObjectUnknown { name, .. }
            | Self::VmlinuxUnknown { name, .. }
            | Self::InitMemory { name, .. } => name,
        }
    }
}

/// Why a name is probably not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The compiler renamed the function, and none with the plain name is left.
    #[error("the compiler renamed it: '{variant}' in '{object}'")]
    Variant {
        /// The compiler's name.
        variant: String,
        /// The object that has it.
        object: ObjectName,
    },
    /// An object other than the annotated one has it.
    #[error("'{0}' has a symbol of this name")]
    OtherObject(ObjectName),
    /// An object other than the annotated one exports it.
    #[error("'{0}' exports it, but no symbol source lists its symbols")]
    ExportedElsewhere(ObjectName),
    /// The name is that of a neighbour, not of a symbol that is used.
    #[error("'{0}' is selected next to it")]
    Neighbour(String),
}

/// Prints the objects of some candidates, each once, and an additional one.
struct Objects<'a>(&'a [Candidate], Option<&'a ObjectName>);

impl std::fmt::Display for Objects<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut names: Vec<&ObjectName> = self.0.iter().map(|c| &c.object).collect();
        names.dedup();
        names.extend(self.1);
        for (n, name) in names.iter().take(LISTED).enumerate() {
            write!(f, "{}'{name}'", if n == 0 { "" } else { ", " })?;
        }
        match names.len().checked_sub(LISTED) {
            Some(more @ 1..) => write!(f, " and {more} more"),
            _ => Ok(()),
        }
    }
}

/// Prints ` in 'object'`, or nothing.
struct In<'a>(Option<&'a ObjectName>);

impl std::fmt::Display for In<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |object| write!(f, " in '{object}'"))
    }
}
