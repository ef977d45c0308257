//! One order from several.

use std::collections::HashMap;
use std::hash::Hash;

/// How little the first ranks differ (Cormack, Clarke and Büttcher, 2009).
const K: f64 = 60.0;

/// What reciprocal rank fusion gives each item: the sum of `1 / (60 + rank)` over the lists that it is in.
#[must_use]
pub fn reciprocal_ranks<T: Eq + Hash + Clone>(lists: &[Vec<T>]) -> HashMap<T, f64> {
    let mut scores = HashMap::new();
    for list in lists {
        for (item, rank) in list.iter().zip(1_u32..) {
            *scores.entry(item.clone()).or_insert(0.0) += 1.0 / (K + f64::from(rank));
        }
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_is_in_both_lists_comes_first() {
        let scores = reciprocal_ranks(&[vec!["a", "b"], vec!["b", "c"]]);
        assert_eq!(scores["a"], 1.0 / 61.0);
        assert_eq!(scores["b"], 1.0 / 62.0 + 1.0 / 61.0);
        assert_eq!(scores["c"], 1.0 / 62.0);
    }

    #[test]
    fn no_lists_and_empty_lists_give_nothing() {
        assert!(reciprocal_ranks::<u8>(&[]).is_empty());
        assert!(reciprocal_ranks::<u8>(&[vec![], vec![]]).is_empty());
    }
}
