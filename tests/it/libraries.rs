//! Which libraries the program needs: none of liblzma and libzstd, unless the system's were asked for.

use memchr::memmem;

#[test]
fn the_systems_libraries_are_used_where_asked_for_and_only_there() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_klp-convert")).unwrap();
    let system = cfg!(feature = "system-libraries");
    let needs = |name: &str| memmem::find(&program, name.as_bytes()).is_some();
    assert_eq!(needs("libzstd.so."), system, "libzstd");
    // Its crate takes its own liblzma, without a word, where pkg-config finds none.
    assert_eq!(needs("liblzma.so."), system && !cfg!(feature = "bundled-libraries"), "liblzma");
}
