//! Several sources of one kernel as one.
//!
//! Between what each source tells and what is made of it: an answer about some names, or a map of
//! all. Where two tell one object, an alphabetical list gives way to a better order
//! ([`super::Order`]); all others must agree ([`super::agree`]), and each fills in what the other does
//! not know. Invariant: the result does not depend on the order of adding.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::agree::join;
use super::told::KnownObjects;
use super::{Export, Kernel, Object, SymbolError, SymbolErrorKind, Told};
use crate::klp::ObjectName;

/// What several sources of one kernel tell.
#[derive(Debug, Default)]
pub struct Merged {
    pub(super) kernel: Kernel,
    pub(super) objects: BTreeMap<ObjectName, Object>,
    pub(super) exports: FxHashMap<String, BTreeMap<ObjectName, Export>>,
    pub(super) known: Vec<Arc<dyn KnownObjects>>,
    pub(super) any: bool,
}

impl Merged {
    /// Adds what the source `by` tells.
    ///
    /// # Errors
    /// [`SymbolErrorKind::Disagree`] and [`SymbolErrorKind::Contradiction`] where it does not fit
    /// to what another source told.
    pub fn add(&mut self, told: Told, by: &Path) -> Result<(), SymbolError> {
        self.any = true;
        let fail = |kind| SymbolError::new(by, kind);
        self.kernel.join(told.kernel).map_err(fail)?;
        for object in told.objects {
            let name = object.name.clone();
            let object = match self.objects.remove(&name) {
                Some(known) => join(known, object).map_err(fail)?,
                None => object,
            };
            self.objects.insert(name, object);
        }
        self.known.extend(told.known);
        told.exports.into_iter().for_each(|(name, export)| self.export(name, export));
        Ok(())
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The objects, sorted by name.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }

    /// One object.
    #[must_use]
    pub fn object(&self, name: &ObjectName) -> Option<&Object> {
        self.objects.get(name)
    }

    /// Every export with its name, in no particular order.
    pub fn exports(&self) -> impl Iterator<Item = (&str, &Export)> {
        let all = self.exports.iter();
        all.flat_map(|(name, owners)| owners.values().map(|export| (name.as_str(), export)))
    }

    /// Whether an object exports a name.
    #[must_use]
    pub fn is_exported(&self, name: &str, owner: &ObjectName) -> bool {
        self.exports.get(name).is_some_and(|owners| owners.contains_key(owner))
    }

    /// Holds what was told of an object against the sources that have it without any of the names.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub(super) fn settle(&mut self) -> Result<(), SymbolError> {
        for known in &self.known {
            for object in self.objects.values_mut() {
                if let Some(empty) = known.find(&object.name)
                    && empty.by != object.by
                {
                    let by = empty.by.clone();
                    *object =
                        join(object.clone(), empty).map_err(|kind| SymbolError::new(&by, kind))?;
                }
            }
        }
        Ok(())
    }

    /// Adds an export; what two sources tell about the same one is joined.
    fn export(&mut self, name: String, export: Export) {
        match self.exports.entry(name).or_default().entry(export.owner.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(export);
            }
            Entry::Occupied(mut entry) => {
                let same = entry.get_mut();
                same.gpl = same.gpl.or(export.gpl);
                same.namespace = same.namespace.take().or(export.namespace);
                same.crc = same.crc.or(export.crc);
            }
        }
    }
}

impl Kernel {
    /// Adds what another source says about the kernel.
    fn join(&mut self, other: Self) -> Result<(), SymbolErrorKind> {
        let differ = |what, this, that| Err(SymbolErrorKind::Disagree { what, this, that });
        match (other.machine, self.machine) {
            (Some(this), Some(that)) if this != that => {
                return differ("machine", format!("{this:#x}"), format!("{that:#x}"));
            }
            (this, that) => self.machine = that.or(this),
        }
        match (other.endian, self.endian) {
            (Some(this), Some(that)) if this != that => {
                return differ("byte order", format!("{this:?}"), format!("{that:?}"));
            }
            (this, that) => self.endian = that.or(this),
        }
        match (other.kallsyms_all, self.kallsyms_all) {
            (Some(this), Some(that)) if this != that => {
                return differ("CONFIG_KALLSYMS_ALL", this.to_string(), that.to_string());
            }
            (this, that) => self.kallsyms_all = that.or(this),
        }
        match (other.release, &self.release) {
            (Some(this), Some(that)) if this != *that => {
                return differ("release", this, that.clone());
            }
            (this, None) => self.release = this,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::{
        Answer, Binding, BuildId, Contradiction, Order, Scope, Span, Symbol, Wanted,
    };
    use crate::symbols::{Near, Sources, SymbolSource};
    use proptest::prelude::*;
    use scroll::Endian;
    use std::path::PathBuf;

    fn export(owner: &str, gpl: Option<bool>, namespace: Option<&str>) -> Export {
        let namespace = namespace.map(str::to_owned);
        Export { gpl, namespace, ..Export::by(owner.parse().unwrap()) }
    }

    fn merged(exports: &[Export]) -> Answer {
        let mut merged = Merged::default();
        for export in exports {
            let exports = vec![("f".to_owned(), export.clone())];
            merged.add(Told { exports, ..Told::default() }, Path::new("f")).unwrap();
        }
        Answer::new(merged).unwrap()
    }

    #[test]
    fn what_two_sources_tell_about_one_export_is_joined() {
        let tell = [
            export("m", None, None),
            export("m", Some(true), Some("NS")),
            export("m", Some(true), None),
        ];
        assert_eq!(merged(&tell).export("f"), Some(&export("m", Some(true), Some("NS"))));
    }

    #[test]
    fn of_several_owners_vmlinux_goes_first_and_then_the_alphabet() {
        let [z, a] = ["z", "a"].map(|owner| export(owner, None, None));
        let vmlinux = export("vmlinux", None, None);
        assert_eq!(merged(&[z.clone(), a.clone()]).export("f").unwrap().owner.as_str(), "a");
        assert!(merged(&[z, a, vmlinux]).export("f").unwrap().owner.is_vmlinux());
    }

    #[test]
    fn what_is_known_of_the_kernel_is_not_forgotten() {
        let mut merged = Merged::default();
        let mut note = |kernel| merged.add(Told { kernel, ..Told::default() }, Path::new("f"));
        note(Kernel { release: Some("7.2".into()), machine: Some(22), ..Kernel::default() })
            .unwrap();
        note(Kernel { endian: Some(Endian::Big), ..Kernel::default() }).unwrap();
        assert!(note(Kernel { endian: Some(Endian::Little), ..Kernel::default() }).is_err());
        let known = Answer::new(merged).unwrap().kernel().clone();
        assert_eq!((known.machine, known.endian), (Some(22), Some(Endian::Big)));
        assert_eq!(known.release.as_deref(), Some("7.2"));
    }

    /// Tells some symbols of vmlinux.
    #[derive(Debug, Clone)]
    struct Fake {
        path: PathBuf,
        order: Order,
        symbols: Vec<(&'static str, Option<u64>, Option<u64>)>,
        shift: Option<u64>,
        build_id: Option<BuildId>,
    }

    impl SymbolSource for Fake {
        fn path(&self) -> &Path {
            &self.path
        }

        fn tell(&self, _: Scope<'_>) -> Result<Told, SymbolError> {
            let mut object = Object::new(ObjectName::vmlinux(), &self.path, self.order);
            object.build_id = self.build_id.clone();
            object.moved = self.shift.is_some();
            for (name, address, size) in &self.symbols {
                let name = object.keep(name.as_bytes()).unwrap();
                let address = address.map(|a| a + self.shift.unwrap_or(0));
                let symbol = Symbol { address, size: *size, ..Symbol::named(name) };
                object.symbols.push(symbol);
            }
            Ok(Told { objects: vec![object], ..Told::default() })
        }
    }

    fn fake(path: &str, order: Order, symbols: &[(&'static str, u64)]) -> Fake {
        let symbols = symbols.iter().map(|(name, address)| (*name, Some(*address), None)).collect();
        Fake { path: path.into(), order, symbols, shift: None, build_id: None }
    }

    fn ask(fakes: &[Fake]) -> Result<Answer, SymbolError> {
        let mut sources = Sources::new();
        fakes.iter().for_each(|fake| sources.push(fake.clone()));
        sources.answer(&Wanted::new(["f"]))
    }

    fn contradiction(one: &Fake, other: &Fake) -> String {
        match ask(&[one.clone(), other.clone()]).unwrap_err().kind {
            SymbolErrorKind::Contradiction { what, .. } => what.to_string(),
            kind => panic!("{kind}"),
        }
    }

    #[test]
    fn a_proven_order_wins_whichever_source_was_named_first() {
        let list = fake("list", Order::Alphabetical, &[("f", 1), ("f", 1), ("g", 2)]);
        let elf = fake("vmlinux", Order::Proven, &[("f", 1)]);
        for both in [[list.clone(), elf.clone()], [elf, list]] {
            let answer = ask(&both).unwrap();
            let orders: Vec<_> = answer.candidates("f").iter().map(|c| c.order).collect();
            assert_eq!(orders, [Order::Proven]);
        }
    }

    #[test]
    fn tellers_that_agree_fill_in_what_the_other_does_not_know() {
        let image = fake("image", Order::Proven, &[("f", 1), ("g", 2), ("f", 3)]);
        let mut sized = image.clone();
        sized.symbols[2].2 = Some(64);
        let mut bare = image.clone();
        bare.symbols.iter_mut().for_each(|symbol| symbol.1 = None);
        for both in [[&image, &sized], [&sized, &image], [&bare, &image], [&image, &bare]] {
            let answer = ask(&both.map(Fake::clone)).unwrap();
            let known: Vec<_> =
                answer.candidates("f").iter().map(|c| (c.address, c.position.get())).collect();
            assert_eq!(known, [(Some(1), 1), (Some(3), 2)]);
        }
        let answer = ask(&[image, sized]).unwrap();
        assert_eq!(answer.candidates("f")[1].size, Some(64));
    }

    #[test]
    fn a_missing_homonym_is_a_contradiction() {
        let (one, other) = (
            fake("a", Order::Proven, &[("f", 1), ("f", 2)]),
            fake("b", Order::Proven, &[("f", 1)]),
        );
        assert_eq!(contradiction(&one, &other), "'f' occurs 1 times here, 2 times there");
        let other = fake("b", Order::Proven, &[("f", 1), ("f", 2), ("g", 3)]);
        assert_eq!(contradiction(&one, &other), "'g' occurs 1 times here, 0 times there");
    }

    #[test]
    fn another_order_of_addresses_is_a_contradiction() {
        let (one, other) = (
            fake("a", Order::Proven, &[("f", 1), ("f", 2)]),
            fake("b", Order::Proven, &[("f", 1), ("f", 3)]),
        );
        let text = contradiction(&one, &other);
        assert_eq!(text, "'f', position 2, is at 0x3 here, at 0x2 there");
    }

    #[test]
    fn a_running_kernel_may_be_shifted_by_one_constant_only() {
        let file = fake("vmlinux", Order::Proven, &[("f", 0x1000), ("f", 0x2000)]);
        let mut running = file.clone();
        running.shift = Some(0x10_0000);
        for both in [[&file, &running], [&running, &file]] {
            let answer = ask(&both.map(Fake::clone)).unwrap();
            let addresses: Vec<_> = answer.candidates("f").iter().map(|c| c.address).collect();
            assert_eq!(addresses, [Some(0x1000), Some(0x2000)]);
        }
        running.symbols[1].1 = Some(0x2008);
        assert!(contradiction(&file, &running).contains("position 2"));
    }

    #[test]
    fn different_builds_are_a_contradiction() {
        let mut one = fake("a", Order::Proven, &[("f", 1)]);
        let mut other = one.clone();
        one.build_id = Some(BuildId(vec![1]));
        other.build_id = Some(BuildId(vec![2]));
        assert_eq!(contradiction(&one, &other), "build-id 02 here, 01 there");
        let what = Contradiction::BuildId(BuildId(vec![2]), BuildId(vec![1]));
        assert_eq!(what.to_string(), "build-id 02 here, 01 there");
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
        let mut sources = Sources::new();
        sources.push(fake("a", Order::Proven, &[("long_name", 1)]));
        sources.similar(&mut near).unwrap();
        assert_eq!(near.found("long_nane").len(), 1);
    }

    fn told(symbols: &[(u8, u64, Option<u64>)], path: &str) -> Object {
        let mut object = Object::new(ObjectName::vmlinux(), Path::new(path), Order::Proven);
        for (name, address, size) in symbols {
            let name = object.keep(&[b'a' + name % 3]).unwrap();
            let binding = size.map(|_| Binding::Local);
            let address = Some(*address);
            object.symbols.push(Symbol { address, size: *size, binding, ..Symbol::named(name) });
        }
        object
    }

    proptest! {
        #[test]
        fn the_result_does_not_depend_on_the_order_of_adding(
            symbols in proptest::collection::vec((any::<u8>(), 0_u64..4, any::<Option<u64>>()), 0..8),
            strip in any::<[bool; 3]>(),
            damage in any::<Option<(u8, u64)>>(),
        ) {
            let tellers: Vec<Object> = strip.iter().enumerate().map(|(n, strip)| {
                let mut symbols = symbols.clone();
                if *strip {
                    symbols.iter_mut().for_each(|symbol| symbol.2 = None);
                }
                if n == 1 && let Some((at, address)) = damage
                    && let Some(symbol) = symbols.get_mut(usize::from(at)) {
                    symbol.1 = address;
                }
                told(&symbols, &format!("{n}"))
            }).collect();
            let all = |order: [usize; 3]| {
                let mut merged = Merged::default();
                for n in order {
                    let objects = vec![tellers[n].clone()];
                    merged.add(Told { objects, ..Told::default() }, Path::new("x")).ok()?;
                }
                let object = merged.objects.into_values().next()?;
                let show = |s: &Symbol| {
                    let name: Span = s.name;
                    (object.text(name).to_vec(), s.address, s.size, s.binding)
                };
                Some(object.symbols.iter().map(show).collect::<Vec<_>>())
            };
            let first = all([0, 1, 2]);
            for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                prop_assert_eq!(&first, &all(order));
            }
        }
    }
}
