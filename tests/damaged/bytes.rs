//! Changes of bytes and lines that know nothing of what they mean.

use crate::patch::Random;

/// Values that numbers are changed into.
const BYTES: [u8; 6] = [0, 1, 0x7f, 0x80, 0xff, b'\n'];
/// What takes the place of a word of a line.
const WORDS: [&str; 14] = [
    "",
    "0",
    "-1",
    "ffffffffffffffff",
    "0x1ffffffffffffffff",
    "vmlinux",
    "*",
    "*vmlinux",
    "[klp_target_a]",
    "EXPORT_SYMBOL_GPL",
    "T",
    "\u{1b}[2K",
    "a,b",
    "_text",
];

/// Changes bytes in one of several ways.
pub(crate) fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    let length = bytes.len();
    if length == 0 {
        return bytes.push(BYTES[random.below(BYTES.len())]);
    }
    let at = random.below(length);
    let end = length.min(at + 1 + below_a_power(random));
    match random.below(8) {
        0..2 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = BYTES[random.below(BYTES.len())],
        3 => bytes[at..end].fill(BYTES[random.below(BYTES.len())]),
        4 => bytes[at..end]
            .iter_mut()
            .for_each(|byte| *byte = u8::try_from(random.below(256)).unwrap()),
        5 => drop(bytes.drain(at..end)),
        6 => {
            let piece = bytes[at..end].to_vec();
            let to = random.below(length + 1);
            drop(bytes.splice(to..to, piece));
        }
        _ => {
            let size = (end - at).min(length - random.below(length));
            let from = random.below(length - size + 1);
            let (first, second) = (at.min(length - size), from);
            (0..size).for_each(|offset| bytes.swap(first + offset, second + offset));
        }
    }
}

/// Changes the lines of a text: one is removed, doubled, moved, or gets another word.
pub(crate) fn change_lines(bytes: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<_> =
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.is_empty() {
        return change(bytes, random);
    }
    let line = random.below(lines.len());
    match random.below(6) {
        0 => drop(lines.remove(line)),
        1 => {
            let to = random.below(lines.len());
            lines.insert(to, lines[line].clone());
        }
        2 => {
            let other = random.below(lines.len());
            lines.swap(line, other);
        }
        3 => {
            // Two lines become one.
            lines[line].pop();
        }
        _ => {
            let is_end = |byte: &u8| byte.is_ascii_whitespace();
            let mut words: Vec<_> =
                lines[line].split_inclusive(is_end).map(<[u8]>::to_vec).collect();
            let word = random.below(words.len());
            let end = words[word].last().copied().filter(is_end);
            words[word] = WORDS[random.below(WORDS.len())].as_bytes().to_vec();
            words[word].extend(end);
            lines[line] = words.concat();
        }
    }
    *bytes = lines.concat();
}

/// A number that is small more often than not.
fn below_a_power(random: &mut Random) -> usize {
    let bits = random.below(13);
    random.below(1 << bits)
}
