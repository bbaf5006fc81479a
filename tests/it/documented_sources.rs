//! `docs/sources.md`: where credentials are looked for and what can be known of each, as the sources themselves show it over the
//! home of `tests/fixtures/home`. A source without a file in that home, or without a title here, fails the test.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use opensoul::config;
use opensoul::domain::{Basis, Condition, Credential, FingerprintKey, Kind, Renewal};
use opensoul::formats::provider_row::Provider;
use opensoul::providers::Catalog;
use opensoul::sources::{self, Harvest, Scene, Source};

use crate::fixture_home;

/// What people call them, in the order of the table.
const TITLES: [(&str, &str); TITLES_LEN] = [
    ("opensoul", "OpenSoul, OpenClaw, Clawdbot, Moltbot"),
    ("claude-code", "Claude Code"),
    ("codex", "Codex"),
    ("gemini-cli", "Gemini CLI"),
    ("antigravity", "Antigravity"),
    ("copilot", "GitHub Copilot in editors"),
    ("copilot-cli", "GitHub Copilot CLI"),
    ("gh", "GitHub CLI"),
    ("opencode", "opencode"),
    ("kilo", "Kilo"),
    ("aider", "aider"),
    ("amazon-q", "Amazon Q"),
    ("amp", "Amp"),
    ("cline", "Cline"),
    ("cliproxyapi", "CLIProxyAPI"),
    ("codebuff", "Codebuff"),
    ("continue", "Continue"),
    ("crush", "Crush"),
    ("cursor", "Cursor CLI"),
    ("cursor-app", "Cursor"),
    ("devin", "Devin"),
    ("factory", "Factory droid"),
    ("goose", "goose"),
    ("grok", "Grok CLI"),
    ("hermes", "Hermes"),
    ("huggingface", "Hugging Face"),
    ("iflow", "iFlow"),
    ("kimi", "kimi-cli"),
    ("kimi-code", "Kimi Code"),
    ("kiro", "Kiro CLI"),
    ("kiro-ide", "Kiro"),
    ("litellm", "LiteLLM"),
    ("llm", "llm"),
    ("llxprt", "llxprt"),
    ("netrc", "`.netrc` (Weights & Biases, Hugging Face)"),
    ("ollama", "Ollama"),
    ("pi", "pi"),
    ("qwen-code", "Qwen Code"),
    ("windsurf", "Windsurf"),
    ("vscode", "Cline, Roo Code, Kilo Code in editors (VS Code and its kin)"),
    ("zed", "Zed"),
    ("caam", "caam (parked logins)"),
    ("claude-swap", "claude-swap (parked logins)"),
    ("aws", "AWS keys and role caches"),
    ("aws-sso", "AWS single sign-on"),
    ("azure-cli", "Azure CLI"),
    ("databricks", "Databricks CLI"),
    ("gcloud", "gcloud"),
    ("env", "the environment"),
    ("dotenv", "`.env` files"),
    ("secret-file", "mounted secrets"),
    ("compose", "Compose files of a project"),
    ("startup", "start-up files of shells, `/etc/environment`"),
    ("declared", "`[[declared]]` of `monitor.toml`"),
    ("receiver", "the tokens of our own receivers"),
];
const TITLES_LEN: usize = 55;

const HEAD: &str = "\
# Sources: where credentials are looked for

Everything is read and nothing is written, refreshed or run; what belongs to a keyring is asked of it only where a tool's own
file says so. A place is looked at where it is by default; the variables by which each tool moves it are followed too. What
cannot be read is shown as `unreadable` with the reason, never as missing. What is in a project (here `~/project`: the working
directory and the root of its repository) is read by the commands that a person runs there, not by the monitor, and only keys
that stand in it literally are taken. Logins that a switcher of accounts has parked are shown and count as nobody's.

- *Dates*: what can be known without asking anybody. \"login\": when the login or key itself ends. \"access\": when the access
  token ends, which its owner renews and which therefore alarms nobody by itself. \"none\": only the provider may know; say it
  with `opensoul credentials declare`, or let `--probe` ask.
- *Renewed by*: who acts when it ends.

## One login on two machines

A login whose refresh token can be used once dies when two machines have it. Machines that share a key show a short keyed hash
of each login, `identity`, in `status --json` and as a label of `opensoul_credential_info`; without a shared key no hash is shown.

```toml
[identity]
key = { file = \"~/.secrets/fleet\" }     # any text, the same on all machines
```

```promql
# logins that more than one machine holds, until one of them renews it
count by (identity, provider) (
  count by (identity, provider, instance) (opensoul_credential_info{identity!=\"\", kind=\"oauth\", renewal=\"auto\"})
) > 1
```

## The sources

Written by the program's own tests from its sources, over a home directory with a file for each of them.

| source | id | looks at | what | dates | renewed by | when it ends |
|---|---|---|---|---|---|---|
";

#[test]
fn the_documented_table_is_that_of_the_sources() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    fixture_home::furnish(&root);
    let project = root.join("project");
    let machine = fixture_home::machine(&root);
    let env = fixture_home::environment(&root);
    let config = config::load(None, &env).unwrap_or_else(|problems| panic!("{}", config::report(&problems)));
    let scene = Scene {
        env: &env,
        cwd: Some(&project),
        preferred: None,
        machine: Some(&machine),
        env_is_source: true,
        dotenv: &config.sources.dotenv,
        secrets: &config.sources.secrets,
        litellm: &config.sources.litellm,
        declared: &config.declared,
        receivers: &config.receivers,
        chat: config.chat.as_ref(),
        now: fixture_home::now(),
        key: &FingerprintKey::new(&[7; 32]),
    };
    let all = sources::all();
    let names: BTreeSet<&str> = all.iter().map(|source| source.name()).collect();
    let titled: BTreeSet<&str> = TITLES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, titled, "TITLES has every source, and no other");
    let mut fresh = HEAD.to_owned();
    for (name, title) in TITLES {
        let source = all.iter().find(|source| source.name() == name).unwrap();
        let row = row(title, source.as_ref(), &scene).replace(machine.to_str().unwrap(), "");
        fresh += &row.replace(root.to_str().unwrap(), "~");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sources.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(path, fresh).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(text == fresh, "docs/sources.md is not up to date: UPDATE_DOCS=1 cargo test --test it documented_sources");
}

fn row(title: &str, source: &dyn Source, scene: &Scene<'_>) -> String {
    let mut harvest = Harvest::default();
    source.read(scene, &mut harvest);
    sources::retire(&mut harvest.found, scene.now);
    let found: Vec<&Credential> = harvest.found.iter().map(|found| &*found.credential).collect();
    assert!(!found.is_empty(), "{}: the home has nothing for it", source.name());
    let mut places: Vec<String> = Vec::new();
    for place in harvest.reports.iter().flat_map(|report| &report.looked) {
        let place = format!("`{}`", place.display());
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let ids: BTreeSet<&str> =
        found.iter().filter_map(|one| one.id.as_str().split_once(':')).map(|(id, _)| id).collect();
    let all = |of: &dyn Fn(&Credential) -> &'static str| {
        let words: BTreeSet<&str> = found.iter().map(|one| of(one)).collect();
        words.into_iter().collect::<Vec<_>>().join(", ")
    };
    // Of a live credential, if there is one: what to do about others is what is odd about them.
    let alive = found.iter().find(|one| one.condition == Condition::Present).unwrap_or(&found[0]);
    let mut out = String::new();
    let cells = [
        title.to_owned(),
        ids.iter().map(|id| format!("`{id}:`")).collect::<Vec<_>>().join(" "),
        places.join(" "),
        all(&|one| kind(one.kind)),
        all(&dates),
        all(&|one| renewed(one)),
        alive.fix.replace('|', "\\|"),
    ];
    let _ = writeln!(out, "| {} |", cells.join(" | "));
    out
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::ApiKey => "key",
        Kind::Token => "token",
        Kind::Oauth => "login",
        Kind::Session => "session",
        Kind::Cloud => "cloud login",
    }
}

fn dates(one: &Credential) -> &'static str {
    let login = one.clocks.grant_expires.is_some();
    match (login, one.clocks.access_expires.is_some()) {
        (true, _) if one.clocks.grant_basis == Some(Basis::Decoded) => "login (in the token)",
        (true, true) => "login and access",
        (true, false) => "login",
        (false, true) => "access",
        (false, false) => "none",
    }
}

fn renewed(one: &Credential) -> &'static str {
    match (&one.condition, one.renewal) {
        (Condition::Retired(_), _) => "nobody: it has ended",
        (_, Renewal::Auto) => "its owner",
        (_, Renewal::Manual | Renewal::None) => "a person",
    }
}

/// The short table of the README, between its two marks.
#[test]
fn the_readme_has_every_source_and_provider() {
    let titles = |from: &str, until: &str| {
        let at = |name: &str| TITLES.iter().position(|(other, _)| *other == name).unwrap();
        TITLES[at(from)..at(until)].iter().map(|(_, title)| *title).collect::<Vec<_>>()
    };
    let mut other = titles("env", "declared");
    other.push(TITLES[TITLES_LEN - 1].1);
    let catalog = Catalog::get();
    let names = |wanted: &dyn Fn(&Provider) -> bool| {
        catalog.rows().filter(|row| wanted(row)).map(|row| row.name.as_str()).collect::<Vec<_>>()
    };
    let documented = |row: &Provider| row.probes.iter().any(|probe| probe.documented);
    let rows = [
        ("read: gateways and tools", titles("opensoul", "aws")),
        ("read: clouds", titles("aws", "env")),
        ("read: everything else", other),
        ("asked for free", names(&documented)),
        ("asked only with `undocumented = true`", names(&|row| !row.probes.is_empty() && !documented(row))),
        ("no free way to ask", names(&|row| row.probes.is_empty() && row.retired.is_none())),
        ("ended", names(&|row| row.retired.is_some())),
    ];
    let mut fresh = "\n| | how many | which |\n|---|---|---|\n".to_owned();
    for (what, which) in rows {
        writeln!(fresh, "| {what} | {} | {} |", which.len(), which.join(", ")).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once("<!-- table: written by a test -->\n").expect("the mark");
    let (table, tail) = rest.split_once("\n<!-- end of the table -->").expect("the second mark");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let whole = format!("{head}<!-- table: written by a test -->\n{fresh}\n<!-- end of the table -->{tail}");
        return std::fs::write(path, whole).unwrap();
    }
    assert!(table == fresh, "README.md is not up to date: UPDATE_DOCS=1 cargo test --test it documented_sources");
}
