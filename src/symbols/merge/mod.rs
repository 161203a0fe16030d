//! Several sources merged: their descriptions of an object must agree, and are joined.

mod agree;
mod cut_names;
mod merged;

pub(crate) use cut_names::settle;
pub use merged::Merged;
