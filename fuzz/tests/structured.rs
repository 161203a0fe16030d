//! The seeds of targets that make their own inputs from bytes, or that read text; `BLESS=1` writes them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

mod stored;

use std::fs;
use std::path::Path;

use klp_convert_fuzz::TARGETS;
use klp_convert_fuzz::cli::WORDS;
use stored::same;

/// Bytes without a pattern.
fn random(seed: u32, length: u32) -> Vec<u8> {
    let mut state = u64::from(seed + 1) << 32 | 0x9e37_79b9;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    // The first ones of all seeds are alike.
    (0..length + 32).map(|_| next()).skip(32).collect()
}

#[test]
fn every_target_is_listed_and_has_seeds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = |folder: &str| {
        let mut names: Vec<_> = fs::read_dir(root.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort_unstable();
        names
    };
    let listed: Vec<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(named("fuzz_targets"), listed);
    assert_eq!(named("seeds"), listed);
}

#[test]
fn seeds_of_all_targets_together_are_small() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let files = fs::read_dir(root)
        .unwrap()
        .flat_map(|target| fs::read_dir(target.unwrap().path()).unwrap());
    let size: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(size < 2 << 20, "{size} bytes");
}

/// Of each machine some; most without anything odd, which takes a byte of 255 or so.
#[test]
fn seeds_of_generated_inputs_are_bytes_without_a_pattern() {
    for (target, length) in [
        ("annotation", 48),
        ("broken", 32),
        ("records", 64),
        ("rows", 400),
        ("tables", 96),
        ("tools", 48),
        ("diff", 240),
        ("generated", 97),
    ] {
        for seed in 0..24_u32 {
            let mut bytes = random(seed, length);
            bytes[0] = u8::try_from(seed % 4).unwrap();
            if seed % 3 != 0 {
                bytes.iter_mut().for_each(|byte| *byte = (*byte).min(0xe0));
            }
            same(target, &format!("{seed:02}"), &bytes);
        }
    }
}

#[test]
fn seeds_of_names_are_those_that_kernels_have_and_some_that_none_has() {
    let long = "x".repeat(512);
    for (number, text) in [
        "kvm-intel.ko.xz",
        "vmlinux",
        "net/ipv4/ip_gre.ko.debug",
        "__key.12345\nfoo.isra.0\n3",
        "vmlinux\nfoo.isra.0\n2",
        "zfs\n__pfx_zfs_read\n0",
        ".klp.sym.vmlinux.__key.12345,2",
        ".klp.sym.kvm_intel.vmx_exit.cold,0",
        ".klp.sym.kvm-intel.f,01",
        ".klp.rela.vmlinux..text.unlikely",
        ".klp.rela.ext4.__jump_table",
        "6.1.176-1-amd64",
        "7.2.0-rc1",
        "fs/proc/stat.c",
        "/src/linux/./lib/../a.c",
        "evil.ko: loads\n\u{1b}[2K\u{202e}\u{9b}31m\u{2028}",
        "größe 名前\t\r",
        &long,
    ]
    .iter()
    .enumerate()
    {
        same("names", &format!("{number:02}"), text.as_bytes());
    }
}

#[test]
fn seeds_of_trees_are_kernels_as_they_are_built_and_installed() {
    let rows = "ffffffff81000000 T _text\nffffffff81001000 t f\n";
    let symvers = "0x12345678\tf\tvmlinux\tEXPORT_SYMBOL\t\n";
    let installed = format!(
        "=lib/modules/1/System.map\n{rows}=lib/modules/1/Module.symvers\n{symvers}\
         =lib/modules/1/modules.dep\nkernel/a.ko: kernel/b.ko\nkernel/b.ko:\nupdates/b.ko:\n\
         =lib/modules/1/kernel/a.ko\n=lib/modules/1/kernel/b.ko\n=lib/modules/1/updates/b.ko\n\
         =lib/modules/1/weak-updates/c.ko\n=lib/modules/1/vmlinuz\nMZ\n=boot/vmlinuz-1\nMZ\n"
    );
    let overrides = format!(
        "{installed}=etc/depmod.d/a.conf\nsearch updates extra \\\n built-in weak-updates\n\
         override b ^1$ extra\noverride c * weak-updates\nexclude extra\n\
         =lib/modules/1/extra/b.ko\nx\n=lib/modules/1/extra/c.ko\ny\n@lib/modules/1/kernel/d.ko lib/modules/1/kernel/a.ko\n\
         @lib/modules/1/kernel/dangling.ko absent.ko\n@lib/modules/1/build usr/src/headers\n"
    );
    let debug = format!(
        "{installed}=usr/lib/debug/boot/vmlinux-1\nx\n=usr/lib/debug/lib/modules/1/kernel/a.ko\nx\n\
         =usr/lib/debug/usr/lib/modules/1/kernel/b.ko.debug\nx\n"
    );
    let headers = format!(
        "{installed}=usr/src/headers/include/generated/utsrelease.h\n#define UTS_RELEASE \"1\"\n\
         =usr/src/headers/Module.symvers\n{symvers}"
    );
    let older =
        "=usr/src/headers/include/config/kernel.release\n2\n=usr/src/headers/Module.symvers\n";
    let built = format!(
        "=vmlinux\nx\n=modules.order\nkernel/a.ko\na.o\n\n=modules.livepatch\nlp.ko\n=Module.symvers\n{symvers}=a.ko\nx\n=kernel/a.ko\nx\n"
    );
    let loops = "=lib/modules/1/kernel/a.ko\nx\n@lib/modules/1/kernel/up lib/modules/1\n@lib/modules/1/kernel/self lib/modules/1/kernel/self\n";
    let packed = "=usr/lib/modules/1/kernel/a.ko.xz\nx\n=usr/lib/modules/1/kernel/a.ko.gz\nx\n=usr/lib/modules/1/symvers.gz\nx\n=usr/lib/modules/1/vmlinux.xz\nx\n=usr/lib/modules/1/System.map\nThis is a placeholder\n";
    for (name, text) in [
        ("installed", installed.as_str()),
        ("overrides", &overrides),
        ("debug", &debug),
        ("headers", &headers),
        ("older-headers", older),
        ("built", &built),
        ("loops", loops),
        ("packed", packed),
        ("empty", ""),
    ] {
        same("tree", name, text.as_bytes());
    }
}

#[test]
fn seeds_of_command_lines_are_words_that_the_target_knows() {
    for (number, line) in [
        "convert /module.ko -s /map -o /out",
        "convert /module.ko -s /map -o /out --verbose --object klp_target_a",
        "convert /cross.ko -s /map -o /out --format json",
        "convert /homonym.ko -s /map -o /out",
        "convert /other.ko -s /map -o /out",
        "convert /other.ko -s /map.s390x --in-place",
        "convert /selector.ko --vmlinux /vmlinux --module /target.ko -o /out --no-check",
        "convert /module.ko -s /list --module /target.ko --dry-run --format json",
        "convert /module.ko -s /map -o /out/deeper",
        "convert /noise -s /map -o /read-only",
        "convert /module.ko -s /noise -o /out --keep-module-exports",
        "convert /module.ko -s /map -o - -q",
        "check /module.ko /converted.ko /other.ko -s /map",
        "check /converted.ko -s /map --format json --all",
        "check /converted.ko --target-kernel 6.1.0-50 -v -s /map",
        "check /converted.ko /noise /empty /absent",
        "load /converted.ko -s /map -o /out --gate klp_target_a -v",
        "load /converted.ko -s /map --place text=0xffffffffc0000000 --format json",
        "load /module.ko -s /map -o /out",
        "inspect /module.ko -s /map",
        "inspect /converted.ko --format json",
        "symbols build --vmlinux /vmlinux --module /target.ko --symvers /Module.symvers -o /out",
        "symbols build --kernel /tree -o /out --keep-going",
        "symbols build --system-map /System.map --kallsyms /proc-kallsyms -o /out",
        "symbols build --image /noise -o /out --keep-going",
        "symbols lookup set_root no_such_name -s /map",
        "symbols lookup set_root --format json -s /map --module /target_b.ko",
        "symbols export -s /map --as kallsyms -o /out",
        "symbols export -s /map --as klp",
        "symbols info -s /map -v",
        "symbols info -s /map --format json",
        "symbols diff /map /map.s390x --all",
        "symbols diff /map /map --for /module.ko --format json",
        "annotate /homonym.ko -s /map --errors /log",
        "annotate --errors /log -s /map --kernel-source /tree",
        "explain KLP-E0101",
        "explain E0204 --format json",
        "explain a,b",
        "relocs x86_64",
        "relocs vax --format json",
        "relocs --format json",
        "kbuild -o /out",
        "completions bash",
        "man",
        "demo",
        "help symbols build",
        "--version",
        "/list /module.ko /out",
        "/module.ko /out",
        "convert --format json",
        "check -q -v /module.ko",
    ]
    .iter()
    .enumerate()
    {
        let word = |word: &str| {
            let place = WORDS.iter().position(|known| *known == word);
            u8::try_from(place.unwrap_or_else(|| panic!("{word} is not a word"))).unwrap()
        };
        let bytes: Vec<u8> = line.split(' ').map(word).collect();
        same("cli", &format!("{number:02}"), &bytes);
    }
}
