#!/usr/bin/env python3
"""Configuration: checked with file, line, column and the nearest key; reloaded, or kept with a reason.

usage: config_test.py FOLDER_OF_BINARIES [-v]
"""

import os
import signal
import subprocess
import textwrap

import harness
from harness import http_request, wait_for

GOOD = """\
    defaults: {interval: 1s, timeout: 500ms}
    collectors:
      cpu: {interval: 1s}
      filesystem: {enabled: false}
      process: {interval: 5s, groups: [{name: app, pid_file: /run/app.pid}]}
      log: {interval: 1s, files: [{name: app, path: /var/log/app.log}]}
      probe:
        - {name: home, url: 'http://127.0.0.1:9/health', interval: 5s, timeout: 2s,
           expect: {status: [200, 204], body: 'ok'}}
      scrape:
        - {name: app, url: 'http://127.0.0.1:9/metrics', keep: ['app_.*'], drop: ['app_go_.*']}
    upgrades: {cycle: 7d, timezone: Europe/Berlin, warmup: 15m, evaluation_interval: 1s}
    levels: {warn: 20%, page: 5%, rollback: 1%, close: 5%}
    rules:
      - name: home-latency
        signal: probe_latency_seconds
        match: {probe: home}
        tolerated: {relative: 2%, absolute: 50ms}
        margin: {relative: 10%, absolute: 100ms}
        required: true
        no_data: blocked
        thresholds: [{above: 2s, for: 5m, action: rollback}]
      - {name: app-queue, signal: app_queue_length, worse: up, margin: 20%}
    alerting: {alertmanagers: [{url: 'http://127.0.0.1:9'}], resend_interval: 60s,
               external_labels: {cluster: test}}
"""

# name → (document, line:column of the mistake, words that the message must have)
BAD = {
    "unknown key at the top": ("colectors: {}\n", "1:1", ["colectors", "collectors"]),
    "unknown key below": ("collectors:\n  cpu:\n    intervall: 1s\n", "3:5",
                          ["intervall", "did you mean 'interval'"]),
    "unknown key of a rule": (
        "rules:\n  - name: cpu\n    signal: cpu_busy_ratio\n    marign: 5%\n", "4:5",
        ["marign", "did you mean 'margin'"]),
    "unknown signal": ("rules:\n  - name: cpu\n    signal: cpu_bussy_ratio\n", "3:13",
                       ["cpu_bussy_ratio", "did you mean 'cpu_busy_ratio'"]),
    "a text for a duration": ("defaults:\n  interval: often\n", "2:13", ["interval", "often"]),
    "a number for a flag": ("collectors:\n  disk: {enabled: 3}\n", "2:19",
                            ["enabled", "true or false"]),
    "a value for a list": ("rules: 7\n", "1:8", ["rules", "list"]),
    "a list for a mapping": ("collectors: [cpu]\n", "1:13", ["collectors", "mapping"]),
    "a timeout above its interval": (
        "collectors:\n  probe:\n    - name: a\n      url: http://127.0.0.1/\n"
        "      interval: 1s\n      timeout: 2s\n", "6:16", ["timeout", "2s", "1s"]),
    "an interval of nothing": ("defaults:\n  interval: 0s\n", "2:13", ["interval"]),
    "a level of 200 %": ("levels:\n  warn: 200%\n", "2:9", ["warn"]),
    "a margin below what is tolerated": (
        "rules:\n  - name: cpu\n    signal: cpu_busy_ratio\n    tolerated: 5%\n    margin: 1%\n",
        "5:13", ["margin", "tolerated"]),
    "a time zone that is none": ("upgrades:\n  timezone: Europe/Bärlin\n", "2:13", ["timezone"]),
    "a broken expression": (
        "collectors:\n  scrape:\n    - {name: a, url: 'http://127.0.0.1/', keep: ['(']}\n", "3:",
        ["keep", "("]),
    "an unknown action": (
        "rules:\n  - name: cpu\n    signal: cpu_busy_ratio\n"
        "    thresholds: [{above: 90%, for: 1m, action: panic}]\n", "4:", ["action", "panic"]),
    "no url": ("collectors:\n  probe:\n    - name: a\n", "3:", ["url"]),
    "no YAML": ("rules: [\n", "", ["YAML"]),
}


class Check(harness.TestCase):
    """holdfastd --config.check and holdfast check config: no daemon needed."""

    def write(self, text):
        path = self.folder / "rules.yaml"
        path.write_text(text)
        return path

    def check(self, path):
        """The two ways to check a file must agree; (exit code, all that was said)."""
        programs = harness.binaries()
        said = []
        codes = set()
        for argv in ([programs / "holdfastd", "--config.check", f"--config.file={path}"],
                     [programs / "holdfast", "check", "config", path]):
            done = subprocess.run(list(map(str, argv)), capture_output=True, text=True, timeout=60,
                                  check=False)
            codes.add(done.returncode)
            said.append(done.stdout + done.stderr)
        self.assertEqual(len(codes), 1, f"the checks do not agree: {said}")
        return codes.pop(), said

    def test_good_files_pass(self):
        for text in ("{}\n", "", textwrap.dedent(GOOD)):
            code, said = self.check(self.write(text))
            self.assertEqual(code, 0, f"{said}\n{text}")

    def test_mistakes_are_named_with_their_place(self):
        for name, (text, place, words) in BAD.items():
            with self.subTest(name):
                path = self.write(text)
                code, said = self.check(path)
                self.assertEqual(code, 1, said)
                for message in said:
                    self.assertIn(f"{path}:{place}", message)
                    for word in words:
                        self.assertIn(word, message)

    def test_every_mistake_of_a_file_is_named(self):
        code, said = self.check(self.write("defaults: {interval: often}\nrulez: []\n"))
        self.assertEqual(code, 1)
        for message in said:
            self.assertIn("often", message)
            self.assertIn("rulez", message)

    def test_a_file_that_is_not_there_is_named(self):
        code, said = self.check(self.folder / "absent.yaml")
        self.assertEqual(code, 1, said)
        for message in said:
            self.assertIn("absent.yaml: No such file", message)


class Running(harness.TestCase):
    """A daemon whose configuration changes under it."""

    @staticmethod
    def config(limit):
        return {"defaults": {"interval": "1s"},
                "collectors": harness.host_collectors("1s"),
                "default_rules": False,
                "rules": [{"name": "cpu", "signal": "cpu_busy_ratio",
                           "thresholds": [{"above": limit, "for": "5m", "action": "page"}]}]}

    @classmethod
    def prepare(cls):
        cls.host = cls.start(harness.HostTree(cls.folder / "host"))
        cls.daemon = cls.start(harness.Daemon(harness.binaries(), cls.folder / "holdfast",
                                              cls.config("90%"), cls.host.flags()))

    def limit(self):
        rules = self.daemon.get("/rules")
        return rules[0]["thresholds"][0]["value"] if rules else None

    def reload_by_post(self):
        status, _, text = self.daemon.request("POST", "/-/reload")
        return status, text

    def successful(self):
        return "holdfast_config_last_reload_successful 1\n" in self.daemon.metrics()

    def setUp(self):
        self.daemon.configure(self.config("90%"))
        self.assertEqual(self.reload_by_post()[0], 200)
        self.assertEqual(self.limit(), 0.9)

    def test_reload_takes_a_good_file(self):
        self.daemon.configure(self.config("80%"))
        self.assertEqual(self.reload_by_post()[0], 200)
        self.assertEqual(self.limit(), 0.8)
        self.daemon.configure(self.config("70%"))
        self.daemon.send(signal.SIGHUP)
        wait_for(lambda: self.limit() == 0.7, "SIGHUP to be followed")
        self.assertTrue(self.successful())

    def test_reload_of_a_bad_file_keeps_the_old_one_and_says_why(self):
        self.daemon.configure("rules:\n  - name: cpu\n    signall: cpu_busy_ratio\n")
        status, text = self.reload_by_post()
        self.assertIn(status, (400, 500), text)
        self.assertIn(f"{self.daemon.config_path}:3:5", text)
        self.assertIn("signall", text)
        self.assertEqual(self.limit(), 0.9)
        self.assertFalse(self.successful())

    def test_sighup_with_a_bad_file_keeps_the_old_one_and_logs_why(self):
        self.assertTrue(self.successful())
        self.daemon.configure("upgrades:\n  cycel: 7d\n")
        self.daemon.send(signal.SIGHUP)
        wait_for(lambda: not self.successful(), "the reload to fail")
        self.assertEqual(self.limit(), 0.9)
        self.assertTrue(self.daemon.running())
        wait_for(lambda: f"{self.daemon.config_path}:2:3" in self.daemon.tail(200),
                 "the reason in the log", 10)

    def test_collectors_follow_a_reload(self):
        changed = self.config("90%")
        changed["collectors"]["network"]["enabled"] = False
        self.daemon.configure(changed)
        self.assertEqual(self.reload_by_post()[0], 200)
        wait_for(lambda: "network" not in self.sources(), "the network collector to end")
        self.setUp()
        wait_for(lambda: "network" in self.sources(), "the network collector to be back")
        wait_for(lambda: all(source["up"] for source in self.daemon.get("/sources")),
                 "all collectors to work")

    def sources(self):
        return {source["collector"] for source in self.daemon.get("/sources")}


class Access(harness.TestCase):
    """Who may do what, and what is not there."""

    @classmethod
    def prepare(cls):
        cls.host = cls.start(harness.HostTree(cls.folder / "host"))
        cls.daemon = cls.start(harness.Daemon(
            harness.binaries(), cls.folder / "holdfast",
            {"collectors": harness.host_collectors("1s")}, cls.host.flags()))
        wait_for(lambda: cls.daemon.recorded_ms("holdfast_memory_total_bytes") > 0, "samples")

    BODY = {"target": "db1", "from": "1", "to": "2"}

    def test_the_token_is_the_owners_alone(self):
        self.assertEqual(os.stat(self.daemon.token_file).st_mode & 0o777, 0o600)

    def test_writes_need_the_token(self):
        before = self.daemon.get("/upgrades")
        for path in ("/api/v1/upgrades", "/api/v1/baselines", "/api/v1/baselines/b1/placebo",
                     "/-/reload"):
            status, headers, _ = self.daemon.request("POST", path, {}, token="")
            self.assertEqual(status, 401, path)
            self.assertIn("Bearer", headers["WWW-Authenticate"])
            self.assertEqual(self.daemon.request("POST", path, {}, token="x" * 40)[0], 403, path)
        self.assertEqual(self.daemon.get("/upgrades"), before)

    def test_reads_need_none(self):
        for path in ("/-/healthy", "/-/ready", "/metrics", "/api/v1/upgrades", "/api/v1/rules",
                     "/api/v1/baselines", "/api/v1/signals", "/api/v1/sources", "/api/v1/series",
                     "/api/v1/alerts", "/api/v1/status/build", "/api/v1/status/runtime",
                     "/api/v1/status/flags", "/api/v1/status/config"):
            self.assertEqual(self.daemon.request("GET", path)[0], 200, path)

    def test_client_without_the_right_token_exits_with_6(self):
        before = self.daemon.get("/upgrades")
        wrong = self.folder / "wrong-token"
        wrong.write_text("x" * 40)
        start = ("upgrade", "start", "--target", "db1", "--from", "1", "--to", "2")
        answer = self.daemon.client(*start, token_file=wrong)
        self.assertEqual(answer.code, 6, answer.out + answer.err)
        self.assertIn("token", answer.out + answer.err)
        self.assertEqual(self.daemon.get("/upgrades"), before)

    def test_client_without_a_daemon_exits_with_6(self):
        nobody = f"http://127.0.0.1:{harness.free_port()}"
        answer = self.daemon.client("upgrade", "list", url=nobody)
        self.assertEqual(answer.code, 6, answer.out + answer.err)
        self.assertIn(nobody.removeprefix("http://"), answer.out + answer.err)

    def test_client_finds_daemon_and_token_in_its_environment(self):
        done = subprocess.run(
            [str(self.daemon.programs / "holdfast"), "-o", "json", "baseline", "take"],
            env={**os.environ, "HOLDFAST_URL": self.daemon.url,
                 "HOLDFAST_TOKEN_FILE": str(self.daemon.token_file)},
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("digest", done.stdout)

    def test_client_says_what_it_does_not_understand(self):
        for arguments in (("upgrade", "strat"), ("upgrade", "start", "--target", "db1"),
                          ("upgrade", "show", "u999")):
            answer = self.daemon.client(*arguments)
            self.assertEqual(answer.code, 1, f"{arguments}: {answer}")
            self.assertTrue(answer.err.strip(), f"{arguments} says nothing")

    def test_health_by_client(self):
        for what in ("healthy", "ready"):
            self.assertEqual(self.daemon.client("check", what).code, 0, what)

    def test_what_is_not_there_is_404(self):
        for path in ("/no/such/page", "/api/v1/nothing", "/api/v1/upgrades/u999",
                     "/api/v1/baselines/b999", "/api/v2/upgrades", "/-/quit"):
            self.assertEqual(self.daemon.request("GET", path)[0], 404, path)
        self.assertEqual(self.daemon.request("POST", "/api/v1/upgrades/u999/close", {})[0], 404)

    def test_reload_by_get_is_405(self):
        self.assertEqual(self.daemon.request("GET", "/-/reload")[0], 405)

    def test_bad_bodies_are_refused_with_the_reason(self):
        for body, word in (({**self.BODY, "cycle": "often"}, "cycle"),
                           ({**self.BODY, "tarrget": "x"}, "tarrget"),
                           ({"from": "1", "to": "2"}, "target"),
                           ({**self.BODY, "no_window": "yes"}, "no_window"),
                           ({**self.BODY, "timezone": "Mars/Base"}, "Mars/Base"),
                           ({**self.BODY, "baseline": "b999"}, "b999")):
            status, document = self.daemon.api("POST", "/upgrades", body)
            self.assertIn(status, (400, 404, 422), f"{body}: {document}")
            self.assertIn(word, document["error"])
        status, _, text = http_request("POST", self.daemon.url + "/api/v1/upgrades", "{not json",
                                       {"Authorization": f"Bearer {self.daemon.token()}"})
        self.assertEqual(status, 400, text)

    def test_same_key_is_the_same_upgrade(self):
        body = {**self.BODY, "target": "keyed"}
        key = {"Idempotency-Key": "run-1"}
        status, headers, first = self.daemon.request("POST", "/api/v1/upgrades", body, headers=key)
        self.assertEqual(status, 201, first)
        self.addCleanup(self.daemon.post, headers["Location"].removeprefix("/api/v1") + "/cancel")
        again, headers_again, _ = self.daemon.request("POST", "/api/v1/upgrades", body, headers=key)
        self.assertIn(again, (200, 201))
        self.assertEqual(headers_again["Location"], headers["Location"])
        other = self.daemon.request("POST", "/api/v1/upgrades", {**body, "to": "3"}, headers=key)
        self.assertEqual(other[0], 422, other[2])


if __name__ == "__main__":
    harness.main()
