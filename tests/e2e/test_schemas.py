"""The JSON Schemas of docs/: each document of a machine on which everything happens at once is as its schema says, and a schema
leaves no field out."""

import json
import pathlib
import re
import tomllib

import jsonschema
import pytest

import credentials as c
import everything
from machine import STORE
from prometheus import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]


def schema(name):
    return json.loads((ROOT / f"docs/{name}.schema.json").read_text())


def check(name, document):
    jsonschema.Draft202012Validator(schema(name), format_checker=jsonschema.FormatChecker()).validate(document)
    return document


def properties(part, root):
    """Every property that a schema describes, each as its path."""
    if "$ref" in part:
        place = root
        for step in part["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        yield from properties(place, root)
    for name, inner in part.get("properties", {}).items():
        yield name
        yield from (f"{name}.{rest}" for rest in properties(inner, root))
    for inner in [*([part["items"]] if "items" in part else []), *part.get("anyOf", [])]:
        yield from properties(inner, root)


def test_the_api_describes_the_same_status():
    openapi = json.loads((ROOT / "docs/openapi.json").read_text())
    told = set(properties(openapi["components"]["schemas"]["Status"], openapi))
    assert told == set(properties(schema("status"), schema("status")))


@pytest.mark.parametrize("path", sorted((ROOT / "docs").glob("*.schema.json")), ids=lambda path: path.name)
def test_a_schema_is_one_and_closed(path):
    document = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(document)

    def closed(part):
        if isinstance(part, dict):
            if isinstance(part.get("properties"), dict) and part.get("type") == "object" and "allOf" not in part:
                assert part.get("additionalProperties") is False or part.get("unevaluatedProperties") is False, part.get("description", part)
                assert set(part.get("required", [])) <= set(part["properties"])
            for inner in part.values():
                closed(inner)
        elif isinstance(part, list):
            for inner in part:
                closed(inner)

    closed(document)


@pytest.fixture
def rich(machine, hook):
    """Everything at once, with a provider that answers, and programs that are told."""
    provider = everything.Provider()
    everything.furnish(machine, free_port())
    profiles = json.loads((machine.home / STORE).read_text())
    profiles["profiles"] |= {"anthropic:resting": c.token(200 * c.DAY), "anthropic:past": c.token(-c.DAY)}
    profiles["usageStats"] = {"anthropic:resting": {"cooldownUntil": c.ms(c.HOUR), "lastUsed": c.ms(-c.HOUR)}}
    machine.write(STORE, profiles)
    model = {"primary": "anthropic/claude-opus-4-6", "fallbacks": ["openai/gpt-5.4", "groq/llama"]}
    machine.write(".opensoul/opensoul.json", {"agents": {"defaults": {"model": model, "models": {"groq/llama": {"alias": "fast"}}}}})
    machine.env |= {"OPENAI_API_KEY": "sk-proj-of-the-shell-0123456789"}
    lines = machine.home / "alerts.jsonl"
    everything.configure(
        machine, f'[[receivers]]\nname = "lines"\ntype = "file"\npath = "{lines}"',
        f'[[receivers]]\nname = "program"\ntype = "webhook"\nurl = "{hook.url}"\nbody = "json"',
        f'[[receivers]]\nname = "tee"\ntype = "exec"\nargv = ["/usr/bin/tee", "{machine.home}/given"]', provider=provider,
    )
    for _ in range(2):
        assert machine.run("monitor", "once").code in (0, 1, 2)
    everything.with_a_history(machine)
    yield machine
    provider.close()


def test_every_document_is_as_its_schema_says(rich):
    status = check("status", rich.run("status", "--json").json())
    assert any(one["verdict"] for one in status["credentials"]) and any(one["quota"] for one in status["credentials"])
    assert any(one["balance"] for one in status["credentials"]) and any(one["copies"] for one in status["credentials"])
    assert any("setAside" in one for one in status["credentials"]) and any("passedOver" in one for one in status["credentials"])
    assert status["incidents"] and status["findings"] and status["summary"]["nextExpiry"]
    listed = check("credentials", rich.run("credentials", "list", "--json").json())["credentials"]
    assert {one["id"] for one in listed} == {one["id"] for one in status["credentials"]}
    for one in listed:
        told = check("credential", rich.run("credentials", "explain", one["id"], "--json").json())
        assert told["id"] == one["id"] and told["rule"]
    models = check("models-status", rich.run("models", "status", "--json").json())
    assert models["auth"]["unusableProfiles"] and models["auth"]["oauth"]["profiles"] and models["aliases"]
    asked = check("models-status", rich.run("models", "status", "--probe", "--json").json())
    assert asked["auth"]["probes"]["results"]
    check("models-status", rich.run("models", "status", "--agent", "main", "--json").json())


def test_programs_are_told_as_the_schemas_say(rich, hook):
    for line in (rich.home / "alerts.jsonl").read_text().splitlines():
        check("alert", json.loads(line))
    told = [check("notification", json.loads(one.raw)) for one in hook.calls]
    assert any(one["items"] and one["items"][0]["fix"] for one in told)
    assert check("notification-alertmanager", json.loads((rich.home / "given").read_text()))["receiver"] == "tee"


def test_a_field_that_is_not_described_is_noticed(rich):
    """By the validator, and so by the tests above."""
    document = rich.run("status", "--json").json()
    document["credentials"][0]["new"] = 1
    with pytest.raises(jsonschema.ValidationError, match="'new' was unexpected"):
        check("status", document)


def as_json(toml):
    """Dates become texts: JSON has none."""
    return json.loads(json.dumps(tomllib.loads(toml), default=str))


def examples():
    for path in sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "deploy").rglob("*.md"), *(ROOT / "termux").rglob("*.md")]):
        blocks = re.findall(r"^```toml\n(.*?)^```", path.read_text(), re.M | re.S)
        yield from ((f"{path.relative_to(ROOT)}#{number}", block) for number, block in enumerate(blocks))
    for path in sorted([*(ROOT / "deploy").rglob("monitor*.toml"), *(ROOT / "termux").rglob("*.toml")]):
        yield str(path.relative_to(ROOT)), path.read_text()


def test_a_configuration_is_as_its_schema_says(machine):
    assert machine.run("monitor", "init").code == 0
    written = machine.config.read_text()
    check("monitor", as_json(written))
    # Everything in it that is commented out, section by section: some say the same in two ways.
    whole = re.sub(r"^# (?=\[|[a-z_]+ = )", "", written, flags=re.M)
    sections = re.split(r"^(?=\[)", whole, flags=re.M)
    read = [as_json(one) for one in sections if parses(one)]
    assert len(read) > 25, len(read)
    found = list(examples())
    assert len(found) > 20, len(found)
    for name, text in [*found, *((json.dumps(one), None) for one in read)]:
        try:
            check("monitor", json.loads(name) if text is None else as_json(text))
        except jsonschema.ValidationError as error:
            raise AssertionError(f"{name}: {error.message} at {list(error.absolute_path)}") from None


def parses(text):
    try:
        return bool(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        return False


@pytest.mark.parametrize("text", [
    "[shedule]\n", "[schedule]\nstatsu = '5m'\n", "[schedule]\nstatus = 5\n", "[probe]\nconcurrency = 0\n", "[probe]\nconcurrency = '8'\n",
    "[sources]\nenv = 'yes'\n", "[sources]\ndotenv = '~/.env'\n", "[[receivers]]\nname = 'x'\n", "[[receivers]]\nname = 'x'\ntype = 'fax'\n",
    "[[receivers]]\nname = 'x'\ntype = 'ntfy'\n", "[[receivers]]\nname = 'x'\ntype = 'desktop'\ntopic = 'x'\n", "[web]\nlisten = 9\n",
    "[[receivers]]\nname = 'x'\ntype = 'telegram'\nchat = '1'\ntoken = 'plain'\n", "[providers.mine]\nbase = 'x'\n", "[export.otlp]\nurll = 'x'\n",
], ids=lambda text: text.replace("\n", " "))
def test_what_the_program_refuses_the_schema_refuses(machine, text):
    machine.write(machine.config.relative_to(machine.home), text)
    assert machine.run("monitor", "check-config").code == 78
    with pytest.raises(jsonschema.ValidationError):
        check("monitor", as_json(text))
