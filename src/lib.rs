//! `opensoul`: knows whether every AI-provider credential on a machine works, and tells people before one stops.
//!
//! # The map
//!
//! Data flows one way:
//!
//! ```text
//! sources ──┐
//!           ├─ collect ─> assess (pure) ─> Snapshot ─┬─> render    (text, json, nagios, page)
//! probes ───┘                                 ^      ├─> export    (metrics, Alertmanager, heartbeat)
//!                               doctor: findings     └─> decide    (pure: incidents ─> notifications)
//!                                                           └─ ONE SQLite transaction: history + incidents + outbox
//!                                                                        └─> courier ─> receivers
//! ```
//!
//! Rooms, from the bottom up; a room may only use those above it in this list, and the rooms from [`sources`] to [`remote`]
//! do not use each other (`tests/it/house.rs` enforces both):
//!
//! | room | what is decided there |
//! |---|---|
//! | [`domain`] | plain nouns; no I/O, no clock |
//! | [`clock`] | the only door to the machine's clocks |
//! | [`cores`] | work shared out to the cores, with the result that it has without |
//! | [`engine`] | pure decisions: judgement, order, tiers, incidents, due-ness, retries |
//! | [`formats`] | pure parsing of foreign formats, and what they mean to their owners |
//! | [`output`] | pure view models and their renderers |
//! | [`files`] | reading other people's files: bounded, never blocking |
//! | [`config`] | `monitor.toml`: raw → validated, all problems at once |
//! | [`net`] | the one place that builds TLS and HTTP clients; redaction |
//! | [`store`] | our own SQLite file |
//! | [`sources`] | one file per owner of credentials |
//! | [`providers`] | the provider catalog, probes, classification of answers |
//! | [`gateway`] | looks: is it there, is it well, what can it see |
//! | [`doctor`] | checks of what was seen and judged; each names its remedy |
//! | [`control`] | the commands that write into a gateway's files: locks, atomic replace, edits |
//! | [`notify`] | receivers, rendering of messages, the courier |
//! | [`export`] | state pushed or scraped: metrics (text, remote-write, OTLP, Pushgateway), Alertmanager, heartbeats |
//! | [`chat`] | what people ask and order in chats, as functions of text |
//! | [`remote`] | asking another machine over `ssh` |
//! | [`web`] | HTTP: page, API, metrics |
//! | [`monitor`] | observe, cycle, ticker, daemon |
//! | [`cli`] | arguments, one file per command, exit codes |

pub mod chat;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod cores;
pub mod doctor;
pub mod domain;
pub mod engine;
pub mod export;
pub mod files;
pub mod formats;
pub mod gateway;
pub mod monitor;
pub mod net;
pub mod notify;
pub mod output;
pub mod providers;
pub mod remote;
pub mod sources;
pub mod store;
pub mod web;
