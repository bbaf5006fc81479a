//! The one place that builds TLS and HTTP clients; redaction of URLs and bodies.
