//! Paths that are not UTF-8: documents and messages name them so that they can be told apart.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::machine::{Map, machines};
use crate::tool::{Sandbox, run};

#[test]
fn bytes_that_are_not_utf_8_and_backslashes_are_escaped() {
    let machine = machines().remove(0);
    for (name, text) in [
        (&b"a\xffb.ko"[..], r"a\xffb.ko"),
        (b"a\xfeb.ko", r"a\xfeb.ko"),
        (br"a\xffb.ko", r"a\\xffb.ko"),
        ("größe.ko".as_bytes(), "größe.ko"),
    ] {
        let bench = Sandbox::new();
        let path = |name: &[u8]| bench.path("").join(OsStr::from_bytes(name));
        let (input, missing) = (path(name), path(&[b"missing-", name].concat()));
        std::fs::write(&input, machine.read("lp_two_owners.ko")).unwrap();
        let json = ["--format".into(), "json".into()];
        let with = |words: Vec<OsString>| words.into_iter().chain(machine.map(Map::Elf));
        let folder = bench.path("").display().to_string();

        let words = vec!["convert".into(), input.clone().into(), "--in-place".into()];
        let ended = run(with(words).chain(json.clone()));
        let document = ended.done().json();
        assert_eq!(document["input"], format!("{folder}{text}"));
        assert_eq!(document["output"], document["input"]);

        let words = vec!["check".into(), input.clone().into(), missing.clone().into()];
        let lines = run(with(words).chain(json.clone())).json();
        assert_eq!(lines[0]["module"], format!("{folder}{text}"));
        assert_eq!(lines[1]["module"], format!("{folder}missing-{text}"));
        assert_eq!(lines[1]["diagnostics"][0]["file"], lines[1]["module"]);

        let words = ["symbols".into(), "info".into(), "-s".into(), missing.into_os_string()];
        run(words.clone()).usage_or_io(&[&format!("error[KLP-E0601]: {folder}missing-{text}: ")]);
        let failure = run(words.into_iter().chain(json)).json();
        assert_eq!(failure["diagnostics"][0]["file"], format!("{folder}missing-{text}"));
    }
}
