//! One file for each source of symbols.

mod boot_image;
mod homonyms;
mod list;
mod module;
mod proc_kallsyms;
mod rows;
mod symvers;
mod system_map;
mod tree;
mod vmlinux;

pub use boot_image::{BootImage, FileOf};
pub(crate) use list::HEADER;
pub use list::TextList;
pub use module::ModuleFile;
pub use proc_kallsyms::ProcKallsyms;
pub use symvers::Symvers;
pub use system_map::SystemMap;
pub use tree::{add_kernel, add_modules, kernel_release};
pub use vmlinux::Vmlinux;
