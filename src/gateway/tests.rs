use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;
use crate::domain::Secret;
use crate::formats::gateway_view::{SeenIn, Sight};
use crate::formats::installation::{Layer, LayeredEnv};

/// A machine in a directory: `/proc`, units, a home.
struct Tree {
    dir: tempfile::TempDir,
    env: Environment,
    installation: Installation,
    /// A real socket, so that there is something to connect to.
    socket: Option<TcpListener>,
}

/// The machine that runs the tests may have a gateway of its own, and may be held up: who did not answer in time is asked again.
fn dial(address: SocketAddr) -> Answer {
    let mut tries = (0..100).map(|_| port::connect(address));
    let in_time = |answer: &Answer| !matches!(answer, Answer::Silent(_));
    if address.port() == DEFAULT_PORT { Answer::No } else { tries.find(in_time).unwrap_or(Answer::Silent(address)) }
}

fn key() -> FingerprintKey {
    FingerprintKey::new(&[7; 32])
}

fn now() -> Time {
    "2026-11-20T12:00:00Z".parse().expect("a date")
}

impl Tree {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let home = dir.path().join("home");
        let state_dir = home.join(".opensoul");
        fs::create_dir_all(&state_dir).expect("home");
        fs::create_dir_all(dir.path().join("proc/net")).expect("proc");
        let mut env = Environment::default();
        env.set("HOME", home.display().to_string());
        let installation = Installation {
            family: Family::OpenSoul,
            config_path: state_dir.join("opensoul.json"),
            state_dir,
            chosen: true,
            config: None,
            config_problems: Vec::new(),
            beside: Vec::new(),
            agents: Vec::new(),
            env: LayeredEnv::default(),
            sqlite: false,
        };
        let tree = Self { dir, env, installation, socket: None };
        tree.write("proc/net/tcp", "  sl  local_address ...\n");
        tree.write("proc/uptime", "1000.50 900.00\n");
        tree
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("directory");
        fs::write(&path, text).expect("file");
        path
    }

    /// Listens for real, and says so in `/proc/net/tcp` with socket number 777.
    fn listens(&mut self) -> u16 {
        self.listens_on(Ipv4Addr::LOCALHOST)
    }

    fn listens_on(&mut self, ip: Ipv4Addr) -> u16 {
        let socket = TcpListener::bind((ip, 0)).expect("a port");
        let port = socket.local_addr().expect("address").port();
        self.socket = Some(socket);
        let uid = rustix::process::getuid().as_raw();
        let ip = u32::from_ne_bytes(ip.octets());
        self.write(
            "proc/net/tcp",
            &format!("  sl ...\n   0: {ip:08X}:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {uid} 0 777 1 0 100\n"),
        );
        self.env.set("OPENSOUL_GATEWAY_PORT", port.to_string());
        port
    }

    fn process(&self, pid: u32, cmdline: &str, cgroup: &str, environ: &str, start_ticks: u64) {
        let uid = rustix::process::getuid().as_raw();
        let at = format!("proc/{pid}");
        self.write(&format!("{at}/status"), &format!("Name:\tnode\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"));
        self.write(&format!("{at}/cmdline"), &cmdline.replace(' ', "\0"));
        self.write(&format!("{at}/cgroup"), &format!("0::{cgroup}\n"));
        self.write(&format!("{at}/environ"), &environ.replace(' ', "\0"));
        self.write(
            &format!("{at}/stat"),
            &format!("{pid} (no) de (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 11 0 {start_ticks} 1 1\n"),
        );
    }

    fn holds_socket(&self, pid: u32, inode: u64) {
        let fd = self.dir.path().join(format!("proc/{pid}/fd"));
        fs::create_dir_all(&fd).expect("fd");
        symlink("/dev/null", fd.join("0")).expect("link");
        symlink(format!("socket:[{inode}]"), fd.join("19")).expect("link");
    }

    fn unit(&self, name: &str, text: &str, enabled: bool) {
        self.unit_in("home/.config/systemd/user", name, text, enabled);
    }

    /// systemd runs where a unit is.
    fn unit_in(&self, folder: &str, name: &str, text: &str, enabled: bool) {
        fs::create_dir_all(self.dir.path().join("run/systemd/system")).expect("systemd");
        let path = self.write(&format!("{folder}/{name}"), text);
        if enabled {
            let wants = self.dir.path().join(folder).join("default.target.wants");
            fs::create_dir_all(&wants).expect("wants");
            symlink(path, wants.join(name)).expect("link");
        }
    }

    fn judged(&self) -> (GatewayState, String) {
        let gateway = self.look().gateway;
        (gateway.state, gateway.detail)
    }

    fn look(&self) -> GatewayView {
        let uid = rustix::process::getuid().as_raw();
        let machine = Machine { root: self.dir.path(), uid, dial };
        machine.look(std::slice::from_ref(&self.installation), &self.env, &key(), now())
    }
}

fn fingerprint(text: &str) -> Option<crate::domain::Fingerprint> {
    key().fingerprint(&Secret::new(text.to_owned()))
}

#[test]
fn nothing_here() {
    let view = Tree::new().look();
    assert_eq!(view.gateway.state, GatewayState::Absent, "{}", view.gateway.detail);
    assert_eq!((view.port, view.process, view.sight), (DEFAULT_PORT, None, Sight::Blind));
}

#[test]
fn without_proc_a_silent_port_proves_nothing() {
    let mut tree = Tree::new();
    fs::remove_dir_all(tree.dir.path().join("proc")).expect("remove");
    // A port that nobody listens on, and that no other test is given.
    tree.env.set("OPENSOUL_GATEWAY_PORT", "9");
    tree.unit("opensoul-gateway.service", "[Service]\nExecStart=/x\n", true);
    assert_eq!(tree.look().gateway.state, GatewayState::Unknown);
}

#[test]
fn the_owner_of_the_port_is_the_gateway() {
    let mut tree = Tree::new();
    let port = tree.listens();
    tree.process(41, "bash", "/x", "OPENAI_API_KEY=sk-not-the-gateway", 1);
    tree.process(
        42,
        "node /opt/x/openclaw gateway",
        "/user.slice/x",
        "OPENAI_API_KEY=sk-run ANTHROPIC_API_KEY= PATH=/bin",
        50_050,
    );
    tree.holds_socket(42, 777);
    let view = tree.look();
    assert_eq!(view.gateway.state, GatewayState::Up);
    assert_eq!(view.gateway.detail, format!("answers on 127.0.0.1:{port}, process 42"));
    let process = view.process.expect("a process");
    // Started 500.5 s after boot, which was 1000.5 s ago.
    assert_eq!((process.pid, process.started), (42, Some(now() - Span::seconds(500))));
    assert_eq!(view.sight, Sight::Running);
    assert_eq!(view.visible.keys().collect::<Vec<_>>(), ["ANTHROPIC_API_KEY", "OPENAI_API_KEY"]);
    assert_eq!(view.visible["OPENAI_API_KEY"].fingerprint, fingerprint("sk-run"));
    assert_eq!(view.visible["ANTHROPIC_API_KEY"].fingerprint, None);
}

#[test]
fn what_a_value_says_about_its_own_end_is_kept_and_the_value_is_not() {
    // {"alg":"none"} . {"exp":1803859200}
    const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjE4MDM4NTkyMDB9.c2ln";
    let end = |view: &GatewayView| {
        view.visible["VERCEL_OIDC_TOKEN"].bearer.as_ref().and_then(|b| b.expires).map(|e| e.timestamp())
    };
    let mut tree = Tree::new();
    tree.listens();
    tree.process(42, "node /opt/x/openclaw gateway", "/user.slice/x", &format!("VERCEL_OIDC_TOKEN={TOKEN}"), 50_050);
    tree.holds_socket(42, 777);
    assert_eq!(end(&tree.look()), Some(1_803_859_200));
    let mut planned = Tree::new();
    planned.unit("opensoul-gateway.service", &format!("[Service]\nEnvironment=VERCEL_OIDC_TOKEN={TOKEN}\n"), true);
    planned.env.set("USER", "ann");
    assert_eq!(end(&planned.look()), Some(1_803_859_200));
    assert!(!format!("{:?}", planned.look()).contains(TOKEN));
}

#[test]
fn a_forwarder_is_not_a_gateway() {
    for command in ["ssh -L 18789:localhost:18789 gateway-host", "/usr/bin/docker-proxy -container openclaw"] {
        let mut tree = Tree::new();
        tree.listens();
        tree.process(42, command, "/x", "OPENAI_API_KEY=sk-mine", 1);
        tree.holds_socket(42, 777);
        let view = tree.look();
        assert_eq!(view.process, None, "{command}");
        assert_eq!((view.gateway.state, view.sight), (GatewayState::Up, Sight::Blind));
        assert!(view.visible.is_empty());
    }
}

#[test]
fn another_users_process_is_never_read() {
    let mut tree = Tree::new();
    tree.listens();
    tree.process(42, "openclaw gateway", "/x/opensoul-gateway.service", "OPENAI_API_KEY=sk-theirs", 1);
    tree.holds_socket(42, 777);
    tree.write("proc/42/status", "Name:\tnode\nUid:\t4242\t0\t0\t0\n");
    tree.unit("opensoul-gateway.service", "[Service]\n", true);
    let view = tree.look();
    assert_eq!(view.process, None);
    assert!(view.visible.is_empty());
}

#[test]
fn a_dead_unit_is_down_and_a_disabled_one_is_absent() {
    for (enabled, state) in [(true, GatewayState::Down), (false, GatewayState::Absent)] {
        let tree = Tree::new();
        tree.unit("openclaw-gateway.service", "[Service]\nEnvironment=OPENAI_API_KEY=sk-unit\n", enabled);
        let view = tree.look();
        assert_eq!(view.gateway.state, state);
        assert_eq!(view.units[0].enabled, enabled);
        assert_eq!(view.restart_command(), "systemctl --user restart openclaw-gateway.service");
        assert_eq!(view.sight, Sight::Planned);
        let seen = &view.visible["OPENAI_API_KEY"];
        assert_eq!(seen.from, SeenIn::Unit("openclaw-gateway.service".into()));
        assert_eq!(seen.fingerprint, fingerprint("sk-unit"));
    }
}

#[test]
fn a_unit_whose_port_is_silent_is_down_unless_it_has_just_started() {
    for (ticks, state) in [(1, GatewayState::Down), (99_000, GatewayState::Unknown)] {
        let tree = Tree::new();
        tree.unit("opensoul-gateway.service", "[Service]\n", true);
        tree.process(50, "sh -c helper", "/u/opensoul-gateway.service", "GROQ_API_KEY=child", ticks + 10);
        tree.process(60, "node x", "/u/opensoul-gateway.service", "GROQ_API_KEY=main", ticks);
        let view = tree.look();
        assert_eq!(view.gateway.state, state, "{}", view.gateway.detail);
        // The oldest process of the unit, not the lowest number.
        assert_eq!(view.process.as_ref().map(|p| p.pid), Some(60));
        assert_eq!(view.visible["GROQ_API_KEY"].fingerprint, fingerprint("main"));
    }
}

#[test]
fn units_are_read_with_their_drop_ins_and_files() {
    let mut tree = Tree::new();
    let file = tree.write("home/gateway.env", "XAI_API_KEY=\"from file\"\nGROQ_API_KEY=from-file\n");
    tree.unit(
        "opensoul-gateway.service",
        "[Service]\nEnvironment=GROQ_API_KEY=plain\nEnvironmentFile=-%h/gateway.env\nEnvironmentFile=-%h/absent.env\nExecStart=/n x gateway --port 19999\n",
        true,
    );
    tree.write(
        "home/.config/systemd/user/opensoul-gateway.service.d/10-more.conf",
        "[Service]\nEnvironment=OPENAI_API_KEY=dropped-in\nUnsetEnvironment=MISTRAL_API_KEY\n",
    );
    tree.write("home/.config/environment.d/keys.conf", "MISTRAL_API_KEY=m\nZAI_API_KEY=z\n");
    let view = tree.look();
    assert_eq!(view.port, 19999);
    let unit = &view.units[0];
    assert_eq!(
        unit.environment.keys().collect::<Vec<_>>(),
        ["GROQ_API_KEY", "OPENAI_API_KEY", "XAI_API_KEY", "ZAI_API_KEY"]
    );
    assert_eq!(unit.environment["GROQ_API_KEY"], fingerprint("from-file"));
    assert!(unit.files.iter().any(|(path, at)| *path == file && at.is_some()));
    assert!(unit.files.iter().any(|(path, at)| path.ends_with("absent.env") && at.is_none()));
    // Our own environment is about the gateway that we would start: it wins.
    tree.env.set("OPENCLAW_GATEWAY_PORT", "20000");
    assert_eq!(tree.look().port, 20000);
}

#[test]
fn secrets_that_a_unit_is_given_as_files() {
    let mut tree = Tree::new();
    let runtime = tree.dir.path().join("runtime");
    tree.env.set("XDG_RUNTIME_DIR", runtime.display().to_string());
    let text = "[Service]\nLoadCredential=openai-api-key:%h/keys/openai\nLoadCredential=groq-api-key:%h/keys/gone\n\
                SetCredential=XAI_API_KEY:xai-1\nSetCredentialEncrypted=zai-api-key:Zm9v\nLoadCredential=mistral-api-key\n\
                LoadCredential=database-password:%h/keys/db\n";
    tree.unit("opensoul-gateway.service", text, true);
    tree.write("home/keys/openai", "sk-1\n");
    let given = |tree: &Tree| -> Vec<(String, Result<Option<crate::domain::Fingerprint>, String>)> {
        let unit = tree.look().units.remove(0);
        unit.credentials.into_iter().map(|(name, file)| (name, file.content)).collect()
    };
    let said = |why: &str| Err(why.to_owned());
    let expected = [
        ("XAI_API_KEY", Ok(fingerprint("xai-1"))),
        ("groq-api-key", said("does not exist")),
        ("mistral-api-key", said("comes from systemd's own stores")),
        ("openai-api-key", Ok(fingerprint("sk-1"))),
        ("zai-api-key", said("is encrypted for this unit")),
    ];
    assert_eq!(given(&tree), expected.map(|(name, content)| (name.to_owned(), content)));
    // What it has been given goes before where that came from.
    tree.write("runtime/credentials/opensoul-gateway.service/openai-api-key", "sk-2");
    tree.write("runtime/credentials/opensoul-gateway.service/zai-api-key", "z");
    let running = given(&tree);
    assert_eq!((&running[3].1, &running[4].1), (&Ok(fingerprint("sk-2")), &Ok(fingerprint("z"))));
    tree.write("home/keys/openai", "");
    fs::remove_dir_all(&runtime).expect("remove");
    assert_eq!(given(&tree)[3].1, Ok(None), "an empty one");
    assert!(!format!("{:?}", tree.look()).contains("xai-1"));
}

#[test]
fn jobs_of_launchd_say_what_they_set() {
    let tree = Tree::new();
    let job = |variables: &str| {
        format!(
            "<?xml version=\"1.0\"?>\n<plist version=\"1.0\"><dict><key>Label</key><string>x</string>\
             <key>ProgramArguments</key><array><string>node</string><string>--port</string><string>19999</string></array>\
             <key>EnvironmentVariables</key><dict>{variables}</dict></dict></plist>"
        )
    };
    const PLACE: &str = "home/Library/LaunchAgents/ai.openclaw.gateway.plist";
    tree.write(PLACE, &job("<key>OPENAI_API_KEY</key><string>sk-1</string><key>PATH</key><string>/bin</string>"));
    tree.write("Library/LaunchDaemons/com.clawdbot.gateway.plist", &job("<key>GROQ_API_KEY</key><string>gsk</string>"));
    tree.write("home/Library/LaunchAgents/com.apple.x.plist", &job("<key>XAI_API_KEY</key><string>x</string>"));
    let view = tree.look();
    let units: Vec<_> = view.units.iter().map(|unit| (unit.name.as_str(), unit.scope)).collect();
    let expected = [("ai.openclaw.gateway", UnitScope::Launchd), ("com.clawdbot.gateway", UnitScope::Launchd)];
    assert_eq!(units, expected);
    assert_eq!(view.units[0].environment, [("OPENAI_API_KEY".to_owned(), fingerprint("sk-1"))].into());
    assert_eq!((view.port, view.sight), (19999, Sight::Blind), "launchd may know of more");
    assert_eq!(view.visible["OPENAI_API_KEY"].from, SeenIn::Unit("ai.openclaw.gateway".to_owned()));
    for broken in [
        "",
        "bplist00\u{1}tell",
        "<plist><dict><key>EnvironmentVariables</key><dict><key>OPENAI",
        &job("<string>x</string>"),
    ] {
        tree.write(PLACE, broken);
        assert!(tree.look().units[0].environment.is_empty(), "{broken}");
    }
}

#[test]
fn a_file_of_a_unit_that_cannot_be_read_leaves_open_what_is_in_it() {
    let mut tree = Tree::new();
    tree.env.set("USER", "ann");
    fs::create_dir_all(tree.dir.path().join("home/gateway.env")).unwrap();
    let text = "[Service]\nEnvironment=GROQ_API_KEY=plain\nEnvironmentFile=-%h/gateway.env\n";
    tree.unit("opensoul-gateway.service", text, true);
    let view = tree.look();
    assert_eq!(view.sight, Sight::Blind);
    assert_eq!(view.visible.keys().collect::<Vec<_>>(), ["GROQ_API_KEY"]);
    fs::remove_dir(tree.dir.path().join("home/gateway.env")).unwrap();
    assert_eq!(tree.look().sight, Sight::Planned, "one that is not there sets nothing");
}

#[test]
fn a_gateway_on_another_address_is_found_by_its_listener() {
    let mut tree = Tree::new();
    let port = tree.listens_on(Ipv4Addr::new(127, 0, 0, 2));
    tree.process(42, "opensoul-gateway", "/x", "GROQ_API_KEY=g", 1);
    tree.holds_socket(42, 777);
    assert_eq!(tree.look().gateway.state, GatewayState::Absent, "nothing says that there should be one");
    let bind =
        crate::formats::gateway_config::GatewayConfig { gateway_bind: Some("tailnet".into()), ..Default::default() };
    tree.installation.config = Some(bind);
    let view = tree.look();
    assert_eq!((view.gateway.state, view.port), (GatewayState::Up, port), "{}", view.gateway.detail);
    assert_eq!(view.process.map(|p| p.pid), Some(42));
}

#[test]
fn the_config_names_the_port() {
    let mut tree = Tree::new();
    tree.installation.config =
        Some(crate::formats::gateway_config::GatewayConfig { gateway_port: Some(20001), ..Default::default() });
    assert_eq!(tree.look().port, 20001);
}

#[test]
fn a_dotenv_fills_what_is_unset_and_config_also_what_is_blank() {
    let mut tree = Tree::new();
    tree.listens();
    tree.process(42, "opensoul-gateway", "/x", "GROQ_API_KEY= XAI_API_KEY=", 1);
    tree.holds_socket(42, 777);
    let dotenv = tree.write("home/.opensoul/.env", "GROQ_API_KEY=blocked\nexport OPENAI_API_KEY='dotenv'\nEDITOR=vi\n");
    tree.write(
        "home/.opensoul/opensoul.json",
        "{ env: { vars: { \"MISTRAL_API_KEY\" : 'x' } }, a: \"${ZAI_API_KEY}\" }",
    );
    let vars = &mut tree.installation.env.vars;
    vars.insert("XAI_API_KEY".into(), ("filled".into(), Layer::Config));
    // What our own shell has says nothing about the gateway, and may hide what the files say.
    for name in ["ZAI_API_KEY", "OPENAI_API_KEY", "MISTRAL_API_KEY"] {
        vars.insert(name.into(), ("our shell".into(), Layer::Process));
    }
    vars.insert("EDITOR".into(), ("vi".into(), Layer::Config));
    let view = tree.look();
    assert_eq!(
        view.visible.keys().collect::<Vec<_>>(),
        ["GROQ_API_KEY", "MISTRAL_API_KEY", "OPENAI_API_KEY", "XAI_API_KEY"]
    );
    assert!(view.visible["GROQ_API_KEY"].blank);
    let hidden = &view.visible["MISTRAL_API_KEY"];
    assert!(!hidden.blank && hidden.fingerprint.is_none());
    assert_eq!(view.visible["OPENAI_API_KEY"].fingerprint, fingerprint("dotenv"));
    assert_eq!(view.visible["OPENAI_API_KEY"].from, SeenIn::StateDotenv(dotenv));
    assert_eq!(view.visible["XAI_API_KEY"].fingerprint, fingerprint("filled"));
}

#[test]
fn no_value_is_in_the_view() {
    let mut tree = Tree::new();
    tree.listens();
    tree.process(42, "opensoul-gateway", "/x", "OPENAI_API_KEY=canary-in-process", 1);
    tree.holds_socket(42, 777);
    tree.unit("opensoul-gateway.service", "[Service]\nEnvironment=GROQ_API_KEY=canary-in-unit\n", true);
    assert!(!format!("{:?}", tree.look()).contains("canary"));
}

#[test]
fn lingering_is_a_file_of_systemd() {
    let mut tree = Tree::new();
    tree.env.set("USER", "ann");
    let lingers = |tree: &Tree| Machine { root: tree.dir.path(), uid: 4242, dial }.lingers(&tree.env);
    tree.write("var/lib/systemd/linger/bob", "");
    assert_eq!(lingers(&tree), None, "systemd does not run here");
    fs::create_dir_all(tree.dir.path().join("run/systemd/system")).unwrap();
    assert_eq!(lingers(&tree), Some(false));
    tree.write("var/lib/systemd/linger/ann", "");
    assert_eq!(lingers(&tree), Some(true));
}

#[test]
fn this_machine_can_be_looked_at() {
    let view = look(&[], &Environment::default(), &key(), now());
    assert!(!view.gateway.detail.is_empty());
}

#[test]
fn another_program_on_the_port_is_seen() {
    let mut tree = Tree::new();
    tree.listens();
    tree.process(42, "/usr/bin/python3 -m http.server", "/user.slice/x", "A=1", 50_050);
    tree.holds_socket(42, 777);
    let view = tree.look();
    assert_eq!(view.gateway.state, GatewayState::Unknown, "{}", view.gateway.detail);
    assert!(view.gateway.detail.contains("python3 (process 42)"), "{}", view.gateway.detail);
    let listening = view.listening;
    let stranger = listening.stranger.expect("a stranger");
    assert_eq!((stranger.pid, stranger.name.as_str()), (42, "python3"));
    assert_eq!(listening.outer, None);
    // A tunnel leads to a gateway elsewhere.
    tree.process(42, "ssh -L 18789:localhost:18789 host", "/user.slice/x", "A=1", 50_050);
    assert_eq!(tree.look().listening.stranger, None);
}

#[test]
fn who_asks_for_a_secret_and_where_it_listens() {
    let mut tree = Tree::new();
    let port = tree.listens_on(Ipv4Addr::UNSPECIFIED);
    tree.process(42, "node /x/openclaw gateway", "/user.slice/x", "OPENCLAW_GATEWAY_TOKEN=canary", 50_050);
    tree.holds_socket(42, 777);
    let view = tree.look();
    assert_eq!(view.listening.outer, Some(format!("0.0.0.0:{port}")));
    assert!(view.listening.guarded && view.listening.stranger.is_none());
    assert!(!format!("{view:?}").contains("canary"));
    tree.process(42, "node /x/openclaw gateway", "/user.slice/x", "OPENCLAW_GATEWAY_TOKEN= A=1", 50_050);
    assert!(!tree.look().listening.guarded);
    // A unit names its program, and says whether it asks; the secret itself is not kept.
    let text = "[Service]\nExecStart=/opt/node /opt/x.js gateway --port 18790 --token canary\n";
    tree.unit("opensoul-gateway.service", text, true);
    let view = tree.look();
    assert_eq!(view.units[0].program, ["/opt/node", "/opt/x.js"].map(PathBuf::from));
    assert!(view.units[0].guarded && view.units[0].port == Some(18790) && !format!("{view:?}").contains("canary"));
}

#[test]
fn a_port_of_another_user_is_not_our_gateway() {
    let mut tree = Tree::new();
    let port = tree.listens();
    let row = |uid: u32| {
        format!(
            "  sl ...\n   0: 0100007F:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {uid} 0 777 1 0 100\n"
        )
    };
    tree.write("proc/net/tcp", &row(4243));
    assert_eq!(tree.judged().0, GatewayState::Unknown);
    // What forwards a port of a container is root's; and a service of the machine has a user of its own.
    tree.write("proc/net/tcp", &row(0));
    assert_eq!(tree.judged().0, GatewayState::Up);
    tree.write("proc/net/tcp", &row(4243));
    tree.unit_in("etc/systemd/system", "openclaw.service", "[Service]\nUser=openclaw\n", true);
    assert_eq!(tree.judged().0, GatewayState::Up);
}

#[test]
fn the_default_port_is_asked_only_where_nobody_names_another() {
    let ports = |tree: &Tree| {
        let units = units::find(tree.dir.path(), &tree.env, &key());
        candidate_ports(&units, std::slice::from_ref(&tree.installation), &tree.env)
    };
    let mut tree = Tree::new();
    assert_eq!(ports(&tree), [DEFAULT_PORT]);
    tree.unit("openclaw-gateway.service", "[Service]\nExecStart=/n gateway --port 18802\n", true);
    assert_eq!(ports(&tree), [18802]);
    tree.unit("openclaw-gateway-more.service", "[Service]\nExecStart=/n gateway\n", true);
    assert_eq!(ports(&tree), [18802, DEFAULT_PORT]);
    tree.installation.config =
        Some(crate::formats::gateway_config::GatewayConfig { gateway_port: Some(20001), ..Default::default() });
    assert_eq!(ports(&tree), [18802, 20001]);
}

#[test]
fn a_living_gateway_does_not_hide_a_dead_one() {
    let mut tree = Tree::new();
    let port = tree.listens();
    tree.process(42, "node openclaw gateway", "/u/openclaw-gateway.service", "A=1", 1);
    tree.holds_socket(42, 777);
    tree.unit("openclaw-gateway.service", &format!("[Service]\nExecStart=/n gateway --port {port}\n"), true);
    let rescue = "[Service]\nExecStart=/n gateway --port 9\n";
    tree.unit("openclaw-gateway-rescue.service", rescue, false);
    assert_eq!(tree.judged().0, GatewayState::Up, "nothing starts the other one");
    tree.unit("openclaw-gateway-third.service", rescue, true);
    let (state, detail) = tree.judged();
    assert_eq!(state, GatewayState::Down);
    assert_eq!(detail, "openclaw-gateway-third.service is enabled and not running; nobody listens on port 9");
    tree.process(50, "node x", "/u/openclaw-gateway-third.service", "A=1", 99_000);
    assert_eq!(tree.judged().0, GatewayState::Up, "it has just started");
    tree.process(50, "node x", "/u/openclaw-gateway-third.service", "A=1", 1);
    assert!(tree.judged().1.starts_with("process 50 (openclaw-gateway-third.service) runs"), "{:?}", tree.judged());
}

#[test]
fn where_systemd_does_not_run_its_units_prove_nothing() {
    let tree = Tree::new();
    tree.unit("openclaw-gateway.service", "[Service]\n", true);
    fs::remove_dir_all(tree.dir.path().join("run")).unwrap();
    let view = tree.look();
    assert_eq!((view.gateway.state, view.systemd), (GatewayState::Unknown, false), "{}", view.gateway.detail);
}

#[test]
fn a_service_of_the_machine_may_run_as_somebody_else() {
    let tree = Tree::new();
    tree.unit_in("etc/systemd/system", "openclaw-gateway.service", "[Service]\nUser=openclaw\n", true);
    assert_eq!(tree.judged().0, GatewayState::Unknown, "other people's processes are hidden");
    tree.process(1, "init", "/init.scope", "A=1", 1);
    assert_eq!(tree.judged().0, GatewayState::Down);
    let theirs = |ticks| {
        tree.process(42, "node x", "/system.slice/openclaw-gateway.service", "A=1", ticks);
        tree.write("proc/42/status", "Name:\tnode\nUid:\t4242\t4242\t4242\t4242\n");
    };
    theirs(1);
    let (state, detail) = tree.judged();
    assert_eq!(state, GatewayState::Unknown, "its configuration, with its port, may be its own: {detail}");
    let text = "[Service]\nUser=openclaw\nExecStart=/n gateway --port 9\n";
    tree.unit_in("etc/systemd/system", "openclaw-gateway.service", text, false);
    assert_eq!(tree.judged().0, GatewayState::Down);
    theirs(99_000);
    assert_eq!(tree.judged().0, GatewayState::Unknown, "it has just started");
}

#[test]
fn a_start_after_now_is_no_start() {
    let tree = Tree::new();
    tree.unit("opensoul-gateway.service", "[Service]\n", true);
    // In LXC: the time since boot is the container's.
    tree.process(60, "node x", "/u/opensoul-gateway.service", "A=1", 5_000_000);
    let view = tree.look();
    assert_eq!(view.gateway.state, GatewayState::Down, "{}", view.gateway.detail);
    assert_eq!(view.process.and_then(|process| process.started), None);
}

#[test]
fn a_command_line_may_name_the_home() {
    let tree = Tree::new();
    tree.unit("opensoul-gateway.service", "[Service]\nExecStart=%h/bin/node /x.js\n", true);
    let home = tree.dir.path().join("home");
    assert_eq!(tree.look().units[0].program, [home.join("bin/node"), PathBuf::from("/x.js")]);
}

#[test]
fn what_more_than_files_decides_leaves_open_what_it_sees() {
    let mut tree = Tree::new();
    tree.env.set("USER", "ann");
    tree.write("home/.config/gw.env", "GROQ_API_KEY=g\n");
    for (text, sight) in [
        ("EnvironmentFile=%E/gw.env", Sight::Planned),
        ("EnvironmentFile=-%E/gone.env", Sight::Planned),
        ("EnvironmentFile=%E/gone.env", Sight::Blind),
        ("EnvironmentFile=-%j/gw.env", Sight::Blind),
        ("PassEnvironment=GROQ_API_KEY", Sight::Blind),
        ("ImportCredential=groq*", Sight::Blind),
    ] {
        tree.unit("opensoul-gateway.service", &format!("[Service]\n{text}\n"), false);
        let view = tree.look();
        assert_eq!(view.sight, sight, "{text}");
        assert_eq!(view.visible.contains_key("GROQ_API_KEY"), text.contains("%E/gw.env"), "{text}");
    }
}
