//! Whether a livepatch can reach a symbol, and how.
//!
//! What the kernel's own look-up of a name would find (`klp_find_object_symbol`), for people who look
//! a name up. The policy of a conversion is in [`crate::resolve`].

use std::fmt;

use crate::symbols::{Answer, Candidate, Export, Kind, Order};

/// How a livepatch reaches a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Its name suffices: no other symbol has it.
    ByName,
    /// vmlinux exports it: an ordinary relocation reaches it.
    Exported,
    /// By its position; the name occurs several times.
    ByPosition,
    /// By its position, but only while its module is being loaded.
    WhileLoading,
    /// By its position, which no address proves.
    Unproven,
    /// It is freed after initialisation, before a livepatch runs.
    Freed,
    /// It marks a file or a section and has no address.
    Marker,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByName => "by name",
            Self::Exported => "as an export",
            Self::ByPosition => "by position",
            Self::WhileLoading => "by position, only while its module is being loaded",
            Self::Unproven => "by position, which is not proven",
            Self::Freed => "no: freed after initialisation",
            Self::Marker => "no: marks a file or section",
        })
    }
}

impl Answer {
    /// How a livepatch reaches a candidate.
    #[must_use]
    pub fn reach(&self, candidate: &Candidate) -> Reach {
        let name = &candidate.name;
        // A module's export becomes a klp relocation: the livepatch then does not depend on the module.
        let ordinary = |export: &Export| export.owner.is_vmlinux() && !export.for_modules_only();
        let exported = self.export(name).is_some_and(ordinary) && candidate.object.is_vmlinux();
        if candidate.kind == Some(Kind::Marker) {
            Reach::Marker
        } else if candidate.init {
            Reach::Freed
        } else if exported && candidate.homonyms == 1 {
            Reach::Exported
        } else if self.candidates(name).len() == 1 {
            Reach::ByName
        } else if candidate.homonyms > 1 && candidate.order != Order::Proven {
            Reach::Unproven
        } else if candidate.homonyms > 1 && candidate.drifts() {
            Reach::WhileLoading
        } else {
            Reach::ByPosition
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{Merged, Object, Symbol, SymbolData};
    use std::path::Path;

    /// How each symbol `f` of these objects is reached.
    fn reach(objects: &[(&str, Order, &[Change])], exported: &[&str]) -> Vec<Reach> {
        let objects = objects.iter().map(|(name, order, symbols)| {
            let mut object = Object::new(name.parse().unwrap(), Path::new("source"), *order);
            for change in *symbols {
                let mut symbol = Symbol::named(object.keep(b"f").unwrap());
                change(&mut symbol);
                object.symbols.push(symbol);
            }
            object
        });
        let export = |owner: &&str| ("f".to_owned(), Export::by(owner.parse().unwrap()));
        let exports = exported.iter().map(export).collect();
        let data = SymbolData { objects: objects.collect(), exports, ..SymbolData::default() };
        let mut merged = Merged::default();
        merged.add(data, Path::new("source")).unwrap();
        let answer = Answer::new(merged).unwrap();
        answer.candidates("f").iter().map(|candidate| answer.reach(candidate)).collect()
    }

    type Change = fn(&mut Symbol);
    const PLAIN: Change = |_| {};
    const INIT: Change = |symbol| (symbol.init, symbol.stays) = (true, false);

    #[test]
    fn a_unique_name_is_reached_by_name() {
        assert_eq!(reach(&[("vmlinux", Order::Proven, &[PLAIN])], &[]), [Reach::ByName]);
        assert_eq!(reach(&[("m", Order::Alphabetical, &[PLAIN])], &[]), [Reach::ByName]);
    }

    #[test]
    fn an_export_of_vmlinux_is_reached_as_one_and_a_modules_is_not() {
        let vmlinux = ("vmlinux", Order::Proven, &[PLAIN][..]);
        assert_eq!(reach(&[vmlinux], &["vmlinux"]), [Reach::Exported]);
        assert_eq!(reach(&[vmlinux], &["m"]), [Reach::ByName], "another object exports it");
        let both = [vmlinux, ("m", Order::Proven, &[PLAIN])];
        assert_eq!(reach(&both, &["m"]), [Reach::ByPosition; 2]);
        assert_eq!(reach(&[("m", Order::Proven, &[PLAIN])], &["m"]), [Reach::ByName]);
        let twice = ("vmlinux", Order::Proven, &[PLAIN, PLAIN][..]);
        assert_eq!(reach(&[twice], &["vmlinux"]), [Reach::ByPosition; 2], "which one is not known");
    }

    #[test]
    fn homonyms_are_reached_by_position_where_it_is_proven() {
        assert_eq!(reach(&[("m", Order::Proven, &[PLAIN, PLAIN])], &[]), [Reach::ByPosition; 2]);
        for order in [Order::Alphabetical, Order::Loaded] {
            assert_eq!(reach(&[("m", order, &[PLAIN, PLAIN])], &[]), [Reach::Unproven; 2]);
        }
    }

    #[test]
    fn freed_init_symbols_move_the_positions_after_them() {
        let found = reach(&[("m", Order::Proven, &[PLAIN, INIT, PLAIN])], &[]);
        assert_eq!(found, [Reach::ByPosition, Reach::Freed, Reach::WhileLoading]);
        assert_eq!(reach(&[("vmlinux", Order::Proven, &[INIT])], &["vmlinux"]), [Reach::Freed]);
    }

    #[test]
    fn a_marker_cannot_be_reached() {
        let marker: Change = |symbol| symbol.kind = Some(Kind::Marker);
        let found = reach(&[("m", Order::Proven, &[marker, PLAIN])], &[]);
        assert_eq!(found, [Reach::Marker, Reach::ByPosition]);
    }

    #[test]
    fn every_verdict_has_a_text() {
        let all = [
            (Reach::ByName, "by name"),
            (Reach::Exported, "as an export"),
            (Reach::ByPosition, "by position"),
            (Reach::WhileLoading, "by position, only while its module is being loaded"),
            (Reach::Unproven, "by position, which is not proven"),
            (Reach::Freed, "no: freed after initialisation"),
            (Reach::Marker, "no: marks a file or section"),
        ];
        for (reach, people) in all {
            assert_eq!(reach.to_string(), people);
        }
    }
}
