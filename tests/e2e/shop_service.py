#!/usr/bin/env python3
"""A small shop, to be watched by holdfast: good in versions 1.0 and 2.1, bad in 2.0-bad.

GET /buy sells something; GET /metrics has the Prometheus text format. It writes a log with INFO and
ERROR lines and a pid file, and customers of its own keep it busy. 2.0-bad burns processor time,
answers 300 ms later, fails one purchase in five with a 500 and logs an ERROR for each.
"""

import argparse
import collections
import http.server
import os
import pathlib
import random
import signal
import threading
import time

USUAL_SECONDS = (0.004, 0.012)
BAD_SECONDS = 0.300
BAD_ONE_IN = 5
BURN_SECONDS, REST_SECONDS = 0.060, 0.040
CUSTOMERS, CUSTOMER_PERIOD_SECONDS = 8, 0.400


class Shop:
    """What the shop has sold, and how."""

    def __init__(self, version, log_path):
        self.version = version
        self.bad = version.endswith("-bad")
        self.started_at = time.time()
        self._lock = threading.Lock()
        self._log = open(log_path, "a", buffering=1, encoding="utf-8")
        self._answers = collections.Counter({200: 0, 500: 0})
        self._attempts = collections.Counter()
        self.log("INFO", f"shop {version} opens")

    def log(self, level, text):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._log.write(f"{now} {level} {text}\n")

    def buy(self, who):
        """Sells to `who`: the status of the answer, after the time that it takes.

        Of the attempts of all that are called `who` every fifth fails in a bad version: evenly, so
        that a look at any few seconds sees the same share.
        """
        time.sleep(random.uniform(*USUAL_SECONDS) + (BAD_SECONDS if self.bad else 0))
        with self._lock:
            self._attempts[who] += 1
            attempt = self._attempts[who]
            status = 500 if self.bad and attempt % BAD_ONE_IN == 0 else 200
            self._answers[status] += 1
        if status == 500:
            self.log("ERROR", f"order {attempt} by {who} failed: warehouse does not answer")
        elif attempt % 10 == 0:
            self.log("INFO", f"order {attempt} by {who} sold")
        return status

    def metrics(self):
        """The page for Prometheus."""
        with self._lock:
            answers = dict(self._answers)
        lines = ["# HELP shop_build_info The version of the shop", "# TYPE shop_build_info gauge",
                 f'shop_build_info{{version="{self.version}"}} 1',
                 "# HELP shop_requests_total Purchases by status code",
                 "# TYPE shop_requests_total counter"]
        lines += [f'shop_requests_total{{code="{code}"}} {n}' for code, n in answers.items()]
        lines += ["# HELP shop_queue_length Orders that wait for the warehouse",
                  "# TYPE shop_queue_length gauge",
                  f"shop_queue_length {random.randint(8, 12)}",
                  "# HELP process_start_time_seconds When the shop opened",
                  "# TYPE process_start_time_seconds gauge",
                  f"process_start_time_seconds {self.started_at:.3f}"]
        return "\n".join(lines) + "\n"


def handler_of(shop):
    """A request handler class for `shop`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802, the name is http.server's
            if self.path == "/buy":
                status = shop.buy("probe")
                self.answer(status, "text/plain", "sold\n" if status == 200 else "failed\n")
            elif self.path == "/metrics":
                self.answer(200, "text/plain; version=0.0.4", shop.metrics())
            else:
                self.answer(404, "text/plain", "no such page\n")

        def answer(self, status, content_type, text):
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


def keep_buying(shop, first_wait):
    """One customer: a purchase per period, on a grid, so that slow answers do not lower the rate."""
    due = time.monotonic() + first_wait
    while True:
        time.sleep(max(0.0, due - time.monotonic()))
        shop.buy("customer")
        due = max(due + CUSTOMER_PERIOD_SECONDS, time.monotonic() - CUSTOMER_PERIOD_SECONDS)


def burn():
    """Works most of the time for nothing."""
    while True:
        end = time.thread_time() + BURN_SECONDS
        while time.thread_time() < end:
            sum(range(1000))
        time.sleep(REST_SECONDS)


def start(target, *arguments):
    threading.Thread(target=target, args=arguments, daemon=True).start()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=pathlib.Path, required=True)
    parser.add_argument("--pid-file", type=pathlib.Path, required=True)
    parser.add_argument("--version", choices=["1.0", "2.0-bad", "2.1"], default="1.0")
    options = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # at once, whatever the threads do
    shop = Shop(options.version, options.log)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), handler_of(shop))
    server.daemon_threads = True
    fresh = options.pid_file.with_name(options.pid_file.name + ".new")
    fresh.write_text(f"{os.getpid()}\n")
    fresh.replace(options.pid_file)
    for number in range(CUSTOMERS):
        start(keep_buying, shop, number * CUSTOMER_PERIOD_SECONDS / CUSTOMERS)
    if shop.bad:
        start(burn)
    server.serve_forever()


if __name__ == "__main__":
    main()
