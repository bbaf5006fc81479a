"""The HTML of a mail as people see it: on a phone, in the dark and by day, in both languages."""

import pytest

import credentials as c
from machine import STORE, email_receiver
from test_links import configure
from test_page import browser  # noqa: F401 (a fixture)
from waiting import until

WIDTH = 360


@pytest.fixture
def mails(machine, mail_server):
    """What two people get about one critical and one warning with long names, with buttons and a runbook."""
    mail = mail_server("starttls")
    name = "anthropic:a-name-that-goes-on-and-on-without-a-place-to-break-it-anywhere-at-all"
    machine.write(STORE, {"version": 1, "profiles": {
        name: c.token(-c.HOUR), "anthropic:spare": c.token(5 * c.DAY, secret="sk-ant-oat01-spare"),
        "openai:work": c.token(2 * c.DAY, provider="openai"),
    }})
    lang = lambda name, to, which: email_receiver(mail, name=name, to=[to], more=f'lang = "{which}"\n')  # noqa: E731
    configure(machine, lang("en", "en@example.org", "en"), lang("zh", "zh@example.org", "zh-CN"))
    text = machine.config.read_text() + '[actions]\nrunbook_url = "https://wiki.example.org/{name}?of={provider}"\n'
    machine.write(machine.config.relative_to(machine.home), text)
    machine.daemon()
    until(lambda: {one.recipients[0][:2] for one in mail.accepted()} == {"en", "zh"}, 30, "a mail for each")
    return {one.recipients[0][:2]: one.part("html") for one in mail.accepted()}


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_it_can_be_read_on_a_phone(browser, mails, theme, lang):  # noqa: F811
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(viewport={"width": WIDTH, "height": 740}, color_scheme=theme, java_script_enabled=True)
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_content(mails[lang])
    assert ("需要处理" if lang == "zh" else "attention") in page.locator("body").inner_text()
    assert page.locator("a.act").count() >= 1 and page.locator("pre").count() >= 1, "buttons and a command"
    wcag = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21aa"]}}
    found = [(it["id"], it["nodes"][0]["html"]) for it in axe.run(page, options=wcag).response["violations"]]
    assert not found, found
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTH, "nobody has to scroll sideways"
    shade = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b)")
    assert (shade < 150) == (theme == "dark"), f"the page is not {theme}: {shade}"
    assert min(page.evaluate("[...document.querySelectorAll('p, td, li')].map(it => parseFloat(getComputedStyle(it).fontSize))")) >= 13
    assert not asked, "nothing is fetched to show a mail"
    context.close()
