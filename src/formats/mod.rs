//! PURE parsing of foreign formats: OpenSoul stores, JSON5 config, `.env`, JWT payloads. No I/O, no clock.

pub mod auth_store;
pub mod dates;
pub mod dotenv;
pub mod gateway_config;
pub mod gateway_view;
pub mod installation;
pub mod javascript;
pub mod jwt;
pub mod provider_env;
pub mod systemd_unit;
