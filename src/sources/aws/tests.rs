//! The documented shapes, and every way in which they break.

use super::*;
use crate::domain::{Condition, Credential, Kind, Span, Time};
use crate::sources::dotenv::Dotenv;
use crate::sources::env::Env;
use crate::sources::testing::{Home, now};

const START: &str = "https://my-org.awsapps.com/start";

fn sign_on(expires: &str, more: &str) -> String {
    format!(r#"{{"startUrl":"{START}","region":"eu-west-1","accessToken":"aoa","expiresAt":"{expires}"{more}}}"#)
}

fn read(home: &Home, source: &dyn Source) -> (Vec<Credential>, Harvest) {
    let harvest = home.read(source);
    (harvest.found.iter().map(|found| *found.credential.clone()).collect(), harvest)
}

fn at(text: &str) -> Option<Time> {
    text.parse().ok()
}

#[test]
fn of_several_files_for_one_address_the_one_that_ends_last_counts() {
    let home = Home::new();
    let dir = ".aws/sso/cache";
    home.write(&format!("{dir}/aa.json"), sign_on("2027-01-10T20:00:00Z", r#","clientId":"c","clientSecret":"s""#));
    home.write(&format!("{dir}/bb.json"), sign_on("2026-12-24T20:00:00UTC", ""));
    home.write(&format!("{dir}/cc.json"), r#"{"clientId":"x","clientSecret":"y","expiresAt":"2027-03-01T00:00:00Z"}"#);
    home.write(&format!("{dir}/botocore-client-id-eu-west-1.json"), r#"{"startUrl":"x","accessToken":"y"}"#);
    home.write(&format!("{dir}/kiro-auth-token.json"), r#"{"startUrl":"x","accessToken":"y"}"#);
    home.write(&format!("{dir}/notes.txt"), "{");
    let other = sign_on("2027-01-10T09:00:00UTC", "").replace("my-org", "other");
    home.write(&format!("{dir}/dd.json"), other);
    let (credentials, harvest) = read(&home, &AwsSso);
    let ids: Vec<&str> = credentials.iter().map(|credential| credential.id.as_str()).collect();
    assert_eq!(ids, ["aws-sso:my-org.awsapps.com", "aws-sso:other.awsapps.com"]);
    let first = &credentials[0];
    assert_eq!((first.kind, first.renewal, first.provider.as_str()), (Kind::Cloud, Renewal::Manual, "amazon-bedrock"));
    assert_eq!(first.clocks.access_expires, at("2027-01-10T20:00:00Z"));
    assert!(first.clocks.issued.is_some(), "its file is as old as it is");
    assert_eq!(credentials[1].clocks.access_expires, at("2027-01-10T09:00:00Z"), "the older form of a date");
    assert!(harvest.found.iter().all(|found| found.secret.is_none()));
    assert!(harvest.findings.is_empty() && harvest.reports[0].up, "{:?}", harvest.findings);
    assert_eq!(harvest.reports[0].credentials, 2);
}

#[test]
fn a_refresh_token_renews_while_its_registration_lasts() {
    for (registration, renewal) in [
        (r#","registrationExpiresAt":"2027-03-01T00:00:00Z""#, Renewal::Auto),
        ("", Renewal::Auto),
        (r#","registrationExpiresAt":"2027-01-10T11:00:00Z""#, Renewal::Manual),
    ] {
        let home = Home::new();
        let more = format!(r#","refreshToken":"aor"{registration}"#);
        home.write(".aws/sso/cache/aa.json", sign_on("2027-01-10T11:30:00Z", &more));
        let credential = read(&home, &AwsSso).0.remove(0);
        assert_eq!(credential.renewal, renewal, "{registration}");
        assert!(credential.refresh_fingerprint.is_some());
    }
}

#[test]
fn the_command_names_what_the_configuration_names() {
    let table = [
        ("", "Run `aws sso login` with the profile of https://my-org.awsapps.com/start."),
        (
            "[profile old one]\nsso_start_url = https://my-org.awsapps.com/start#/\n",
            "aws sso login --profile 'old one'",
        ),
        ("[default]\nsso_start_url = https://my-org.awsapps.com/start/\n", "aws sso login"),
        (
            "[profile p]\nsso_session = corp\n[sso-session corp]\nsso_start_url = https://my-org.awsapps.com/start\n",
            "aws sso login --sso-session corp",
        ),
        (
            "[profile p]\nsso_start_url = https://another.awsapps.com/start\n",
            "Run `aws sso login` with the profile of https://my-org.awsapps.com/start.",
        ),
    ];
    for (config, fix) in table {
        let mut home = Home::new();
        home.write(".aws/sso/cache/aa.json", sign_on("2027-01-10T20:00:00Z", ""));
        home.write("elsewhere/config", config);
        home.env.set("AWS_CONFIG_FILE", home.path("elsewhere/config").to_str().unwrap());
        assert_eq!(read(&home, &AwsSso).0[0].fix, fix, "{config}");
    }
}

#[test]
fn broken_sign_ons() {
    let present = Condition::Present;
    let table = [
        (r#"{"startUrl":"https://a","accessToken":"","refreshToken":"","expiresAt":""}"#, Condition::Blanked, 0, 0),
        (
            r#"{"startUrl":"https://a","accessToken":7,"expiresAt":"x"}"#,
            Condition::Damaged("accessToken is not a text".to_owned()),
            1,
            0,
        ),
        (r#"{"startUrl":"https://a","accessToken":"t","expiresAt":1799611200}"#, present.clone(), 0, 1),
        (r#"{"startUrl":"https://a","accessToken":"t","expiresAt":1799611200000}"#, present.clone(), 0, 1),
        (r#"{"startUrl":"https://a","accessToken":"t","expiresAt":"soon"}"#, present.clone(), 1, 1),
        (r#"{"startUrl":"https://a","accessToken":"t"}"#, present, 0, 0),
    ];
    for (text, condition, findings, notes) in table {
        let home = Home::new();
        home.write(".aws/sso/cache/aa.json", text);
        let (credentials, harvest) = read(&home, &AwsSso);
        let [credential] = credentials.as_slice() else { panic!("{text}: {credentials:?}") };
        assert_eq!((&credential.condition, harvest.findings.len()), (&condition, findings), "{text}");
        // Beside "there is no refresh token" and "counts as unused".
        assert_eq!(credential.notes.iter().filter(|note| note.starts_with("expiresAt")).count(), notes, "{text}");
        if text.contains("1799611200") {
            assert_eq!(credential.clocks.access_expires.map(|end| end.timestamp()), Some(1_799_611_200));
        }
    }
    for text in ["{\"startUrl\":", "", "[]", "\0"] {
        let home = Home::new();
        home.write(".aws/sso/cache/aa.json", text);
        home.write(".aws/sso/cache/bb.json", sign_on("2027-01-10T20:00:00Z", ""));
        let (credentials, harvest) = read(&home, &AwsSso);
        assert_eq!(
            (credentials.len(), harvest.findings.len()),
            (1, 1),
            "one broken file does not hide the others: {text}"
        );
        assert!(!harvest.reports[0].up);
    }
}

#[test]
fn a_link_that_was_swapped_is_followed_and_one_to_nothing_is_said() {
    let home = Home::new();
    home.write("one", sign_on("2027-01-10T20:00:00Z", ""));
    home.write("two", sign_on("2027-01-11T20:00:00Z", ""));
    std::fs::create_dir_all(home.path(".aws/sso/cache")).unwrap();
    let link = home.path(".aws/sso/cache/aa.json");
    for (target, end) in [("one", at("2027-01-10T20:00:00Z")), ("two", at("2027-01-11T20:00:00Z"))] {
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(home.path(target), &link).unwrap();
        assert_eq!(read(&home, &AwsSso).0[0].clocks.access_expires, end);
    }
    std::fs::remove_file(home.path("two")).unwrap();
    let (credentials, harvest) = read(&home, &AwsSso);
    assert_eq!((credentials.len(), harvest.findings[0].id.as_str()), (0, "store.unreadable"));
}

#[test]
fn a_sign_on_counts_as_used_where_models_are_called_with_it() {
    let mut home = Home::new();
    home.write(".aws/sso/cache/aa.json", sign_on("2027-01-10T20:00:00Z", ""));
    let used = |home: &Home| read(home, &AwsSso).0[0].declared_in_use;
    assert_eq!(used(&home), Some(false));
    for (settings, expected) in [
        (r#"{"env":{"CLAUDE_CODE_USE_BEDROCK":"1"}}"#, None),
        (r#"{"env":{"CLAUDE_CODE_USE_BEDROCK":1}}"#, None),
        (r#"{"env":{"CLAUDE_CODE_USE_BEDROCK":"0"}}"#, Some(false)),
        (r#"{"env":[]}"#, Some(false)),
        ("{", Some(false)),
    ] {
        home.write(".claude/settings.json", settings);
        assert_eq!(used(&home), expected, "{settings}");
    }
    home.env.set("CLAUDE_CODE_USE_BEDROCK", "true");
    assert_eq!(used(&home), None);
}

#[test]
fn keys_of_profiles() {
    let home = Home::new();
    home.write(
        ".aws/credentials",
        "[default]\naws_access_key_id = AKIA1\naws_secret_access_key = signs-for-default\n\
         [temp]\naws_access_key_id=ASIA2\naws_secret_access_key=s2\naws_session_token=token-of-temp\nx_security_token_expires = 2027-01-10T20:00:00+02:00\n\
         [open]\naws_access_key_id=ASIA3\naws_secret_access_key=s3\naws_session_token=t3\n\
         [half]\naws_access_key_id=AKIA4\n\
         [blank]\naws_access_key_id=AKIA5\naws_secret_access_key=\n\
         [nameless]\naws_secret_access_key=s6\n\
         [wrong]\naws_access_key_id=ASIA7\naws_secret_access_key=s7\naws_session_token=t\nexpiration=soon\n\
         [process]\ncredential_process = /bin/false\n",
    );
    let (credentials, harvest) = read(&home, &Aws);
    let ids: Vec<&str> = credentials.iter().map(|credential| credential.id.as_str()).collect();
    assert_eq!(ids, ["aws:blank", "aws:default", "aws:half", "aws:nameless", "aws:open", "aws:temp", "aws:wrong"]);
    let of = |name: &str| credentials.iter().find(|credential| credential.profile == name).unwrap();
    assert_eq!((of("default").renewal, &of("default").condition), (Renewal::None, &Condition::Present));
    assert_eq!(
        (of("default").fix.as_str(), of("half").fix.as_str()),
        ("aws configure", "aws configure --profile half")
    );
    assert_eq!(of("blank").condition, Condition::Blanked);
    assert!(matches!(of("half").condition, Condition::Absent(_)));
    assert!(matches!(of("nameless").condition, Condition::Absent(_)));
    let temp = of("temp");
    let end: Time = "2027-01-10T18:00:00Z".parse().unwrap();
    assert_eq!((temp.renewal, temp.clocks.access_expires), (Renewal::Manual, Some(end)));
    assert!(temp.clocks.issued.is_some_and(|issued| issued >= end - Span::hours(36) && issued < end));
    assert!(of("open").notes.iter().any(|note| note.contains("nobody wrote down")));
    assert_eq!((of("wrong").clocks.access_expires, harvest.findings.len()), (None, 1));
    assert!(harvest.found.iter().all(|found| found.secret.is_none()), "a key that signs is no bearer token");
    let said = format!("{:?} {:?}", credentials, harvest.findings);
    assert!(!said.contains("signs-for-default") && !said.contains("token-of-temp"), "{said}");
}

#[test]
fn another_place_for_keys_and_an_unreadable_one() {
    let mut home = Home::new();
    home.write("mine", "[a]\naws_access_key_id=AKIA1\naws_secret_access_key=s\n");
    home.env.set("AWS_SHARED_CREDENTIALS_FILE", "~/mine");
    assert_eq!(read(&home, &Aws).0[0].id.as_str(), "aws:a");
    home.write("mine", b"\xff\xfe");
    let (credentials, harvest) = read(&home, &Aws);
    assert_eq!((credentials.len(), harvest.findings.len(), harvest.reports[0].up), (1, 1, false));
}

#[test]
fn what_the_command_line_derives_is_renewed_by_it() {
    let home = Home::new();
    let role = |end: &str, arn: &str| {
        format!(
            r#"{{"Credentials":{{"AccessKeyId":"ASIA","SecretAccessKey":"{end}","SessionToken":"t","Expiration":"{end}"}},"AssumedRoleUser":{{"Arn":"{arn}"}}}}"#
        )
    };
    let arn = "arn:aws:sts::123456789012:assumed-role/Builder/ann";
    home.write(".aws/cli/cache/aa.json", role("2027-01-10T09:00:00Z", arn));
    home.write(".aws/cli/cache/bb.json", role("2027-01-10T11:00:00UTC", arn));
    home.write(
        ".aws/cli/cache/cc.json",
        r#"{"Credentials":{"SecretAccessKey":"s","Expiration":"2027-01-10T11:00:00Z","AccountId":"99"},"ProviderType":"sso"}"#,
    );
    home.write(".aws/cli/cache/dd.json", r#"{"Credentials":{"SecretAccessKey":5}}"#);
    home.write(".aws/cli/cache/ee.json", r#"{"other":1}"#);
    home.write(".aws/cli/cache/ff.json", "{");
    home.write(
        ".aws/login/cache/aa.json",
        r#"{"accessToken":{"accessKeyId":"ASIA","secretAccessKey":"s","sessionToken":"t","accountId":"123456789012","expiresAt":"2027-01-10T11:45:00Z"},"tokenType":"aws_sigv4","refreshToken":"r","clientId":"c","dpopKey":"k"}"#,
    );
    home.write(".aws/config", "[profile me]\nlogin_session = arn:aws:iam::123456789012:user/ann\n");
    let (credentials, harvest) = read(&home, &Aws);
    let shown: Vec<(&str, Option<Time>, Renewal)> =
        credentials.iter().map(|c| (c.id.as_str(), c.clocks.access_expires, c.renewal)).collect();
    let expected = [
        ("aws-role:123456789012/Builder", at("2027-01-10T11:00:00Z"), Renewal::Auto),
        ("aws-role:99", at("2027-01-10T11:00:00Z"), Renewal::Auto),
        ("aws-role:dd", None, Renewal::Auto),
        ("aws-login:123456789012", at("2027-01-10T11:45:00Z"), Renewal::Auto),
    ];
    assert_eq!(shown, expected);
    assert_eq!(credentials[3].fix, "aws login --profile me");
    assert!(credentials[3].refresh_fingerprint.is_some());
    assert!(matches!(credentials[2].condition, Condition::Damaged(_)));
    assert_eq!(harvest.findings.len(), 1, "the broken file: {:?}", harvest.findings);
    assert!(credentials.iter().all(|credential| credential.activity.owner_changed >= Some(now() - Span::days(3650))));
}

#[test]
fn a_machine_without_aws_costs_nothing_and_says_nothing() {
    let home = Home::new();
    for source in [&Aws as &dyn Source, &AwsSso] {
        let (credentials, harvest) = read(&home, source);
        assert!(credentials.is_empty() && harvest.findings.is_empty());
    }
}

#[test]
fn a_key_signs_only_where_its_region_is_one_of_the_general_part() {
    let keys = "[static]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = s3cret/x\n\
                [temporary]\naws_access_key_id = ASIAEXAMPLE\naws_secret_access_key = other\naws_session_token = tok==\n";
    let handed = |config: &str, region: Option<&str>| {
        let mut home = Home::new();
        home.write(".aws/credentials", keys);
        home.write(".aws/config", config);
        if let Some(region) = region {
            home.env.set("AWS_REGION", region);
        }
        let harvest = home.read(&Aws);
        let text = |found: &Found| found.secret.as_ref().map(|secret| secret.expose().to_owned());
        harvest.found.iter().map(text).collect::<Vec<_>>()
    };
    let both = [Some("AKIAEXAMPLE:s3cret/x".to_owned()), Some("ASIAEXAMPLE:other:tok==".to_owned())];
    assert_eq!(handed("[profile static]\nregion = eu-west-1\n", None), both);
    assert_eq!(handed("", Some("us-west-2")), both);
    for (config, region) in [
        ("", None),
        ("[profile static]\nregion = cn-north-1\n", None),
        ("[default]\nregion = us-east-1\n[profile b]\nregion = us-gov-west-1\n", None),
        ("[default]\nregion = us-east-1\n", Some("cn-northwest-1")),
    ] {
        assert_eq!(handed(config, region), [None, None], "{config} {region:?}");
    }
}

#[test]
fn a_secret_key_among_variables_signs_with_what_is_beside_it() {
    let handed = |vars: &[(&str, &str)], file: &str| {
        let mut home = Home::new();
        for (name, value) in vars {
            home.env.set(*name, *value);
        }
        home.write(".opensoul/.env", file);
        let found = if file.is_empty() { home.read(&Env) } else { home.read(&Dotenv) }.found;
        let [one] = &found[..] else { panic!("{}", found.len()) };
        let notes = one.credential.notes.join("; ");
        (one.secret.as_ref().map(|secret| secret.expose().to_owned()), one.credential.renewal, notes)
    };
    let (id, secret) = (("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "s3cret/x"));
    let region = ("AWS_REGION", "eu-west-1");
    let signs = (Some("AKIAEXAMPLE:s3cret/x".to_owned()), Renewal::None, String::new());
    assert_eq!(handed(&[id, secret, region], ""), signs);
    let file = "AWS_ACCESS_KEY_ID=AKIAEXAMPLE\nAWS_SECRET_ACCESS_KEY=s3cret/x\nAWS_DEFAULT_REGION=eu-west-1\n";
    assert_eq!(handed(&[], file), signs);
    let (handed_over, renewal, notes) = handed(&[id, secret, region, ("AWS_SESSION_TOKEN", "tok==")], "");
    assert_eq!((handed_over.as_deref(), renewal), (Some("AKIAEXAMPLE:s3cret/x:tok=="), Renewal::Manual));
    assert!(notes.contains("temporary"), "{notes}");
    // Which part of AWS it is for is not said, or it is China: nobody is asked.
    assert_eq!(handed(&[id, secret], "").0, None);
    assert_eq!(handed(&[id, secret, ("AWS_REGION", "cn-north-1")], "").0, None);
    let (handed_over, _, notes) = handed(&[secret, region], "");
    assert!(handed_over.is_none() && notes.contains("no AWS_ACCESS_KEY_ID"), "{notes}");
}
