//! `match`: what cannot be compared is said, whatever it is. What can be is in `tests/run_pre`, with kernels.

use crate::tool::{Sandbox, run};

#[test]
fn what_is_not_a_kernel_is_named_and_nothing_is_compared() {
    let sandbox = Sandbox::new();
    let object = sandbox.file("a.o", b"not an object");
    let absent = sandbox.path("vmlinuz");
    let words = ["match".into(), "--image".into(), absent.into_os_string(), object.clone().into()];
    run(words).usage_or_io(&["KLP-E0601", "vmlinuz"]);
    let text = sandbox.file("text", b"not a kernel");
    let words = ["match".into(), "--image".into(), text.into_os_string(), object.into()];
    run(words).refused(&["KLP-E", "text"]);
}

#[test]
fn variables_for_make_need_a_tree() {
    run(["match", "--image", "vmlinuz", "--make", "CC=gcc", "a.c"]).usage_or_io(&["--tree"]);
}

#[test]
fn objects_tell_source_files_of_a_boot_image_only() {
    let words = ["symbols", "build", "--match", "a.o", "-o", "a.map"];
    run(words).usage_or_io(&["--image"]);
}
