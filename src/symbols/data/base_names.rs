//! How many translation units of an object are of source files with one base name.

use std::collections::HashMap;

/// The last component of a path.
pub(crate) fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// The number of units for each base name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseNames(HashMap<Vec<u8>, usize>);

impl BaseNames {
    /// Those of the paths of the source files, one for each unit.
    pub(crate) fn of<'a>(files: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut names = HashMap::new();
        for file in files {
            let name = base_name(file);
            match names.get_mut(name) {
                Some(count) => *count += 1,
                None => drop(names.insert(name.to_vec(), 1)),
            }
        }
        Self(names)
    }

    /// For each name the larger number of two sources, which may both tell of a unit.
    pub(crate) fn most(mut self, other: Self) -> Self {
        for (name, count) in other.0 {
            let most = self.0.entry(name).or_default();
            *most = count.max(*most);
        }
        self
    }

    /// The number of units with the base name of this path.
    pub(crate) fn count(&self, file: &[u8]) -> usize {
        self.0.get(base_name(file)).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_count_by_base_name_and_sources_do_not_add_up() {
        let of = |files: &[&'static [u8]]| BaseNames::of(files.iter().copied());
        let (one, other) = (of(&[b"fs/a.c", b"a.c", b"b.c"]), of(&[b"net/a.c", b"c.c"]));
        let both = one.most(other);
        let counts = [&b"a.c"[..], b"x/b.c", b"c.c", b"d.c"].map(|file| both.count(file));
        assert_eq!(counts, [2, 1, 1, 0]);
    }
}
