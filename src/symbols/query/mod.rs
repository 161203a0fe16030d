//! Queries of the merged sources: names, lists, differences.

mod answer;
mod diff;
mod export;
mod made;
mod reach;

pub use answer::{Answer, Candidate};
pub use diff::{Change, Changed, diff};
pub use export::{write_kallsyms, write_list};
pub use made::is_made;
pub use reach::Reach;
