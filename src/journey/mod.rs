//! Journeys: documents, conditions and walking.

#![allow(clippy::type_complexity, reason = "pgrx reads the columns of a result from the signature")]

pub(crate) mod condition;
mod document;
mod position;
mod rows;
mod source;
mod stored;
mod variables;
mod walk;

pub(crate) use position::Position;
pub(crate) use source::VARIABLE_ROW;
pub(crate) use variables::About;
