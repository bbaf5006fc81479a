"""The page in a real browser, as people use it: clicked, by keyboard, without scripts, in both languages; and what other programs
read of it: the calendar, badges, the API. How it looks is in `test_page_looks.py`."""

import base64
import json
import os
import pathlib
import re
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

import credentials as c
from certificates import Authority
from machine import CLAUDE, STORE
from waiting import until

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright; tests/install-needs installs it")
ROOT = pathlib.Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECRETS = ["sk-ant-oat01-page-canary", "sk-ant-ort01-page-canary", "sk-page-canary-of-a-key"]
WORST = "claude-code:default"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium; tests/install-needs installs it")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def house(machine):
    """A machine with a login that has ended, one that ends soon, a key, and a monitor."""
    machine.write(CLAUDE, c.claude_code(access_in=-c.HOUR, login_ends_in=-c.HOUR, access=SECRETS[0], refresh=SECRETS[1]))
    machine.write(STORE, c.store(anthropic__work=c.token(2 * c.DAY), openai__default=c.api_key(SECRETS[2], "openai")))
    machine.write(".opensoul/opensoul.json", c.gateway_config())
    machine.configure()
    machine.daemon()
    return machine


@pytest.fixture
def page(browser, house):
    """A page of a new visitor; what the browser complains of fails the test."""
    context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    complaints = []
    opened.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.origin = f"http://127.0.0.1:{house.port}"
    opened.goto(opened.origin)
    yield opened
    # A refused form is an answer with an error's number, which the browser notes.
    complaints = [said for said in complaints if "status of 40" not in said]
    assert not complaints, complaints
    context.close()


def token(house, name="token"):
    return (house.state / name).read_text().strip()


def said(page, words):
    """What the page says was done."""
    return page.get_by_role("status").filter(has_text=words)


def log_in(page, house, name="ann"):
    page.get_by_role("link", name="Log in").first.click()
    page.get_by_label("Token").fill(token(house))
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Log in").click()
    said(page, "You are logged in").wait_for()


# The monitor in the background, and the browser until it shows what the monitor serves.
SHOWN = 'cd && "$0" monitor run & until "$1" --headless --no-sandbox --dump-dom "$2" | grep "opensoul.*</title>"; do sleep 0.2; done'


@pytest.mark.skipif(not CHROMIUM or not shutil.which("bwrap"), reason="no chromium or no bwrap; tests/install-needs installs them")
@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_a_newcomer_gets_a_page_in_a_browser(machine, readme):
    """Without a configuration, at the address beside the first command of the README; on a network of its own, where it is free."""
    address = re.search(r"^make run .*(http://127\.0\.0\.1:\d+)$", (ROOT / readme).read_text(), re.M).group(1)
    recipe = subprocess.run(["make", "--dry-run", "run", "CARGO_TARGET_DIR="], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert recipe.endswith("\ntarget/quick/opensoul monitor run\n")
    alone = ["bwrap", "--dev-bind", "/", "/", "--proc", "/proc", "--unshare-net", "--unshare-pid", "--die-with-parent"]
    shown = subprocess.run(
        [*alone, "sh", "-c", SHOWN, machine.program, CHROMIUM, address], env=machine.env, capture_output=True, text=True, timeout=100,
    )
    assert shown.returncode == 0, shown.stderr


def test_what_is_wrong_and_the_command_that_fixes_it(page):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=page.origin)
    assert page.get_by_role("heading", level=1).inner_text().startswith("Something needs you")
    first = page.locator(".problem").first
    assert WORST in first.inner_text()
    note_thanks(page)
    first.get_by_role("button", name="Copy").click()
    thanked(page)
    assert page.evaluate("navigator.clipboard.readText()") == "claude auth login"
    first.get_by_role("link", name=WORST).click()
    page.wait_for_url("**/credential?id=*")
    assert page.get_by_role("heading", level=1).inner_text() == WORST
    said = page.locator("main").inner_text()
    assert "claude auth login" in said and "What would change it" in said and "~/.claude" in said
    page.get_by_role("link", name="All credentials").click()
    page.get_by_role("heading", name="Credentials").wait_for()


def note_thanks(page):
    """Whether the first button says "Copied", for two seconds, is noted: who is held up for so long would not see it."""
    page.evaluate("""() => {
        const note = () => { if (document.querySelector(".problem button.copy")?.textContent === "Copied") window.thanked = true; };
        new MutationObserver(note).observe(document.body, { childList: true, subtree: true });
    }""")


def thanked(page):
    until(lambda: page.evaluate("window.thanked"), 20, "the button says that it was copied")


def hear(page):
    """From now on the test hears of what is new, as the page does already."""
    page.locator("#live").wait_for(state="visible")
    page.evaluate("""() => new Promise((open) => {
        const stream = new EventSource("/events");
        window.told = new Promise((done) => stream.addEventListener("change", done));
        stream.addEventListener("open", () => open());
    })""")


def heard(page):
    """Something new was told, and there was time to look at it."""
    page.evaluate("window.told.then(() => fetch(location.pathname)).then((answer) => answer.text())")


def test_who_copies_is_told_so_though_something_new_comes(page, house):
    """The page is renewed where it stands; not under the hand that has just pressed a button."""
    hear(page)
    page.evaluate("""() => {
        window.copied = new Promise((done) => { navigator.clipboard.writeText = () => new Promise((written) => { window.written = written; done(); }); });
    }""")
    first = page.locator(".problem").first
    note_thanks(page)
    first.get_by_role("button", name="Copy").click()
    page.evaluate("window.copied")
    house.write(STORE, c.store(anthropic__work=c.token(-c.HOUR), openai__default=c.api_key(SECRETS[2], "openai")))
    heard(page)
    page.evaluate("window.written()")
    thanked(page)
    # What came meanwhile is shown when that is over.
    page.locator(".problem", has_text="anthropic:work").wait_for()
    first.get_by_role("button", name="Copy", exact=True).wait_for()


def something_new(page, house, days):
    """Another login ends after so many days; the page shows it by itself."""
    house.write(STORE, c.store(anthropic__work=c.token(days * c.DAY), openai__default=c.api_key(SECRETS[2], "openai")))
    page.locator("tr", has_text="anthropic:work").filter(has_text=f"in {days - 1} d").wait_for()


def test_what_was_done_is_said_until_something_else_is_done(page, house):
    """A renewal of the page neither takes it away nor says it again."""
    log_in(page, house)
    problem = page.locator(".problem", has_text=WORST).first
    problem.locator("summary").click()
    problem.get_by_role("button", name="I take care of it").click()
    said(page, "Acknowledged").wait_for()
    page.locator("#live").wait_for(state="visible")
    page.evaluate("""() => {
        window.again = [];
        new MutationObserver((changes) => {
            for (const node of changes.flatMap((one) => [...one.addedNodes])) if (node.role === "status") window.again.push(node.textContent);
        }).observe(document.body, { childList: true, subtree: true });
    }""")
    for days in (20, 30):
        something_new(page, house, days)
        assert "Acknowledged" in page.get_by_role("status").inner_text()
        assert page.locator("main > :first-child").get_attribute("class") == "done", "it stays above what is new"
    assert page.evaluate("again") == []

    problem = page.locator(".problem", has_text=WORST).first
    problem.locator("summary").click()
    problem.locator("summary").click()
    something_new(page, house, 40)
    assert page.get_by_role("status").count() == 0, "it is read, and something else was begun"


def test_what_was_written_outlasts_a_renewal(page, house):
    """Also in a form that was folded up again; and the keyboard is where it was."""
    log_in(page, house)
    page.locator("#live").wait_for(state="visible")
    problem = page.locator(".problem", has_text=WORST).first
    summary, remark, span = problem.locator("summary"), problem.get_by_label("Remark"), problem.get_by_label("For how long")
    summary.click()
    remark.fill("half a sen")
    span.select_option("7d")
    summary.click()
    something_new(page, house, 20)
    until(lambda: summary.evaluate("it => it === document.activeElement"), 20, "the keyboard is where it was")
    summary.click()
    assert (remark.input_value(), span.input_value()) == ("half a sen", "7d")


def test_the_keyboard_stays_at_its_problem(page, house):
    """Not at the one that has taken its place on the page."""
    page.locator("#live").wait_for(state="visible")
    house.write(STORE, c.store(anthropic__work=c.token(-c.HOUR), openai__default=c.api_key(SECRETS[2], "openai")))
    own = page.locator(".problem", has_text="anthropic:work").get_by_role("button", name="Copy")
    own.wait_for()
    assert WORST in page.locator(".problem").first.inner_text(), "it is the second"
    own.focus()
    house.write(CLAUDE, c.claude_code(access=SECRETS[0] + "2", refresh=SECRETS[1] + "2", login_ends_in=80 * c.DAY))
    page.locator(".problem", has_text=WORST).wait_for(state="detached")
    # Another renewal may come between the look at the button and the question about it; a wrong place would never become right.
    until(lambda: own.evaluate("it => it === document.activeElement"), 20, "the keyboard is at its button")


def test_what_is_pressed_is_not_renewed_before_it_is_let_go(page, house):
    log_in(page, house)
    hear(page)
    summary = page.locator(".problem", has_text=WORST).first.locator("summary")
    summary.hover()
    page.mouse.down()
    house.write(STORE, c.store(anthropic__work=c.token(20 * c.DAY), openai__default=c.api_key(SECRETS[2], "openai")))
    heard(page)
    page.mouse.up()
    page.locator("details[open]").wait_for()
    summary.click()
    page.locator("tr", has_text="anthropic:work").filter(has_text="in 19 d").wait_for()


def test_acknowledging_needs_the_token_and_is_seen_by_all(page, house):
    assert page.locator("form").count() == 0, "no form for a guest"
    page.get_by_role("link", name="Log in").first.click()
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    assert "not the token" in page.get_by_role("alert").inner_text()
    page.get_by_label("Token").fill(token(house))
    page.get_by_label("Your name").fill("ann")
    page.get_by_role("button", name="Log in").click()
    said(page, "You are logged in").wait_for()

    problem = page.locator(".problem", has_text=WORST).first
    problem.locator("summary").click()
    problem.get_by_label("For how long").select_option("1d")
    problem.get_by_label("Remark").fill("on it")
    problem.get_by_role("button", name="I take care of it").click()
    said(page, "Acknowledged").wait_for()
    # A cycle that was under way may show once more what was before.
    page.locator(".problem", has_text=WORST).filter(has_text="acknowledged by ann until").first.wait_for()
    listed = house.run("alerts", "list", "--json").json()["incidents"]
    acked = [one for one in listed if one["subject"] == WORST and one["ack"]]
    assert acked and acked[0]["ack"]["by"] == "ann" and acked[0]["ack"]["comment"] == "on it", listed

    problem = page.locator(".problem", has_text=WORST).first
    problem.locator("summary").click()
    problem.get_by_role("button", name="Take it back").click()
    said(page, "Taken back").wait_for()
    cookie = next(one for one in page.context.cookies() if one["name"] == "opensoul_session")
    assert cookie["httpOnly"] and cookie["sameSite"] == "Strict" and token(house) not in cookie["value"]
    page.get_by_role("button", name="Log out").click()
    said(page, "You are logged out").wait_for()
    assert page.locator("form").count() == 0
    assert not [one for one in page.context.cookies() if one["name"] == "opensoul_session"]


def test_another_site_cannot_use_a_session(page, house, browser):
    """A page on another port of this machine: cookies go along, and it is refused all the same."""
    log_in(page, house)
    id = house.run("alerts", "list", "--json").json()["incidents"][0]["id"]
    code = page.locator("input[name=csrf]").first.get_attribute("value")
    evil = page.context.new_page()
    form = (
        f'<form method="post" action="{page.origin}/incidents/{id}"><input name="csrf" value="{code}">'
        '<input name="action" value="ack"><button>go</button></form>'
    )
    evil.route("http://127.0.0.1:1/**", lambda route: route.fulfill(body=form, content_type="text/html"))
    evil.goto("http://127.0.0.1:1/")
    evil.get_by_role("button").click()
    assert "came from another site" in evil.get_by_role("heading", level=1).inner_text()
    assert not any(one["ack"] for one in house.run("alerts", "list", "--json").json()["incidents"])


def test_it_works_without_scripts(browser, house):
    context = browser.new_context(java_script_enabled=False, locale="en-US")
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{house.port}")
    assert "claude auth login" in page.locator(".problem").first.inner_text()
    assert page.get_by_role("button", name="Copy").count() == 0, "a button that does nothing is not shown"
    log_in(page, house)
    problem = page.locator(".problem", has_text=WORST).first
    problem.locator("summary").click()
    problem.get_by_role("button", name="Not now").click()
    said(page, "Put off").wait_for()
    context.close()


def test_it_shows_what_is_new_by_itself(page, house):
    page.locator("#live").wait_for(state="visible")
    house.write(CLAUDE, c.claude_code(access=SECRETS[0] + "2", refresh=SECRETS[1] + "2", login_ends_in=80 * c.DAY))
    until(lambda: WORST not in " ".join(page.locator(".problem").all_inner_texts()), 30, "the problem goes away by itself")
    assert page.locator("tr", has_text=WORST).count() == 1


def test_the_keyboard_is_enough(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    until(lambda: page.evaluate("document.activeElement.id") == "main", 20, "the focus goes to the content")
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent.trim()"))
    assert WORST in seen and "Copy" in seen, seen


def test_it_speaks_chinese(browser, house):
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{house.port}")
    assert page.get_by_role("heading", level=1).inner_text() in ("现在需要处理", "近期需要处理")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.get_by_role("link", name="English").click()
    page.get_by_role("heading", level=1, name=re.compile("^Something")).wait_for()
    page.goto(f"http://127.0.0.1:{house.port}/login")
    assert page.get_by_role("heading", level=1).inner_text() == "Log in", "the choice is remembered"
    context.close()


def test_the_calendar_and_the_badges(house):
    icalendar = pytest.importorskip("icalendar")
    daemon = house.daemons[0]
    for path in ("/calendar.ics", "/calendar.ics?token=" + token(house, "badge-token"), f"/badge/{WORST}.svg"):
        assert daemon.request(path)[0] == 401, path
    text = daemon.get("/calendar.ics?token=" + token(house, "calendar-token"))
    calendar = icalendar.Calendar.from_ical(text)
    events = {str(event["summary"]): event for event in calendar.walk("VEVENT")}
    event = events["opensoul:main/anthropic:work ends"]
    assert event.walk("VALARM") and str(event["uid"]).endswith("@opensoul")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    svg = daemon.get(f"/badge/{WORST}.svg?token=" + token(house, "badge-token"))
    assert svg.startswith("<svg") and "expired" in svg
    for name in ("token", "calendar-token", "badge-token"):
        assert (house.state / name).stat().st_mode & 0o777 == 0o600
    assert len({token(house, name) for name in ("token", "calendar-token", "badge-token")}) == 3


# The password is "fakepassword".
USERS = "basic_auth_users:\n  prometheus: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi\n"


def ask(url, authority, path="/metrics", user=None, bearer=None, accept="*/*"):
    """(status, text, headers) over TLS, without following anything."""
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    context = ssl.create_default_context(cafile=str(authority.bundle))
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), Stay())
    request = urllib.request.Request(url + path, headers={"accept": accept})
    if user:
        request.add_header("authorization", "Basic " + base64.b64encode(user.encode()).decode())
    if bearer:
        request.add_header("authorization", "Bearer " + bearer)
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode(), refused.headers


def guard(machine, authority, users=USERS, listen="127.0.0.1"):
    """TLS, and users if wanted; what `[web]` needs."""
    folder = machine.config.parent
    machine.configure()
    (folder / "server.pem").write_bytes(authority.chain("localhost", "127.0.0.1").bytes())
    (folder / "server.pem").chmod(0o600)
    (folder / "web.yml").write_text("tls_server_config:\n  cert_file: server.pem\n  key_file: server.pem\n" + users)
    text = machine.config.read_text().replace(f'listen = "127.0.0.1:{machine.port}"', f'listen = "{listen}:{machine.port}"\nconfig = "web.yml"')
    machine.write(machine.config.relative_to(machine.home), text)


def test_users_and_tls_as_prometheus_has_them(machine, authority):
    machine.write(CLAUDE, c.claude_code(login_ends_in=-c.HOUR))
    guard(machine, authority)
    assert machine.run("monitor", "check-config").code == 0
    machine.daemon(ready=False)
    url = f"https://localhost:{machine.port}"
    until(lambda: ask(url, authority, user="prometheus:fakepassword")[0] == 200, 20, lambda: machine.daemons[0].log)
    assert ask(url, authority)[0] == 401
    assert 'Basic realm="opensoul"' in ask(url, authority)[2]["www-authenticate"]
    for user in ("prometheus:wrong", "nobody:fakepassword", "prometheus:", ":"):
        assert ask(url, authority, user=user)[0] == 401, user
    assert ask(url, authority, bearer=token(machine))[0] == 200
    # The command line, which has the token, comes without TLS from this machine. The door is open before the first cycle.
    id = until(lambda: machine.run("alerts", "list", "--json").json()["incidents"], 20, "the incident")[0]["id"]
    assert machine.run("alerts", "ack", id).code == 0
    # A password is not enough to change something.
    request = urllib.request.Request(
        f"{url}/api/v1/incidents/{id}/unack", data=b"{}", method="POST",
        headers={"content-type": "application/json", "authorization": "Basic " + base64.b64encode(b"prometheus:fakepassword").decode()},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, context=ssl.create_default_context(cafile=str(authority.bundle)), timeout=10)
    assert refused.value.code == 401
    # A user who is taken out of the file is out, without a restart; a file that is broken changes nothing.
    web = machine.config.parent / "web.yml"
    good = web.read_text()
    web.write_text("tls_server_config: [")
    assert ask(url, authority, user="prometheus:fakepassword")[0] == 200
    web.write_text(good.replace("  prometheus:", "  somebody:"))
    until(lambda: ask(url, authority, user="prometheus:fakepassword")[0] == 401, 20, "the user is out")


def test_beyond_loopback_nothing_without_tls_and_a_name(machine, authority):
    machine.write(CLAUDE, c.claude_code(login_ends_in=-c.HOUR))
    machine.configure()
    plain = machine.config.read_text().replace('"127.0.0.1:', '"0.0.0.0:')
    machine.write(machine.config.relative_to(machine.home), plain)
    refused = machine.run("monitor", "check-config")
    assert refused.code == 78 and "beyond loopback" in refused.out + refused.err
    guard(machine, authority, users="", listen="0.0.0.0")
    machine.daemon(ready=False)
    url = f"https://localhost:{machine.port}"
    until(lambda: ask(url, authority, bearer=token(machine))[0] == 200, 20, lambda: machine.daemons[0].log)
    assert ask(url, authority)[0] == 401, "never without authentication"
    status, _, headers = ask(url, authority, "/", accept="text/html")
    assert (status, headers["location"]) == (303, "/login")
    assert ask(url, authority, "/login", accept="text/html")[0] == 200
    (machine.config.parent / "web.yml").write_text(USERS)
    refused = machine.run("monitor", "check-config")
    assert refused.code == 78 and "tls_server_config" in refused.out + refused.err


def knock(url, context, user=None):
    """The status, or `None` where the connection is refused."""
    headers = {"authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), context=context, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
    except (urllib.error.URLError, ConnectionError, ssl.SSLError):
        return None


@pytest.mark.parametrize("manner, without", [("RequireAndVerifyClientCert", None), ("VerifyClientCertIfGiven", 200)])
def test_clients_with_certificates(machine, authority, tmp_path, manner, without):
    """As exporter-toolkit has them: whose certificate is of the named authority comes in, and nobody with another one."""
    machine.write(CLAUDE, c.claude_code(login_ends_in=-c.HOUR))
    guard(machine, authority, users=f"  client_auth_type: {manner}\n  client_ca_file: clients.pem\n")
    named = machine.config.parent / "clients.pem"
    named.write_bytes(authority.bundle.read_bytes())
    assert machine.run("monitor", "check-config").code == 0
    machine.daemon(ready=False)
    url = f"https://localhost:{machine.port}/metrics"
    nobody = ssl.create_default_context(cafile=str(authority.bundle))
    stranger = Authority(tmp_path)
    foreign = stranger.client()
    foreign.load_verify_locations(str(authority.bundle))
    own = authority.client()
    until(lambda: knock(url, own) == 200, 20, lambda: machine.daemons[0].log)
    assert (knock(url, nobody), knock(url, foreign)) == (without, None)
    # Another authority is named: no restart is needed.
    named.write_bytes(stranger.bundle.read_bytes())
    until(lambda: knock(url, foreign) == 200, 20, "the other authority counts")
    assert knock(url, own) is None
    # With users, a certificate is not enough.
    web = machine.config.parent / "web.yml"
    web.write_text(web.read_text() + USERS)
    until(lambda: knock(url, foreign) == 401, 20, "a password is asked for")
    assert knock(url, foreign, "prometheus:fakepassword") == 200 and knock(url, foreign, "prometheus:wrong") == 401


def test_the_api_is_what_its_document_says(house):
    program = shutil.which("schemathesis", path=os.path.dirname(sys.executable))
    if program is None:
        pytest.skip("no schemathesis; tests/install-needs installs it")
    served = house.daemons[0].get("/api/v1/openapi.json")
    assert json.loads(served)["openapi"].startswith("3.1")
    document = house.root / "openapi.json"
    document.write_text(served)
    ran = subprocess.run(
        [program, "run", str(document), "--url", f"http://127.0.0.1:{house.port}", "-H", f"Authorization: Bearer {token(house)}",
         "--phases", "examples,coverage,fuzzing", "--max-examples", "25", "--seed", "1", "--no-color", "--generation-database", "none",
         # Words that are well formed and make no sense (a date in the past) are 422.
         "--exclude-checks", "positive_data_acceptance"],
        cwd=house.root, capture_output=True, text=True, timeout=200,
    )
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert house.daemons[0].get("/-/healthy")
