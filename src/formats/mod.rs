//! PURE parsing of foreign formats: OpenSoul stores, JSON5 config, .env, JWT payloads.
