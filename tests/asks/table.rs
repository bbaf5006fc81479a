//! `docs/asks.md` lists every entry once, and names stories that exist.

use std::collections::BTreeSet;
use std::path::Path;

const ENTRIES: u32 = 54;

/// The stories that are written here.
fn stories() -> BTreeSet<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/asks");
    let files = std::fs::read_dir(here).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let text: Vec<String> = files.collect();
    let names = text.iter().flat_map(|text| text.lines()).filter_map(|line| {
        let name = line.trim().strip_prefix("async fn ").or_else(|| line.trim().strip_prefix("fn "))?;
        let name = name.split('(').next()?;
        name.starts_with("ask_").then(|| name.to_owned())
    });
    names.collect()
}

#[test]
fn the_table_of_asks_has_every_entry_once_and_names_its_story() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/asks.md");
    let table = std::fs::read_to_string(table).unwrap();
    let rows =
        table.lines().filter(|line| line.starts_with("| ") && line[2..].starts_with(|c: char| c.is_ascii_digit()));
    let (mut numbers, mut named) = (Vec::new(), BTreeSet::new());
    let mut partly = 0;
    let stories = stories();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [number, complaint, answer, story, result] = cells[..] else { panic!("five cells: {row}") };
        let number: u32 = number.parse().unwrap();
        let name = story.trim_matches('`');
        assert!(stories.contains(name), "{name} does not exist in tests/asks");
        assert!(name.starts_with(&format!("ask_{number:02}_")), "{name} is not the story of entry {number}");
        assert!(!complaint.is_empty() && !answer.is_empty(), "{row}");
        let (word, reason) = result.split_once(": ").unwrap_or((result, ""));
        match word {
            "yes" => assert!(reason.is_empty(), "{row}"),
            "partly" => {
                assert!(!reason.is_empty(), "what is missing? {row}");
                partly += 1;
            }
            _ => panic!("{word} is no result: {row}"),
        }
        numbers.push(number);
        named.insert(name.to_owned());
    }
    assert_eq!(numbers, (1..=ENTRIES).collect::<Vec<_>>());
    assert_eq!(named, stories, "every story is in the table");
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let result = match partly {
        0 => format!("{ENTRIES} entries, each with a test"),
        _ => format!("{ENTRIES} entries, each with a test ({} yes, {partly} partly)", numbers.len() - partly),
    };
    assert!(readme.contains(&result), "README.md: {result}");
}
