//! kpatch's special sections for kernels before Linux 5.8, which read them from `.klp.arch.OBJECT.SECTION`.

use klp_convert::elf::{
    Edits, Module, NewBody, NewSection, NewSymbol, Rela, SHT_RELA, SectionFlags, SectionIndex,
    SymbolIndex, SymbolSection, rewrite,
};
use object::elf::{SHT_PROGBITS, STB_LOCAL, STT_SECTION};

use super::generator::pointer;
use super::{is_big, kpatch};
use crate::gates::{backend, converted};
use crate::image::{ALLOC, INFO_LINK, Image, RELA, Section};
use crate::machine::{Machine, Map, machines};
use crate::patch::Patched;
use crate::tool::{Run, Sandbox, run};

const NAME: &str = "lp_module_symbols.ko";
const ALTERNATIVES: &str = ".altinstructions";
pub(super) const PARAVIRT: &str = ".parainstructions";
/// The object whose relocations the fixture has.
const OBJECT: &str = "klp_target_a";
/// The special sections that are recorded, each with its object: as from three object files, two of the kernel.
pub(super) const PIECES: [(&str, &str, usize); 5] = [
    (PARAVIRT, "vmlinux", 28),
    (ALTERNATIVES, "vmlinux", 26),
    (PARAVIRT, OBJECT, 12),
    (PARAVIRT, "vmlinux", 44),
    (ALTERNATIVES, "vmlinux", 13),
];

fn section(name: &str, body: Vec<u8>) -> NewSection {
    NewSection {
        name: name.as_bytes().to_vec(),
        sh_type: SHT_PROGBITS,
        sh_flags: SectionFlags::ALLOC,
        link: SectionIndex::NULL,
        info: SectionIndex::NULL,
        sh_addralign: 1,
        sh_entsize: 0,
        body: NewBody::Bytes(body),
    }
}

/// A special section's bytes: its number, and nothing in the place of its relocation.
fn contents(number: u8, size: usize) -> Vec<u8> {
    let mut bytes = vec![number; size];
    bytes[4..12].fill(0);
    bytes
}

/// Adds what `create-diff-object --klp-arch` adds: special sections, each with a relocation, and their records.
pub(super) fn with_arch(
    machine: &Machine,
    bytes: &[u8],
    pieces: &[(&str, &str, usize)],
) -> Vec<u8> {
    let module = Module::parse(bytes).unwrap();
    let named = |module: &Module<'_>, name: &str| {
        module.sections_named(name.as_bytes()).next().unwrap().index
    };
    let mut edits = Edits::new();
    let strings = named(&module, ".kpatch.strings");
    let mut texts = module.body(strings).to_vec();
    let mut objects = Vec::new();
    for (_, object, _) in pieces {
        objects.push(i64::try_from(texts.len()).unwrap());
        texts.extend([object.as_bytes(), b"\0"].concat());
    }
    edits.set_body(strings, texts);
    let first = edits.next_section(&module);
    for (number, (name, _, size)) in pieces.iter().enumerate() {
        let number = u8::try_from(number).unwrap();
        edits.add_section(section(name, contents(number + 1, *size)));
    }
    edits.add_section(section(".kpatch.arch", vec![0; pieces.len() * 16]));
    let bytes = rewrite(&module, &edits).unwrap().into_owned();
    let module = Module::parse(&bytes).unwrap();
    let code = module.symbols().find(|symbol| symbol.name == b"lp_show").unwrap().index;
    let kind = pointer(backend(machine));
    // Local symbols come before this one; relocations refer to new ones as if they came last.
    let count = u32::try_from(module.symbol_count()).unwrap();
    let of_strings = module
        .symbols_in(SymbolSection::Defined(named(&module, ".kpatch.strings")))
        .find(|symbol| symbol.kind == STT_SECTION);
    let strings = of_strings.unwrap().index;
    let mut edits = Edits::new();
    let table = |name: &str, info, relocations| NewSection {
        sh_type: SHT_RELA,
        sh_flags: SectionFlags::INFO_LINK,
        link: module.symtab(),
        info,
        sh_addralign: 8,
        sh_entsize: 24,
        body: NewBody::Relocations(relocations),
        ..section(&format!(".rela{name}"), Vec::new())
    };
    let mut records = Vec::new();
    for (number, (name, ..)) in (0..).zip(pieces) {
        let index = SectionIndex::new(first.get() + number);
        let (bind, kind_of) = (STB_LOCAL, STT_SECTION);
        let section = SymbolSection::Defined(index);
        edits.add_symbol(NewSymbol { name: Vec::new(), bind, kind: kind_of, section });
        let of_code = Rela { offset: 4, symbol: code, kind, addend: i64::from(number) };
        edits.add_section(table(name, index, vec![of_code]));
        let (at, symbol) = (u64::from(number) * 16, SymbolIndex::new(count + number));
        records.push(Rela { offset: at, symbol, kind, addend: 0 });
        let addend = objects[number as usize];
        records.push(Rela { offset: at + 8, symbol: strings, kind, addend });
    }
    edits.add_section(table(".kpatch.arch", named(&module, ".kpatch.arch"), records));
    rewrite(&module, &edits).unwrap().into_owned()
}

pub(super) fn of_kpatch(machine: &Machine) -> Vec<u8> {
    with_arch(machine, &kpatch(machine, &converted(machine, NAME), is_big(machine)), &PIECES)
}

/// Kernels of this machine read the sections, or at least none that these replace.
fn can_be_made(machine: &Machine) -> bool {
    ["x86_64", "ppc64le"].contains(&machine.name)
}

pub(super) fn create(bench: &Sandbox, bytes: &[u8], options: &[&str]) -> Run {
    let input = bench.file("in.ko", bytes);
    let words = ["create-klp-module"].iter().chain(options).map(AsRef::as_ref);
    run(words.chain([input.as_os_str(), bench.output().as_os_str()]))
}

pub(super) const OLD: [&str; 3] = ["--allow-undeclared-dependency", "--target-kernel", "5.7"];

fn made(machine: &Machine) -> Image {
    let bench = Sandbox::new();
    create(&bench, &of_kpatch(machine), &OLD).done();
    Image::read(&bench.written())
}

fn names(image: &Image) -> Vec<&str> {
    image.sections.iter().map(|section| section.name.as_str()).collect()
}

fn is_special(section: &&Section) -> bool {
    [ALTERNATIVES, PARAVIRT].contains(&section.name.as_str())
}

#[test]
fn special_sections_of_an_object_become_one_in_the_order_of_their_records() {
    for machine in machines().iter().filter(|machine| can_be_made(machine)) {
        let image = made(machine);
        let target = format!(".klp.arch.{OBJECT}.{PARAVIRT}");
        let copies = [
            (".klp.arch.vmlinux..parainstructions", vec![(1, 28, 0), (4, 44, 32)]),
            (".klp.arch.vmlinux..altinstructions", vec![(2, 26, 0), (5, 13, 26)]),
            (target.as_str(), vec![(3, 12, 0)]),
        ];
        let last = copies.iter().flat_map(|(name, _)| [(*name).to_owned(), format!(".rela{name}")]);
        let last: Vec<_> = last.collect();
        assert!(names(&image).ends_with(&last.iter().map(String::as_str).collect::<Vec<_>>()));
        for (name, pieces) in copies {
            let index = names(&image).iter().position(|there| *there == name).unwrap();
            let (copy, table) = (&image.sections[index], &image.sections[index + 1]);
            let header = (copy.kind, copy.flags, copy.align, copy.entry_size, copy.link, copy.info);
            assert_eq!(header, (1, ALLOC, 8, 1, 0, 0), "{name}");
            let header = (table.kind, table.flags, table.align, table.entry_size);
            assert_eq!(header, (RELA, INFO_LINK, 8, 24), "{name}");
            assert_eq!(table.info as usize, index, "{name}");
            let mut body = Vec::new();
            for (number, size, at) in &pieces {
                body.resize(*at, 0);
                body.extend(contents(*number, *size));
            }
            assert_eq!(copy.body, body, "{} {name}", machine.name);
            assert_eq!(table.relocations.len(), pieces.len(), "{name}");
            for (rela, (number, _, at)) in table.relocations.iter().zip(pieces) {
                assert_eq!(image.symbol_of(rela), "lp_show");
                assert_eq!((rela.offset, rela.addend), (at as u64 + 4, i64::from(number) - 1));
                assert_eq!(rela.kind, pointer(backend(machine)));
            }
        }
    }
}

#[test]
fn what_is_copied_is_removed_and_nothing_else_changes() {
    for machine in machines().iter().filter(|machine| can_be_made(machine)) {
        let bench = Sandbox::new();
        let all = made(machine);
        create(&bench, &of_kpatch(machine), &[&OLD[..], &["-n"]].concat()).done();
        let without = Image::read(&bench.written());
        assert!(!all.sections.iter().any(|section| is_special(&section)), "{}", machine.name);
        assert_eq!(all.find(".kpatch.arch").or(without.find(".kpatch.arch")), None);
        let special = |name: &&str| {
            let name = name.strip_prefix(".rela").unwrap_or(name);
            name.starts_with(".klp.arch") || [ALTERNATIVES, PARAVIRT].contains(&name)
        };
        let others = |image| names(image).into_iter().filter(|name| !special(name)).collect();
        let (kept, expected): (Vec<_>, Vec<_>) = (others(&all), others(&without));
        assert_eq!(kept, expected, "{}", machine.name);
        let size = |name: &str| (all.section(name).body.len(), without.section(name).body.len());
        for name in kept.iter().filter(|name| !name.starts_with('.')) {
            assert_eq!(size(name).0, size(name).1, "{name}");
        }
        // Symbols of the sections that are gone.
        assert_eq!(all.symbols.len() + PIECES.len(), without.symbols.len(), "{}", machine.name);
    }
}

#[test]
fn a_module_with_copies_is_finished_and_twice_is_once() {
    for machine in machines().iter().filter(|machine| can_be_made(machine)) {
        let (bench, again) = (Sandbox::new(), Sandbox::new());
        create(&bench, &of_kpatch(machine), &OLD).done();
        create(&again, &bench.written(), &OLD).done();
        assert_eq!(again.written(), bench.written(), "{}", machine.name);
        let with_map = [machine.map(Map::Elf), OLD.map(Into::into).into()].concat();
        again.convert_with(&bench.output(), with_map).done();
        assert_eq!(again.written(), bench.written(), "{}", machine.name);
    }
}

#[test]
fn special_sections_stay_for_kernels_that_read_them_there() {
    for machine in machines() {
        let plain = kpatch(&machine, &converted(&machine, NAME), is_big(&machine));
        let old = |more: &[&'static str]| [&OLD[..], more].concat();
        // The fixture's vermagic says Linux 7.2, which refuses two sections of one name.
        for (options, pieces) in [
            (OLD[..1].to_vec(), &PIECES[..2]),
            (vec![OLD[0], OLD[1], "5.8"], &PIECES),
            (old(&["-n"]), &PIECES),
            (old(&["--no-klp-arch-sections"]), &PIECES),
        ] {
            let bench = Sandbox::new();
            create(&bench, &with_arch(&machine, &plain, pieces), &options).done();
            let image = Image::read(&bench.written());
            let special: Vec<_> = image.sections.iter().filter(is_special).collect();
            let found = special.iter().map(|section| (section.name.as_str(), section.body.len()));
            let expected = pieces.iter().map(|(name, _, size)| (*name, *size));
            assert!(found.eq(expected), "{} {options:?}", machine.name);
            assert!(!names(&image).iter().any(|name| name.contains(".klp.arch")), "{options:?}");
            assert_eq!(image.find(".kpatch.arch"), None, "{options:?}");
        }
        let bench = Sandbox::new();
        let input = bench.file("in.ko", &with_arch(&machine, &plain, &PIECES[..2]));
        bench.convert_with(&input, machine.map(Map::Elf)).done();
        assert!(!names(&Image::read(&bench.written())).iter().any(|n| n.contains(".klp.arch")));
    }
}

#[test]
fn special_sections_that_no_record_names_stay() {
    for machine in machines().iter().filter(|machine| can_be_made(machine)) {
        let less = [(".kpatch.arch", 16), (".rela.kpatch.arch", 48)];
        let patched =
            less.iter().fold(Patched::new(of_kpatch(machine)), |patched, (name, less)| {
                patched.section(name, |s, e| {
                    let size = s.sh_size.get(e);
                    s.sh_size.set(e, size - less);
                })
            });
        let bench = Sandbox::new();
        create(&bench, &patched.bytes, &OLD).done();
        let image = Image::read(&bench.written());
        let left: Vec<_> = image.sections.iter().filter(is_special).collect();
        let [(name, _, size)] = PIECES[4..] else { panic!() };
        assert_eq!(left.len(), 1, "{}", machine.name);
        assert_eq!((left[0].name.as_str(), &left[0].body), (name, &contents(5, size)));
        assert_eq!(image.section(".klp.arch.vmlinux..altinstructions").body.len(), 26);
    }
}

#[test]
fn copies_that_no_kernel_of_the_machine_reads_are_not_made() {
    for machine in machines().iter().filter(|machine| !can_be_made(machine)) {
        let bench = Sandbox::new();
        let words = ["error[KLP-E0401]", "so what is in it is not applied [arch-section, ignored]"];
        create(&bench, &of_kpatch(machine), &OLD).refused(&words);
        create(&bench, &of_kpatch(machine), &[&OLD[..], &["--no-check"]].concat()).done();
        let finished = bench.output();
        let check = ["check".as_ref(), "--target-kernel".as_ref(), "5.7".as_ref()];
        let again = run(check.into_iter().chain([finished.as_os_str()]));
        again.refused(&["would load incorrectly", "create-klp-module -n"]);
    }
}

#[test]
fn a_kernel_that_is_not_known_is_asked_for() {
    for machine in machines() {
        let bench = Sandbox::new();
        let unknown = Patched::new(of_kpatch(&machine)).replace(b"vermagic=", b"vermagix=").bytes;
        let words =
            ["error[KLP-E0121]", "it is not known which Linux this is for", "--target-kernel"];
        create(&bench, &unknown, &OLD[..1]).refused(&words);
        assert!(!bench.output().exists());
        let none = kpatch(&machine, &converted(&machine, NAME), is_big(&machine));
        let none = Patched::new(none).replace(b"vermagic=", b"vermagix=").bytes;
        let ended = create(&bench, &none, &[&OLD[..1], &["--no-check"]].concat());
        assert!(!ended.stderr.contains("E0121"), "{}", ended.stderr);
    }
}

#[test]
fn modules_of_rhel_8_are_for_the_kernels_that_have_the_change() {
    let machine = machines().into_iter().find(|machine| machine.name == "x86_64").unwrap();
    let whole = of_kpatch(&machine);
    let module = Module::parse(&whole).unwrap();
    let vermagic = module.vermagic().unwrap();
    for (release, makes) in [("4.18.0-193.el8", true), ("4.18.0-305.el8", false)] {
        let mut release = release.as_bytes().to_vec();
        release.resize(vermagic.len(), b' ');
        let bench = Sandbox::new();
        let bytes = Patched::new(whole.clone()).replace(vermagic, &release).bytes;
        create(&bench, &bytes, &OLD[..1]).done();
        let image = Image::read(&bench.written());
        assert_eq!(names(&image).iter().any(|name| name.starts_with(".klp.arch")), makes);
    }
}

#[test]
fn copies_are_wrong_for_a_kernel_that_does_not_read_them() {
    let machine = machines().into_iter().find(|machine| machine.name == "x86_64").unwrap();
    let bench = Sandbox::new();
    create(&bench, &of_kpatch(&machine), &OLD).done();
    let check = |version: &str| {
        let words = ["check".into(), "--target-kernel".into(), version.into()];
        run(words.into_iter().chain([bench.output().into_os_string()]))
    };
    check("5.7").done();
    check("4.12").done();
    for version in ["5.8", "6.1", "7.3"] {
        let words = format!("Linux {version} reads '.altinstructions' only");
        check(version).refused(&["would load incorrectly", "[arch-section, ignored]", &words]);
    }
    // The vermagic says Linux 7.2.
    let unsaid = run(["check".as_ref(), bench.output().as_os_str()]);
    unsaid.refused(&["Linux 7.2.13 reads '.parainstructions' only"]);
    let inspected = run(["inspect".as_ref(), bench.output().as_os_str()]);
    let words = ".klp.arch.vmlinux..altinstructions: kpatch: for kernels from 4.9 to 5.7";
    assert!(inspected.done().stdout.contains(words), "{}", inspected.stdout);
}

#[test]
fn replacements_may_wait_for_an_object_if_its_alternatives_do() {
    let machine = machines().into_iter().find(|machine| machine.name == "x86_64").unwrap();
    let finished = converted(&machine, NAME);
    let replacement = Patched::new(kpatch(&machine, &finished, false));
    let replacement = replacement.rename_section(".text", ".altinstr_replacement").bytes;
    let of = |object| with_arch(&machine, &replacement, &[(ALTERNATIVES, object, 14)]);
    let bench = Sandbox::new();
    let early = ["error[KLP-E0303]", "(apply_alternatives) reads this section before"];
    create(&bench, &of(OBJECT), &OLD).done();
    let check = ["check".as_ref(), "--target-kernel".as_ref(), "5.7".as_ref()];
    run(check.into_iter().chain([bench.output().as_os_str()])).done();
    create(&bench, &of(OBJECT), &[&OLD[..], &["-n"]].concat()).refused(&early);
    create(&bench, &of(OBJECT), &OLD[..1]).refused(&early);
    create(&bench, &of("vmlinux"), &OLD).refused(&early);
}
