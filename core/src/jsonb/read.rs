//! Reading the binary form in place. What no PostgreSQL would write reads as null; nothing panics.

use super::{ARRAY, CONTAINER, COUNT, Document, FALSE, IS_END, KIND, LENGTH, MAX_DEPTH, NULL, NUMERIC, OBJECT, SCALAR};
use super::{STRING, TRUE, aligned, numeric};
use serde_json::{Number, Value};
use std::borrow::Cow;

/// A `jsonb` in its binary form, without the header that tells its length.
#[derive(Debug, Clone, Copy)]
pub struct Jsonb<'a>(pub &'a [u8]);

impl<'a> Jsonb<'a> {
    /// The whole of it, to be looked into.
    #[must_use]
    pub fn root(self) -> Node<'a> {
        let root = Element { kind: CONTAINER, start: 0, bytes: self.0, depth: MAX_DEPTH };
        let scalar = root.container().filter(|container| container.header & SCALAR != 0);
        Node::Stored(scalar.and_then(|container| container.elements(0, 1).next()).unwrap_or(root))
    }
}

impl Document for Jsonb<'_> {
    fn source(&self) -> &[u8] {
        self.0
    }

    fn value(&self) -> Result<Value, String> {
        self.root().value()
    }

    fn stored(&self) -> Option<Jsonb<'_>> {
        Some(*self)
    }
}

/// A part of a document, of which only that is read which is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Node<'d> {
    Stored(Element<'d>),
    Parsed(&'d Value),
}

impl<'d> Node<'d> {
    /// It and all that is in it.
    ///
    /// # Errors
    /// If it is nested too deep.
    pub fn value(self) -> Result<Value, String> {
        match self {
            Node::Stored(element) => element.value(),
            Node::Parsed(value) => Ok(value.clone()),
        }
    }

    /// Whether it can be read to its innermost part.
    ///
    /// # Errors
    /// If it is nested too deep.
    pub fn check_depth(self) -> Result<(), String> {
        match self {
            Node::Stored(element) => element.check_depth(),
            Node::Parsed(_) => Ok(()),
        }
    }

    #[must_use]
    pub fn is_null(self) -> bool {
        match self {
            Node::Stored(element) => !matches!(element.kind, STRING | NUMERIC | FALSE | TRUE | CONTAINER),
            Node::Parsed(value) => value.is_null(),
        }
    }

    #[must_use]
    pub fn boolean(self) -> Option<bool> {
        match self {
            Node::Stored(element) => match element.kind {
                FALSE => Some(false),
                TRUE => Some(true),
                _ => None,
            },
            Node::Parsed(value) => value.as_bool(),
        }
    }

    #[must_use]
    pub fn number(self) -> Option<f64> {
        match self {
            Node::Stored(element) if element.kind == NUMERIC => {
                let bytes = element.content().get(4..)?;
                numeric::whole(bytes).or_else(|| numeric::text(bytes)?.parse().ok())
            }
            Node::Stored(_) => None,
            Node::Parsed(value) => value.as_f64(),
        }
    }

    #[must_use]
    pub fn text(self) -> Option<Cow<'d, str>> {
        match self {
            Node::Stored(element) => (element.kind == STRING).then(|| element.text()),
            Node::Parsed(value) => value.as_str().map(Cow::Borrowed),
        }
    }

    /// The object that it is, if it is one and stored, as a document of its own.
    #[must_use]
    pub fn object(self) -> Option<Jsonb<'d>> {
        match self {
            Node::Stored(element) => {
                element.container().filter(|container| container.header & OBJECT != 0)?;
                Some(Jsonb(element.content()))
            }
            Node::Parsed(_) => None,
        }
    }

    /// How many bytes it takes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Node::Stored(element) => element.bytes.len(),
            Node::Parsed(value) => value.to_string().len(),
        }
    }

    /// The elements of an array.
    #[must_use]
    pub fn elements(self) -> Option<Elements<'d>> {
        match self {
            Node::Stored(element) => element.elements().map(Elements::Stored),
            Node::Parsed(value) => Some(Elements::Parsed(value.as_array()?.iter())),
        }
    }

    /// The members of an object.
    #[must_use]
    pub fn members(self) -> Option<Members<'d>> {
        match self {
            Node::Stored(element) => element.members().map(|(keys, values)| Members::Stored(keys, values)),
            Node::Parsed(value) => Some(Members::Parsed(value.as_object()?.iter())),
        }
    }

    /// The member of an object.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Node<'d>> {
        self.members()?.find_map(|(name, value)| (name == key).then_some(value))
    }
}

/// The elements of an array.
#[derive(Debug)]
pub enum Elements<'d> {
    Stored(Parts<'d>),
    Parsed(std::slice::Iter<'d, Value>),
}

impl<'d> Iterator for Elements<'d> {
    type Item = Node<'d>;

    fn next(&mut self) -> Option<Node<'d>> {
        match self {
            Elements::Stored(parts) => parts.next().map(Node::Stored),
            Elements::Parsed(values) => values.next().map(Node::Parsed),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = match self {
            Elements::Stored(parts) => parts.end - parts.at,
            Elements::Parsed(values) => values.len(),
        };
        (count, Some(count))
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// The members of an object.
#[derive(Debug)]
pub enum Members<'d> {
    /// Keys, and values.
    Stored(Parts<'d>, Parts<'d>),
    Parsed(serde_json::map::Iter<'d>),
}

impl<'d> Iterator for Members<'d> {
    type Item = (Cow<'d, str>, Node<'d>);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Members::Stored(keys, values) => Some((keys.next()?.text(), Node::Stored(values.next()?))),
            Members::Parsed(members) => members.next().map(|(key, value)| (Cow::Borrowed(&**key), Node::Parsed(value))),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = match self {
            Members::Stored(keys, _) => keys.end - keys.at,
            Members::Parsed(members) => members.len(),
        };
        (count, Some(count))
    }
}

impl ExactSizeIterator for Members<'_> {}

/// An array, or an object: all its keys and then all its values.
#[derive(Debug, Clone, Copy)]
struct Container<'a> {
    header: u32,
    entries: &'a [u8],
    data: &'a [u8],
    depth: usize,
}

/// A part of a document in its binary form.
#[derive(Debug, Clone, Copy)]
pub struct Element<'a> {
    kind: u32,
    /// Where it begins in the data of its container, which tells how it is aligned.
    start: usize,
    bytes: &'a [u8],
    /// How many levels may be below.
    depth: usize,
}

impl<'a> Container<'a> {
    fn of(bytes: &'a [u8], depth: usize) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk()?;
        let header = u32::from_ne_bytes(*header);
        let count = (header & COUNT) as usize;
        let entries = if header & OBJECT != 0 { 2 * count } else { count };
        let (entries, data) = rest.split_at_checked(entries * 4)?;
        Some(Container { header, entries, data, depth })
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

    fn elements(self, from: usize, count: usize) -> Parts<'a> {
        Parts { container: self, at: from, end: from + count, start: self.start(from) }
    }
}

/// Keys, values or elements of a container.
#[derive(Debug)]
pub struct Parts<'a> {
    container: Container<'a>,
    at: usize,
    end: usize,
    start: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        if self.at == self.end {
            return None;
        }
        let entry = self.container.entry(self.at);
        let length = (entry & LENGTH) as usize;
        let start = self.start;
        let end = if entry & IS_END != 0 { length } else { start + length };
        self.at += 1;
        self.start = end;
        let bytes = self.container.data.get(start..end).unwrap_or_default();
        Some(Element { kind: entry & KIND, start, bytes, depth: self.container.depth.saturating_sub(1) })
    }
}

impl<'a> Element<'a> {
    pub(super) fn kind(&self) -> u32 {
        self.kind
    }

    /// A text, in the encoding of the database.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn is_too_deep(&self) -> bool {
        self.depth == 0
    }

    /// Of an object its keys, and its values.
    pub(super) fn members(&self) -> Option<(Parts<'a>, Parts<'a>)> {
        let object = self.container().filter(|container| container.header & OBJECT != 0)?;
        let count = object.count();
        Some((object.elements(0, count), object.elements(count, count)))
    }

    /// Of an array.
    pub(super) fn elements(&self) -> Option<Parts<'a>> {
        let array = self.container().filter(|container| container.header & ARRAY != 0)?;
        Some(array.elements(0, array.count()))
    }

    fn text(&self) -> Cow<'a, str> {
        // Far quicker for short texts than looking for what is no UTF-8, as databases without encoding may hold.
        str::from_utf8(self.bytes).map_or_else(|_| String::from_utf8_lossy(self.bytes), Cow::Borrowed)
    }

    /// What is aligned begins behind its padding.
    pub(super) fn content(&self) -> &'a [u8] {
        self.bytes.get(aligned(self.start) - self.start..).unwrap_or_default()
    }

    fn container(&self) -> Option<Container<'a>> {
        if self.kind == CONTAINER { Container::of(self.content(), self.depth) } else { None }
    }

    fn check_depth(&self) -> Result<(), String> {
        // Each container takes its header, and an entry for the one in it.
        if self.kind != CONTAINER || (self.bytes.len() + 4) / 8 <= self.depth {
            return Ok(());
        }
        let Some(container) = self.container() else { return Ok(()) };
        if self.is_too_deep() {
            return Err(too_deep());
        }
        let values = if container.header & OBJECT != 0 { container.count() } else { 0 };
        container.elements(values, container.count()).try_for_each(|element| element.check_depth())
    }

    fn value(&self) -> Result<Value, String> {
        Ok(match self.kind {
            STRING => Value::String(self.text().into_owned()),
            NUMERIC => self.content().get(4..).and_then(numeric::text).and_then(number).unwrap_or_default(),
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            _ => match self.container() {
                Some(_) if self.is_too_deep() => return Err(too_deep()),
                Some(array) if array.header & ARRAY != 0 => {
                    array.elements(0, array.count()).map(|element| element.value()).collect::<Result<_, _>>()?
                }
                Some(object) => {
                    let keys = object.elements(0, object.count());
                    let values = object.elements(object.count(), object.count());
                    let members = keys.zip(values).map(|(key, value)| Ok((key.text().into_owned(), value.value()?)));
                    Value::Object(members.collect::<Result<_, String>>()?)
                }
                None => Value::Null,
            },
        })
    }
}

fn too_deep() -> String {
    "recursion limit exceeded".to_owned()
}

fn number(text: String) -> Option<Value> {
    text.parse::<Number>().ok().map(Value::Number)
}
