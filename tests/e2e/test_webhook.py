"""Webhooks: signatures as an independent library sees them, rotation of keys, and servers that misbehave."""

import json

import pytest

import credentials as c
from hook import HookServer, new_secret
from machine import STORE, webhook_receiver
from waiting import until


def expiring(machine):
    machine.write(STORE, c.store(anthropic__work=c.token(2 * c.DAY)))


def test_the_body_is_what_alertmanager_sends(machine, hook):
    expiring(machine)
    machine.configure(webhook_receiver(hook, more='[receivers.headers]\nx-team = "ops"\n'))
    machine.once()
    (call,) = hook.accepted()
    body = call.body
    assert call.signed_with(hook.secret) and not call.signed_with(new_secret())
    assert call.headers["content-type"].startswith("application/json") and call.headers["x-team"] == "ops"
    assert body["version"] == "4" and body["receiver"] == "hook" and body["truncatedAlerts"] == 0
    (alert,) = body["alerts"]
    assert alert["status"] == "firing" and alert["labels"]["alertname"] and alert["labels"]["severity"] == "critical"
    assert alert["labels"]["provider"] == "anthropic"
    assert alert["startsAt"] and alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert len(alert["fingerprint"]) == 16 and alert["annotations"]["summary"]
    for group in ("groupLabels", "commonLabels", "commonAnnotations"):
        assert isinstance(body[group], dict)


def test_rotation_signs_with_the_old_and_the_new_key(machine, hook):
    old, new = hook.secret, new_secret()
    machine.env["NEW_SECRET"] = new
    expiring(machine)
    machine.configure(webhook_receiver(hook, secret='[{ env = "NEW_SECRET" }, { env = "HOOK_SECRET" }]'))
    machine.once()
    (call,) = hook.accepted()
    assert call.signed_with(old) and call.signed_with(new)
    assert len(call.headers["webhook-signature"].split()) == 2


@pytest.mark.parametrize("answer, reasons", [
    ((500, {}, b"broken"), ("server_error",)),
    ((503, {"retry-after": "1"}, b""), ("server_error", "rate_limited")),
    ((429, {"retry-after": "1"}, b""), ("rate_limited",)),
    ((404, {"content-type": "text/html"}, b"<html>proxy</html>"), ("refused", "server_error", "parse")),
])
def test_a_failure_is_tried_again_under_the_same_id(machine, hook, answer, reasons):
    hook.say.append(answer)
    expiring(machine)
    machine.configure(webhook_receiver(hook))
    daemon = machine.daemon()

    def counted():
        metrics = daemon.metrics()
        return sum(metrics.total("opensoul_notifications_failed_total", reason=reason) for reason in reasons)

    until(counted, 20, lambda: f"counted:\n{daemon.get('/metrics')}")
    until(hook.accepted, 90, lambda: f"it arrives:\n{daemon.log}")
    assert len({call.id for call in hook.calls}) == 1
    assert all(call.signed_with(hook.secret) for call in hook.calls)


def test_redirects_are_not_followed(machine, hook):
    other = HookServer()
    try:
        hook.say.extend([(307, {"location": other.url}, b""), (302, {"location": other.url}, b"")])
        expiring(machine)
        machine.configure(webhook_receiver(hook))
        machine.run("monitor", "once")
        assert hook.calls and not other.calls
    finally:
        other.close()


def test_plain_http_beyond_loopback_is_refused(machine, hook):
    expiring(machine)
    machine.configure(webhook_receiver(hook, url="http://hooks.example.org/x"))
    ended = machine.run("monitor", "check-config")
    assert ended.code == 78 and "https" in ended.out + ended.err, ended


def test_a_secret_url_may_be_a_reference(machine, hook):
    machine.env["HOOK_URL"] = hook.url + "/token-in-the-path"
    expiring(machine)
    receiver = webhook_receiver(hook).replace(json.dumps(hook.url), '{ env = "HOOK_URL" }')
    machine.configure(receiver)
    machine.once()
    assert [call.path for call in hook.accepted()] == ["/hook/token-in-the-path"]


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
def test_a_way_out_by_a_proxy(machine, hook, name):
    """Where a network lets nobody out, or a messenger is blocked: the receivers go by the proxy of the environment."""
    machine.env[name] = f"http://127.0.0.1:{hook.port}"
    put = webhook_receiver(hook, url="http://hooks.example.org/x", more="insecure = true\n")
    expiring(machine)
    machine.configure(put, web=False)
    machine.once()
    (call,) = hook.accepted()
    assert call.path == "http://hooks.example.org/x" and call.signed_with(hook.secret), call.path
