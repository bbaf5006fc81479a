"""Certificate authorities that live for one test run."""

import ssl

import trustme


class Authority:
    """A throw-away authority and the server contexts that it vouches for."""

    def __init__(self, folder):
        self._ca = trustme.CA()
        self.bundle = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.bundle))

    def server(self, *names):
        """A TLS context for a server that is reached under these names (this machine's own by default)."""
        leaf = self._ca.issue_cert(*(names or ("localhost", "127.0.0.1")))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf.configure_cert(context)
        return context

    def chain(self, *names):
        """Key and certificates of such a server in one text."""
        return self._ca.issue_cert(*names).private_key_and_cert_chain_pem

    def client(self):
        """A TLS context for somebody who trusts this authority and has a certificate of it."""
        context = ssl.create_default_context(cafile=str(self.bundle))
        self._ca.issue_cert("ops@example.org").configure_cert(context)
        return context
