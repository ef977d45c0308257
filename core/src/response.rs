//! Canned responses: how well one fits what a customer has said.

use crate::condition::{Condition, Outcome, Variables};
use serde_json::Value;

/// What is looked for.
pub struct Query {
    text: String,
    /// In order.
    words: Vec<Word>,
}

/// A canned response in the form in which it is compared.
pub struct Response {
    text: String,
    /// In order.
    words: Vec<Word>,
    tags: Vec<Tag>,
    /// None is a condition that is no expression.
    conditions: Vec<Option<Condition>>,
    size: usize,
}

struct Tag {
    text: String,
    words: Vec<Word>,
}

/// A word, with its first bytes as a number, by which most are told apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    beginning: u64,
    text: String,
}

impl Word {
    fn of(text: String) -> Word {
        let mut beginning = [0; 8];
        beginning.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte);
        Word { beginning: u64::from_be_bytes(beginning), text }
    }

    fn all(texts: Vec<String>) -> Vec<Word> {
        texts.into_iter().map(Word::of).collect()
    }

    fn in_order(texts: Vec<String>) -> Vec<Word> {
        let mut words = Word::all(texts);
        words.sort_unstable();
        words
    }
}

/// What the row of a response says of it besides its texts.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// 1 to 1000.
    pub priority: i32,
    pub requires_exact_match: bool,
}

impl Query {
    /// None if nothing is said in it. `words` are the lexemes of a text that full text search compares.
    pub fn new<E>(text: &str, words: impl FnOnce(&str) -> Result<Vec<String>, E>) -> Result<Option<Query>, E> {
        let text = normal(text);
        if text.is_empty() {
            return Ok(None);
        }
        let words = Word::in_order(words(&text)?);
        Ok(Some(Query { text, words }))
    }
}

impl Response {
    /// `tags` and `conditions` are arrays; what is no text in them counts as its JSON text, and null as nothing.
    pub fn new<E>(
        template: &str,
        tags: &[Value],
        conditions: &[Value],
        mut words: impl FnMut(&str) -> Result<Vec<String>, E>,
    ) -> Result<Response, E> {
        let tag = |tag: &Value| {
            let text = text_of(tag);
            Ok(Tag { words: Word::all(words(&text)?), text: text.trim_matches(' ').to_lowercase() })
        };
        let tags = tags.iter().map(tag).collect::<Result<Vec<_>, E>>()?;
        let words = Word::in_order(words(template)?);
        let texts = template.len() + tags.iter().map(|tag| tag.text.len()).sum::<usize>();
        Ok(Response {
            text: normal(template),
            size: BYTES_FOR_EACH_BYTE * texts + BYTES_FOR_EACH_CONDITION * conditions.len(),
            words,
            tags,
            conditions: conditions.iter().map(|condition| Condition::compile(&text_of(condition)).ok()).collect(),
        })
    }

    /// Bytes of memory it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether variables make a difference.
    #[must_use]
    pub fn has_conditions(&self) -> bool {
        !self.conditions.is_empty()
    }

    /// From 0 to 1; none if it does not fit. Without variables no condition can be judged.
    #[must_use]
    pub fn score(&self, standing: Standing, query: Option<&Query>, variables: Option<&Variables>) -> Option<f64> {
        let holds = self.condition(variables)?;
        let (words, tags) = match query {
            None => (NOTHING, NOTHING),
            Some(query) if self.is_exactly(query) => return Some(1.0),
            Some(_) if standing.requires_exact_match => return None,
            Some(query) => {
                let shared = (self.shared_words(query), self.tags_in(query));
                if shared.0.count == 0 && shared.1.count == 0 && !holds {
                    return None;
                }
                shared
            }
        };
        Some(total(words, tags, holds, standing.priority))
    }

    /// Whether a condition holds, of which one must, unless there is none or one that an engine must judge.
    fn condition(&self, variables: Option<&Variables>) -> Option<bool> {
        let outcomes: Vec<_> = self
            .conditions
            .iter()
            .map(|condition| Some(condition.as_ref()?.evaluate(variables?).ok()? == Outcome::Holds))
            .collect();
        let holds = outcomes.contains(&Some(true));
        (holds || outcomes.is_empty() || outcomes.contains(&None)).then_some(holds)
    }

    fn is_exactly(&self, query: &Query) -> bool {
        self.text == query.text || self.tags.iter().any(|tag| tag.text == query.text)
    }

    fn shared_words(&self, query: &Query) -> Part {
        let mut own = self.words.iter().peekable();
        let is_shared = |word: &&Word| {
            while own.next_if(|own| own < word).is_some() {}
            own.peek() == Some(word)
        };
        let count = query.words.iter().filter(is_shared).count();
        Part { count, of: query.words.len() }
    }

    fn tags_in(&self, query: &Query) -> Part {
        let is_said =
            |tag: &&Tag| !tag.words.is_empty() && tag.words.iter().all(|word| query.words.binary_search(word).is_ok());
        Part { count: self.tags.iter().filter(is_said).count(), of: self.tags.len() }
    }
}

/// A guess at the memory that a byte of text takes with the words that it is of, and a condition.
const BYTES_FOR_EACH_BYTE: usize = 20;
const BYTES_FOR_EACH_CONDITION: usize = 8 * 1024;

#[derive(Clone, Copy)]
struct Part {
    count: usize,
    of: usize,
}

const NOTHING: Part = Part { count: 0, of: 0 };

/// Words make up 0.4 of a score, tags 0.3, a condition that holds 0.2, the priority 0.1. Whole numbers are added up, so
/// that only one step rounds, and equal scores are equal.
fn total(words: Part, tags: Part, holds: bool, priority: i32) -> f64 {
    let (of_words, of_tags) = (words.of.max(1) as f64, tags.of.max(1) as f64);
    let fixed = if holds { 2000.0 } else { 0.0 } + f64::from(priority);
    let sum =
        4000.0 * words.count as f64 * of_tags + 3000.0 * tags.count as f64 * of_words + fixed * of_words * of_tags;
    sum / (10_000.0 * of_words * of_tags)
}

/// A text without differences of case and spaces.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::convert::Infallible;

    fn words(text: &str) -> Result<Vec<String>, Infallible> {
        Ok(text.to_lowercase().split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    fn response(template: &str, tags: &Value, conditions: &Value) -> Response {
        Response::new(template, tags.as_array().unwrap(), conditions.as_array().unwrap(), words).unwrap()
    }

    fn score(response: &Response, query: &str) -> Option<f64> {
        let query = Query::new(query, words).unwrap();
        let variables = Variables::read(r#"{"vip": true}"#).unwrap();
        let standing = Standing { priority: 100, requires_exact_match: false };
        response.score(standing, query.as_ref(), Some(&variables))
    }

    #[test]
    fn words_tags_conditions_and_priority_add_up() {
        let refund = response("Refunds within days", &json!(["money back", "refund"]), &json!(["vip == true"]));
        assert_eq!(score(&refund, "days of refund"), Some(0.4 / 3.0 + 0.15 + 0.2 + 0.01));
        assert_eq!(score(&refund, "nothing"), Some(0.21));
        assert_eq!(score(&refund, " "), Some(0.21));
    }

    #[test]
    fn the_same_text_or_tag_is_all_that_can_be() {
        let bye = response("Good  bye", &json!(["See you "]), &json!([]));
        assert_eq!(score(&bye, " good\nBYE "), Some(1.0));
        assert_eq!(score(&bye, "see you"), Some(1.0));
        let standing = Standing { priority: 1000, requires_exact_match: true };
        let near = Query::new("good", words).unwrap();
        assert_eq!(bye.score(standing, near.as_ref(), None), None);
        assert_eq!(bye.score(standing, None, None), Some(0.1));
    }

    #[test]
    fn what_shares_nothing_does_not_fit() {
        assert_eq!(score(&response("Coffee", &json!(["beans"]), &json!([])), "tea"), None);
        assert_eq!(score(&response("Coffee", &json!([]), &json!([])), ""), Some(0.01));
        // Words that begin alike.
        assert_eq!(score(&response("internationally", &json!(["internationals"]), &json!([])), "international"), None);
    }

    #[test]
    fn one_condition_must_hold_or_be_open() {
        let with = |conditions: Value| score(&response("tea", &json!([]), &conditions), "tea and more");
        let bare = Some(0.4 / 3.0 + 0.01);
        assert_eq!(with(json!([])), bare);
        assert_eq!(with(json!(["vip == false"])), None);
        assert_eq!(with(json!(["vip == false", "the customer is angry"])), bare);
        assert_eq!(with(json!(["vip == false", "vip"])), Some(0.4 / 3.0 + 0.21));
        assert_eq!(with(json!([null])), bare);
    }

    #[test]
    fn without_variables_conditions_are_open() {
        let vip = response("tea", &json!([]), &json!(["vip"]));
        let standing = Standing { priority: 1, requires_exact_match: false };
        assert_eq!(vip.score(standing, None, None), Some(0.0001));
    }
}
