//! Which opcodes there are in 64-bit mode, and what follows each.
//!
//! A map is 16 rows of 16 letters: the high half of the opcode selects the row. `.` is no instruction, a
//! prefix or an escape; `-` has no operands in bytes of their own; what others mean [`Operands::of`] says.
//! Source: Intel SDM, volume 2, appendix A, tables, and the encodings of volume 2 for what they leave
//! out (VEX, EVEX, and `UDB`, which is d6); AMD's manual, volume 3, appendix A, for 3DNow and XOP.

/// What an opcode byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Map {
    OneByte,
    /// After 0f.
    TwoBytes,
    /// After 0f 38.
    Escape38,
    /// After 0f 3a.
    Escape3a,
    /// With VEX or EVEX: those with which 0f, 0f 38 and 0f 3a began, and two for numbers of 16 bits.
    Vector1,
    Vector2,
    Vector3,
    Vector5,
    Vector6,
    /// With XOP.
    Xop8,
    Xop9,
    Xop10,
}

/// A number in an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Immediate {
    Bytes(usize),
    /// 2 bytes with an operand size of 16 bits, else 4.
    Operand,
    /// The same, but 8 with an operand size of 64 bits.
    Whole,
    /// An address, without ModRM: 8 bytes, or 4.
    Address,
}

/// What follows an opcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operands {
    Immediate(Immediate),
    /// A distance of as many bytes from the next instruction.
    Distance(usize),
    /// ModRM, what that needs, and a number.
    Memory(Immediate),
    /// ModRM that always means a register.
    Register,
}

const NOTHING: Immediate = Immediate::Bytes(0);

impl Operands {
    fn of(letter: u8) -> Option<Self> {
        use Immediate::{Address, Bytes, Operand, Whole};
        Some(match letter {
            b'-' => Self::Immediate(NOTHING),
            b'b' => Self::Immediate(Bytes(1)),
            b'w' => Self::Immediate(Bytes(2)),
            // enter
            b'e' => Self::Immediate(Bytes(3)),
            b'z' => Self::Immediate(Operand),
            b'v' => Self::Immediate(Whole),
            b'o' => Self::Immediate(Address),
            b'j' => Self::Distance(1),
            b'J' => Self::Distance(4),
            b'M' => Self::Memory(NOTHING),
            b'B' => Self::Memory(Bytes(1)),
            b'Z' => Self::Memory(Operand),
            b'R' => Self::Register,
            _ => return None,
        })
    }
}

impl Map {
    /// What follows an opcode of this map; `None` if it is no instruction.
    pub(super) fn operands(self, opcode: u8) -> Option<Operands> {
        let rows = match self {
            Self::OneByte => &ONE_BYTE,
            Self::TwoBytes => &TWO_BYTES,
            Self::Escape38 => &ESCAPE_38,
            Self::Escape3a => &ESCAPE_3A,
            Self::Vector1 => &VECTOR_1,
            Self::Vector2 => &VECTOR_2,
            Self::Vector3 => &VECTOR_3,
            Self::Vector5 => &VECTOR_5,
            Self::Vector6 => &VECTOR_6,
            Self::Xop8 => return Some(Operands::Memory(Immediate::Bytes(1))),
            Self::Xop9 => return Some(Operands::Memory(NOTHING)),
            Self::Xop10 => return Some(Operands::Memory(Immediate::Bytes(4))),
        };
        let row = rows.get(usize::from(opcode >> 4))?;
        Operands::of(*row.get(usize::from(opcode & 0xf))?)
    }
}

type Rows = [&'static [u8; 16]; 16];

const NO: &[u8; 16] = b"................";
const ALL: &[u8; 16] = b"MMMMMMMMMMMMMMMM";

static ONE_BYTE: Rows = [
    b"MMMMbz..MMMMbz..", // 0
    b"MMMMbz..MMMMbz..",
    b"MMMMbz..MMMMbz..",
    b"MMMMbz..MMMMbz..",
    NO, // 4: REX
    b"----------------",
    b"...M....zZbB----",
    b"jjjjjjjjjjjjjjjj",
    b"BZ.BMMMMMMMMMMMM", // 8
    b"----------.-----",
    b"oooo----bz------",
    b"bbbbbbbbvvvvvvvv",
    b"BBw-..BZe-w--b.-", // c
    b"MMMM..--MMMMMMMM",
    b"jjjjbbbbJJ.j----",
    b".-..--MM------MM",
];

static TWO_BYTES: Rows = [
    b"MMMM.-----.-.M-B", // 0
    ALL,
    b"RRRR....MMMMMMMM",
    b"------.-........",
    ALL, // 4
    ALL,
    ALL,
    b"BBBBMMM-MM..MMMM",
    b"JJJJJJJJJJJJJJJJ", // 8
    ALL,
    b"---MBMMM---MBMMM",
    b"MMMMMMMMMMBMMMMM",
    b"MMBMBBBM--------", // c
    ALL,
    ALL,
    ALL,
];

static ESCAPE_38: Rows = [
    b"MMMMMMMMMMMM....", // 0
    b"M...MM.M....MMM.",
    b"MMMMMM..MMMM....",
    b"MMMMMM.MMMMMMMMM",
    b"MM..............", // 4
    NO,
    NO,
    NO,
    b"MMM.............", // 8
    NO,
    NO,
    NO,
    b"........MMMMMM.M", // c
    b"........M..MMMMM",
    NO,
    b"MM...MM.MMMMM...",
];

static ESCAPE_3A: Rows = [
    b"........BBBBBBBB", // 0
    b"....BBBB........",
    b"BBB.............",
    NO,
    b"BBB.B...........", // 4
    NO,
    b"BBBB............",
    NO,
    NO, // 8
    NO,
    NO,
    NO,
    b"............B.BB", // c
    b"...............B",
    NO,
    b"B...............",
];

static VECTOR_1: Rows = [
    NO, // 0
    b"MMMMMMMM........",
    b"........MMMMMMMM",
    NO,
    b".MM.MMMM..MM....", // 4
    ALL,
    ALL,
    b"BBBBMMM-MMMMMMMM",
    NO, // 8
    b"MMMM....MM......",
    b"..............M.",
    NO,
    b"..B.BBB.........", // c
    ALL,
    ALL,
    b"MMMMMMMMMMMMMMM.",
];

static VECTOR_2: Rows = [
    ALL, // 0
    ALL,
    ALL,
    ALL,
    b"MMMMMMMM.M.MMMMM", // 4
    b"MMMMMM..MMMMM.M.",
    b"..MMMMM.M...M...",
    b"MMMM.MMMMMMMMMMM",
    b"...M....MMMMMMMM", // 8
    b"MMMM..MMMMMMMMMM",
    b"MMMM..MMMMMMMMMM",
    b"MM..MMMMMMMMMMMM",
    b"....M.MMM.MMMM.M", // c
    b"..MM......MMMMMM",
    ALL,
    b"..MM.MMM........",
];

static VECTOR_3: Rows = [
    b"BBBBBBB.BBBBBBBB", // 0
    b"....BBBBBBBB.BBB",
    b"BBBB.BBB........",
    b"BBBB....BBBB..BB",
    b"BBBBB.B.BBBBB...", // 4
    b"BB..BBBB....BBBB",
    b"BBBB..BBBBBBBBBB",
    b"BBBB....BBBBBBBB",
    NO, // 8
    NO,
    NO,
    NO,
    b"..B...........BB", // c
    b"..............BB",
    NO,
    b"B...............",
];

static VECTOR_5: Rows = [
    NO, // 0
    b"MM...........M..",
    b"..........M.MMMM",
    NO,
    NO, // 4
    b".M......MMMMMMMM",
    b"..............M.",
    b"........MMMMMMM.",
    NO, // 8
    NO,
    NO,
    NO,
    NO, // c
    NO,
    NO,
    NO,
];

static VECTOR_6: Rows = [
    NO, // 0
    b"...M............",
    b"............MM..",
    NO,
    b"..MM........MMMM", // 4
    b"......MM........",
    NO,
    NO,
    NO, // 8
    b"......MMMMMMMMMM",
    b"......MMMMMMMMMM",
    b"......MMMMMMMMMM",
    NO, // c
    b"......MM........",
    NO,
    NO,
];
