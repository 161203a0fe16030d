//! Files that are not modules of this kernel.

use object::elf::{self, FileFlags, SectionType};

use super::good::{Good, flags};
use super::{Then, Wrong};
use crate::kernel::{Machine, Release};
use crate::patch::Patched;

const OF: &str = "lp_vmlinux_inferred";
const THIS_MODULE: &str = ".gnu.linkonce.this_module";

const fn refused(name: &'static str, spoil: fn(&Good) -> Patched) -> Wrong {
    Wrong::new(name, OF, Then::Refused, spoil)
}

pub(super) const ALL: &[Wrong] = &[
    refused("file/other-machine", |good| {
        // Another 64-bit machine of the same byte order, or of the other.
        let other = if good.image.machine == 62 { 183 } else { 62 };
        good.copy().header(|h, e| h.e_machine.set(e, elf::Machine(other)))
    })
    .unsaid("check says that the map is of another machine"),
    refused("file/other-abi", |good| good.copy().header(|h, e| h.e_flags.set(e, FileFlags(1))))
        .on(&[Machine::Ppc64le], "e_flags are not checked")
        .since(6, 2),
    refused("file/too-many-sections", |good| {
        let (mut patched, count) = (good.copy(), good.image.sections.len());
        let (start, mut at) = (patched.bytes.len(), 0);
        patched = patched.header(|h, e| {
            at = usize::try_from(h.e_shoff.get(e)).unwrap();
            h.e_shoff.set(e, start as u64);
            h.e_shnum.set(e, 0);
        });
        let mut table = patched.bytes[at..at + count * 64].to_vec();
        table.resize(0xff00 * 64, 0);
        patched.bytes.extend(table);
        // `sh_size` of section 0 has the number.
        let number = 0xff00_u64;
        let number = if good.machine == Machine::S390x {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        };
        patched.bytes[start + 32..start + 40].copy_from_slice(&number);
        patched
    }),
    refused("modinfo/other-release", |good| {
        let magic = format!("vermagic={}", good.vermagic());
        let other = format!("vermagic=8{}", &good.vermagic()[1..]);
        good.copy().replace(magic.as_bytes(), other.as_bytes())
    })
    .of_release(
        &[Release::Small73, Release::Small72, Release::Small612, Release::Lto, Release::Small61],
        "with versions the release may differ",
    )
    .unsaid("check says that the map is of another release"),
    refused("modinfo/other-configuration", |good| {
        good.copy().replace(b" mod_unload ", b" mod_onload ")
    }),
    refused("modinfo/a-word-less", |good| {
        // The word after the release, as in a kernel without SMP.
        let magic = good.vermagic();
        let word = magic.split_whitespace().nth(1).unwrap();
        let mut less = magic.replacen(&format!(" {word} "), " ", 1).into_bytes();
        less.resize(magic.len(), 0);
        good.copy().replace(magic.as_bytes(), &less)
    }),
    refused("modinfo/two", |good| good.copy().rename_section(".comment", ".modinfo")).since(6, 4),
    refused("struct-module/none", |good| {
        good.copy().rename_section(THIS_MODULE, ".gnu.linkonce.that_module")
    }),
    refused("struct-module/two", |good| good.copy().rename_section(".comment", THIS_MODULE))
        .since(6, 4),
    refused("struct-module/no-contents", |good| {
        good.copy().section(THIS_MODULE, |s, e| s.sh_type.set(e, SectionType(8)))
    })
    .since(6, 4),
    refused("struct-module/not-loaded", |good| flags(good.copy(), THIS_MODULE, |flags| flags & !2)),
    refused("struct-module/other-size", |good| {
        good.copy().section(THIS_MODULE, |s, e| s.sh_size.set(e, s.sh_size.get(e) - 64))
    })
    .since(6, 4),
    Wrong::new("exports/without-flags", "klp_target_a", Then::Refused, |good| {
        good.copy().rename_section("__kflagstab", "__kflagsta_")
    })
    .since(7, 1),
    refused("versions/crcs-without-names", |good| {
        let patched = good.copy().rename_section(".comment", "__version_ext_crcs");
        flags(patched, "__version_ext_crcs", |flags| flags | 2)
    })
    .since(6, 14),
    refused("versions/more-crcs-than-names", |good| {
        let patched = good.copy().rename_section(".comment", "__version_ext_crcs");
        let patched = flags(patched, "__version_ext_crcs", |flags| flags | 2);
        let patched = patched.rename_section(".note.GNU-stack", "__version_ext_names");
        flags(patched, "__version_ext_names", |flags| flags | 2)
    })
    .since(6, 14),
    refused("machine-sections/stubs", |good| good.copy().rename_section(".stubs", ".stubz"))
        .on(&[Machine::Ppc64le], "the loader does not fill such a section"),
    refused("machine-sections/plt", |good| good.copy().rename_section(".plt", ".plx"))
        .on(&[Machine::Arm64], "the loader does not fill such a section"),
    refused("machine-sections/init-plt", |good| {
        good.copy().rename_section(".init.plt", ".init.plx")
    })
    .on(&[Machine::Arm64], "the loader does not fill such a section"),
    refused("machine-sections/ftrace", |good| {
        good.copy().rename_section(".text.ftrace_trampoline", ".text.ftrace_trampolinx")
    })
    .on(&[Machine::Arm64], "the loader does not fill such a section"),
    refused("write-execute", |good| flags(good.copy(), ".text", |flags| flags | 1)),
    refused("memory/too-large", |good| {
        good.copy().section(".bss", |s, e| s.sh_size.set(e, 0x8000_0000))
    })
    .since(6, 10),
    refused("memory/percpu-too-large", |good| {
        let percpu = ".data..percpu";
        good.copy().rename_section(".exit.data", percpu).section(percpu, |s, e| {
            s.sh_type.set(e, SectionType(8));
            s.sh_size.set(e, 0x2_0000);
        })
    })
    .alarming("mm/percpu.c"),
    refused("memory/percpu-reserve", |good| {
        let percpu = ".data..percpu";
        good.copy().rename_section(".exit.data", percpu).section(percpu, |s, e| {
            s.sh_type.set(e, SectionType(8));
            s.sh_size.set(e, 0x3000);
        })
    })
    .on(&[Machine::X86, Machine::S390x, Machine::Arm64], "nothing is reserved for modules"),
    refused("sections/twins", |good| {
        // An empty section is not loaded.
        let is_empty = good.image.section(".data").size == 0;
        good.copy().rename_section(".exit.data", if is_empty { ".init.data" } else { ".data" })
    })
    .since(6, 12),
    refused("sections/note-twins", |good| {
        good.copy().rename_section(".note.gnu.build-id", ".note.Linux")
    })
    .since(6, 12),
    refused("section-zero/address", |good| {
        let (mut patched, mut at) = (good.copy(), 0);
        patched = patched.header(|h, e| at = usize::try_from(h.e_shoff.get(e)).unwrap());
        // Bytes of `sh_addr`, in either order.
        patched.bytes[at + 19] = 1;
        patched
    }),
    refused("table/without-addends", |good| {
        good.copy().section(".rela.gnu.linkonce.this_module", |s, e| {
            s.sh_type.set(e, SectionType(9));
        })
    }),
    Wrong::new("exports/of-vmlinux", "klp_target_a", Then::Refused, |good| {
        good.copy().contents("__ksymtab_strings", |strings| {
            let name = b"klp_target_a_exported\0";
            let at = strings.windows(name.len()).position(|window| window == name).unwrap();
            strings[at..at + name.len()].fill(0);
            strings[at..at + 7].copy_from_slice(b"_printk");
        })
    }),
    refused("signature/garbage", |good| {
        let mut patched = good.copy();
        patched.bytes.extend(crate::patch::signature());
        patched
    })
    .of_release(&[Release::Debian, Release::Debian612], "it is built without CONFIG_MODULE_SIG"),
];
