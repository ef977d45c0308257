//! PostgreSQL's `numeric`, without the header that tells its length: sign, scale, weight, and digits to base 10,000.

const GROUP: usize = 4;

const NEGATIVE: u16 = 0x4000;
const IS_SHORT: u16 = 0x8000;
const IS_SPECIAL: u16 = 0xC000;
const SHORT_NEGATIVE: u16 = 0x2000;
const SHORT_SCALE_SHIFT: u16 = 7;
const SHORT_SCALE: u16 = 0x3F;
const SHORT_WEIGHT_SIGN: u16 = 0x40;
const SHORT_WEIGHT: u16 = 0x3F;

/// More digits than that are left to PostgreSQL.
const MAX_DIGITS: usize = 1000;

struct Parts<'a> {
    is_negative: bool,
    scale: u16,
    /// The power of 10,000 of the first digit.
    weight: i32,
    digits: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = word(bytes)?;
        Some(match header & IS_SPECIAL {
            IS_SPECIAL => return None,
            IS_SHORT => Parts {
                is_negative: header & SHORT_NEGATIVE != 0,
                scale: (header >> SHORT_SCALE_SHIFT) & SHORT_SCALE,
                weight: i32::from(header & SHORT_WEIGHT) - i32::from(header & SHORT_WEIGHT_SIGN),
                digits: rest,
            },
            sign => {
                let (weight, digits) = word(rest)?;
                let weight = i32::from(weight.cast_signed());
                Parts { is_negative: sign == NEGATIVE, scale: header & !IS_SPECIAL, weight, digits }
            }
        })
    }
}

/// The number, if it is a whole one of a size that a float holds exactly.
pub(super) fn whole(bytes: &[u8]) -> Option<f64> {
    let parts = Parts::of(bytes)?;
    let mut rest = parts.digits;
    if parts.scale != 0 || !(0..3).contains(&parts.weight) {
        return None;
    }
    let mut number = 0.0;
    for _ in 0..=parts.weight {
        let (digit, after) = word(rest).unwrap_or_default();
        number = number * 10_000.0 + f64::from(digit);
        rest = after;
    }
    Some(if parts.is_negative { -number } else { number })
}

/// The number as PostgreSQL prints it.
pub(super) fn text(bytes: &[u8]) -> Option<String> {
    let mut text = Vec::new();
    write(bytes, &mut text)?;
    String::from_utf8(text).ok()
}

/// Appends the number as PostgreSQL prints it.
pub(super) fn write(bytes: &[u8], text: &mut Vec<u8>) -> Option<()> {
    let Parts { is_negative, scale, weight, digits } = Parts::of(bytes)?;
    let digit = |at: i32| {
        let digit = usize::try_from(at).ok().and_then(|at| digits.get(2 * at..)).and_then(word);
        digit.map_or(0, |(digit, _)| digit)
    };
    let group = |at: i32| {
        let digit = digit(at);
        [digit / 1000, digit / 100 % 10, digit / 10 % 10, digit % 10].map(|place| b'0' + place as u8)
    };
    if is_negative {
        text.push(b'-');
    }
    let first = if weight < 0 { *b"0000" } else { group(0) };
    let zeros = first.iter().take(GROUP - 1).take_while(|place| **place == b'0').count();
    text.extend(first.iter().skip(zeros));
    for at in 1..=weight {
        text.extend(group(at));
    }
    if scale > 0 {
        text.push(b'.');
        let end = text.len() + usize::from(scale);
        let mut at = weight + 1;
        while text.len() < end {
            text.extend(group(at));
            at += 1;
        }
        text.truncate(end);
    }
    Some(())
}

fn word(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (word, rest) = bytes.split_first_chunk()?;
    Some((u16::from_ne_bytes(*word), rest))
}

/// Appends an integer, as `append` does its digits.
pub(super) fn append_integer(integer: i64, bytes: &mut Vec<u8>) {
    let sign = if integer < 0 { SHORT_NEGATIVE } else { 0 };
    let mut rest = integer.unsigned_abs();
    // An integer of 64 bits has up to 19 digits.
    let mut digits = [0_u16; 5];
    for digit in digits.iter_mut().rev() {
        *digit = (rest % 10_000) as u16;
        rest /= 10_000;
    }
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    let end = digits.iter().rposition(|digit| *digit != 0).map_or(leading, |last| last + 1);
    let weight = digits.len().saturating_sub(leading + 1) as u16;
    bytes.extend((IS_SHORT | sign | weight).to_ne_bytes());
    digits.iter().take(end).skip(leading).for_each(|digit| bytes.extend(digit.to_ne_bytes()));
}

/// Appends a number in plain digits; `None`, and nothing appended, for any other.
pub(super) fn append(text: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !plain(whole) || !plain(fraction) || unsigned.len() > MAX_DIGITS {
        return None;
    }
    let lead = (GROUP - whole.len() % GROUP) % GROUP;
    let places = std::iter::repeat_n(b'0', lead).chain(whole.bytes()).chain(fraction.bytes());
    let mut digits: Vec<u16> = Vec::with_capacity(unsigned.len() / GROUP + 2);
    let mut count = 0;
    for place in places {
        if count % GROUP == 0 {
            digits.push(0);
        }
        if let Some(last) = digits.last_mut() {
            *last = *last * 10 + u16::from(place - b'0');
        }
        count += 1;
    }
    if let Some(last) = digits.last_mut() {
        *last *= 10_u16.pow(((GROUP - count % GROUP) % GROUP) as u32);
    }
    let mut weight = i32::try_from((whole.len() + lead) / GROUP).ok()? - 1;
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    weight -= i32::try_from(leading).ok()?;
    digits.drain(..leading);
    digits.truncate(digits.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1));
    let is_negative = is_negative && !digits.is_empty();
    if digits.is_empty() {
        weight = 0;
    }
    let scale = u16::try_from(fraction.len()).ok()?;
    if scale <= SHORT_SCALE && (-64..64).contains(&weight) {
        let weight = (weight & 0x7F) as u16;
        let sign = if is_negative { SHORT_NEGATIVE } else { 0 };
        bytes.extend((IS_SHORT | sign | scale << SHORT_SCALE_SHIFT | weight).to_ne_bytes());
    } else {
        let sign = if is_negative { NEGATIVE } else { 0 };
        bytes.extend((sign | scale).to_ne_bytes());
        bytes.extend(i16::try_from(weight).ok()?.to_ne_bytes());
    }
    digits.iter().for_each(|digit| bytes.extend(digit.to_ne_bytes()));
    Some(())
}
