use std::vec;
use std::vec::Vec;

use super::{Address, FunctionCode, RelocationTarget, UseKind};
use crate::by_name;

const SYMBOL: u32 = 7;

/// The uses in a machine's code whose relocations are these: an offset in section 1, or an
/// undefined symbol. At offset 8 there is a pointer to 0x100.
fn uses(machine: &str, code: &[u8], named: &[(usize, Option<i64>)]) -> Vec<(i64, UseKind)> {
    let relocations: Vec<_> = named
        .iter()
        .map(|(field, offset)| match offset {
            Some(offset) => {
                (*field, RelocationTarget::Inside(Address { section: 1, offset: *offset }))
            }
            None => (*field, RelocationTarget::Outside(SYMBOL)),
        })
        .collect();
    let pointer = |at: Address| (at.offset == 8).then_some(Address { section: 1, offset: 0x100 });
    let function = FunctionCode { code, relocations: &relocations, pointer: &pointer };
    let uses = by_name(machine).unwrap().instructions.uses(function);
    let mut uses: Vec<_> = uses.iter().map(|used| (used.address.offset, used.kind)).collect();
    uses.retain(|(_, kind)| !matches!(kind, UseKind::Derived | UseKind::Loaded(_)));
    uses.sort_unstable();
    uses
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Bytes that GNU as made of what gcc 12 compiles.
#[test]
fn stores_and_arguments_are_seen_beside_an_anchor() {
    // adrp x1; add x1, x1; add x0, x1, #0x1d0; ldrsw x2, [x1, #4]; str x2, [x1, #24]; b
    let code =
        words(&[0x9000_0001, 0x9100_0021, 0x9107_4020, 0xb980_0422, 0xf900_0c22, 0x1400_0000]);
    let named = [(0, Some(0)), (4, Some(0)), (20, None)];
    let expected = vec![(24, UseKind::Stored(8)), (0x1d0, UseKind::Passed(Some(SYMBOL)))];
    let mut found = uses("arm64", &code, &named);
    // The anchor itself is in a register of an argument.
    found.retain(|(offset, _)| *offset != 0);
    assert_eq!(found, expected);
    // addis r9, r2; ld r9, 0(r9), a slot; lwa r10, 4(r9); addi r3, r9, 464; std r10, 24(r9); bl
    let code =
        words(&[0x3d22_0000, 0xe929_0000, 0xe949_0006, 0x3869_01d0, 0xf949_0018, 0x4800_0001]);
    let named = [(0, Some(8)), (4, Some(8)), (20, None)];
    let passed = UseKind::Passed(Some(SYMBOL));
    assert_eq!(uses("ppc64le", &code, &named), [(0x118, UseKind::Stored(8)), (0x2d0, passed)]);
    // larl %r1; larl %r2; lgf %r3, 4(%r1); stg %r3, 24(%r1); jg
    let code = [
        [0xc0, 0x10, 0, 0, 0, 0],
        [0xc0, 0x20, 0, 0, 0, 0],
        [0xe3, 0x30, 0x10, 4, 0, 0x14],
        [0xe3, 0x30, 0x10, 0x18, 0, 0x24],
        [0xc0, 0xf4, 0, 0, 0, 0],
    ];
    let named = [(2, Some(0)), (8, Some(0x1d0)), (26, None)];
    assert_eq!(
        uses("s390x", code.as_flattened(), &named),
        [(24, UseKind::Stored(8)), (0x1d0, passed)]
    );
    // mov $0, %rdi; movq $address, 0x1d0(%rip); jmp
    let code = [
        &[0x48, 0xc7, 0xc7, 0, 0, 0, 0][..],
        &[0x48, 0xc7, 0x05, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0xe9, 0, 0, 0, 0],
    ]
    .concat();
    let named = [(3, Some(0)), (10, Some(0x1cc)), (14, Some(0x460)), (19, None)];
    assert_eq!(
        uses("x86_64", &code, &named),
        [(0, passed), (0x1d0, UseKind::Stored(8)), (0x460, UseKind::Taken)]
    );
}

#[test]
fn any_bytes_are_read_to_their_end() {
    for machine in crate::machines() {
        let mut state = 1_u32;
        for length in 0..300_usize {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            };
            let code: Vec<u8> = (0..length).map(|_| next()).collect();
            let offset = i64::from(next());
            let at = Address { section: 1, offset };
            let all: Vec<_> = (0..length)
                .step_by(3)
                .map(|at| (at, RelocationTarget::Inside(Address { section: 1, offset })))
                .collect();
            let pointer = |_: Address| Some(at);
            let function = FunctionCode { code: &code, relocations: &all, pointer: &pointer };
            let uses = machine.instructions.uses(function);
            assert!(uses.iter().all(|used| used.address.section == 1));
        }
    }
}
