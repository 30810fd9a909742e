"""What the end-to-end tests share: real programs on loopback, a host made of files, and patience.

Standard library only. Every program is started in a temporary folder, listens on 127.0.0.1, is
ended by its own pid, and does not outlive the test, however that ends.
"""

import atexit
import collections
import contextlib
import http.client
import http.server
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77  # what ctest takes for "skipped"
_POLL_SECONDS = 0.05
_programs = []


# --- waiting -----------------------------------------------------------------------------------


def wait_for(condition, what, deadline=60):
    """Polls `condition` until it returns something true, and returns that.

    A failure of the network counts as "not yet". After `deadline` seconds: AssertionError that
    says what was waited for and what was last seen.
    """
    end = time.monotonic() + deadline
    seen = None
    while time.monotonic() < end:
        try:
            seen = condition()
            if seen:
                return seen
        except (OSError, http.client.HTTPException, ValueError) as not_yet:
            seen = not_yet
        time.sleep(_POLL_SECONDS)
    raise AssertionError(f"waited {deadline} s in vain for {what}; last seen: {seen!r}"[:4000])


def idle(seconds):
    """Lets time pass where time itself is the subject: data to be recorded, a random moment."""
    threading.Event().wait(seconds)


def free_port():
    """A TCP port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- running a test script ---------------------------------------------------------------------


def binaries():
    """The folder of holdfastd and holdfast: the first argument of every test script."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(f"usage: {sys.argv[0]} FOLDER_OF_BINARIES [options]")
    folder = pathlib.Path(sys.argv[1]).resolve()
    for name in ("holdfastd", "holdfast"):
        if not os.access(folder / name, os.X_OK):
            sys.exit(f"{folder / name} is missing; build it first: ./dev build")
    return folder


def require_programs(*names):
    """Ends the script as skipped when a program of Debian is missing."""
    missing = [name for name in names if not shutil.which(name)]
    if missing:
        print(f"skipped: {', '.join(missing)} not installed; ./dev setup installs it")
        sys.exit(SKIPPED)


def main():
    """Runs the calling module's tests; the folder of the binaries is not for unittest."""
    arguments = [argument for argument in sys.argv[2:] if argument in ("-v", "-q", "-f")]
    names = [argument for argument in sys.argv[2:] if argument[:1].isupper()]
    unittest.main(argv=[sys.argv[0], *arguments, *names], verbosity=2)


class TestCase(unittest.TestCase):
    """A test with a temporary folder, whose programs show the end of their logs when it fails."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls._class_stack = contextlib.ExitStack()
        cls.addClassCleanup(cls._class_stack.close)
        folder = tempfile.mkdtemp(prefix="holdfast-e2e.")
        cls._class_stack.callback(shutil.rmtree, folder, ignore_errors=True)
        os.chmod(folder, 0o711)
        cls.folder = pathlib.Path(folder)
        try:
            cls.prepare()
        except BaseException:
            show_logs()
            cls.doClassCleanups()
            raise

    @classmethod
    def prepare(cls):
        """What all tests of the class need; a failure here shows the logs, too."""

    @classmethod
    def start(cls, part):
        """Enters a context manager for as long as the class's tests run."""
        return cls._class_stack.enter_context(part)

    def run(self, result=None):
        """Runs the test, and shows the logs after a failure, while they are still there."""
        before = _bad_results(result)
        done = super().run(result)
        if _bad_results(done) > before:
            show_logs()
        return done


def _bad_results(result):
    return len(result.failures) + len(result.errors) if result else 0


def show_logs(lines=60):
    """Prints the end of the log of every program that was started."""
    for program in _programs:
        if program.log_path.exists():
            print(f"--- {program.name}: last lines of {program.log_path}", file=sys.stderr)
            print(program.tail(lines), file=sys.stderr)


# --- programs ----------------------------------------------------------------------------------


class Program:
    """A program in the background. Its output goes to <folder>/<name>.log, run after run."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log_path = self.folder / f"{name}.log"
        self.process = None
        _programs.append(self)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            show_logs()
            self.kill()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Starts the program and returns when it can be used."""
        raise NotImplementedError

    def spawn(self, *argv):
        """Starts `argv`; the kernel ends it should the test be killed."""
        assert not self.running(), f"{self.name} runs already"
        guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*guard, *map(str, argv)], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, cwd=self.folder)

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def alive(self):
        """Raises when the program has ended by itself: no use to wait for it any longer."""
        code = self.process.poll()
        if code is not None:
            raise AssertionError(f"{self.name} ended with {code}:\n{self.tail(20)}")
        return True

    def send(self, number):
        os.kill(self.pid, number)

    def stop(self, patience=30):
        """Ends it with SIGTERM and returns its exit code; with SIGKILL when it will not end."""
        if not self.process:
            return None
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def kill(self):
        """kill -9."""
        if self.running():
            self.process.kill()
            self.process.wait()

    def tail(self, lines=40):
        try:
            return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])
        except OSError as gone:
            return str(gone)


@atexit.register
def _end_all():
    for program in reversed(_programs):
        program.kill()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that atexit runs


def http_request(method, url, body=None, headers=None, timeout=30, tls=None):
    """(status, headers, text) of one request, whatever the status; `tls` is https's SSLContext."""
    data = body.encode() if isinstance(body, str) else body
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=tls) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers, refused.read().decode()


# --- holdfast ----------------------------------------------------------------------------------

Answer = collections.namedtuple("Answer", "code out err")


class Refused(AssertionError):
    """The API or the client said no where the test needs a yes."""


class Daemon(Program):
    """holdfastd with its state below `folder`, and the ways to talk to it.

    `tls` is the SSLContext to talk to it with, for a daemon whose flags make it speak TLS.
    """

    def __init__(self, programs, folder, config=None, flags=(), name="holdfastd", tls=None,
                 log_level="info"):
        super().__init__(name, folder)
        self.tls = tls
        self.log_level = log_level
        self.programs = pathlib.Path(programs)
        self.state = self.folder / "state"
        self.config_path = self.folder / "holdfast.yml"
        self.flags = list(flags)
        self.url = None
        self.configure(config or {})

    def configure(self, config):
        """Writes the configuration: text as it is, anything else as JSON, which is YAML."""
        text = config if isinstance(config, str) else json.dumps(config, indent=1) + "\n"
        self.config_path.write_text(text)

    def start(self, deadline=60):
        self.launch()
        wait_for(lambda: self.alive() and self.is_ready(), "holdfastd to be ready", deadline)

    def launch(self):
        """Starts it and does not wait."""
        address = self.state / "address"
        address.unlink(missing_ok=True)  # of a daemon that was killed
        self.url = None
        self.spawn(self.programs / "holdfastd", f"--config.file={self.config_path}",
                   f"--storage.path={self.state}", "--web.listen-address=127.0.0.1:0",
                   f"--log.level={self.log_level}", *self.flags)

    def is_ready(self):
        scheme = "https" if self.tls else "http"
        self.url = f"{scheme}://{(self.state / 'address').read_text().strip()}"
        return http_request("GET", self.url + "/-/ready", timeout=5, tls=self.tls)[0] == 200

    def restart(self):
        """A clean stop and a new start."""
        code = self.stop()
        assert code == 0, f"holdfastd ended with {code} on SIGTERM"
        self.start()

    @property
    def address(self):
        return self.url.partition("://")[2]

    @property
    def token_file(self):
        return self.state / "token"

    def token(self):
        return self.token_file.read_text().strip()

    def request(self, method, path, body=None, token=None, headers=None, timeout=60):
        """(status, headers, text). `token` None: the daemon's own; "": none at all."""
        if self.url is None:
            raise ConnectionRefusedError("holdfastd is not up")
        sent = dict(headers or {})
        token = self.token() if token is None and method != "GET" else token
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
            body = json.dumps(body)
        return http_request(method, self.url + path, body, sent, timeout, self.tls)

    def api(self, method, path, body=None, **options):
        """(status, document) of the JSON API."""
        status, _, text = self.request(method, "/api/v1" + path, body, **options)
        return status, json.loads(text)

    def get(self, path):
        """`data` of a GET of the API that must succeed."""
        status, document = self.api("GET", path)
        if status != 200 or document.get("status") != "success":
            raise Refused(f"GET {path}: {status} {document}")
        return document["data"]

    def post(self, path, body=None):
        """`data` of a POST of the API that must succeed."""
        status, document = self.api("POST", path, body if body is not None else {})
        if status not in (200, 201) or document.get("status") != "success":
            raise Refused(f"POST {path}: {status} {document}")
        return document["data"]

    def metrics(self):
        return self.request("GET", "/metrics")[2]

    def client(self, *arguments, output="json", timeout=300, token_file=None, url=None, env=None):
        """Runs the client: (exit code, stdout, stderr)."""
        done = subprocess.run(
            [str(self.programs / "holdfast"), "--url", url or self.url, "--token-file",
             str(token_file or self.token_file), "-o", output, *map(str, arguments)],
            capture_output=True, text=True, timeout=timeout, check=False,
            env={**os.environ, **(env or {})})
        return Answer(done.returncode, done.stdout, done.stderr)

    def replayed(self, upgrade, at_ms=None, deadline=30):
        """What `holdfast replay --upgrade` says by the state folder, as of `at_ms`.

        Rows are stored a moment after they are judged: until then replay refuses that moment.
        """
        at = ["--at", at_ms] if at_ms is not None else []

        def once():
            answer = self.client("replay", "--upgrade", upgrade, "--storage.path", self.state, *at)
            if answer.code != 0 and "what is stored ends at" not in answer.err:
                raise Refused(f"replay {upgrade}: exit {answer.code}\n{answer.err}")
            return json.loads(answer.out) if answer.code == 0 else None
        return wait_for(once, f"what {upgrade} was judged by to be stored", deadline)

    def assert_replayed(self, upgrade):
        """The judgements that the API shows come out of the stores again, all of their bits."""
        shown = self.get(f"/upgrades/{upgrade}")
        again = self.replayed(upgrade, shown["judged_at_ms"])
        for name in ("judged_at", "verdict", "judgements"):
            if again[name] != shown[name]:
                raise AssertionError(f"replay of {upgrade} says another {name}:\n{again[name]}\n"
                                     f"the daemon said:\n{shown[name]}")
        return again

    def run(self, *arguments):
        """The document that a client's command prints; it must exit with 0."""
        answer = self.client(*arguments)
        if answer.code != 0:
            raise Refused(f"holdfast {' '.join(map(str, arguments))}: exit {answer.code}\n"
                          f"{answer.out}{answer.err}")
        return json.loads(answer.out) if answer.out.strip() else None

    def series_values(self, series, start=0, end=None):
        """[[ms, value], …] of one series, all that is stored by default."""
        query = {"series": series, "start": start, "end": end or int(time.time() * 1000) + 60_000}
        return self.get("/series/query?" + urllib.parse.urlencode(query))["values"]

    def series_names(self):
        return [item["series"] for item in self.get("/series")]

    def signal(self, name, **labels):
        """The newest state of one signal, or None."""
        for item in self.get("/signals"):
            if item["name"] == name and labels.items() <= item["labels"].items():
                return item
        return None

    def recorded_ms(self, series):
        """How much of a series is stored: last time less the first; 0 before there is any."""
        values = self.series_values(series) if series in self.series_names() else []
        return values[-1][0] - values[0][0] if values else 0


def document_of(text):
    """What the client printed with -o json: the object itself, or the API's envelope."""
    document = json.loads(text)
    if isinstance(document, dict) and "status" in document and "data" in document:
        return document["data"]
    return document


# --- Alertmanager, its receiver, Prometheus ----------------------------------------------------


class Alertmanager(Program):
    """Debian's Alertmanager: tells `webhook_url` at once, one notification per alert."""

    def __init__(self, folder, webhook_url, name="alertmanager"):
        super().__init__(name, folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.webhook_url = webhook_url

    def start(self):
        config = self.folder / "alertmanager.yml"
        config.write_text(json.dumps({
            "route": {"receiver": "hook", "group_by": ["..."], "group_wait": "0s",
                      "group_interval": "1s", "repeat_interval": "1h"},
            "receivers": [{"name": "hook", "webhook_configs": [
                {"url": self.webhook_url, "send_resolved": True}]}],
        }))
        self.spawn("prometheus-alertmanager", f"--config.file={config}",
                   f"--storage.path={self.folder / 'data'}",
                   f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=",
                   "--log.level=warn")
        wait_for(lambda: self.alive() and http_request("GET", self.url + "/-/ready")[0] == 200,
                 "Alertmanager to be ready")


class WebhookReceiver:
    """Records every notification that an Alertmanager sends, with its time."""

    Page = collections.namedtuple("Page", "at status labels annotations")

    def __init__(self):
        self._lock = threading.Lock()
        self._pages = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802, the name is http.server's
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver._record(json.loads(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _record(self, notification):
        with self._lock:
            for alert in notification["alerts"]:
                self._pages.append(self.Page(time.time(), alert["status"], alert["labels"],
                                             alert["annotations"]))

    def pages(self, **labels):
        """All pages so far whose labels contain `labels`, oldest first."""
        with self._lock:
            return [page for page in self._pages if labels.items() <= page.labels.items()]

    def transitions(self, **labels):
        """Label set → its statuses in the order they came, with the same one twice kept twice."""
        out = {}
        for page in self.pages(**labels):
            out.setdefault(frozenset(page.labels.items()), []).append(page.status)
        return out

    def firing(self, **labels):
        """Label sets whose newest status is firing."""
        return {key for key, told in self.transitions(**labels).items() if told[-1] == "firing"}


class Prometheus(Program):
    """Debian's Prometheus, scraping each of `targets` (`host:port`) once a second."""

    def __init__(self, folder, targets, name="prometheus"):
        super().__init__(name, folder)
        self.targets = list(targets)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self):
        config = self.folder / "prometheus.yml"
        config.write_text(json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s",
                       "evaluation_interval": "1s"},
            "scrape_configs": [{"job_name": "holdfast",
                                "static_configs": [{"targets": self.targets}]}],
        }))
        self.spawn("prometheus", f"--config.file={config}",
                   f"--storage.tsdb.path={self.folder / 'tsdb'}",
                   f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn")
        wait_for(lambda: self.alive() and http_request("GET", self.url + "/-/ready")[0] == 200,
                 "Prometheus to be ready")

    def get(self, path, **parameters):
        """`data` of Prometheus' API; raises with its error, and on a warning."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        status, _, text = http_request("GET", f"{self.url}/api/v1/{path}?{query}")
        document = json.loads(text)
        if status != 200 or document.get("warnings"):
            raise Refused(f"Prometheus {path} {parameters}: {status} {text[:500]}")
        return document["data"]

    def query(self, expression):
        return self.get("query", query=expression)["result"]

    def query_range(self, expression, start, end, step=1):
        return self.get("query_range", query=expression, start=start, end=end,
                        step=step)["result"]

    def label_values(self, selector, label):
        """What Grafana's label_values(selector, label) gives."""
        series = self.get("series", **{"match[]": selector})
        return sorted({item[label] for item in series if label in item})


# --- a host made of files ----------------------------------------------------------------------


class HostTree:
    """A procfs and a sysfs that a thread keeps advancing by the clock.

    Every file is replaced by rename, so that a reader never sees half of one. `set` changes what
    the host does from now on; counters go on from where they are.
    """

    _TICKS = os.sysconf("SC_CLK_TCK")
    _CPUS = 4
    _MEMORY_KIB = 16 * 1024 * 1024
    _PERIOD = 0.05

    DEFAULTS = {
        "cpu_busy": 0.30,               # share of all processors
        "cpu_iowait": 0.02,
        "memory_used": 0.50,            # share
        "disk_ops": 200.0,              # per second, each direction
        "disk_wait": 0.002,             # seconds per operation
        "disk_busy": 0.10,              # share of time
        "disk_bytes": 4e6,              # per second, each direction
        "network_bytes": 2e6,           # per second, each direction
        "network_errors": 0.0,          # per second
        "major_faults": 2.0,            # per second
        "pressure_cpu": 0.05,           # share of time stalled
        "pressure_memory": 0.0,
        "pressure_io": 0.02,
    }

    def __init__(self, folder, seed=1):
        self.folder = pathlib.Path(folder)
        self.procfs = self.folder / "proc"
        self.sysfs = self.folder / "sys"
        self.rootfs = self.folder / "root"
        self._does = dict(self.DEFAULTS)
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._boot_time = _real_boot_time()  # so that real processes below /proc keep their ages
        self._boot()
        for place in (self.procfs, self.sysfs, self.rootfs):
            place.mkdir(parents=True, exist_ok=True)
        self._write_fixed()
        self._write()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def flags(self):
        """The daemon's flags that make it read this host."""
        return [f"--paths.procfs={self.procfs}", f"--paths.sysfs={self.sysfs}",
                f"--paths.cgroupfs={self.sysfs / 'fs/cgroup'}", f"--paths.rootfs={self.rootfs}"]

    def set(self, **does):
        """From now on the host does this: see DEFAULTS for the words."""
        unknown = does.keys() - self._does.keys()
        assert not unknown, f"a host has no {unknown}"
        with self._lock:
            self._does.update(does)

    def reboot(self):
        """Another boot id, another boot time, and every counter from zero."""
        with self._lock:
            self._boot_time = int(time.time())
            self._boot()
            self._write_fixed()
            self._write()

    def show_process(self, pid):
        """Lets the real process `pid` be seen in this procfs."""
        place = self.procfs / str(pid)
        place.unlink(missing_ok=True)
        place.symlink_to(f"/proc/{pid}")

    def _boot(self):
        self._boot_id = str(uuid.UUID(int=self._random.getrandbits(128)))
        self._counted = collections.defaultdict(float)
        self._at = time.monotonic()

    def _run(self):
        while not self._ended.wait(self._PERIOD):
            with self._lock:
                self._advance()
                self._write()

    def _advance(self):
        now = time.monotonic()
        passed, self._at = now - self._at, now
        does, add = self._does, self._add
        noise = 1 + self._random.uniform(-0.03, 0.03)
        ticks = passed * self._CPUS * self._TICKS
        busy = does["cpu_busy"] + (noise - 1) * does["cpu_busy"] * (1 - does["cpu_busy"])
        iowait = min(1.0 - busy, does["cpu_iowait"])
        add("cpu_user", ticks * busy * 0.7)
        add("cpu_system", ticks * busy * 0.3)
        add("cpu_iowait", ticks * iowait)
        add("cpu_idle", ticks * (1 - busy - iowait))
        add("major_faults", passed * does["major_faults"])
        add("disk_ops", passed * does["disk_ops"] * noise)
        add("disk_ms", passed * does["disk_ops"] * noise * does["disk_wait"] * 1000)
        add("disk_busy_ms", passed * does["disk_busy"] * 1000)
        add("disk_sectors", passed * does["disk_bytes"] * noise / 512)
        add("network_bytes", passed * does["network_bytes"] * noise)
        add("network_errors", passed * does["network_errors"])
        for resource in ("cpu", "memory", "io"):
            add(f"pressure_{resource}", passed * does[f"pressure_{resource}"] * 1e6)

    def _add(self, name, amount):
        self._counted[name] += amount

    def _count(self, name):
        return int(self._counted[name])

    def _write_fixed(self):
        self._put("proc/1/mountinfo", "27 1 8:0 / / rw,relatime shared:1 - ext4 /dev/sda rw\n")
        self._put("proc/sys/kernel/random/boot_id", self._boot_id + "\n")
        self._put("sys/class/net/eth0/operstate", "up\n")

    def _write(self):
        self._put("proc/stat", self._stat())
        self._put("proc/meminfo", self._meminfo())
        self._put("proc/vmstat", f"pgmajfault {self._count('major_faults')}\npswpin 0\n"
                                 "pswpout 0\noom_kill 0\n")
        self._put("proc/diskstats", self._diskstats())
        self._put("proc/net/dev", self._net_dev())
        for resource in ("cpu", "memory", "io"):
            total = self._count(f"pressure_{resource}")
            self._put(f"proc/pressure/{resource}", "".join(
                f"{kind} avg10=0.00 avg60=0.00 avg300=0.00 total={total // share}\n"
                for kind, share in (("some", 1), ("full", 2))))

    def _put(self, path, text):
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(place.name + ".new")
        fresh.write_text(text)
        fresh.replace(place)

    def _stat(self):
        modes = [self._count(f"cpu_{mode}") for mode in
                 ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest",
                  "guest_nice")]
        lines = [f"cpu  {' '.join(map(str, modes))}"]
        for number in range(self._CPUS):  # shares that add up to the whole, to the tick
            share = ((ticks + number) // self._CPUS for ticks in modes)
            lines.append(f"cpu{number} {' '.join(map(str, share))}")
        lines += ["intr 0", "ctxt 0", f"btime {self._boot_time}", "processes 1",
                  "procs_running 1", "procs_blocked 0"]
        return "\n".join(lines) + "\n"

    def _meminfo(self):
        free = int(self._MEMORY_KIB * (1 - self._does["memory_used"]))
        return (f"MemTotal: {self._MEMORY_KIB} kB\nMemFree: {free // 2} kB\n"
                f"MemAvailable: {free} kB\nBuffers: 0 kB\nCached: {free // 2} kB\n"
                "SwapTotal: 4194300 kB\nSwapFree: 4194300 kB\nDirty: 1000 kB\n")

    def _diskstats(self):
        ops, sectors, ms = (self._count(name) for name in ("disk_ops", "disk_sectors", "disk_ms"))
        one_way = f"{ops} 0 {sectors} {ms}"
        return (f"   8       0 sda {one_way} {one_way} 0 {self._count('disk_busy_ms')} {2 * ms}"
                " 0 0 0 0 0 0\n")

    def _net_dev(self):
        sent, lost = self._count("network_bytes"), self._count("network_errors")
        one_way = f"{sent} {sent // 1000} {lost} 0 0 0 0 0"
        return ("Inter-|   Receive                            |  Transmit\n"
                " face |bytes packets errs drop fifo frame compressed multicast"
                "|bytes packets errs drop fifo colls carrier compressed\n"
                f"  eth0: {one_way} {one_way}\n")


def _real_boot_time():
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        if line.startswith("btime "):
            return int(line.split()[1])
    return int(time.time())


# --- the service beside holdfast ---------------------------------------------------------------


class Service(Program):
    """The demo shop, always at the same address, log file and pid file, whatever its version."""

    def __init__(self, folder, version="1.0", host=None, name="shop"):
        super().__init__(name, folder)
        self.version = version
        self.host = host
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.app_log = self.folder / f"{name}-app.log"
        self.pid_file = self.folder / f"{name}.pid"

    def start(self):
        self.spawn(sys.executable, HERE / "shop_service.py", "--port", self.port, "--log",
                   self.app_log, "--pid-file", self.pid_file, "--version", self.version)
        if self.host:
            self.host.show_process(self.pid)
        wait_for(lambda: self.alive() and self.answers(), f"the shop {self.version} to answer")

    def answers(self):
        status, _, text = http_request("GET", self.url + "/metrics", timeout=5)
        return status == 200 and f'version="{self.version}"' in text

    def become(self, version):
        """The upgrade itself: ends the old version and starts the new one."""
        self.stop()
        self.version = version
        self.start()

    def collectors(self, interval="500ms"):
        """The part of holdfast's configuration that watches this service, all four ways."""
        return {
            "process": {"interval": interval,
                        "groups": [{"name": "shop", "pid_file": str(self.pid_file)}]},
            "log": {"interval": interval, "files": [{"name": "shop", "path": str(self.app_log)}]},
            "probe": [{"name": "shop", "url": self.url + "/buy", "interval": interval,
                       "expect": {"status": [200], "body": "sold"}}],
            "scrape": [{"name": "shop", "url": self.url + "/metrics", "interval": interval,
                        "keep": ["shop_.*"]}],
        }


HOST_COLLECTORS = ("cpu", "pressure", "memory", "disk", "network", "filesystem")


def host_collectors(interval="500ms"):
    """The host's collectors, all at the same interval."""
    return {name: {"interval": interval} for name in HOST_COLLECTORS}
