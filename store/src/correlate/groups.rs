//! Numbers that belong together.

/// Union-find over small numbers; the least of a group is its root.
#[derive(Debug)]
pub(super) struct Groups(Vec<usize>);

impl Groups {
    pub fn new(size: usize) -> Self {
        Self((0..size).collect())
    }

    pub fn add(&mut self) -> usize {
        self.0.push(self.0.len());
        self.0.len() - 1
    }

    pub fn root(&mut self, mut of: usize) -> usize {
        while self.0[of] != of {
            self.0[of] = self.0[self.0[of]];
            of = self.0[of];
        }
        of
    }

    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_join_over_others_and_the_least_is_the_root() {
        let mut groups = Groups::new(5);
        groups.join(4, 3);
        groups.join(1, 3);
        assert_eq!((0..5).map(|at| groups.root(at)).collect::<Vec<_>>(), [0, 1, 2, 1, 1]);
    }
}
