//! Symbol lists as they occur in practice: other line ends, other versions, junk, too much.

use std::io::Write;
use std::path::Path;

use crate::image::Image;
use crate::machine::{Machine, Map, machines};
use crate::tool::{Sandbox, shell};

const MODULE: &str = "lp_vmlinux_inferred.ko";

fn first() -> Machine {
    machines().remove(0)
}

/// The list is refused with `words`.
#[track_caller]
fn refused(list: &[u8], words: &[&str]) {
    let bench = Sandbox::new();
    let list = bench.file("symbols.klp", list);
    let words = [&["error[KLP-E05", list.to_str().unwrap()], words].concat();
    bench.refuses(&first().path(MODULE), ["-s".as_ref(), list.as_os_str()], &words);
}

/// The list is as good as the committed one.
#[track_caller]
fn accepted(list: &[u8]) {
    let (bench, machine) = (Sandbox::new(), first());
    bench.convert(&machine.path(MODULE), &machine, Map::ListAlone).done();
    let expected = bench.written();
    let list = bench.file("symbols.klp", list);
    bench.convert_with(&machine.path(MODULE), ["-s".as_ref(), list.as_os_str()]).done();
    assert!(bench.written() == expected);
}

fn list() -> Vec<u8> {
    first().read("symbols.klp")
}

#[test]
fn a_list_without_a_final_newline_is_accepted() {
    let list = list();
    accepted(list.strip_suffix(b"\n").unwrap());
}

#[test]
fn carriage_returns_are_refused_with_the_command_that_removes_them() {
    let text = String::from_utf8(list()).unwrap().replace('\n', "\r\n");
    refused(text.as_bytes(), &["symbols.klp:1: line ends in a carriage return", "sed -i"]);
}

#[test]
fn other_versions_are_refused() {
    for version in ["0.3", "0.10", "1"] {
        let text = String::from_utf8(list()).unwrap();
        let text = text.replacen("data.0.1", &format!("data.{version}"), 1);
        let message = format!(
            "symbols.klp:1: symbol list of version '{version}', only 0.1 and 0.2 are supported"
        );
        refused(text.as_bytes(), &[&message]);
    }
}

#[test]
fn what_is_not_a_list_is_refused() {
    refused(b"", &["the first line is not 'klp-convert-symbol-data.0.1'"]);
    refused(b"*vmlinux\nset_root\n", &["the first line is not 'klp-convert-symbol-data.0.1'"]);
    refused(&first().read("vmlinux.cut"), &["symbols.klp:1: "]);
}

#[test]
fn an_object_that_is_listed_twice_is_refused() {
    let twice = [&list()[..], b"*vmlinux\nset_root\n"].concat();
    refused(&twice, &["KLP-E0502", "object 'vmlinux' is already in"]);
    // The two spellings of a module's name are one object.
    let twice = [&list()[..], b"*klp-target-a\nset_root\n"].concat();
    refused(&twice, &["KLP-E0502", "object 'klp_target_a' is already in"]);
}

#[test]
fn junk_in_a_list_is_refused_with_its_line() {
    let lines = list().iter().filter(|&&b| b == b'\n').count();
    let after = |junk: &[u8]| [&list()[..], junk].concat();
    let at = format!("symbols.klp:{}: ", lines + 1);
    refused(&after(b"set\0root\n"), &[&at, "NUL byte"]);
    refused(&after(b"set_root T\n"), &[&at, "white space"]);
    refused(&after(b"\x1b[31m\n"), &[&at, "control character"]);
    refused(&after(b"\xff\xfe\n"), &[&at, "not UTF-8"]);
    refused(&after(&[b'x'; 100_000]), &[&at, "line of more than 65536 bytes"]);
    refused(&after(b"*an.object\n"), &[&at, "object name 'an.object' contains '.'"]);
    refused(
        b"klp-convert-symbol-data.0.1\nset_root\n",
        &["symbols.klp:2: symbol before the first"],
    );
}

#[test]
fn an_unreadable_list_is_an_io_error_not_a_refusal() {
    let bench = Sandbox::new();
    let input = first().path(MODULE);
    for list in [Path::new("no/such/list"), Path::new("/")] {
        let ended = bench.convert_with(&input, ["-s".as_ref(), list.as_os_str()]);
        ended.usage_or_io(&["error[KLP-E0601]", list.to_str().unwrap()]);
        assert_eq!(bench.files(), [""; 0]);
    }
}

#[test]
fn a_list_of_50_megabytes_is_read_in_little_memory() {
    let (bench, machine) = (Sandbox::new(), first());
    let path = bench.path("symbols.klp");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    file.write_all(&list()).unwrap();
    file.write_all(b"*big_module\n").unwrap();
    let mut block = String::new();
    for number in 0..10_000 {
        block += &format!("some_function_of_some_driver_{number}\n");
    }
    for _ in 0..50_000_000 / block.len() + 1 {
        file.write_all(block.as_bytes()).unwrap();
    }
    drop(file);
    assert!(std::fs::metadata(&path).unwrap().len() > 50_000_000);
    // 48 MB of address space, less than the size of the list.
    let script = r#"ulimit -v 49152; exec "$0" convert "$1" -o "$2" -s "$3""#;
    shell(script, &[&machine.path(MODULE), &bench.output(), &path]).done();
    assert_eq!(Image::read(&bench.written()).klp_sections().count(), 1);
}
