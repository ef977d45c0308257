//! The variables of a session: what `parlant.variables_of` gives, without a query.

use crate::context::CUSTOMER_ID;
use crate::find::{Key, Unfound};
use crate::journey::VARIABLE_ROW;
use crate::json::Jsonb;
use parlant_core::jsonb::{self, Document, Node};
use pgrx::Uuid;
use pgrx::prelude::*;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

/// Values by their names.
pub(super) type Values<'a> = BTreeMap<Cow<'a, str>, Node<'a>>;

pub(super) struct Variables {
    /// Of each key the nearest.
    rows: HashMap<String, Variable>,
    /// Those of the session's row.
    own: Option<Vec<u8>>,
}

struct Variable {
    value: Vec<u8>,
    is_private: bool,
    is_of_session: bool,
}

impl Variables {
    pub(super) fn of(
        workspace_id: &str,
        agent_id: Uuid,
        session_id: Uuid,
        customer_id: Option<&str>,
        own: Option<Vec<u8>>,
    ) -> Result<Variables, Unfound> {
        let finder = VARIABLE_ROW.finder()?;
        let (workspace, agent, none) = (Key::Text(workspace_id), Key::Uuid(agent_id), Key::Null);
        let mut rows = HashMap::new();
        let mut add = |keys: [Key<'_>; 4], is_of_session| {
            let mut found = finder.rows(&keys, pg_sys::ScanDirection::ForwardScanDirection);
            while found.advance() {
                let (Some(key), Some(value)) = (found.get(4), found.get::<Jsonb>(5)) else { continue };
                let is_private = found.get(6).unwrap_or(true);
                rows.entry(key).or_insert_with(|| Variable {
                    value: value.source().to_vec(),
                    is_private,
                    is_of_session,
                });
            }
        };
        // The nearest first.
        add([workspace, agent, Key::Uuid(session_id), none], true);
        if let Some(customer_id) = customer_id {
            add([workspace, agent, none, Key::Text(customer_id)], false);
        }
        add([workspace, agent, none, none], false);
        add([workspace, none, none, none], false);
        Ok(Variables { rows, own })
    }

    /// Those that the transaction knows.
    pub(super) fn known(&self) -> Values<'_> {
        let knows_private = !CUSTOMER_ID.is_set();
        self.values(|variable| knows_private || !variable.is_private)
    }

    /// Those that may be told to the customer.
    pub(super) fn told(&self) -> Values<'_> {
        self.values(|variable| !variable.is_private)
    }

    fn values(&self, shows: impl Fn(&Variable) -> bool) -> Values<'_> {
        let rows = |of_session| {
            let shown = self.rows.iter().filter(move |(_, row)| row.is_of_session == of_session);
            shown.filter(|(_, row)| shows(row)).map(|(key, row)| (key.as_str().into(), jsonb::Jsonb(&row.value).root()))
        };
        let own = self.own.as_deref().and_then(|own| jsonb::Jsonb(own).root().members());
        rows(false).chain(own.into_iter().flatten()).chain(rows(true)).collect()
    }
}
