//! Anything that can tell a kernel's symbols, and several such things as one.

use std::fmt::Debug;
use std::path::Path;

use super::{Answer, Near, Order, SymbolError, Wanted};

/// Something that knows what some objects of a kernel define or export.
pub trait SymbolSource: Debug {
    /// The file, for messages.
    fn path(&self) -> &Path;

    /// How well the source knows the order of symbols of one name.
    fn order(&self) -> Order;

    /// Adds the objects that the source speaks for, and all that it knows about the wanted names.
    ///
    /// # Errors
    /// [`SymbolError`] when the file cannot be read, is malformed, or contradicts what another
    /// source already answered.
    fn answer(&self, wanted: &Wanted<'_>, answer: &mut Answer) -> Result<(), SymbolError>;

    /// Offers every name that the source has, for advice; takes as long as reading the whole file.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    fn similar(&self, near: &mut Near) -> Result<(), SymbolError>;
}

/// The sources of one kernel. Where two tell the same object, one with a proven order wins over an
/// alphabetical list; two that are equally good are an error.
#[derive(Debug, Default)]
pub struct Sources {
    sources: Vec<Box<dyn SymbolSource>>,
}

impl Sources {
    /// No sources.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source; the order of adding does not matter to the answer.
    pub fn push(&mut self, source: impl SymbolSource + 'static) {
        self.sources.push(Box::new(source));
    }

    /// Whether there is nothing to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Asks every source.
    ///
    /// # Errors
    /// The first [`SymbolError`] of a source.
    pub fn answer(&self, wanted: &Wanted<'_>) -> Result<Answer, SymbolError> {
        let mut answer = Answer::default();
        for order in [Order::Proven, Order::Alphabetical] {
            for source in self.sources.iter().filter(|s| s.order() == order) {
                source.answer(wanted, &mut answer)?;
            }
        }
        Ok(answer)
    }

    /// Offers every name of every source to `near`.
    ///
    /// # Errors
    /// The first [`SymbolError`] of a source.
    pub fn similar(&self, near: &mut Near) -> Result<(), SymbolError> {
        self.sources.iter().try_for_each(|source| source.similar(near))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::klp::ObjectName;
    use crate::symbols::{Candidate, Kernel, SymbolErrorKind};
    use std::num::NonZeroU32;
    use std::path::PathBuf;

    /// Tells one symbol `f` of vmlinux, at its own name's length.
    #[derive(Debug)]
    struct Fake(PathBuf, Order);

    impl SymbolSource for Fake {
        fn path(&self) -> &Path {
            &self.0
        }

        fn order(&self) -> Order {
            self.1
        }

        fn answer(&self, wanted: &Wanted<'_>, answer: &mut Answer) -> Result<(), SymbolError> {
            let fail = |kind| SymbolError::new(&self.0, kind);
            answer.note(Kernel::default()).map_err(fail)?;
            let object = ObjectName::vmlinux();
            if answer.object(&object, &self.0, self.1).map_err(fail)? && wanted.contains(b"f") {
                answer.candidate(Candidate {
                    object,
                    name: "f".into(),
                    position: NonZeroU32::MIN,
                    homonyms: 1,
                    live_position: Some(NonZeroU32::MIN),
                    address: None,
                    size: None,
                    file: None,
                    unit: None,
                    section: None,
                    binding: None,
                    kind: None,
                    init: false,
                    order: self.1,
                });
            }
            Ok(())
        }

        fn similar(&self, near: &mut Near) -> Result<(), SymbolError> {
            near.offer(&ObjectName::vmlinux(), b"long_name");
            Ok(())
        }
    }

    fn sources(fakes: &[(&str, Order)]) -> Sources {
        let mut sources = Sources::new();
        for (path, order) in fakes {
            sources.push(Fake(path.into(), *order));
        }
        sources
    }

    #[test]
    fn a_proven_order_wins_whichever_source_was_named_first() {
        let (list, elf) = (("list", Order::Alphabetical), ("vmlinux", Order::Proven));
        for both in [[list, elf], [elf, list]] {
            let answer = sources(&both).answer(&Wanted::new(["f"])).unwrap();
            let orders: Vec<_> = answer.candidates("f").iter().map(|c| c.order).collect();
            assert_eq!(orders, [Order::Proven]);
        }
    }

    #[test]
    fn two_equally_good_tellers_of_one_object_are_refused() {
        for order in [Order::Proven, Order::Alphabetical] {
            let error =
                sources(&[("a", order), ("b", order)]).answer(&Wanted::new([])).unwrap_err();
            assert!(matches!(error.kind, SymbolErrorKind::ObjectTwice { .. }));
            assert_eq!(error.to_string(), "b: object 'vmlinux' was already told by a");
        }
    }

    #[test]
    fn no_sources_answer_nothing() {
        let sources = Sources::new();
        assert!(sources.is_empty());
        assert!(!sources.answer(&Wanted::new(["f"])).unwrap().has_sources());
    }

    #[test]
    fn near_names_are_gathered_from_every_source() {
        let mut near = Near::new(["long_nane"]);
        sources(&[("a", Order::Proven)]).similar(&mut near).unwrap();
        assert_eq!(near.found("long_nane").len(), 1);
    }
}
