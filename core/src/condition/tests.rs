use super::*;
use crate::jsonb::{Jsonb, Node, Tree, write};
use proptest::prelude::*;
use serde_json::json;

fn variables() -> Variables {
    let json = json!({
        "amount": 12, "price": 9.5, "name": "Ada", "tier": null, "vip": true,
        "order": {"id": "A-1", "total": 120, "items": [{"sku": "x", "n": 2}, {"sku": "y", "n": 1}]},
        "session": {"locale": "en"}, "message": "I want my money back"
    });
    Variables::read(&json.to_string()).unwrap()
}

fn outcome(text: &str) -> Result<Outcome, ConditionError> {
    Condition::compile(text)?.evaluate(&variables())
}

#[track_caller]
fn error(text: &str) -> ConditionError {
    outcome(text).expect_err(text)
}

#[test]
fn expressions_hold_or_fail_as_cel_says() {
    for text in [
        "amount == 12 && price < 10.0",
        "amount > 11.5",
        "order.total / 2 == 60",
        "order['id'].startsWith('A-')",
        "message.contains('money') || amount > 100",
        "message.matches('(?i)MONEY')",
        "matches(name, '^A.a$')",
        "order.items.exists(i, i.sku == 'y' && i.n == 1)",
        "order.items.all(i, i.n > 0)",
        "order.items.exists_one(i, i.n == 2)",
        "order.items.map(i, i.n) == [2, 1]",
        "order.items.filter(i, i.n > 1).size() == 1",
        "tier == null",
        "has(order.id) && !has(order.coupon)",
        "name in ['Ada', 'Bob'] && 'id' in order",
        "vip ? amount > 10 : amount > 100",
        "timestamp('2024-05-01T10:00:00Z') + duration('1h') < timestamp('2024-05-01T12:00:00Z')",
        "timestamp('2024-05-01T23:00:00Z').getDayOfMonth('Europe/Berlin') == 1",
        "type(amount) == int && string(amount) == '12' && int('3') == 3",
        "{'a': 1}.a == 1 && [1, 2][1] == 2",
        "name + '!' == 'Ada!'",
    ] {
        assert_eq!(outcome(text), Ok(Outcome::Holds), "{text}");
        assert_eq!(outcome(&format!("!({text})")), Ok(Outcome::Fails), "{text}");
    }
}

#[test]
fn what_is_missing_makes_a_condition_not_hold_and_is_told() {
    let missing = |text: &str| Condition::compile(text).unwrap().missing(&variables());
    for (text, paths) in [
        ("age >= 18", vec!["age"]),
        ("order.coupon == 'x' && order.total > 1", vec!["order.coupon"]),
        ("order['coupon'].code == 1 && age > 1", vec!["age", "order.coupon.code"]),
        ("order.items.exists(i, i.colour == 'red')", vec![]),
    ] {
        assert_eq!(outcome(text), Ok(Outcome::Missing), "{text}");
        assert_eq!(missing(text), paths, "{text}");
    }
    assert_eq!(outcome("order.items[7].n == 1"), Ok(Outcome::Missing));
    assert_eq!(outcome("age >= 18 || vip"), Ok(Outcome::Holds));
    assert_eq!(missing("has(order.coupon) || order.items.all(i, i.n > 0)"), Vec::<String>::new());
}

#[test]
fn what_cannot_be_read_is_refused_with_its_position() {
    for (text, position) in [("amount >", (1, 9)), ("amount > 1 &&\n  (price", (2, 9)), ("", (1, 1)), ("1 2", (1, 3))] {
        let error = Condition::compile(text).expect_err(text);
        assert_eq!(error.position, Some(position), "{text:?}: {error}");
    }
    assert!(error("shout(name)").message.contains("no function \"shout\""));
    assert!(error("Message{a: 1} == null").message.contains("no type \"Message\""));
}

#[test]
fn a_wrong_type_is_an_error_and_not_an_answer() {
    for text in ["name > 3", "amount", "1 + 'a' == 2", "name.size()", "!amount", "1 / 0 == 1", "message.matches('(')"] {
        assert!(!error(text).over_limit, "{text}");
    }
}

#[test]
fn an_unused_variable_of_a_macro_is_told() {
    let unused = |text: &str| Condition::compile(text).unwrap().unused_variables();
    assert_eq!(unused("order.items.exists(i, amount > 1)"), ["i"]);
    assert!(unused("order.items.exists(i, order.items.all(j, i.n >= j.n))").is_empty());
}

#[test]
fn size_and_depth_are_bounded_before_and_after_parsing() {
    let nested = |open: &str, inside: &str, close: &str, n: usize| open.repeat(n) + inside + &close.repeat(n);
    // Less stack than a server process has: overflowing it would end the test.
    let small_stack = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
        for text in [
            nested("(", "1", ")", 900),
            nested("[", "1", "]", 900),
            nested("{1:", "1", "}", 600),
            nested("true ? true : ", "true", "", 140),
            nested("true ? ", "true", " : true", 120),
            "a".to_owned() + &".a".repeat(990),
            "a".to_owned() + &"[0]".repeat(600),
            "1".to_owned() + &"+1".repeat(990),
            nested("[1].map(x, ", "1", ")", 120),
            "x".repeat(2001),
        ] {
            let error = Condition::compile(&text).expect_err(&text);
            assert!(error.over_limit, "{text}: {error}");
        }
        for text in [
            nested("(", "true", ")", 30),
            nested("[1].all(x, ", "true", ")", 14),
            nested("[", "1", "]", 29) + " != []",
            "true".to_owned() + &" && true".repeat(200),
            "1".to_owned() + &"+1".repeat(14) + " == 15",
            nested("amount == 1 ? false : ", "true", "", 29),
            nested("size([", "1", "])", 14) + " == 1",
            nested("!", "true", "", 1900),
            nested("-", "1", "", 1900) + " == 1",
        ] {
            assert_eq!(Condition::compile(&text).unwrap().evaluate(&variables()), Ok(Outcome::Holds), "{text}");
        }
    });
    small_stack.unwrap().join().unwrap();
}

#[test]
fn steps_and_memory_are_bounded() {
    let ten = "[1,2,3,4,5,6,7,8,9,10]";
    let many = json!({"list": (0..5000).collect::<Vec<_>>(), "text": "x".repeat(1_000_000)});
    let many = Variables::read(&many.to_string()).unwrap();
    for text in [
        format!("{ten}.all(a, {ten}.all(b, {ten}.all(c, {ten}.all(d, {ten}.all(e, {ten}.all(f, a > 0))))))"),
        "list.all(a, list.all(b, a >= 0))".to_owned(),
        "list.map(a, list).size() > 0".to_owned(),
        "list.map(a, text + text).size() > 0".to_owned(),
        "list.map(a, [text, text]).size() > 0 || true".to_owned(),
        "list.filter(a, list.map(b, b) != []).size() > 0 || true".to_owned(),
        "list.all(a, text.contains('y') == false)".to_owned(),
        "list.all(a, text.matches('y+z') == false)".to_owned(),
        "list.all(a, matches(string(a), '(a{100}){100}' + string(a)) == false)".to_owned(),
        "list.map(a, {'k': text}).size() > 0".to_owned(),
    ] {
        let error = Condition::compile(&text).unwrap().evaluate(&many).expect_err(&text);
        assert!(error.over_limit, "{text}: {error}");
    }
    for text in
        ["list.all(a, a >= 0)", "list.map(a, a * 2).filter(a, a > 10).size() > 1", "text.contains('y') == false"]
    {
        assert_eq!(Condition::compile(text).unwrap().evaluate(&many), Ok(Outcome::Holds), "{text}");
    }
}

#[test]
fn a_pattern_may_not_grow_without_bound() {
    assert!(error("message.matches('(a{1000}){1000}')").message.contains("size limit"));
}

#[test]
fn numbers_of_any_size_are_accepted() {
    let variables =
        Variables::read(r#"{"huge": 1e400, "long": 123456789012345678901234567890, "exact": 9007199254740993}"#);
    let variables = variables.unwrap();
    for text in ["huge > 1.0", "long > 1.0", "exact == 9007199254740993"] {
        assert_eq!(Condition::compile(text).unwrap().evaluate(&variables), Ok(Outcome::Holds), "{text}");
    }
    assert!(Variables::read("[1]").is_err());
    assert!(Variables::read(&("[".repeat(300) + &"]".repeat(300))).is_err());
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("amount".to_owned()),
        Just("order.items".to_owned()),
        Just("absent.member".to_owned()),
        Just("'text'".to_owned()),
        Just("null".to_owned()),
        Just("x".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f32>().prop_map(|n| format!("{n:?}")),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        prop_oneof![
            (inner.clone(), "[-+*/%<>]|==|&&|\\|\\|| in ", inner.clone())
                .prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (inner.clone(), "all|exists|exists_one|map|filter", inner.clone())
                .prop_map(|(a, f, b)| format!("{a}.{f}(x, {b})")),
            inner.clone().prop_map(|a| format!("!{a}")),
            inner.clone().prop_map(|a| format!("-{a}")),
            (inner.clone(), "size|string|int|double|type|timestamp|duration|dyn|bytes|uint")
                .prop_map(|(a, f)| format!("{f}({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{{a}: {b}}}")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a}.matches({b})")),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,120}") {
        let _ = outcome(&text);
    }

    #[test]
    fn no_text_of_symbols_panics(text in "[-!()\\[\\]{}.?:,'\"a1e+*/%<>=&|@`\\\\ \n]{0,80}") {
        let _ = outcome(&text);
    }

    /// Charging changes nothing but the bounds: the evaluator itself, without it, comes to the same.
    #[test]
    fn metering_does_not_change_what_an_expression_says(text in expression()) {
        let metered = Condition::compile(&text).and_then(|condition| condition.evaluate(&variables()));
        let Ok(expression) = PrattParser::new().parse(&text) else {
            prop_assert!(metered.is_err());
            return Ok(());
        };
        let variables = variables();
        let mut context = Context::with_env(ENV.clone());
        context.set_variable_resolver(&variables);
        let plain = no_panic(|| Value::resolve_val(&expression, &context).map(|value| judge(&value)));
        match (metered, plain) {
            (Ok(Outcome::Missing), Ok(Err(_))) | (Err(_), Err(_) | Ok(Err(_) | Ok(Err(_)))) => {}
            (Ok(outcome), Ok(Ok(Ok(plain)))) => prop_assert_eq!(outcome, plain),
            (Err(error), Ok(Ok(Ok(_)))) => prop_assert!(error.over_limit, "{}", error),
            (metered, plain) => prop_assert!(false, "{:?} {}", metered, plain.is_ok()),
        }
    }
}

#[test]
fn evaluating_asks_for_no_other_names_than_it_tells() {
    for (expression, names) in [
        ("a.b > 1 && has(c.d)", &["a", "c"][..]),
        ("l.exists(x, x == y)", &["l", "y"]),
        ("x && l.all(x, x)", &["l", "x"]),
        ("m[k] == m['fixed']", &["k", "m"]),
        ("int == 1", &["int"]),
        ("size(t) > 0 && {'k': v}.k", &["t", "v"]),
        ("true", &[]),
    ] {
        let condition = Condition::compile(expression).unwrap();
        assert_eq!(condition.names().collect::<Vec<_>>(), names, "{expression}");
    }
}

#[test]
fn variables_are_added_one_by_one_within_the_same_bound() {
    let mut variables = Variables::default();
    variables.add("n", Node::Parsed(&json!(12))).unwrap();
    let stored = write(&Tree::from(&json!({"k": ["v"]}))).unwrap();
    variables.add("o", Jsonb(&stored).root()).unwrap();
    let condition = Condition::compile("n == 12 && o.k[0] == 'v'").unwrap();
    assert_eq!(condition.evaluate(&variables), Ok(Outcome::Holds));
    let half = json!("x".repeat(MAX_VARIABLES_BYTES / 2));
    variables.add("h", Node::Parsed(&half)).unwrap();
    assert!(variables.add("i", Node::Parsed(&half)).unwrap_err().over_limit);
}
