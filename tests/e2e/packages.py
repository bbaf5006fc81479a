"""Builds the packages as a release does."""

import pathlib
import shutil
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "deploy/package/build.sh"
needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg-deb is not installed")


def build(program, out, kind="deb", *options):
    """The path of the package."""
    ended = subprocess.run(
        [SCRIPT, "--program", program, "--out", out, "--fast", *options, kind], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return pathlib.Path(ended.stdout.splitlines()[-1])
