//! Text as terms are compared: without case, accents and kinds of spaces, and how to get back from it.

use super::ascii;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// The folded form of a term.
pub(super) fn pattern(term: &str) -> Vec<u8> {
    let mut folded = Vec::new();
    for character in term.chars() {
        fold(character, |c| push(&mut folded, c));
    }
    folded.truncate(folded.trim_ascii_end().len());
    folded
}

/// Adds a character; of several spaces one, and none in front.
fn push(folded: &mut Vec<u8>, character: char) {
    match u8::try_from(character).ok().filter(u8::is_ascii) {
        Some(b' ') if folded.last().is_none_or(|last| *last == b' ') => {}
        Some(byte) => folded.push(byte),
        None => folded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn fold(character: char, mut each: impl FnMut(char)) {
    if character.is_ascii() {
        return each(ascii::folded(character as u8).into());
    }
    for part in std::iter::once(character).nfkd() {
        // By way of upper case, ß becomes ss, and both small sigmas one.
        for upper in part.to_uppercase() {
            for lower in upper.to_lowercase().nfkd().filter(|c| !is_accent(*c)) {
                each(plain(lower));
            }
        }
    }
}

/// Marks that make no other letter in the scripts that use them. Those of Indic scripts and of kana do.
fn is_accent(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}' | '\u{5c4}'..='\u{5c5}'
        | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        // Invisible: soft hyphen, zero-width spaces and joiners.
        | '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// Letters with a stroke do not decompose, though they are accented to their readers.
fn plain(character: char) -> char {
    match character {
        'ł' => 'l',
        'ø' => 'o',
        'đ' => 'd',
        'ħ' => 'h',
        'ı' => 'i',
        '\u{2018}' | '\u{2019}' | '\u{2bc}' => '\'',
        '\u{2010}' | '\u{2011}' => '-',
        c if c.is_whitespace() => ' ',
        c => c,
    }
}

/// A text, folded, with the way back.
pub(super) struct Folded<'a> {
    original: &'a str,
    /// In UTF-8.
    text: Vec<u8>,
    way_back: WayBack,
}

enum WayBack {
    /// From an ASCII text: for each byte of the folded text, the byte that it comes from, if it is not the same.
    Ascii(Option<Vec<u32>>),
    Characters(Characters),
}

#[derive(Default)]
struct Characters {
    /// For each byte of the folded text, the original character it comes from.
    origins: Vec<u32>,
    /// For each original character: where it begins, in bytes; whether a word may begin or end in front of it; and
    /// where its folded form begins and ends.
    characters: Vec<Character>,
}

struct Character {
    offset: usize,
    is_boundary: bool,
    folded_start: usize,
    folded_end: usize,
}

impl Folded<'_> {
    pub(super) fn with_word_boundaries(original: &str) -> Folded<'_> {
        if original.is_ascii() {
            let (text, origins) = ascii::fold(original.as_bytes());
            return Folded { original, text, way_back: WayBack::Ascii(origins) };
        }
        Folded::by_characters(original)
    }

    fn by_characters(original: &str) -> Folded<'_> {
        let (text, characters) = Characters::of(original);
        Folded { original, text, way_back: WayBack::Characters(characters) }
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The number of the character with which a word begins at a byte of the folded text, if one can begin there.
    pub(super) fn word_start(&self, byte: usize) -> Option<usize> {
        match &self.way_back {
            WayBack::Ascii(origins) => {
                let at = origin(origins.as_deref(), byte)?;
                self.is_boundary(at).then_some(at)
            }
            WayBack::Characters(characters) => characters.word_start(byte),
        }
    }

    /// The number of the character behind a word that ends at a byte of the folded text, if one can end there.
    pub(super) fn word_end(&self, byte: usize) -> Option<usize> {
        match &self.way_back {
            WayBack::Ascii(origins) => {
                let end = origin(origins.as_deref(), byte.checked_sub(1)?)? + 1;
                // No term ends with a space, so none is followed by further ones that make no byte.
                (end == self.original.len() || self.is_boundary(end)).then_some(end)
            }
            WayBack::Characters(characters) => characters.word_end(byte),
        }
    }

    /// Whether a word may begin or end in front of a byte of an ASCII text.
    fn is_boundary(&self, at: usize) -> bool {
        let bytes = self.original.as_bytes();
        let is_apostrophe = |at: Option<usize>| at.and_then(|at| bytes.get(at)) == Some(&b'\'');
        // Both sides of an apostrophe, for "bank's" and "l'API".
        is_apostrophe(Some(at)) || is_apostrophe(at.checked_sub(1)) || ascii::is_boundary(bytes, at)
    }

    /// The characters from `start` to `end` as the text has them, and the position of the first, counted from 1.
    pub(super) fn original(&self, start: usize, end: usize) -> (&str, usize) {
        let offset = |number: usize| match &self.way_back {
            WayBack::Ascii(_) => number,
            WayBack::Characters(all) => all.characters.get(number).map_or(self.original.len(), |c| c.offset),
        };
        (self.original.get(offset(start)..offset(end)).unwrap_or_default(), start + 1)
    }
}

fn origin(origins: Option<&[u32]>, byte: usize) -> Option<usize> {
    origins.map_or(Some(byte), |origins| origins.get(byte).map(|origin| *origin as usize))
}

impl Characters {
    /// With the folded text.
    fn of(original: &str) -> (Vec<u8>, Characters) {
        let mut text = Vec::with_capacity(original.len());
        let mut all = Characters::default();
        let (mut offset, mut is_behind_apostrophe) = (0, false);
        // A word ends with its line.
        for line in original.split_inclusive('\n') {
            let mut boundaries = match line.is_ascii() {
                true => None,
                false => Some(line.split_word_bound_indices().map(|(at, _)| at).peekable()),
            };
            for (at, character) in line.char_indices() {
                let is_boundary = match &mut boundaries {
                    None => ascii::is_boundary(line.as_bytes(), at),
                    Some(boundaries) => boundaries.next_if_eq(&at).is_some(),
                };
                let is_apostrophe = matches!(character, '\'' | '\u{2019}');
                let folded_start = text.len();
                fold(character, |c| push(&mut text, c));
                let number = u32::try_from(all.characters.len()).unwrap_or(u32::MAX);
                all.origins.resize(text.len(), number);
                all.characters.push(Character {
                    offset: offset + at,
                    // Both sides of an apostrophe, for "bank's" and "l'API".
                    is_boundary: is_boundary || is_apostrophe || is_behind_apostrophe,
                    folded_start,
                    folded_end: text.len(),
                });
                is_behind_apostrophe = is_apostrophe;
            }
            offset += line.len();
        }
        (text, all)
    }

    fn word_start(&self, byte: usize) -> Option<usize> {
        let number = *self.origins.get(byte)? as usize;
        let character = self.characters.get(number)?;
        (character.folded_start == byte && character.is_boundary).then_some(number)
    }

    fn word_end(&self, byte: usize) -> Option<usize> {
        let last = *self.origins.get(byte.checked_sub(1)?)? as usize;
        if self.characters.get(last)?.folded_end != byte {
            return None;
        }
        // Accents of the last letter are part of the word.
        let accents =
            self.characters.iter().skip(last + 1).take_while(|c| c.folded_start == c.folded_end && !c.is_boundary);
        let end = last + 1 + accents.count();
        self.characters.get(end).is_none_or(|character| character.is_boundary).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]
        #[test]
        fn ascii_is_folded_like_any_text(text in "([ab1_:,;.'\" \r\t\n-]|[\x00-\x7f]){0,16}") {
            let (quick, thorough) = (Folded::with_word_boundaries(&text), Folded::by_characters(&text));
            prop_assert_eq!(quick.text(), thorough.text());
            for (at, byte) in quick.text().iter().enumerate() {
                prop_assert_eq!(quick.word_start(at), thorough.word_start(at), "start at {}", at);
                // No term ends with a space.
                if *byte != b' ' {
                    prop_assert_eq!(quick.word_end(at + 1), thorough.word_end(at + 1), "end behind {}", at);
                }
            }
            let (start, end) = (text.len() / 3, text.len() / 2);
            prop_assert_eq!(quick.original(start, end), thorough.original(start, end));
        }
    }
}
