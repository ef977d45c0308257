//! Templates of canned responses and prompts: Jinja, reduced to what can neither run away nor read anything but its
//! variables.
//!
//! `syntax` turns the text into a checked tree, in which everything that could grow without bound is a call of
//! `filters`; those count what they make. What is left to bound is the number of steps, by minijinja's fuel.

mod filters;
mod syntax;

use crate::jsonb::Document;
use minijinja::machinery::{Vm, make_string_output};
use minijinja::value::ValueKind;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value};
use std::collections::BTreeMap;
use syntax::Compiled;

/// Longest template, in bytes: 10,000 characters of any script.
pub const MAX_TEMPLATE_BYTES: usize = 40_000;

/// Longest JSON text of the variables, in bytes.
pub const MAX_VARIABLES_BYTES: usize = 1024 * 1024;

/// Most that a rendering may make, in bytes: the output and every text on the way to it.
pub const MAX_OUTPUT_BYTES: usize = 4 * 1024 * 1024;

/// Most steps of a rendering.
const MAX_STEPS: u64 = 20_000;

/// Most variables, and most bytes, of a text that is known to be made without rendering it.
const MAX_FILLED_IN: usize = 100;
const MAX_FILLED_IN_BYTES: usize = MAX_OUTPUT_BYTES / 8;

/// Longest text of a number.
const MAX_NUMBER_BYTES: usize = 400;

/// A guess at the memory that an instruction takes, with what it refers to and where it stands in the text.
const BYTES_FOR_EACH_INSTRUCTION: usize = 128;

thread_local! {
    static ENVIRONMENT: Environment<'static> = filters::environment(MAX_STEPS);
}

/// Why a template gives no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The template is none that parlant accepts.
    Broken { place: Place, reason: String },
    /// It needs these variables, in the order in which it asks for them.
    Missing(Vec<String>),
    /// It cannot do with these variables what it says.
    Failed { place: Place, reason: String },
    /// It, its variables or its output are too large.
    TooLarge(String),
}

/// A place in a template, both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    fn at(source: &str, offset: usize) -> Place {
        let before = source.get(..offset).unwrap_or(source);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

self_cell::self_cell!(
    /// A template in its compiled form, which borrows from its text.
    struct Owned {
        owner: String,

        #[covariant]
        dependent: Compiled,
    }
);

/// A template that can be rendered.
pub struct Template(Owned);

/// The variables of a rendering.
pub struct Variables(Value);

impl Variables {
    /// Reads a JSON object.
    pub fn read(document: &(impl Document + ?Sized)) -> Result<Variables, Fault> {
        filters::root(document).map(Variables)
    }
}

impl Template {
    pub fn compile(source: &str) -> Result<Template, Fault> {
        Owned::try_new(source.to_owned(), |source| syntax::parse(source)).map(Template)
    }

    /// Bytes of memory it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.borrow_owner().len() + self.0.borrow_dependent().instructions.len() * BYTES_FOR_EACH_INSTRUCTION
    }

    /// The variables that it refers to, as paths such as `customer.name`, in the order of their first use.
    #[must_use]
    pub fn variables(&self) -> &[String] {
        &self.0.borrow_dependent().variables
    }

    /// Its text with variables.
    pub fn render(&self, variables: &Variables) -> Result<String, Fault> {
        let mut text = String::new();
        let result = ENVIRONMENT.with(|environment| {
            filters::counted(|| {
                let mut output = make_string_output(&mut text);
                let instructions = &self.0.borrow_dependent().instructions;
                let root = variables.0.clone();
                let blocks = BTreeMap::new();
                let end = Vm::new(environment).eval(instructions, root, &blocks, &mut output, AutoEscape::None);
                end.map(|_| ())
            })
        });
        // What is missing explains every error that follows from it.
        match result {
            (_, missing) if !missing.is_empty() => Err(Fault::Missing(missing)),
            (Err(error), _) => Err(failure(self.0.borrow_owner(), &error)),
            (Ok(()), _) => Ok(text),
        }
    }

    /// The variables that rendering lacks; none if it works. An error where it fails for another reason.
    pub fn missing(&self, variables: &Variables) -> Result<Vec<String>, Fault> {
        self.not_filled_in(variables).map_or_else(|| self.missing_when_rendered(variables), Ok)
    }

    fn missing_when_rendered(&self, variables: &Variables) -> Result<Vec<String>, Fault> {
        match self.render(variables) {
            Ok(_) => Ok(Vec::new()),
            Err(Fault::Missing(names)) => Ok(names),
            Err(fault) => Err(fault),
        }
    }

    /// The same without rendering it. None where that might fail, because more is in it than names of variables, or
    /// because it makes much of them.
    fn not_filled_in(&self, variables: &Variables) -> Option<Vec<String>> {
        let names = self.0.borrow_dependent().filled_in.as_ref().filter(|names| names.len() <= MAX_FILLED_IN)?;
        let mut missing: Vec<String> = Vec::new();
        let mut bytes = self.0.borrow_owner().len();
        for name in names {
            let value = variables.0.get_attr(name).ok()?;
            match value.kind() {
                ValueKind::Undefined | ValueKind::None if missing.iter().any(|known| known == name) => {}
                ValueKind::Undefined | ValueKind::None => missing.push((*name).to_owned()),
                ValueKind::String => bytes += value.as_str()?.len(),
                ValueKind::Bool | ValueKind::Number => bytes += MAX_NUMBER_BYTES,
                _ => return None,
            }
        }
        (bytes <= MAX_FILLED_IN_BYTES).then_some(missing)
    }
}

fn failure(source: &str, error: &Error) -> Fault {
    let place = Place::at(source, error.range().map_or(0, |range| range.start));
    match error.kind() {
        ErrorKind::OutOfFuel => Fault::TooLarge(format!("rendering takes more than {MAX_STEPS} steps")),
        ErrorKind::WriteFailure => Fault::TooLarge(format!("rendering makes more than {MAX_OUTPUT_BYTES} bytes")),
        _ => Fault::Failed { place, reason: reason(error) },
    }
}

fn reason(error: &Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), str::to_owned)
}

/// A value of JSON as templates see it: numbers that no machine number holds are their text.
fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(truth) => Value::from(*truth),
        serde_json::Value::Number(number) => number_value(number),
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(elements) => elements.iter().map(value).collect(),
        serde_json::Value::Object(members) => {
            members.iter().map(|(key, member)| (key.as_str(), value(member))).collect()
        }
    }
}

fn number_value(number: &serde_json::Number) -> Value {
    if let Some(integer) = number.as_i64() {
        return Value::from(integer);
    }
    match number.as_f64() {
        Some(float) if float.is_finite() && number.to_string().contains(['.', 'e', 'E']) => Value::from(float),
        _ => Value::from(number.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn render(source: &str, variables: &str) -> Result<String, Fault> {
        Template::compile(source)?.render(&Variables::read(variables)?)
    }

    fn variables(source: &str) -> Result<Vec<String>, Fault> {
        Template::compile(source).map(|template| template.variables().to_vec())
    }

    #[track_caller]
    fn assert_renders(source: &str, variables: &str, expected: &str) {
        assert_eq!(render(source, variables).as_deref(), Ok(expected), "{source} with {variables}");
    }

    #[track_caller]
    fn assert_missing(source: &str, variables: &str, expected: &[&str]) {
        let expected = expected.iter().map(ToString::to_string).collect();
        assert_eq!(render(source, variables), Err(Fault::Missing(expected)), "{source} with {variables}");
    }

    #[track_caller]
    fn assert_broken(source: &str, line: usize, column: usize, part: &str) {
        match variables(source) {
            Err(Fault::Broken { place, reason }) => {
                assert_eq!(place, Place { line, column }, "{source}: {reason}");
                assert!(reason.contains(part), "{source}: {reason}");
            }
            other => panic!("{source}: {other:?}"),
        }
    }

    #[test]
    fn what_makes_much_is_rendered_to_know_what_is_missing() {
        let template = Template::compile("{{ a }} {{ b }}").unwrap();
        let long = format!(r#"{{"a": "{}"}}"#, "x".repeat(MAX_FILLED_IN_BYTES));
        let many = Template::compile(&"{{ b }}".repeat(MAX_FILLED_IN + 1)).unwrap();
        assert_eq!(many.not_filled_in(&Variables::read("{}").unwrap()), None);
        for (variables, known) in [(r#"{"a": 1}"#, Some(vec!["b".to_owned()])), (&long, None), (r#"{"a": [1]}"#, None)]
        {
            let variables = Variables::read(variables).unwrap();
            assert_eq!(template.not_filled_in(&variables), known);
            assert_eq!(template.missing(&variables), Ok(vec!["b".to_owned()]));
        }
    }

    #[test]
    fn variables_are_filled_in() {
        assert_renders(
            "Hello {{ customer.name }}!",
            r#"{"customer": {"name": "Ada <ada@b.c>"}}"#,
            "Hello Ada <ada@b.c>!",
        );
        assert_renders(
            "{{ a[0] }} {{ b['x y'] }} {{ c.0 }}",
            r#"{"a": [1], "b": {"x y": true}, "c": ["x"]}"#,
            "1 True x",
        );
        assert_renders("no variables\n", "{}", "no variables\n");
    }

    #[test]
    fn statements_and_filters_work() {
        assert_renders(
            "{% for o in orders %}{{ loop.index }}. {{ o.name|upper }}{% if not loop.last %}, {% endif %}{% else %}none{% endfor %}",
            r#"{"orders": [{"name": "tea"}, {"name": "salt"}]}"#,
            "1. TEA, 2. SALT",
        );
        assert_renders("{% for o in orders %}{{ o }}{% else %}none{% endfor %}", r#"{"orders": []}"#, "none");
        assert_renders("{% if n > 1 and n is odd %}odd{% elif n %}n{% endif %}", r#"{"n": 3}"#, "odd");
        assert_renders(
            "{% set t = price * count + 1 %}{{ t }}{% with u = t // 2 %} {{ u }}{% endwith %}",
            r#"{"price": 2.5, "count": 4}"#,
            "11.0 5.0",
        );
        assert_renders("{{ 'a' ~ n ~ \"b\" }}{{ 7 % 3 }}{{ 7 / 2 }}{{ -n }}", r#"{"n": 1}"#, "a1b13.5-1");
        assert_renders(
            "{{ names|sort|join(', ') }} {{ names|length }} {{ names|first }}",
            r#"{"names": ["b", "a"]}"#,
            "a, b 2 b",
        );
        assert_renders("{{ x|replace('a', 'b')|title }} {{ x|trim|capitalize }}", r#"{"x": "ja ja "}"#, "Jb Jb  Ja ja");
        assert_renders("{{ status in ['open', 'new'] }} {{ range(3)|join }}", r#"{"status": "new"}"#, "True 012");
        assert_renders(
            "{{ 'yes' if ok else 'no' }}{# note #}{% raw %}{{ }}{% endraw %}",
            r#"{"ok": false}"#,
            "no{{ }}",
        );
    }

    #[test]
    fn every_missing_variable_is_named_at_once() {
        assert_missing(
            "{{ customer.name }}, {{ order.total * rate }} {{ customer.name }} {{ due }} {{ known }}",
            r#"{"known": 1, "customer": {}}"#,
            &["customer.name", "order.total", "rate", "due"],
        );
        assert_missing("{% if vip %}{% endif %}{% for o in orders %}{{ o }}{% endfor %}", "{}", &["vip", "orders"]);
        assert_missing("{{ a|upper }}{{ b|join(c) }}{{ d ~ e }}{{ f > 1 }}", "{}", &["a", "b", "c", "d", "e", "f"]);
        assert_missing(
            "{% for o in orders %}{{ o.name }}{% endfor %}",
            r#"{"orders": [{}, {"name": 1}]}"#,
            &["o.name"],
        );
        assert_missing("{{ names[1] }}{{ names|first }}", r#"{"names": []}"#, &["names[1]", "names|first"]);
        assert_missing("{{ x - 1 }}{{ y }}", "{}", &["x", "y"]);
    }

    #[test]
    fn what_is_asked_for_with_a_default_is_not_missing() {
        assert_renders("{{ name|default('you') }}{{ a.b.c|d('!') }}", "{}", "you!");
        assert_renders("{% if name is defined %}{{ name }}{% else %}you{% endif %}", "{}", "you");
        assert_renders("{{ name is undefined }}", "{}", "True");
        assert_renders("{{ x if x is defined else 1 }}", "{}", "1");
    }

    #[test]
    fn null_is_a_value_but_no_text() {
        assert_renders("{{ x is none }}{{ x|default('-', true) }}", r#"{"x": null}"#, "True-");
        assert_missing("{{ x }}", r#"{"x": null}"#, &["x"]);
    }

    #[test]
    fn variables_are_listed_with_their_paths() {
        let names = variables(
            "{{ customer.name }}{% for o in customer.orders if o.open %}{{ o.name }}{{ loop.index }}{% endfor %}\
             {% set x = total %}{{ x }}{{ list[0].id }}{{ by_key[key] }}{{ customer.name }}{{ note|default(fallback) }}",
        );
        let expected = ["customer.name", "customer.orders", "total", "list[0].id", "by_key", "key", "note", "fallback"];
        assert_eq!(names.unwrap(), expected);
    }

    #[test]
    fn a_name_that_a_block_sets_is_unknown_behind_it() {
        assert_eq!(variables("{% for x in a %}{% endfor %}{{ x }}").unwrap(), ["a", "x"]);
        assert_eq!(variables("{% with x = 1 %}{{ x }}{% endwith %}{{ x }}").unwrap(), ["x"]);
        assert_eq!(variables("{% for k, v in m|items %}{{ k }}{{ v }}{% endfor %}").unwrap(), ["m"]);
    }

    #[test]
    fn numbers_keep_their_value() {
        assert_renders(
            "{{ a }} {{ b }} {{ c }}",
            r#"{"a": 9007199254740993, "b": 1e400, "c": 123456789012345678901234567890}"#,
            "9007199254740993 1e+400 123456789012345678901234567890",
        );
    }

    #[test]
    fn a_broken_template_says_where() {
        assert_broken("Hello\n  {{ name", 2, 6, "unexpected end of input");
        assert_broken("{% if x %}", 1, 9, "unexpected end of input");
        assert_broken("ä {{ name | shout }}", 1, 13, "no filter \"shout\"");
        assert_broken("{{ x is shiny }}", 1, 9, "no test \"shiny\"");
        assert_broken("{% include 'x' %}", 1, 4, "unknown statement include");
        assert_broken("{% import 'x' as x %}", 1, 4, "unknown statement import");
        assert_broken("{% extends 'x' %}", 1, 4, "unknown statement extends");
        assert_broken("{% macro m() %}{% endmacro %}", 1, 4, "unknown statement macro");
        assert_broken("{% set x %}a{% endset %}", 1, 4, "set blocks");
        assert_broken("{% filter upper %}a{% endfilter %}", 1, 4, "filter blocks");
        assert_broken("{% autoescape true %}{% endautoescape %}", 1, 4, "autoescape");
        assert_broken("{% for x in y recursive %}{% endfor %}", 1, 4, "recursive");
        assert_broken("{{ 2 ** 3 }}", 1, 4, "**");
        assert_broken("{{ x[1:2] }}", 1, 4, "slices");
        assert_broken("{{ [x] }}", 1, 4, "constants");
        assert_broken("{{ f(x) }}", 1, 4, "function");
        assert_broken("{{ x.f() }}", 1, 5, "function");
        assert_broken("{{ x|join(*y) }}", 1, 6, "arguments");
    }

    #[test]
    fn a_rendering_that_fails_says_where() {
        let fault = render("a\n{{ x * 'b' }}", r#"{"x": 2}"#).unwrap_err();
        assert!(matches!(fault, Fault::Failed { place: Place { line: 2, column: 4 }, .. }), "{fault:?}");
        assert!(matches!(render("{{ 1 // 0 }}", "{}"), Err(Fault::Failed { .. })));
        assert!(matches!(
            render("{{ 9223372036854775807 * 9223372036854775807 * 9223372036854775807 }}", "{}"),
            Err(Fault::Failed { .. })
        ));
    }

    #[test]
    fn variables_are_an_object() {
        assert!(matches!(render("", "[]"), Err(Fault::Failed { .. })));
        assert!(matches!(render("", "{"), Err(Fault::Failed { .. })));
    }

    #[track_caller]
    fn assert_too_large(source: &str, variables: &str) {
        let result = render(source, variables);
        assert!(matches!(result, Err(Fault::TooLarge(_))), "{:.80}: {:?}", source, result.map(|text| text.len()));
    }

    #[test]
    fn neither_output_nor_work_grows_without_bound() {
        let big = format!(r#"{{"v": "{}"}}"#, "a".repeat(100_000));
        assert_too_large("{% for i in range(10000) %}{{ v }}{% endfor %}", &big);
        assert_too_large(&format!("{{% set x = v %}}{}", "{% set x = x ~ x %}".repeat(40)), &big);
        assert_too_large("{{ v|replace('a', v)|replace('a', v) }}", &big);
        assert_too_large("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "{}");
        assert_too_large("{{ range(1000000000)|length }}", "{}");
        assert_too_large(&format!("{}x{}", "{% for c in v %}".repeat(50), "{% endfor %}".repeat(50)), &big);
        assert_too_large(&"x".repeat(MAX_TEMPLATE_BYTES + 1), "{}");
        assert_too_large("", &format!(r#"{{"v": "{}"}}"#, "a".repeat(MAX_VARIABLES_BYTES)));
        assert!(
            render(&format!("{}{{{{ v }}}}", "{% for i in range(1) %}".repeat(30) + &"{% endfor %}".repeat(30)), &big)
                .is_ok()
        );
    }

    #[test]
    fn deep_and_long_templates_do_not_exhaust_the_stack() {
        let cases = [
            format!("{{{{ {}1{} }}}}", "(".repeat(15_000), ")".repeat(15_000)),
            format!("{{{{ {}1 }}}}", "-".repeat(30_000)),
            format!("{{{{ {}1 }}}}", "not ".repeat(9_000)),
            format!("{{{{ 1{} }}}}", "+1".repeat(15_000)),
            format!("{{{{ a{} }}}}", ".a".repeat(15_000)),
            format!("{{{{ a{} }}}}", "|upper".repeat(6_000)),
            format!("{{{{ a{} }}}}", "[a".repeat(10_000)),
            format!("{{{{ {} }}}}", "1 if ".repeat(6_000)),
            format!("{{{{ {} }}}}", "1 if 1 else ".repeat(3_000)),
            format!("{}{}", "{% if a %}".repeat(2_000), "{% endif %}".repeat(1_500)),
            format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(3_000)),
            format!("{}{}", "{% for a in a %}".repeat(1_000), "{% endfor %}".repeat(1_000)),
            format!("{{{{ {}{} }}}}", "[".repeat(10_000), "]".repeat(10_000)),
            format!("{{% for {}a{} in a %}}{{% endfor %}}", "(".repeat(10_000), ")".repeat(10_000)),
        ];
        // A thread's stack is far smaller than a server's.
        let check = move || cases.iter().for_each(|source| assert!(render(source, "{}").is_err(), "{:.60}", source));
        std::thread::Builder::new().stack_size(1024 * 1024).spawn(check).unwrap().join().unwrap();
    }

    #[test]
    fn long_tags_within_bounds_work_on_a_small_stack() {
        let tag = format!("{{{{ 1{} }}}}", "+1".repeat(syntax::MAX_TOKENS_IN_A_TAG / 2 - 2));
        let check = move || assert!(render(&tag, "{}").is_ok());
        std::thread::Builder::new().stack_size(1536 * 1024).spawn(check).unwrap().join().unwrap();
    }

    proptest! {
        #[test]
        fn no_text_panics(source in "[{}%#|.()a-c\\[\\]'\"+*~ 0-9\n-]{0,60}") {
            let _ = render(&source, r#"{"a": {"b": [1, "c"]}, "b": 2}"#);
        }

        #[test]
        fn no_expression_panics(expression in "(a|b|'c'|1|2.5|\\(a\\)|a\\.b|range\\(2\\))( (\\+|-|\\*|/|//|%|~|<|==|in|and|or|is|if) (a|b|'c'|0|2.5|odd|none)|\\|(upper|sort|join|first|round|int|length|items|list|replace\\(1,2\\)|default\\(b\\)|min|unique)){0,6}") {
            let _ = render(&format!("{{{{ {expression} }}}}"), r#"{"a": {"b": [1, "c"]}, "b": 2}"#);
        }

        #[test]
        fn plain_text_is_itself(text in "[^{}%#]{0,60}") {
            prop_assert_eq!(render(&text, "{}").unwrap(), text);
        }

        #[test]
        fn what_is_not_filled_in_is_known_without_rendering(
            source in "( |a|\n|\\{\\{ (a|b|c|d|e|f|loop|self|super|range|true) \\}\\}|\\{\\{- a\\|upper \\}\\}|\\{% if a %\\}x\\{% endif %\\}|\\{# c #\\}){0,8}",
            variables in "\\{\"a\": (1|-2\\.50|1e300|true|null|\"x{0,9}\"|\"é\"), \"b\": (\"y\"|null|\\{\\}|\\[1\\]), (\"range\": 1|\"loop\": 2), \"d\": \"\"\\}",
        ) {
            let (template, variables) = (Template::compile(&source), Variables::read(&variables).unwrap());
            let template = template.unwrap();
            if let Some(missing) = template.not_filled_in(&variables) {
                prop_assert_eq!(Ok(missing), template.missing_when_rendered(&variables));
            }
        }

        #[test]
        fn a_template_whose_variables_are_there_renders(names in proptest::collection::btree_set("v[a-z]{1,4}", 1..8)) {
            let source: String = names.iter().map(|name| format!("{{{{ {name} }}}}")).collect();
            let members: Vec<_> = names.iter().map(|name| format!(r#""{name}": "{name}""#)).collect();
            let expected: String = names.iter().cloned().collect();
            prop_assert_eq!(render(&source, &format!("{{{}}}", members.join(", "))).unwrap(), expected);
            prop_assert_eq!(render(&source, "{}"), Err(Fault::Missing(names.iter().cloned().collect())));
        }
    }
}
