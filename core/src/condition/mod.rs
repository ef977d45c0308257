//! Conditions that the database judges: CEL expressions over JSON variables, bounded in size, depth and steps.
//!
//! The parser and the evaluator are those of the crate `cel`, which knows no bounds. So an expression is measured
//! before and after it is parsed, and every place at which evaluation can read or copy a value of some size is made to
//! pay for it out of a budget; see [`meter`].

mod meter;
mod names;
mod variables;

use cel::common::value::CowVal;
use cel::parser::{Expression, PrattParser};
use cel::{Context, Env, ExecutionError, Value};
use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

pub use meter::BUDGET;
pub use variables::{MAX_VARIABLES_BYTES, Variables};

/// Longest expression, in characters.
pub const MAX_CHARACTERS: usize = 2000;
/// Deepest nesting of an expression. Parser and evaluator recurse, and take up to 70 kB of stack for a level.
pub const MAX_DEPTH: usize = 32;

/// More than parsing and evaluating ever take. Where the stack of the process has less left, another one is used.
const STACK: usize = 4 * 1024 * 1024;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    meter::declare(&mut env);
    Arc::new(env)
});

/// An expression that can be evaluated.
#[derive(Debug)]
pub struct Condition {
    metered: Expression,
    references: Vec<Vec<String>>,
    free: BTreeSet<String>,
    unused: Vec<String>,
}

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Holds,
    Fails,
    /// It asks for a variable, a member or an element that is not there.
    Missing,
}

/// Why a text is no expression, or why it has no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConditionError {
    /// Line and column, both from 1, where they can be told.
    pub position: Option<(usize, usize)>,
    pub message: String,
    /// It is, or takes, more than is allowed.
    pub over_limit: bool,
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl ConditionError {
    fn new(message: impl Into<String>) -> Self {
        ConditionError { position: None, message: message.into(), over_limit: false }
    }

    fn over_limit(message: impl Into<String>) -> Self {
        ConditionError { over_limit: true, ..ConditionError::new(message) }
    }
}

impl Condition {
    /// Reads an expression, and refuses what can never be evaluated: unknown functions, types of other systems.
    pub fn compile(text: &str) -> Result<Condition, ConditionError> {
        bound_nesting(text)?;
        let expression = no_panic(|| parse(text))??;
        names::bound_depth(&expression)?;
        let names = names::Names::of(&expression)?;
        let metered = meter::metered(expression);
        names::bound_depth(&metered)?;
        Ok(Condition { metered, references: names.references, free: names.free, unused: names.unused })
    }

    /// Variables that a macro such as `exists` binds without using them.
    #[must_use]
    pub fn unused_variables(&self) -> Vec<String> {
        self.unused.clone()
    }

    /// The names of all variables that evaluating can ask for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.free.iter().map(String::as_str)
    }

    /// The variables and members that the expression asks for and `variables` does not have, as `a.b`.
    #[must_use]
    pub fn missing(&self, variables: &Variables) -> Vec<String> {
        let missing = self.references.iter().filter(|path| !variables.has(path));
        missing.map(|path| path.join(".")).collect()
    }

    /// Whether it holds.
    pub fn evaluate(&self, variables: &Variables) -> Result<Outcome, ConditionError> {
        let (result, spent) = meter::limited(|| {
            no_panic(|| {
                let mut context = Context::with_env(ENV.clone());
                context.set_variable_resolver(variables);
                Value::resolve_val(&self.metered, &context).map(|value| judge(&value))
            })
        });
        if spent {
            return Err(ConditionError::over_limit("the expression takes more steps than are allowed"));
        }
        match result? {
            Ok(judged) => judged,
            Err(ExecutionError::UndeclaredReference(_) | ExecutionError::NoSuchKey(_)) => Ok(Outcome::Missing),
            Err(ExecutionError::IndexOutOfBounds(_)) => Ok(Outcome::Missing),
            Err(error) => Err(ConditionError::new(shortened(&error.to_string()))),
        }
    }
}

fn judge(value: &CowVal<'_, '_>) -> Result<Outcome, ConditionError> {
    match value.downcast_ref::<cel::common::types::CelBool>() {
        Some(holds) if *holds.inner() => Ok(Outcome::Holds),
        Some(_) => Ok(Outcome::Fails),
        None => {
            Err(ConditionError::new(format!("the expression gives {}, not true or false", value.get_type().name())))
        }
    }
}

fn parse(text: &str) -> Result<Expression, ConditionError> {
    PrattParser::new().max_recursion_depth(MAX_DEPTH as u16).error_recovery_limit(5).parse(text).map_err(|errors| {
        let first = errors.errors.into_iter().min_by_key(|error| error.pos);
        let Some(first) = first else { return ConditionError::new("not a CEL expression") };
        let place = |n: isize| usize::try_from(n).ok().filter(|n| *n > 0);
        let position = place(first.pos.0).zip(place(first.pos.1));
        ConditionError { position, message: shortened(&first.msg), over_limit: first.msg.contains("limit exceeded") }
    })
}

/// Refuses what would take the parser's recursion deep: it must be known before parsing.
fn bound_nesting(text: &str) -> Result<(), ConditionError> {
    if text.chars().nth(MAX_CHARACTERS).is_some() {
        return Err(ConditionError::over_limit(format!("the expression has more than {MAX_CHARACTERS} characters")));
    }
    let (mut depth, mut deepest) = (0_usize, 0);
    // Brackets inside texts count too: whoever writes that many of them can do with fewer.
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    let questions = text.matches('?').count();
    if deepest > MAX_DEPTH || questions > MAX_DEPTH {
        return Err(too_deep());
    }
    Ok(())
}

fn too_deep() -> ConditionError {
    ConditionError::over_limit(format!("the expression is nested more than {MAX_DEPTH} levels deep"))
}

/// Runs the crate with stack enough. It may have defects: a panic of its becomes an error. Nothing here holds a lock or
/// changes what outlives the call, so going on is safe.
fn no_panic<T>(work: impl FnOnce() -> T) -> Result<T, ConditionError> {
    stacker::maybe_grow(STACK, STACK, || catch_unwind(AssertUnwindSafe(work)))
        .map_err(|_| ConditionError::new("the expression cannot be evaluated"))
}

/// Messages of the crate may show whole values.
fn shortened(message: &str) -> String {
    let mut short: String = message.chars().take(200).collect();
    if message.chars().nth(200).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
