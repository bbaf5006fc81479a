//! What an environment and a `.env` have in common: a name that stands for a provider, and a value.

use std::path::Path;

use serde_json::{Map, Value};

use super::login::LoginFile;
use super::{Found, Harvest, Scene, json, opencode};
use crate::domain::{
    Activity, Clocks, Condition, Credential, CredentialId, Kind, Origin, Owner, Renewal, Secret, Selection, Time,
};
use crate::formats::{bearer, provider_env};

/// Where a variable was found.
pub(super) struct Place<'a> {
    /// The source's word.
    pub source: &'static str,
    /// What goes before the name in the id: `env:`, `dotenv:/path#`.
    pub prefix: String,
    /// The file, if it is one.
    pub path: Option<&'a Path>,
    /// When that file was last changed.
    pub modified: Option<Time>,
}

/// The credential in a variable; `None` for names we do not know and for blank values.
pub(super) fn found(name: &str, value: &str, place: &Place<'_>, scene: &Scene<'_>) -> Option<Found> {
    let provider = provider_env::provider_of(name)?;
    let secret = Secret::new(value.trim().to_owned());
    if secret.is_blank() {
        return None;
    }
    Some(credential(name, provider, provider_env::kind_of(name), secret, place, scene))
}

/// The credential in a file that is named after a known variable and holds nothing but its value.
pub(super) fn in_file(name: &str, secret: Secret, place: &Place<'_>, scene: &Scene<'_>) -> Found {
    let blank = secret.is_blank();
    let provider = provider_env::provider_of(name).unwrap_or("unknown");
    let mut found = credential(name, provider, provider_env::kind_of(name), secret, place, scene);
    if let Some(path) = place.path {
        found.credential.fix = format!("{}, then write it to {}.", get(name, provider), path.display());
    }
    if blank {
        found.credential.condition = Condition::Absent("the file is empty".to_owned());
        found.secret = None;
    }
    found
}

/// What a name must end in to stand for a secret at all.
const SECRETS: [&str; 4] = ["KEY", "TOKEN", "SECRET", "AUTH"];

/// The token in a variable whose name we do not know: shown only if it says itself when it ends. Whose it is, and whether
/// anybody calls a model with it, is not known: it counts as unused, so its end is information and wakes nobody.
pub(super) fn unknown(name: &str, value: &str, place: &Place<'_>, scene: &Scene<'_>) -> Option<Found> {
    let named_so = SECRETS.iter().any(|ending| name.ends_with(ending));
    // A JWT begins with an object in base64: most values are passed over without a look.
    if !named_so || provider_env::provider_of(name).is_some() || !value.trim_start().starts_with("ey") {
        return None;
    }
    let secret = Secret::new(value.trim().to_owned());
    bearer::read(&secret)?.expires?;
    let provider = name.to_lowercase().replace('_', "-");
    let mut found = credential(name, &provider, Kind::Token, secret, place, scene);
    found.credential.declared_in_use = Some(false);
    found.credential.notes.push("not a name that we know: listed because it says itself when it ends".to_owned());
    found.credential.fix =
        format!("Get a new token from its issuer, then set {name} where this environment comes from.");
    // Nobody may send it anywhere.
    found.secret = None;
    Some(found)
}

fn credential(name: &str, provider: &str, kind: Kind, secret: Secret, place: &Place<'_>, scene: &Scene<'_>) -> Found {
    let mut credential = Box::new(Credential {
        id: CredentialId(format!("{}{name}", place.prefix)),
        provider: provider.to_owned(),
        profile: name.to_owned(),
        kind,
        agent: None,
        origin: Origin { source: place.source.into(), path: place.path.map(Into::into), modified: place.modified },
        owner: Owner::Environment,
        renewal: if kind == Kind::Token { Renewal::Manual } else { Renewal::None },
        condition: Condition::Present,
        clocks: Clocks::default(),
        account: None,
        scopes: None,
        fingerprint: scene.key.fingerprint(&secret),
        refresh_fingerprint: None,
        selection: Selection::NotApplicable,
        bench: None,
        activity: Activity::default(),
        declared_in_use: None,
        fix: fix(name, provider, place),
        notes: Vec::new(),
    });
    super::decode(&mut credential, &secret);
    Found { credential, secret: Some(secret) }.unless_placeholder()
}

/// How a new one is made.
fn get(name: &str, provider: &str) -> String {
    match name {
        "CLAUDE_CODE_OAUTH_TOKEN" | "ANTHROPIC_OAUTH_TOKEN" => "Run `claude setup-token`".to_owned(),
        _ => format!("Make a new key at {provider}"),
    }
}

/// The keys among the variables that a tool sets for itself; `profile` goes before their names in ids, `key` is where they
/// stand in the file. A name without a value means "none".
pub(super) fn of_tool(
    file: &LoginFile,
    mut object: Map<String, Value>,
    (profile, key): (&str, &str),
    scene: &Scene<'_>,
    harvest: &mut Harvest,
) {
    let address = |object: &Map<String, Value>, name: &str| {
        let stem = name.strip_suffix("_API_KEY").or_else(|| name.strip_suffix("_AUTH_TOKEN"))?;
        let url = json::text(object, &[&format!("{stem}_BASE_URL")]);
        let host = url.map(|url| opencode::host(url).to_owned());
        // The API that everybody copies: without an address of its own the tool's settings say where it is.
        host.or_else(|| (stem == "OPENAI").then(|| "whatever server its settings name".to_owned()))
    };
    let known = |name: &&String| provider_env::provider_of(name).is_some();
    let names: Vec<String> = object.keys().filter(known).cloned().collect();
    for name in names {
        let provider = provider_env::provider_of(&name).unwrap_or_default();
        let (profile, kind) = (format!("{profile}{name}"), provider_env::kind_of(&name));
        let entry = (profile.as_str(), provider, kind);
        let Some(mut found) = file.key_in(entry, &mut object, (&name, key), scene, harvest) else { continue };
        if found.credential.condition == Condition::Blanked {
            continue;
        }
        found.credential.fix = format!("Make a new key at {provider}, then set {name} in {}.", file.path().display());
        harvest.found.push(match address(&object, &name) {
            Some(host) => found.unasked(format!("it is for {host}, which is not asked")),
            None => found,
        });
    }
}

/// A command, or a sentence that begins with a capital letter.
fn fix(name: &str, provider: &str, place: &Place<'_>) -> String {
    if name == "VERCEL_OIDC_TOKEN" {
        return "vercel env pull".to_owned();
    }
    let get = get(name, provider);
    match place.path {
        Some(path) => format!("{get}, then set {name} in {}.", path.display()),
        None => format!("{get}, then set {name} where this environment comes from."),
    }
}
