//! systemd unit files and `EnvironmentFile=` files, as far as they decide what a service sees (systemd.exec(5),
//! systemd.syntax(7)). Pure: whoever reads the files passes their text, main file first, then its drop-ins in order.

use std::collections::BTreeMap;

/// What the files of one unit say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitSettings {
    /// `Environment=`, in order, later ones win.
    pub environment: Vec<(String, String)>,
    /// `EnvironmentFile=`: path with specifiers expanded, and whether it may be absent. They win over `Environment=`.
    pub environment_files: Vec<(String, bool)>,
    /// `UnsetEnvironment=`: names (or whole assignments) that are taken away at the end.
    pub unset: Vec<String>,
    /// `LoadCredential=` and its kin, by the name of the file that the service gets; later ones win.
    pub credentials: BTreeMap<String, UnitCredential>,
    /// `ExecStart=`, split into words.
    pub exec_start: Vec<String>,
    /// What the service sees is decided by more than these files: `PassEnvironment=`, `ImportCredential=`, a specifier that we
    /// do not know.
    pub open: bool,
}

/// Where systemd has a credential from that it gives to a service as a file.
#[derive(Clone, PartialEq, Eq)]
pub enum UnitCredential {
    /// From this file (`LoadCredential=`); without a path, or with a relative one, from its own stores.
    File(Option<String>),
    /// It stands in the unit (`SetCredential=`).
    Literal(String),
    /// Only systemd can open it (`LoadCredentialEncrypted=`, `SetCredentialEncrypted=`).
    Encrypted,
}

impl std::fmt::Debug for UnitCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Literal(_) => "Literal",
            Self::Encrypted => "Encrypted",
        })
    }
}

/// What `%h`, `%i` and their kin stand for.
#[derive(Clone, Debug, Default)]
pub struct Specifiers {
    /// `%h`
    pub home: String,
    /// `%u`
    pub user: String,
    /// `%n`: the unit's full name.
    pub unit: String,
    /// Directories, by their letter: `E` configuration, `S` state, `C` cache, `t` runtime.
    pub dirs: Vec<(char, String)>,
}

impl Specifiers {
    fn expand(&self, text: &str) -> String {
        let stem = self.unit.rsplit_once('.').map_or(self.unit.as_str(), |(stem, _)| stem);
        let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
        let mut out = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('h') => out.push_str(&self.home),
                Some('u') => out.push_str(&self.user),
                Some('n') => out.push_str(&self.unit),
                Some('N') => out.push_str(stem),
                Some('p') => out.push_str(prefix),
                Some('i') => out.push_str(instance),
                Some('%') => out.push('%'),
                Some(other) => match self.dirs.iter().find(|(letter, _)| *letter == other) {
                    Some((_, dir)) => out.push_str(dir),
                    // One that we do not know stays as it is.
                    None => out.extend(['%', other]),
                },
                None => out.push('%'),
            }
        }
        out
    }
}

/// Reads the texts of one unit in their order. An empty assignment resets a list, as systemd does.
#[must_use]
pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>, specifiers: &Specifiers) -> UnitSettings {
    let mut settings = UnitSettings::default();
    for text in texts {
        let mut service = false;
        for line in logical_lines(text) {
            if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                service = section == "Service";
                continue;
            }
            let Some((key, value)) = line.split_once('=').filter(|_| service) else { continue };
            let value = value.trim();
            match key.trim() {
                "Environment" if value.is_empty() => settings.environment.clear(),
                "Environment" => settings.environment.extend(
                    words(value)
                        .iter()
                        .filter_map(|word| word.split_once('='))
                        .map(|(name, value)| (name.to_owned(), specifiers.expand(value))),
                ),
                "EnvironmentFile" if value.is_empty() => settings.environment_files.clear(),
                "EnvironmentFile" => {
                    let (path, optional) = value.strip_prefix('-').map_or((value, false), |path| (path, true));
                    let path = specifiers.expand(&words(path).into_iter().next().unwrap_or_default());
                    settings.open |= path.contains('%');
                    settings.environment_files.push((path, optional));
                }
                "UnsetEnvironment" if value.is_empty() => settings.unset.clear(),
                "UnsetEnvironment" => settings.unset.extend(words(value)),
                "LoadCredential" | "LoadCredentialEncrypted" | "SetCredential" | "SetCredentialEncrypted" => {
                    credential(key.trim(), value, specifiers, &mut settings.credentials);
                }
                "PassEnvironment" | "ImportCredential" => settings.open |= !value.is_empty(),
                "ExecStart" => settings.exec_start = words(value).iter().map(|word| specifiers.expand(word)).collect(),
                _ => {}
            }
        }
    }
    settings
}

fn credential(key: &str, value: &str, specifiers: &Specifiers, all: &mut BTreeMap<String, UnitCredential>) {
    if value.is_empty() {
        // Either word resets what it has set; both at once is what people mean.
        return all.clear();
    }
    let (name, rest) = value.split_once(':').map_or((value, None), |(name, rest)| (name, Some(rest)));
    let path = |text: &str| specifiers.expand(text.trim());
    let from = match key {
        "LoadCredential" => UnitCredential::File(rest.map(path).filter(|path| path.starts_with('/'))),
        "SetCredential" => match rest {
            Some(text) => UnitCredential::Literal(words(&format!("\"{}\"", text.replace('"', "\\\""))).concat()),
            None => return,
        },
        _ => UnitCredential::Encrypted,
    };
    all.insert(specifiers.expand(name.trim()), from);
}

/// The assignments of an `EnvironmentFile=` (also of `environment.d/*.conf`, without expansion of `$NAME`).
#[must_use]
pub fn parse_environment_file(text: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let line = rest[..line_end].trim_start();
        if line.is_empty() || line.starts_with(['#', ';']) || !line.contains('=') {
            rest = rest.get(line_end + 1..).unwrap_or("");
            continue;
        }
        let (name, after) = rest.split_once('=').unwrap_or((rest, ""));
        let (value, length) = environment_value(after);
        let name = name.trim();
        if !name.is_empty() && !name.contains(char::is_whitespace) {
            out.insert(name.to_owned(), value);
        }
        rest = &after[length..];
    }
    out
}

/// One value and how many bytes of the text it takes, its line end included.
fn environment_value(text: &str) -> (String, usize) {
    let mut value = String::new();
    // White space at the end of an unquoted value does not count; what was quoted or escaped does.
    let mut kept = 0;
    let mut quote = None;
    let mut started = false;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, '\n') => return (value[..kept].to_owned(), at + 1),
            (None, '\'' | '"') if !started || kept == value.len() => quote = Some(c),
            (Some(q), c) if c == q => {
                quote = None;
                kept = value.len();
            }
            (Some('\''), c) => value.push(c),
            (_, '\\') => match chars.next() {
                Some((_, '\n')) => {}
                Some((_, escaped)) => {
                    if quote == Some('"') && !matches!(escaped, '"' | '\\' | '`' | '$') {
                        value.push('\\');
                    }
                    value.push(escaped);
                    kept = value.len();
                }
                None => {}
            },
            (None, c) if c.is_whitespace() => {
                if started {
                    value.push(c);
                }
                continue;
            }
            (_, c) => {
                value.push(c);
                if quote.is_none() {
                    kept = value.len();
                }
            }
        }
        started = true;
    }
    let kept = if quote.is_some() { value.len() } else { kept };
    (value[..kept].to_owned(), text.len())
}

/// Lines with continuations joined, trimmed, without comments and empty ones.
fn logical_lines(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut pending = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(start) = trimmed.strip_suffix('\\') {
            pending.push_str(start);
            pending.push(' ');
            continue;
        }
        pending.push_str(trimmed);
        let whole = std::mem::take(&mut pending);
        if !whole.trim().is_empty() {
            out.push(whole.trim().to_owned());
        }
    }
    if !pending.trim().is_empty() {
        out.push(pending.trim().to_owned());
    }
    out
}

/// Splits at white space; quotes group and vanish, a backslash escapes.
fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => out.extend(word.take()),
            (_, '\\') => word.get_or_insert_default().push(match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('s') => ' ',
                Some(other) => other,
                None => '\\',
            }),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specifiers() -> Specifiers {
        Specifiers {
            home: "/home/ann".into(),
            user: "ann".into(),
            unit: "opensoul-gateway@work.service".into(),
            dirs: vec![],
        }
    }

    #[test]
    fn environment_comes_from_all_files_in_order() {
        let main = "[Unit]\nEnvironment=NO=1\n[Service]\n# Environment=ALSO_NOT=1\nEnvironment=A=1 \"B=two words\" \\\n  C=%h/x\nExecStart=/usr/bin/node \"/a b/x.js\" gateway --port 18790\n";
        let drop_in = "[Service]\nEnvironment='A=over' D=100%%\nEnvironmentFile=-%h/.env-%i\nUnsetEnvironment=B\n";
        let got = parse([main, drop_in], &specifiers());
        let environment: Vec<(&str, &str)> = got.environment.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(environment, [("A", "1"), ("B", "two words"), ("C", "/home/ann/x"), ("A", "over"), ("D", "100%")]);
        assert_eq!(got.environment_files, [("/home/ann/.env-work".to_owned(), true)]);
        assert_eq!(got.unset, ["B"]);
        assert_eq!(got.exec_start, ["/usr/bin/node", "/a b/x.js", "gateway", "--port", "18790"]);
    }

    #[test]
    fn an_empty_assignment_resets() {
        let got = parse(
            ["[Service]\nEnvironment=A=1\nEnvironmentFile=/x\n", "[Service]\nEnvironment=\nEnvironmentFile=\n"],
            &specifiers(),
        );
        assert_eq!(got, UnitSettings::default());
    }

    #[test]
    fn credentials() {
        let text = "[Service]\nLoadCredential=openai-api-key:%h/keys/openai\nLoadCredential=db\nSetCredential=GROQ_API_KEY:gsk \"q\"\\nx\n\
                    SetCredentialEncrypted=xai-api-key: \\\n  Zm9v\nLoadCredentialEncrypted=zai:/etc/credstore.encrypted/zai\nSetCredential=odd\n";
        let got = parse([text], &specifiers()).credentials;
        let want = [
            ("GROQ_API_KEY", UnitCredential::Literal("gsk \"q\"\nx".to_owned())),
            ("db", UnitCredential::File(None)),
            ("openai-api-key", UnitCredential::File(Some("/home/ann/keys/openai".to_owned()))),
            ("xai-api-key", UnitCredential::Encrypted),
            ("zai", UnitCredential::Encrypted),
        ];
        assert_eq!(got.into_iter().collect::<Vec<_>>(), want.map(|(name, from)| (name.to_owned(), from)));
        assert!(parse([text, "[Service]\nLoadCredential=\n"], &specifiers()).credentials.is_empty());
    }

    #[test]
    fn environment_files() {
        let text = "# comment\n; comment\nA=1\nB = spaced \nC=\"two\nlines\"\nD='sin\\gle'\nE=esc\\\naped\nexport F=1\nG=\nnoise\nH=a\"b\n I=\"q\" \nJ=last";
        let got = parse_environment_file(text);
        let want = [("A", "1"), ("B", "spaced"), ("C", "two\nlines"), ("D", "sin\\gle"), ("E", "escaped"), ("G", "")];
        for (name, value) in want {
            assert_eq!(got.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert!(!got.contains_key("F"), "systemd has no `export`");
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in ".*") {
            let _ = parse([text.as_str()], &specifiers());
            let _ = parse_environment_file(&text);
        }

        #[test]
        fn a_quoted_value_comes_back(value in "[^\"\\\\$`]*") {
            let got = parse_environment_file(&format!("NAME=\"{value}\"\nNEXT=1\n"));
            proptest::prop_assert_eq!(got.get("NAME"), Some(&value));
            proptest::prop_assert_eq!(got.get("NEXT").map(String::as_str), Some("1"));
        }
    }
}
