//! PURE view models (the JSON contract) and their renderers: text, json, plain, nagios.

pub mod doctor;
