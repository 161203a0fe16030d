//! Several sources merged: their descriptions of an object must agree, and are joined.

mod agree;
mod cut_names;
mod exporters;
mod merged;

pub(crate) use cut_names::settle;
pub(crate) use exporters::Exporters;
pub use merged::Merged;
