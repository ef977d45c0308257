//! What an expression is made of: how deep it is, what it asks for, what it binds.

use super::{ConditionError, MAX_DEPTH, too_deep};
use cel::common::ast::{EntryExpr, Expr, LiteralValue, operators};
use cel::parser::Expression;
use std::collections::BTreeSet;

/// Functions of the standard library that expressions may call.
const FUNCTIONS: &[&str] = &[
    "bool",
    "bytes",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
];

/// Names of types, which are values too.
const TYPES: &[&str] = &["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// Calls `visit` for each expression right below.
pub(super) fn rewrite_children(expression: &mut Expression, visit: &mut impl FnMut(&mut Expression)) {
    match &mut expression.expr {
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| visit(target));
            call.args.iter_mut().for_each(visit);
        }
        Expr::Comprehension(comprehension) => {
            visit(&mut comprehension.iter_range);
            visit(&mut comprehension.accu_init);
            visit(&mut comprehension.loop_cond);
            visit(&mut comprehension.loop_step);
            visit(&mut comprehension.result);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(visit),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    visit(&mut entry.key);
                    visit(&mut entry.value);
                }
            }
        }
        Expr::Select(select) => visit(&mut select.operand),
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn for_each_child<'e>(expression: &'e Expression, mut visit: impl FnMut(&'e Expression)) {
    match &expression.expr {
        Expr::Call(call) => {
            call.target.iter().for_each(|target| visit(target));
            call.args.iter().for_each(visit);
        }
        Expr::Comprehension(c) => {
            [&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result].into_iter().for_each(&mut visit);
        }
        Expr::List(list) => list.elements.iter().for_each(visit),
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    visit(&entry.key);
                    visit(&entry.value);
                }
            }
        }
        Expr::Select(select) => visit(&select.operand),
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

/// Refuses an expression whose tree is too deep to be evaluated by recursion.
pub(super) fn bound_depth(expression: &Expression) -> Result<(), ConditionError> {
    let mut waiting = vec![(expression, 0)];
    while let Some((expression, depth)) = waiting.pop() {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        for_each_child(expression, |child| waiting.push((child, depth + 1)));
    }
    Ok(())
}

/// What a whole expression asks for and binds. Its depth has been bounded, so recursion is safe.
#[derive(Default)]
pub(super) struct Names {
    /// Paths of variables and their members.
    pub(super) references: Vec<Vec<String>>,
    /// Names that nothing inside binds: variables, and types that may be variables too.
    pub(super) free: BTreeSet<String>,
    /// Variables bound by macros and never used.
    pub(super) unused: Vec<String>,
    /// Variables bound around the place that is looked at, and whether they are used.
    bound: Vec<(String, bool)>,
}

impl Names {
    pub(super) fn of(expression: &Expression) -> Result<Self, ConditionError> {
        let mut names = Names::default();
        names.walk(expression)?;
        names.references.sort();
        names.references.dedup();
        Ok(names)
    }

    fn walk(&mut self, expression: &Expression) -> Result<(), ConditionError> {
        match &expression.expr {
            Expr::Struct(message) => {
                return Err(ConditionError::new(format!("there is no type {:?}", message.type_name)));
            }
            Expr::Unspecified => return Err(ConditionError::new("the expression is incomplete")),
            Expr::Ident(_) | Expr::Select(_) => {
                if let Some(path) = path(expression) {
                    self.refer(path);
                    return Ok(());
                }
            }
            Expr::Call(call) => {
                if let Some(path) = path(expression) {
                    self.refer(path);
                    return Ok(());
                }
                if !is_operator(&call.func_name) && !FUNCTIONS.contains(&call.func_name.as_str()) {
                    return Err(ConditionError::new(format!("there is no function {:?}", call.func_name)));
                }
            }
            Expr::Comprehension(comprehension) => {
                self.walk(&comprehension.iter_range)?;
                self.walk(&comprehension.accu_init)?;
                self.bound.push((comprehension.accu_var.clone(), true));
                self.bound.push((comprehension.iter_var.clone(), false));
                self.walk(&comprehension.loop_cond)?;
                self.walk(&comprehension.loop_step)?;
                self.walk(&comprehension.result)?;
                if let Some((name, false)) = self.bound.pop() {
                    self.unused.push(name);
                }
                self.bound.pop();
                return Ok(());
            }
            Expr::List(_) | Expr::Map(_) | Expr::Literal(_) => {}
        }
        let mut walked = Ok(());
        for_each_child(expression, |child| {
            if walked.is_ok() {
                walked = self.walk(child);
            }
        });
        walked
    }

    fn refer(&mut self, path: Vec<String>) {
        let Some(root) = path.first() else { return };
        if let Some((_, used)) = self.bound.iter_mut().rev().find(|(name, _)| name == root) {
            *used = true;
            return;
        }
        self.free.insert(root.clone());
        if !(path.len() == 1 && TYPES.contains(&root.as_str())) {
            self.references.push(path);
        }
    }
}

/// Operators are calls too, of names that no text can spell.
fn is_operator(name: &str) -> bool {
    name.chars().any(|c| !(c.is_ascii_alphanumeric() || c == '_'))
}

/// `a.b["c"]` as its names; what `has(a.b)` asks for is only `a`.
fn path(expression: &Expression) -> Option<Vec<String>> {
    match &expression.expr {
        Expr::Ident(name) => Some(vec![name.clone()]),
        Expr::Select(select) => {
            let mut names = path(&select.operand)?;
            if !select.test {
                names.push(select.field.clone());
            }
            Some(names)
        }
        Expr::Call(call) if call.func_name == operators::INDEX => {
            let [operand, index] = call.args.as_slice() else { return None };
            let Expr::Literal(LiteralValue::String(key)) = &index.expr else { return None };
            let mut names = path(operand)?;
            names.push(key.inner().to_owned());
            Some(names)
        }
        _ => None,
    }
}
