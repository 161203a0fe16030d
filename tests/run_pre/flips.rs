//! Objects in which one thing is changed are not what the kernel has.

use klp_convert::elf::{Module, SectionFlags, SectionIndex, SymbolIndex, SymbolSection};
use klp_convert::run_pre::{MatchVerdict, ShippedKernel, match_object};
use object::elf::STT_FUNC;

use crate::built::Built;
use crate::each_built;

/// Changes of each kind for each kernel.
const CHANGES: usize = 4000;

/// A small, repeatable sequence of numbers.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let number = usize::try_from(self.0 >> 33).unwrap();
        number % end
    }
}

/// A function's bytes in an object's file, and where in the file its relocations are.
struct Function {
    name: String,
    start: usize,
    size: usize,
    /// Offsets in the function, and of the entries in the file.
    relocations: Vec<(usize, usize)>,
}

fn functions(bytes: &[u8]) -> Vec<Function> {
    let module = Module::parse(bytes).unwrap();
    let size = |number: u64| usize::try_from(number).unwrap();
    let mut found = Vec::new();
    for symbol in module.symbols() {
        let SymbolSection::Defined(index) = symbol.section else { continue };
        let section = module.section(index).unwrap();
        if symbol.kind != STT_FUNC || symbol.st_size == 0 || !section.name.starts_with(b".text") {
            continue;
        }
        let within = symbol.st_value..symbol.st_value + symbol.st_size;
        let mut relocations = Vec::new();
        for table in module.relocation_sections() {
            if SectionIndex::new(table.sh_info) != index {
                continue;
            }
            for (number, rela) in module.relocations(table.index).enumerate() {
                if within.contains(&rela.offset) {
                    let entry = size(table.sh_offset) + 24 * number;
                    relocations.push((size(rela.offset - symbol.st_value), entry));
                }
            }
        }
        found.push(Function {
            name: String::from_utf8_lossy(symbol.name).into_owned(),
            start: size(section.sh_offset + symbol.st_value),
            size: size(symbol.st_size),
            relocations,
        });
    }
    found
}

/// A function of an object of a kernel.
fn picked<'b>(built: &'b Built, numbers: &mut Numbers) -> Option<(&'b str, &'b [u8], Function)> {
    let (path, bytes) = &built.objects[numbers.below(built.objects.len())];
    let mut functions = functions(bytes);
    if functions.is_empty() {
        return None;
    }
    let function = functions.swap_remove(numbers.below(functions.len()));
    Some((path, bytes, function))
}

/// `R_PPC64_TOC16_HA`, `R_PPC64_REL16_HA`, `R_AARCH64_ADR_PREL_PG_HI21`: the high part of an address only.
const HIGH: [u32; 3] = [50, 252, 275];

/// `R_PPC64_REL24`
const REL24: u32 = 10;

/// The type and the symbol of an entry of a relocation table.
fn info(bytes: &[u8], entry: usize) -> u64 {
    let info: [u8; 8] = bytes[entry + 8..entry + 16].try_into().unwrap();
    if bytes[5] == 2 { u64::from_be_bytes(info) } else { u64::from_le_bytes(info) }
}

fn kind(bytes: &[u8], entry: usize) -> u32 {
    u32::try_from(info(bytes, entry) & 0xffff_ffff).unwrap()
}

/// What an entry of a relocation table refers to.
enum Referred {
    /// Nothing of the object, or something in it.
    Something,
    /// A text.
    Text,
    /// An empty text, or less than 8 bytes before the end of a section of data: more would be in something else of the same
    /// kind, which may hold the same. Or what follows is a constant that does.
    NothingMore,
}

/// What an entry of a relocation table refers to.
fn referred(bytes: &[u8], entry: usize) -> Referred {
    let module = Module::parse(bytes).unwrap();
    let symbol = u32::try_from(info(bytes, entry) >> 32).unwrap();
    let Some(symbol) = module.symbol(SymbolIndex::new(symbol)) else { return Referred::Something };
    let SymbolSection::Defined(section) = symbol.section else { return Referred::Something };
    let section = module.section(section).unwrap();
    // The place, as it is when the instruction's own distance is added.
    let addend: [u8; 8] = bytes[entry + 16..entry + 24].try_into().unwrap();
    let addend =
        if bytes[5] == 2 { i64::from_be_bytes(addend) } else { i64::from_le_bytes(addend) };
    let bias = match (module.machine(), kind(bytes, entry)) {
        (62, 2 | 4) => 4,
        (22, 19 | 20 | 26) => -2,
        _ => 0,
    };
    let place = symbol.st_value.wrapping_add_signed(addend + bias);
    if section.sh_flags.contains(SectionFlags::STRINGS) {
        let at = usize::try_from(place).unwrap();
        return match module.body(section.index).get(at) {
            Some(0) => Referred::NothingMore,
            _ => Referred::Text,
        };
    }
    // Code has its end in the same section.
    let is_last = !section.sh_flags.contains(SectionFlags::EXECINSTR)
        && place.checked_add(8).is_none_or(|end| end >= section.sh_size);
    // Of a constant only the contents count.
    let body = module.body(section.index);
    let at = usize::try_from(place).unwrap_or(body.len());
    let eight = |at: usize| body.get(at..at.saturating_add(8));
    let is_same = eight(at).is_some() && eight(at) == eight(at.saturating_add(8));
    let is_constant = !section.sh_flags.contains(SectionFlags::WRITE);
    if is_last || is_same && is_constant { Referred::NothingMore } else { Referred::Something }
}

/// Whether the kernel is said to have a function of an object.
fn is_equal(built: &Built, kernel: &ShippedKernel, path: &str, bytes: &[u8], name: &str) -> bool {
    let found = match_object(kernel, bytes)
        .unwrap_or_else(|error| panic!("{}: {path}: {error}", built.name));
    found.functions.iter().any(|f| f.name == name && f.verdict == MatchVerdict::Equal)
}

/// Changes bytes of functions; whether each is seen.
#[expect(clippy::print_stdout, reason = "a test says how many it tried")]
pub(crate) fn bytes_are_seen(built: &Built, kernel: &ShippedKernel, count: usize) {
    let mut numbers = Numbers(7);
    let (mut tried, mut passed) = (0, 0);
    while tried < count {
        let Some((path, bytes, function)) = picked(built, &mut numbers) else { continue };
        let at = numbers.below(function.size);
        // A field of a relocation holds nothing yet.
        let is_field = |(offset, _): &(usize, usize)| (*offset..*offset + 8).contains(&at);
        if function.relocations.iter().any(is_field)
            || !is_equal(built, kernel, path, bytes, &function.name)
        {
            passed += 1;
            continue;
        }
        let mut changed = bytes.to_vec();
        changed[function.start + at] ^= 1 << numbers.below(8);
        let equal = is_equal(built, kernel, path, &changed, &function.name);
        assert!(!equal, "{}: {path}: {}+{at:#x}", built.name, function.name);
        tried += 1;
    }
    println!("{}: {tried} bytes changed, all seen; {passed} passed over", built.name);
}

/// Changes what relocations of functions mean; whether each is seen.
#[expect(clippy::print_stdout, reason = "a test says how many it tried")]
pub(crate) fn references_are_seen(built: &Built, kernel: &ShippedKernel, count: usize) {
    let mut numbers = Numbers(11);
    let (mut tried, mut unseen) = (0, Vec::new());
    while tried < count {
        let Some((path, bytes, function)) = picked(built, &mut numbers) else { continue };
        if function.relocations.is_empty() || !is_equal(built, kernel, path, bytes, &function.name)
        {
            continue;
        }
        let (at, entry) = function.relocations[numbers.below(function.relocations.len())];
        let mut changed = bytes.to_vec();
        let field: &mut [u8; 8] = (&mut changed[entry + 16..entry + 24]).try_into().unwrap();
        let by = match (kind(bytes, entry), referred(bytes, entry)) {
            (_, Referred::NothingMore) => continue,
            (kind, _) if HIGH.contains(&kind) => 0x20000,
            // 8 bytes after a function's start may be where calls enter it.
            (REL24, _) => 16,
            // Another text that ends in the same way may begin 8 bytes after.
            (_, Referred::Text) => 1,
            _ => 8,
        };
        *field = match bytes[5] {
            2 => (i64::from_be_bytes(*field) + by).to_be_bytes(),
            _ => (i64::from_le_bytes(*field) + by).to_le_bytes(),
        };
        if is_equal(built, kernel, path, &changed, &function.name) {
            unseen.push(format!("{path}: {}+{at:#x}", function.name));
        }
        tried += 1;
    }
    println!("{}: {tried} references changed, {} not seen", built.name, unseen.len());
    unseen.iter().take(20).for_each(|one| println!("  {one}"));
    assert!(unseen.is_empty(), "{}: {}", built.name, unseen.len());
}

#[test]
#[ignore = "needs KLP_MATCH, kernels and the trees that they were built in; .ci/run makes them"]
fn a_byte_that_is_changed_is_seen() {
    each_built(|built| bytes_are_seen(built, &built.kernel(), CHANGES));
}

#[test]
#[ignore = "needs KLP_MATCH, kernels and the trees that they were built in; .ci/run makes them"]
fn a_reference_that_is_changed_is_seen() {
    each_built(|built| references_are_seen(built, &built.kernel(), CHANGES));
}

#[test]
#[ignore = "needs KLP_MATCH, kernels and the trees that they were built in; .ci/run makes them"]
fn a_damaged_object_gives_verdicts_or_an_error() {
    each_built(|built| {
        let kernel = built.kernel();
        let mut numbers = Numbers(13);
        let mut read = 0;
        for _ in 0..CHANGES {
            let (_, bytes) = &built.objects[numbers.below(built.objects.len())];
            let mut damaged = bytes.clone();
            for _ in 0..=numbers.below(16) {
                // Headers and tables are at both ends.
                let at = match numbers.below(3) {
                    0 => numbers.below(64),
                    1 => damaged.len() - 1 - numbers.below(damaged.len().min(8192)),
                    _ => numbers.below(damaged.len()),
                };
                damaged[at] = u8::try_from(numbers.below(256)).unwrap();
            }
            read += usize::from(match_object(&kernel, &damaged).is_ok());
        }
        assert!(read > CHANGES / 20 && read < CHANGES, "{}: {read}", built.name);
        println!("{}: of {CHANGES} damaged objects {read} could be read", built.name);
    });
}
