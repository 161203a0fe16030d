//! Relocation back ends for the Linux module loader.
