//! What the gateway refuses in its config: unknown keys, wrong types, missing fields. All problems at once, each with its
//! place.

use super::config_document::{Document, problem};
use super::json5::{Node, Value};
use crate::domain::Finding;

const ROOT: &[&str] = &[
    "meta",
    "env",
    "wizard",
    "diagnostics",
    "logging",
    "update",
    "browser",
    "ui",
    "auth",
    "models",
    "nodeHost",
    "agents",
    "tools",
    "bindings",
    "broadcast",
    "audio",
    "media",
    "messages",
    "commands",
    "approvals",
    "session",
    "cron",
    "hooks",
    "web",
    "channels",
    "discovery",
    "canvasHost",
    "talk",
    "gateway",
    "memory",
    "skills",
    "plugins",
];
const DEFAULTS: &[&str] = &[
    "model",
    "imageModel",
    "models",
    "workspace",
    "repoRoot",
    "skipBootstrap",
    "bootstrapMaxChars",
    "userTimezone",
    "timeFormat",
    "envelopeTimezone",
    "envelopeTimestamp",
    "envelopeElapsed",
    "contextTokens",
    "cliBackends",
    "memorySearch",
    "contextPruning",
    "compaction",
    "thinkingDefault",
    "verboseDefault",
    "elevatedDefault",
    "blockStreamingDefault",
    "blockStreamingBreak",
    "blockStreamingChunk",
    "blockStreamingCoalesce",
    "humanDelay",
    "timeoutSeconds",
    "mediaMaxMb",
    "typingIntervalSeconds",
    "typingMode",
    "heartbeat",
    "maxConcurrent",
    "subagents",
    "sandbox",
];
const AGENT: &[&str] = &[
    "id",
    "default",
    "name",
    "workspace",
    "agentDir",
    "model",
    "skills",
    "memorySearch",
    "humanDelay",
    "heartbeat",
    "identity",
    "groupChat",
    "subagents",
    "sandbox",
    "tools",
];
const PROVIDER: &[&str] = &["baseUrl", "apiKey", "auth", "api", "headers", "authHeader", "models"];

/// Keys of earlier versions and where their content belongs now. A gateway that finds one refuses its config until its own
/// `doctor` has moved it (the list of its version of February 2026).
const MOVED: &[(&[&str], &str)] = &[
    (&["whatsapp"], "channels.whatsapp"),
    (&["telegram"], "channels.telegram"),
    (&["discord"], "channels.discord"),
    (&["slack"], "channels.slack"),
    (&["signal"], "channels.signal"),
    (&["imessage"], "channels.imessage"),
    (&["msteams"], "channels.msteams"),
    (&["routing", "allowFrom"], "channels.whatsapp.allowFrom"),
    (&["routing", "bindings"], "bindings"),
    (&["routing", "agents"], "agents.list"),
    (&["routing", "defaultAgentId"], "agents.list[].default"),
    (&["routing", "agentToAgent"], "tools.agentToAgent"),
    (&["routing", "groupChat", "requireMention"], "channels.<channel>.groups"),
    (&["routing", "groupChat", "mentionPatterns"], "messages.groupChat.mentionPatterns"),
    (&["routing", "queue"], "messages.queue"),
    (&["routing", "transcribeAudio"], "tools.media.audio.models"),
    (&["gateway", "token"], "gateway.auth.token"),
    (&["identity"], "agents.list[].identity"),
    (&["memorySearch"], "agents.defaults.memorySearch"),
    (&["tools", "bash"], "tools.exec"),
    (&["agent"], "agents.defaults"),
];

/// Finding id of a key of an earlier version.
pub const LEGACY: &str = "config.legacy-key";

/// All that is wrong in the parts we know.
#[must_use]
pub fn check(document: &Document, strict: bool) -> Vec<Finding> {
    let mut check = Check { document, strict, problems: Vec::new() };
    let root = &document.root;
    let moved = check.moved(root);
    check.known(root, "", &[ROOT, &moved].concat());
    check.each(
        root,
        &[("env", Check::env), ("auth", Check::auth), ("models", Check::models), ("agents", Check::agents)],
    );
    check.problems
}

type Part<'a> = fn(&mut Check<'a>, &'a Node, &str);

struct Check<'a> {
    document: &'a Document,
    strict: bool,
    problems: Vec<Finding>,
}

impl<'a> Check<'a> {
    fn report(&mut self, node: &Node, path: &str, message: String, fix: impl Into<String>) {
        self.problems.push(problem(self.document.files.place(node).key(path), message, fix));
    }

    fn wrong(&mut self, node: &Node, path: &str, wanted: &str) {
        self.report(node, path, format!("`{path}` is {} instead of {wanted}", node.kind()), format!("write {wanted}"));
    }

    /// Reports keys of earlier versions; gives those of them that stand at the root.
    fn moved(&mut self, root: &'a Node) -> Vec<&'static str> {
        if !self.strict {
            return Vec::new();
        }
        let found = |path: &[&str]| path.iter().try_fold(root, |node, key| node.get(key));
        let there = MOVED.iter().filter_map(|(path, now)| Some((path, now, found(path)?)));
        let mut roots = Vec::new();
        for (path, now, node) in there {
            let key = path.join(".");
            let message =
                format!("`{key}` is a key of an earlier version, which the gateway refuses: it is {now} today");
            let fix = format!(
                "run the gateway's own doctor with --fix, which moves it; or move its content to {now} by hand"
            );
            self.report(node, &key, message, fix);
            if let Some(problem) = self.problems.last_mut() {
                problem.id = LEGACY.to_owned();
            }
            roots.extend(path.first().filter(|first| !ROOT.contains(first)));
        }
        roots
    }

    /// Reports keys that the gateway does not know.
    fn known(&mut self, node: &'a Node, path: &str, keys: &[&str]) {
        if !self.strict {
            return;
        }
        for (key, value) in node.entries() {
            if !keys.contains(&key.as_str()) {
                let full = join(path, key);
                let near =
                    keys.iter().max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)));
                let fix = match near.filter(|near| strsim::jaro_winkler(near, key) > 0.8) {
                    Some(near) => {
                        format!("did you mean `{near}`? Otherwise remove it: the gateway refuses keys it does not know")
                    }
                    None => "remove it: the gateway refuses keys it does not know".to_owned(),
                };
                self.report(value, &full, format!("`{full}` is a key that the gateway does not know"), fix);
            }
        }
    }

    /// An object, else a problem.
    fn object(&mut self, node: &'a Node, path: &str) -> bool {
        let ok = matches!(node.value, Value::Object(_));
        if !ok {
            self.wrong(node, path, "an object");
        }
        ok
    }

    /// Runs a part for each key that is there and an object.
    fn each(&mut self, node: &'a Node, parts: &[(&str, Part<'a>)]) {
        for (key, part) in parts {
            if let Some(value) = node.get(key)
                && self.object(value, key)
            {
                part(self, value, key);
            }
        }
    }

    fn string(&mut self, node: Option<&'a Node>, path: &str) {
        if let Some(node) = node.filter(|n| n.as_str().is_none()) {
            self.wrong(node, path, "a string");
        }
    }

    fn strings(&mut self, node: Option<&'a Node>, path: &str) {
        match node.map(|n| (n, &n.value)) {
            None => {}
            Some((_, Value::Array(items))) => {
                for (n, item) in items.iter().enumerate() {
                    self.string(Some(item), &format!("{path}[{n}]"));
                }
            }
            Some((node, _)) => self.wrong(node, path, "a list of strings"),
        }
    }

    fn boolean(&mut self, node: Option<&'a Node>, path: &str) {
        if let Some(node) = node.filter(|n| n.as_bool().is_none()) {
            self.wrong(node, path, "true or false");
        }
    }

    fn one_of(&mut self, node: Option<&'a Node>, path: &str, words: &[&str]) {
        if let Some(node) = node.filter(|n| !n.as_str().is_some_and(|w| words.contains(&w))) {
            self.wrong_word(node, path, words);
        }
    }

    fn wrong_word(&mut self, node: &Node, path: &str, words: &[&str]) {
        let wanted = words.join(", ");
        self.report(node, path, format!("`{path}` is none of {wanted}"), format!("write one of {wanted}"));
    }

    fn positive(&mut self, node: Option<&'a Node>, path: &str) {
        if let Some(node) = node.filter(|n| !n.as_f64().is_some_and(|v| v.is_finite() && v > 0.0)) {
            self.report(node, path, format!("`{path}` is not a number above 0"), "write a number above 0");
        }
    }

    fn env(&mut self, env: &'a Node, path: &str) {
        for (key, value) in env.entries() {
            let full = join(path, key);
            match key.as_str() {
                "vars" => {
                    if self.object(value, &full) {
                        for (name, value) in value.entries() {
                            self.string(Some(value), &join(&full, name));
                        }
                    }
                }
                "shellEnv" => {
                    if self.object(value, &full) {
                        self.known(value, &full, &["enabled", "timeoutMs"]);
                        self.boolean(value.get("enabled"), &join(&full, "enabled"));
                        let timeout = value.get("timeoutMs");
                        if let Some(node) =
                            timeout.filter(|n| !n.as_f64().is_some_and(|v| v >= 0.0 && v.fract() == 0.0))
                        {
                            self.wrong(node, &join(&full, "timeoutMs"), "a whole number of milliseconds");
                        }
                    }
                }
                _ => self.string(Some(value), &full),
            }
        }
    }

    fn auth(&mut self, auth: &'a Node, path: &str) {
        self.known(auth, path, &["profiles", "order", "cooldowns"]);
        if let Some(profiles) = auth.get("profiles")
            && self.object(profiles, "auth.profiles")
        {
            for (id, entry) in profiles.entries() {
                let full = join("auth.profiles", id);
                if !self.object(entry, &full) {
                    continue;
                }
                self.known(entry, &full, &["provider", "mode", "email"]);
                for field in ["provider", "mode"] {
                    if entry.get(field).is_none() {
                        self.report(entry, &full, format!("`{full}` has no `{field}`"), format!("add `{field}`"));
                    }
                }
                self.string(entry.get("provider"), &join(&full, "provider"));
                self.one_of(entry.get("mode"), &join(&full, "mode"), &["api_key", "oauth", "token"]);
                self.string(entry.get("email"), &join(&full, "email"));
            }
        }
        if let Some(order) = auth.get("order")
            && self.object(order, "auth.order")
        {
            for (provider, ids) in order.entries() {
                self.strings(Some(ids), &join("auth.order", provider));
            }
        }
        if let Some(cooldowns) = auth.get("cooldowns")
            && self.object(cooldowns, "auth.cooldowns")
        {
            const HOURS: &[&str] = &["billingBackoffHours", "billingMaxHours", "failureWindowHours"];
            let known = [HOURS, &["billingBackoffHoursByProvider"]].concat();
            self.known(cooldowns, "auth.cooldowns", &known);
            for key in HOURS {
                self.positive(cooldowns.get(key), &join("auth.cooldowns", key));
            }
            for (provider, hours) in
                cooldowns.get("billingBackoffHoursByProvider").map(Node::entries).unwrap_or_default()
            {
                self.positive(Some(hours), &join("auth.cooldowns.billingBackoffHoursByProvider", provider));
            }
        }
    }

    fn models(&mut self, models: &'a Node, path: &str) {
        self.known(models, path, &["mode", "providers", "bedrockDiscovery"]);
        if self.strict {
            self.one_of(models.get("mode"), "models.mode", &["merge", "replace"]);
        }
        let Some(providers) = models.get("providers") else { return };
        if !self.object(providers, "models.providers") {
            return;
        }
        for (id, entry) in providers.entries() {
            let full = join("models.providers", id);
            if !self.object(entry, &full) {
                continue;
            }
            self.known(entry, &full, PROVIDER);
            self.string(entry.get("baseUrl"), &join(&full, "baseUrl"));
            if self.strict {
                self.string(entry.get("apiKey"), &join(&full, "apiKey"));
                self.one_of(entry.get("auth"), &join(&full, "auth"), &["api-key", "aws-sdk", "oauth", "token"]);
                if entry.get("baseUrl").is_none_or(|n| n.as_str() == Some("")) {
                    self.report(entry, &full, format!("`{full}` has no `baseUrl`"), "add `baseUrl`");
                }
                self.model_list(entry, &full);
            }
        }
    }

    fn model_list(&mut self, entry: &'a Node, path: &str) {
        match entry.get("models").map(|n| (n, &n.value)) {
            None => self.report(entry, path, format!("`{path}` has no `models`"), "add `models`, a list"),
            Some((_, Value::Array(items))) => {
                for (n, item) in items.iter().enumerate() {
                    let full = format!("{path}.models[{n}]");
                    if self.object(item, &full) {
                        for field in ["id", "name"] {
                            if item.get(field).and_then(Node::as_str).is_none_or(str::is_empty) {
                                self.report(
                                    item,
                                    &full,
                                    format!("`{full}` has no `{field}`"),
                                    format!("add `{field}`"),
                                );
                            }
                        }
                    }
                }
            }
            Some((node, _)) => self.wrong(node, &join(path, "models"), "a list"),
        }
    }

    fn agents(&mut self, agents: &'a Node, path: &str) {
        self.known(agents, path, &["defaults", "list"]);
        if let Some(defaults) = agents.get("defaults")
            && self.object(defaults, "agents.defaults")
        {
            self.known(defaults, "agents.defaults", DEFAULTS);
            for key in ["model", "imageModel"] {
                self.choice(defaults.get(key), &join("agents.defaults", key), !self.strict);
            }
            if let Some(models) = defaults.get("models")
                && self.object(models, "agents.defaults.models")
            {
                for (key, entry) in models.entries() {
                    let full = join("agents.defaults.models", key);
                    if self.object(entry, &full) {
                        self.known(entry, &full, &["alias", "params", "streaming"]);
                        self.string(entry.get("alias"), &join(&full, "alias"));
                    }
                }
            }
        }
        match agents.get("list").map(|n| (n, &n.value)) {
            None => {}
            Some((_, Value::Array(items))) => {
                for (n, item) in items.iter().enumerate() {
                    self.agent(item, &format!("agents.list[{n}]"));
                }
            }
            Some((node, _)) => self.wrong(node, "agents.list", "a list"),
        }
    }

    fn agent(&mut self, entry: &'a Node, path: &str) {
        if !self.object(entry, path) {
            return;
        }
        self.known(entry, path, AGENT);
        match entry.get("id") {
            None => self.report(entry, path, format!("`{path}` has no `id`"), "add `id`"),
            id => self.string(id, &join(path, "id")),
        }
        self.boolean(entry.get("default"), &join(path, "default"));
        self.string(entry.get("agentDir"), &join(path, "agentDir"));
        self.choice(entry.get("model"), &join(path, "model"), true);
    }

    /// `{primary?, fallbacks?}`, and where the gateway allows it a plain string.
    fn choice(&mut self, node: Option<&'a Node>, path: &str, plain: bool) {
        let Some(node) = node else { return };
        if plain && node.as_str().is_some() {
            return;
        }
        if !matches!(node.value, Value::Object(_)) {
            let message = format!("`{path}` is {} instead of an object", node.kind());
            return self.report(node, path, message, "write { primary: \"provider/model\" }");
        }
        self.known(node, path, &["primary", "fallbacks"]);
        self.string(node.get("primary"), &join(path, "primary"));
        self.strings(node.get("fallbacks"), &join(path, "fallbacks"));
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
