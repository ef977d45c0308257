//! A budget for evaluation. The evaluator reads and copies values in calls, in literals and in comprehensions; the
//! expression is rewritten so that each value passes through a function there that charges for its size. A loop
//! charges for what it loops over before it begins. So neither time nor memory can exceed what the budget buys.

use super::names::rewrite_children;
use cel::common::ast::{CallExpr, Expr, operators};
use cel::common::types::{CelBool, CelBytes, CelList, CelMap, CelMapKey, CelString, DYN_TYPE, STRING_TYPE};
use cel::common::value::{CowVal, Val};
use cel::parser::Expression;
use cel::{Env, ExecutionError};
use regex::{Regex, RegexBuilder};
use std::cell::{Cell, RefCell};

/// What an evaluation may cost: one for each value that it reads or copies, and one for each 16 bytes of text.
pub const BUDGET: u64 = 250_000;

/// What compiling a pattern costs.
const PATTERN_COST: u64 = 10_000;
/// Largest compiled patterns, in KiB, from the smallest: a pattern gets the first that it fits into. Matching can take
/// a step for each state of the pattern and byte of the text.
const PATTERN_SIZES: [usize; 3] = [16, 64, 256];

/// Operators and functions that never give anything large.
const GIVE_SMALL_VALUES: &[&str] = &[
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::IN,
    operators::NEGATE,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    "bool",
    "contains",
    "double",
    "endsWith",
    "int",
    "matches",
    "size",
    "startsWith",
    "uint",
];

/// No name in an expression can begin so.
const CHARGE: &str = "@charge";

thread_local! {
    /// What is left for the evaluation that is going on. Functions of an expression get nothing but their arguments.
    static LEFT: Cell<u64> = const { Cell::new(0) };
    /// The pattern compiled last: loops match many texts against one.
    static PATTERN: RefCell<Option<Pattern>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Pattern {
    source: String,
    size: usize,
    regex: Regex,
}

/// Runs an evaluation, and tells whether it used up its budget: then its result means nothing, because `error || true`
/// is true.
pub(super) fn limited<T>(evaluate: impl FnOnce() -> T) -> (T, bool) {
    LEFT.set(BUDGET);
    let result = evaluate();
    (result, LEFT.get() == 0)
}

pub(super) fn declare(env: &mut Env) {
    let declared = [
        env.add_overload(CHARGE, CHARGE, vec![DYN_TYPE], charge),
        env.add_overload("matches", "matches", vec![STRING_TYPE, STRING_TYPE], matches),
        env.add_member_overload("matches", "matches_string", STRING_TYPE, vec![STRING_TYPE], matches),
    ];
    debug_assert!(declared.iter().all(Result::is_ok));
}

/// The expression with every value charged for that an operation reads or copies.
pub(super) fn metered(mut expression: Expression) -> Expression {
    rewrite_children(&mut expression, &mut |child| {
        let child_expression = std::mem::take(child);
        *child = metered(child_expression);
    });
    match &mut expression.expr {
        Expr::Call(call) => match call.func_name.as_str() {
            // Only the condition: the branches are handed on as they are.
            operators::CONDITIONAL => call.args.iter_mut().take(1).for_each(pay),
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::NOT_STRICTLY_FALSE => {}
            _ => {
                call.args.iter_mut().for_each(pay);
                call.target.iter_mut().for_each(|target| pay(target));
            }
        },
        Expr::List(list) => list.elements.iter_mut().for_each(pay),
        Expr::Map(_) => rewrite_children(&mut expression, &mut pay),
        Expr::Comprehension(comprehension) => pay(&mut comprehension.iter_range),
        _ => {}
    }
    expression
}

/// Literals are as small as the expression. A list literal has paid for its elements; and like the name of a
/// comprehension's result it must stay what it is, for the evaluator to see that it may append in place.
fn pay(expression: &mut Expression) {
    let is_free = match &expression.expr {
        Expr::Literal(_) | Expr::List(_) => true,
        Expr::Ident(name) => name.starts_with('@'),
        Expr::Call(call) => GIVE_SMALL_VALUES.contains(&call.func_name.as_str()),
        _ => false,
    };
    if !is_free {
        let argument = std::mem::take(expression);
        expression.id = argument.id;
        expression.expr = Expr::Call(CallExpr { func_name: CHARGE.to_owned(), target: None, args: vec![argument] });
    }
}

fn charge<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let argument = args.pop().ok_or(ExecutionError::MissingArgumentOrTarget)?;
    let mut left = LEFT.get();
    let paid = pay_for(&*argument, &mut left);
    LEFT.set(left);
    if paid { Ok(argument) } else { Err(ExecutionError::function_error(CHARGE, "out of budget")) }
}

/// Takes the cost of a value; false, and nothing left, if there is not enough. Recursion is as deep as JSON and
/// expressions may be nested.
fn pay_for(value: &(dyn Val + '_), left: &mut u64) -> bool {
    if let Some(list) = value.downcast_ref::<CelList>() {
        return take(left, 1) && list.inner().iter().all(|element| pay_for(element.as_ref(), left));
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        return take(left, 1)
            && map.inner().iter().all(|(key, value)| {
                let key_cost = match key {
                    CelMapKey::String(text) => text_cost(text.inner().len()),
                    _ => 1,
                };
                take(left, key_cost) && pay_for(value.as_ref(), left)
            });
    }
    let cost = if let Some(text) = value.downcast_ref::<CelString>() {
        text_cost(text.inner().len())
    } else if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        text_cost(bytes.inner().len())
    } else {
        1
    };
    take(left, cost)
}

fn text_cost(bytes: usize) -> u64 {
    1 + bytes as u64 / 16
}

fn take(left: &mut u64, cost: u64) -> bool {
    *left = left.saturating_sub(cost);
    *left > 0
}

/// `matches` with a bound on the size of the compiled pattern, and on its size times that of the text.
fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern] = args.as_slice() else { return Err(ExecutionError::MissingArgumentOrTarget) };
    let (Some(text), Some(source)) = (text.downcast_ref::<CelString>(), pattern.downcast_ref::<CelString>()) else {
        return Err(ExecutionError::MissingArgumentOrTarget);
    };
    let known = PATTERN.take().filter(|pattern| pattern.source == source.inner());
    let pattern = match known {
        Some(pattern) => pattern,
        None => {
            charge_for(PATTERN_COST)?;
            compile(source.inner())?
        }
    };
    let steps = text.inner().len() * pattern.size / PATTERN_SIZES[0];
    let found = charge_for(steps as u64).map(|()| pattern.regex.is_match(text.inner()));
    PATTERN.set(Some(pattern));
    Ok(CowVal::owned(CelBool::from(found?)))
}

fn compile(source: &str) -> Result<Pattern, ExecutionError> {
    let mut result = Err(ExecutionError::function_error("matches", "no size"));
    for size in PATTERN_SIZES {
        let bytes = size * 1024;
        let built = RegexBuilder::new(source).size_limit(bytes).dfa_size_limit(bytes).build();
        result = match built {
            Ok(regex) => return Ok(Pattern { source: source.to_owned(), size, regex }),
            Err(error) => Err(ExecutionError::function_error("matches", error)),
        };
    }
    result
}

fn charge_for(cost: u64) -> Result<(), ExecutionError> {
    let mut left = LEFT.get();
    let paid = take(&mut left, cost);
    LEFT.set(left);
    if paid { Ok(()) } else { Err(ExecutionError::function_error(CHARGE, "out of budget")) }
}
