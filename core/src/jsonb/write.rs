//! Writing the binary form.

use super::read::Element;
use super::{
    ARRAY, CONTAINER, COUNT, FALSE, IS_END, KIND, LENGTH, NULL, NUMERIC, OBJECT, SCALAR, STRIDE, STRING, TRUE,
};
use super::{Node, Tree, aligned, numeric};
use serde_json::Value;

/// The `jsonb` of a document, without the header that tells its length. `None` for what is PostgreSQL's to judge from
/// the text: zero bytes, numbers with an exponent, documents that may be too large.
#[must_use]
pub fn write(document: &Tree<'_>) -> Option<Vec<u8>> {
    let mut writer = Writer { bytes: Vec::with_capacity(128) };
    if is_container(document) {
        writer.tree(document)?;
    } else {
        writer.container(ARRAY | SCALAR, 1, std::iter::once(document), Writer::tree)?;
    }
    (writer.bytes.len() <= LENGTH as usize).then_some(writer.bytes)
}

fn is_container(document: &Tree<'_>) -> bool {
    match document {
        Tree::Object(_) | Tree::Array(..) => true,
        Tree::Value(value) | Tree::Node(Node::Parsed(value)) => value.is_object() || value.is_array(),
        Tree::Node(Node::Stored(element)) => element.kind() == CONTAINER,
        Tree::Finished(finished) => is_container(&Tree::Node(finished.root())),
        Tree::Bool(_) | Tree::Integer(_) | Tree::Text(_) => false,
    }
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn pad(&mut self) {
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }

    /// Recursion is safe: reading has bounded the depth of what values are made of.
    fn container<P>(
        &mut self,
        kind: u32,
        count: usize,
        parts: impl Iterator<Item = P>,
        write: impl Fn(&mut Self, P) -> Option<u32>,
    ) -> Option<()> {
        self.pad();
        let header = kind | u32::try_from(count).ok().filter(|count| count & !COUNT == 0)?;
        self.bytes.extend(header.to_ne_bytes());
        let mut entry_at = self.bytes.len();
        let data = entry_at + 4 * if kind & OBJECT != 0 { 2 * count } else { count };
        self.bytes.resize(data, 0);
        for (at, part) in parts.enumerate() {
            let start = self.bytes.len();
            let kind = write(self, part)?;
            let is_end = at % STRIDE == 0;
            let length = u32::try_from(self.bytes.len() - if is_end { data } else { start }).ok()?;
            if length & !LENGTH != 0 {
                return None;
            }
            let entry = (kind & KIND) | length | if is_end { IS_END } else { 0 };
            self.bytes.get_mut(entry_at..entry_at + 4)?.copy_from_slice(&entry.to_ne_bytes());
            entry_at += 4;
        }
        Some(())
    }

    fn text(&mut self, text: &str) -> Option<u32> {
        if text.contains('\0') {
            return None;
        }
        self.bytes.extend(text.as_bytes());
        Some(STRING)
    }

    fn tree(&mut self, tree: &Tree<'_>) -> Option<u32> {
        match tree {
            Tree::Bool(truth) => Some(if *truth { TRUE } else { FALSE }),
            Tree::Integer(integer) => self.number(|bytes| {
                numeric::append_integer(*integer, bytes);
                Some(())
            }),
            Tree::Text(text) => self.text(text),
            Tree::Value(value) => self.value(value),
            Tree::Node(Node::Stored(element)) => self.element(element),
            Tree::Node(Node::Parsed(value)) => self.value(value),
            Tree::Finished(finished) => self.tree(&Tree::Node(finished.root())),
            Tree::Object(members) => {
                let mut members: Vec<_> = members.iter().map(|(key, value)| (*key, value)).collect();
                self.object(&mut members, Writer::tree)
            }
            Tree::Array(count, element) => {
                self.container(ARRAY, *count, 0..*count, |writer, at| writer.tree(&element(at)))?;
                Some(CONTAINER)
            }
        }
    }

    fn element(&mut self, element: &Element<'_>) -> Option<u32> {
        match element.kind() {
            STRING => self.bytes.extend(element.bytes()),
            // Within either all is placed relative to its begin, which is aligned.
            NUMERIC | CONTAINER => {
                self.pad();
                let content = element.content();
                self.bytes.extend((content.len() >= 4).then_some(content)?);
            }
            _ => {}
        }
        Some(element.kind())
    }

    fn value(&mut self, value: &Value) -> Option<u32> {
        match value {
            Value::Null => Some(NULL),
            Value::Bool(false) => Some(FALSE),
            Value::Bool(true) => Some(TRUE),
            Value::Number(number) => self.number(|bytes| numeric::append(number.as_str(), bytes)),
            Value::String(text) => self.text(text),
            Value::Array(elements) => {
                self.container(ARRAY, elements.len(), elements.iter(), Writer::value)?;
                Some(CONTAINER)
            }
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().map(|(key, value)| (key.as_str(), value)).collect();
                self.object(&mut members, Writer::value)
            }
        }
    }

    /// All keys, shorter ones first, and then the values in their order.
    fn object<V>(&mut self, members: &mut [(&str, &V)], write: impl Fn(&mut Self, &V) -> Option<u32>) -> Option<u32> {
        super::sort(members);
        let keys = members.iter().map(|(key, _)| Ok(*key));
        let parts = keys.chain(members.iter().map(|(_, value)| Err(*value)));
        self.container(OBJECT, members.len(), parts, |writer, part| match part {
            Ok(key) => writer.text(key),
            Err(value) => write(writer, value),
        })?;
        Some(CONTAINER)
    }

    fn number(&mut self, append: impl FnOnce(&mut Vec<u8>) -> Option<()>) -> Option<u32> {
        self.pad();
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        append(&mut self.bytes)?;
        let length = u32::try_from(self.bytes.len() - start).ok()?;
        // The header of a varlena: its length beside two bits that stand where the first byte of it is.
        let header = if cfg!(target_endian = "little") { length << 2 } else { length };
        self.bytes.get_mut(start..start + 4)?.copy_from_slice(&header.to_ne_bytes());
        Some(NUMERIC)
    }
}
