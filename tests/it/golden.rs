//! What is said about the home of `tests/fixtures/home`: the whole document, and what people see.
//!
//! After a change that is meant: `UPDATE_GOLDEN=1 cargo test --test it golden`, then read what changed.

use std::path::Path;

use opensoul::config;
use opensoul::doctor::Program;
use opensoul::domain::{FingerprintKey, Zone};
use opensoul::monitor::observe::{Look, Observed, observe_home_only};
use opensoul::output::status::{Incidents, Options, Report, json, text};
use opensoul::store::Remembered;

use crate::fixture_home::{PLANTED, environment, furnish, now};

fn observed(root: &Path) -> Observed {
    furnish(root);
    let project = root.join("project");
    let env = environment(root);
    let config = config::load(None, &env).unwrap_or_else(|problems| panic!("{}", config::report(&problems)));
    observe_home_only(&Look {
        env: &env,
        cwd: Some(&project),
        config: &config,
        location: &config::locate(&env, None),
        program: Program::default(),
        remembered: &Remembered::default(),
        key: &FingerprintKey::new(&[7; 32]),
        keep_secrets: false,
        now: now(),
    })
}

fn compare(name: &str, fresh: &str) {
    assert!(!fresh.contains(PLANTED), "a secret is shown in {name}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return std::fs::write(path, fresh).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    let different = golden.lines().zip(fresh.lines()).position(|(old, new)| old != new);
    let line = different.unwrap_or_else(|| golden.lines().count().min(fresh.lines().count()));
    assert!(
        golden == fresh,
        "{name}, line {}:\n- {}\n+ {}\nUPDATE_GOLDEN=1 cargo test --test it golden",
        line + 1,
        golden.lines().nth(line).unwrap_or("(end)"),
        fresh.lines().nth(line).unwrap_or("(end)"),
    );
}

#[test]
fn the_golden_home() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let seen = observed(&root);
    let mut document = json(&Report::of(&seen.snapshot), Incidents::heard(&[]), Some(&root)).unwrap();
    document = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(&document).unwrap()).unwrap();
    compare("home.golden.json", &(document + "\n").replace(root.to_str().unwrap(), "~"));
    for width in [80, 40] {
        let options = Options { width, zone: Zone::UTC, home: Some(&root), lang: opensoul::domain::Lang::English };
        let text = text(&Report::of(&seen.snapshot), Incidents::heard(&[]), &options).replace("\u{1b}", "ESC");
        compare(&format!("home.golden.{width}.txt"), &text.replace(root.to_str().unwrap(), "~"));
    }
}
