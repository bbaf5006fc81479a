//! Which places hold one and the same secret or refresh token, and which of them stands for all (DESIGN §2, *copy*).

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use super::generation;
use crate::domain::{Credential, CredentialId, Fingerprint, Kind, Owner};

/// Which secrets there are: the same secret for the same provider has the same number wherever it is.
pub(super) struct Secrets {
    /// For each credential the numbers of its secret and of its refresh token.
    of: Vec<[Option<usize>; 2]>,
    /// How many there are.
    pub count: usize,
}

impl Secrets {
    /// Numbers them.
    pub fn number(credentials: &[Box<Credential>]) -> Self {
        let mut known: HashMap<(Fingerprint, &str), usize, BuildHasherDefault<Uniform>> = HashMap::default();
        known.reserve(credentials.len());
        let mut number = |fingerprint: Option<Fingerprint>, provider| {
            let next = known.len();
            fingerprint.map(|fingerprint| *known.entry((fingerprint, provider)).or_insert(next))
        };
        let of = credentials
            .iter()
            .map(|one| {
                [number(one.fingerprint, one.provider.as_str()), number(one.refresh_fingerprint, one.provider.as_str())]
            })
            .collect();
        Self { of, count: known.len() }
    }

    /// The number of a credential's secret (of the access token, for logins).
    pub fn access(&self, index: usize) -> Option<usize> {
        self.of[index][0]
    }

    /// The number of its refresh token.
    pub fn refresh(&self, index: usize) -> Option<usize> {
        self.of[index][1]
    }
}

/// A fingerprint is a keyed hash already: its first bytes are as good as any hash of it, and nobody can choose them.
#[derive(Default)]
struct Uniform(u64);

impl Hasher for Uniform {
    fn write(&mut self, bytes: &[u8]) {
        // The last bytes of the tuple's hash are those of the provider's name, which tells little: only mixed in.
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = self.0.rotate_left(5) ^ u64::from_le_bytes(word);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// For each credential the index of the canonical one of its group; its own index if it is canonical.
///
/// Only places of one provider are put together: the same key used for two providers is two things to know about.
pub(super) fn canonical(
    credentials: &[Box<Credential>],
    secrets: &Secrets,
    mirrors: &[(usize, usize)],
    previous: &BTreeMap<CredentialId, String>,
) -> Vec<usize> {
    let mut groups = Groups::new(credentials.len());
    let mut first: Vec<Option<usize>> = vec![None; secrets.count];
    for index in 0..credentials.len() {
        for secret in [secrets.access(index), secrets.refresh(index)].into_iter().flatten() {
            let other = *first[secret].get_or_insert(index);
            groups.join(index, other);
        }
    }
    for &(mirror, login) in mirrors {
        groups.join(mirror, login);
    }
    let rank = |index: usize| {
        let credential = &credentials[index];
        // A place that was canonical stays so: newcomers and former copies come after it.
        let keeps = previous.get(&credential.id).is_some_and(|before| !generation::was_copy(before));
        (!keeps, credential.owner, &credential.id, index)
    };
    let mut best: Vec<usize> = (0..credentials.len()).collect();
    for index in 0..credentials.len() {
        let root = groups.root(index);
        if best[root] != index && rank(index) < rank(best[root]) {
            best[root] = index;
        }
    }
    (0..credentials.len()).map(|index| best[groups.root(index)]).collect()
}

/// Profiles that a gateway copies from a tool's login again and again, and the tool: what stands there is a snapshot, and the
/// login is judged at its owner. OpenSoul itself copies only the first two; what it has of the others is its own.
const MIRRORS: [(&str, &str, bool); 4] = [
    ("qwen-portal:qwen-cli", "qwen-code", true),
    ("minimax-portal:minimax-cli", "minimax", true),
    ("anthropic:claude-cli", "claude-code", false),
    ("openai-codex:codex-cli", "codex", false),
];

/// Each profile that is a copy by its name, with the login that it is a copy of.
pub(super) fn mirrors(credentials: &[Box<Credential>]) -> Vec<(usize, usize)> {
    let tools = |(_, login): &(usize, &Credential)| login.owner == Owner::Tool && login.kind == Kind::Oauth;
    let all = || credentials.iter().map(AsRef::as_ref).enumerate();
    let logins: Vec<(usize, &Credential)> = all().filter(tools).collect();
    if logins.is_empty() {
        return Vec::new();
    }
    all().filter_map(|(index, mirror)| Some((index, mirrored(mirror, &logins)?))).collect()
}

/// The login that a profile is a copy of by its name, although its tokens are older ones by now.
fn mirrored(mirror: &Credential, logins: &[(usize, &Credential)]) -> Option<usize> {
    if mirror.owner != Owner::GatewayStore {
        return None;
    }
    let (_, tool, everywhere) = MIRRORS.into_iter().find(|(profile, ..)| *profile == mirror.profile)?;
    if !everywhere && mirror.origin.source == "opensoul" {
        return None;
    }
    let accounts_differ = |login: &Credential| match (&mirror.account, &login.account) {
        (Some(one), Some(other)) => !one.eq_ignore_ascii_case(other),
        _ => false,
    };
    let is_it = |login: &Credential| {
        login.origin.source == tool && login.provider == mirror.provider && !accounts_differ(login)
    };
    logins.iter().find(|(_, login)| is_it(login)).map(|(index, _)| *index)
}

/// Disjoint sets with path halving.
struct Groups(Vec<usize>);

impl Groups {
    fn new(size: usize) -> Self {
        Self((0..size).collect())
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.0[index] != index {
            self.0[index] = self.0[self.0[index]];
            index = self.0[index];
        }
        index
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.0[one.max(other)] = one.min(other);
    }
}
