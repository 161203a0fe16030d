//! The fast path of most relocations: what a loader writes as its row says, without slot or stub.
//!
//! Rows are converted into a branch-free form, because tables mix their types and a processor
//! cannot predict which comes next. Anything unusual takes the slow path, which reports why.
//! Invariant: what is written here is what the slow path would have written.

use scroll::Endian;

use crate::apply::Conditions;
use crate::field::{Field, Form, Part, ones};
use crate::linkage::{Anchors, Linkage};
use crate::loader::ModuleLoader;
use crate::object::{Rela, Symbol};
use crate::relocate::RelocationTable;
use crate::row::{Calc, Check, Row};

/// Which relocations of a row its loader writes as [`apply::plan`](crate::apply::plan) says, whatever the
/// symbol is called and the bytes at the place are, if the value passes the row's check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direct {
    /// None.
    Never,
    /// Calls: those to symbols of the module, to their local entry points ([`ModuleLoader::local_entry`]), and others
    /// to stubs that are written already ([`Linkage::reuse`]), without the addend.
    Calls,
    /// Those whose slot or entry is written already ([`Linkage::reuse`]), which takes the place of S.
    Slotted,
    /// All.
    Always,
}

/// A row in branch-free form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FastPath {
    /// Bits of S + A that count.
    sum: u64,
    /// Bits of P that are subtracted from them.
    place: u64,
    /// The TOC pointer or the GOT where that is subtracted.
    base: u64,
    row: &'static Row,
    /// Whether S is the address of a slot.
    slotted: bool,
    /// Whether it is a call that goes to a local entry point, or through a stub.
    calls: bool,
    /// The smallest value, and the distance of the largest from it.
    min: u64,
    span: u64,
    /// Low bits of the value that must be zero.
    low: u64,
    /// Low bits of P that must be zero.
    aligned: u64,
    bias: i64,
    /// Two runs of the value's bits: how far they are rotated to the left, and where they are then.
    runs: [(u32, u64); 2],
    /// Bits of the word that stay.
    kept: u64,
    /// Bits of the word that must be zero before.
    untouched: u64,
    size: u8,
}

impl FastPath {
    /// The row in this form, if it has one.
    ///
    /// With `whole`, values that would be truncated take the slow path, where the observer sees them.
    pub(crate) fn of<L: ModuleLoader + ?Sized>(
        loader: &L,
        row: &'static Row,
        conditions: &Conditions<'_>,
        anchors: Anchors,
        whole: bool,
    ) -> Option<Self> {
        let (all, page) = (u64::MAX, !0xfff);
        let (sum, place, base) = match row.calc {
            Calc::Absolute => (all, 0, 0),
            Calc::PageOffset => (!page, 0, 0),
            Calc::Relative | Calc::Branch => (all, all, 0),
            Calc::PageRelative => (page, page, 0),
            Calc::SlotRelative | Calc::Plt => (all, all, 0),
            Calc::TocRelative => (all, 0, anchors.toc?),
            Calc::GotRelative | Calc::Slot | Calc::PltOffset => (all, 0, anchors.got?),
            _ => return None,
        };
        let (slotted, calls) = match loader.direct(row, conditions) {
            Direct::Never => return None,
            Direct::Calls => (false, true),
            Direct::Slotted => (true, false),
            Direct::Always => (false, false),
        };
        let Field { word: size, words: 1, form: Form::Plain, parts } = row.field else {
            return None;
        };
        let run = |part: &Part| {
            let (from, to) = (u32::from(part.from) + u32::from(row.shift), u32::from(part.to));
            // Bits from the top on would be copies of the sign.
            let whole = from + u32::from(part.width) <= u64::BITS;
            whole.then(|| (to.wrapping_sub(from) % u64::BITS, ones(part.width) << to))
        };
        let runs = match parts {
            [part] => [run(part)?, (0, 0)],
            [first, second] => [run(first)?, run(second)?],
            _ => return None,
        };
        let (min, max) = match row.check {
            Check::Trusted if whole && row.field == Field::BITS32 && row.shift == 0 => {
                let signed = row.calc == Calc::Relative;
                (i32::MIN.into(), if signed { i32::MAX.into() } else { u32::MAX.into() })
            }
            Check::Trusted if whole => return None,
            check => check.range().unwrap_or((i64::MIN, i64::MAX)),
        };
        let machine = loader.machine();
        let (low, bias) = (u64::from(row.align) - 1, row.bias);
        let (min, span) = (min.cast_unsigned(), max.wrapping_sub(min).cast_unsigned());
        let aligned = if conditions.late { machine.late_alignment - 1 } else { 0 };
        let (kept, untouched) =
            (!row.field.mask(0), if machine.needs_untouched_place { all } else { 0 });
        Some(Self {
            sum,
            place,
            base,
            row,
            slotted,
            calls,
            min,
            span,
            low,
            aligned,
            bias,
            runs,
            kept,
            untouched,
            size,
        })
    }

    /// Writes a relocation of a table to its section, if it can; returns whether it did.
    #[inline]
    pub(crate) fn apply<L: ModuleLoader + ?Sized>(
        &self,
        loader: &L,
        table: &RelocationTable<'_, '_>,
        rela: Rela,
        symbol: &Symbol<'_>,
        linkage: &dyn Linkage,
        section: &mut [u8],
    ) -> bool {
        let place = table.target.address.wrapping_add(rela.offset);
        let mut sum = symbol.st_value.wrapping_add_signed(rela.addend);
        let reuse = || linkage.reuse(self.row, &rela, symbol.st_value, place);
        let mut stub = false;
        if self.slotted {
            let Some(slot) = reuse() else { return false };
            sum = slot.wrapping_add_signed(rela.addend);
        } else if self.calls && symbol.is_external() {
            let Some(address) = reuse() else { return false };
            (sum, stub) = (address, true);
        } else if self.calls {
            sum = sum.wrapping_add(loader.local_entry(symbol.st_other));
        }
        let value = (sum & self.sum).wrapping_sub(place & self.place).wrapping_sub(self.base);
        let wrong = value & self.low | place & self.aligned;
        if (value.wrapping_sub(self.min) > self.span) | (wrong != 0) {
            return false;
        }
        let Ok(offset) = usize::try_from(rela.offset) else { return false };
        let Some(site) = section.get_mut(offset..) else { return false };
        if stub {
            let called = Conditions { symbol: symbol.name, external: true, ..table.conditions };
            if !loader.complete_call(self.row, &called, site) {
                return false;
            }
        }
        let value = value.wrapping_add_signed(self.bias);
        let [first, second] = self.runs.map(|(left, bits)| value.rotate_left(left) & bits);
        let bits = first | second;
        let change = |word: u64| (word & self.untouched == 0).then_some(word & self.kept | bits);
        let endian = loader.machine().endian;
        match self.size {
            4 => replace::<4>(site, endian, change),
            8 => replace::<8>(site, endian, change),
            2 => replace::<2>(site, endian, change),
            _ => replace::<1>(site, endian, change),
        }
    }
}

/// Changes a word of `SIZE` bytes, if it can be changed; returns whether it was.
#[inline]
fn replace<const SIZE: usize>(
    site: &mut [u8],
    endian: Endian,
    change: impl FnOnce(u64) -> Option<u64>,
) -> bool {
    let big = endian == Endian::Big;
    let low = |word: &mut [u8; 8], site: &mut [u8; SIZE], store: bool| {
        let low = if big { word.last_chunk_mut() } else { word.first_chunk_mut::<SIZE>() };
        low.map(|low| if store { *site = *low } else { *low = *site })
    };
    let Some(site) = site.first_chunk_mut() else { return false };
    let mut bytes = [0; 8];
    let read = low(&mut bytes, site, false);
    let word = if big { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) };
    let Some(word) = read.and_then(|()| change(word)) else { return false };
    bytes = if big { word.to_be_bytes() } else { word.to_le_bytes() };
    low(&mut bytes, site, true).is_some()
}
