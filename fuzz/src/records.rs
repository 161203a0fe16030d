//! Klp relocations as objtool and kpatch record them, in modules generated from the bytes: a conversion makes exactly
//! these, or refuses, and leaves nothing of the records.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "modules are made here, a surprise stops the run"
)]

use klp_arch::{KernelVersion, Machine, machines};
use klp_convert::comparison::compare;
use klp_convert::convert::convert;
use klp_convert::elf::{Module, SectionFlags, SectionIndex};
use klp_convert::inspect::inspect;
use klp_convert::options::Options;
use klp_convert::symbols::{Sources, TextList};
use scroll::Endian;
use std::collections::BTreeMap;

use crate::choices::Choices;
use crate::skeleton::builder::Builder;
use crate::skeleton::{self, CODE, DATA, LIST, READ_ONLY};

/// A klp relocation: gate, patched section, offset, type, klp symbol, addend.
type Klp = (String, String, u64, u32, String, i64);

/// A module with records, and what they mean.
#[derive(Debug)]
pub struct Recorded {
    /// The file.
    pub file: Vec<u8>,
    /// What a conversion makes of it.
    pub klp: Vec<Klp>,
    /// What it makes of special sections for an old kernel: the contents of each copy.
    pub copies: BTreeMap<String, Vec<u8>>,
    /// Whether something in it was made wrong.
    pub odd: bool,
}

/// Checks the property.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) {
    let recorded = generate(data);
    let file = &recorded.file;
    assert!(inspect(file).is_ok_and(|inspection| !inspection.to_string().is_empty()));
    let mut sources = Sources::new();
    sources.push(TextList::from_bytes("list", LIST.as_bytes()));
    let options = |keep_intermediates, old: bool| Options {
        keep_intermediates,
        allow_undeclared_dependency: true,
        no_klp_arch: !old,
        target: old.then_some(KernelVersion::new(5, 7)),
        ..Options::default()
    };
    let none = Sources::new();
    for (sources, keeps, old) in [
        (&none, false, false),
        (&none, true, false),
        (&none, false, true),
        (&sources, false, false),
        (&sources, true, false),
    ] {
        let converted = match convert(file, sources, &options(keeps, old)) {
            Ok(converted) => converted.bytes.into_owned(),
            Err(failure) => {
                assert!(!failure.diagnostics("input").is_empty(), "refused without a word");
                continue;
            }
        };
        if !recorded.odd {
            assert_eq!(klp_relocations(&converted), recorded.klp);
            if !old {
                let differences = compare(file, &converted).unwrap();
                assert_eq!(differences, [], "what is finished means something else");
            }
            assert_eq!(
                copies(&converted),
                if old { recorded.copies.clone() } else { BTreeMap::new() }
            );
        }
        assert_eq!(inspect(&converted).unwrap().unfinished, None, "is it finished?");
        let module = Module::parse(&converted).unwrap();
        let mut names = module.sections().map(|section| section.name);
        let records =
            |name: &[u8]| name.starts_with(b"__klp_relocs") || name == b".kpatch.relocations";
        assert!(keeps || recorded.klp.is_empty() || !names.any(records), "records are left");
        let again = convert(&converted, sources, &options(keeps, old)).unwrap();
        assert!(again.plan.is_empty() && again.bytes == converted, "twice is once");
    }
}

/// The copies of special sections in a finished module. Those that stay are none.
fn copies(file: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let module = Module::parse(file).unwrap();
    let copies = module.sections().filter(|section| section.name.starts_with(b".klp.arch."));
    let body = |section: SectionIndex| module.body(section).to_vec();
    copies.map(|copy| (String::from_utf8(copy.name.into()).unwrap(), body(copy.index))).collect()
}

/// The klp relocations of a finished module, in order.
fn klp_relocations(file: &[u8]) -> Vec<Klp> {
    let module = Module::parse(file).unwrap();
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    let mut all = Vec::new();
    for table in module.relocation_sections() {
        if !table.sh_flags.contains(SectionFlags::RELA_LIVEPATCH) {
            continue;
        }
        let target = text(module.section(SectionIndex::new(table.sh_info)).unwrap().name);
        let name = text(table.name);
        let gate = name.strip_prefix(".klp.rela.").unwrap().split('.').next().unwrap().to_owned();
        for rela in module.relocations(table.index) {
            let symbol = text(module.symbol(rela.symbol).unwrap().name);
            let (offset, kind, addend) = (rela.offset, rela.kind, rela.addend);
            all.push((gate.clone(), target.clone(), offset, kind, symbol, addend));
        }
    }
    all.sort();
    all
}

/// A module from bytes.
#[must_use]
pub fn generate(data: &[u8]) -> Recorded {
    let mut choices = Choices::new(data);
    let machine = choices.pick(machines());
    let mut builder = skeleton::module(machine, b"name=generated\0license=GPL\0livepatch=Y\0");
    let targets = [(".text", CODE), (".text.other", CODE), (".data", DATA)].map(|(name, flags)| {
        let body = if flags == CODE { skeleton::calls(machine, 16) } else { vec![0; 256] };
        (name, skeleton::section(&mut builder, name, flags, body))
    });
    // A symbol for each section, with an offset that an addend takes back.
    let symbols = targets.map(|(name, section)| {
        let value = u64::from(choices.byte() % 64);
        (name, builder.symbol("", section, value), value)
    });
    let form = choices.byte() % 3;
    let foreign = choices.byte().is_multiple_of(4);
    let big = (machine.endian == Endian::Big) != foreign;
    let special = (0..if form == 2 { choices.byte() % 4 } else { 0 }).map(|_| {
        let object = choices.pick(&["vmlinux", "target"]);
        let name = choices.pick(&[".altinstructions", ".parainstructions"]);
        (object, name, vec![choices.byte(); 1 + choices.below(40)])
    });
    let special: Vec<Special> = special.collect();
    let mut klp = Vec::new();
    while !choices.is_empty() && klp.len() < 12 {
        let (owner, name, position) = skeleton::named(&mut choices, None);
        let at = choices.below(targets.len());
        let kind = if at == 2 { skeleton::pointer(machine) } else { skeleton::call(machine) };
        let offset = u64::try_from(klp.len()).unwrap() * 16;
        let addend = i64::from(choices.byte() % 16) - 8;
        let addend = if at == 2 || machine.needs_untouched_place { addend } else { 0 };
        // In objtool's first form the owner is the gate.
        let gate = if form == 1 || owner == "vmlinux" || choices.byte() & 1 == 0 {
            owner
        } else {
            "target"
        };
        let symbol = format!(".klp.sym.{owner}.{name},{position}");
        klp.push((gate.to_owned(), at, offset, kind, symbol, addend));
    }
    let mut copies = BTreeMap::new();
    let odd = match form {
        2 => {
            kpatch(&mut builder, machine, &klp, (&symbols, special, &mut copies), big, &mut choices)
        }
        _ => {
            objtool(&mut builder, machine, &klp, (form == 1, &symbols, &targets), big, &mut choices)
        }
    };
    let named =
        |(gate, at, offset, kind, symbol, addend): (String, usize, u64, u32, String, i64)| {
            (gate, targets[at].0.to_owned(), offset, kind, symbol, addend)
        };
    let mut klp: Vec<Klp> = klp.into_iter().map(named).collect();
    klp.sort();
    Recorded { file: skeleton::file(&builder, machine), klp, copies, odd }
}

/// A relocation that is to be recorded: like [`Klp`], with a number for the section.
type Wanted = (String, usize, u64, u32, String, i64);
/// A special section: the object of its code, its name, its contents.
type Special = (&'static str, &'static str, Vec<u8>);
type Symbols<'s> = [(&'s str, u32, u64); 3];

fn number(value: u32, big: bool) -> [u8; 4] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}

fn long(value: u64, big: bool) -> [u8; 8] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}

/// Adds the records of objtool; whether something is odd.
fn objtool(
    builder: &mut Builder,
    machine: &Machine,
    klp: &[Wanted],
    (first_form, symbols, targets): (bool, &Symbols<'_>, &[(&str, u32); 3]),
    big: bool,
    choices: &mut Choices<'_>,
) -> bool {
    let weak = |builder: &mut Builder, name: &str| {
        let symbol = builder.symbol(name, 0, 0);
        builder.symbols.last_mut().unwrap().info = 0x20;
        symbol
    };
    let pointer = skeleton::pointer(machine);
    let mut gates: Vec<_> = klp.iter().map(|klp| klp.0.clone()).collect();
    gates.sort();
    gates.dedup();
    if first_form {
        gates.truncate(1);
    }
    let (mut odd, mut plain) = (false, [Vec::new(), Vec::new(), Vec::new()]);
    for gate in &gates {
        let (mut body, mut pointers) = (Vec::new(), Vec::new());
        for (of, at, offset, kind, symbol, addend) in klp {
            if !first_form && of != gate {
                continue;
            }
            let start = u64::try_from(body.len()).unwrap();
            let klp_symbol = weak(builder, symbol);
            let name = symbol.split(['.', ',']).nth(4).unwrap_or_default();
            let shadow = match choices.byte() % 4 {
                0 => klp_symbol,
                1 => weak(builder, name),
                _ => weak(builder, &format!(".klp.tombstone.{name}")),
            };
            let (_, section, value) = symbols[*at];
            let place = offset.cast_signed() - value.cast_signed();
            pointers.extend([
                (start, section, pointer, place),
                (start + 8, klp_symbol, pointer, *addend),
            ]);
            body.extend([0; 16]);
            body.extend(number(*kind, big));
            body.extend([0; 4]);
            plain[*at].push((*offset, shadow, *kind, *addend));
        }
        odd |= spoil(&mut body, &mut pointers, choices);
        let name =
            if first_form { "__klp_relocs".to_owned() } else { format!("__klp_relocs.{gate}") };
        let section = skeleton::section(builder, &name, READ_ONLY, body);
        builder.rela(&format!(".rela{name}"), section, &pointers);
    }
    for ((name, section), entries) in targets.iter().zip(&plain) {
        builder.rela(&format!(".rela{name}"), *section, entries);
    }
    odd
}

/// Adds the records of kpatch; whether something is odd.
fn kpatch(
    builder: &mut Builder,
    machine: &Machine,
    klp: &[Wanted],
    (symbols, special, copies): (&Symbols<'_>, Vec<Special>, &mut BTreeMap<String, Vec<u8>>),
    big: bool,
    choices: &mut Choices<'_>,
) -> bool {
    let pointer = skeleton::pointer(machine);
    let mut strings = vec![0];
    let mut string = |text: &str| {
        let at = i64::try_from(strings.len()).unwrap();
        strings.extend(text.bytes().chain([0]));
        at
    };
    let parts: Vec<_> = klp
        .iter()
        .map(|(gate, .., symbol, _)| {
            let (owner, rest) = symbol[".klp.sym.".len()..].split_once('.').unwrap();
            let (name, position) = rest.split_once(',').unwrap();
            (string(gate), string(owner), string(name), position.parse::<u64>().unwrap())
        })
        .collect();
    let special: Vec<_> = special
        .into_iter()
        .map(|(object, name, body)| (object, name, string(object), body))
        .collect();
    let texts = skeleton::section(builder, ".kpatch.strings", READ_ONLY, strings);
    let texts = builder.symbol("", texts, 0);
    let (mut records, mut of_symbols) = (Vec::new(), Vec::new());
    for ((_, _, _, kind, _, addend), (.., position)) in klp.iter().zip(&parts) {
        records.extend([0; 8]);
        records.extend(number(*kind, big));
        records.extend([0; 4]);
        records.extend(long(addend.cast_unsigned(), big));
        records.extend([0; 16]);
        of_symbols.extend([0; 8]);
        of_symbols.extend(long(*position, big));
        of_symbols.extend([choices.byte() % 2, choices.byte() % 3, 0, 0, 0, 0, 0, 0]);
        of_symbols.extend([0; 16]);
    }
    let start = |record: usize| u64::try_from(record).unwrap() * 40;
    let pointers = parts.iter().enumerate().flat_map(|(record, (_, owner, name, _))| {
        let start = start(record);
        [(start + 24, texts, pointer, *name), (start + 32, texts, pointer, *owner)]
    });
    let mut pointers: Vec<_> = pointers.collect();
    let mut odd = spoil(&mut of_symbols, &mut pointers, choices);
    let section = skeleton::section(builder, ".kpatch.symbols", READ_ONLY, of_symbols);
    builder.rela(".rela.kpatch.symbols", section, &pointers);
    let of_symbols = builder.symbol("", section, 0);
    let pointers = klp.iter().zip(&parts).enumerate().flat_map(|(record, (klp, (gate, ..)))| {
        let start = start(record);
        let (_, section, value) = symbols[klp.1];
        [
            (start, section, pointer, klp.2.cast_signed() - value.cast_signed()),
            (start + 24, texts, pointer, *gate),
            (start + 32, of_symbols, pointer, start.cast_signed()),
        ]
    });
    let mut pointers: Vec<_> = pointers.collect();
    odd |= spoil(&mut records, &mut pointers, choices);
    let section = skeleton::section(builder, ".kpatch.relocations", READ_ONLY, records);
    builder.rela(".rela.kpatch.relocations", section, &pointers);

    let mut pointers = Vec::new();
    for (number, (object, name, text, body)) in special.into_iter().enumerate() {
        let copy = copies.entry(format!(".klp.arch.{object}.{name}")).or_default();
        let align = if name == ".parainstructions" { 16 } else { 1 };
        copy.resize(copy.len().next_multiple_of(align), 0);
        copy.extend(&body);
        let section = skeleton::section(builder, name, READ_ONLY, body);
        builder.rela(&format!(".rela{name}"), section, &[(0, symbols[0].1, pointer, 0)]);
        let (start, section) =
            (u64::try_from(number).unwrap() * 16, builder.symbol("", section, 0));
        pointers.extend([(start, section, pointer, 0), (start + 8, texts, pointer, text)]);
    }
    if !pointers.is_empty() {
        let mut body = vec![0; pointers.len() * 8];
        odd |= spoil(&mut body, &mut pointers, choices);
        let section = skeleton::section(builder, ".kpatch.arch", READ_ONLY, body);
        builder.rela(".rela.kpatch.arch", section, &pointers);
    }
    odd
}

/// Seldom makes something wrong.
fn spoil(
    body: &mut Vec<u8>,
    pointers: &mut Vec<(u64, u32, u32, i64)>,
    choices: &mut Choices<'_>,
) -> bool {
    if choices.byte() < 0xc0 || body.is_empty() {
        return false;
    }
    let pointer = choices.below(pointers.len());
    match choices.byte() % 7 {
        0 => body.truncate(body.len() - usize::from(choices.byte()).min(body.len())),
        1 => {
            let at = choices.below(body.len());
            body[at] ^= choices.byte();
        }
        2 => _ = pointers.swap_remove(pointer),
        3 => pointers[pointer].0 = choices.word(),
        4 => pointers[pointer].1 = u32::from(choices.byte()) % 4,
        5 => pointers[pointer].2 ^= u32::from(choices.byte()),
        _ => pointers[pointer].3 = choices.word().cast_signed(),
    }
    true
}

#[cfg(test)]
mod tests {
    use klp_arch::KernelVersion;
    use klp_convert::convert::convert;
    use klp_convert::options::Options;
    use klp_convert::symbols::Sources;

    #[test]
    fn the_property_holds_for_every_seed() {
        crate::replay("records", super::run);
    }

    #[test]
    fn what_is_not_odd_is_mostly_converted() {
        let (mut converted, mut whole, mut copied) = (0, 0, 0);
        for seed in 0..200_u8 {
            let bytes: Vec<_> =
                (0..64_u8).map(|at| at.wrapping_mul(29).wrapping_add(seed)).collect();
            let recorded = super::generate(&bytes);
            let options = Options { allow_undeclared_dependency: true, ..Options::default() };
            if !recorded.odd && !recorded.klp.is_empty() {
                whole += 1;
                let is_done =
                    |options: &Options| convert(&recorded.file, &Sources::new(), options).is_ok();
                let new = Options { no_klp_arch: true, ..options.clone() };
                converted += usize::from(is_done(&new));
                let old = Options { target: Some(KernelVersion::new(5, 7)), ..options };
                copied += usize::from(!recorded.copies.is_empty() && is_done(&old));
            }
        }
        assert!(whole > 40 && converted * 2 > whole, "{converted} of {whole}");
        assert!(copied > 3, "{copied} with copies");
    }
}
