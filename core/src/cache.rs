//! What was made of something else, kept while there is room.

use std::collections::HashMap;
use std::rc::Rc;

/// Values by what they were made of. When a new one does not fit, all old ones go: it happens rarely, and what is
/// still needed comes back at its first use.
pub struct Cache<T> {
    values: HashMap<Rc<[u8]>, Rc<T>>,
    /// The one used last, mostly the next as well: comparing a key costs far less than hashing it.
    last: Option<(Rc<[u8]>, Rc<T>)>,
    size: usize,
    capacity: usize,
}

impl<T> Cache<T> {
    /// A cache for keys and values of `capacity` bytes in all.
    #[must_use]
    pub fn new(capacity: usize) -> Cache<T> {
        Cache { values: HashMap::new(), last: None, size: 0, capacity }
    }

    #[must_use]
    pub fn get(&mut self, key: impl AsRef<[u8]>) -> Option<Rc<T>> {
        let key = key.as_ref();
        if self.last.as_ref().is_none_or(|(last, _)| **last != *key) {
            let (key, value) = self.values.get_key_value(key)?;
            self.last = Some((Rc::clone(key), Rc::clone(value)));
        }
        self.last.as_ref().map(|(_, value)| Rc::clone(value))
    }

    /// Keeps a value of about `size` bytes, unless it is too large to be kept.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: T, size: usize) -> Rc<T> {
        let value = Rc::new(value);
        let key = key.as_ref();
        let size = size.saturating_add(key.len());
        if size > self.capacity {
            return value;
        }
        if self.size.saturating_add(size) > self.capacity {
            self.values.clear();
            self.last = None;
            self.size = 0;
        }
        self.size += size;
        self.values.insert(key.into(), Rc::clone(&value));
        value
    }
}

/// What was made of one document, for functions that are given the same one for each row of a statement.
pub struct Last<T> {
    kept: Option<(Vec<u8>, Rc<T>)>,
}

impl<T> Default for Last<T> {
    fn default() -> Last<T> {
        Last { kept: None }
    }
}

impl<T> Last<T> {
    /// What `make` makes of the document, or has made of it the last time.
    pub fn get_or_make<E>(&mut self, document: &[u8], make: impl FnOnce() -> Result<T, E>) -> Result<Rc<T>, E> {
        match &self.kept {
            Some((kept, value)) if kept == document => Ok(Rc::clone(value)),
            _ => {
                let value = Rc::new(make()?);
                self.kept = Some((document.to_owned(), Rc::clone(&value)));
                Ok(value)
            }
        }
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
    fn only_another_document_is_read_anew() {
        let mut last = Last::default();
        let mut read = |document: &str| last.get_or_make(document.as_bytes(), || document.parse::<i32>()).map(|n| *n);
        assert_eq!((read("1"), read("1"), read("2")), (Ok(1), Ok(1), Ok(2)));
        assert!(read("x").is_err());
        assert_eq!(read("2"), Ok(2));
    }

    #[test]
    fn capacity_is_never_exceeded() {
        let mut cache = Cache::new(100);
        for n in 0..50 {
            cache.put(n.to_string(), n, 30);
            assert!(cache.size <= 100 && cache.values.len() <= 3);
            assert_eq!(cache.get(n.to_string()).as_deref(), Some(&n));
        }
        cache.put("large", 1, 1000);
        assert_eq!(cache.get("large"), None);
    }
}
