//! Writing the binary form.

use super::{ARRAY, CONTAINER, FALSE, IS_END, KIND, LENGTH, NULL, NUMERIC, OBJECT, SCALAR, STRIDE, STRING, TRUE};
use super::{aligned, numeric};
use serde_json::Value;

/// The `jsonb` of a value, without the header that tells its length. `None` for what is PostgreSQL's to judge from the
/// text: zero bytes, numbers with an exponent, documents that may be too large.
#[must_use]
pub fn write(value: &Value) -> Option<Vec<u8>> {
    let mut writer = Writer { bytes: Vec::new() };
    if value.is_array() || value.is_object() {
        writer.value(value)?;
    } else {
        writer.container(ARRAY | SCALAR | 1, std::iter::once(Part::Value(value)))?;
    }
    (writer.bytes.len() <= LENGTH as usize).then_some(writer.bytes)
}

struct Writer {
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Part<'v> {
    Key(&'v str),
    Value(&'v Value),
}

impl Writer {
    fn pad(&mut self) {
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }

    /// Recursion is safe: reading has bounded the depth of what values are made of.
    fn container<'v>(&mut self, header: u32, parts: impl ExactSizeIterator<Item = Part<'v>>) -> Option<()> {
        self.pad();
        self.bytes.extend(header.to_ne_bytes());
        let mut entry_at = self.bytes.len();
        let data = entry_at + 4 * parts.len();
        self.bytes.resize(data, 0);
        for (at, part) in parts.enumerate() {
            let start = self.bytes.len();
            let kind = match part {
                Part::Key(key) => self.text(key)?,
                Part::Value(value) => self.value(value)?,
            };
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

    fn value(&mut self, value: &Value) -> Option<u32> {
        match value {
            Value::Null => Some(NULL),
            Value::Bool(false) => Some(FALSE),
            Value::Bool(true) => Some(TRUE),
            Value::Number(number) => self.number(number.as_str()),
            Value::String(text) => self.text(text),
            Value::Array(elements) => {
                let header = ARRAY | u32::try_from(elements.len()).ok()?;
                self.container(header, elements.iter().map(Part::Value))?;
                Some(CONTAINER)
            }
            Value::Object(members) => {
                let header = OBJECT | u32::try_from(members.len()).ok()?;
                let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
                sorted.sort_unstable_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
                let keys = sorted.iter().map(|(key, _)| Part::Key(key));
                let parts: Vec<Part> = keys.chain(sorted.iter().map(|(_, value)| Part::Value(value))).collect();
                self.container(header, parts.into_iter())?;
                Some(CONTAINER)
            }
        }
    }

    fn number(&mut self, text: &str) -> Option<u32> {
        self.pad();
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        numeric::append(text, &mut self.bytes)?;
        let length = u32::try_from(self.bytes.len() - start).ok()?;
        // The header of a varlena: its length beside two bits that stand where the first byte of it is.
        let header = if cfg!(target_endian = "little") { length << 2 } else { length };
        self.bytes.get_mut(start..start + 4)?.copy_from_slice(&header.to_ne_bytes());
        Some(NUMERIC)
    }
}
