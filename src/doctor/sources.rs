//! What sources find while they read. Listed so that `--only`, `--skip` and the documentation know the ids.

use super::{By, Check};

pub(super) const CHECKS: &[Check] = &[
    Check { id: "config.invalid", about: "the gateway's config", by: By::Source },
    Check { id: "config.legacy-key", about: "keys of earlier versions in the gateway's config", by: By::Source },
    Check { id: "store.unreadable", about: "stores and login files that cannot be read", by: By::Source },
    Check { id: "store.unparsable", about: "stores and login files that are not what they should be", by: By::Source },
    Check { id: "store.damaged-profile", about: "single damaged entries of stores and login files", by: By::Source },
    Check { id: "config.unreadable", about: "whether the gateway's config can be read", by: By::Source },
    Check {
        id: "store.damaged-side-file",
        about: "files beside a store (order, cooldowns, old logins)",
        by: By::Source,
    },
    Check {
        id: "store.legacy-json",
        about: "files of the JSON era beside a SQLite store, which stop that gateway",
        by: By::Source,
    },
    Check { id: "store.stale", about: "databases that were not closed", by: By::Source },
    Check { id: "dotenv.passed-over", about: "lines of .env files that set nothing", by: By::Source },
    Check { id: "env.login-shell", about: "the login shell that the gateway asks for keys", by: By::Source },
    Check {
        id: "credential.subscription-only",
        about: "tokens of a Claude subscription where an API key belongs",
        by: By::Source,
    },
    // By whoever looks, who knows what was declared.
    Check { id: "own.declared-unknown", about: "declarations about credentials that are not there", by: By::Source },
    // By the command itself, which reads our own files before anything else.
    Check { id: "own.config-invalid", about: "monitor.toml", by: By::Source },
    Check { id: "own.state-unreadable", about: "what the monitor has stored", by: By::Source },
    // By the monitor, about itself.
    Check { id: "export.alertmanager-failing", about: "Alertmanagers that take nothing", by: By::Source },
    Check { id: "export.metrics-failing", about: "whether pushed metrics are taken", by: By::Source },
    Check { id: "chat.failing", about: "whether the bot of [chat] hears anybody", by: By::Source },
    Check { id: "heartbeat.failing", about: "heartbeats that no ping reaches", by: By::Source },
    Check { id: "network.unreachable", about: "whether any provider could be reached", by: By::Source },
    Check { id: "machine.unreached", about: "whether a machine of --host answers", by: By::Source },
    Check { id: "provider.trouble", about: "whether a provider has trouble of its own", by: By::Source },
    Check { id: "state.disk", about: "whether the monitor can write its state", by: By::Source },
    Check { id: "state.damaged", about: "whether the monitor's state was sound", by: By::Source },
    Check { id: "state.migrated", about: "whether the monitor's state was brought up to date", by: By::Source },
];
