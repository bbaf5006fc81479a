"""简体中文, where the locale or `--lang` says so: what people read is whole, aligned and without a word of English in it; what
programs read is the same in every language."""

import os
import re
import unicodedata
from datetime import date, timedelta

import pytest

import credentials as c
from machine import CLAUDE, STORE
from terminal import CTRL_C, ENTER, Terminal
from test_onboard import KEY, fresh, key_file  # noqa: F401
from test_reading import furnish

ZH = {"LANG": "zh_CN.UTF-8"}
# What may be English in a line: commands, paths, ids, and what stands in quotes or is the name of a thing.
COMMAND = re.compile(
    r"(?:sudo |[A-Z_]+=\S+ )*\b(?:opensoul|openclaw|clawdbot|moltbot|systemctl|loginctl|chmod|chown|mkdir|claude|codex|gemini|gh|gcloud|aws|qwen|kimi|"
    r"opencode|amp|az|cline|crush|cursor-agent|databricks|devin|goose|grok|hermes|hf|kilo|kiro-cli|llm|ollama|q|vercel|mv|rm|cp|export|kill|unset|"
    r"cli-proxy-api|iflow|llxprt|pi|droid|codebuff|copilot|timedatectl|journalctl|getent|lsof|curl|ss)(?: [\w@~/.:=<>'\"#{}$&|-]+)+",
    re.ASCII,
)
NAMES = [
    "Claude Code", "Claude Max", "Amazon Q", "GitHub Copilot", "Gemini CLI", "Hugging Face", "Kilo Code", "Roo Code", "VS Code", "Google Cloud",
    "login shell", "API key", "--format json", "Connection refused (os error 111)", "Connection refused（os error 111）", "uid 0", "Grok CLI", "Kiro CLI", "Kimi Code", "Qwen Code", "GitHub CLI",
]


def columns(line):
    return sum(0 if unicodedata.combining(x) else 2 if unicodedata.east_asian_width(x) in "WF" else 1 for x in line)


def joined(text):
    """Without the names in a list of commands, the ends of lines that only the width has made, and without what has no language: marks, and the areas of checks."""
    text = re.sub(r"(?m)^  (ok|x |! |[a-z-]+  ) ", "", text)
    lines, before = [""], ""
    for line in text.splitlines():
        # A command is never broken.
        if line.startswith(" ") and not before.startswith("运行："):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
        before = line.strip()
    return re.sub(r"共检查 \d+ 项：[^。]*", "", re.sub(r"\n(?=\w+, )", " ", "\n".join(lines)))


def english(text):
    """Runs of two words and more that no reader of Chinese needs; what is a command, a quote or a name is none."""
    found = []
    for line in joined(text).splitlines():
        bare = re.sub(r"`[^`]*`|\"[^\"]*\"|“[^”]*”", " ", line)
        for name in NAMES:
            bare = bare.replace(name, " ")
        bare = COMMAND.sub(" ", bare)
        bare = re.sub(r"\S*[/#=@_~\[\]{}<>]\S*|\b\w[\w.-]*:[\w.:-]+", " . ", bare)
        found += [(run, line) for run in re.findall(r"\b[A-Za-z][a-z']+(?:[ ,;:]+[a-z][a-z']+)+\b", bare)]
    return found


def rows(text, width):
    """Lines; a command that only the width has broken is whole."""
    whole, before = [], ""
    for line in text.splitlines():
        word = line.split()[0] if line.startswith(" ") and line.strip() else ""
        # What begins with "Run:" is never broken.
        last = whole[-1] if whole and not whole[-1].lstrip().startswith("运行：") else ""
        in_command = re.search(rf"(?:{COMMAND.pattern}|opensoul)$", last, re.ASCII)
        if word and in_command and columns(before + " " + word) > width:
            whole[-1] += " " + line.strip()
        else:
            whole.append(line)
        before = line
    return whole


def places(machine):
    """The lines of `doctor` that say where something is: a path, and the name of what is there, which may be any word."""
    found = machine.run("doctor", "--lint", "--json").json()["findings"]
    words = [((one["path"] or "").replace(str(machine.home), "~"), one["key"]) for one in found if one["key"]]
    return {" " * 4 + " ".join(filter(None, both)) for both in words}


def words(text, width, known):
    """Rows with an English word of ours in them, which neither a command nor a name has."""
    # The first words of the ids of checks, as `--only` takes them.
    text = re.sub(r"共检查 \d+ 项：[^。]*", "", text)
    bare = lambda row: COMMAND.sub("", re.sub(r"`[^`]*`|^  ok (?=[a-z])", "", row))  # noqa: E731
    return [row for row in rows(text, width) if row not in known and WORDS.search(bare(row))]


@pytest.fixture
def furnished(machine):
    furnish(machine)
    return machine


READING = [
    ["status"], ["models", "status"], ["models", "status", "--agent", "second"], ["doctor"], ["doctor", "--severity-min", "info"],
]


@pytest.mark.parametrize("args", READING, ids=" ".join)
@pytest.mark.parametrize("width", [80, 40])
def test_whole_and_within_the_columns(furnished, args, width):
    ended = furnished.run(*args, env=ZH | {"COLUMNS": str(width)})
    assert ended.code == 0, ended
    assert not english(ended.out), ended
    assert re.search("[一-鿿]", ended.out), ended
    # A line without Chinese is a command, an id or a path, which stay whole so that they can be copied.
    long = [line for line in ended.out.splitlines() if columns(line) > width and "运行：" not in line]
    wide = [line for line in long if re.search("[一-鿿]", line) and not re.search(r"[!-~]{30,}", line)]
    assert not wide, wide


ANTHROPIC = "opensoul:main/anthropic:work"
# Words of tables, each alone in its place.
WORDS = re.compile(
    r"(?<![\w./:@=`\"-])(?:ok|critical|warning|info|unused|copy|expired|missing|none|until|since|ends|ago|credentials?|problems?|messages?|default)(?![\w./:@=`\"-])"
)
# In this order on one machine: whoever acts comes before whoever looks at it.
WALK = [
    "credentials list", "credentials explain claude-code:default", f"credentials explain {ANTHROPIC}", "credentials explain declared:elsewhere",
    "credentials explain opensoul:main/openai:default", "credentials declare spare --provider openai --expires 2040-01-01 --not-in-use",
    "credentials declare --for claude-code:default --expires 2040-01-01", "credentials explain claude-code:default",
    "models auth list", "models auth list --agent second", "models auth order get --provider anthropic",
    f"models auth order set --provider anthropic {ANTHROPIC.split('/')[1]}", "models auth order get --provider anthropic",
    "models auth order clear --provider anthropic", "models auth remove openai:default --yes", "models list", "models aliases list",
    "models aliases add quick openai/gpt-5.2", "models aliases remove quick", "models fallbacks list", "models fallbacks add openai/gpt-5.2",
    "models fallbacks add openai/gpt-5.2", "models fallbacks clear", "models set openai/gpt-5.2", "models status", "doctor --lint",
    "monitor check-config", "monitor once", "alerts list", "alerts show ONE", "alerts ack ONE --comment 备注", "alerts show ONE",
    "alerts ack ONE --for 2h", "alerts list", "alerts unack ONE", "alerts snooze ONE --for 2h", "alerts list",
    "alerts silence provider=anthropic --for 2h --comment 备注", "alerts silence provider=qwen --start LATER --for 2h --comment 备注",
    "alerts list", "alerts silence list", "alerts unsilence SILENCE", "alerts silence list", "alerts outbox", "alerts outbox retry",
    "alerts outbox drop MESSAGE", "alerts outbox", "alerts list", "status", "monitor backup copy.db", "monitor forget", "monitor init --force",
    "monitor check-config", "chat /status", "chat /expiring 30d", "chat /what is it", "chat /help", "chat /model list", "chat /doctor",
]


def first(machine, place):
    commands = {"ONE": ("list", "incidents"), "SILENCE": ("silence list", "silences"), "MESSAGE": ("outbox", "messages")}
    words, name = commands[place]
    return machine.run("alerts", *words.split(), "--json").json()[name][0]["id"]


@pytest.mark.parametrize("width", [80, 40])
def test_every_command(furnished, width):
    """What each command says on a machine with something to say: no English sentence, no line beyond the columns."""
    down = '[[receivers]]\nname = "hook"\ntype = "webhook"\nurl = "http://127.0.0.1:9/x"\n[[maintenance]]\nname = "年检"\nschedule = "* * * * *"\nduration = "1h"\nproviders = ["groq"]\n'
    config = furnished.home / ".config/opensoul/monitor.toml"
    config.write_text(config.read_text() + down)
    said = []
    for line in WALK:
        line = line.replace("LATER", (date.today() + timedelta(days=3)).isoformat())
        args = [first(furnished, word) if word in ("ONE", "SILENCE", "MESSAGE") else word for word in line.split()]
        ended = furnished.run(*args, env=ZH | {"COLUMNS": str(width)})
        if ended.code not in (0, 1):
            said.append((line, ended.code, ended.err))
        # The log is English.
        err = re.sub(r"(?m)^\d{4}-\S+ +(WARN|INFO|ERROR).*", "", ended.err)
        said += [(line, found) for found in english(ended.out) + english(err)]
        known = places(furnished) if line.startswith("doctor") else ()
        said += [(line, row) for row in words(ended.out, width, known)]
        long = [row for row in ended.out.splitlines() if columns(row) > width and re.search("[一-鿿]", row) and not re.search(r"[!-~]{18,}", row)]
        said += [(line, row) for row in long if "：" not in row and re.match("alerts|status|credentials [el]", line)]
        if os.environ.get("SHOW"):
            print(f"$ {line}\n{ended.out}{ended.err}")
    assert not said, "\n".join(map(str, said))


def commands(machine, *words):
    yield words
    listed = re.search(r"(?m)^Commands:\n((?:  .*\n)+)", machine.run(*words, "-h", env={"LANG": "C"}).out)
    for line in listed[1].splitlines() if listed else []:
        if re.match(r"  \w", line):
            yield from commands(machine, *words, line.split()[0])


@pytest.mark.parametrize("width", [80, 40])
def test_help(machine, width):
    """Of every command, short and long: all of it in Chinese, within the columns, and the names of options where they were."""
    all = list(commands(machine))
    assert len(all) > 45, all
    for words in all:
        for option in ("-h", "--help"):
            ended = machine.run(*words, option, env=ZH | {"COLUMNS": str(width)})
            assert ended.code == 0 and "用法：opensoul" in ended.out and not ended.err, ended
            text = re.sub(r"\[可选值：[^\]]*\]", "", ended.out)
            assert not english(text), (words, english(text))
            whole = machine.run(*words, option, env={"LANG": "C"}).out
            options = re.compile(r"(?m)^ {2,6}(-\S+)")
            assert options.findall(whole) == options.findall(ended.out), ended
            wide = [line for line in ended.out.splitlines() if columns(line) > width and not re.search(r"[!-~]{18,}|用法", line)]
            # An option's name and its value stay whole, like a path; what it is about stands below then.
            wide = [line for line in wide if not re.fullmatch(r" {2,6}(?:-\w, )?--[\w-]+ <[^<>一-鿿]+>", line)]
            assert not wide, wide


def test_wrong_arguments(machine):
    for args, says in [
        (["status", "--bogus"], "错误：意外的参数 '--bogus'"),
        (["status", "--jsom"], "提示：有一个相似的参数：'--json'"),
        (["models", "auth", "login"], "错误：缺少以下必需的参数："),
        (["doctor", "--severity-min", "x"], "[可选值：info, warning, critical]"),
        (["alerts"], "命令：\n  list"),
        (["status", "--host=-x"], "'-x' 无效：请写 [USER@]SERVER[:PORT]"),
        (["monitor", "once", "--host"], "需要一个值"),
    ]:
        ended = machine.run(*args, env=ZH)
        assert ended.code == 64 and says in ended.err and not ended.out and not english(ended.err), ended
    plugin = machine.run("status", "--format", "nagios", "--bogus", env=ZH)
    assert plugin.code == 3 and "unexpected argument" in plugin.out, plugin


def test_what_is_in_english_stays(machine):
    """Manual pages and completions are installed for everybody on a machine."""
    for args in (["completions", "bash"], ["completions", "zsh"], ["--version"]):
        assert machine.run(*args, env=ZH).out == machine.run(*args, env={"LANG": "C"}).out, args


def test_an_empty_machine(machine):
    for args in (["status"], ["models", "status"], ["doctor"]):
        ended = machine.run(*args, env=ZH)
        assert not english(ended.out), ended
    assert "没有找到凭证" in machine.run("status", env=ZH).out


def test_columns_are_straight(machine):
    machine.write(CLAUDE, c.claude_code())
    machine.write(STORE, c.store(anthropic__work=c.token(2 * c.DAY), openai__default=c.api_key(provider="openai")))
    machine.write(".opensoul/opensoul.json", c.gateway_config())
    out = machine.run("status", env=ZH | {"COLUMNS": "100"}).out
    rows = [line for line in out.splitlines() if re.match(r"  \S+:\S+ +\S", line)]
    states = {columns(line[: re.match(r"  \S+ +", line).end()]) for line in rows}
    assert len(rows) > 1 and len(states) == 1, out
    out = machine.run("models", "status", env=ZH).out
    fields = [line for line in out.split("\n\n")[0].splitlines()]
    values = {columns(re.match(r"\S+ +", line).group()) for line in fields}
    assert len(fields) > 2 and values == {13}, out


def test_who_decides(machine):
    says = lambda *args, **env: re.search("[一-鿿]", machine.run(*args, "status", env=env).out) is not None  # noqa: E731
    assert says(LANG="zh_CN.UTF-8") and says(LC_ALL="zh_CN") and says(LC_MESSAGES="zh_CN.UTF-8", LANG="en_US.UTF-8")
    assert not says(LANG="C.UTF-8") and not says(LC_ALL="C", LANG="zh_CN.UTF-8")
    assert says("--lang", "zh") and says("--lang=zh", LANG="en_US.UTF-8") and not says("--lang", "en", **ZH)
    wrong = machine.run("--lang", "fr", "status")
    assert wrong.code == 64, wrong


@pytest.mark.parametrize("args", [
    ["models", "status", "--json"], ["models", "status", "--plain"], ["models", "auth", "list", "--json"], ["status", "--json"],
    ["status", "--format", "nagios"], ["status", "--format", "checkmk"], ["status", "--format", "prom"], ["doctor", "--json"],
], ids=" ".join)
def test_what_programs_read_is_the_same(furnished, args):
    moments = re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?|\d+\.\d+|\b\d{5,}\b")
    # A minute may pass between two runs: then the one in Chinese is as the one before it or as the one after it.
    before, chinese, after = (moments.sub("", furnished.run(*args, env=env).out) for env in ({}, ZH, {}))
    assert chinese in (before, after)


def test_errors(machine):
    for args, code, says in [
        (["models", "status", "--json", "--plain"], 64, "只能选一个"),
        (["models", "status", "--agent", "nobody"], 64, "未知的智能体"),
        (["onboard"], 64, "必须在终端中运行"),
        (["onboard", "--non-interactive", "--receiver", "slack:x"], 64, "请写 TYPE:KEY=VALUE"),
        (["doctor", "--fix"], 64, "无人可问"),
        (["frobnicate"], 69, "不是本程序的命令"),
        (["alerts", "--host", "box", "list"], 66, "这里还没有运行过 `opensoul monitor once --host box`"),
        (["alerts", "--host", "box", "test"], 64, "请去掉 --host"),
    ]:
        if args[-1] == "--fix":
            machine.write(STORE, c.store(openai__default=c.api_key(provider="openai")), mode=0o644)
        ended = machine.run(*args, env=ZH)
        assert ended.code == code and says in ended.err and not english(ended.err), ended
    machine.write(".opensoul/opensoul.json", '{"agents": 3')
    ended = machine.run("models", "status", env=ZH)
    assert ended.code == 78 and "无法使用" in ended.err and "处理：" in ended.err, ended


def test_onboard_by_flags(fresh):  # noqa: F811
    ended = fresh.run(
        "onboard", "--non-interactive", "--key-file", f"anthropic={key_file(fresh)}", "--receiver", "ntfy:topic-of-mine-4711",
        "--service", "timer", "--completions", "bash", env=ZH,
    )
    assert ended.code == 0 and "将执行以下操作：" in ended.out and "已写入" in ended.out and not english(ended.out), ended


def test_onboard_asks(fresh):  # noqa: F811
    fresh.write(STORE, c.store())
    fresh.write(".opensoul/opensoul.json", c.gateway_config())
    person = Terminal(fresh, "onboard", env=ZH)
    person.expect("anthropic 的 API 密钥").expect("输入不会显示").type("sk-ant-oat01-canary").type(ENTER)
    person.expect("只获准用于 Claude Code").expect("anthropic 的 API 密钥").type(KEY).type(ENTER).expect("已收到")
    person.expect("网关的密钥存放在哪里？").type("1").type(ENTER)
    person.expect("是否添加其他提供商").type("否").type(ENTER)
    person.expect("是否向提供商查询").type("n").type(ENTER)
    person.expect("凭证失效之前通知谁").expect("ntfy：推送消息").expect("1-7").type("7").type(ENTER)
    person.expect("由谁运行监控").type(ENTER)
    person.expect("将执行以下操作").expect("ANTHROPIC_API_KEY=…").expect("是否执行？").type(CTRL_C)
    assert person.ended() == 130 and "已取消；没有任何改动" in person.text, person.text
    assert "canary" not in person.text and not english(person.text), person.text
