//! Which parts of a run of digits, with what stands between them, are personal.

/// A part to mask, in bytes of the run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) mask: &'static str,
}

/// The card numbers in the run, or else the run if it reads as a phone number. A run that is part of a word is none.
pub(super) fn personal_parts(run: &str, is_in_a_word: bool) -> Vec<Part> {
    let cards = cards(run);
    if cards.is_empty() && !is_in_a_word && is_phone(run) {
        return vec![Part { start: 0, end: run.len(), mask: "[phone]" }];
    }
    cards
}

/// Numbers of 13 to 19 digits that pass the check of cards, made of whole groups of digits.
fn cards(run: &str) -> Vec<Part> {
    let groups = groups(run);
    let mut cards = Vec::new();
    let mut first = 0;
    while first < groups.len() {
        match longest_card(run, groups.get(first..).unwrap_or_default()) {
            Some((length, part)) => {
                cards.push(part);
                first += length;
            }
            None => first += 1,
        }
    }
    cards
}

fn longest_card(run: &str, groups: &[(usize, usize)]) -> Option<(usize, Part)> {
    let (start, _) = *groups.first()?;
    let mut digits = 0;
    let mut longest = None;
    // A card has at most 19 digits, so at most as many groups.
    for (n, (group_start, end)) in groups.iter().enumerate().take(19) {
        digits += end - group_start;
        if digits > 19 {
            break;
        }
        let number = run.get(start..*end).unwrap_or_default().bytes().filter(u8::is_ascii_digit);
        if digits >= 13 && passes_luhn(number) {
            longest = Some((n + 1, Part { start, end: *end, mask: "[card]" }));
        }
    }
    longest
}

/// Start and end of each group of digits.
fn groups(run: &str) -> Vec<(usize, usize)> {
    let mut groups: Vec<(usize, usize)> = Vec::new();
    for (at, byte) in run.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_digit()) {
        debug_assert!(byte.is_ascii_digit());
        match groups.last_mut() {
            Some((_, end)) if *end == at => *end = at + 1,
            _ => groups.push((at, at + 1)),
        }
    }
    groups
}

/// The check digit of card numbers (ISO/IEC 7812).
pub(super) fn passes_luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(n, digit)| {
            let value = u32::from(digit.wrapping_sub(b'0')) * if n % 2 == 1 { 2 } else { 1 };
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// 7 to 15 digits (ITU-T E.164) that say so by a plus, a parenthesis or a leading zero, by how they are grouped, or by
/// their mere number.
fn is_phone(run: &str) -> bool {
    let digits = run.bytes().filter(u8::is_ascii_digit).count();
    if !(7..=15).contains(&digits) {
        return false;
    }
    let says_so = run.starts_with(['+', '(', '0']);
    let groups = groups(run);
    let is_grouped = groups.len() > 1 && !run.contains('.');
    says_so || is_grouped || (groups.len() == 1 && digits >= 9)
}
