//! Modules with a bit of everything, decided by a seed.

use super::{ADDRSIG, Builder, LINK_STRTAB, LINK_SYMTAB, NOBITS, Section};

/// Numbers from a seed (splitmix64).
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound)).unwrap()
    }

    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.below(u32::try_from(from.len()).unwrap())).unwrap()]
    }
}

/// A module with a bit of everything, decided by a seed.
pub(crate) fn random(seed: u64) -> Builder {
    let mut random = Random(seed);
    let mut builder = Builder::new(random.chance(50));
    builder.shared_strings = random.chance(30);
    // A dedicated name for groups, so that removing others' symbols leaves groups named.
    let group_name = builder.symbol("group", 0, 0);
    let bodies = 1 + random.below(8);
    for _ in 0..bodies {
        let name = random.pick(&[".text", ".text", "t", ".data", ".rela.text", "", ".init.text"]);
        let length = usize::try_from(random.below(40)).unwrap();
        let body: Vec<u8> = (0..length).map(|_| random.next().to_le_bytes()[0]).collect();
        let index = builder.progbits(name, &body);
        let section = builder.sections.last_mut().unwrap();
        section.align = 1 << random.below(6);
        if random.chance(20) {
            (section.sh_type, section.flags) = (0x6000_1234, 0x8030_0002);
        } else if random.chance(15) {
            section.sh_type = NOBITS;
            section.size = u64::from(random.below(5000));
            section.body.clear();
        }
        for _ in 0..random.below(4) {
            let name = random.pick(&["foo", "barfoo", "oo", "", "text", "x.isra.0"]);
            builder.symbol(name, index, random.next());
        }
    }
    for reserved in [0, 0xfff1, 0xfff2, 0xff20, 0xff03] {
        if random.chance(50) {
            builder.reserved_symbol(random.pick(&["undefined", "defined", "s"]), reserved);
        }
    }
    for target in 1..=bodies {
        if random.chance(60) {
            let count = u32::try_from(builder.symbols.len()).unwrap() + 1;
            let entries: Vec<_> = (0..random.below(6))
                .map(|_| {
                    let symbol = random.below(count);
                    (random.next(), symbol, random.below(300), random.next().cast_signed())
                })
                .collect();
            builder.rela(random.pick(&[".rela.text", ".rela.data", ".rela"]), target, &entries);
        }
    }
    if random.chance(40) {
        let members: Vec<u32> = (1..=bodies).filter(|_| random.chance(30)).collect();
        for &member in &members {
            builder.sections[usize::try_from(member).unwrap() - 1].flags |= 0x200;
        }
        builder.group(group_name, &members);
    }
    if random.chance(40) {
        let count = u8::try_from(builder.symbols.len()).unwrap();
        let body = (1..=count.min(127)).filter(|_| random.chance(40)).collect();
        let (sh_type, link, align) = (ADDRSIG, LINK_SYMTAB, 1);
        let name = ".llvm_addrsig".to_owned();
        builder.section(Section { name, sh_type, link, align, body, ..Section::default() });
    }
    if random.chance(20) {
        let (sh_type, link, body) = (0x7000_0001, LINK_STRTAB, vec![1, 2, 3]);
        let name = ".reads_strings".to_owned();
        builder.section(Section { name, sh_type, link, body, ..Section::default() });
    }
    builder.locals = 1 + random.below(u32::try_from(builder.symbols.len()).unwrap());
    builder
}
