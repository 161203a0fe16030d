//! A stripped module and the file of its debug information, as distributions package them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::fixtures::installed;
use crate::machine::machines;
use crate::symbols::{given, symbols};
use crate::tool::Sandbox;

#[test]
fn a_stripped_module_and_its_debug_information_are_one() {
    if !installed("objcopy") {
        return;
    }
    let bench = Sandbox::new();
    let whole = machines().remove(0).path("klp_target_a.ko");
    let (stripped, debug) = (bench.path("klp_target_a.ko"), bench.path("debug"));
    fs::create_dir(&debug).unwrap();
    let copy = |option: &str, to: &Path| {
        let status = Command::new("objcopy").arg(option).arg(&whole).arg(to).status();
        assert!(status.unwrap().success());
    };
    copy("--strip-debug", &stripped);
    let twin = debug.join("klp_target_a.ko.debug");
    copy("--only-keep-debug", &twin);
    let build = |sources: &[&Path]| {
        let map = bench.path("out.klpmap");
        let output = ["-o".as_ref(), map.as_os_str()];
        let sources = sources.iter().flat_map(|path| ["--module".as_ref(), path.as_os_str()]);
        symbols(&["build", "-v"], output.into_iter().chain(sources)).done().stderr.clone()
    };
    let lookup = |name: &str| {
        let map = given(&bench.path("out.klpmap"));
        symbols(&["lookup", "--format", "json", name], map).stdout
    };
    let info = || symbols(&["info", "-v"], given(&bench.path("out.klpmap"))).done().stdout.clone();
    let said = build(&[&stripped]);
    assert!(
        said.contains("klp_target_a.ko: klp_target_a, ") && said.contains(" symbols"),
        "{said}"
    );
    let (alone, evidence) = (lookup("klp_homonym"), info());
    let file = "target_a_second.c";
    assert!(!alone.contains(file), "{alone}");
    // In either order, and through a folder: files are known, and positions count the module's
    // symbols.
    for sources in [[&*stripped, &*twin], [&*twin, &*stripped], [&*debug, &*stripped]] {
        let said = build(&sources);
        assert!(said.contains("exports, source files"), "{said}");
        let both = lookup("klp_homonym");
        assert!(both.contains(file), "{both}");
        assert_eq!(both.matches("\"position\"").count(), alone.matches("\"position\"").count());
        // Not a symbol of the loaded module.
        assert!(!lookup(file).contains("\"position\": 1"));
        let proven = |text: &str| {
            text.lines().filter(|l| l.contains("proven by")).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(proven(&info()), proven(&evidence));
    }
    // Another build's is refused.
    let mut bytes = fs::read(&twin).unwrap();
    let at = bytes.windows(4).position(|window| window == b"GNU\0").unwrap() + 4;
    bytes[at] ^= 0xff;
    fs::write(&twin, bytes).unwrap();
    let none = bench.path("none");
    let words = ["-o".as_ref(), none.as_os_str(), "--module".as_ref(), stripped.as_os_str()];
    let words = words.into_iter().chain(["--module".as_ref(), twin.as_os_str()]);
    symbols(&["build"], words).refused(&["KLP-E0502", "build-id"]);
}
