//! Chats: what people ask and order in a line of text, and what they are answered, as functions of text. A terminal and
//! Telegram are its two mouths.
//!
//! * [`command`]: what a line means. [`answer`]: what is said. [`bounds`]: as much as a message holds.
//! * [`conversation`]: one line of somebody who may: what is done about it, and in which words. It acts only through the
//!   [`Turn`](crate::store::Turn) it is given, so that what is done and how far we have listened are one commit.
//! * [`model`]: which model and which credential a session of the gateway uses.
//! * [`telegram`]: who speaks there and whether he may, and Telegram's side of the conversation.
//!
//! Nothing here asks a provider or looks at this machine: what is shown is what the monitor last published.

pub mod answer;
pub mod bounds;
pub mod command;
pub mod conversation;
pub mod model;
pub mod telegram;
