//! Workflows of Sim as journeys, and journeys as workflows.
//!
//! One reader for every form in which a workflow is found ([`read`]), the rules by which Sim's executor runs it
//! ([`nesting`], [`branch`], [`repeat`]), and the states and transitions that follow from them ([`convert`]). The same
//! document always gives the same journey. `docs/workflows.md` has the whole mapping.

mod back;
mod block_type;
mod branch;
mod content;
mod convert;
mod expression;
mod fault;
mod host;
mod lists;
mod marker;
mod nesting;
mod read;
mod reference;
mod repeat;
mod secret;
mod token;
mod warning;

pub use back::to_workflow;
pub use branch::MAX_ROWS;
pub use convert::Conversion;
pub use fault::Fault;
pub use host::from_host_rows;
pub use read::{MAX_BLOCKS, MAX_BYTES, MAX_EDGES};
pub use reference::{MAX_PARAMETER_BYTES, MAX_SUBSTITUTED_BYTES};
pub use warning::{Code, Warning};

use crate::jsonb::{Document, Tree};
use serde_json::{Map, Value};

/// Priorities of the transitions of a converted journey.
mod priority {
    /// A failure is looked at before anything else.
    pub(super) const FAILURE: i32 = 900;
    /// A way beside the first that Sim takes at the same time.
    pub(super) const FURTHER: i32 = 150;
    /// What always holds.
    pub(super) const DEFAULT: i32 = 100;

    /// The rows of a condition in their order; the odd number below is for further targets of the same row.
    pub(super) fn row(index: usize) -> i32 {
        let index = i32::try_from(index.min(super::MAX_ROWS)).unwrap_or_default();
        800 - 2 * index
    }
}

/// Makes a journey from a workflow in any form. `parameters` is an object of values for references, `tools` one of the
/// names of tools by the id of the custom tool or the MCP server that they were made of.
pub fn to_journey(
    workflow: &(impl Document + ?Sized),
    parameters: &(impl Document + ?Sized),
    tools: &(impl Document + ?Sized),
) -> Result<Conversion, Fault> {
    let parameters = object("parameters", parameters)?;
    let tools = object("tools", tools)?;
    convert::convert(&read::read(workflow, &mut Value::Null)?, &parameters, &tools)
}

fn object(name: &str, document: &(impl Document + ?Sized)) -> Result<Map<String, Value>, Fault> {
    match document.value() {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(Fault::new(name, format!("must be an object, not {}", read::kind_of(&other)))),
        Err(error) => Err(Fault::new(name, format!("no JSON that can be read: {error}"))),
    }
}

impl Conversion {
    /// `{definition, mapping, warnings, workflow_id, parameters}`.
    #[must_use]
    pub fn document(&self) -> Tree<'_> {
        let mapping = self.mapping.iter().map(|(block, state)| (block.as_str(), Tree::Text(state)));
        let parameters = self.parameters.iter().map(|(name, value)| (name.as_str(), Tree::Value(value)));
        Tree::Object(vec![
            ("definition", self.journey.document()),
            ("mapping", Tree::Object(mapping.collect())),
            ("warnings", Tree::array(&self.warnings, Warning::document)),
            ("workflow_id", Tree::optional_text(self.workflow_id.as_deref())),
            ("parameters", Tree::Object(parameters.collect())),
        ])
    }
}

#[cfg(test)]
mod tests;
