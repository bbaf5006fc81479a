//! PURE parsing and editing of foreign formats: OpenSoul stores, JSON5 config, `.env`, JWT payloads. No I/O, no clock.

pub mod auth_store;
pub mod bearer;
pub mod config_document;
pub mod config_schema;
pub mod dates;
pub mod dotenv;
pub mod eligibility;
pub mod gateway_config;
pub mod gateway_view;
pub mod ini;
pub mod installation;
pub mod javascript;
pub mod json;
pub mod json5;
pub mod jwt;
pub mod model_ref;
pub mod netrc;
pub mod plist;
pub mod provider_env;
pub mod provider_id;
pub mod provider_row;
pub mod sessions;
pub mod shell;
pub mod shell_startup;
pub mod systemd_unit;
pub mod yaml;
