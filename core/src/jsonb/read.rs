//! Reading the binary form in place. What no PostgreSQL would write reads as null; nothing panics.

use super::{ARRAY, CONTAINER, COUNT, Document, FALSE, IS_END, KIND, LENGTH, MAX_DEPTH, NULL, NUMERIC, OBJECT, SCALAR};
use super::{STRING, TRUE, aligned, numeric};
use serde_json::{Map, Number, Value};
use std::borrow::Cow;

/// A `jsonb` in its binary form, without the header that tells its length.
#[derive(Debug, Clone, Copy)]
pub struct Jsonb<'a>(pub &'a [u8]);

impl Document for Jsonb<'_> {
    fn source(&self) -> &[u8] {
        self.0
    }

    fn value(&self) -> Result<Value, String> {
        match Container::of(self.0) {
            Some(root) if root.header & SCALAR != 0 => match root.elements(0, 1).next() {
                Some(only) => only.value(MAX_DEPTH),
                None => Ok(Value::Null),
            },
            Some(root) => root.value(MAX_DEPTH),
            None => Ok(Value::Null),
        }
    }
}

/// An array, or an object: all its keys and then all its values.
struct Container<'a> {
    header: u32,
    entries: &'a [u8],
    data: &'a [u8],
}

struct Element<'a> {
    kind: u32,
    /// Where it begins in the data of its container, which tells how it is aligned.
    start: usize,
    bytes: &'a [u8],
}

impl<'a> Container<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk()?;
        let header = u32::from_ne_bytes(*header);
        let count = (header & COUNT) as usize;
        let entries = if header & OBJECT != 0 { 2 * count } else { count };
        let (entries, data) = rest.split_at_checked(entries * 4)?;
        Some(Container { header, entries, data })
    }

    fn count(&self) -> usize {
        (self.header & COUNT) as usize
    }

    fn entry(&self, at: usize) -> u32 {
        let entry = self.entries.get(4 * at..).and_then(|entries| entries.first_chunk());
        entry.map_or(NULL, |entry| u32::from_ne_bytes(*entry))
    }

    /// Where the element begins: behind the lengths of those before it, back to one that tells its end.
    fn start(&self, at: usize) -> usize {
        let mut start = 0;
        for before in (0..at).rev() {
            let entry = self.entry(before);
            start += (entry & LENGTH) as usize;
            if entry & IS_END != 0 {
                break;
            }
        }
        start
    }

    fn element(&self, at: usize, start: usize) -> (Element<'a>, usize) {
        let entry = self.entry(at);
        let length = (entry & LENGTH) as usize;
        let end = if entry & IS_END != 0 { length } else { start + length };
        let bytes = self.data.get(start..end).unwrap_or_default();
        (Element { kind: entry & KIND, start, bytes }, end)
    }

    fn elements(&self, from: usize, count: usize) -> impl Iterator<Item = Element<'a>> {
        let mut start = self.start(from);
        (from..from + count).map(move |at| {
            let (element, end) = self.element(at, start);
            start = end;
            element
        })
    }

    fn value(&self, depth: usize) -> Result<Value, String> {
        let inside = depth.checked_sub(1).ok_or_else(|| "recursion limit exceeded".to_owned())?;
        if self.header & ARRAY != 0 {
            return self.elements(0, self.count()).map(|element| element.value(inside)).collect();
        }
        let keys = self.elements(0, self.count());
        let values = self.elements(self.count(), self.count());
        let members = keys.zip(values).map(|(key, value)| Ok((key.text().into_owned(), value.value(inside)?)));
        members.collect::<Result<Map<_, _>, _>>().map(Value::Object)
    }
}

impl<'a> Element<'a> {
    fn text(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.bytes)
    }

    fn value(&self, depth: usize) -> Result<Value, String> {
        // What is aligned begins behind its padding.
        let content = || self.bytes.get(aligned(self.start) - self.start..).unwrap_or_default();
        Ok(match self.kind {
            STRING => Value::String(self.text().into_owned()),
            NUMERIC => content().get(4..).and_then(numeric::text).and_then(number).unwrap_or_default(),
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            CONTAINER => match Container::of(content()) {
                Some(container) => container.value(depth)?,
                None => Value::Null,
            },
            _ => Value::Null,
        })
    }
}

fn number(text: String) -> Option<Value> {
    text.parse::<Number>().ok().map(Value::Number)
}
