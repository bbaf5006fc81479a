//! PURE view models (the JSON contract) and their renderers: text, json, plain, nagios.

pub mod alerts;
pub mod chinese;
pub mod collate;
pub mod credentials;
pub mod doctor;
pub mod explain;
pub mod models_status;
pub mod remaining;
pub mod status;
pub mod wording;
