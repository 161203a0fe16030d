//! A file, damaged by chance.

use crate::bases::{Base, Bases, Form};
use crate::bytes::{change, change_lines};
use crate::call::Call;
use crate::mutation::Mutation;
use crate::patch::Random;

/// Which file to damage, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw {
    pub(crate) seed: u64,
    pub(crate) number: usize,
    /// It only ends too early.
    pub(crate) truncated: bool,
}

/// A damaged file, and what it is given to.
#[derive(Debug)]
pub(crate) struct Damaged<'a> {
    pub(crate) base: &'a Base,
    pub(crate) bytes: Vec<u8>,
    /// How much larger it is, unpacked.
    pub(crate) more: u64,
    pub(crate) call: Call,
}

impl Draw {
    pub(crate) fn damaged(self, bases: &Bases) -> Damaged<'_> {
        let mut random = Random((self.seed << 40) ^ (self.number as u64).wrapping_mul(0x9e37_79b9));
        let base = bases.draw(&mut random);
        let call = Call::draw(base.kind, &mut random);
        let mut damage = |bytes: Vec<u8>, form: Form| {
            if self.truncated {
                truncated(bytes, &mut random)
            } else {
                mutated(bytes, form, base, bases, &mut random)
            }
        };
        let whole = base.bytes();
        let length = whole.len() as u64;
        let bytes = match base.packing {
            None => damage(whole, base.form),
            // What is packed is damaged, or the stream.
            Some(packing) if self.number.is_multiple_of(2) => {
                packing.packed(&damage(whole, base.form))
            }
            Some(packing) => damage(packing.packed(&whole), Form::Bytes),
        };
        let more = length.saturating_sub(bytes.len() as u64);
        Damaged { base, bytes, more, call }
    }
}

fn truncated(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    bytes.truncate(random.below(bytes.len()));
    bytes
}

fn mutated(
    mut bytes: Vec<u8>,
    form: Form,
    base: &Base,
    bases: &Bases,
    random: &mut Random,
) -> Vec<u8> {
    let count = [1, 1, 1, 2, 3, 8][random.below(6)];
    match form {
        Form::Elf if random.below(4) > 0 => {
            let types = &bases.homes[base.home].types;
            let mut mutation = Mutation::new(bytes, types, random);
            (0..count.min(3)).for_each(|_| drop(mutation.change()));
            bytes = mutation.bytes;
        }
        Form::Lines if random.below(3) > 0 => {
            (0..count).for_each(|_| change_lines(&mut bytes, random));
        }
        _ => (0..count).for_each(|_| change(&mut bytes, random)),
    }
    bytes
}
