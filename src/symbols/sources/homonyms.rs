//! How often an object has each name in scope, while a text is read.
//!
//! A file of a gigabyte may contain a wanted name a hundred million times; a limit bounds memory.
//! Invariant: a look-up of names never has more than [`HOMONYMS_MAX`] symbols
//! of one name in one object.

use std::collections::HashMap;

use crate::name::ObjectName;
use crate::symbols::data::kind::HOMONYMS_MAX;
use crate::symbols::{Scope, SymbolErrorKind};

/// The counts of one object.
#[derive(Debug, Default)]
pub(crate) struct Homonyms<'a> {
    counts: HashMap<&'a str, u32>,
}

impl<'a> Homonyms<'a> {
    /// Whether the name is in scope; counts it.
    ///
    /// # Errors
    /// [`SymbolErrorKind::TooMany`].
    #[inline]
    pub(crate) fn admit(
        &mut self,
        scope: Scope<'a>,
        object: &ObjectName,
        name: &[u8],
    ) -> Result<bool, SymbolErrorKind> {
        let Scope::Names(names) = scope else { return Ok(true) };
        names.admit(name).map_or(Ok(false), |name| self.count(object, name))
    }

    fn count(&mut self, object: &ObjectName, name: &'a str) -> Result<bool, SymbolErrorKind> {
        let count = self.counts.entry(name).or_insert(0);
        *count += 1;
        if *count > HOMONYMS_MAX {
            let (name, object, limit) = (name.into(), object.clone(), HOMONYMS_MAX);
            return Err(SymbolErrorKind::TooMany { name, object, limit });
        }
        Ok(true)
    }

    /// Starts with another object.
    pub(crate) fn clear(&mut self) {
        self.counts.clear();
    }
}
