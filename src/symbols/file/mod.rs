//! Files as they are: compressed or not, whole or line by line.

mod compressed;
mod in_kernel;
mod input;
mod lines;
mod packed;

pub(crate) use compressed::Contents;
pub use compressed::{MODULE_MAX, ModuleBytes, read_module, read_module_file, read_module_within};
pub(crate) use input::Input;
pub(crate) use lines::each_line;
