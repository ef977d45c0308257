//! ASCII, folded, and where words begin and end in it, by the rules of Unicode's annex 29: far quicker than for any text.

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    Underscore,
    /// Within words.
    Colon,
    /// Within numbers.
    Comma,
    /// Within both.
    Dot,
    Space,
    Return,
    LineFeed,
    Other,
}

/// By byte.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0u8;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
            b'0'..=b'9' => Class::Digit,
            b'_' => Class::Underscore,
            b':' => Class::Colon,
            b',' | b';' => Class::Comma,
            b'.' | b'\'' => Class::Dot,
            b' ' => Class::Space,
            b'\r' => Class::Return,
            b'\n' => Class::LineFeed,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

pub(super) fn folded(byte: u8) -> u8 {
    if byte.is_ascii_whitespace() { b' ' } else { byte.to_ascii_lowercase() }
}

/// A folded text, and where each byte of it comes from, unless it is where it was: of several spaces one is left, and
/// none in front.
pub(super) fn fold(text: &[u8]) -> (Vec<u8>, Option<Vec<u32>>) {
    let all: Vec<u8> = text.iter().map(|byte| folded(*byte)).collect();
    let is_further = |pair: &[u8]| pair == b"  ";
    if all.first() != Some(&b' ') && !all.windows(2).any(is_further) {
        return (all, None);
    }
    let (mut kept, mut origins) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
    for (origin, byte) in (0..).zip(all) {
        if byte != b' ' || kept.last().is_some_and(|last| *last != b' ') {
            kept.push(byte);
            origins.push(origin);
        }
    }
    (kept, Some(origins))
}

/// Whether a word may begin or end in front of a byte.
pub(super) fn is_boundary(line: &[u8], at: usize) -> bool {
    use Class::{Colon, Comma, Digit, Dot, Letter, LineFeed, Return, Space, Underscore};
    let class = |at: Option<usize>| {
        let byte = at.and_then(|at| line.get(at));
        byte.and_then(|byte| CLASSES.get(usize::from(*byte))).copied().unwrap_or(Class::Other)
    };
    let (before, behind) = (class(at.checked_sub(1)), class(Some(at)));
    match (before, behind) {
        (Letter | Digit | Underscore, Letter | Digit | Underscore) | (Space, Space) | (Return, LineFeed) => false,
        (Letter, Colon | Dot) => class(Some(at + 1)) != Letter,
        (Colon | Dot, Letter) => class(at.checked_sub(2)) != Letter,
        (Digit, Comma | Dot) => class(Some(at + 1)) != Digit,
        (Comma | Dot, Digit) => class(at.checked_sub(2)) != Digit,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]
        #[test]
        fn words_are_as_in_any_text(line in "([ab1_:,;.'\" \r\t-]|[\x00-\x09\x0b-\x7f]){0,12}\n?") {
            let expected: Vec<usize> = line.split_word_bound_indices().map(|(at, _)| at).collect();
            let found: Vec<usize> = (0..line.len()).filter(|at| is_boundary(line.as_bytes(), *at)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
