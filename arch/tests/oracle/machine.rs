//! What the oracle needs to know about each machine: tools, anchors, instructions, and the rows that
//! a linker cannot judge.

/// One machine as its GNU toolchain sees it.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Its name in the library.
    pub(crate) name: &'static str,
    /// The prefix of the tools.
    pub(crate) prefix: &'static str,
    /// The Debian package that provides them.
    pub(crate) package: &'static str,
    /// Options that keep ld from optimising the code.
    pub(crate) link_options: &'static [&'static str],
    /// Three double-words: TOC pointer, GOT, distance from there to `gotsym`'s slot in the low 16
    /// bits. Zero: does not exist.
    pub(crate) anchors: &'static str,
    /// Where the text is linked: a low address, and one where the kernel puts modules.
    pub(crate) texts: [u64; 2],
    /// First two words of a site of the relocation.
    pub(crate) template: fn(&str) -> [u32; 2],
    /// Rows that the linker cannot judge, and why. A reason that no longer holds fails.
    pub(crate) exceptions: &'static [(&'static str, &'static str)],
}

const NOWHERE: &str = ".quad 0, 0, 0";

pub(crate) static X86_64: Machine = Machine {
    name: "x86_64",
    prefix: "x86_64-linux-gnu",
    package: "binutils-x86-64-linux-gnu",
    link_options: &["--no-relax"],
    anchors: NOWHERE,
    texts: [0x40_1000, 0xffff_ffff_a000_1000],
    template: |_| [0, 0],
    exceptions: &[],
};

pub(crate) static ARM64: Machine = Machine {
    name: "arm64",
    prefix: "aarch64-linux-gnu",
    package: "binutils-aarch64-linux-gnu",
    link_options: &["--no-relax"],
    anchors: NOWHERE,
    texts: [0x40_1000, 0xffff_8000_7a00_1000],
    template: |name| {
        let word = match name.trim_start_matches("R_AARCH64_") {
            "ADR_PREL_LO21" => 0x1000_0003,
            "ADR_PREL_PG_HI21" | "ADR_PREL_PG_HI21_NC" => 0x9000_0003,
            "ADD_ABS_LO12_NC" => 0x9100_0063,
            "LDST8_ABS_LO12_NC" => 0x3940_0063,
            "LDST16_ABS_LO12_NC" => 0x7940_0063,
            "LDST32_ABS_LO12_NC" => 0xb940_0063,
            "LDST64_ABS_LO12_NC" => 0xf940_0063,
            "LDST128_ABS_LO12_NC" => 0x3dc0_0063,
            "LD_PREL_LO19" => 0x5800_0003,
            "TSTBR14" => 0x3600_0003,
            "CONDBR19" => 0x5400_0000,
            "JUMP26" => 0x1400_0000,
            "CALL26" => 0x9400_0000,
            other if other.starts_with("MOVW") => 0xd280_0003,
            _ => 0,
        };
        [word, 0]
    },
    exceptions: &[("R_ARM_NONE", "a name of the 32-bit ABI, which GNU as does not accept here")],
};

pub(crate) static PPC64LE: Machine = Machine {
    name: "ppc64le",
    prefix: "powerpc64le-linux-gnu",
    package: "binutils-powerpc64le-linux-gnu",
    link_options: &["--no-toc-optimize", "--no-tls-optimize", "--no-pcrel-optimize"],
    // Slots are recognised by their distance from the TOC pointer.
    anchors: ".quad .TOC., .TOC.\n.reloc ., R_PPC64_GOT16, gotsym\n.quad 0",
    texts: [0x1000_1000, 0xc008_0000_0000_1000],
    template: |name| match name {
        "R_PPC64_REL24" | "R_PPC64_REL24_NOTOC" => [0x4800_0001, 0x6000_0000],
        "R_PPC64_TOC16_HA" | "R_PPC64_REL16_HA" => [0x3c62_0000, 0],
        "R_PPC64_TOC16" | "R_PPC64_TOC16_LO" | "R_PPC64_REL16_LO" => [0x3862_0000, 0],
        "R_PPC64_TOC16_DS" | "R_PPC64_TOC16_LO_DS" => [0xe862_0000, 0],
        "R_PPC64_PCREL34" => [0x0610_0000, 0x3860_0000],
        "R_PPC64_GOT_PCREL34" => [0x0410_0000, 0xe460_0000],
        "R_PPC64_ENTRY" => [0xe84c_fff8, 0x7c42_6214],
        _ => [0, 0],
    },
    exceptions: &[(
        "R_PPC64_ENTRY",
        "ld loads the TOC pointer as a constant in programs that are not relocatable",
    )],
};

pub(crate) static S390X: Machine = Machine {
    name: "s390x",
    prefix: "s390x-linux-gnu",
    package: "binutils-s390x-linux-gnu",
    link_options: &[],
    anchors: ".quad 0, _GLOBAL_OFFSET_TABLE_\n.reloc ., R_390_GOT64, gotsym\n.quad 0",
    texts: [0x100_1000, 0x3ff_8000_1000],
    template: |_| [0, 0],
    exceptions: &[("R_390_GOTPC", "ld writes 64 bits, the kernel 32")],
};
