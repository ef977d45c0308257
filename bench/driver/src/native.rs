//! Libraries called by a Rust program that keeps what it compiled. Each call begins with a JSON text, as a program that
//! talks to a database has it.

use crate::database::Connection;
use crate::{Result, Task};
use cel::{Context, Program};
use jsonschema::Validator;
use minijinja::Environment;
use serde_json::Value;
use std::hint::black_box;

/// A form compiled before, and the texts to call it with.
pub(crate) struct Native<F> {
    texts: Vec<String>,
    call: F,
}

impl<F: FnMut(&str) -> Result<()> + Send> Task for Native<F> {
    fn perform(&mut self) -> Result<u64> {
        for text in &self.texts {
            (self.call)(text)?;
        }
        Ok(0)
    }
}

/// The texts of the only column of a query.
fn texts(sql: &str) -> Result<Vec<String>> {
    let connection = Connection::open()?;
    let rows = connection.query(&connection.prepare(sql)?, &[])?;
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>()?)
}

/// The one text of a setting of the comparison, and the documents to use it with.
fn form_and_texts() -> Result<(String, Vec<String>)> {
    let form = texts("SELECT form FROM form")?.pop().ok_or("there is no form")?;
    Ok((form, texts("SELECT document::text FROM document ORDER BY n")?))
}

/// Parses the document of so many blocks.
pub(crate) fn parse(blocks: &str) -> Result<impl Task> {
    let blocks: u32 = blocks.parse()?;
    let texts = texts(&format!("SELECT document::text FROM workflow WHERE blocks = {blocks}"))?;
    let call = |text: &str| {
        black_box(serde_json::from_str::<Value>(text)?);
        Ok(())
    };
    Ok(Native { texts, call })
}

pub(crate) fn minijinja() -> Result<impl Task> {
    let (form, texts) = form_and_texts()?;
    let mut environment = Environment::empty();
    environment.add_filter("title", minijinja::filters::title);
    environment.add_template_owned("form", form)?;
    let call = move |text: &str| {
        let variables = template_value(&serde_json::from_str(text)?);
        black_box(environment.get_template("form")?.render(variables)?);
        Ok(())
    };
    Ok(Native { texts, call })
}

fn template_value(json: &Value) -> minijinja::Value {
    match json {
        Value::Null => ().into(),
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(elements) => elements.iter().map(template_value).collect(),
        Value::Object(members) => members.iter().map(|(key, member)| (key.as_str(), template_value(member))).collect(),
    }
}

pub(crate) fn cel() -> Result<impl Task> {
    let (form, texts) = form_and_texts()?;
    let program = Program::compile(&form).map_err(|error| error.to_string())?;
    let root = Context::default();
    let call = move |text: &str| {
        let mut context = root.new_inner_scope();
        if let Value::Object(members) = serde_json::from_str(text)? {
            for (name, value) in &members {
                context.add_variable_from_value(name, condition_value(value));
            }
        }
        black_box(program.execute(&context).map_err(|error| error.to_string())?);
        Ok(())
    };
    Ok(Native { texts, call })
}

fn condition_value(json: &Value) -> cel::Value {
    match json {
        Value::Null => cel::Value::Null,
        Value::Bool(truth) => (*truth).into(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(elements) => elements.iter().map(condition_value).collect::<Vec<_>>().into(),
        Value::Object(members) => {
            let members = members.iter().map(|(key, member)| (key.clone(), condition_value(member)));
            members.collect::<std::collections::HashMap<_, _>>().into()
        }
    }
}

pub(crate) fn json_schema() -> Result<impl Task> {
    let (form, texts) = form_and_texts()?;
    let validator: Validator =
        jsonschema::validator_for(&serde_json::from_str(&form)?).map_err(|error| error.to_string())?;
    let call = move |text: &str| {
        let document: Value = serde_json::from_str(text)?;
        black_box(validator.iter_errors(&document).count());
        Ok(())
    };
    Ok(Native { texts, call })
}
