//! Telegram as a mouth (<https://core.telegram.org/bots/api>): long polling, a list of who may speak, buttons for what would
//! change something.
//!
//! * [`update`]: who speaks, whether he may, and what he says. Pure.
//! * [`talk`]: what is done about it, inside the transaction in which it is noted as dealt with.
//! * [`api`]: the requests.

pub mod api;
pub mod talk;
pub mod update;

pub use api::{Api, Trouble};
