#!/usr/bin/env python3
"""Speed, memory and size of the release build against their limits: `make bench`.

Limits are ratios to a neighbour that does the least possible (an empty program, `jq length`, `cat`), measured in turns with
it in the same minute, so that a slow or busy machine slows both. Exit 1 if one is over, 2 if one could not be measured.
"""

import argparse
import asyncio
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests/e2e"))
import home as fixture_home  # noqa: E402

DAY = 86_400_000
MIB = 1 << 20


class Bench:
    def __init__(self, program, root):
        self.program, self.root = program, root
        self.rows = []

    def home(self, name):
        home = self.root / name
        home.mkdir(mode=0o700)
        env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "NO_COLOR": "1"}
        return home, env

    def row(self, what, value, limit, unit, remark=""):
        over = value > limit
        self.rows.append((what, f"{value:.2f} {unit}", f"≤ {limit:.2f} {unit}", "over" if over else "ok", remark))

    def not_measured(self, what, why):
        self.rows.append((what, "-", "-", "not measured", why))

    def table(self):
        head = ("figure", "measured", "limit", "", "how")
        widths = [max(len(row[i]) for row in [head, *self.rows]) for i in range(5)]
        for row in [head, *self.rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        verdicts = [row[3] for row in self.rows]
        return 1 if "over" in verdicts else 2 if "not measured" in verdicts else 0


def wall(argv, env):
    """Milliseconds from start to end of one process whose output goes nowhere. One that fails is fast for nothing."""
    null = os.open("/dev/null", os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
    began = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, env, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    took = (time.perf_counter() - began) * 1000
    os.close(null)
    if status != 0:
        raise RuntimeError(f"{' '.join(map(str, argv[:6]))} ended with {os.waitstatus_to_exitcode(status)}")
    return took


def in_turns(rounds, *jobs):
    """Median milliseconds of each job, run in turns."""
    for argv, env in jobs:
        wall(argv, env)
    took = [[] for _ in jobs]
    for _ in range(rounds):
        for times, (argv, env) in zip(took, jobs):
            times.append(wall(argv, env))
    return [statistics.median(times) for times in took]


def peak(argv, env):
    """Peak resident bytes, asked of `time`: a child of this big process would inherit its high-water mark."""
    told = subprocess.run(["/usr/bin/time", "-f", "%M", *argv], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return int(told.stderr.strip().splitlines()[-1]) * 1024


def write_store(home, agent, count, provider="anthropic"):
    folder = home / f".opensoul/agents/{agent}/agent"
    folder.mkdir(parents=True, mode=0o700)
    now = int(time.time() * 1000)
    profiles = {}
    for n in range(count):
        kind = n % 3
        entry = {"provider": provider, "email": f"user{n}@example.org"}
        if kind == 0:
            entry |= {"type": "api_key", "key": f"sk-sample-{n:032}"}
        elif kind == 1:
            entry |= {"type": "token", "token": f"sk-ant-oat01-{n:080}", "expires": now + 200 * DAY + n}
        else:
            entry |= {"type": "oauth", "access": f"access-{n:080}", "refresh": f"refresh-{n:080}", "expires": now + 200 * DAY + n}
        profiles[f"{provider}:p{n}"] = entry
    path = folder / "auth-profiles.json"
    path.write_text(json.dumps({"version": 1, "profiles": profiles}, indent=2) + "\n")
    path.chmod(0o600)
    return path


def small_store(bench):
    empty = bench.root / "empty"
    (bench.root / "empty.rs").write_text("fn main() {}\n")
    subprocess.run(["rustc", "-O", "-o", str(empty), str(bench.root / "empty.rs")], check=True)
    home, env = bench.home("small")
    write_store(home, "main", 3)
    argv = [str(bench.program), "models", "status", "--check"]
    ours, nothing = in_turns(200, (argv, env), ([str(empty)], env))
    bench.row("models status --check, small store", ours / nothing, 3, "×", f"{ours:.2f} ms; empty program {nothing:.2f} ms")
    if os.path.exists("/usr/bin/time"):
        bench.row("… peak memory", min(peak(argv, env) for _ in range(5)) / MIB, 8, "MiB")
    else:
        bench.not_measured("… peak memory", "Debian package `time` is not there")


def big_store(bench):
    what = "one store of 10,000 profiles"
    jq = shutil.which("jq")
    if not jq:
        return bench.not_measured(what, "jq is not there")
    home, env = bench.home("big")
    path = write_store(home, "main", 10_000)
    ours, theirs = in_turns(15, ([str(bench.program), "models", "status", "--check"], env), ([jq, "length", str(path)], env))
    bench.row(what, ours / theirs, 1, "×", f"{ours:.1f} ms; jq length {theirs:.1f} ms, {path.stat().st_size / 1e6:.1f} MB")


def many_agents(bench):
    home, env = bench.home("many")
    paths = [str(write_store(home, f"a{n:04}", 10)) for n in range(1000)]
    status = [str(bench.program), "status"]
    text, json_, cat = in_turns(15, (status, env), ([*status, "--json"], env), (["/bin/cat", *paths], env))
    # The document is eleven times as long as the text.
    for what, ours, times in [("status", text, 3), ("status --json", json_, 4)]:
        how = f"cat of all files {cat:.1f} ms, × {times}, + 20 ms"
        bench.row(f"{what}, 1,000 agents × 10 profiles", ours, times * cat + 20, "ms", how)


def discovery(bench):
    """Every source looks everywhere it knows: where there is nothing, and where there is something for each. The whole program
    from start to end, with its checks and the look at the gateway."""
    _, nothing = bench.home("nothing")
    home, something = bench.home("something")
    fixture_home.furnish(home)
    status = [str(bench.program), "status", "--json"]
    told = json.loads(subprocess.run(status, env=something, cwd=home, stdout=subprocess.PIPE, check=True).stdout)
    sources = {one["source"]["type"] for one in told["credentials"]}
    assert len(sources) >= 40, f"only {len(sources)} sources have something"
    none, all_ = in_turns(60, (status, nothing), (status, something))
    bench.row("status --json, no source has anything", none, 10, "ms", "from start to end of the program")
    what = f"status --json, {len(sources)} sources"
    bench.row(what, all_, 30, "ms", f"{len(told['credentials'])} credentials")


class Daemon:
    """`monitor run` with defaults on a port of its own; `before` is what the program is run under."""

    def __init__(self, bench, home, env, before=()):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        config = home / ".config/opensoul/monitor.toml"
        config.parent.mkdir(parents=True, mode=0o700)
        config.write_text(f'[web]\nlisten = "127.0.0.1:{self.port}"\n')
        config.chmod(0o600)
        self.process = subprocess.Popen(
            [*before, str(bench.program), "monitor", "run"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )
        end = time.monotonic() + 60
        while True:
            try:
                if self.get("/-/ready")[0] == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > end or self.process.poll() is not None:
                self.close()
                raise RuntimeError("the monitor does not get ready")
            time.sleep(0.05)

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def resident(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024

    def cpu(self):
        """Seconds of CPU of all threads so far."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(10)


def idle_daemon(bench):
    seconds = bench.idle_seconds
    home, env = bench.home("idle")
    write_store(home, "main", 3)
    daemon = Daemon(bench, home, env)
    try:
        daemon.get("/metrics"), daemon.get("/")
        began, before = time.monotonic(), daemon.cpu()
        time.sleep(seconds)  # the time over which idleness is measured; longer than a minute, so that a tick is in it
        share = (daemon.cpu() - before) / (time.monotonic() - began) * 100
        bench.row("idle monitor, memory", daemon.resident() / MIB, 14, "MiB", "after two requests")
        bench.row("idle monitor, CPU", share, 0.1, "%", f"over {seconds} s")
    finally:
        daemon.close()


def big_scrape(bench):
    home, env = bench.home("scrape")
    write_store(home, "main", 10_000)
    daemon = Daemon(bench, home, env)
    try:
        times = []
        for _ in range(15):
            began = time.perf_counter()
            status, body = daemon.get("/metrics")
            times.append((time.perf_counter() - began) * 1000)
            assert status == 200
        count = body.count(b"\nopensoul_credential_info{")
        assert count == 10_000, f"{count} credentials in the scrape"
        bench.row("a scrape of 10,000 credentials", statistics.median(times), 50, "ms", f"{len(body) / 1e6:.1f} MB")
    finally:
        daemon.close()


class SlowProvider:
    """Answers each question after 100 ms: yes to whoever has a key, no to whoever has none. On many addresses of loopback, so
    that each is a host of its own."""

    HOSTS, DELAY = 64, 0.1

    def __init__(self):
        self.ready = threading.Event()
        self.questions = 0
        threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True).start()
        if not self.ready.wait(10):
            raise RuntimeError("the fake provider does not get ready")

    async def serve(self):
        server = await asyncio.start_server(self.talk, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        for n in range(2, self.HOSTS + 1):
            await asyncio.start_server(self.talk, f"127.0.0.{n}", self.port, backlog=512)
        self.ready.set()
        await server.serve_forever()

    async def talk(self, reader, writer):
        good = b'{"object":"list","data":[{"id":"m"}]}'
        bad = b'{"error":{"message":"no key","code":"invalid_api_key"}}'
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(self.DELAY)
                self.questions += 1
                status, body = (b"200 OK", good) if b"\nauthorization:" in request.lower() else (b"401 Unauthorized", bad)
                writer.write(b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (status, len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def many_probes(bench):
    """1,000 questions at concurrency 64 against 100 ms: ideally 1.6 s. What reading and showing takes is not theirs."""
    provider = SlowProvider()

    def home(name, count):
        home, env = bench.home(name)
        folder = home / ".opensoul/agents/main/agent"
        folder.mkdir(parents=True, mode=0o700)
        profiles = {f"p{n % provider.HOSTS}:{n}": {"provider": f"p{n % provider.HOSTS}", "type": "api_key", "key": f"key-of-a-bench-{n:020}"} for n in range(count)}
        store = folder / "auth-profiles.json"
        store.write_text(json.dumps({"version": 1, "profiles": profiles}))
        store.chmod(0o600)
        config = home / ".config/opensoul/monitor.toml"
        config.parent.mkdir(parents=True, mode=0o700)
        text = "[probe]\nconcurrency = 64\nper_host = 2\n"
        for n in range(provider.HOSTS):
            text += f'[providers.p{n}]\nbase_url = "http://127.0.0.{n + 1}:{provider.port}"\ncompatible = "openai"\n'
        config.write_text(text)
        config.chmod(0o600)
        return env

    env = home("probes", 1000)
    asking, looking = [str(bench.program), "status", "--probe", "--json"], [str(bench.program), "status", "--json"]
    told = json.loads(subprocess.run(asking, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)
    kinds = [one["verdict"]["kind"] for one in told["credentials"]]
    assert kinds == ["accepted"] * 1000, f"not all were accepted: {set(kinds)}"
    with_probes, without = in_turns(5, (asking, env), (looking, env))
    # Each address is asked once without a key too.
    ideal = (1000 + provider.HOSTS) / 64 * provider.DELAY
    took = (with_probes - without) / 1000
    bench.row("1,000 probes at 100 ms, 64 at once", took, 1.2 * ideal, "s", f"ideal {ideal:.2f} s; status alone {without:.0f} ms")
    if os.path.exists("/usr/bin/time"):
        few = home("few-probes", 100)
        # What the credentials themselves take is there without questions too.
        least = lambda argv, env: min(peak(argv, env) for _ in range(3))
        more = (least(asking, env) - least(looking, env)) - (least(asking, few) - least(looking, few))
        bench.row("… memory for 900 more questions", more / MIB, 4, "MiB", "peak of 1,000 less peak of 100")
    else:
        bench.not_measured("… memory for 900 more questions", "Debian package `time` is not there")


class Hook(asyncio.Protocol):
    """A webhook receiver on loopback that does the least possible; `status` is what it answers."""

    status, times = b"200 OK", []

    def __init__(self):
        self.held = b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.held += data
        while True:
            head, found, rest = self.held.partition(b"\r\n\r\n")
            if not found:
                return
            length = int(head.lower().split(b"\ncontent-length:")[1].split(b"\r", 1)[0])
            if len(rest) < length:
                return
            self.held = rest[length:]
            Hook.times.append(time.perf_counter())
            self.transport.write(b"HTTP/1.1 %s\r\ncontent-length: 2\r\n\r\n{}" % Hook.status)

    @classmethod
    def start(cls):
        ready = threading.Event()

        async def serve():
            server = await asyncio.get_running_loop().create_server(cls, "127.0.0.1", 0)
            cls.port = server.sockets[0].getsockname()[1]
            ready.set()
            await server.serve_forever()

        threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
        assert ready.wait(10)


def messages(bench):
    """10,000 messages that nothing groups (each of another provider) to one receiver, against a loop of their marks alone."""
    what, count = "10,000 messages to one webhook", 10_000
    if not bench.marks:
        return bench.not_measured(what, "no --marks (cargo build --release --example marks)")
    Hook.start()
    home, env = bench.home("messages")
    config = home / ".config/opensoul/monitor.toml"
    config.parent.mkdir(parents=True, mode=0o700)
    config.write_text(
        f'[web]\nenabled = false\n[schedule]\nprobe = "off"\n[thresholds]\ndigest_over = {count}\n'
        + f'[[receivers]]\nname = "hook"\ntype = "webhook"\nurl = "http://127.0.0.1:{Hook.port}/"\n'
    )
    config.chmod(0o600)
    folder = home / ".opensoul/agents/main/agent"
    folder.mkdir(parents=True, mode=0o700)

    def once(ends):
        profiles = {f"p{n}:x": {"provider": f"p{n}", "type": "token", "token": f"token-of-a-bench-{n:020}", "expires": ends} for n in range(count)}
        (folder / "auth-profiles.json").write_text(json.dumps({"version": 1, "profiles": profiles}))
        (folder / "auth-profiles.json").chmod(0o600)
        Hook.times.clear()
        ran = subprocess.run([str(bench.program), "monitor", "once"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert ran.returncode == 0, ran.stderr[-500:]
        return time.perf_counter()

    now = int(time.time() * 1000)
    once(now + 300 * DAY)
    # The receiver has trouble: everything is decided and kept, nothing is through.
    Hook.status = b"503 Busy"
    once(now - DAY)
    state = home / ".local/state/opensoul"
    ours, alone = [], []
    for turn in range(3):
        copy = bench.root / f"marks-{turn}"
        shutil.copytree(state, copy)
        done, seconds = subprocess.run([str(bench.marks), str(copy)], env=env, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        assert int(done) == count, f"{done} messages wait"
        alone.append(float(seconds))
    with sqlite3.connect(state / "state.db") as database:
        database.execute("UPDATE outbox SET next_at = 0 WHERE state = 'queued'")
    database.close()
    kept = bench.root / "kept"
    shutil.copytree(state, kept)
    Hook.status = b"200 OK"
    for turn in range(3):
        shutil.rmtree(state)
        shutil.copytree(kept, state)
        # From the first message to the end of the program, so that every mark is on disk.
        ended = once(now - DAY)
        assert len(Hook.times) == count, f"{len(Hook.times)} messages came"
        ours.append(ended - Hook.times[0])
    rate, most = count / statistics.median(ours), count / statistics.median(alone)
    bench.row(what, most / rate, 2, "×", f"{rate:,.0f} a second; their marks alone, 100 to a commit, {most:,.0f} a second")


def digest(bench):
    """10,000 problems at once: one message, and no more memory than they take themselves."""
    Hook.start()
    Hook.status = b"200 OK"
    home, env = bench.home("digest")
    config = home / ".config/opensoul/monitor.toml"
    config.parent.mkdir(parents=True, mode=0o700)
    config.write_text(
        '[web]\nenabled = false\n[schedule]\nprobe = "off"\n'
        f'[[receivers]]\nname = "hook"\ntype = "webhook"\nurl = "http://127.0.0.1:{Hook.port}/"\n'
    )
    config.chmod(0o600)
    folder = home / ".opensoul/agents/main/agent"
    folder.mkdir(parents=True, mode=0o700)
    now = int(time.time() * 1000)

    def most(ends):
        profiles = {f"anthropic:p{n}": {"provider": "anthropic", "type": "token", "token": f"token-of-a-bench-{n:020}", "expires": ends} for n in range(10_000)}
        (folder / "auth-profiles.json").write_text(json.dumps({"version": 1, "profiles": profiles}))
        (folder / "auth-profiles.json").chmod(0o600)
        Hook.times.clear()
        return peak([str(bench.program), "monitor", "once"], env)

    if not os.path.exists("/usr/bin/time"):
        return bench.not_measured("10,000 problems at once", "Debian package `time` is not there")
    quiet = most(now + 300 * DAY)
    loud = most(now - DAY)
    assert len(Hook.times) == 1, f"{len(Hook.times)} messages in place of one digest"
    # An incident, its item in the digest and its row: some 3 KB each, twice while the digest is rendered.
    bench.row("10,000 problems at once, memory for them", (loud - quiet) / MIB, 96, "MiB", f"peak {loud / MIB:.0f} MiB, without problems {quiet / MIB:.0f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, type=pathlib.Path)
    parser.add_argument("--marks", type=pathlib.Path, help="the example of that name")
    parser.add_argument("--only", help="one part, by its name here")
    parser.add_argument("--idle-seconds", type=int, default=65)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="opensoul-bench-") as root:
        bench = Bench(asked.program.resolve(), pathlib.Path(root))
        bench.row("size of the program", bench.program.stat().st_size / 1e6, 16, "MB", "everything is in")
        bench.idle_seconds = asked.idle_seconds
        bench.marks = asked.marks and asked.marks.resolve()
        for part in (small_store, big_store, many_agents, discovery, many_probes, messages, digest, big_scrape, idle_daemon):
            if asked.only not in (None, part.__name__):
                continue
            try:
                part(bench)
            except (RuntimeError, AssertionError, OSError, subprocess.SubprocessError) as error:
                bench.not_measured(part.__name__.replace("_", " "), str(error))
        sys.exit(bench.table())


if __name__ == "__main__":
    main()
