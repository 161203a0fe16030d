//! The kernel symbol map: what a kernel's objects define and export, from whatever source.
