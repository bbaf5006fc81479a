#!/usr/bin/env python3
"""Which functions stand together in the release build: writes deploy/order.ld, a linker script. `make order`.

Functions lie in a program by crate, and those that run lie scattered among ten times as many that do not: the kernel maps and
reads 64 KiB around each. Here the program runs under callgrind as it does most often, and what ran is put side by side: first
what `models status --check` needs, then `status`, then the idle monitor. Names go without the hashes that every compiler makes
anew, so the list fits other versions and builds as well as it can; what it does not name stays where it was. The sharpest names
come first, for those that many functions share bring along some that never run. (Names tell generic functions apart by their
types, for .cargo/config.toml asks for such names.)
"""

import argparse
import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import run

# A pattern goes on to here: longer ones hardly tell more apart, and the linker compares each with everything.
LONGEST = 200
# A cycle of the monitor with nothing to do is a minute after its start.
WATCHED = 75
HEAD = """\
/* Written by benches/order.py (`make order`): functions that run together stand together. Says nothing about what is linked. */
SECTIONS
{
  .text.hot :
  {
"""
TAIL = """\
  }
}
INSERT BEFORE .text;
"""


def sizes(program):
    """Bytes of each function of the program."""
    listed = subprocess.run(["nm", "--defined-only", "--print-size", program], check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in listed.splitlines())
    return {row[3]: int(row[1], 16) for row in rows if len(row) == 4 and row[2] in "tT"}


def traced(out):
    """The functions that ran."""
    names = re.findall(r"^c?fn=\(\d+\) (\S+)", out.read_text(), re.MULTILINE)
    return {re.sub(r"'\d+$", "", name) for name in names}


def command(bench, name, store, *args):
    """What one command runs."""
    home, env = bench.home(name)
    store(home)
    out = bench.root / f"{name}.out"
    subprocess.run([*callgrind(out), str(bench.program), *args], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return traced(out)


def monitor(bench, store):
    """What the monitor runs from its start to its end."""
    home, env = bench.home("monitor")
    store(home)
    out = bench.root / "monitor.out"
    daemon = run.Daemon(bench, home, env, before=callgrind(out))
    try:
        daemon.get("/metrics"), daemon.get("/")
        time.sleep(WATCHED)
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.wait(60)
    finally:
        daemon.close()
    return traced(out)


def callgrind(out):
    return [shutil.which("valgrind"), "--quiet", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={out}"]


def pattern(name):
    """The name for every compiler: without the hash of the crate, which is last in the old mangling and anywhere in the new."""
    name = re.sub(r"17h[0-9a-f]{16}E$", "17h*E", name)
    # References back count the letters of hashes, too.
    name = re.sub(r"B[0-9A-Za-z]{0,2}_", "B*_", re.sub(r"Cs[0-9A-Za-z]{8,}_", "Cs*_", name))
    return name if len(name) <= LONGEST else name[:LONGEST].rstrip("*") + "*"


def patterns(groups, size):
    """Those of each group that no earlier one has, with the bytes that they bring along beside those that ran last."""
    brings = collections.Counter()
    for name, bytes_ in size.items():
        brings[pattern(name)] += bytes_
    written = set()
    for names in groups:
        ran = collections.Counter()
        for name in names & size.keys():
            ran[pattern(name)] += size[name]
        new = [one for one in ran if one not in written and re.fullmatch(r"[\w$.*]+", one)]
        written.update(new)
        yield sorted(new, key=lambda one: (brings[one] / max(1, ran[one]), one))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, type=pathlib.Path, help="a release build with its symbols")
    parser.add_argument("--out", required=True, type=pathlib.Path)
    asked = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("order.py: the Debian package `valgrind` is not there")
    size = sizes(asked.program)
    if not any("opensoul" in name for name in size):
        sys.exit(f"order.py: {asked.program} has no symbols: build it with -C strip=none")
    with tempfile.TemporaryDirectory() as root:
        bench = run.Bench(asked.program.resolve(), pathlib.Path(root))
        small = lambda home: run.write_store(home, "main", 3)  # noqa: E731
        many = lambda home: [run.write_store(home, f"a{n:03}", 10) for n in range(100)]  # noqa: E731
        groups = [
            command(bench, "check", small, "models", "status", "--check"),
            command(bench, "status", many, "status"),
            monitor(bench, small),
        ]
    # What the compiler takes for unlikely (a table that grows, a thing made once) is in sections of other names.
    lines = [f"    *(.text*.{one})\n" for group in patterns(groups, size) for one in group]
    asked.out.write_text(HEAD + "".join(lines) + TAIL)
    print(f"{asked.out}: {len(lines)} names")


if __name__ == "__main__":
    os.umask(0o077)
    main()
