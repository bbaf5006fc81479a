//! What sources find while they read. Listed so that `--only`, `--skip` and the documentation know the ids.

use super::{By, Check};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "config.invalid", about: "the gateway's config", by: By::Source },
    Check { id: "store.unreadable", about: "stores and login files that cannot be read", by: By::Source },
    Check { id: "store.unparsable", about: "stores and login files that are not what they should be", by: By::Source },
    Check { id: "store.damaged-profile", about: "single damaged entries of stores and login files", by: By::Source },
    // By the command itself, which reads our own files before anything else.
    Check { id: "own.config-invalid", about: "monitor.toml", by: By::Source },
    Check { id: "own.state-unreadable", about: "what the monitor has stored", by: By::Source },
];
