//! Paths of source files, from the root of the kernel's tree.
//!
//! Below [`super`]. A unit has a path that is absolute or relative to the folder where the compiler
//! ran; people and other sources name files from the root of the tree. That root contains
//! `init/main.c`, which every kernel has; because `-fdebug-prefix-map` affects the compiler
//! but not the assembler, the root that contains `arch/*/kernel/head*.S` is also determined. Generated
//! files are below the build folder. Invariant: a path keeps its last component.

/// A file that is at the same path in every kernel's tree.
const LANDMARK: &[u8] = b"/init/main.c";

/// The path with the folder before it, without `.` and `..`; absolute if the folder is.
pub(crate) fn whole(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    let relative = !name.starts_with(b"/");
    let folder = if relative { folder } else { b"" };
    let rooted = !relative || folder.starts_with(b"/");
    for part in folder.split(|b| *b == b'/').chain(name.split(|b| *b == b'/')) {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|last| *last != b"..") => {
                parts.pop();
            }
            // There is nothing above the root.
            b".." if rooted => {}
            part => parts.push(part),
        }
    }
    let path = parts.join(&b'/');
    if rooted { [b"/", path.as_slice()].concat() } else { path }
}

/// The tree of the kernel's sources.
#[derive(Debug)]
pub(crate) struct Tree {
    /// Its root as named by the compiler and by the assembler, with a trailing slash.
    roots: Vec<Vec<u8>>,
}

/// The root of the tree, if the path is that of a kernel's head file.
fn root_of_head(path: &[u8]) -> Option<&[u8]> {
    let arch = memchr::memmem::rfind(path, b"/arch/")?;
    let mut parts = path.get(arch..)?.split(|byte| *byte == b'/').skip(3);
    let kernel = parts.next() == Some(b"kernel");
    let head = parts.next().is_some_and(|name| name.starts_with(b"head") && name.ends_with(b".S"));
    path.get(..arch).filter(|_| kernel && head && parts.next().is_none())
}

impl Tree {
    pub(crate) fn of<'a>(paths: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let root = paths.clone().find_map(|path| path.strip_suffix(LANDMARK));
        let roots = root.into_iter().chain({ paths }.find_map(root_of_head));
        Self { roots: roots.map(|root| [root, b"/"].concat()).collect() }
    }

    /// The path from the root, or from the folder where the compiler ran; otherwise unchanged.
    pub(crate) fn relative(&self, path: Vec<u8>, folder: &[u8]) -> Vec<u8> {
        let below = |root: &[u8]| path.strip_prefix(root).map(<[u8]>::to_vec);
        let folder = [whole(b"", folder).as_slice(), b"/"].concat();
        self.roots.iter().find_map(|root| below(root)).or_else(|| below(&folder)).unwrap_or(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &[u8]) -> &str {
        std::str::from_utf8(path).unwrap()
    }

    #[test]
    fn a_path_is_resolved_without_the_file_system() {
        let whole = |folder: &str, name: &str| {
            text(&super::whole(folder.as_bytes(), name.as_bytes())).to_owned()
        };
        assert_eq!(whole("/b", "/src/fs/a.c"), "/src/fs/a.c");
        assert_eq!(whole("/src/b", "../fs/./a.c"), "/src/fs/a.c");
        assert_eq!(whole("/src//b/", "a.c"), "/src/b/a.c");
        assert_eq!(whole("/", "../../a.c"), "/a.c");
        assert_eq!(whole("", "fs/a.c"), "fs/a.c");
        assert_eq!(whole("..", "../a.c"), "../../a.c");
        assert_eq!(whole("", ""), "");
    }

    #[test]
    fn paths_start_at_the_root_of_the_sources_or_of_the_build() {
        let paths = ["/out/x.c", "/src/init/main.c", "/src/fs/a.c"].map(str::as_bytes);
        let tree = Tree::of(paths.into_iter());
        let relative = |path: &str| text(&tree.relative(path.into(), b"/out/")).to_owned();
        assert_eq!(relative("/src/fs/a.c"), "fs/a.c");
        assert_eq!(relative("/out/lib/crc32table.c"), "lib/crc32table.c");
        assert_eq!(relative("/srcs/a.c"), "/srcs/a.c");
        assert_eq!(relative("/elsewhere/a.c"), "/elsewhere/a.c");
        let mapped = ["init/main.c", "/b/arch/linux/arch/m/kernel/head_64.S"].map(str::as_bytes);
        let tree = Tree::of(mapped.into_iter());
        assert_eq!(text(&tree.relative("/b/arch/linux/lib/a.S".into(), b"/b")), "lib/a.S");
        assert_eq!(text(&tree.relative("fs/a.c".into(), b".")), "fs/a.c");
        for other in ["/arch/m/kernel/head.c", "/arch/m/head.S", "/arch/m/kernel/x/head.S"] {
            assert_eq!(root_of_head(other.as_bytes()), None, "{other}");
        }
        let tree = Tree::of(["/a/b.c".as_bytes()].into_iter());
        assert_eq!(text(&tree.relative("/a/b.c".into(), b"/a")), "b.c");
    }
}
