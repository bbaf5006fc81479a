"""How the page looks when there is something in every part of it: what it says, at three widths in both themes and languages, to a
screen reader, and on paper. The screenshots are made to be looked at: OPENSOUL_SCREENSHOTS names the directory they go to."""

import contextlib
import os
import pathlib
import re
import shutil
import struct
import subprocess
import xml.etree.ElementTree
import zlib
from datetime import datetime, timezone

import pytest

import everything as e
from full_house import COPIED, COPY, QUOTA, REFUSED, WORST, FullHouse
from test_page import browser, log_in, token  # noqa: F401  (a fixture)
from waiting import until

WIDTHS = 390, 820, 1440
PAGES = {
    "page": "/", "expiring": f"/credential?id={WORST}", "refused": f"/credential?id={REFUSED}", "balance": f"/credential?id={e.BALANCE}",
    "quota": f"/credential?id={QUOTA}", "copy": f"/credential?id={COPY}", "login": "/login", "none": "/credential?id=none",
}
COMMAND = "claude setup-token && opensoul models auth paste-token --provider anthropic --profile-id anthropic:work"
# Margins of a printed page, in points, and what is between them on A4, in pixels.
MARGIN = 14 / 25.4 * 72
SHEET = int((210 - 2 * 14) / 25.4 * 96)


@pytest.fixture(scope="module")
def house(program):
    made = FullHouse(program)
    try:
        made.open()
        # The cycle after the silence was made.
        until(lambda: 'id="silences"' in made.monitor.get("/"), 20, "the page shows the silence")
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    named = os.environ.get("OPENSOUL_SCREENSHOTS")
    folder = pathlib.Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def visitor(browser, house, name=None, **options):
    """A page of somebody, who is logged in if there is a name. It is not renewed: what is measured stays where it is."""
    context = browser.new_context(**({"locale": "en-US", "viewport": {"width": 1280, "height": 900}} | options))
    page = context.new_page()
    page.origin = f"http://127.0.0.1:{house.port}"
    page.route("**", lambda route: route.abort() if route.request.resource_type == "fetch" else route.continue_())
    page.goto(page.origin)
    if name:
        log_in(page, house, name)
    yield page
    context.close()


def in_language(url, lang):
    return f"{url}{'&' if '?' in url else '?'}lang={lang}"


def row(page, id):
    return page.locator("#credentials ~ table tr", has=page.locator(f'th > a[href="/credential?id={id}"]'))


def section(page, name):
    return page.locator(f'section[aria-labelledby="{name}"]')


def test_it_shows_what_providers_said_and_when(browser, house):
    verdicts = lambda: {one["id"]: one["verdict"] for one in house.monitor.status()["credentials"]}  # noqa: E731
    before = verdicts()
    with visitor(browser, house) as page:
        # They are asked each minute: the page is of one moment in between.
        both = before, verdicts()
        for id, state, said in [
            (e.BALANCE, "no known end", "accepted"), (REFUSED, "is refused", "rejected"), ("opensoul:main/cerebras:full", "quota used up", "limited"),
            ("claude-code:default", "works", "not proved"),
        ]:
            cell = row(page, id).get_by_role("cell").first
            assert re.fullmatch(rf"{state}\s+{said} (just now|\d+ (s|min) ago)", cell.inner_text().strip()), cell.inner_text()
            shown = datetime.fromisoformat(cell.locator("time").get_attribute("datetime"))
            known = [datetime.fromisoformat(one[id]["at"]) for one in both]
            assert min(abs((shown - at).total_seconds()) for at in known) <= 1, id
            assert (datetime.now(timezone.utc) - shown).total_seconds() < 600, id
        refused = page.locator(".problem", has_text=REFUSED).first.inner_text()
        assert "groq refused it" in refused and "Incorrect API key provided" in refused
        page.goto(page.origin + "/?lang=zh")
        assert re.search(r"已接受 (刚刚|\d+ 分钟前)", row(page, e.BALANCE).inner_text())


def test_it_shows_what_is_left(browser, house):
    with visitor(browser, house) as page:
        quota = row(page, QUOTA).locator(".meter")
        assert "plan" in quota.inner_text() and "90 % used" in quota.inner_text()
        wide = lambda part: quota.locator(part).bounding_box()["width"]  # noqa: E731
        assert wide(".fill") == pytest.approx(0.9 * wide(".track"), abs=1)
        left = row(page, e.BALANCE)
        assert re.search(r"6\.00 USD\s+left, probably used up in 2 d \(at the earliest \d{4}-.*, at the latest \d{4}-", left.inner_text()), left.inner_text()
        for path in ("/", PAGES["balance"]):
            page.goto(page.origin + path)
            curve = page.get_by_role("img", name="Balance over time")
            box, line, ahead = (one.bounding_box() for one in (curve, curve.locator(".line"), curve.locator(".ahead")))
            # Two days of the past, three of what comes, downwards.
            assert line["width"] / box["width"] == pytest.approx(0.4, abs=0.02) and ahead["width"] / box["width"] == pytest.approx(0.6, abs=0.02)
            assert line["y"] < ahead["y"] and ahead["y"] + ahead["height"] == pytest.approx(box["y"] + box["height"], abs=1)
        # What runs out is what needs doing on its page, not a new key.
        assert "Add credit to the openrouter account." in section(page, "do").inner_text()
        assert page.locator(".hero.critical").count() == page.locator(".brand.critical").count() == 1
        page.goto(page.origin)
        strip = row(page, WORST).locator(".strip")
        assert [strip.locator(f"rect.{severity}").count() for severity in ("none", "warning", "critical")] == [2, 1, 2]
        # What has just begun can be seen, too.
        track, now = (strip.locator("rect").nth(n).bounding_box() for n in (0, -1))
        assert now["width"] > 0.5 and now["x"] + now["width"] <= track["x"] + track["width"] + 0.5


DOT = "(it) => getComputedStyle(it, '::before').backgroundColor"


def test_it_shows_copies_and_what_the_doctor_found(browser, house):
    with visitor(browser, house) as page:
        well = row(page, "opensoul:main/mistral:works").locator(".state").evaluate(DOT)
        row(page, COPIED).get_by_role("link", name=COPY).click()
        page.get_by_role("heading", level=1, name=COPY).wait_for()
        note = page.locator(".note")
        assert "It is a copy." in note.inner_text()
        # Nobody is alerted of a copy; that it ends soon is shown all the same, and not as if it were well.
        state = page.locator(".hero .state")
        assert state.inner_text() == "ends soon" and state.evaluate(DOT) != well and page.locator(".brand.ok, .brand.none").count() == 0
        note.get_by_role("link", name=COPIED).click()
        page.get_by_role("heading", level=1, name=COPIED).wait_for()
        page.goto(page.origin)
        found = section(page, "findings").locator(".problem", has_text="store.permissions")
        assert "A file with credentials has mode 0644" in found.inner_text()
        assert found.locator("code").inner_text() == f"chmod 600 {house.home / e.STORE}"
        # What is a directory is not closed: it could not be entered any more.
        assert "login.permissions" not in section(page, "findings").inner_text()
        now = section(page, "wrong").locator(".problem", has_text="the credential store ends in the middle")
        assert "agents/broken/agent/auth-profiles.json" in now.inner_text() and "restore it from a backup" in now.inner_text()
        sources = section(page, "seen")
        assert "cannot be read" in sources.get_by_role("listitem").filter(has_text="gemini-cli").inner_text()
        assert "antigravity" in sources.locator("ul ~ p").inner_text(), "where nothing is takes one line"


def test_it_shows_who_hears_of_it(browser, house):
    with visitor(browser, house) as page:
        def line(part, name):
            return section(page, part).get_by_role("row").filter(has=page.get_by_role("rowheader", name=re.compile(f"^{name}"))).inner_text()

        def shows(part, name, what):
            """It does once what is being sent has been sent, or not: this page is not renewed by itself."""
            until(lambda: re.search(what, line(part, name), re.S) or page.reload() and None, 20, lambda: line(part, name))

        shows("receivers", "hook", r"\s0\s.*(just now|min ago)\s+none")
        shows("receivers", "night-shift", r"[1-9]\d*\s+oldest 1 h .*never\s+does not take it.*refused")
        shows("receivers", "discord", r"never\s+refuses us\s+next try in .*Unknown Webhook")
        # Who refuses us is wrong now, and the way out is there.
        assert "opensoul alerts test discord" in page.locator(".problem", has_text="receiver discord refuses our messages").inner_text()
        taken = f"127.0.0.1:{house.hook.port}"
        assert re.search(r"alertmanager\s+(just now|\d+ \w+ ago)\s+none", line("pushes", taken)), line("pushes", taken)
        failing = section(page, "pushes").get_by_role("row").filter(has_text="pushgateway").inner_text()
        assert re.search(r"never\s+nothing since .*does not take it\s+.*refused", failing, re.S), failing
        assert re.search(r"active\s+in 1 h.*the plan is being changed", line("silences", "credential="), re.S)
        page.goto(page.origin + "/?lang=zh")
        assert "拒绝我们" in line("receivers", "discord") and "未能送达" in line("receivers", "night-shift")


def corner(png):
    """Red, green and blue of the first pixel: whatever filter its line has, nothing is before it."""
    data, at = b"", 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        data += png[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    return tuple(zlib.decompressobj().decompress(data, 4)[1:])


# What is cut off, or has to be scrolled to within the page: how to read it is not seen, and not printed.
CUT = """[...document.querySelectorAll("body *:not(svg *, .hidden, .skip, thead, thead *)")]
    .filter((it) => it.checkVisibility() && getComputedStyle(it).overflowX !== "visible" && it.scrollWidth > it.clientWidth + 1)
    .map((it) => it.outerHTML.slice(0, 200))"""


def look(page, folder, name, theme):
    """At one page, at each width: a picture of it, and nothing that keeps anybody from using it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        where = f"{name}-{width}-{theme}"
        shade = corner(page.screenshot(path=folder / f"{where}.png", full_page=True))
        assert min(shade) > 230 if theme == "light" else max(shade) < 40, f"{where}: {shade}"
        # In the forms, too.
        page.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
        found = [(it["id"], it["nodes"][0]["html"]) for it in axe.run(page).response["violations"]]
        assert not found, f"{where}: {found}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{where} is wider than the screen"
        assert page.evaluate(CUT) == [], where
        page.evaluate("for (const open of document.querySelectorAll('details')) open.open = false")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everybody_can_use_it(browser, house, screenshots, theme):
    with visitor(browser, house, "ann", color_scheme=theme) as page:
        for lang in ("en", "zh"):
            for name, path in PAGES.items():
                page.goto(in_language(page.origin + path, lang))
                look(page, screenshots, f"{name}-{lang}", theme)


def test_everybody_can_use_it_when_there_is_nothing(browser, machine, screenshots):
    machine.configure()
    machine.daemon()
    for theme in ("light", "dark"):
        with visitor(browser, machine, color_scheme=theme) as page:
            page.get_by_text("No credentials found.").wait_for()
            # Nothing is known, so nothing is green.
            colours = [page.locator(one).first.evaluate(DOT) for one in (".state", ".live")]
            assert colours[0] != colours[1] and page.locator(".brand.unknown").count() == 1
            look(page, screenshots, "empty", theme)
            page.get_by_role("link", name="Log in").click()
            page.get_by_label("Token").wait_for()
            look(page, screenshots, "guest", theme)


def poppler(program, *args):
    return subprocess.run([program, *args], check=True, capture_output=True, timeout=60).stdout


def printed(page, paper, theme):
    """Each sheet, of somebody whose screen is so, as shades of grey."""
    page.emulate_media(color_scheme=theme)
    page.pdf(path=paper, format="A4")
    drawn = poppler("pdftoppm", "-r", "40", "-gray", str(paper))
    return [sheet.split(b"\n255\n", 1)[1] for sheet in re.split(rb"^P5\n", drawn, flags=re.M)[1:]]


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="no pdftotext; tests/install-needs installs it")
def test_it_prints(browser, house, screenshots):
    with visitor(browser, house, "ann") as page:
        for name, lang in (("page", "en"), ("expiring", "en"), ("balance", "zh")):
            page.goto(in_language(page.origin + PAGES[name], lang))
            paper = screenshots / f"{name}-{lang}.pdf"
            for number, sheet in enumerate(printed(page, paper, "dark"), 1):
                # Ink is words, lines and small drawings.
                assert sheet[0] == 255 and sum(1 for shade in sheet if shade < 200) < 0.15 * len(sheet), f"sheet {number} of {paper} is not white"
            assert printed(page, paper, "light") == printed(page, paper, "dark"), f"{paper} is not the same from a dark screen"

            # The browser would make it smaller, so that it fits; then nobody can read it.
            page.set_viewport_size({"width": SHEET, "height": 900})
            page.emulate_media(media="print")
            assert page.evaluate("document.documentElement.scrollWidth") <= SHEET and page.evaluate(CUT) == [], f"{name} is wider than A4"
            page.emulate_media(media="null")

            words = xml.etree.ElementTree.fromstring(poppler("pdftotext", "-bbox", str(paper), "-"))
            tag = "{http://www.w3.org/1999/xhtml}"
            for sheet in words.iter(f"{tag}page"):
                ends = float(sheet.get("width")) - MARGIN + 1
                beyond = [word.text for word in sheet.iter(f"{tag}word") if float(word.get("xMax")) > ends or float(word.get("xMin")) < MARGIN - 1]
                assert not beyond, f"{paper}: {beyond}"

            # As it was drawn: cell by cell.
            said = poppler("pdftotext", "-raw", str(paper), "-").decode().split()
            for control in ("Copy", "复制", "Acknowledge", "确认或推迟", "Log", "退出", "中文", "English", "Remark", "备注", "live", "实时", "All", "全部凭证"):
                assert control not in said, f"{paper}: {control}"
            text = "".join(said)
            wanted = {
                "page": [COMMAND, *(one["id"] for one in house.monitor.status()["credentials"] if one["verdict"]), "discord", "pushgateway", "90%used"],
                "expiring": [WORST, COMMAND, "Since"], "balance": [e.BALANCE, "6.00USD"],
            }[name]
            for one in wanted:
                assert one.replace(" ", "") in text, f"{paper}: {one}"


def test_no_secret_is_on_any_page(browser, house):
    with visitor(browser, house, "ann") as page:
        paths = {link.get_attribute("href") for link in page.get_by_role("link").all()}
        assert len([path for path in paths if path.startswith("/credential?")]) > 15, paths
        paths |= {*PAGES.values(), "/api/v1/incidents", "/api/v1/outbox", "/api/v1/silences"}
        paths |= {in_language(path, "zh") for path in paths if path == "/" or path.startswith("/credential?")}
        paths |= {f"/calendar.ics?token={token(house, 'calendar-token')}", f"/badge/{WORST}.svg?token={token(house, 'badge-token')}"}
        texts = {path: page.request.get(page.origin + path).text() for path in paths if not path.startswith("#")}
    assert any("Incorrect API key provided" in text for text in texts.values()), "the provider quoted the key that it refused"
    assert house.secrets.escaped(texts) == []
    # Made of words that others use, too.
    for place, text in texts.items():
        assert e.FLEET_KEY not in text and e.SHARED not in text, place
