//! JSON documents, as text or in the binary form in which PostgreSQL keeps a `jsonb`.
//!
//! Printing a `jsonb` only to parse it costs more than most of what is done with it. The binary form is the one of
//! PostgreSQL's `utils/jsonb.h` and of its `numeric`, which has been the same since 9.4, because `pg_upgrade` keeps it.

mod numeric;
mod read;
mod text;
mod tree;
mod write;

pub use read::{Jsonb, Members, Node};
pub use text::write_text;
pub use tree::{Finished, Packed, Tree};
pub use write::write;

use serde_json::Value;

/// Deepest nesting that is read, as `serde_json` bounds it for texts.
const MAX_DEPTH: usize = 127;

/// A JSON document that can be read.
pub trait Document {
    /// What it is read from: the same bytes are the same document.
    fn source(&self) -> &[u8];

    /// The whole of it.
    fn value(&self) -> Result<Value, String>;

    /// Its binary form, if that is what it is read from.
    fn stored(&self) -> Option<Jsonb<'_>> {
        None
    }
}

impl Document for str {
    fn source(&self) -> &[u8] {
        self.as_bytes()
    }

    fn value(&self) -> Result<Value, String> {
        serde_json::from_str(self).map_err(|error| error.to_string())
    }
}

impl Document for String {
    fn source(&self) -> &[u8] {
        self.as_str().source()
    }

    fn value(&self) -> Result<Value, String> {
        self.as_str().value()
    }
}

// The header of a container: how many elements or pairs it has, and what it is.
const COUNT: u32 = 0x0FFF_FFFF;
const SCALAR: u32 = 0x1000_0000;
const OBJECT: u32 = 0x2000_0000;
const ARRAY: u32 = 0x4000_0000;

// An entry: the length of an element, or where it ends, and what it is.
const LENGTH: u32 = 0x0FFF_FFFF;
const KIND: u32 = 0x7000_0000;
const IS_END: u32 = 0x8000_0000;
/// Every so many entries one tells where its element ends.
const STRIDE: usize = 32;

const STRING: u32 = 0;
const NUMERIC: u32 = 0x1000_0000;
const FALSE: u32 = 0x2000_0000;
const TRUE: u32 = 0x3000_0000;
const NULL: u32 = 0x4000_0000;
const CONTAINER: u32 = 0x5000_0000;

/// Members as `jsonb` orders them: shorter keys first.
fn sort<V>(members: &mut [(&str, V)]) {
    members.sort_unstable_by(|(a, _), (b, _)| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
}

/// Numbers and containers begin at multiples of four bytes.
fn aligned(offset: usize) -> usize {
    offset.next_multiple_of(4)
}

#[cfg(test)]
mod tests;
