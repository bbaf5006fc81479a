//! `docs/channels.md` and the README's table of channels, as the table of channels in the code says.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use opensoul::config::channels::{CHANNELS, Channel, Sort};

const HEAD: &str = "\
# Channels: who can be told, and how

Every receiver is a `[[receivers]]` with a `name` and a `type`. All of them take

| key | what it is |
|---|---|
| `send_resolved = false` | do not say that something is over |
| `lang = \"zh-CN\"` | messages in 简体中文 |
| `template = { text = \"path\" }` | your own words (templates.md); not where messages are for programs |

A secret is a reference: `{ env = \"NAME\" }`, `{ file = \"path\" }` or `{ credential = \"name\" }` (systemd). A message counts as
delivered when the *body* of the answer says so; a refusal in the vendor's own words puts the receiver into quarantine (its queue is
kept, it is tried once an hour), and another receiver hears of it. `opensoul alerts test NAME --resolve` sends a test by the
same way and prints the answer.

Written by the program's own tests from its table of channels. `email` and `webhook` are described in
`opensoul monitor init`'s file.
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn section(channel: &Channel) -> String {
    let mut out = format!(
        "\n## {}\n\n```toml\n[[receivers]]\nname = \"{}\"\ntype = \"{}\"\n",
        channel.title, channel.name, channel.name
    );
    for field in channel.fields {
        let mark = if field.required { "" } else { "# " };
        writeln!(out, "{mark}{} = {:<40} # {}", field.name, field.example, field.about).unwrap();
    }
    out.push_str("```\n");
    out
}

/// Between its two marks, or the whole file.
fn check(path: &str, marks: Option<(&str, &str)>, fresh: &str) {
    let file = root().join(path);
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let wanted = match marks {
        None => fresh.to_owned(),
        Some((begin, end)) => {
            let (head, rest) = text.split_once(begin).expect("the first mark");
            let (_, tail) = rest.split_once(end).expect("the second mark");
            format!("{head}{begin}{fresh}{end}{tail}")
        }
    };
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(file, wanted).unwrap();
    }
    assert!(text == wanted, "{path} is not up to date: UPDATE_DOCS=1 cargo test --test it documented_channels");
}

#[test]
fn the_documented_channels_are_those_of_the_code() {
    let fresh: String = std::iter::once(HEAD.to_owned()).chain(CHANNELS.iter().map(section)).collect();
    check("docs/channels.md", None, &fresh);
}

#[test]
fn the_readme_has_every_channel() {
    let of = |wanted: &dyn Fn(&Channel) -> bool| {
        CHANNELS.iter().filter(|channel| wanted(channel)).map(|channel| channel.title).collect::<Vec<_>>().join(", ")
    };
    let over = |channel: &Channel| channel.fields.iter().any(|field| matches!(field.sort, Sort::Url));
    let fresh = format!(
        "\n| | which |\n|---|---|\n| mail and programs | email, webhook (Alertmanager's form, signed) |\n| services | {} |\n| this machine | {} |\n\n",
        of(&over),
        of(&|channel| !over(channel)),
    );
    check("README.md", Some(("<!-- channels: written by a test -->\n", "<!-- end of the channels -->")), &fresh);
}
