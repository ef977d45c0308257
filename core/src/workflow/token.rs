//! The tokens of the JavaScript in which conditions are written, with references as tokens of their own.

use super::reference::{Piece, References, plain_text};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A reference, as the path of its variable.
    Variable(String),
    /// A parameter that was put in for a reference.
    Value(Value),
    Word(String),
    Text(String),
    Integer(i64),
    Decimal(f64),
    Sign(&'static str),
}

/// Longest first, so that the first that fits is the right one.
const SIGNS: &[&str] = &[
    "===", "!==", "...", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "=>", "**", "<", ">", "!", "+", "-", "*", "/",
    "%", "(", ")", "[", "]", "{", "}", ",", ".", "?", ":", ";", "=",
];

/// The tokens, or `None` where something is no token of ours, such as a template or a regular expression.
pub(super) fn tokens(source: &str, references: &References) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '"' | '\'' => {
                let (text, length) = text(rest)?;
                (text_or_reference(text, references), length)
            }
            '0'..='9' => number(rest)?,
            '<' | '{' if references.reference_at(rest).is_some() => {
                let (piece, length) = references.reference_at(rest)?;
                (from_piece(piece), length)
            }
            c if c.is_ascii_alphabetic() || c == '_' || c == '$' => {
                let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$'));
                let length = length.unwrap_or(rest.len());
                (Token::Word(rest.get(..length)?.to_owned()), length)
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign))?;
                if *sign == "/" && rest.get(1..)?.starts_with(['/', '*']) {
                    return None;
                }
                (Token::Sign(sign), sign.len())
            }
        };
        tokens.push(token);
        rest = rest.get(length..)?.trim_start();
    }
    Some(tokens)
}

fn from_piece(piece: Piece) -> Token {
    match piece {
        Piece::Variable(path) => Token::Variable(path),
        Piece::Value(value) => Token::Value(value),
        Piece::Text(text) => Token::Text(text),
    }
}

/// Sim puts the value of a reference in, also between quotes: `'<start.kind>'` is the value as a text.
fn text_or_reference(text: String, references: &References) -> Token {
    let mut pieces = references.pieces(&text);
    match (pieces.len(), pieces.pop()) {
        (1, Some(Piece::Value(value))) => Token::Text(plain_text(&value)),
        (1, Some(piece)) => from_piece(piece),
        _ => Token::Text(references.text(&text)),
    }
}

fn text(source: &str) -> Option<(String, usize)> {
    let mut characters = source.char_indices();
    let (_, quote) = characters.next()?;
    let mut text = String::new();
    while let Some((at, c)) = characters.next() {
        match c {
            _ if c == quote => return Some((text, at + c.len_utf8())),
            '\n' => return None,
            '\\' => text.push(match characters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\u{8}',
                'f' => '\u{c}',
                escaped @ ('\\' | '\'' | '"' | '/' | '`' | ' ') => escaped,
                _ => return None,
            }),
            _ => text.push(c),
        }
    }
    None
}

fn number(source: &str) -> Option<(Token, usize)> {
    let length = source.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'));
    let length = length.unwrap_or(source.len());
    let digits = source.get(..length)?.replace('_', "");
    if digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.") {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return digits.parse().ok().map(|integer| (Token::Integer(integer), length));
    }
    let decimal: f64 = digits.parse().ok().filter(|decimal: &f64| decimal.is_finite())?;
    Some((Token::Decimal(decimal), length))
}
