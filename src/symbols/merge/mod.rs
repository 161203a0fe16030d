//! Several sources as one: what they say of one object must agree, and is joined.

mod agree;
mod cut_names;
mod merged;

pub(crate) use cut_names::settle;
pub use merged::Merged;
