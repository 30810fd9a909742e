#!/usr/bin/env python3
"""kill -9 at random moments: nothing that was appended is lost, never an upgrade, baseline or alert.

Before each kill everything that the API shows goes into a ledger; after the restart the API must
show all of it, unchanged. A page that fires is never resolved by a restart.

usage: kill_test.py FOLDER_OF_BINARIES [--kills 3] [--seed N] [-v]
"""

import argparse
import http.client
import itertools
import random
import sys
import threading
import time

import harness
from harness import wait_for

THRESHOLD_RULE = {"name": "cpu-full", "signal": "cpu_busy_ratio",
                  "thresholds": [{"above": "90%", "for": "0s", "action": "page"}]}
SERIES_ADDED = 4   # to those that are compared, at each reading, as long as there are
SERIES_MAX = 16    # fewer than so many
DELAY_SECONDS_MAX = 1.5


class Ledger:
    """What the daemon has confirmed, and must know for ever."""

    def __init__(self):
        self.series = {}
        self.upgrades = {}
        self.baselines = {}
        self.alerts = {}
        self.events = {}

    def read(self, daemon, random_source):
        """Adds what the API shows now."""
        watched = set(self.series)
        if len(watched) < SERIES_MAX:
            watched |= set(random_source.sample(sorted(daemon.series_names()), SERIES_ADDED))
        for name in watched:
            self.series[name] = daemon.series_values(name)
        for upgrade in daemon.get("/upgrades"):
            self.upgrades[upgrade["id"]] = self.identity(upgrade)
            self.events[upgrade["id"]] = daemon.get(f"/upgrades/{upgrade['id']}/events")
        for baseline in daemon.get("/baselines"):
            self.baselines[baseline["id"]] = baseline["digest"]
        for alert in daemon.get("/alerts"):
            self.alerts[alert["key"]] = self.alert_identity(alert)

    @staticmethod
    def identity(upgrade):
        return {key: upgrade[key] for key in ("id", "target", "from", "to", "started_at",
                                              "baseline_id", "phase")}

    @staticmethod
    def alert_identity(alert):
        return {"labels": alert["labels"], "starts_at": alert["starts_at"],
                "ended_at": alert.get("ended_at")}

    def losses(self, daemon):
        """What is not there any more, or not as it was: one line each."""
        lost = []
        for name, rows in self.series.items():
            stored = dict(daemon.series_values(name))
            gone = [row for row in rows if stored.get(row[0]) != row[1]]
            if gone:
                lost.append(f"{name}: {len(gone)} of {len(rows)} rows, such as {gone[:3]}")
        upgrades = {upgrade["id"]: self.identity(upgrade) for upgrade in daemon.get("/upgrades")}
        lost += self.differences("upgrade", self.upgrades, upgrades)
        baselines = {item["id"]: item["digest"] for item in daemon.get("/baselines")}
        lost += self.differences("baseline", self.baselines, baselines)
        alerts = {item["key"]: self.alert_identity(item) for item in daemon.get("/alerts")}
        lost += self.differences("alert", self.alerts, alerts)
        for upgrade, events in self.events.items():
            if daemon.get(f"/upgrades/{upgrade}/events")[:len(events)] != events:
                lost.append(f"events of {upgrade}")
        return lost

    @staticmethod
    def differences(what, known, present):
        return [f"{what} {key}: {value} is now {present.get(key)}"
                for key, value in known.items() if present.get(key) != value]


class InFlight:
    """Posts again and again from another thread; keeps what was answered with 201."""

    def __init__(self, daemon, path, bodies, keep):
        self.daemon, self.path, self.bodies, self.keep = daemon, path, bodies, keep
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self):
        for body in self.bodies:
            if self._ended.is_set():
                return
            try:
                status, document = self.daemon.api("POST", self.path, body)
            except (OSError, ValueError, http.client.HTTPException):
                return  # killed under way: no promise was given
            if status == 201:
                self.keep(document["data"])


class Kill(harness.TestCase):
    kills = 3
    seed = 0

    @classmethod
    def prepare(cls):
        cls.random = random.Random(cls.seed)
        cls.host = cls.start(harness.HostTree(cls.folder / "host"))
        cls.pager = cls.start(harness.WebhookReceiver())
        cls.alertmanager = cls.start(harness.Alertmanager(cls.folder / "am", cls.pager.url))
        cls.daemon = cls.start(harness.Daemon(harness.binaries(), cls.folder / "holdfast", {
            "defaults": {"interval": "200ms"},
            "collectors": harness.host_collectors("200ms"),
            "upgrades": {"cycle": "10m", "evaluation_interval": "200ms"},
            "default_rules": False,
            "rules": [THRESHOLD_RULE],
            "alerting": {"alertmanagers": [{"url": cls.alertmanager.url}],
                         "resend_interval": "5s"},
        }, cls.host.flags()))
        wait_for(lambda: cls.daemon.recorded_ms("holdfast_memory_total_bytes") > 2000,
                 "two seconds of samples")

    def test_nothing_is_lost(self):
        print(f"seed {self.seed}", file=sys.stderr)
        ledger = Ledger()
        moments = itertools.cycle((self.during_paging, self.during_baseline, self.during_sampling))
        for number, moment in zip(range(1, self.kills + 1), moments):
            moment(ledger, number)
            self.assertFalse(self.daemon.running())
            began = time.monotonic()
            self.daemon.start()
            took = time.monotonic() - began
            self.assertEqual(ledger.losses(self.daemon), [], f"lost by kill {number}")
            self.assert_no_page_was_resolved()
            print(f"kill {number}, {moment.__name__}: ready again after {took:.1f} s; kept "
                  f"{sum(map(len, ledger.series.values()))} rows, {len(ledger.upgrades)} upgrades, "
                  f"{len(ledger.baselines)} baselines, {len(ledger.alerts)} alerts",
                  file=sys.stderr)
        self.assert_still_works(ledger)

    def during_sampling(self, ledger, _number):
        """Nothing but collecting."""
        harness.idle(self.random.uniform(0, DELAY_SECONDS_MAX))
        ledger.read(self.daemon, self.random)
        self.daemon.kill()

    def during_baseline(self, ledger, _number):
        """While baselines are being taken, one after the other."""

        def keep(baseline):
            ledger.baselines[baseline["id"]] = baseline["digest"]

        ledger.read(self.daemon, self.random)
        with InFlight(self.daemon, "/baselines", itertools.repeat({"cycle": "10m"}, 50), keep):
            harness.idle(self.random.uniform(0, DELAY_SECONDS_MAX))
            self.daemon.kill()

    def during_paging(self, ledger, number):
        """While upgrades are started whose rule is broken at once."""
        self.host.set(cpu_busy=1.0, cpu_iowait=0.0)
        wait_for(lambda: (self.daemon.signal("cpu_busy_ratio") or {}).get("value", 0) > 0.9,
                 "the processors to be busy")

        def keep(upgrade):
            ledger.upgrades[upgrade["id"]] = Ledger.identity(upgrade)

        bodies = ({"target": f"db-{number}-{n}", "from": "1", "to": "2", "no_window": True}
                  for n in range(3))
        with InFlight(self.daemon, "/upgrades", bodies, keep):
            if number == 1:  # from here on a page fires for good
                wait_for(lambda: self.pager.pages(alertname="HoldfastRegression"), "the first page")
            harness.idle(self.random.uniform(0, DELAY_SECONDS_MAX))
            ledger.read(self.daemon, self.random)
            harness.idle(self.random.uniform(0, 0.2))
            self.daemon.kill()

    def assert_no_page_was_resolved(self):
        resolved = [page for page in self.pager.pages() if page.status == "resolved"]
        self.assertEqual(resolved, [])

    def assert_still_works(self, ledger):
        """Every alert that was ever shown is at the pager, and evidence still resolves one."""
        ledger.read(self.daemon, self.random)
        wait_for(lambda: {frozenset(alert["labels"].items()) for alert in ledger.alerts.values()}
                 <= set(self.pager.transitions()), "every alert to reach the pager", 60)
        self.assert_no_page_was_resolved()
        self.assertTrue(self.pager.pages(alertname="HoldfastRegression", rule="cpu-full"))
        self.host.set(cpu_busy=0.20)
        wait_for(lambda: not self.pager.firing(alertname="HoldfastRegression"),
                 "the regressions to end by evidence", 90)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    Kill.kills, Kill.seed = options.kills, options.seed
    harness.require_programs("prometheus-alertmanager")
    sys.argv = [sys.argv[0], options.binaries]
    harness.main()


if __name__ == "__main__":
    main()
