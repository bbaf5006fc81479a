use super::*;
use crate::domain::{Lang, Severity, Silence, Zone};
use crate::engine::incidents::world::{World, credential, snapshot, start};
use crate::engine::overlays::Overlays;
use crate::engine::policy::QuietHours;

fn world() -> World {
    let mut world = World::with(&["mail"]);
    let broken = |id| credential(id, crate::domain::State::Rejected, Severity::Critical);
    world.tick(&snapshot(vec![broken("claude-code:default"), broken("codex:default")]));
    let time = |text| chrono::NaiveTime::parse_from_str(text, "%H:%M").unwrap();
    world.policy.quiet = Some(QuietHours { from: time("08:00"), to: time("10:00"), zone: Zone::UTC });
    world.silence("provider=anthropic", crate::domain::Span::hours(3));
    world.ack("CredentialRejected", None, false);
    world
}

fn with<T>(world: &World, show: impl FnOnce(&Alerts<'_>) -> T) -> T {
    let Standing { incidents, silences } = Standing::of(world);
    let overlays = Overlays::new(&world.policy, &silences, "box", world.now);
    let withheld = overlays.all(&incidents);
    let (now, windows) = (world.now, world.policy.windows(world.now));
    show(&Alerts {
        host: "box",
        now,
        incidents: &incidents,
        silences: &silences,
        windows: &windows,
        withheld: &withheld,
    })
}

struct Standing {
    incidents: Vec<Incident>,
    silences: Vec<Silence>,
}

impl Standing {
    fn of(world: &World) -> Self {
        Self { incidents: world.standing.incidents.clone(), silences: world.standing.silences.clone() }
    }
}

#[test]
fn the_list_says_why_nothing_is_said_at_any_width() {
    let world = world();
    for width in [80, 40] {
        let options = Options { width, zone: Zone::UTC, lang: Lang::English };
        let text = with(&world, |alerts| incidents(alerts, &options));
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("2 open incidents on box"), "{flat}");
        assert!(flat.contains("acknowledged by ann until it is over or gets worse"), "{flat}");
        assert!(flat.contains("silenced by ann until 2026-01-05 12:00 (in 3 h)"), "{flat}");
        assert!(flat.contains("Silences") && flat.contains("provider=anthropic"), "{flat}");
        assert!(flat.contains("quiet hours until 2026-01-05 10:00 (in 1 h): only criticals are sent"), "{flat}");
    }
}

#[test]
fn the_document_has_the_words_of_the_contract() {
    let world = world();
    let document = with(&world, document);
    let mut words: Vec<&str> =
        document["incidents"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap()).collect();
    words.sort_unstable();
    assert_eq!(words, ["acked", "silenced"]);
    assert_eq!(document["silences"][0]["state"], "active");
    let window = serde_json::json!({
        "kind": "quiet_hours", "name": "quiet hours",
        "startsAt": "2026-01-05T08:00:00Z", "endsAt": "2026-01-05T10:00:00Z",
    });
    assert_eq!(document["windows"], serde_json::json!([window]));
    let acked = document["incidents"].as_array().unwrap().iter().find(|one| one["status"] == "acked").unwrap();
    assert_eq!((&acked["withheld"]["reason"], &acked["withheld"]["by"]), (&"acked".into(), &"ann".into()));
}

#[test]
fn a_silence_is_pending_active_or_expired() {
    let mut one = world().standing.silences[0].clone();
    assert_eq!(silence_state(&one, start()), "active");
    one.starts_at += crate::domain::Span::hours(1);
    assert_eq!(silence_state(&one, start()), "pending");
    assert_eq!(silence_state(&one, one.ends_at), "expired");
}
