#!/usr/bin/env python3
"""The whole path, unattended: a bad upgrade is paged and rolled back, a good one proven and closed.

The host is made of files, the service, its log and Alertmanager are real. What the pager got is
compared as a whole: a page too many fails as much as one too few.

usage: upgrade_paths_test.py FOLDER_OF_BINARIES [-v] [UpgradePaths.test_…]
"""

import re

import harness
from harness import wait_for

CYCLE_SECONDS = 24
BASELINE_CYCLES = 2
TARGET = "shop"

RULES = [
    # What the bad version changes. The margins of the real service are wide: the clock of a busy
    # machine is part of its latency.
    {"name": "host-cpu", "signal": "cpu_busy_ratio", "required": True,
     "tolerated": {"absolute": 0.05}, "margin": {"absolute": 0.10}},
    {"name": "shop-latency", "signal": "probe_latency_seconds", "match": {"probe": "shop"},
     "required": True, "tolerated": {"absolute": "100ms"}, "margin": {"absolute": "150ms"}},
    {"name": "shop-failures", "signal": "probe_failure_ratio", "match": {"probe": "shop"},
     "required": True, "tolerated": {"absolute": 0.02}, "margin": {"absolute": 0.20}},
    {"name": "shop-log-errors", "signal": "log_error_lines_per_second",
     "match": {"source": "shop"}, "required": True,
     "tolerated": {"absolute": 0.2}, "margin": {"absolute": 1}},
    {"name": "shop-errors", "signal": "shop_requests_per_second",
     "match": {"source": "shop", "code": "500"}, "required": True, "worse": "up",
     "tolerated": {"absolute": 0.5}, "margin": {"absolute": 1}},
    {"name": "shop-cpu", "signal": "process_cpu_ratio", "match": {"group": "shop"},
     "tolerated": {"absolute": 0.06}, "margin": {"absolute": 0.20}},
    # What it does not change.
    {"name": "host-memory", "signal": "memory_used_ratio", "required": True,
     "tolerated": {"absolute": 0.02}, "margin": {"absolute": 0.05}},
    {"name": "host-stalls", "signal": "pressure_stalled_ratio", "required": True,
     "match": {"resource": "memory"}, "tolerated": {"absolute": 0.05},
     "margin": {"absolute": 0.20}},
    {"name": "host-disk-wait", "signal": "disk_wait_seconds", "required": True,
     "tolerated": {"absolute": "5ms"}, "margin": {"absolute": "20ms"}},
    {"name": "host-network-errors", "signal": "network_errors_per_second",
     "tolerated": {"absolute": 1}, "margin": {"absolute": 5}},
    {"name": "host-space", "signal": "filesystem_used_ratio",
     "tolerated": {"absolute": 0.10}, "margin": {"absolute": 0.20}},
    {"name": "shop-memory", "signal": "process_resident_bytes", "match": {"group": "shop"},
     "tolerated": {"absolute": "32MiB"}, "margin": {"absolute": "64MiB"}},
    {"name": "shop-queue", "signal": "shop_queue_length", "match": {"source": "shop"},
     "worse": "up", "tolerated": {"relative": "50%"}, "margin": {"relative": "100%"}},
]

REGRESSED = {
    "host-cpu": {},
    "shop-latency": {"probe": "shop"},
    "shop-failures": {"probe": "shop"},
    "shop-log-errors": {"source": "shop"},
    "shop-errors": {"source": "shop", "code": "500"},
    "shop-cpu": {"group": "shop"},
}


def pages_of_a_bad_upgrade(upgrade):
    """The label sets, without severity, of all that a bad upgrade must page."""
    common = {"upgrade": upgrade, "target": TARGET}
    pages = [{"alertname": "HoldfastWatchdog", **common},
             {"alertname": "HoldfastRollbackRecommended", **common}]
    pages += [{"alertname": "HoldfastRegression", "rule": rule, **labels, **common}
              for rule, labels in REGRESSED.items()]
    return {frozenset(page.items()) for page in pages}


# "… is 85 %, 55 points (52.7 points to 57.8 points) above its usual …"
FIGURE = r"(-?[\d.]+(?:e[+-]?\d+)?)[^,(]*?"
EFFECT = re.compile(rf", {FIGURE} \({FIGURE} to {FIGURE}\)")


def without_severity(labels):
    return frozenset((name, value) for name, value in labels if name != "severity")


class UpgradePaths(harness.TestCase):
    """A daemon with a baseline; each test is one upgrade against it."""

    @classmethod
    def prepare(cls):
        cls.host = cls.start(harness.HostTree(cls.folder / "host"))
        cls.pager = cls.start(harness.WebhookReceiver())
        cls.alertmanager = cls.start(harness.Alertmanager(cls.folder / "am", cls.pager.url))
        cls.shop = cls.start(harness.Service(cls.folder / "shop", "1.0", cls.host))
        cls.daemon = cls.start(harness.Daemon(
            harness.binaries(), cls.folder / "holdfast", cls.config(), cls.host.flags()))
        cls.baseline = cls.take_baseline()

    @classmethod
    def config(cls):
        return {
            "defaults": {"interval": "500ms"},
            "collectors": {**harness.host_collectors(), **cls.shop.collectors()},
            "upgrades": {"cycle": f"{CYCLE_SECONDS}s", "warmup": "500ms",
                         "evaluation_interval": "500ms"},
            "default_rules": False,
            "rules": RULES,
            "alerting": {"alertmanagers": [{"url": cls.alertmanager.url}],
                         "resend_interval": "10s"},
        }

    @classmethod
    def take_baseline(cls):
        """Lets two business cycles pass and keeps them."""
        enough_ms = BASELINE_CYCLES * CYCLE_SECONDS * 1000 + 2000
        series = 'holdfast_probe_attempts_total{probe="shop"}'
        wait_for(lambda: cls.daemon.recorded_ms(series) >= enough_ms,
                 "two business cycles to be recorded", 120)
        baseline = cls.daemon.run("baseline", "take", "--cycle", f"{CYCLE_SECONDS}s")
        return baseline["id"]

    def start_upgrade(self, version):
        """Announces the upgrade, carries it out and ends its window."""
        upgrade = self.daemon.run("upgrade", "start", "--target", TARGET, "--from", "1.0", "--to",
                                  version, "--baseline", self.baseline, "--reason", "e2e")
        self.assertEqual(upgrade["phase"], "window")
        self.addCleanup(self.put_back, upgrade["id"])
        self.shop.become(version)
        self.wait_until_seen(self.shop.pid)
        self.daemon.run("upgrade", "window-end", upgrade["id"])
        return upgrade["id"]

    def put_back(self, upgrade):
        """A test that failed must not be in the way of the other one."""
        if self.shop.version != "1.0":
            self.shop.become("1.0")
        if self.daemon.get(f"/upgrades/{upgrade}")["phase"] in ("window", "watching"):
            self.daemon.run("upgrade", "cancel", upgrade)

    def wait_until_seen(self, pid):
        """Until all that the new process did at its start is behind us."""
        restarted_ms = harness.time.time() * 1000
        wait_for(lambda: (self.daemon.signal("process_cpu_ratio", group="shop") or {})
                 .get("at_ms", 0) > restarted_ms + 1000, f"process {pid} to be sampled", 30)
        wait_for(lambda: (self.daemon.signal("shop_requests_per_second", code="200") or {})
                 .get("at_ms", 0) > restarted_ms + 1000, "the new version to be scraped", 30)

    def pages(self, upgrade):
        """Label sets without severity of all that was ever paged for `upgrade`."""
        return {without_severity(labels) for labels in self.pager.transitions(upgrade=upgrade)}

    def wait_for_silence(self, upgrade):
        wait_for(lambda: self.pager.transitions(upgrade=upgrade)
                 and not self.pager.firing(upgrade=upgrade), "every page to be resolved", 60)

    def assert_each_once(self, upgrade):
        """Every alert was told twice: firing, then resolved."""
        for labels, told in self.pager.transitions(upgrade=upgrade).items():
            self.assertEqual(told, ["firing", "resolved"], dict(labels))

    def judgements(self, upgrade):
        return {judged["rule"]: judged["judgement"]
                for judged in self.daemon.get(f"/upgrades/{upgrade}")["judgements"]}

    def test_bad_upgrade_is_paged_and_rolled_back(self):
        self.addCleanup(self.host.set, cpu_busy=self.host.DEFAULTS["cpu_busy"])
        upgrade = self.start_upgrade("2.0-bad")
        self.host.set(cpu_busy=0.85)
        expected = pages_of_a_bad_upgrade(upgrade)
        wait_for(lambda: expected <= self.pages(upgrade), f"the pages of {REGRESSED}", 90)

        self.assertEqual(self.daemon.client("upgrade", "wait", upgrade, "--timeout", "30s").code, 2,
                         "upgrade wait says rollback")
        self.assertEqual(self.daemon.client("upgrade", "close", upgrade).code, 4,
                         "a regressed upgrade cannot be closed")
        self.assert_severities(upgrade)
        self.assert_summaries_make_sense(upgrade)
        judgements = self.judgements(upgrade)
        self.assertEqual({rule for rule, said in judgements.items() if said == "regressed"},
                         set(REGRESSED))
        self.assertEqual(self.daemon.assert_replayed(upgrade)["verdict"], "rollback")

        ended = self.daemon.run("upgrade", "rollback", upgrade)
        self.assertEqual(ended["phase"], "rolled_back")
        self.shop.become("1.0")
        self.wait_for_silence(upgrade)
        self.assertEqual(self.pages(upgrade), expected)
        self.assert_each_once(upgrade)
        self.assertEqual(self.daemon.client("upgrade", "wait", upgrade).code, 5)
        self.assertIs(self.daemon.replayed(upgrade)["identical"], True)

    def assert_severities(self, upgrade):
        by_name = {}
        for page in self.pager.pages(upgrade=upgrade):
            by_name.setdefault(page.labels["alertname"], set()).add(page.labels["severity"])
        self.assertEqual(by_name.pop("HoldfastWatchdog"), {"none"})
        self.assertEqual(by_name.pop("HoldfastRollbackRecommended"), {"critical"})
        self.assertIn("critical", by_name["HoldfastRegression"])
        self.assertLessEqual(by_name["HoldfastRegression"], {"warning", "critical"})

    def assert_summaries_make_sense(self, upgrade):
        """The interval in a page's words holds the effect, and excludes zero."""
        for page in self.pager.pages(upgrade=upgrade, alertname="HoldfastRegression"):
            summary = page.annotations["summary"]
            found = EFFECT.search(summary)
            self.assertTrue(found, summary)
            effect, lower, upper = map(float, found.groups())
            self.assertTrue(0 < lower <= effect <= upper, summary)

    def test_good_upgrade_is_proven_and_closed_without_a_page(self):
        upgrade = self.start_upgrade("2.1")
        self.assert_close_is_refused(upgrade)
        waited = self.daemon.client("upgrade", "wait", upgrade, "--timeout", "100s")
        self.assertEqual(waited.code, 0, f"not proven: {waited.out}{waited.err}"
                                         f"{self.daemon.get(f'/upgrades/{upgrade}')}")
        required = {rule["name"] for rule in RULES if rule.get("required")}
        judgements = self.judgements(upgrade)
        self.assertEqual({rule: judgements[rule] for rule in required},
                         {rule: "proven" for rule in required})
        self.assertEqual(self.daemon.request("GET", f"/api/v1/upgrades/{upgrade}/gate")[0], 200)

        self.assertEqual(self.daemon.run("upgrade", "close", upgrade)["phase"], "closed")
        self.wait_for_silence(upgrade)
        self.assertEqual(self.pages(upgrade), {frozenset({
            ("alertname", "HoldfastWatchdog"), ("upgrade", upgrade), ("target", TARGET)})})
        self.assert_each_once(upgrade)

    def assert_close_is_refused(self, upgrade):
        """Before the proof: exit 4 with the missing proofs, 409 with their list."""
        self.assertEqual(self.daemon.client("upgrade", "close", upgrade).code, 4,
                         "not even before anything was judged")
        wait_for(lambda: self.judgements(upgrade), "the first judgements", 10)
        refused = self.daemon.client("upgrade", "close", upgrade)
        self.assertEqual(refused.code, 4, refused.out + refused.err)
        self.assertIn("shop-latency", refused.out + refused.err)
        status, document = self.daemon.api("POST", f"/upgrades/{upgrade}/close", {})
        self.assertEqual(status, 409, document)
        missing = "\n".join(document["data"]["missing"])
        for rule in (rule["name"] for rule in RULES if rule.get("required")):
            self.assertIn(rule, missing)
        self.assertNotIn("shop-queue", missing)
        self.assertEqual(self.daemon.request("GET", f"/api/v1/upgrades/{upgrade}/gate")[0], 409)


if __name__ == "__main__":
    harness.require_programs("prometheus-alertmanager")
    harness.main()
