//! Writing the text that PostgreSQL prints for a `jsonb`.

use super::read::Element;
use super::{FALSE, NULL, NUMERIC, Node, STRING, TRUE, Tree, numeric};
use serde_json::Value;

/// The text of a document as PostgreSQL prints its `jsonb`. `None` for what is PostgreSQL's to judge, as of
/// [`write`](super::write), and for documents that are nested too deep.
#[must_use]
pub fn write_text(document: &Tree<'_>) -> Option<Vec<u8>> {
    let finished = finished(document);
    let mut writer = Writer { bytes: Vec::with_capacity(finished + finished / 2) };
    writer.tree(document)?;
    Some(writer.bytes)
}

/// How many bytes of the text stand ready.
fn finished(tree: &Tree<'_>) -> usize {
    match tree {
        Tree::Finished(finished) => finished.text().map_or(0, <[u8]>::len),
        Tree::Object(members) => members.iter().map(|(_, member)| self::finished(member)).sum(),
        _ => 0,
    }
}

struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn tree(&mut self, tree: &Tree<'_>) -> Option<()> {
        match tree {
            Tree::Bool(truth) => self.bool(*truth),
            Tree::Integer(integer) => self.bytes.extend_from_slice(integer.to_string().as_bytes()),
            Tree::Text(text) => return self.text(text.as_bytes()),
            Tree::Value(value) => return self.value(value),
            Tree::Node(Node::Stored(element)) => return self.element(element),
            Tree::Node(Node::Parsed(value)) => return self.value(value),
            Tree::Finished(finished) => self.bytes.extend_from_slice(finished.text()?),
            Tree::Object(members) => {
                let mut members: Vec<_> = members.iter().map(|(key, value)| (*key, value)).collect();
                return self.object(&mut members, Writer::tree);
            }
            Tree::Array(count, element) => {
                return self.list(b"[]", 0..*count, |writer, at| writer.tree(&element(at)));
            }
        }
        Some(())
    }

    fn value(&mut self, value: &Value) -> Option<()> {
        match value {
            Value::Null => self.bytes.extend_from_slice(b"null"),
            Value::Bool(truth) => self.bool(*truth),
            Value::Number(number) => {
                let mut stored = Vec::new();
                numeric::append(number.as_str(), &mut stored)?;
                numeric::write(&stored, &mut self.bytes)?;
            }
            Value::String(text) => return self.text(text.as_bytes()),
            Value::Array(elements) => return self.list(b"[]", elements.iter(), Writer::value),
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().map(|(key, value)| (key.as_str(), value)).collect();
                return self.object(&mut members, Writer::value);
            }
        }
        Some(())
    }

    /// Recursion is safe, because the depth of elements is bounded.
    fn element(&mut self, element: &Element<'_>) -> Option<()> {
        match element.kind() {
            STRING => return self.text(element.bytes()),
            NUMERIC => numeric::write(element.content().get(4..)?, &mut self.bytes)?,
            FALSE => self.bool(false),
            TRUE => self.bool(true),
            NULL => self.bytes.extend_from_slice(b"null"),
            _ => {
                if element.is_too_deep() {
                    return None;
                }
                if let Some((keys, values)) = element.members() {
                    return self.list(b"{}", keys.zip(values), |writer, (key, value)| {
                        writer.text(key.bytes())?;
                        writer.bytes.extend_from_slice(b": ");
                        writer.element(&value)
                    });
                }
                return self.list(b"[]", element.elements()?, |writer, element| writer.element(&element));
            }
        }
        Some(())
    }

    fn object<V>(&mut self, members: &mut [(&str, &V)], write: impl Fn(&mut Self, &V) -> Option<()>) -> Option<()> {
        super::sort(members);
        self.list(b"{}", members.iter(), |writer, (key, value)| {
            writer.text(key.as_bytes())?;
            writer.bytes.extend_from_slice(b": ");
            write(writer, value)
        })
    }

    fn list<P>(
        &mut self,
        brackets: &[u8; 2],
        parts: impl Iterator<Item = P>,
        write: impl Fn(&mut Self, P) -> Option<()>,
    ) -> Option<()> {
        let [open, close] = *brackets;
        self.bytes.push(open);
        for (at, part) in parts.enumerate() {
            if at > 0 {
                self.bytes.extend_from_slice(b", ");
            }
            write(self, part)?;
        }
        self.bytes.push(close);
        Some(())
    }

    fn bool(&mut self, truth: bool) {
        self.bytes.extend_from_slice(if truth { &b"true"[..] } else { b"false" });
    }

    /// In the encoding that it has: no byte of a longer character is one that is escaped.
    fn text(&mut self, mut text: &[u8]) -> Option<()> {
        self.bytes.push(b'"');
        while let Some((plain, rest)) = text.split_at_checked(plain(text))
            && let Some((special, rest)) = rest.split_first()
        {
            self.bytes.extend_from_slice(plain);
            let short = match special {
                0 => return None,
                0x08 => b'b',
                0x0C => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                b'"' | b'\\' => *special,
                control => {
                    self.bytes.extend_from_slice(format!("\\u{control:04x}").as_bytes());
                    text = rest;
                    continue;
                }
            };
            self.bytes.extend_from_slice(&[b'\\', short]);
            text = rest;
        }
        self.bytes.extend_from_slice(text);
        self.bytes.push(b'"');
        Some(())
    }
}

/// How many bytes come before one that is escaped.
fn plain(text: &[u8]) -> usize {
    const AT_ONCE: usize = 16;
    let is_escaped = |byte: &u8| (*byte < b' ') | (*byte == b'"') | (*byte == b'\\');
    let has_none = |bytes: &&[u8]| !bytes.iter().fold(false, |any, byte| any | is_escaped(byte));
    let start = AT_ONCE * text.chunks_exact(AT_ONCE).take_while(has_none).count();
    let rest = text.get(start..).unwrap_or_default();
    start + rest.iter().position(is_escaped).unwrap_or(rest.len())
}
