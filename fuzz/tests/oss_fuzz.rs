//! `.clusterfuzzlite/build.sh` with the variables of OSS-Fuzz's image for Rust, and what it builds. Takes minutes and
//! needs clang, libclang-rt, zip and unzip.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A target that only this test has: a fault of each kind, by the first byte.
const PLANTED: &str = r#"//! Faults.
#![no_main]
#![allow(unsafe_code, clippy::panic, clippy::arithmetic_side_effects)]

libfuzzer_sys::fuzz_target!(|data: &[u8]| match data.first() {
    Some(b'p') => panic!("planted"),
    Some(b'o') => drop(std::hint::black_box(std::hint::black_box(u8::MAX) + 1)),
    Some(b'a') => {
        let bytes = std::hint::black_box(vec![1_u8; 16]);
        // SAFETY: there is none.
        drop(std::hint::black_box(unsafe { *bytes.as_ptr().add(std::hint::black_box(16)) }));
    }
    Some(b'm') => drop(std::hint::black_box(vec![1_u8; 3 << 30])),
    _ => {}
});
"#;

/// Of `fuzz/Cargo.toml`.
fn targets(manifest: &str) -> Vec<&str> {
    let bins = manifest.split("[[bin]]").skip(1);
    bins.map(|bin| bin.split('"').nth(1).unwrap()).collect()
}

/// The files of the repository that are not ignored, copied.
fn copy_repository(to: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::create_dir_all(to).unwrap();
    let script =
        r#"git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$0""#;
    let status = Command::new("bash").args(["-euc", script]).arg(to).current_dir(root).status();
    assert!(status.unwrap().success());
}

/// The archive of libFuzzer that comes with a clang, as in the image.
fn libfuzzer() -> PathBuf {
    let output = Command::new("bash")
        .args([
            "-c",
            "ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a | tail -1",
        ])
        .output();
    let path = PathBuf::from(String::from_utf8(output.unwrap().stdout).unwrap().trim());
    assert!(path.exists(), "no libFuzzer: install libclang-rt-dev");
    path
}

/// Runs a target as the image's `run_fuzzer` does, with its limits.
fn run(out: &Path, target: &str, words: &[&str]) -> Output {
    let options = fs::read_to_string(out.join(format!("{target}.options"))).unwrap();
    let (section, limits) = options.split_once('\n').unwrap();
    assert_eq!(section, "[libfuzzer]");
    let limits = limits.lines().map(|limit| format!("-{limit}"));
    let mut command = Command::new(out.join(target));
    command.current_dir(out).args(limits).args(words).output().unwrap()
}

#[test]
#[ignore = "builds all targets with a sanitizer"]
fn each_target_is_built_with_its_seeds_for_oss_fuzz_and_runs() {
    let place = tempfile::tempdir().unwrap();
    let [src, out] = ["src", "out"].map(|name| place.path().join(name));
    // What is built is kept, because it takes minutes.
    let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("oss-fuzz");
    let repository = src.join("klp-convert");
    copy_repository(&repository);
    fs::create_dir_all(&out).unwrap();
    fs::create_dir_all(&work).unwrap();
    fs::write(repository.join("fuzz/fuzz_targets/planted.rs"), PLANTED).unwrap();
    // Only the planted one is unsafe.
    let workspace = repository.join("Cargo.toml");
    let text = fs::read_to_string(&workspace).unwrap();
    fs::write(&workspace, text.replace("unsafe_code = \"forbid\"", "unsafe_code = \"allow\""))
        .unwrap();
    let manifest = repository.join("fuzz/Cargo.toml");
    let mut text = fs::read_to_string(&manifest).unwrap();
    let bin = "[[bin]]\nname = \"planted\"\npath = \"fuzz_targets/planted.rs\"\ntest = false\n\n";
    text.insert_str(text.find("[[bin]]").unwrap(), bin);
    fs::write(&manifest, &text).unwrap();
    fs::create_dir(repository.join("fuzz/seeds/planted")).unwrap();
    fs::write(repository.join("fuzz/seeds/planted/00"), "fine").unwrap();

    // What the image's `compile` sets; the library of C++ is another one there.
    let sanitize = "-O1 -fno-omit-frame-pointer -gline-tables-only -fsanitize=address \
        -fsanitize-address-use-after-scope -fsanitize=fuzzer-no-link";
    let status = Command::new("bash")
        .args(["-eu", ".clusterfuzzlite/build.sh"])
        .current_dir(&repository)
        .envs([("SRC", &src), ("OUT", &out), ("WORK", &work)])
        .env("CUSTOM_LIBFUZZER_PATH", libfuzzer())
        .envs([
            ("CUSTOM_LIBFUZZER_STD_CXX", "stdc++"),
            ("SANITIZER", "address"),
            ("FUZZING_ENGINE", "libfuzzer"),
            ("ARCHITECTURE", "x86_64"),
            ("CC", "clang"),
            ("CXX", "clang++"),
            ("CFLAGS", sanitize),
            ("CXXFLAGS", sanitize),
            ("RUSTFLAGS", "--cfg fuzzing -Zsanitizer=address -Cforce-frame-pointers"),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", "clang"),
            ("RUSTC_BOOTSTRAP", "1"),
            // Not theirs: built fast.
            ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
            ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
        ])
        .status();
    assert!(status.unwrap().success());
    // Programs run in another image.
    fs::remove_dir_all(&src).unwrap();

    for target in targets(&text) {
        let corpus = place.path().join("corpus").join(target);
        fs::create_dir_all(&corpus).unwrap();
        let seeds = out.join(format!("{target}_seed_corpus.zip"));
        let status = Command::new("unzip").args(["-q", "-d"]).arg(&corpus).arg(seeds).status();
        assert!(status.unwrap().success(), "{target}: no seeds");
        assert!(fs::read_dir(&corpus).unwrap().count() > 0, "{target}: no seeds");
        // A search would find what is planted.
        let runs = if target == "planted" { "-runs=0" } else { "-runs=200" };
        let output = run(&out, target, &[runs, "-seed=1", corpus.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        let end = &said[said.len().saturating_sub(2000)..];
        assert!(output.status.success(), "{target}: {end}");
        assert!(said.contains("Done "), "{target}: {end}");
    }
    for (fault, report) in [
        ("p", "panicked"),
        ("o", "attempt to add with overflow"),
        ("a", "heap-buffer-overflow"),
        ("m", "out-of-memory"),
    ] {
        let input = place.path().join(fault);
        fs::write(&input, fault).unwrap();
        let output = run(&out, "planted", &[input.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{fault}: not found");
        assert!(said.contains(report), "{fault}: {said}");
    }
}
