//! Trees of an unpacked image: links, names of boot images, and remarks about
//! skipped files.

use std::fs;
use std::os::unix::fs::symlink;

use crate::bad_symbols::{gzip, xz};
use crate::tool::run;
use crate::trees::{Root, STAND_IN, kernel, module, rebuilt};

#[test]
fn absolute_links_of_an_unpacked_image_stay_in_its_root() {
    // The image, a folder of modules and the whole kernel/ may be such links.
    let root = Root::new("usr/lib/modules");
    symlink("/usr/lib", root.path("/lib")).unwrap();
    root.put("/usr/lib/kernels/7.2.13", &gzip(&kernel().0));
    root.link("vmlinuz", "/lib/kernels/7.2.13");
    root.put("/opt/tree/drivers/klp_target_a.ko.xz", &xz(&module("a")));
    root.link("kernel", "/opt/tree");
    root.put("/srv/b/klp_target_b.ko", &module("b"));
    root.link("updates", "../../../../../../../../../srv/b");
    assert_eq!(root.said(), [""; 0]);
    // Links with the root's current path, and a boot image beside the tree.
    root.remove("updates");
    root.remove("vmlinuz");
    root.link("updates", root.path("/srv/b").to_str().unwrap());
    root.link("/boot/vmlinuz-7.2.13", "/usr/lib/kernels/7.2.13");
    assert_eq!(root.said(), [""; 0]);
    // A file of the host is not a file of the root.
    let host = root.bench.path("klp_target_b.ko");
    fs::write(&host, module("b")).unwrap();
    root.remove("updates");
    root.link("updates/klp_target_b.ko", host.to_str().unwrap());
    root.build(&[]).usage_or_io(&["KLP-E0601", "updates/klp_target_b.ko", "which does not exist"]);
    // Links in a loop.
    root.remove("updates/klp_target_b.ko");
    root.link("updates/klp_target_b.ko", "/lib/modules/7.2.13/updates/klp_target_b.ko");
    root.build(&[]).usage_or_io(&["KLP-E0601", "updates/klp_target_b.ko", "symbolic links"]);
    root.remove("updates/klp_target_b.ko");
    root.link("updates/back", "/usr/lib/modules/7.2.13");
    root.build(&[]).refused(&["updates/back", "leads back"]);
}

#[test]
fn a_boot_image_is_found_under_each_of_its_names() {
    let image = kernel().0;
    for (name, bytes) in [
        ("/boot/vmlinuz-7.2.13", gzip(&image)),
        ("/boot/Image-7.2.13", image.clone()),
        ("/boot/vmlinux-7.2.13", image.clone()),
        ("/boot/vmlinux-7.2.13.gz", gzip(&image)),
        ("/boot/vmlinux-7.2.13.xz", xz(&image)),
        ("vmlinuz", image.clone()),
        ("vmlinux.xz", xz(&image)),
        ("Image", gzip(&image)),
    ] {
        for modules in ["lib/modules", "usr/lib/modules"] {
            let root = Root::new(modules);
            root.put(name, &bytes);
            root.put("kernel/drivers/klp_target_a.ko.xz", &xz(&module("a")));
            root.put("kernel/klp_target_b.ko.xz", &xz(&module("b")));
            assert_eq!(root.said(), [""; 0], "{name}");
        }
    }
}

#[test]
fn every_command_that_reads_the_tree_reports_skipped_files_once() {
    let root = Root::new("lib/modules");
    root.put("vmlinuz", &gzip(&kernel().0));
    root.put("System.map", STAND_IN.as_bytes());
    root.put("kernel/drivers/klp_target_a.ko.xz", &xz(&module("a")));
    root.put("kernel/klp_target_b.ko.xz", &xz(&module("b")));
    root.put("updates/klp_target_b.ko", &rebuilt("b", 0xee));
    let (tree, livepatch) = (root.tree.to_str().unwrap(), root.path("updates/klp_target_b.ko"));
    let livepatch = livepatch.to_str().unwrap();
    let out = root.out();
    let out = out.to_str().unwrap();
    for words in [
        &["symbols", "lookup", "--kernel", tree, "_text"][..],
        &["symbols", "export", "--kernel", tree, "-o", out],
        &["check", "--kernel", tree, livepatch],
        &["inspect", "--kernel", tree, livepatch],
        &["convert", "--dry-run", "--kernel", tree, livepatch],
        &["load", "--kernel", tree, livepatch],
    ] {
        let said = run(words.iter().copied()).stderr;
        for note in ["System.map: skipped: a placeholder", "klp_target_b.ko.xz: skipped"] {
            assert_eq!(said.matches(note).count(), 1, "{words:?}: {said}");
        }
    }
}
