//! Checks: one file per area; a check is a function from what was seen to findings, and never writes.
