//! Paths of source files, from the root of the kernel's tree.
//!
//! Below [`super`]. A unit has a path that is absolute or starts in the folder where the compiler
//! ran; people and other sources name files from the root of the tree. That root is where
//! `init/main.c` lies, which every kernel has. Files that the build makes lie below its own folder.
//! Invariant: a path keeps its last component.

/// The file that lies in the same place of every kernel's tree.
const LANDMARK: &[u8] = b"/init/main.c";

/// The path from the root of the file system, as far as the folder tells it, without `.` and `..`.
pub(super) fn whole(folder: &[u8], name: &[u8]) -> Vec<u8> {
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
            // Above the root there is nothing.
            b".." if rooted => {}
            part => parts.push(part),
        }
    }
    let path = parts.join(&b'/');
    if rooted { [b"/", path.as_slice()].concat() } else { path }
}

/// The tree of the kernel's sources.
#[derive(Debug)]
pub(super) struct Tree {
    /// Its root, with a slash at the end.
    root: Option<Vec<u8>>,
}

impl Tree {
    pub(super) fn of<'a>(mut paths: impl Iterator<Item = &'a [u8]>) -> Self {
        let root = paths.find_map(|path| path.strip_suffix(LANDMARK));
        Self { root: root.map(|root| [root, b"/"].concat()) }
    }

    /// The path from the root, or from the folder where the compiler ran; else as it is.
    pub(super) fn relative(&self, path: Vec<u8>, folder: &[u8]) -> Vec<u8> {
        let below = |root: &[u8]| path.strip_prefix(root).map(<[u8]>::to_vec);
        let folder = [whole(b"", folder).as_slice(), b"/"].concat();
        self.root.as_deref().and_then(below).or_else(|| below(&folder)).unwrap_or(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &[u8]) -> &str {
        std::str::from_utf8(path).unwrap()
    }

    #[test]
    fn a_path_is_resolved_without_looking_at_the_disk() {
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
        let tree = Tree::of(["/a/b.c".as_bytes()].into_iter());
        assert_eq!(text(&tree.relative("/a/b.c".into(), b"/a")), "b.c");
    }
}
