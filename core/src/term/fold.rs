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
        return each(fold_ascii(character));
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

fn fold_ascii(character: char) -> char {
    if character.is_ascii_whitespace() { ' ' } else { character.to_ascii_lowercase() }
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
        let mut folded = Folded {
            original,
            text: Vec::with_capacity(original.len()),
            origins: Vec::with_capacity(original.len()),
            characters: Vec::with_capacity(original.len()),
        };
        let (mut offset, mut behind_apostrophe) = (0, false);
        // A word ends with its line.
        for line in original.split_inclusive('\n') {
            if line.is_ascii() {
                for (at, byte) in line.bytes().enumerate() {
                    let is_boundary = ascii::is_boundary(line.as_bytes(), at);
                    let fold = |text: &mut Vec<u8>| push(text, fold_ascii(byte.into()));
                    folded.add(offset + at, byte.into(), is_boundary, &mut behind_apostrophe, fold);
                }
            } else {
                let mut boundaries = line.split_word_bound_indices().map(|(at, _)| at).peekable();
                for (at, character) in line.char_indices() {
                    let is_boundary = boundaries.next_if_eq(&at).is_some();
                    let fold = |text: &mut Vec<u8>| fold(character, |c| push(text, c));
                    folded.add(offset + at, character, is_boundary, &mut behind_apostrophe, fold);
                }
            }
            offset += line.len();
        }
        folded
    }

    #[inline(always)]
    fn add(
        &mut self,
        offset: usize,
        character: char,
        is_boundary: bool,
        behind_apostrophe: &mut bool,
        fold: impl FnOnce(&mut Vec<u8>),
    ) {
        let is_apostrophe = matches!(character, '\'' | '\u{2019}');
        let folded_start = self.text.len();
        fold(&mut self.text);
        let folded_end = self.text.len();
        let number = u32::try_from(self.characters.len()).unwrap_or(u32::MAX);
        for _ in folded_start..folded_end {
            self.origins.push(number);
        }
        // Both sides of an apostrophe, for "bank's" and "l'API".
        let is_boundary = is_boundary || is_apostrophe || *behind_apostrophe;
        self.characters.push(Character { offset, is_boundary, folded_start, folded_end });
        *behind_apostrophe = is_apostrophe;
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The number of the character with which a word begins at a byte of the folded text, if one can begin there.
    pub(super) fn word_start(&self, byte: usize) -> Option<usize> {
        let number = *self.origins.get(byte)? as usize;
        let character = self.characters.get(number)?;
        (character.folded_start == byte && character.is_boundary).then_some(number)
    }

    /// The number of the character behind a word that ends at a byte of the folded text, if one can end there.
    pub(super) fn word_end(&self, byte: usize) -> Option<usize> {
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

    /// The characters from `start` to `end` as the text has them, and the position of the first, counted from 1.
    pub(super) fn original(&self, start: usize, end: usize) -> (&str, usize) {
        let offset = |number: usize| self.characters.get(number).map_or(self.original.len(), |c| c.offset);
        (self.original.get(offset(start)..offset(end)).unwrap_or_default(), start + 1)
    }
}
