//! What was made of a text, kept while there is room.

use std::collections::HashMap;
use std::rc::Rc;

/// Values by the text they were made of. When a new one does not fit, all old ones go: it happens rarely, and what is
/// still needed comes back at its first use.
pub struct Cache<T> {
    values: HashMap<String, Rc<T>>,
    size: usize,
    capacity: usize,
}

impl<T> Cache<T> {
    /// A cache for texts and values of `capacity` bytes in all.
    #[must_use]
    pub fn new(capacity: usize) -> Cache<T> {
        Cache { values: HashMap::new(), size: 0, capacity }
    }

    #[must_use]
    pub fn get(&self, text: &str) -> Option<Rc<T>> {
        self.values.get(text).cloned()
    }

    /// Keeps a value of about `size` bytes, unless it is too large to be kept.
    pub fn put(&mut self, text: &str, value: T, size: usize) -> Rc<T> {
        let value = Rc::new(value);
        let size = size.saturating_add(text.len());
        if size > self.capacity {
            return value;
        }
        if self.size.saturating_add(size) > self.capacity {
            self.values.clear();
            self.size = 0;
        }
        self.size += size;
        self.values.insert(text.to_owned(), Rc::clone(&value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_text() {
        let mut cache = Cache::new(100);
        cache.put("a", 1, 10);
        assert_eq!((cache.get("a").as_deref(), cache.get("b")), (Some(&1), None));
    }

    #[test]
    fn capacity_is_never_exceeded() {
        let mut cache = Cache::new(100);
        for n in 0..50 {
            cache.put(&n.to_string(), n, 30);
            assert!(cache.size <= 100 && cache.values.len() <= 3);
            assert_eq!(cache.get(&n.to_string()).as_deref(), Some(&n));
        }
        cache.put("large", 1, 1000);
        assert_eq!(cache.get("large"), None);
    }
}
