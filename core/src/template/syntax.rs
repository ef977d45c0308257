//! From a template's text to its instructions, by way of a tree that is checked and rebuilt.
//!
//! Rebuilt, because the account of `filters` must see all that makes text: operators become filters, and so does
//! output. Every value that the template cannot do without passes the filter that notes what is missing.

use super::filters::{self, FILTERS, FUNCTIONS, TESTS, UNDEFINED};
use super::{Fault, MAX_TEMPLATE_BYTES, Place, reason};
use minijinja::machinery::ast::{self, BinOpKind, CallArg, Expr, Spanned, Stmt, UnaryOpKind};
use minijinja::machinery::{CodeGenerator, Instructions, Span, Token, WhitespaceConfig, parse as parse_tree, tokenize};
use minijinja::{Error, Value};

/// Most tokens between two braces: expressions such as `1+1+1` nest as deep as they are long.
pub(super) const MAX_TOKENS_IN_A_TAG: usize = 300;

/// Most tags `{% … %}`, for the same reason: `elif` nests.
const MAX_STATEMENTS: usize = 300;

/// Most pairs of brackets around each other.
const MAX_BRACKETS: usize = 40;

/// Text is kept as it stands.
const WHITESPACE: WhitespaceConfig =
    WhitespaceConfig { keep_trailing_newline: true, lstrip_blocks: false, trim_blocks: false };

pub(super) struct Compiled<'source> {
    pub(super) instructions: Instructions<'source>,
    /// Paths of the variables, in the order of their first use.
    pub(super) variables: Vec<String>,
    /// The variables that it puts in, if it is a text with nothing else in it.
    pub(super) filled_in: Option<Vec<&'source str>>,
}

pub(super) fn parse(source: &str) -> Result<Compiled<'_>, Fault> {
    if source.len() > MAX_TEMPLATE_BYTES {
        let length = source.len();
        return Err(Fault::TooLarge(format!(
            "the template has {length} bytes, more than the {MAX_TEMPLATE_BYTES} allowed"
        )));
    }
    check_size(source)?;
    let tree = parse_tree(source, "template", Default::default(), WHITESPACE).map_err(|e| broken(source, &e))?;
    let filled_in = filled_in(&tree);
    let mut checker = Checker { source, variables: Vec::new(), scopes: vec![Vec::new()] };
    let tree = checker.statement(&tree)?;
    let mut generator = CodeGenerator::new("template", source);
    generator.compile_stmt(&tree);
    Ok(Compiled { instructions: generator.finish().0, variables: checker.variables, filled_in })
}

fn filled_in<'source>(tree: &Stmt<'source>) -> Option<Vec<&'source str>> {
    let Stmt::Template(template) = tree else { return None };
    let name = |statement: &Stmt<'source>| match statement {
        Stmt::EmitRaw(_) => Some(None),
        Stmt::EmitExpr(output) => match &output.expr {
            // What is no variable can be a function.
            Expr::Var(name) if !FUNCTIONS.contains(&name.id) => Some(Some(name.id)),
            _ => None,
        },
        _ => None,
    };
    let names: Option<Vec<_>> = template.children.iter().map(name).collect();
    Some(names?.into_iter().flatten().collect())
}

fn broken(source: &str, error: &Error) -> Fault {
    Fault::Broken { place: Place::at(source, error.range().map_or(0, |range| range.start)), reason: reason(error) }
}

fn broken_at(source: &str, span: Span, reason: &str) -> Fault {
    Fault::Broken { place: Place::at(source, span.start_offset as usize), reason: reason.to_owned() }
}

/// Bounds what the parser and the compiler recurse on, before they do.
fn check_size(source: &str) -> Result<(), Fault> {
    let (mut tokens, mut statements, mut brackets) = (0, 0, 0_usize);
    for token in tokenize(source, false, Default::default(), WHITESPACE) {
        // A text that is cut off is the parser's to explain.
        let Ok((token, span)) = token else { return Ok(()) };
        match token {
            Token::VariableStart => (tokens, brackets) = (0, 0),
            Token::BlockStart => {
                (tokens, brackets) = (0, 0);
                statements += 1;
            }
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => brackets += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        tokens += 1;
        if tokens > MAX_TOKENS_IN_A_TAG {
            return Err(broken_at(source, span, &format!("a tag has more than {MAX_TOKENS_IN_A_TAG} tokens")));
        }
        if statements > MAX_STATEMENTS {
            return Err(broken_at(source, span, &format!("the template has more than {MAX_STATEMENTS} statements")));
        }
        if brackets > MAX_BRACKETS {
            return Err(broken_at(source, span, &format!("more than {MAX_BRACKETS} brackets are nested")));
        }
    }
    Ok(())
}

struct Checker<'source> {
    source: &'source str,
    variables: Vec<String>,
    /// Names that the template itself has set, innermost block last.
    scopes: Vec<Vec<&'source str>>,
}

impl<'source> Checker<'source> {
    fn refuse<T>(&self, span: Span, reason: &str) -> Result<T, Fault> {
        Err(broken_at(self.source, span, reason))
    }

    fn statements(&mut self, statements: &[Stmt<'source>]) -> Result<Vec<Stmt<'source>>, Fault> {
        statements.iter().map(|statement| self.statement(statement)).collect()
    }

    fn statement(&mut self, statement: &Stmt<'source>) -> Result<Stmt<'source>, Fault> {
        Ok(match statement {
            Stmt::Template(template) => {
                let children = self.statements(&template.children)?;
                Stmt::Template(Spanned::new(ast::Template { children }, template.span()))
            }
            Stmt::EmitRaw(raw) => {
                let text = Expr::Const(Spanned::new(ast::Const { value: Value::from(raw.raw) }, raw.span()));
                emit(text, raw.span())
            }
            Stmt::EmitExpr(output) => {
                let expr = self.needed_for(filters::NEED_TEXT, &output.expr)?;
                emit(expr, output.span())
            }
            Stmt::ForLoop(for_loop) => self.for_loop(for_loop)?,
            Stmt::IfCond(condition) => {
                let expr = self.needed(&condition.expr)?;
                let true_body = self.block(&[], &condition.true_body)?;
                let false_body = self.block(&[], &condition.false_body)?;
                Stmt::IfCond(Spanned::new(ast::IfCond { expr, true_body, false_body }, condition.span()))
            }
            Stmt::WithBlock(block) => {
                self.scopes.push(Vec::new());
                let mut assignments = Vec::with_capacity(block.assignments.len());
                for (target, expr) in &block.assignments {
                    let expr = self.needed(expr)?;
                    assignments.push((self.target(target)?, expr));
                }
                let body = self.statements(&block.body)?;
                self.scopes.pop();
                Stmt::WithBlock(Spanned::new(ast::WithBlock { assignments, body }, block.span()))
            }
            Stmt::Set(set) => {
                let expr = self.needed(&set.expr)?;
                let target = self.target(&set.target)?;
                Stmt::Set(Spanned::new(ast::Set { target, expr }, set.span()))
            }
            Stmt::SetBlock(block) => {
                return self.refuse(block.span(), "set blocks are not available; write {% set name = value %}");
            }
            Stmt::FilterBlock(block) => {
                return self.refuse(block.span(), "filter blocks are not available; filter the values");
            }
            Stmt::AutoEscape(block) => {
                return self.refuse(block.span(), "autoescape is not available: templates make plain text");
            }
            Stmt::Do(statement) => return self.refuse(statement.span(), "do is not available"),
        })
    }

    fn block(&mut self, names: &[&'source str], body: &[Stmt<'source>]) -> Result<Vec<Stmt<'source>>, Fault> {
        self.scopes.push(names.to_vec());
        let body = self.statements(body);
        self.scopes.pop();
        body
    }

    fn for_loop(&mut self, for_loop: &Spanned<ast::ForLoop<'source>>) -> Result<Stmt<'source>, Fault> {
        if for_loop.recursive {
            return self.refuse(for_loop.span(), "recursive loops are not available");
        }
        let iter = self.needed(&for_loop.iter)?;
        self.scopes.push(vec!["loop"]);
        let target = self.target(&for_loop.target)?;
        let filter_expr = for_loop.filter_expr.as_ref().map(|filter| self.needed(filter)).transpose()?;
        let body = self.statements(&for_loop.body)?;
        self.scopes.pop();
        let else_body = self.block(&[], &for_loop.else_body)?;
        let rebuilt = ast::ForLoop { target, iter, filter_expr, recursive: false, body, else_body };
        Ok(Stmt::ForLoop(Spanned::new(rebuilt, for_loop.span())))
    }

    /// What a statement assigns to: names, which are known from here to the end of the block.
    fn target(&mut self, target: &Expr<'source>) -> Result<Expr<'source>, Fault> {
        match target {
            Expr::Var(name) => {
                if let Some(scope) = self.scopes.last_mut() {
                    scope.push(name.id);
                }
                Ok(Expr::Var(Spanned::new(ast::Var { id: name.id }, name.span())))
            }
            Expr::List(list) => {
                let items = list.items.iter().map(|item| self.target(item)).collect::<Result<_, _>>()?;
                Ok(Expr::List(Spanned::new(ast::List { items }, list.span())))
            }
            _ => self.refuse(target.span(), "only names can be assigned to"),
        }
    }

    /// An expression without whose value the template cannot do.
    fn needed(&mut self, expr: &Expr<'source>) -> Result<Expr<'source>, Fault> {
        self.needed_for(filters::NEED, expr)
    }

    fn needed_for(&mut self, need: &'static str, expr: &Expr<'source>) -> Result<Expr<'source>, Fault> {
        let checked = self.expression(expr)?;
        let may_be_missing = match expr {
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) => true,
            Expr::Filter(filter) => matches!(filter.name, "first" | "last"),
            _ => false,
        };
        if !may_be_missing {
            return Ok(checked);
        }
        let name = Expr::Const(Spanned::new(ast::Const { value: Value::from(path(expr)) }, expr.span()));
        Ok(filter(need, checked, Some(name), expr.span()))
    }

    /// An expression, its variables listed, its parts needed but not it itself.
    fn expression(&mut self, expr: &Expr<'source>) -> Result<Expr<'source>, Fault> {
        let span = expr.span();
        Ok(match expr {
            Expr::Const(constant) => Expr::Const(Spanned::new(ast::Const { value: constant.value.clone() }, span)),
            Expr::Var(name) => {
                self.list(expr);
                Expr::Var(Spanned::new(ast::Var { id: name.id }, span))
            }
            Expr::GetAttr(_) | Expr::GetItem(_) => self.member(expr)?,
            Expr::UnaryOp(operation) => match operation.op {
                UnaryOpKind::Not => {
                    let expr = self.needed(&operation.expr)?;
                    Expr::UnaryOp(Spanned::new(ast::UnaryOp { op: UnaryOpKind::Not, expr }, span))
                }
                UnaryOpKind::Neg => filter(filters::NEGATE, self.needed(&operation.expr)?, None, span),
            },
            Expr::BinOp(operation) => self.operation(operation)?,
            Expr::Compare(_) => return self.refuse(span, "comparisons cannot be chained; join them with and"),
            Expr::IfExpr(choice) => {
                let test_expr = self.needed(&choice.test_expr)?;
                let true_expr = self.needed(&choice.true_expr)?;
                let false_expr = choice.false_expr.as_ref().map(|expr| self.needed(expr)).transpose()?;
                Expr::IfExpr(Spanned::new(ast::IfExpr { test_expr, true_expr, false_expr }, span))
            }
            Expr::Filter(call) => self.filter(call)?,
            Expr::Test(test) => self.test(test)?,
            Expr::Call(call) => self.call(call)?,
            Expr::List(_) | Expr::Map(_) => match constant(expr) {
                Some(value) => Expr::Const(Spanned::new(ast::Const { value }, span)),
                None => return self.refuse(span, "lists and maps can only hold constants"),
            },
            Expr::Slice(_) => return self.refuse(span, "slices are not available"),
        })
    }

    /// A member of a member of … a value; of the values on the way, only the whole is needed.
    fn member(&mut self, expr: &Expr<'source>) -> Result<Expr<'source>, Fault> {
        self.list(expr);
        self.member_unlisted(expr)
    }

    fn member_unlisted(&mut self, expr: &Expr<'source>) -> Result<Expr<'source>, Fault> {
        match expr {
            Expr::Var(name) => Ok(Expr::Var(Spanned::new(ast::Var { id: name.id }, name.span()))),
            Expr::GetAttr(attribute) => {
                let expr = self.member_unlisted(&attribute.expr)?;
                let name = attribute.name;
                Ok(Expr::GetAttr(Spanned::new(ast::GetAttr { expr, name }, attribute.span())))
            }
            Expr::GetItem(item) => {
                let expr = self.member_unlisted(&item.expr)?;
                let subscript_expr = self.needed(&item.subscript_expr)?;
                Ok(Expr::GetItem(Spanned::new(ast::GetItem { expr, subscript_expr }, item.span())))
            }
            other => self.expression(other),
        }
    }

    /// Adds a path that begins with a variable to the list.
    fn list(&mut self, expr: &Expr<'source>) {
        let (Some(root), name) = known_path(expr) else { return };
        let is_set = self.scopes.iter().flatten().any(|set| *set == root);
        if !is_set && !self.variables.contains(&name) {
            self.variables.push(name);
        }
    }

    fn operation(&mut self, operation: &Spanned<ast::BinOp<'source>>) -> Result<Expr<'source>, Fault> {
        let (left, right) = (self.needed(&operation.left)?, self.needed(&operation.right)?);
        let name = match operation.op {
            BinOpKind::Add => filters::ADD,
            BinOpKind::Sub => filters::SUBTRACT,
            BinOpKind::Mul => filters::MULTIPLY,
            BinOpKind::Div => filters::DIVIDE,
            BinOpKind::FloorDiv => filters::DIVIDE_WHOLE,
            BinOpKind::Rem => filters::REMAINDER,
            BinOpKind::Concat => filters::CONCATENATE,
            BinOpKind::Pow => return self.refuse(operation.span(), "the operator ** is not available"),
            op => return Ok(Expr::BinOp(Spanned::new(ast::BinOp { op, left, right }, operation.span()))),
        };
        Ok(filter(name, left, Some(right), operation.span()))
    }

    fn filter(&mut self, call: &Spanned<ast::Filter<'source>>) -> Result<Expr<'source>, Fault> {
        if !FILTERS.contains(&call.name) {
            let reason = format!("there is no filter \"{}\"; there are {}", call.name, FILTERS.join(", "));
            return self.refuse(call.span(), &reason);
        }
        let optional = matches!(call.name, "default" | "d");
        let expr = match &call.expr {
            Some(expr) if optional => Some(self.expression(expr)?),
            Some(expr) => Some(self.needed(expr)?),
            None => None,
        };
        let args = self.arguments(&call.args, call.span())?;
        Ok(Expr::Filter(Spanned::new(ast::Filter { name: call.name, expr, args }, call.span())))
    }

    fn test(&mut self, test: &Spanned<ast::Test<'source>>) -> Result<Expr<'source>, Fault> {
        if test.name != UNDEFINED && !TESTS.contains(&test.name) {
            let reason = format!("there is no test \"{}\"; there are {}", test.name, TESTS.join(", "));
            return self.refuse(test.span(), &reason);
        }
        let optional = matches!(test.name, "defined" | UNDEFINED);
        let expr = if optional { self.expression(&test.expr)? } else { self.needed(&test.expr)? };
        let args = self.arguments(&test.args, test.span())?;
        Ok(Expr::Test(Spanned::new(ast::Test { name: test.name, expr, args }, test.span())))
    }

    fn call(&mut self, call: &Spanned<ast::Call<'source>>) -> Result<Expr<'source>, Fault> {
        match &call.expr {
            Expr::Var(name) if name.id == "range" => {
                let expr = Expr::Var(Spanned::new(ast::Var { id: name.id }, name.span()));
                let args = self.arguments(&call.args, call.span())?;
                Ok(Expr::Call(Spanned::new(ast::Call { expr, args }, call.span())))
            }
            _ => self.refuse(call.span(), "the only function is range"),
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'source>], span: Span) -> Result<Vec<CallArg<'source>>, Fault> {
        arguments
            .iter()
            .map(|argument| match argument {
                CallArg::Pos(expr) => Ok(CallArg::Pos(self.needed(expr)?)),
                CallArg::Kwarg(name, expr) => Ok(CallArg::Kwarg(name, self.needed(expr)?)),
                CallArg::PosSplat(_) | CallArg::KwargSplat(_) => self.refuse(span, "arguments are written one by one"),
            })
            .collect()
    }
}

fn filter<'a>(name: &'a str, expr: Expr<'a>, argument: Option<Expr<'a>>, span: Span) -> Expr<'a> {
    let args = argument.map(CallArg::Pos).into_iter().collect();
    Expr::Filter(Spanned::new(ast::Filter { name, expr: Some(expr), args }, span))
}

fn emit(expr: Expr<'_>, span: Span) -> Stmt<'_> {
    let expr = filter(filters::EMIT, expr, None, span);
    Stmt::EmitExpr(Spanned::new(ast::EmitExpr { expr }, span))
}

/// The value of a literal.
fn constant(expr: &Expr<'_>) -> Option<Value> {
    match expr {
        Expr::Const(constant) => Some(constant.value.clone()),
        Expr::List(list) => list.items.iter().map(constant).collect::<Option<Vec<_>>>().map(Value::from),
        Expr::Map(map) => {
            let members = map.keys.iter().zip(&map.values);
            members
                .map(|(key, value)| Some((constant(key)?, constant(value)?)))
                .collect::<Option<Vec<_>>>()
                .map(Value::from_iter)
        }
        _ => None,
    }
}

/// How an expression is called in the list of what is missing.
fn path(expr: &Expr<'_>) -> String {
    match expr {
        Expr::Var(name) => name.id.to_owned(),
        Expr::GetAttr(attribute) => format!("{}.{}", path(&attribute.expr), attribute.name),
        Expr::GetItem(item) => match &item.subscript_expr {
            Expr::Const(key) => format!("{}{}", path(&item.expr), subscript(&key.value)),
            other => format!("{}[{}]", path(&item.expr), path(other)),
        },
        Expr::Filter(filter) => match &filter.expr {
            Some(expr) => format!("{}|{}", path(expr), filter.name),
            None => filter.name.to_owned(),
        },
        _ => "(…)".to_owned(),
    }
}

/// The variable that an expression begins with, and its path as far as the template's text tells it.
fn known_path<'source>(expr: &Expr<'source>) -> (Option<&'source str>, String) {
    match expr {
        Expr::Var(name) => (Some(name.id), name.id.to_owned()),
        Expr::GetAttr(attribute) => match (known_path(&attribute.expr), attribute.name) {
            ((Some(root), path), name) if is_known(&attribute.expr) => (Some(root), format!("{path}.{name}")),
            (shorter, _) => shorter,
        },
        Expr::GetItem(item) => match (known_path(&item.expr), &item.subscript_expr) {
            ((Some(root), path), Expr::Const(key)) if is_known(&item.expr) => {
                (Some(root), format!("{path}{}", subscript(&key.value)))
            }
            (shorter, _) => shorter,
        },
        _ => (None, String::new()),
    }
}

/// Whether all subscripts of a path are constants.
fn is_known(expr: &Expr<'_>) -> bool {
    match expr {
        Expr::Var(_) => true,
        Expr::GetAttr(attribute) => is_known(&attribute.expr),
        Expr::GetItem(item) => matches!(item.subscript_expr, Expr::Const(_)) && is_known(&item.expr),
        _ => false,
    }
}

fn subscript(key: &Value) -> String {
    match key.as_str() {
        Some(name) if is_identifier(name) => format!(".{name}"),
        Some(name) => format!("[{name:?}]"),
        None => format!("[{key}]"),
    }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
