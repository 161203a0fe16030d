//! Modules of all machines, generated from the bytes: relocations of every type, near and far, that
//! a compiler could emit. Each loads or is refused; the reserved room is enough. Any bytes make a
//! module.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "modules are made here, a surprise stops the run"
)]

use klp_arch::{Machine, machines};
use scroll::Endian;

use crate::skeleton::builder::{Builder, NOBITS, Section};

/// Bytes of a relocated section, and from one site to the next.
const SIZE: usize = 4096;
const STEP: usize = 16;
/// Symbols of each kind.
const SYMBOLS: u8 = 12;
/// Sections of code, of code that is freed, and of data.
const PATCHED: [(&str, u64); 3] = [(".text", 6), (".init.text", 6), (".data", 3)];

/// The bytes of a site: what the loaders demand, if anything.
fn site(machine: &Machine) -> [u8; STEP] {
    let mut site = [0; STEP];
    if !machine.needs_untouched_place && machine.endian == Endian::Little {
        // A call, followed by a nop, where that matters.
        site[..4].copy_from_slice(&0x4800_0001_u32.to_le_bytes());
        site[4..8].copy_from_slice(&0x6000_0000_u32.to_le_bytes());
    }
    site
}

/// A module: the first byte selects the machine, every further eight bytes make a relocation.
fn module(data: &[u8]) -> Option<Vec<u8>> {
    let (&first, rest) = data.split_first()?;
    let machine = machines()[usize::from(first) % machines().len()];
    let mut builder = Builder::new(machine.endian == Endian::Big);
    let places = SIZE / STEP;
    let sections = PATCHED.map(|(name, flags)| {
        let body = site(machine).repeat(places);
        let name = name.to_owned();
        builder.section(Section { name, sh_type: 1, flags, align: 16, body, ..Section::default() })
    });
    let this = ".gnu.linkonce.this_module".to_owned();
    let mut body = vec![0; 128];
    body[24..33].copy_from_slice(b"generated");
    builder.section(Section {
        name: this,
        sh_type: 1,
        flags: 3,
        align: 8,
        body,
        ..Section::default()
    });
    builder.progbits(".modinfo", b"name=generated\0license=GPL\0livepatch=Y\0");
    let filled = [".text.ftrace_trampoline", ".init.text.ftrace_trampoline"];
    for name in machine.required_sections.iter().chain(&filled) {
        let name = (*name).to_owned();
        builder.section(Section {
            name,
            sh_type: NOBITS,
            flags: 6,
            align: 8,
            ..Section::default()
        });
    }
    for number in 0..SYMBOLS {
        let value = u64::from(number) * 64;
        builder.symbol(&format!("own_{number}"), sections[usize::from(number) % 3], value);
    }
    for number in 0..SYMBOLS {
        builder.symbol(&format!("kernel_{number}"), 0, 0);
    }
    for number in 0..SYMBOLS {
        let owner = if number % 2 == 0 { "vmlinux" } else { "target" };
        builder.reserved_symbol(&format!(".klp.sym.{owner}.f{number},0"), 0xff20);
        builder.symbols.last_mut()?.value = 0;
    }
    // Plain tables, those of the kernel, and those of a module.
    let mut tables = vec![Vec::new(); PATCHED.len() * 3];
    for (index, chunk) in rest.as_chunks::<8>().0.iter().take(places).enumerate() {
        let [table, row, symbol, low, high, a, b, shift] = *chunk;
        let table = usize::from(table) % tables.len();
        // Room is reserved for code only: nothing branches out of data.
        let code = table % PATCHED.len() != 2;
        let rows: Vec<_> =
            machine.rows.iter().filter(|row| code || !row.calc.may_detour()).collect();
        let kind = rows[usize::from(u16::from_le_bytes([row, low])) % rows.len()].number;
        let own = 1 + u32::from(symbol) % u32::from(2 * SYMBOLS);
        let symbol = match table / PATCHED.len() {
            0 => own,
            gated => {
                let odd = u32::from(gated == 2);
                1 + u32::from(2 * SYMBOLS) + (u32::from(symbol) % u32::from(SYMBOLS / 2)) * 2 + odd
            }
        };
        // No room is reserved for targets in the section itself, however far past its end.
        let shift = if symbol <= u32::from(SYMBOLS) { 0 } else { shift % 24 };
        let addend = i64::from(i16::from_le_bytes([a, b])) << shift;
        let offset = u64::try_from(index * STEP).unwrap() + u64::from(high % 3);
        tables[table].push((offset, symbol, kind, addend));
    }
    for (index, entries) in tables.iter().enumerate().filter(|(_, entries)| !entries.is_empty()) {
        let (name, _) = PATCHED[index % PATCHED.len()];
        let target = sections[index % PATCHED.len()];
        match index / PATCHED.len() {
            0 => drop(builder.rela(&format!(".rela{name}"), target, entries)),
            gated => {
                let gate = ["vmlinux", "target"][gated - 1];
                builder.rela(&format!(".klp.rela.{gate}.{name}"), target, entries);
                builder.sections.last_mut()?.flags = 0x10_0042;
            }
        }
    }
    let mut file = builder.build();
    let e_machine = builder.u16(machine.e_machines[0]);
    file[18..20].copy_from_slice(&e_machine);
    // ELFv2, if the machine checks it.
    let flags = builder.u32(if machine.check_header(0).is_err() { 2 } else { 0 });
    file[48..52].copy_from_slice(&flags);
    Some(file)
}

/// Checks the property; returns whether the module loads somewhere.
///
/// # Panics
/// When it does not hold.
pub fn run(data: &[u8]) -> bool {
    module(data).is_some_and(|module| crate::load::check(&module, true))
}

#[cfg(test)]
mod tests {
    /// Bytes without a pattern.
    fn bytes(seed: u32, length: u32) -> Vec<u8> {
        let mut state = u64::from(seed) << 32 | 0x9e37_79b9;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn the_property_holds_for_modules_of_each_machine_and_many_of_them_load() {
        for machine in 0..4 {
            let loaded = (0..80_u32).filter(|seed| {
                let mut data = bytes(*seed, 1 + 8 * (1 + seed % 12));
                data[0] = machine;
                super::run(&data)
            });
            let loaded = loaded.count();
            assert!(loaded > 8, "machine {machine}: {loaded} modules load");
        }
    }
}
