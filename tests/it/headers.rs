//! Headers in place of a kernel: what is known of the kernel that they belong to.

use std::fs;

use crate::symbols::symbols;
use crate::trees::{Root, kernel, module};

const HEADERS: &str = "/usr/src/linux-headers-7.2.13";

/// An installed kernel with its headers.
fn installed() -> Root {
    let root = Root::new("lib/modules");
    root.put("/boot/vmlinuz-7.2.13", &kernel().0);
    root.put("kernel/klp_target_a.ko", &module("a"));
    root.put(&format!("{HEADERS}/include/config/kernel.release"), b"7.2.13\n");
    root.put(
        &format!("{HEADERS}/Module.symvers"),
        b"0x00000000\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n",
    );
    root
}

fn build(root: &Root, folder: &str) -> crate::tool::Run {
    let (folder, out) = (root.path(folder), root.out());
    let words = ["build", "--kernel", folder.to_str().unwrap(), "-o", out.to_str().unwrap()];
    symbols(&words, [] as [&str; 0])
}

#[test]
fn headers_stand_for_the_kernel_that_is_installed_beside_them() {
    let root = installed();
    let said = build(&root, HEADERS).done().stderr.clone();
    assert!(said.contains("headers; the symbols are those of"), "{said}");
    assert!(said.contains("vmlinux and 1 module"), "{said}");
    // As the installed tree has them, by a link that leads there.
    fs::remove_file(root.path("build")).unwrap();
    root.link("build", root.path(HEADERS).to_str().unwrap());
    let by_link = build(&root, "build").done().stderr.clone();
    assert!(by_link.contains("vmlinux and 1 module"), "{by_link}");
}

#[test]
fn the_release_is_the_one_that_modules_are_built_for() {
    let root = installed();
    // Debian's rules give make the release that `uname -r` prints; kernel.release keeps the version.
    root.put(&format!("{HEADERS}/include/config/kernel.release"), b"7.2.99\n");
    build(&root, HEADERS).refused(&["the headers of 7.2.99, whose kernel is not installed"]);
    let header = format!("{HEADERS}/include/generated/utsrelease.h");
    root.put(&header, b"#define UTS_RELEASE \"7.2.13\"\n");
    let said = build(&root, HEADERS).done().stderr.clone();
    assert!(said.contains("vmlinux and 1 module"), "{said}");
    // A header that defines something else changes nothing.
    root.put(&header, b"#define OTHER \"7.2.13\"\n");
    build(&root, HEADERS).refused(&["the headers of 7.2.99, whose kernel is not installed"]);
}

#[test]
fn headers_of_a_kernel_that_is_not_installed_name_the_package() {
    let root = installed();
    fs::rename(&root.tree, root.tree.with_file_name("7.2.12")).unwrap();
    let words = ["the headers of 7.2.13, whose kernel is not installed", "linux-image-7.2.13"];
    build(&root, HEADERS).refused(&words);
    // A file without a release is no headers.
    root.put(&format!("{HEADERS}/include/config/kernel.release"), b"\n");
    build(&root, HEADERS).refused(&["neither a build tree"]);
}
