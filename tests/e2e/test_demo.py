"""What a newcomer sees: `monitor demo`, without a home worth reading."""

import re
import subprocess
import urllib.request

import credentials as c
from machine import CLAUDE
from waiting import until
from machine import end_group


def test_alerts_arrive_before_ones_eyes(machine):
    machine.write(CLAUDE, c.claude_code(access="sk-ant-oat01-my-own-real-login"))
    machine.env["ANTHROPIC_API_KEY"] = "sk-ant-my-own-real-key"
    before = sorted(str(p) for p in machine.home.rglob("*"))
    process = subprocess.Popen(
        [str(machine.program), "monitor", "demo", "--for", "40s"], env=machine.env, cwd=machine.cwd,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, text=True,
    )
    lines, address = [], None
    try:
        for line in process.stdout:
            lines.append(line)
            if address is None and (found := re.search(r"http://127\.0\.0\.1:\d+", line)):
                address = found.group()
                page = until(lambda: urllib.request.urlopen(address, timeout=5).read().decode(), 20, "the demo's page")
                metrics = urllib.request.urlopen(address + "/metrics", timeout=30).read().decode()
        code = process.wait(20)
    finally:
        end_group(process)
    said = "".join(lines)
    assert code == 0, said
    assert address, said
    assert "opensoul_credential_expiration_timestamp_seconds" in metrics
    assert "<html" in page.lower()
    assert re.search(r"(?i)mail", said) and re.search(r"(?i)webhook", said), said
    assert re.search(r"(?i)expir", said), said
    for own in ("my-own-real-login", "my-own-real-key", str(machine.home)):
        assert own not in said + page + metrics
    assert sorted(str(p) for p in machine.home.rglob("*")) == before
    assert not list(machine.tmp.iterdir()), "the throw-away home is gone"
