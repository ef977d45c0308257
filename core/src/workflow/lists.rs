//! The edges of a graph, one after the other in memory.

use std::ops::Index;

/// A list for each block.
pub(super) struct Lists<T> {
    all: Vec<T>,
    /// Where the list of each block ends.
    ends: Vec<usize>,
}

impl<T> Lists<T> {
    /// Of what belongs to each of `count` blocks, in the order of the blocks.
    pub(super) fn of(count: usize, sorted: impl IntoIterator<Item = (usize, T)>) -> Self {
        let sorted = sorted.into_iter();
        let mut lists = Lists { all: Vec::with_capacity(sorted.size_hint().0), ends: Vec::with_capacity(count) };
        for (block, part) in sorted {
            lists.end_before(block);
            lists.all.push(part);
        }
        lists.end_before(count);
        lists
    }

    fn end_before(&mut self, block: usize) {
        self.ends.resize(block.max(self.ends.len()), self.all.len());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[T]> {
        (0..self.ends.len()).map(|block| &self[block])
    }
}

impl<T> Index<usize> for Lists<T> {
    type Output = [T];

    fn index(&self, block: usize) -> &[T] {
        let start = if block == 0 { 0 } else { self.ends[block - 1] };
        &self.all[start..self.ends[block]]
    }
}
