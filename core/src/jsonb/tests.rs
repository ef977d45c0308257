use super::*;
use proptest::prelude::*;
use serde_json::{Map, json};

fn write(value: &Value) -> Option<Vec<u8>> {
    super::write(&value.into())
}

fn round(value: &Value) -> Value {
    Jsonb(&write(value).unwrap()).value().unwrap()
}

#[test]
fn what_is_packed_is_what_it_was() {
    for (text, is_stored) in [
        (r#"{"é": [1, -0.50, null, {"b": true}], "a": "x"}"#, true),
        ("{}", true),
        (r#"{"n": 1e400}"#, false),
        (r#"{"zero": "\u0000"}"#, false),
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        let packed = Packed::new(value.clone());
        assert_eq!(packed.root().value().as_ref(), Ok(&value), "{text}");
        assert_eq!(matches!(packed, Packed::Stored(_)), is_stored, "{text}");
        assert_eq!(packed, Packed::Value(value), "{text}");
        assert_ne!(packed, Packed::new(json!({"a": 1})), "{text}");
    }
}

#[test]
fn what_is_written_is_read() {
    let many: Vec<u32> = (0..100).collect();
    let wide: Map<String, Value> =
        (0..100).map(|n| (format!("{n:0>width$}", width = n % 7), json!([n, "é", null]))).collect();
    for value in [
        json!(null),
        json!(true),
        json!("x"),
        json!(12),
        json!([]),
        json!({}),
        json!([[], {}]),
        json!(many),
        Value::Object(wide),
        json!({"a": "b", "cc": [1, {"d": false}, "longer text"], "n": -1}),
    ] {
        assert_eq!(round(&value), value);
    }
}

#[test]
fn the_depth_that_is_checked_is_the_depth_that_is_read() {
    for depth in [1, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 3 * MAX_DEPTH] {
        for innermost in [json!([]), json!({}), json!("text"), json!([1, 2])] {
            let array = (1..depth).fold(innermost, |inner, _| json!([inner]));
            let object =
                (1..depth).fold(array.clone(), |inner, n| if n % 2 == 0 { json!({"k": inner}) } else { inner });
            for value in [json!([0, array.clone()]), object, array] {
                let bytes = write(&value).unwrap();
                let read = Jsonb(&bytes).value().map(|_| ());
                assert_eq!(Jsonb(&bytes).root().check_depth(), read, "{value}");
            }
        }
    }
}

#[test]
fn a_document_can_be_part_of_another_as_it_is_stored() {
    for inner in [json!([]), json!({"a": [1.5, {"b": "text"}], "cc": null}), json!("x"), json!(1.5), json!(null)] {
        let stored = write(&inner).unwrap();
        for key in ["k", "key"] {
            let outer = Tree::Object(vec![(key, Tree::Node(Jsonb(&stored).root())), ("longer key", Tree::Integer(7))]);
            let whole = json!({key: inner, "longer key": 7});
            assert_eq!(super::write(&outer), write(&whole));
            assert_eq!(write_text(&outer), write_text(&Tree::Value(&whole)));
            assert_eq!(outer.to_value(), whole);
            let finished = Finished::new(stored.clone());
            let outer = Tree::Object(vec![(key, Tree::Finished(&finished)), ("longer key", Tree::Integer(7))]);
            assert_eq!(super::write(&outer), write(&whole));
            assert_eq!(write_text(&outer), write_text(&Tree::Value(&whole)));
        }
    }
}

#[test]
fn an_object_within_another_is_a_document_of_its_own() {
    let value = json!({"a": [1, {"b": [true]}], "text": "é", "inner": {"n": 1.5, "deep": {"k": [2]}}});
    let stored = |value: &Value| write(value).unwrap();
    let bytes = stored(&value);
    let root = Jsonb(&bytes).root();
    let inner = root.get("inner").unwrap();
    assert_eq!(inner.object().unwrap().source(), stored(&value["inner"]), "as if it had been written alone");
    assert_eq!(inner.get("deep").unwrap().object().unwrap().value().unwrap(), value["inner"]["deep"]);
    let elements: Vec<_> = root.get("a").unwrap().elements().unwrap().collect();
    assert_eq!(elements[1].object().unwrap().source(), stored(&value["a"][1]));
    assert!(root.get("a").unwrap().object().is_none() && root.get("text").unwrap().object().is_none());
}

#[test]
fn numbers_keep_every_digit() {
    for text in [
        "0",
        "-1",
        "9999",
        "10000",
        "123456789012345678901234567890",
        "0.5",
        "-0.00001",
        "1.50",
        "10000.0001",
        "100000000",
        "0.0",
        "12345.678900",
        "0.000000000000000000000000000000000000000000000000000000000000000000001",
    ] {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(round(&value).to_string(), text);
    }
    assert_eq!(round(&serde_json::from_str("-0").unwrap()).to_string(), "0");
}

#[test]
fn what_is_for_postgresql_to_judge_is_not_written() {
    for text in ["1e5", "[1E400]", r#""\u0000""#, r#"{"\u0000": 1}"#] {
        assert_eq!(write(&serde_json::from_str(text).unwrap()), None, "{text}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    assert_eq!(round(&nested(127)), nested(127));
    assert!(Jsonb(&write(&nested(128)).unwrap()).value().is_err());
    assert_eq!(nested(127).to_string().value(), Ok(nested(127)));
    assert!(nested(128).to_string().value().is_err());
}

fn text(value: &Value) -> Option<String> {
    write_text(&Tree::Value(value)).map(|text| String::from_utf8(text).unwrap())
}

#[test]
fn the_text_is_as_postgresql_prints_it() {
    for (value, expected) in [
        (json!({"bb": [1, -2.50, true], "a": {}, "c": []}), r#"{"a": {}, "c": [], "bb": [1, -2.5, true]}"#),
        (json!("\"\\/\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}é"), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\u{7f}é\""),
        (json!(null), "null"),
        (json!([[]]), "[[]]"),
    ] {
        assert_eq!(text(&value).as_deref(), Some(expected));
    }
    let numbers = "[0, 0.00, 1.50, 100000000, 123456789012345678901234567890.5, 0.000000000000012, 0.0]";
    assert_eq!(text(&serde_json::from_str(&numbers.replace("0, 0", "-0, -0")).unwrap()).as_deref(), Some(numbers));
}

#[test]
fn the_text_of_what_is_for_postgresql_to_judge_is_not_written() {
    for text in ["1e5", r#""\u0000""#] {
        assert_eq!(write_text(&Tree::Value(&serde_json::from_str(text).unwrap())), None, "{text}");
    }
    let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    let written = |depth| write_text(&Tree::Node(Jsonb(&write(&nested(depth)).unwrap()).root()));
    assert_eq!(written(127), write_text(&Tree::Value(&nested(127))));
    assert_eq!(written(128), None);
}

fn document() -> impl Strategy<Value = Value> {
    let number = prop_oneof!["-?[1-9][0-9]{0,30}", "-?[1-9][0-9]{0,9}\\.[0-9]{1,80}", "0\\.0{0,9}[0-9]{1,9}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number.prop_map(|text| serde_json::from_str(&text).unwrap()),
        "[^\0]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 120, 40, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..40).prop_map(Value::from),
            prop::collection::hash_map("[^\0]{0,6}", inner, 0..40).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// A document put together from what is looked at in place.
fn looked_at(node: Node<'_>) -> Value {
    if let Some(members) = node.members() {
        return members.map(|(key, value)| (key.into_owned(), looked_at(value))).collect();
    }
    if let Some(elements) = node.elements() {
        return elements.map(looked_at).collect();
    }
    if node.is_null() {
        return Value::Null;
    }
    let text = node.text().map(|text| Value::from(text.into_owned()));
    text.or_else(|| node.boolean().map(Value::from)).unwrap_or_else(|| node.value().unwrap())
}

#[test]
fn numbers_are_read_in_place() {
    for number in [0, 1, -1, 9999, 10_000, -123_456_789, 100_000_000, 999_999_999_999, i64::MAX] {
        let value = json!(number);
        let stored = write(&value).unwrap();
        assert_eq!(Jsonb(&stored).root().number(), value.as_f64(), "{number}");
    }
    let stored = write(&json!([0.5, -1.25, "1"])).unwrap();
    let numbers: Vec<_> = Jsonb(&stored).root().elements().unwrap().map(Node::number).collect();
    assert_eq!(numbers, [Some(0.5), Some(-1.25), None]);
}

proptest! {
    #[test]
    fn what_is_looked_at_in_place_is_the_document(value in document()) {
        prop_assert_eq!(looked_at(Jsonb(&write(&value).unwrap()).root()), value.clone());
        prop_assert_eq!(looked_at(Node::Parsed(&value)), value);
    }

    #[test]
    fn the_text_is_that_of_the_document_in_either_form(value in document()) {
        let stored = write(&value).unwrap();
        let printed = text(&value).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), value);
        prop_assert_eq!(write_text(&Tree::Node(Jsonb(&stored).root())), Some(printed.into_bytes()));
    }

    #[test]
    fn integers_are_written_as_their_digits(integer in any::<i64>(), shift in 0..64) {
        for integer in [integer >> shift, integer >> shift << shift, 10_000_i64.pow(shift as u32 % 5), i64::MIN, 0] {
            prop_assert_eq!(super::write(&Tree::Integer(integer)), write(&json!(integer)), "{}", integer);
        }
    }

    #[test]
    fn every_document_comes_back(value in document()) {
        prop_assert_eq!(round(&value), value);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), value in document(), cut in 0..300_usize) {
        let _ = (Jsonb(&bytes).value(), Jsonb(&bytes).root().number());
        let mut bytes = write(&value).unwrap();
        bytes.truncate(cut);
        if let Some(byte) = bytes.get_mut(cut / 2) {
            *byte ^= 0x55;
        }
        let _ = (Jsonb(&bytes).value(), write_text(&Tree::Node(Jsonb(&bytes).root())));
    }
}
