//! Arbitrary relocations of each machine: an error that changes nothing, or bits in the row's mask;
//! written, cleared and written again is written once; a table writes nothing outside of its section.

use klp_arch::sort::{Generation, sort_by_key};
use klp_arch::{
    Calc, Calculation, Check, Conditions, Extent, Fault, Features, Field, FunctionCode,
    KernelVersion, Machine, Memory, NoLinkage, Observer, Operands, Operation, Region, Rela,
    RelocationContext, RelocationTable, RelocationTarget, Row, machines, object,
};
use scroll::Endian;

use crate::choices::Choices;

/// Bytes of the section that is patched, and of the memory before and behind it.
const SECTION: usize = 48;
const AROUND: usize = 16;

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let machine = choices.pick(machines());
    let features = Features::from_bits_truncate(u32::from_le_bytes(choices.bytes()));
    while !choices.is_empty() {
        match choices.byte() % 7 {
            0 | 1 => one(machine, features, &mut choices),
            2 | 3 => table(machine, features, &mut choices),
            4 | 5 => code(machine, &mut choices),
            _ => versions(machine, features, &mut choices),
        }
    }
}

/// What a kernel of some version has, and in which order it sorts.
fn versions(machine: &'static Machine, features: Features, choices: &mut Choices<'_>) {
    let version = KernelVersion::new(u32::from(choices.byte() % 8), u32::from(choices.byte() % 24));
    let version =
        if choices.byte() & 1 == 0 { version } else { version.stable(choices.byte().into()) };
    assert_eq!(machine.configuration(version).features, machine.features(version));
    assert_eq!(version.series(), version.series().series());
    let image = 0xffff_ffff_8100_0000..0xffff_ffff_8300_0000;
    let areas = machine.loader.module_areas(&image, version);
    assert!(!areas.is_empty(), "{} has no room for modules", machine.name);
    assert!(machine.per_cpu(&image, version).start <= image.end);
    for section in machine.special_sections() {
        assert!(section.is_named(section.name.as_bytes()));
        assert!(!section.matches(b"no such section", features));
        let _ = section.matches(section.name.as_bytes(), features);
    }
    let number = u32::from(u16::from_le_bytes(choices.bytes()));
    let conditions = Conditions { features, ..Conditions::default() };
    let known = machine.known_row(number, &conditions).map(|row| row.number);
    assert!(
        known.is_ok_and(|known| known == number)
            || known.is_err_and(|fault| !fault.to_string().is_empty())
    );
    let flags = u32::from(choices.byte());
    assert!(machine.check_header(flags).is_ok_and(|()| true) || machine.e_flags.0 != 0);
    let mut items: Vec<u8> = (0..choices.below(64)).map(|_| choices.byte() % 32).collect();
    let mut sorted = items.clone();
    sorted.sort_unstable();
    sort_by_key(Generation::of(features), &mut items, |item| *item);
    assert_eq!(items, sorted, "not sorted, or not the same");
}

/// One relocation of a site.
fn one(machine: &'static Machine, features: Features, choices: &mut Choices<'_>) {
    let Some(row) = machine.rows.get(choices.below(machine.rows.len())) else { return };
    let (operands, flags) = (operands(choices), choices.byte());
    let name = machine.loader_symbols.get(choices.below(8)).map_or("f", |symbol| symbol.name);
    let conditions = Conditions {
        symbol: name.as_bytes(),
        external: flags & 1 != 0,
        late: flags & 2 != 0,
        writable: flags & 4 != 0,
        features,
    };
    let mut before: [u8; 16] = choices.bytes();
    if flags & 8 != 0 {
        before = [0; 16];
    }
    // A loader may write another instruction instead: then its field counts.
    let planned = machine.loader.plan(row, &conditions, &operands, &before).ok().flatten();
    let field = planned.map_or(row.field, |patch| patch.field);
    let mut once = before;
    if let Err(fault) = machine.apply(row, &conditions, &operands, &mut once) {
        assert_eq!(once, before, "{}: refused, and written", row.name);
        refused(machine, row, features, operands, &fault);
        return;
    }
    assert!(
        machine.check_site(row, &conditions, &before, 0).is_ok_and(|()| true)
            || row.when.holds(features)
    );
    only_the_mask(machine, row, field, &before, &once);
    let mut again = once;
    // A row may have no way back: then nothing is cleared.
    if machine.loader.clear(row, &conditions, &operands, &mut again).is_err() {
        assert_eq!(again, once, "{}: not cleared, and written", row.name);
    }
    match machine.apply(row, &conditions, &operands, &mut again) {
        Ok(()) => assert_eq!(again, once, "{}: applied, cleared, applied", row.name),
        Err(fault) => refused(machine, row, features, operands, &fault),
    }
    assert!(!Calculation(row).to_string().is_empty());
    assert_eq!(machine.row(row.number).map(|row| row.name), Some(row.name));
    assert_eq!(machine.relocation_name(row.number), Some(row.name));
}

fn operands(choices: &mut Choices<'_>) -> Operands {
    let given = choices.byte();
    let (s, a, p) = (choices.word(), choices.word().cast_signed(), choices.word());
    // Near its place, most of the time, as symbols are.
    // At the end of a page, where one processor has an erratum.
    let p = if given & 0x20 == 0 { p } else { p | 0xff8 };
    let s = if given & 0x40 == 0 { p.wrapping_add(s) } else { s };
    let other = choices.byte();
    let mut anchor = |bit: u8| (given & bit != 0).then(|| choices.word().wrapping_add(p));
    Operands { s, a, p, other, toc: anchor(1), got: anchor(2), got_slot: anchor(4), plt: anchor(8) }
}

fn refused(machine: &Machine, row: &Row, features: Features, operands: Operands, fault: &Fault) {
    assert!(!fault.to_string().is_empty(), "refused without a word");
    if let (Fault::Overflow { value, .. }, Check::Signed(bits)) = (fault, row.check) {
        // Of some rows the sign is elsewhere in the instruction.
        let width = row.field.width() + u32::from(row.shift);
        let half = 1_i128 << width.saturating_sub(1);
        let fits = (-half..half).contains(&i128::from(*value));
        // Where a processor has an erratum, it is the distance to a veneer, of another field.
        let is_detour = operands.plt.is_some() && row.calc == Calc::PageRelative;
        assert!(
            width != u32::from(bits) || !fits || is_detour,
            "{}: refused, though it fits: {fault}",
            row.name
        );
    }
    let at = RelocationContext {
        module: "m",
        section: 1,
        entry: 2,
        kind: row.number,
        symbol: b"f",
        place: operands.p,
        next_word: None,
        value: operands.s.cast_signed(),
        operands,
        features,
    };
    let error = machine.loader.kernel_error(&at, fault);
    assert!(!error.to_string().is_empty() && error.errno.number() > 0);
    let error = machine
        .loader
        .kernel_error(&RelocationContext { next_word: Some("f+0x8/0x10"), ..at }, fault);
    assert!(!error.message.contains('\0'));
}

/// Panics if a bit outside of the field has changed.
fn only_the_mask(machine: &Machine, row: &Row, field: Field, before: &[u8], after: &[u8]) {
    let size = usize::from(field.word);
    for (index, (old, new)) in (0..).zip(before.chunks(size).zip(after.chunks(size))) {
        let mask = if index < field.words { field.mask(index) } else { 0 };
        let mut mask = mask.to_le_bytes();
        let mask = mask.get_mut(..size).unwrap_or_default();
        if machine.endian == Endian::Big {
            mask.reverse();
        }
        for ((old, new), mask) in old.iter().zip(new).zip(mask.iter()) {
            assert_eq!(old & !mask, new & !mask, "{}: a bit outside of the field", row.name);
        }
    }
}

/// A table of some entries, against symbols that are near or far.
fn table(machine: &'static Machine, features: Features, choices: &mut Choices<'_>) {
    let base = choices.word() & !0xfff;
    let mut bytes = vec![0; AROUND + SECTION + AROUND];
    if machine.needs_untouched_place {
        bytes.iter_mut().for_each(|byte| *byte = 0);
    } else {
        bytes.iter_mut().for_each(|byte| *byte = choices.byte());
    }
    let extent = Extent { region: 0, offset: AROUND, size: SECTION, address: base + 16 };
    let symbols: Vec<_> = [0_u16, 1, 0xff20]
        .into_iter()
        .map(|st_shndx| object::Symbol {
            name: b"f",
            st_value: base.wrapping_add(choices.word()),
            st_shndx,
            st_other: choices.byte(),
            ..object::Symbol::default()
        })
        .collect();
    let entries: Vec<_> = (0..choices.below(8))
        .map(|_| {
            let row = machine.rows.get(choices.below(machine.rows.len()));
            let kind = if choices.seldom() {
                u32::from(choices.byte())
            } else {
                row.map_or(0, |row| row.number)
            };
            let offset =
                if choices.seldom() { choices.word() } else { u64::from(choices.byte() % 56) };
            let addend = i64::from(choices.byte().cast_signed());
            Rela { offset, symbol: u32::from(choices.byte() % 4), kind, addend }
                .write(machine.endian)
        })
        .collect();
    let conditions = Conditions { features, late: choices.seldom(), ..Conditions::default() };
    let table = RelocationTable {
        entries: &entries,
        symbols: &symbols,
        target: extent,
        init: false,
        conditions,
    };
    let memory = Memory { regions: vec![Region { base, bytes }] };
    let apply = |observer: Option<Observer<'_>>| {
        let mut memory = memory.clone();
        let ended = machine.loader.relocate(
            &table,
            Operation::Apply,
            &mut NoLinkage,
            &mut memory,
            observer,
        );
        (ended.map_err(|failed| (failed.entry, failed.fault)), memory)
    };
    let quick = apply(None);
    let mut observe = |applied: &klp_arch::AppliedRelocation<'_>| {
        assert!(applied.after.len() == applied.before.len());
        let _ = applied.is_truncated(machine.endian);
    };
    let watched = apply(Some(Observer { only_truncated: false, observe: &mut observe }));
    assert_eq!(quick, watched, "watching changes what is written");
    let truncated = apply(Some(Observer { only_truncated: true, observe: &mut observe }));
    assert_eq!(quick, truncated, "watching for truncation changes what is written");
    let (ended, mut written) = quick;
    outside(&memory, &written);
    let cleared =
        machine.loader.relocate(&table, Operation::Clear, &mut NoLinkage, &mut written, None);
    assert!(cleared.is_ok() || cleared.is_err_and(|failed| !failed.fault.to_string().is_empty()));
    outside(&memory, &written);
    if let Err((entry, _)) = ended {
        assert!(entry < entries.len());
    }
}

/// Panics if bytes before or behind the section have changed.
fn outside(before: &Memory, after: &Memory) {
    for (old, new) in before.regions.iter().zip(&after.regions) {
        assert_eq!(old.bytes.get(..AROUND), new.bytes.get(..AROUND), "before the section");
        assert_eq!(
            old.bytes.get(AROUND + SECTION..),
            new.bytes.get(AROUND + SECTION..),
            "behind the section"
        );
    }
}

/// Arbitrary instructions, some of which have relocations.
fn code(machine: &Machine, choices: &mut Choices<'_>) {
    let code: Vec<u8> = (0..choices.below(160)).map(|_| choices.byte()).collect();
    for branch in machine.instructions.branches(&code) {
        assert!(branch.field < code.len(), "a reference that is not in the code");
    }
    let mut relocations: Vec<_> = (0..choices.below(6))
        .map(|_| {
            let at = choices.below(code.len());
            let address = klp_arch::Address { section: 1, offset: i64::from(choices.byte()) };
            let outside = RelocationTarget::Outside(choices.byte().into());
            (at, if choices.byte() & 1 == 0 { RelocationTarget::Inside(address) } else { outside })
        })
        .collect();
    relocations.sort_unstable_by_key(|(at, _)| *at);
    let pointer = |address: klp_arch::Address| {
        (address.offset % 16 == 0)
            .then_some(klp_arch::Address { offset: address.offset / 2, ..address })
    };
    let function = FunctionCode { code: &code, relocations: &relocations, pointer: &pointer };
    let uses = machine.instructions.uses(function);
    assert!(uses.is_empty() || !relocations.is_empty(), "an address from nowhere");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_property_holds_for_every_seed() {
        crate::replay("rows", super::run);
    }
}
