//! Evidence of the kernel from modules, in a map: each combination once, and for each module which one.
//!
//! A check needs what all of them prove together, which is the small table; the other one is read
//! for what one module needs. Invariant: both are sorted like objects: the bytes do
//! not depend on the order of the sources.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::layout::Section;
use super::tables::{ObjectEntry, Table, table};
use super::varint::{Reader, put, put_bytes};
use super::{MapError, Opened};
use crate::name::ObjectName;
use crate::symbols::data::evidence::VERMAGIC_MAX;
use crate::symbols::{Evidence, Merged, ModuleBtf, Witness};

/// The most dependencies of a module that are kept.
const DEPENDS_MAX: usize = 4096;

/// Bits of evidence.
const IN_TREE: u64 = 1;
const VERSIONS: u64 = 2;
const EXPORTS: u64 = 4;
const FLAGS: u64 = 8;

/// The two tables of these sources: the evidence, and which of it each object has.
pub(super) fn tables(
    merged: &Merged,
    names: &[&ObjectName],
) -> Result<(Vec<u8>, Vec<u8>), MapError> {
    let witnesses = merged.witnesses();
    let number = |name: &ObjectName| {
        let number = names.binary_search(&name).map_err(|_| MapError::TooLarge)?;
        u64::try_from(number).map_err(|_| MapError::TooLarge)
    };
    let shown = witnesses.iter().map(|witness| {
        let mut out = Vec::new();
        put(&mut out, witness.modules);
        put(&mut out, number(&witness.first)?);
        write(&mut out, &witness.evidence);
        Ok(out)
    });
    let shown: Vec<_> = shown.collect::<Result<_, MapError>>()?;
    let modules = names.iter().map(|name| {
        let object = merged.object(name);
        let evidence = object.and_then(|object| object.evidence.as_ref());
        let depends = object.and_then(|object| object.depends.as_deref());
        let mut out = Vec::new();
        let shown = evidence.and_then(|e| witnesses.binary_search_by(|w| w.evidence.cmp(e)).ok());
        put(
            &mut out,
            shown.map_or(Ok(0), |n| u64::try_from(n + 1).map_err(|_| MapError::TooLarge))?,
        );
        let Some(depends) = depends else { return Ok(out) };
        let depends: BTreeSet<_> = depends.iter().take(DEPENDS_MAX).collect();
        put(&mut out, 1);
        for name in depends {
            match number(name) {
                Ok(number) => put(&mut out, number.saturating_add(1)),
                // A module that no source describes.
                Err(_) => {
                    put(&mut out, 0);
                    put_bytes(&mut out, name.as_str().as_bytes());
                }
            }
        }
        Ok(out)
    });
    let modules: Vec<_> = modules.collect::<Result<_, MapError>>()?;
    Ok((table(&shown)?, table(&modules)?))
}

fn write(out: &mut Vec<u8>, evidence: &Evidence) {
    let Evidence { vermagic, in_tree, module_size, init, exit, has_versions, has_flags, btf } =
        evidence;
    let vermagic = vermagic.as_deref().unwrap_or("");
    put_bytes(out, vermagic.as_bytes());
    let bit = |set: bool, bit: u64| if set { bit } else { 0 };
    let bits = bit(*in_tree, IN_TREE)
        | bit(*has_versions, VERSIONS)
        | bit(has_flags.is_some(), EXPORTS)
        | bit(*has_flags == Some(true), FLAGS);
    put(out, bits);
    // No size or offset is 2^64 - 1.
    let number = |number: &Option<u64>| number.map_or(0, |number| number.saturating_add(1));
    [module_size, init, exit].into_iter().for_each(|value| put(out, number(value)));
    put(
        out,
        match btf {
            ModuleBtf::Absent => 0,
            ModuleBtf::Present => 1,
            ModuleBtf::Split(strings) => u64::from(*strings) + 2,
        },
    );
}

fn read(reader: &mut Reader<'_>) -> Result<Evidence, MapError> {
    let vermagic = reader.text()?;
    if vermagic.len() > VERMAGIC_MAX {
        return Err(MapError::Damaged("evidence"));
    }
    let bits = reader.number()?;
    let has = |bit| bits & bit != 0;
    let mut number = || Ok::<_, MapError>(reader.number()?.checked_sub(1));
    Ok(Evidence {
        vermagic: Some(vermagic.to_owned()).filter(|text| !text.is_empty()),
        in_tree: has(IN_TREE),
        module_size: number()?,
        init: number()?,
        exit: number()?,
        has_versions: has(VERSIONS),
        has_flags: has(EXPORTS).then_some(has(FLAGS)),
        btf: match reader.number()? {
            0 => ModuleBtf::Absent,
            1 => ModuleBtf::Present,
            strings => {
                let strings = u32::try_from(strings - 2);
                ModuleBtf::Split(strings.map_err(|_| MapError::Damaged("evidence"))?)
            }
        },
    })
}

/// The modules that a module needs, if known.
type Depends = Option<Vec<ObjectName>>;

impl Opened {
    /// The evidence of modules; none in a map of version 1.
    pub(super) fn witnesses(&self) -> Result<Arc<[Witness]>, MapError> {
        if let Some(known) = self.witnesses.get() {
            return Ok(known.clone());
        }
        let read = self.read_witnesses()?;
        Ok(self.witnesses.get_or_init(|| read).clone())
    }

    fn read_witnesses(&self) -> Result<Arc<[Witness]>, MapError> {
        let bytes = self.sections.get(Section::Evidence)?;
        if bytes.is_empty() {
            return Ok(Arc::default());
        }
        let table = Table::read(bytes)?;
        let witness = |n| {
            let mut reader = Reader(table.get(n)?);
            let (modules, first) = (reader.number()?, reader.number32()?);
            let first = self.object(first)?.object_name()?;
            Ok(Witness { modules, first, evidence: read(&mut reader)? })
        };
        (0..table.len()).map(witness).collect()
    }

    /// The table of modules; `None` in a map of version 1.
    pub(super) fn modules(&self) -> Result<Option<Table<'_>>, MapError> {
        let bytes = self.sections.get(Section::Modules)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        // An entry for each object.
        let table = Table::read(bytes)?;
        let all = table.len() == self.table(Section::Objects)?.len();
        all.then_some(Some(table)).ok_or(MapError::Damaged("module"))
    }

    /// Reads all of it.
    pub(super) fn verify_modules(&self) -> Result<(), MapError> {
        let shown = self.witnesses()?.len();
        let Some(table) = self.modules()? else { return Ok(()) };
        for number in 0..table.len() {
            if self.module(table.get(number)?)?.0.is_some_and(|witness| witness >= shown) {
                return Err(MapError::Damaged("module"));
            }
        }
        Ok(())
    }

    /// An entry of that table: which of the witnesses the module is, and the modules that it needs.
    pub(super) fn module(&self, entry: &[u8]) -> Result<(Option<usize>, Depends), MapError> {
        let mut reader = Reader(entry);
        let shown = reader.index()?.checked_sub(1);
        if reader.0.is_empty() || reader.number()? == 0 {
            return Ok((shown, None));
        }
        let objects = self.table(Section::Objects)?;
        let mut depends = Vec::new();
        while !reader.0.is_empty() {
            let name = match reader.index()?.checked_sub(1) {
                Some(number) => ObjectEntry::read(objects.get(number)?)?.name,
                None => reader.text()?,
            };
            depends.push(name.parse().map_err(|_| MapError::Damaged("object"))?);
            if depends.len() > DEPENDS_MAX {
                return Err(MapError::Damaged("module"));
            }
        }
        Ok((shown, Some(depends)))
    }
}
