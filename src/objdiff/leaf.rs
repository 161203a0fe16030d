//! Where the contents of two atoms differ: in themselves, or in what they lead to.

use super::atom::AtomIndex;
use super::difference::Difference;
use super::same::Same;

/// The first difference between two contents.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) difference: Difference,
    /// Where in the contents that were compared the way there begins; `None`: in these themselves.
    at: Option<u64>,
    /// What is different.
    pub(super) a: AtomIndex,
    pub(super) b: AtomIndex,
}

/// What is to be compared.
struct Pending {
    a: AtomIndex,
    b: AtomIndex,
    /// Which of what was compared refers to it, and where.
    from: Option<(usize, u64)>,
}

impl Same<'_, '_> {
    /// The first difference between contents, in these or in what they refer to.
    pub(super) fn content_difference(&mut self, a: AtomIndex, b: AtomIndex) -> Option<Difference> {
        let Leaf { difference, at, a, b } = self.leaf(a, b)?;
        Some(match at {
            None => difference,
            Some(at) => self.reads(at, (a, b), false, difference),
        })
    }

    /// The difference of what refers to contents that differ.
    pub(super) fn reads(
        &self,
        at: u64,
        (a, b): (AtomIndex, AtomIndex),
        direct: bool,
        inside: Difference,
    ) -> Difference {
        let (old, new) = (self.old.shown(a), self.new.shown(b));
        Difference::Reads { at, direct, old, new, inside: Box::new(inside) }
    }

    /// Where the first difference between contents is.
    pub(super) fn leaf(&mut self, a: AtomIndex, b: AtomIndex) -> Option<Leaf> {
        // What is assumed to be equal, to be taken back.
        let mut trail = Vec::new();
        let mut pending = vec![Pending { a, b, from: None }];
        let mut compared: Vec<Pending> = Vec::new();
        let mut children = Vec::new();
        while let Some(next) = pending.pop() {
            let Pending { a, b, from } = next;
            if self.equal.is_joined(a, b) {
                continue;
            }
            self.see(a, b);
            let found = self.unequal.get(&(a, b)).cloned().or_else(|| {
                children.clear();
                let difference =
                    self.shallow(self.old.atom(a)?, self.new.atom(b)?, &mut children)?;
                Some(Leaf { difference, at: None, a, b })
            });
            if let Some(mut leaf) = found {
                self.unequal.insert((a, b), leaf.clone());
                // All that led here is different, too.
                let mut cause = from;
                while let Some((index, at)) = cause {
                    let Some(Pending { a, b, from }) = compared.get(index) else { break };
                    leaf.at = Some(at);
                    self.unequal.insert((*a, *b), leaf.clone());
                    cause = *from;
                }
                self.equal.part(trail);
                return Some(leaf);
            }
            trail.push(self.equal.join(a, b));
            let index = compared.len();
            compared.push(next);
            let children = children.drain(..).rev();
            pending.extend(children.map(|(at, a, b)| Pending { a, b, from: Some((index, at)) }));
        }
        None
    }
}
