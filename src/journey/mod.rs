//! Journeys: documents, conditions and walking.

#![allow(clippy::type_complexity, reason = "pgrx reads the columns of a result from the signature")]

pub(crate) mod condition;
mod document;
mod rows;
mod stored;
mod variables;
mod walk;
