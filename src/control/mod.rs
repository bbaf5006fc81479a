//! The commands that WRITE into a gateway's files: auth profiles, their order, the config's `auth`, and what `doctor --fix` and
//! `onboard` change. Everything else in the house only reads.
//!
//! Only on a person's command, under the lock of the file's owner, by atomic replace; of credentials only those
//! of the OpenSoul family. What is there and not ours to know stays: unknown fields, comments, other people's entries. No network, no prompts.

pub mod auth;
pub mod config;
pub mod error;
pub mod lock;
pub mod onboard;
pub mod repair;
pub mod replace;
pub mod session_pins;

pub use auth::{AuthError, Writer, Written};
pub use error::WriteError;
pub use lock::{Keeper, Lock, Protocol};
pub use replace::{Updated, update};
