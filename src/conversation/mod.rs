//! Conversations: the triggers that keep the log of a session in order, and the session with it.
//!
//! `parlant_event` has four. At the start of an INSERT statement [`open`] opens its account in the [`ledger`]; for each
//! row [`number`] checks it and gives it the next offset of its session; at the end [`count`] brings the sessions' rows
//! up to date and tells who listens; and [`refuse_event_change`] keeps events as they are. `parlant_session` has
//! [`session`]'s, which keeps a client's hands off what the log says.

mod append;
mod append_event;
mod count;
mod counter;
mod erase;
mod ledger;
mod number;
mod open;
mod refuse;
mod session;
mod session_row;
mod settings;
mod totals;

pub(crate) use append::walk_directly;
pub(crate) use counter::Place;
pub(crate) use ledger::register_callbacks;
pub(crate) use session_row::recount;
pub(crate) use settings::define_settings;
