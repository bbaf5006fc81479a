"""What every test may ask for. Everything listens on loopback only, and everything that was started is ended."""

import os
import pathlib
import shutil
import tempfile

import pytest

from certificates import Authority
from hook import HookServer, new_secret
from machine import Machine
from mail import PASSWORD, MailServer
from phone import Phone

HERE = pathlib.Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """The built program, where every user of this machine may run it."""
    built = pathlib.Path(os.environ.get("OPENSOUL_PROGRAM", HERE.parents[1] / "target/quick/opensoul")).resolve()
    assert built.exists(), f"{built} is not built"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="opensoul-e2e-bin-"))
    folder.chmod(0o755)
    copied = folder / "opensoul"
    shutil.copy(built, copied)
    copied.chmod(0o755)
    yield copied
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder():
    """An empty directory that other users may pass through."""
    made = pathlib.Path(tempfile.mkdtemp(prefix="opensoul-e2e-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def machine(folder, program):
    made = Machine(folder, program)
    yield made
    made.close()


@pytest.fixture
def phone(folder, program):
    """With opensoul installed."""
    made = Phone(folder, program)
    made.install()
    made.calls()
    return made


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def mail_server(authority, machine):
    """Makes mail servers that the machine trusts and has the password of."""
    made = []
    machine.env["SSL_CERT_FILE"] = str(authority.bundle)
    machine.write(".secrets/smtp", PASSWORD + "\n")

    def make(security="starttls", context=None, **more):
        if security != "plain" and context is None:
            context = authority.server()
        made.append(MailServer(security, context, **more))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def hook(machine):
    """A webhook receiver; its signing secret is in the machine's environment."""
    server = HookServer()
    server.secret = machine.env["HOOK_SECRET"] = new_secret()
    yield server
    server.close()
