#!/usr/bin/env python3
"""The daemon's own port with TLS and users: --web.config.file, checked, reloaded, and by the client.

usage: web_config_test.py FOLDER_OF_BINARIES [-v]
"""

import base64
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import urllib.error

import harness
from harness import http_request, wait_for

PASSWORD = "correct horse"
HASH = "$2b$04$holdfastTestSaltNo1aaOY6f1wryF4OycEJ3Ce8XsW7XQ7bpTE0O"  # of PASSWORD
START = {"target": "db1", "from": "1", "to": "2"}


def basic(user, password):
    return {"Authorization":
            "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


OPS = basic("ops", PASSWORD)


class Authority:
    """Makes certificates with the openssl command, for a day."""

    def __init__(self, folder, name="authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cert = self.folder / f"{name}.pem"
        self.key = self.folder / f"{name}.key"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-keyout", self.key, "-out", self.cert, "-days", "1",
                      "-subj", f"/CN=holdfast {name}")

    def issue(self, name, alternative_names="IP:127.0.0.1"):
        """(certificate, key) with these subject alternative names, under `name`."""
        cert, key, request = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={alternative_names}\n")
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                      "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        self._openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key,
                      "-set_serial", str(int.from_bytes(os.urandom(8), "big")), "-days", "1",
                      "-extfile", extensions, "-out", cert)
        return cert, key

    def trust(self, own=None):
        """The SSLContext of a client that takes this authority's word; `own`: its certificate."""
        context = ssl.create_default_context(cafile=self.cert)
        if own:
            context.load_cert_chain(*own)
        return context

    @staticmethod
    def _openssl(*arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                              timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments}: {done.stderr}")


def write(path, document):
    """Writes a configuration: text as it is, anything else as JSON, which is YAML."""
    path.write_text(document if isinstance(document, str) else json.dumps(document) + "\n")
    return path


class Case(harness.TestCase):
    """A daemon with a web configuration."""

    @classmethod
    def start_daemon(cls, web_config, tls=None):
        cls.host = cls.start(harness.HostTree(cls.folder / "host"))
        cls.web_config = write(cls.folder / "web.yml", web_config)
        cls.daemon = cls.start(harness.Daemon(
            harness.binaries(), cls.folder / "holdfast",
            {"collectors": harness.host_collectors("1s")},
            [*cls.host.flags(), f"--web.config.file={cls.web_config}"], tls=tls,
            log_level="debug"))

    def get(self, path, headers=None, tls=None):
        return http_request("GET", self.daemon.url + path, headers=headers,
                            tls=tls or self.daemon.tls)

    def status(self, path, headers=None, tls=None):
        return self.get(path, headers, tls)[0]

    def metric(self, name):
        for line in self.get("/metrics", OPS)[2].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        raise AssertionError(f"no {name} on /metrics")

    def assert_refused_by_tls(self, context):
        """The handshake fails, or with TLS 1.3 the first reading after it."""
        with self.assertRaises((urllib.error.URLError, ssl.SSLError, ConnectionError)):
            self.get("/-/healthy", tls=context)


class Secured(Case):
    """TLS and users, in the daemon, in the client, and over a reload."""

    @classmethod
    def prepare(cls):
        cls.authority = Authority(cls.folder / "certificates")
        cls.authority.issue("server")
        cls.start_daemon(cls.document(), cls.authority.trust())
        cls.http_config = write(cls.folder / "http.yml", {
            "tls_config": {"ca_file": str(cls.authority.cert)},
            "basic_auth": {"username": "ops", "password": PASSWORD}})

    @classmethod
    def document(cls, certificate="server", **more):
        return {"tls_server_config": {"cert_file": f"certificates/{certificate}.pem",
                                      "key_file": f"certificates/{certificate}.key"},
                "http_server_config": {"headers": {"X-Frame-Options": "deny"}},
                "basic_auth_users": {"ops": HASH}, **more}

    def setUp(self):
        write(self.web_config, self.document())
        self.assertEqual(self.reload()[0], 200)

    def reload(self):
        status, _, text = self.daemon.request("POST", "/-/reload", headers=OPS, token="")
        return status, text

    def wait_for_samples(self):
        wait_for(lambda: json.loads(self.get("/api/v1/series", OPS)[2])["data"], "samples")

    def client(self, *arguments, http_config=None, **options):
        return self.daemon.client("--http.config.file", http_config or self.http_config,
                                  *arguments, token_file="/nonexistent", **options)

    def test_health_needs_no_user(self):
        for path in ("/-/healthy", "/-/ready"):
            self.assertEqual(self.status(path), 200, path)

    def test_everything_else_needs_a_user_or_the_token(self):
        for path in ("/", "/metrics", "/api/v1/upgrades", "/api/v1/status/config", "/nothing"):
            for headers in (None, basic("ops", "wrong"), basic("nobody", PASSWORD),
                            {"Authorization": "Bearer wrong"}):
                status, answer_headers, _ = self.get(path, headers)
                self.assertEqual(status, 401, path)
                self.assertEqual(answer_headers["WWW-Authenticate"], 'Basic realm="holdfast"')
        for headers in (OPS, {"Authorization": f"Bearer {self.daemon.token()}"}):
            for path in ("/", "/metrics", "/api/v1/upgrades"):
                self.assertEqual(self.status(path, headers), 200, path)

    def test_the_headers_of_the_configuration_are_there(self):
        self.assertEqual(self.get("/-/healthy")[1]["X-Frame-Options"], "deny")
        self.assertEqual(self.get("/metrics")[1]["X-Frame-Options"], "deny")

    def test_a_user_may_write_and_the_log_says_who(self):
        def start(headers):
            return self.daemon.request("POST", "/api/v1/upgrades", START, token="",
                                       headers=headers)
        self.assertEqual(start(basic("ops", "wrong"))[0], 401)
        self.wait_for_samples()
        status, headers, text = start(OPS)
        self.assertEqual(status, 201, text)
        self.addCleanup(self.daemon.request, "POST", headers["Location"] + "/cancel", {},
                        headers=OPS, token="")
        wait_for(lambda: 'path=/api/v1/upgrades status=201 user="ops"' in self.daemon.tail(400),
                 "the user in the log")

    def test_the_authority_is_verified(self):
        other = Authority(self.folder / "other")
        self.assert_refused_by_tls(other.trust())
        answer = self.client("upgrade", "list", http_config=write(
            self.folder / "other.yml", {"tls_config": {"ca_file": str(other.cert)}}))
        self.assertEqual(answer.code, 6, answer)
        self.assertIn("tls: certificate verify failed: ", answer.err)

    def test_tls_is_new_enough(self):
        context = self.authority.trust()
        with socket.create_connection(self.daemon.address.split(":")) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
                self.assertIn(secured.version(), ("TLSv1.2", "TLSv1.3"))

    def test_plain_http_is_closed_without_harm(self):
        name = "holdfast_http_tls_handshakes_failed_total"
        before = self.metric(name)
        for sent in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", os.urandom(4096), b""):
            with socket.create_connection(self.daemon.address.split(":"), timeout=60) as plain:
                plain.sendall(sent)
                plain.shutdown(socket.SHUT_WR)
                try:
                    answer = plain.recv(4096)
                except ConnectionResetError:
                    answer = b""
                self.assertNotIn(b"HTTP", answer)
        wait_for(lambda: self.metric(name) == before + 3, "failed handshakes to be counted")
        self.assertEqual(self.status("/-/healthy"), 200)
        self.assertIn("connection closed, no TLS", self.daemon.tail(400))

    def test_the_client_comes_in_by_its_configuration(self):
        answer = self.client("upgrade", "list")
        self.assertEqual(answer.code, 0, answer)
        self.wait_for_samples()
        answer = self.client("upgrade", "start", "--target", "db2", "--from", "1", "--to", "2")
        self.assertEqual(answer.code, 0, answer)
        identifier = json.loads(answer.out)["id"]
        self.assertEqual(self.client("upgrade", "cancel", identifier).code, 0)
        self.assertEqual(self.client("check", "ready").code, 0)

    def test_the_client_finds_its_configuration_in_the_environment(self):
        answer = self.daemon.client("upgrade", "list", token_file="/nonexistent",
                                    env={"HOLDFAST_HTTP_CONFIG_FILE": str(self.http_config)})
        self.assertEqual(answer.code, 0, answer)

    def test_the_client_may_use_the_token_instead(self):
        tls = {"tls_config": {"ca_file": str(self.authority.cert)}}
        answer = self.daemon.client(
            "--http.config.file", write(self.folder / "tls.yml", tls), "upgrade", "list")
        self.assertEqual(answer.code, 0, answer)
        by_file = write(self.folder / "bearer.yml", {
            **tls, "authorization": {"credentials_file": str(self.daemon.token_file)}})
        self.assertEqual(self.client("upgrade", "list", http_config=by_file).code, 0)

    def test_the_client_says_that_it_is_not_allowed(self):
        wrong = write(self.folder / "wrong.yml", {
            "tls_config": {"ca_file": str(self.authority.cert)},
            "basic_auth": {"username": "ops", "password": "wrong"}})
        answer = self.client("upgrade", "list", http_config=wrong)
        self.assertEqual(answer.code, 6, answer)
        self.assertIn("password", answer.err)

    def test_the_client_refuses_a_configuration_with_a_mistake(self):
        answer = self.client("upgrade", "list", http_config=write(
            self.folder / "mistake.yml", "basic_aut: {username: a}\n"))
        self.assertEqual(answer.code, 1, answer)
        self.assertIn("mistake.yml:1:1: unknown key 'basic_aut', did you mean 'basic_auth'",
                      answer.err)

    def test_reload_takes_a_new_certificate_and_new_users(self):
        fresh = Authority(self.folder / "certificates", "fresh-authority")
        fresh.issue("fresh")
        document = self.document("fresh")
        document["basic_auth_users"] = {"dev": HASH}
        write(self.web_config, document)
        self.assertEqual(self.reload()[0], 200)
        try:
            self.assert_refused_by_tls(self.authority.trust())
            trust = fresh.trust()
            self.assertEqual(self.status("/metrics", basic("dev", PASSWORD), trust), 200)
            self.assertEqual(self.status("/metrics", OPS, trust), 401)
        finally:
            write(self.web_config, self.document())
            self.daemon.send(signal.SIGHUP)
            wait_for(lambda: self.status("/metrics", OPS) == 200, "SIGHUP to be followed")

    def test_reload_of_a_bad_file_keeps_the_old_one_and_says_why(self):
        for document, words in (
                ("basic_auth_users: {ops: hunter2}\n", ["web.yml:1:25", "no bcrypt hash"]),
                (self.document("absent"), ["web.yml:", "absent.pem: No such file"]),
                ({"basic_auth_users": {"ops": HASH}}, ["tls_server_config", "needs a restart"])):
            write(self.web_config, document)
            status, text = self.reload()
            self.assertEqual(status, 500, text)
            for word in words:
                self.assertIn(word, text)
            self.assertEqual(self.status("/metrics", OPS), 200)
            self.assertEqual(self.metric("holdfast_config_last_reload_successful"), 0)

    def test_the_external_url_is_of_https(self):
        self.assertIn(f"external_url=https://{self.daemon.address}",
                      self.daemon.log_path.read_text())

    def test_open_connections_do_not_hold_up_the_end(self):
        with socket.create_connection(self.daemon.address.split(":")) as silent:
            with socket.create_connection(self.daemon.address.split(":")) as idle:
                secured = self.authority.trust().wrap_socket(idle, server_hostname="127.0.0.1")
                self.assertEqual(self.daemon.stop(), 0)
                secured.close()
            silent.close()
        self.daemon.start()


class ClientCertificates(Case):
    """Only who shows a certificate with an allowed name comes in."""

    @classmethod
    def prepare(cls):
        cls.authority = Authority(cls.folder / "certificates")
        server = cls.authority.issue("server")
        cls.ops = cls.authority.issue("ops", "DNS:ops.example")
        cls.dev = cls.authority.issue("dev", "DNS:dev.example")
        cls.start_daemon({"tls_server_config": {
            "cert_file": str(server[0]), "key_file": str(server[1]),
            "client_auth_type": "RequireAndVerifyClientCert",
            "client_ca_file": "certificates/authority.pem",
            "client_allowed_sans": ["ops.example"]}}, cls.authority.trust(cls.ops))

    def test_the_allowed_one_comes_in(self):
        self.assertEqual(self.status("/metrics"), 200)

    def test_others_do_not(self):
        self.assert_refused_by_tls(self.authority.trust())
        self.assert_refused_by_tls(self.authority.trust(self.dev))
        stranger = Authority(self.folder / "stranger").issue("ops", "DNS:ops.example")
        self.assert_refused_by_tls(self.authority.trust(stranger))

    def test_the_client_shows_its_certificate(self):
        def listing(own):
            return self.daemon.client(
                "--http.config.file", write(self.folder / "http.yml", {"tls_config": {
                    "ca_file": str(self.authority.cert), "cert_file": str(own[0]),
                    "key_file": str(own[1])}}), "upgrade", "list")
        self.assertEqual(listing(self.ops).code, 0)
        refused = listing(self.dev)
        self.assertEqual(refused.code, 6, refused)

    def test_without_users_the_token_is_still_needed_to_write(self):
        self.assertEqual(self.daemon.request("POST", "/-/reload", token="")[0], 401)
        self.assertEqual(self.daemon.request("POST", "/-/reload")[0], 200)


class Probing(Case):
    """A probe, a scrape and an Alertmanager's URL of https, of a daemon with TLS."""

    @classmethod
    def prepare(cls):
        cls.authority = Authority(cls.folder / "certificates")
        cls.authority.issue("server")
        cls.start_daemon({"tls_server_config": {"cert_file": "certificates/server.pem",
                                                "key_file": "certificates/server.key"}},
                         cls.authority.trust())

    def configuration(self, tls_config):
        return {"collectors": {"probe": [{"name": "self", "url": self.daemon.url + "/-/healthy",
                                          "interval": "500ms", "tls_config": tls_config}],
                               "scrape": [{"name": "self", "url": self.daemon.url + "/metrics",
                                           "interval": "500ms", "tls_config": tls_config}]},
                "alerting": {"alertmanagers": [{"url": self.daemon.url,
                                                "tls_config": tls_config}]}}

    def value(self, name):
        for line in self.daemon.metrics().splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        return None

    def test_they_verify_the_certificate(self):
        self.daemon.configure(self.configuration({"ca_file": str(self.authority.cert)}))
        self.assertEqual(self.daemon.request("POST", "/-/reload")[0], 200)
        wait_for(lambda: self.value('holdfast_probe_success{probe="self"}') == 1, "the probe")
        wait_for(lambda: self.value('holdfast_scrape_up{source="self"}') == 1, "the scrape")
        self.assertGreater(
            self.value('holdfast_probe_duration_seconds{phase="tls",probe="self"}'), 0)
        self.daemon.request("POST", "/api/v1/alerts/test")  # of the wrong port, but by https
        self.assertIn("path=/api/v2/alerts status=401", self.daemon.tail(100))

        self.daemon.configure(self.configuration({}))
        self.assertEqual(self.daemon.request("POST", "/-/reload")[0], 200)
        wait_for(lambda: self.value('holdfast_probe_success{probe="self"}') == 0, "the probe")
        wait_for(lambda: self.value('holdfast_scrape_up{source="self"}') == 0, "the scrape")
        self.assertGreater(
            self.value('holdfast_probe_failures_total{probe="self",reason="tls"}'), 0)


class Limited(Case):
    """A rate limit of one request in a long while."""

    @classmethod
    def prepare(cls):
        cls.start_daemon({"rate_limit": {"interval": "1h", "burst": 2}})

    def test_what_is_too_much_is_refused_but_not_health(self):
        statuses = [self.status("/metrics") for _ in range(3)]
        self.assertEqual(statuses, [200, 200, 429])
        self.assertGreater(int(self.get("/metrics")[1]["Retry-After"]), 3000)
        for path in ("/-/healthy", "/-/ready"):
            self.assertEqual(self.status(path), 200)


class Check(harness.TestCase):
    """Bad files are refused by name, at start and by the checks; no daemon stays."""

    BAD = {
        "an unknown key": ("tls_server_conf: {}\n", ["web.yml:1:1", "tls_server_config"]),
        "no certificate": ("tls_server_config: {cert_file: absent.pem, key_file: absent.key}\n",
                           ["web.yml:1:", "absent.pem: No such file"]),
        "an old TLS": ("tls_server_config: {cert_file: a, key_file: b, min_version: TLS10}\n",
                       ["web.yml:1:", "TLS10 is too old"]),
        "no hash": ("basic_auth_users: {ops: secret}\n", ["web.yml:1:25", "htpasswd -nBC 10"]),
        "HTTP/2": ("http_server_config: {http2: true}\n", ["web.yml:1:", "HTTP/1.1"]),
    }

    def run_program(self, *argv):
        done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=60,
                              check=False, cwd=self.folder)
        return done.returncode, done.stdout + done.stderr

    def test_bad_files_are_refused_by_all_who_read_them(self):
        daemon, client = (harness.binaries() / name for name in ("holdfastd", "holdfast"))
        path = self.folder / "web.yml"
        state = f"--storage.path={self.folder / 'state'}"
        for name, (text, words) in self.BAD.items():
            write(path, text)
            for argv in ([daemon, "--config.check", f"--web.config.file={path}"],
                         [daemon, state, f"--web.config.file={path}"],
                         [client, "check", "web-config", path]):
                with self.subTest(name, argv=argv[1:2]):
                    code, said = self.run_program(*argv)
                    self.assertEqual(code, 1, said)
                    for word in words:
                        self.assertIn(word, said)

    def test_good_files_pass(self):
        daemon, client = (harness.binaries() / name for name in ("holdfastd", "holdfast"))
        path = self.folder / "web.yml"
        for text in ("", "{}\n", "http_server_config: {http2: false}\n",
                     f"basic_auth_users: {{ops: {HASH}}}\n"):
            write(path, text)
            for argv in ([daemon, "--config.check", f"--web.config.file={path}"],
                         [client, "check", "web-config", path]):
                code, said = self.run_program(*argv)
                self.assertEqual(code, 0, f"{said}\n{text}")

    def test_a_file_that_is_not_there_is_named(self):
        for argv in ([harness.binaries() / "holdfastd", "--web.config.file=absent.yml"],
                     [harness.binaries() / "holdfast", "check", "web-config", "absent.yml"]):
            code, said = self.run_program(*argv)
            self.assertEqual(code, 1, said)
            self.assertIn("absent.yml: No such file", said)


if __name__ == "__main__":
    harness.require_programs("openssl")
    harness.main()
