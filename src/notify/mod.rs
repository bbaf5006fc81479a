//! Receivers (one file per channel), rendering of messages (pure), and the courier from outbox to receivers.
