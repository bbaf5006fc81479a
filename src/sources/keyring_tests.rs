//! Stand-ins for the two programs, which check how they are called.

use super::super::testing::Home;
use super::*;

/// A home whose `PATH` has a program of this name and nothing else.
pub fn stand_in(home: &mut Home, program: &str, script: &str) {
    home.program(&format!("bin/{program}"), script);
    home.env.set("PATH", format!("relative:{}", home.path("bin").display()));
    home.env.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/1000/bus");
}

/// A keyring of Linux that holds this one secret, and is asked for it in this way only.
#[cfg(target_os = "linux")]
pub fn holds(home: &mut Home, question: &str, secret: &str) {
    let answer = printed(&format!("secret = {secret}"));
    stand_in(home, "secret-tool", &format!("[ \"$*\" = 'search {question}' ] || exit 0\n{answer}"));
}

fn item(writer: Writer) -> Item<'static> {
    Item { service: "a service", account: Some("me|1"), writer }
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer::Found(secret) => format!("found {}", secret.expose()),
        Answer::Absent => "absent".to_owned(),
        Answer::Locked(why) | Answer::Unreadable(why) => {
            why.split_once("), ").map_or(why.as_str(), |(_, why)| why).to_owned()
        }
    }
}

/// What comes of a stand-in that answers. On a machine that is held up its time may be over before it does: it is asked again.
fn answered(platform: Platform, item: &Item<'_>, home: &Home) -> String {
    let answers = (0..30).map(|_| words(&ask_on(platform, item, &home.env)));
    let mut in_time = answers.filter(|answer| !answer.contains("in time"));
    in_time.next().expect("an answer in time")
}

/// What `secret-tool search` prints of an item.
fn printed(secret: &str) -> String {
    format!(
        "printf '%s\\n' '[/org/freedesktop/secrets/collection/login/7]' 'label = a label'\nprintf '%s\\n' '{secret}' 'created = 2026-11-02 10:00:00' 'modified = 2026-11-02 10:00:00' 'schema = org.x'\necho 'attribute.service = a service' >&2"
    )
}

#[test]
fn linux() {
    let expect = |name: &str| format!("[ \"$*\" = 'search service a service {name} me|1' ] || exit 9\n");
    let username = expect("username");
    let table = [
        (Writer::Rust, format!("{username}{}", printed("secret = s3cr3t")), "found s3cr3t"),
        (Writer::Node, format!("{}{}", expect("account"), printed("secret = s3cr3t")), "found s3cr3t"),
        (Writer::Rust, printed("secret = {\n  \"a\": 1\n}"), "found {\n  \"a\": 1\n}"),
        (Writer::Go, printed("secret = go-keyring-base64:Z2hvX3g="), "found gho_x"),
        (Writer::Go, printed("secret = go-keyring-encoded:67686f5f78"), "found gho_x"),
        (Writer::Go, printed("secret = go-keyring-base64:%%%"), "but what is there is not text"),
        (Writer::Rust, printed("secret = abcdef"), "found abcdef"),
        (Writer::Rust, username.clone(), "absent"),
        (Writer::Rust, printed("secret = "), "which is locked"),
        (Writer::Rust, printed("note = no secret at all"), "which is locked"),
        (Writer::Rust, "exit 1".to_owned(), "which did not answer"),
        (Writer::Rust, format!("{}\nexit 1", printed("secret = s3cr3t")), "which did not answer"),
    ];
    for (writer, script, expected) in table {
        let mut home = Home::new();
        stand_in(&mut home, "secret-tool", &script);
        assert_eq!(answered(Platform::Linux, &item(writer), &home), expected, "{script}");
    }
}

#[test]
fn mac() {
    let check = "[ \"$*\" = 'find-generic-password -s a service -a me|1 -w' ] || exit 9\n";
    let existence = "[ \"$*\" = 'find-generic-password -s a service -a me|1' ] || exit 9\n";
    let table = [
        (Writer::Security, format!("{check}echo s3cr3t"), "found s3cr3t"),
        (Writer::Go, format!("{check}echo go-keyring-base64:Z2hvX3g="), "found gho_x"),
        // What is not plain ASCII is printed in hexadecimal.
        (Writer::Security, "echo 7b22c3bc223a317d".to_owned(), "found {\"ü\":1}"),
        (Writer::Security, "exit 44".to_owned(), "absent"),
        (
            Writer::Security,
            "exit 36".to_owned(),
            "which is locked or may not be read from this session (over ssh, mostly)",
        ),
        (Writer::Security, "exit 3".to_owned(), "which did not answer"),
        (Writer::Security, "kill -9 $$".to_owned(), "which did not answer"),
        (Writer::Security, "printf '\\377'".to_owned(), "but what is there is not text"),
        (
            Writer::Rust,
            format!("{existence}echo 'keychain: login'"),
            "which gives it to its own tool only, unless you are asked",
        ),
        (Writer::Node, format!("{existence}exit 44"), "absent"),
    ];
    for (writer, script, expected) in table {
        let mut home = Home::new();
        stand_in(&mut home, "security", &script);
        assert_eq!(answered(Platform::Mac, &item(writer), &home), expected, "{script}");
    }
}

#[test]
fn without_an_account() {
    let mut home = Home::new();
    stand_in(&mut home, "security", "[ \"$*\" = 'find-generic-password -s x -w' ] && echo y");
    let item = Item { service: "x", account: None, writer: Writer::Security };
    assert_eq!(answered(Platform::Mac, &item, &home), "found y");
}

#[test]
fn what_is_not_there_is_not_run() {
    let mut home = Home::new();
    let linux = |home: &Home| words(&ask_on(Platform::Linux, &item(Writer::Rust), &home.env));
    assert!(linux(&home).contains("DBUS_SESSION_BUS_ADDRESS is not set"));
    home.env.set("DBUS_SESSION_BUS_ADDRESS", "unix:path=/x");
    home.env.set("PATH", "bin:");
    home.write("bin/secret-tool", "not executable");
    assert_eq!(linux(&home), "and secret-tool is not installed");
    home.env.set("PATH", home.path("bin").to_str().unwrap());
    assert_eq!(linux(&home), "and secret-tool is not installed");
    std::fs::create_dir_all(home.path("other/secret-tool")).unwrap();
    home.env.set("PATH", home.path("other").to_str().unwrap());
    assert_eq!(linux(&home), "and secret-tool is not installed");
    assert!(words(&ask_on(Platform::Other, &item(Writer::Go), &home.env)).contains("no keyring"));
}

#[test]
fn a_program_that_hangs_is_ended_with_all_that_it_started() {
    let mut home = Home::new();
    let pid = home.path("pid");
    stand_in(&mut home, "secret-tool", &format!("/bin/sleep 600 &\necho $! >{}\nwait", pid.display()));
    // A machine that is held up may get to that at a later try.
    let started = (0..30).find_map(|_| {
        assert_eq!(
            words(&ask_on(Platform::Linux, &item(Writer::Rust), &home.env)),
            "which does not answer in time: it may wait for you to unlock it"
        );
        std::fs::read_to_string(&pid).ok()?.trim().parse().ok()
    });
    let pid: i32 = started.expect("it has started nothing");
    // Killed, though perhaps still on its way out, or not yet collected by its new parent.
    let gone = || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    assert!(
        (0..60_000).any(|_| {
            std::thread::sleep(Duration::from_millis(1));
            gone()
        }),
        "it lives on"
    );
}

#[test]
fn a_program_that_closes_its_output_and_stays_is_ended() {
    let mut home = Home::new();
    stand_in(&mut home, "secret-tool", "exec >&-\nexec /bin/sleep 600");
    assert!(words(&ask_on(Platform::Linux, &item(Writer::Rust), &home.env)).contains("does not answer in time"));
}

#[test]
fn a_flood_is_cut_off() {
    let mut home = Home::new();
    stand_in(&mut home, "security", "while :; do echo 0123456789012345678901234567890123456789; done");
    let answer = answered(Platform::Mac, &item(Writer::Security), &home);
    assert_eq!(answer, "and security says more than any keyring holds");
}

#[test]
fn the_programs_see_five_variables() {
    let mut home = Home::new();
    home.env.set("OPENAI_API_KEY", "sk-secret");
    stand_in(&mut home, "security", "/usr/bin/env | /usr/bin/cut -d= -f1 | /usr/bin/sort | /usr/bin/tr '\\n' ' '");
    let names = answered(Platform::Mac, &item(Writer::Security), &home);
    assert!(names.contains("DBUS_SESSION_BUS_ADDRESS HOME") && !names.contains("OPENAI"), "{names}");
}

proptest::proptest! {
    #[test]
    fn whatever_is_printed_never_panics(output in proptest::collection::vec(proptest::num::u8::ANY, 0..200), text in "(go-keyring-(base64|encoded):)?[0-9a-fA-F{=]{0,40}") {
        let _ = keyring_answer::found_by_search(&output);
        let _ = super::text(&item(Writer::Go), &output);
        let _ = super::text(&item(Writer::Go), text.as_bytes());
    }
}
