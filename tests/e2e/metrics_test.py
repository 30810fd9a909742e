#!/usr/bin/env python3
"""/metrics is what Prometheus wants, and the dashboard shows data from a real Prometheus.

usage: metrics_test.py FOLDER_OF_BINARIES [-v]
"""

import json
import re
import subprocess
import time

import dashboard_lint
import harness
from harness import wait_for

CYCLE_SECONDS = 12
DASHBOARD = dashboard_lint.FOLDER / "upgrade.json"
TARGET = "shop"

RULES = [
    {"name": "cpu", "signal": "cpu_busy_ratio", "required": True,
     "tolerated": {"absolute": 0.05}, "margin": {"absolute": 0.10}},
    {"name": "disk-wait", "signal": "disk_wait_seconds", "required": True,
     "tolerated": {"absolute": "5ms"}, "margin": {"absolute": "20ms"}},
    {"name": "latency", "signal": "probe_latency_seconds",
     "tolerated": {"absolute": "100ms"}, "margin": {"absolute": "150ms"}},
    {"name": "queue", "signal": "shop_queue_length", "worse": "up",
     "tolerated": {"relative": "50%"}, "margin": {"relative": "100%"}},
]


class Metrics(harness.TestCase):
    """A daemon with one upgrade that was cancelled and one that is watched, scraped for a while."""

    @classmethod
    def prepare(cls):
        cls.host = cls.start(harness.HostTree(cls.folder / "host"))
        cls.pager = cls.start(harness.WebhookReceiver())
        cls.alertmanager = cls.start(harness.Alertmanager(cls.folder / "am", cls.pager.url))
        cls.shop = cls.start(harness.Service(cls.folder / "shop", "1.0", cls.host))
        cls.daemon = cls.start(harness.Daemon(
            harness.binaries(), cls.folder / "holdfast", cls.config(), cls.host.flags()))
        cls.prometheus = cls.start(harness.Prometheus(cls.folder / "prom", [cls.daemon.address]))
        cls.began = time.time()
        wait_for(lambda: cls.daemon.recorded_ms('holdfast_probe_attempts_total{probe="shop"}')
                 > CYCLE_SECONDS * 1000 + 2000, "a business cycle to be recorded", 60)
        cls.walk_through_two_upgrades()

    @classmethod
    def config(cls):
        return {
            "defaults": {"interval": "500ms"},
            "collectors": {**harness.host_collectors(), **cls.shop.collectors()},
            "upgrades": {"cycle": f"{CYCLE_SECONDS}s", "warmup": "0s",
                         "evaluation_interval": "500ms"},
            "default_rules": False,
            "rules": RULES,
            "alerting": {"alertmanagers": [{"url": cls.alertmanager.url}]},
        }

    @classmethod
    def walk_through_two_upgrades(cls):
        cancelled = cls.begin("0.9", "1.0")
        cls.daemon.run("upgrade", "cancel", cancelled)
        cls.upgrade = cls.begin("1.0", "2.1")
        wait_for(lambda: cls.prometheus.query(
            f'holdfast_upgrade_phase{{upgrade="{cls.upgrade}",phase="window"}} == 1'),
            "the window to be scraped")
        cls.daemon.run("upgrade", "window-end", cls.upgrade)
        wait_for(lambda: cls.prometheus.query(
            f'count_over_time(holdfast_rule_effect_ratio{{upgrade="{cls.upgrade}",'
            'rule="disk-wait"}[1m]) >= 3'), "effects to be scraped")

    @classmethod
    def begin(cls, before, after):
        return cls.daemon.run("upgrade", "start", "--target", TARGET, "--from", before, "--to",
                              after)["id"]

    def test_promtool_finds_nothing(self):
        status, headers, page = self.daemon.request("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertIn("text/plain; version=0.0.4", headers["Content-Type"])
        checked = subprocess.run(["promtool", "check", "metrics"], input=page, text=True,
                                 capture_output=True, timeout=60, check=False)
        self.assertEqual((checked.returncode, checked.stdout, checked.stderr), (0, "", ""))

    def test_prometheus_scrapes_it(self):
        wait_for(lambda: [sample["value"][1] for sample in self.prometheus.query("up")] == ["1"],
                 "Prometheus to say that the target is up", 15)

    def test_state_sets_have_one_state(self):
        for metric, by in (("holdfast_upgrade_phase", "upgrade"),
                           ("holdfast_upgrade_verdict", "upgrade"),
                           ("holdfast_rule_judgement", "upgrade, rule")):
            sums = self.prometheus.query(f"sum by ({by}) ({metric})")
            self.assertTrue(sums, metric)
            self.assertEqual({sample["value"][1] for sample in sums}, {"1"}, metric)

    def test_the_figures_are_those_of_the_api(self):
        upgrade = self.daemon.get(f"/upgrades/{self.upgrade}")
        info = self.prometheus.query(f'holdfast_upgrade_info{{upgrade="{self.upgrade}"}}')
        self.assertEqual([sample["metric"]["to_version"] for sample in info], [upgrade["to"]])
        start = self.prometheus.query(
            f'holdfast_upgrade_start_timestamp_seconds{{upgrade="{self.upgrade}"}}')
        self.assertAlmostEqual(float(start[0]["value"][1]), upgrade["started_at_ms"] / 1000, 2)
        for sample in self.prometheus.query('holdfast_signal_value{signal="cpu_busy_ratio"}'):
            self.assertAlmostEqual(float(sample["value"][1]), self.host.DEFAULTS["cpu_busy"],
                                   delta=0.10)

    def test_placebo_of_a_baseline_says_what_to_expect(self):
        series = 'holdfast_probe_attempts_total{probe="shop"}'
        enough = 3.3 * CYCLE_SECONDS  # two cycles to learn from, and room for watches
        wait_for(lambda: self.daemon.recorded_ms(series) > enough * 1000 + 2000,
                 "a past that can be replayed", 120)
        baseline = self.daemon.run("baseline", "take", "--range", f"{enough:.0f}s")["id"]
        path = f"/baselines/{baseline}/placebo"
        self.assertEqual(self.daemon.api("GET", path)[0], 404)
        watch = CYCLE_SECONDS // 2
        status, headers, _ = self.daemon.request("POST", "/api/v1" + path, {"watch": f"{watch}s"})
        self.assertEqual((status, headers["Location"]), (202, "/api/v1" + path))
        result = self.daemon.run("placebo", baseline, "--watch", f"{watch}s")
        self.assertEqual(result["watch_seconds"], watch)
        self.assertGreaterEqual(len(result["watches"]), 1)
        cpu = next(metric for metric in result["metrics"] if metric["metric"] == "cpu_busy_ratio")
        self.assertIn(cpu["rule"], {rule["name"] for rule in RULES})
        self.assertLessEqual({"within_hour", "within_day", "within_watch"},
                             set(cpu["smallest_factor"]))
        self.assertLessEqual({"watches", "paged", "warned", "proven_ratio", "hopeless", "advice"},
                             set(cpu))
        self.assertLessEqual({"paged", "paged_ratio", "passed_ratio"}, set(result))
        self.assertIsNone(result["passed_ratio"])  # the watch is shorter than a cycle
        self.assertEqual(self.daemon.get(path)["result"], result)
        self.assertEqual(self.daemon.api("POST", path, {"watch": f"{watch}s"})[0], 200)
        table = self.daemon.client("placebo", baseline, "--watch", f"{watch}s", output="table")
        self.assertEqual((table.code, table.err), (0, ""))  # no progress line in a pipe
        self.assertIn(result["summary"], table.out)
        self.assertLessEqual({"RULE", "PAGED", "DAY", "HOPELESS", "ADVICE"},
                             set(table.out.split()))

    def test_placebo_is_of_the_daemon_or_of_a_file(self):
        for arguments in ((), ("b1", "--baseline", "past.csv")):
            answer = self.daemon.client("placebo", *arguments)
            self.assertEqual((answer.code, answer.out), (1, ""))
            self.assertIn("--baseline", answer.err)
        answer = self.daemon.client("placebo", "b99")
        self.assertEqual(answer.code, 1)
        self.assertIn("no baseline b99", answer.err)

    def test_band_holds_the_middle(self):
        outside = self.prometheus.query(
            "holdfast_baseline_lower > holdfast_baseline_middle or "
            "holdfast_baseline_middle > holdfast_baseline_upper")
        self.assertEqual(outside, [])
        self.assertTrue(self.prometheus.query("holdfast_baseline_middle"))

    def test_dashboard_is_in_order(self):
        self.assertEqual(dashboard_lint.lint(DASHBOARD), [])

    def test_every_query_of_the_dashboard_returns_data(self):
        dashboard = json.loads(DASHBOARD.read_text())
        values = self.resolve_variables(dashboard)
        empty = []
        for panel in dashboard_lint.panels_of(dashboard):
            for target in panel.get("targets", []):
                for chosen in self.repeats(panel, values):
                    expression = substitute(target["expr"], chosen)
                    if not self.has_data(expression, target["instant"]):
                        empty.append(f"{panel['title']} {target['refId']}: {expression}")
        for annotation in dashboard["annotations"]["list"]:
            if "expr" in annotation:
                expression = substitute(annotation["expr"], values)
                if not self.has_data(expression, instant=False):
                    empty.append(f"annotation {annotation['name']}: {expression}")
        self.assertEqual(empty, [])

    def resolve_variables(self, dashboard):
        """Every variable by its label_values() as written, in order, as Grafana does."""
        values = {"__rate_interval": "10s", "__interval": "1s", "__range": "60s"}
        for variable in dashboard["templating"]["list"]:
            if variable["type"] != "query":
                continue
            name = variable["name"]
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)",
                                           substitute(variable["definition"], values)).groups()
            found = self.prometheus.label_values(selector, label)
            self.assertTrue(found, f"variable {name}: {variable['definition']}")
            values[name] = found if variable["multi"] else found[0]
            if name == "upgrade":
                self.assertIn(self.upgrade, found)
                values[name] = self.upgrade
        return values

    @staticmethod
    def repeats(panel, values):
        """The values with which a panel is drawn: once, or once per value it is repeated by."""
        name = panel.get("repeat")
        if not name:
            return [values]
        if name == "rule":  # a signal that is usually zero has no ratio: one rule that has one
            return [{**values, name: "disk-wait"}, {**values, name: "cpu"}]
        return [{**values, name: value} for value in values[name]]

    def has_data(self, expression, instant):
        if instant:
            return bool(self.prometheus.query(expression))
        found = self.prometheus.query_range(expression, self.began, time.time())
        return any(series["values"] for series in found)


def substitute(text, values):
    """`text` with Grafana's variables replaced; several values become a regular expression."""

    def value_of(match):
        value = values[match.group(1) or match.group(2)]
        return value if isinstance(value, str) else "(" + "|".join(map(re.escape, value)) + ")"

    return re.sub(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))", lambda match: value_of(match).replace(
        "\\", "\\\\"), text)


if __name__ == "__main__":
    harness.require_programs("prometheus", "promtool", "prometheus-alertmanager")
    harness.main()
