//! Terms of a glossary in a text: whole words, whatever their case and accents, the longest first.

mod ascii;
mod fold;

use aho_corasick::AhoCorasick;
use fold::Folded;
use std::cmp::Reverse;
use std::collections::HashMap;

/// Largest glossary, in bytes of its terms. Building its automaton takes some fifty times as much memory.
pub const MAX_GLOSSARY_BYTES: usize = 4 * 1024 * 1024;

/// Longest text, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// One term, with its name and its synonyms.
#[derive(Debug, Clone)]
pub struct Term {
    pub id: u128,
    pub importance: i32,
    pub name: String,
    pub synonyms: Vec<String>,
}

/// A place where a term is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    pub id: u128,
    /// The words as the text has them.
    pub matched: String,
    /// Where they begin, in characters, counted from 1.
    pub position: usize,
}

/// The terms of an agent, ready to be looked for.
pub struct Glossary {
    automaton: AhoCorasick,
    /// The term of each pattern.
    ids: Vec<u128>,
}

impl Glossary {
    /// Of terms that share words, the more important one has them; then the one whose name they are, and then the one
    /// that comes first.
    pub fn new(terms: &[Term]) -> Result<Glossary, String> {
        let mut patterns = Vec::new();
        let mut ranks: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut ids = Vec::new();
        for (folded, term) in in_order_of_rank(terms) {
            if !ranks.contains_key(&folded) {
                ranks.insert(folded.clone(), ids.len());
                ids.push(term);
                patterns.push(folded);
            }
        }
        let automaton = AhoCorasick::new(&patterns).map_err(|e| format!("the glossary is too large: {e}"))?;
        Ok(Glossary { automaton, ids })
    }

    /// Bytes of memory it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.automaton.memory_usage() + self.ids.len() * size_of::<u128>()
    }

    /// Every mention, in the order of the text; none overlaps another.
    #[must_use]
    pub fn mentions(&self, text: &str) -> Vec<Mention> {
        let folded = Folded::with_word_boundaries(text);
        let matched = self.automaton.find_overlapping_iter(folded.text()).filter_map(|found| {
            let (start, end) = (folded.word_start(found.start())?, folded.word_end(found.end())?);
            Some((start, end, found.pattern().as_usize()))
        });
        let mut matches: Vec<_> = matched.collect();
        // The longest at each start before the others, which it covers.
        matches.sort_by_key(|(start, end, _)| (*start, Reverse(*end)));
        let mut mentions = Vec::new();
        let mut free_from = 0;
        for (start, end, pattern) in matches {
            if start < free_from {
                continue;
            }
            free_from = end;
            if let Some(id) = self.ids.get(pattern) {
                let (matched, position) = folded.original(start, end);
                mentions.push(Mention { id: *id, matched: matched.to_owned(), position });
            }
        }
        mentions
    }
}

fn in_order_of_rank(terms: &[Term]) -> Vec<(Vec<u8>, u128)> {
    let mut words: Vec<_> = terms
        .iter()
        .flat_map(|term| {
            let synonyms = term.synonyms.iter().map(move |synonym| (term, false, synonym));
            std::iter::once((term, true, &term.name)).chain(synonyms)
        })
        .map(|(term, is_name, word)| (Reverse((term.importance, is_name)), fold::pattern(word), term.id))
        .filter(|(_, folded, _)| !folded.is_empty())
        .collect();
    words.sort_by_key(|(rank, _, _)| *rank);
    words.into_iter().map(|(_, folded, id)| (folded, id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn term(id: u128, importance: i32, name: &str, synonyms: &[&str]) -> Term {
        Term { id, importance, name: name.to_owned(), synonyms: synonyms.iter().map(ToString::to_string).collect() }
    }

    fn found(terms: &[Term], text: &str) -> Vec<(u128, String, usize)> {
        let mentions = Glossary::new(terms).unwrap().mentions(text);
        mentions.into_iter().map(|m| (m.id, m.matched, m.position)).collect()
    }

    #[track_caller]
    fn assert_found(names: &[&str], text: &str, expected: &[(&str, usize)]) {
        let terms: Vec<_> = names.iter().enumerate().map(|(n, name)| term(n as u128, 100, name, &[])).collect();
        let found: Vec<_> = found(&terms, text).into_iter().map(|(_, matched, position)| (matched, position)).collect();
        let expected: Vec<_> = expected.iter().map(|(word, position)| ((*word).to_owned(), *position)).collect();
        assert_eq!(found, expected, "{names:?} in {text:?}");
    }

    #[test]
    fn whole_words_are_found_and_parts_of_words_are_not() {
        assert_found(&["card"], "My card, cards, discard; card", &[("card", 4), ("card", 26)]);
        assert_found(&["C++", ".NET"], "I know C++ and .NET.", &[("C++", 8), (".NET", 16)]);
        assert_found(&["bank"], "Bank-owned bank's l'bank bank_x", &[("Bank", 1), ("bank", 12), ("bank", 21)]);
        assert_found(&["東京"], "私は東京に住む", &[("東京", 3)]);
        assert_found(&["3.5"], "3.5 13.5 3.55", &[("3.5", 1)]);
    }

    #[test]
    fn case_and_accents_do_not_matter() {
        assert_found(&["Café"], "CAFE cafe\u{301} café", &[("CAFE", 1), ("cafe\u{301}", 6), ("café", 12)]);
        assert_found(&["Straße"], "STRASSE straße", &[("STRASSE", 1), ("straße", 9)]);
        assert_found(&["ΣΊΣΥΦΟΣ"], "σίσυφος", &[("σίσυφος", 1)]);
        assert_found(&["ﬁle"], "FILE ﬁle", &[("FILE", 1), ("ﬁle", 6)]);
        assert_found(&["Łódź"], "łodz Łódź", &[("łodz", 1), ("Łódź", 6)]);
        assert_found(&["don't"], "DON\u{2019}T", &[("DON\u{2019}T", 1)]);
    }

    #[test]
    fn marks_that_make_another_letter_matter() {
        assert_found(&["か"], "が", &[]);
        assert_found(&["कि"], "का", &[]);
    }

    #[test]
    fn part_of_a_letter_is_no_word() {
        assert_found(&["s"], "ß", &[]);
        assert_found(&["f"], "ﬁ", &[]);
    }

    #[test]
    fn spaces_and_line_breaks_are_one() {
        assert_found(&["credit  card"], "credit card, Credit\n\t card", &[("credit card", 1), ("Credit\n\t card", 14)]);
    }

    #[test]
    fn the_longest_match_wins_and_matches_do_not_overlap() {
        assert_found(&["card", "credit card", "card number"], "credit card number", &[("credit card", 1)]);
        assert_found(&["card", "card hol"], "card holder", &[("card", 1)]);
        assert_found(&["a b", "b c d"], "a b c d", &[("a b", 1)]);
    }

    #[test]
    fn collisions_are_settled_by_importance_then_by_name_then_by_order() {
        let common = [term(1, 100, "account", &["balance"]), term(2, 200, "funds", &["Balance"])];
        assert_eq!(found(&common, "balance"), [(2, "balance".to_owned(), 1)]);
        let named = [term(1, 100, "account", &["balance"]), term(2, 100, "Balance", &[])];
        assert_eq!(found(&named, "balance")[0].0, 2);
        let equal = [term(7, 100, "x", &["balance"]), term(3, 100, "y", &["balance"])];
        assert_eq!(found(&equal, "balance")[0].0, 7);
    }

    #[test]
    fn empty_glossaries_terms_and_texts_find_nothing() {
        assert_found(&[], "text", &[]);
        assert_found(&["\u{301}", " ", "x"], "\u{301}  ", &[]);
        assert_found(&["x"], "", &[]);
    }

    #[test]
    fn ten_thousand_terms_are_looked_for_in_one_pass() {
        let terms: Vec<_> = (0..10_000).map(|n| term(n, 100, &format!("product {n}"), &[&format!("p-{n}")])).collect();
        let glossary = Glossary::new(&terms).unwrap();
        let text = (0..300).map(|n| format!("We sell product {} and P-{}. ", n * 7, n * 11)).collect::<String>();
        assert_eq!(glossary.mentions(&text).len(), 600);
        assert!(glossary.size() < 4 * MAX_GLOSSARY_BYTES, "{}", glossary.size());
    }

    proptest! {
        #[test]
        fn any_text_and_terms(names in proptest::collection::vec("\\PC{1,8}", 0..8), text in "\\PC{0,80}") {
            let terms: Vec<_> = names.iter().enumerate().map(|(n, name)| term(n as u128, 100, name, &[])).collect();
            let characters: Vec<_> = text.chars().collect();
            let mut free_from = 1;
            for (_, matched, position) in found(&terms, &text) {
                let length = matched.chars().count();
                let at_position: String = characters[position - 1..position - 1 + length].iter().collect();
                prop_assert_eq!(&at_position, &matched);
                prop_assert!(position >= free_from && length > 0);
                free_from = position + length;
            }
        }

        #[test]
        fn a_term_alone_is_found(name in "[a-zA-ZäöüÄÖÜßéÉłŁ]{1,8}( [a-zA-Z0-9]{1,4})?") {
            let upper = name.to_uppercase();
            for text in [&name, &upper] {
                let found = found(&[term(1, 100, &name, &[])], text);
                prop_assert_eq!(found, [(1, text.clone(), 1)]);
            }
        }
    }
}
