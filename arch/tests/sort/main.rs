//! The heapsort against the kernel's own, compiled natively from a source tree.
//!
//! The C text is taken from the trees that `KLP_KERNEL_SOURCE` and `KLP_KERNEL_SOURCE_OLD` name, of any
//! version; only the headers that it includes are ours. The two programs
//! exchange files: a count of arrays, then for each its length and its elements of 24 bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may stop at the first surprise"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use klp_arch::KernelVersion;
use klp_arch::sort::{Generation, sort, sort_by_key};
use proptest::prelude::*;

/// As long as `Elf64_Rela`: a key of few values, and the element's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Element {
    key: u64,
    position: u64,
    unused: u64,
}

const GENERATIONS: [Generation; 3] =
    [Generation::Single, Generation::DoubleThenSingle, Generation::Double];

/// What `lib/sort.c` uses from its includes.
const HEADERS: [(&str, &str); 4] = [
    (
        "linux/types.h",
        "#include <stddef.h>\n#include <stdint.h>\n#include <stdbool.h>\n\
         typedef uint32_t u32;\ntypedef uint64_t u64;\n\
         typedef void (*swap_r_func_t)(void *, void *, int, const void *);\n\
         typedef void (*swap_func_t)(void *, void *, int);\n\
         typedef int (*cmp_r_func_t)(const void *, const void *, const void *);\n\
         typedef int (*cmp_func_t)(const void *, const void *);\n\
         #define CONFIG_64BIT 1\n#define __attribute_const__ __attribute__((const))\n\
         #undef __always_inline\n#define __always_inline inline __attribute__((always_inline))\n",
    ),
    ("linux/export.h", "#define EXPORT_SYMBOL(name)\n"),
    (
        "linux/sort.h",
        "#include <linux/types.h>\n\
         void sort(void *, size_t, size_t, cmp_func_t, swap_func_t);\n",
    ),
    ("linux/sched.h", "#define cond_resched() do { } while (0)\n"),
];

const PROGRAM: &str = "
#include <stdio.h>
#include <stdlib.h>
#include <linux/sort.h>

struct element { u64 key, position, unused; };

static int by_key(const void *a, const void *b)
{
    const struct element *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

int main(void)
{
    u64 arrays, length;
    if (fread(&arrays, 8, 1, stdin) != 1) return 1;
    while (arrays--) {
        if (fread(&length, 8, 1, stdin) != 1) return 1;
        struct element *elements = malloc(length * sizeof *elements + 1);
        if (fread(elements, sizeof *elements, length, stdin) != length) return 1;
        sort(elements, length, sizeof *elements, by_key, NULL);
        if (fwrite(elements, sizeof *elements, length, stdout) != length) return 1;
        free(elements);
    }
    return 0;
}
";

/// Compiles the tree's `lib/sort.c` with a program around it.
fn compile(tree: &Path, directory: &Path) -> PathBuf {
    std::fs::create_dir_all(directory.join("linux")).unwrap();
    for (name, text) in HEADERS {
        std::fs::write(directory.join(name), text).unwrap();
    }
    std::fs::write(directory.join("main.c"), PROGRAM).unwrap();
    let program = directory.join("sort");
    let mut compiler = Command::new("cc");
    compiler.arg("-O2").arg("-w").arg("-I").arg(directory).arg("-o").arg(&program);
    compiler.arg(directory.join("main.c")).arg(tree.join("lib/sort.c"));
    assert!(compiler.status().expect("a C compiler").success());
    program
}

/// Arrays of up to 40 elements, occasionally more, with so few keys that most are equal to others.
fn arrays(count: usize) -> Vec<Vec<Element>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |limit: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) % limit
    };
    let mut array = || {
        let longest = if below(200) == 0 { 2000 } else { 40 };
        let (length, keys) = (below(longest), 1 + below(12));
        (0..length)
            .map(|position| Element { key: below(keys), position, unused: !position })
            .collect()
    };
    (0..count).map(|_| array()).collect()
}

/// The heapsort that both machines that sort are assumed to use in a tree of this version.
fn generation(tree: &Path) -> Generation {
    let makefile = std::fs::read_to_string(tree.join("Makefile")).unwrap();
    let number = |name: &str| -> u32 {
        let line = makefile.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim_start_matches([' ', '=']).parse().unwrap()
    };
    let version = KernelVersion::new(number("VERSION"), number("PATCHLEVEL"));
    let [arm64, ppc64le] = ["arm64", "ppc64le"]
        .map(|name| Generation::of(klp_arch::by_name(name).unwrap().features(version)));
    assert_eq!(arm64, ppc64le, "{version}");
    arm64
}

fn agrees(variable: &str) {
    let tree = std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set"));
    let generation = generation(Path::new(&tree));
    let name = format!("klp-sort-{}-{generation:?}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    let program = compile(Path::new(&tree), &directory);
    let mut arrays = arrays(100_000);
    let words = |elements: &[Element]| -> Vec<u8> {
        let words = elements.iter().flat_map(|e| [e.key, e.position, e.unused]);
        words.flat_map(u64::to_ne_bytes).collect()
    };
    let mut input = arrays.len().to_ne_bytes().to_vec();
    for array in &arrays {
        input.extend(array.len().to_ne_bytes());
        input.extend(words(array));
    }
    std::fs::write(directory.join("input"), input).unwrap();
    let stdin = std::fs::File::open(directory.join("input")).unwrap();
    let output = Command::new(&program).stdin(stdin).output().unwrap();
    assert!(output.status.success());
    let mut rest = &output.stdout[..];
    for array in &mut arrays {
        sort(generation, array, |x, y| x.key.cmp(&y.key));
        let (kernels, after) = rest.split_at(array.len() * 24);
        assert!(words(array) == kernels, "{array:?} is not what the kernel makes of it");
        rest = after;
    }
    assert!(rest.is_empty());
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
#[ignore = "needs a kernel's source tree in KLP_KERNEL_SOURCE"]
fn ties_come_out_in_the_kernels_order() {
    agrees("KLP_KERNEL_SOURCE");
}

#[test]
#[ignore = "needs an older source tree in KLP_KERNEL_SOURCE_OLD"]
fn ties_come_out_in_the_order_of_the_older_kernel() {
    agrees("KLP_KERNEL_SOURCE_OLD");
}

#[test]
fn the_generations_differ_in_the_order_of_ties() {
    let sorted = GENERATIONS.map(|generation| {
        let mut items = [0, 1, 2, 3, 4];
        sort(generation, &mut items, |_, _| std::cmp::Ordering::Equal);
        items
    });
    let different: std::collections::BTreeSet<_> = sorted.iter().collect();
    assert_eq!(different.len(), 3, "{sorted:?}");
}

proptest! {
    #[test]
    fn the_result_is_sorted_has_every_element_and_is_the_same_by_key(keys in prop::collection::vec(0_u8..20, 0..200)) {
        for generation in GENERATIONS {
            let mut items: Vec<_> = keys.iter().copied().enumerate().collect();
            sort(generation, &mut items, |(_, x), (_, y)| x.cmp(y));
            let mut by_key: Vec<_> = keys.iter().copied().enumerate().collect();
            sort_by_key(generation, &mut by_key, |(_, key)| *key);
            prop_assert_eq!(&by_key, &items);
            prop_assert!(items.is_sorted_by_key(|(_, key)| *key));
            items.sort_unstable();
            let original: Vec<_> = keys.iter().copied().enumerate().collect();
            prop_assert_eq!(&items, &original);
        }
    }

    #[test]
    fn an_inconsistent_order_still_gives_a_permutation(
        length in 0_usize..100,
        answers in prop::collection::vec(-1_i8..=1, 1..50),
    ) {
        for generation in GENERATIONS {
            let mut answer = answers.iter().cycle();
            let mut items: Vec<_> = (0..length).collect();
            sort(generation, &mut items, |_, _| answer.next().unwrap().cmp(&0));
            items.sort_unstable();
            prop_assert!(items.into_iter().eq(0..length));
        }
    }
}
