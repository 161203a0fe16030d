//! The contents of ELF files: symbol tables, exports, source files, call sites, kernel evidence.

pub(crate) mod dwarf;
pub(crate) mod elf_object;
pub(crate) mod evidence;
pub(crate) mod exports;
pub(crate) mod init_memory;
pub(crate) mod kallsyms;
pub(crate) mod letter;
pub(crate) mod note;
pub(crate) mod source_files;
pub(crate) mod table;
pub(crate) mod traceable;
mod watched;
