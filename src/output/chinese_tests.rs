use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::output::wording::is_command;

/// Whose words reach people in messages.
const SPEAKERS: [&str; 47] = [
    "chat/answer.rs",
    "chat/command.rs",
    "chat/conversation.rs",
    "chat/telegram/talk.rs",
    "cli",
    "config",
    "control",
    "doctor",
    "engine/assess",
    "engine/assess.rs",
    "engine/check.rs",
    "engine/clock_trust.rs",
    "engine/due.rs",
    "engine/incidents",
    "engine/order.rs",
    "engine/runway.rs",
    "engine/silences.rs",
    "files.rs",
    "formats",
    "gateway",
    "chat/model",
    "monitor/chat/rivals.rs",
    "monitor/demo",
    "monitor/elsewhere.rs",
    "monitor/ground.rs",
    "monitor/known.rs",
    "monitor/observe.rs",
    "monitor/once.rs",
    "monitor/probing.rs",
    "monitor/sessions.rs",
    "monitor/variables.rs",
    "net/client.rs",
    "notify/render.rs",
    "notify/signer.rs",
    "notify/trial.rs",
    "output/alerts",
    "output/credentials.rs",
    "output/doctor.rs",
    "output/explain",
    "output/explain.rs",
    "output/models_status",
    "output/status/read.rs",
    "output/status/text.rs",
    "providers",
    "remote",
    "sources",
    "store",
];

/// Words that no person gets to read in a message: names in other people's data, and what is only compared or shown to programmers.
const NOT_SAID: [&str; 17] = [
    // What providers and keyrings write, read by us.
    "providers/classify.rs",
    "providers/status_page/formats.rs",
    // What the document about channels says of their keys.
    "config/channels.rs",
    // Other people's labels, in the original's words (`models status`).
    "formats/installation.rs",
    // Problems of rows in `monitor.toml` and in the catalog: shown by `check-config`.
    "formats/provider_row.rs",
    // Why a file cannot be edited: said to the person at the terminal who wanted it.
    "formats/auth_store_edit.rs",
    "formats/order_prune.rs",
    "formats/tree_edit.rs",
    // What the demonstration writes into its files, and says to the monitor as a server.
    "monitor/demo/home.rs",
    "monitor/demo/mail_sink.rs",
    // What only tests of a room use.
    "doctor/fixture.rs",
    "doctor/filter.rs",
    "sources/testing.rs",
    "engine/incidents/histories.rs",
    "engine/incidents/reference.rs",
    "engine/incidents/world.rs",
    "sources/llm.rs",
];

fn files(path: &Path, into: &mut Vec<PathBuf>) {
    if path.is_file() {
        into.push(path.to_owned());
        return;
    }
    for entry in fs::read_dir(path).expect("a folder of sources") {
        files(&entry.expect("an entry").path(), into);
    }
}

/// The string literals of a source without its tests, comments and attributes, as they are at run time; with the line they begin in.
fn literals(text: &str) -> Vec<(String, String)> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let text = lines.join("\n");
    let mut found = Vec::new();
    let mut rest = text.as_str();
    let mut line = String::new();
    while let Some(at) = rest.find('"') {
        let before = &rest[..at];
        line = before.rsplit_once('\n').map_or_else(|| line.clone() + before, |(_, last)| last.to_owned());
        if before.ends_with('\'') {
            rest = &rest[at + 1..];
            continue;
        }
        let raw = before.ends_with('#') || before.ends_with('r');
        let mut out = String::new();
        let mut chars = rest[at + 1..].char_indices().peekable();
        let mut end = rest.len() - at - 1;
        while let Some((index, c)) = chars.next() {
            match c {
                '"' => {
                    end = index;
                    break;
                }
                '\\' if !raw => match chars.next() {
                    Some((_, '\n')) => while chars.next_if(|(_, c)| c.is_whitespace()).is_some() {},
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, other)) => out.push(other),
                    None => {}
                },
                c => out.push(c),
            }
        }
        found.push((line.clone(), out));
        rest = rest.get(at + 1 + end + 1..).unwrap_or_default();
    }
    found
}

/// The words between the holes of a format string.
fn words_of(literal: &str) -> Vec<String> {
    let text = literal.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    while let Some((before, hole)) = rest.split_once('{') {
        parts.push(before);
        rest = hole.split_once('}').map_or("", |(_, after)| after);
    }
    parts.push(rest);
    let tidy = |part: &str| part.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    let spoken = |part: &String| part.split_whitespace().filter(|w| w.chars().any(char::is_alphabetic)).count() > 1;
    parts.into_iter().flat_map(|part| part.split('\n')).map(tidy).filter(spoken).collect()
}

/// Names of other people's things, and what only other programs say or programmers read.
const NAMES: [&str; 24] = [
    " (os error",
    // Has a row with a hole in it: a row cannot have these brackets.
    "/models <provider>",
    "AWS4-HMAC-SHA256",
    "Claude Code-credentials",
    "Code - Insiders",
    "Code - OSS",
    "Codex Auth",
    "Kilo Code",
    "Library/Application Support",
    "OAuth (env)",
    "Roo Code",
    "TYPE[:VALUE",
    "`chmod go-w",
    "OPENSOUL UNKNOWN",
    "a probe died",
    "no such table",
    "models auth {word}",
    "models auth login {option}",
    "models list {option}",
    "monitor@example.org",
    "number out of range",
    "ops@example.org",
    "recursion limit",
    "x08",
];

fn is_said(line: &str, literal: &str) -> bool {
    let programmers = [".contains(", "tracing::", "expect(", "reason =", "about:", "assert", "unreachable!", "panic!"];
    let query = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "PRAGMA ", "VACUUM", "begun_at ", "state = "]
        .iter()
        .any(|verb| literal.starts_with(verb));
    let named = NAMES.iter().any(|name| literal.contains(name)) || literal.contains("%M");
    // What is typed in a chat.
    let typed = literal.starts_with('/');
    // What begins a file that is written.
    let remark = literal.starts_with("# ");
    let setting = literal.trim_start().starts_with('[') && literal.contains("] ") && literal.contains(" = ");
    !query
        && !named
        && !typed
        && !remark
        && !setting
        && !is_command(literal)
        && !programmers.iter().any(|word| line.contains(word))
}

/// Whether there is a row for it, whatever will be in its holes.
fn has_row(literal: &str) -> bool {
    let text = literal.replace("{{", "\u{1}").replace("}}", "\u{2}");
    ["7", "a string", "2026-01-01", "is locked", "it was used 2026-01-01 00:00 UTC", "accepted"].iter().any(|filler| {
        let mut filled = String::new();
        let mut rest = text.as_str();
        while let Some((before, hole)) = rest.split_once('{') {
            filled.extend([before, filler]);
            rest = hole.split_once('}').map_or("", |(_, after)| after);
        }
        filled.push_str(rest);
        translate(&filled.replace('\u{1}', "{").replace('\u{2}', "}")).is_some()
    })
}

/// What may stand in a row's `<a|b>`.
fn choices(table: &str) -> Vec<String> {
    let groups = table.lines().filter(|line| !line.starts_with([' ', '#'])).flat_map(|line| line.split('<').skip(1));
    let groups = groups.filter_map(|rest| rest.split_once('>'));
    groups.flat_map(|(group, _)| group.split('|').flat_map(words_of)).collect()
}

#[test]
fn whatever_we_say_in_messages_has_a_row() {
    let english: Vec<String> = TABLES
        .iter()
        .flat_map(|(_, table)| table.lines().filter(|line| !line.starts_with([' ', '#'])))
        .flat_map(|line| ways(line).expect("a good row"))
        .flat_map(|line| words_of(&line))
        .chain(TABLES.iter().flat_map(|(_, table)| choices(table)))
        .collect();
    // A sentence may be put together from parts: each begins or ends what stands between the holes of a row. What merely occurs
    // inside another sentence is none of its parts.
    let apart = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    let has_part = |part: &str| {
        english.iter().any(|row| {
            row.strip_prefix(part).is_some_and(|rest| apart(rest.chars().next()))
                || row.strip_suffix(part).is_some_and(|rest| apart(rest.chars().next_back()))
        })
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    for speaker in SPEAKERS {
        files(&root.join(speaker), &mut sources);
    }
    let (mut missing, mut seen) = (Vec::new(), 0);
    for path in sources {
        let name = path.strip_prefix(&root).expect("inside").to_string_lossy().into_owned();
        if !name.ends_with(".rs") || name.contains("tests") || NOT_SAID.contains(&name.as_str()) {
            continue;
        }
        for (line, literal) in literals(&fs::read_to_string(&path).expect("a source")) {
            if !is_said(&line, &literal) || words_of(&literal).is_empty() {
                continue;
            }
            seen += 1;
            let lost = words_of(&literal).into_iter().find(|part| !has_part(part));
            if lost.is_some() && !has_row(&literal) {
                missing.push(format!("{name}: {literal:?}"));
            }
        }
    }
    assert!(missing.is_empty(), "add rows to src/output/chinese/*.txt:\n{}", missing.join("\n"));
    assert!(seen > 400, "the reader of sources has gone blind: {seen}");
}

fn chinese(text: &str) -> String {
    translate(text).unwrap_or_else(|| panic!("no row for {text:?}"))
}

#[test]
fn every_table_is_good() {
    for (room, table) in TABLES {
        let rows = rows(room, table).unwrap_or_else(|problem| panic!("{problem}"));
        assert!(!rows.is_empty(), "{room}");
        let mut lines: Vec<&str> =
            table.lines().filter(|line| !line.is_empty() && !line.starts_with([' ', '#'])).collect();
        let all = lines.len();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), all, "{room} says something twice");
    }
    for (table, problem) in [
        ("a {x}\n    {y}", "{y} is not in the English"),
        ("a {x}{y}\n    b", "words between two holes"),
        ("{x}\n    {x}", "there must be words"),
        ("a <b|c>\n    <d>", "not as many"),
        ("a\nb", "has no Chinese"),
        ("    a", "no English before"),
        ("a {x\n    b", "without a }"),
    ] {
        let said = rows("x", table).expect_err(table);
        assert!(said.contains(problem) && said.starts_with("chinese/x.txt:"), "{said}");
    }
}

#[test]
fn holes_are_kept_or_translated() {
    for (english, expected) in [
        ("2 days 4 h", "2 天 4 小时"),
        ("opensoul:main/anthropic:work must be renewed", "opensoul:main/anthropic:work 需要续期"),
        (
            "anthropic refused it (2026-11-22 18:00 UTC, asked with the same secret from env:X): 401: the provider does not know it (\"invalid x-api-key\")",
            "anthropic 拒绝了它（2026-11-22 18:00 UTC，用 env:X 中的同一密钥查询）：401：提供商不认识它（\"invalid x-api-key\"）",
        ),
        ("anthropic refused it (2026-11-22 18:00 UTC): go away", "anthropic 拒绝了它（2026-11-22 18:00 UTC）：go away"),
        (
            "it ends 2026-11-22 18:00 UTC (written in the token itself)",
            "它将于 2026-11-22 18:00 UTC 到期（令牌自身载明）",
        ),
        (
            "refreshable: its owner renews it when it is used; the access token ended 2026-11-22 18:00 UTC",
            "可刷新：所属工具在使用时为其续期；访问令牌已于 2026-11-22 18:00 UTC 到期",
        ),
        (
            "its owner should have renewed it 2026-11-22 18:00 UTC and did not, although it was used 2026-11-22 19:00 UTC",
            "所属工具本应于 2026-11-22 18:00 UTC 将其续期却没有，尽管它在 2026-11-22 19:00 UTC 被使用过",
        ),
        ("also the key of a, b and 3 more", "同时也是 a、b 等（另有 3 个）的密钥"),
        ("it cannot be read: is locked", "无法读取：已锁定"),
    ] {
        assert_eq!(chinese(english), expected);
    }
}

#[test]
fn what_is_not_ours_stays() {
    for text in ["", "it ended badly and sadly", "claude auth login", "a note of mine", "is it so?", "5 hours"] {
        assert_eq!(translate(text), None, "{text}");
    }
}

/// Of somebody else's sentence no part is ours, though it may end as one of ours does.
#[test]
fn a_foreign_sentence_is_not_torn() {
    for said in [
        "ssh: Could not resolve hostname box.example.org: Name or service not known",
        "ssh: Could not resolve hostname box: Temporary failure in name resolution",
        "ssh: connect to host box port 22: Connection refused",
        "ssh: connect to host box port 22: Connection timed out",
        "ann@box: Permission denied (publickey,password).",
        "Host key verification failed.",
        "No ED25519 host key is known for box and you have requested strict checking.",
        "kex_exchange_identification: Connection closed by remote host",
        "Connection closed by UNKNOWN port 65535",
        "Bad owner or permissions on /home/ann/.ssh/config",
    ] {
        let text = format!(
            "box was not reached: {said} (ssh ended with 255); try `ssh box true`, which must work without a question"
        );
        let expected = format!("未能连上 box：{said}（ssh 以 255 结束）；请试 `ssh box true`，它必须无需提问即可成功");
        assert_eq!(chinese(&text), expected);
        assert_eq!(translate(said), None, "{said}");
    }
}

/// Every reason, finding and advice of a home with each source there is.
#[test]
fn the_golden_home_has_no_words_without_a_row() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/home.golden.json"));
    let document: serde_json::Value = serde_json::from_str(&text.expect("the golden home")).expect("JSON");
    let mut said = Vec::new();
    for (list, names) in [("credentials", ["because", "fix"]), ("findings", ["message", "fix"])] {
        for entry in document[list].as_array().expect("a list") {
            for name in names {
                match &entry[name] {
                    serde_json::Value::Array(lines) => said.extend(lines.iter().filter_map(|line| line.as_str())),
                    one => said.extend(one.as_str()),
                }
            }
        }
    }
    assert!(said.len() > 100, "{}", said.len());
    // What somebody declared is in his own words.
    let ours = |text: &&str| !is_command(text) && *text != "made for the build server";
    let missing: Vec<&str> = said.into_iter().filter(ours).filter(|text| translate(text).is_none()).collect();
    assert!(missing.is_empty(), "add rows to src/output/chinese/*.txt:\n{}", missing.join("\n"));
}

#[test]
fn ten_thousand_lines_take_no_time() {
    let text =
        "anthropic refused it (2026-11-22 18:00 UTC): 401: the provider does not know it (\"invalid x-api-key\")";
    let mut work = Work::new();
    assert!(ROWS.translate(text, &mut work).is_some());
    assert!(STEPS - work.steps < 500, "{} rows were tried", STEPS - work.steps);
    assert_eq!(work.foreign, Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in a file: an answer at once, and nothing of it lost.
    #[test]
    fn foreign_words_are_safe(text in "\\PC{0,200}", repeated in "(: |; | and |, |\\(|it |is ){1,400}") {
        for text in [&text, &repeated] {
            let _ = translate(text);
        }
        prop_assume!(!text.is_empty());
        let whole = format!("{text} must be renewed");
        if let Some(chinese) = translate(&whole) {
            prop_assert!(chinese.contains(&text));
        }
    }
}
