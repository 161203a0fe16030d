//! Queries of the merged sources: names, lists, differences.

mod answer;
mod candidates;
mod diff;
mod export;
mod generated;
mod reach;

pub use answer::{Answer, Candidate};
pub use candidates::Candidates;
pub use diff::{Change, Changed, diff};
pub use export::{write_kallsyms, write_list};
pub use generated::is_generated;
pub use reach::Reach;
