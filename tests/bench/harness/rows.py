"""The measurements themselves, one function for each kind of row. README.md says what each row means."""

import contextlib
import itertools
import time

from .measure import BenchError, field, interleave, run_program, say
from .processes import Sampler, rss_bytes
from .sides import OWNERS, Baseline, Setting, Tradewind


class Bench:
    """What the measurements share. `tradewind` is False where only the baselines are to be measured."""

    def __init__(self, places, plan, load, broker, report, tradewind):
        self.places = places
        self.plan = plan
        self.load = load
        self.broker = broker
        self.report = report
        self.tradewind = tradewind

    # ---- calls ------------------------------------------------------------------------------------------------------

    def front_door(self):
        """CreateOrder answered once Kafka has the command."""
        say("front door, accepted")
        with contextlib.ExitStack() as stack:
            baselines = self._sweep(stack, "accepted", (64, 512))
            tradewind = self._tradewind(stack, [], accepted=True)
            for in_flight, (setting, baseline) in baselines.items():
                name = f"front door accepted, {in_flight} in flight"
                say(name)
                results = self._compare(tradewind, baseline, in_flight, accepted=True)
                self._add_rate(name, results, setting)

    def outcome(self):
        """CreateOrder answered with its outcome; one in flight also against bare librdkafka."""
        say("command to outcome")
        with contextlib.ExitStack() as stack:
            baselines = self._sweep(stack, "outcome", (1, 64, 512))
            tradewind = self._tradewind(stack, ["order"], accepted=False)
            for in_flight, (setting, baseline) in baselines.items():
                name = f"command to outcome, {in_flight} in flight"
                say(name)
                more = {"round trip": self._round_trip} if in_flight == 1 else {}
                results = self._compare(tradewind, baseline, in_flight, accepted=False, more=more)
                self._add_rate(name, results, setting)
                for percentile in ("p50", "p99"):
                    self._add_latency(f"{name}, {percentile}", results, percentile, "baseline", str(setting))
                if in_flight == 1:
                    self._add_latency("one call against a bare librdkafka round trip, p50", results, "p50", "round trip",
                                      "produce, consume, produce, consume")

    def _sweep(self, stack, answer, numbers_in_flight):
        """The best setting of the baseline for each number in flight, and a side that runs with it."""
        settings = [Setting(*point) for point in itertools.product(self.plan.lingers_ms, self.plan.brokers_in_flight)]
        rates = {}
        with contextlib.ExitStack() as swept:
            sides = {setting: swept.enter_context(Baseline(self.places, answer, setting)) for setting in settings}
            for side in sides.values():
                self.load.wait(side)
            # The better of two rounds: a setting must not lose to a hiccup of the machine.
            for _, number, (setting, side) in itertools.product(range(2), numbers_in_flight, sides.items()):
                result = self.load.measure(side, number, self.plan.sweep_seconds / 3, self.plan.sweep_seconds)
                rates[setting, number] = max(result["rate"], rates.get((setting, number), 0))
            best = {number: max(settings, key=lambda setting: rates[setting, number]) for number in numbers_in_flight}
            for (setting, number), rate in rates.items():
                say(f"  sweep: {number} in flight, {setting}: {rate:,.0f} calls/s")
            for setting in set(settings) - set(best.values()):
                sides[setting].close()
            stack.enter_context(swept.pop_all())
        return {number: (setting, sides[setting]) for number, setting in best.items()}

    def _tradewind(self, stack, services, accepted):
        """A running Tradewind, or the error that kept it from running, or None where it is not to be measured."""
        if not self.tradewind:
            return None
        try:
            side = stack.enter_context(Tradewind(self.places, services))
            self.load.wait(side, accepted, stock="inventory" in services)
            return side
        except BenchError as error:
            say(f"  Tradewind: {error}")
            return error

    def _compare(self, tradewind, baseline, in_flight, accepted, more=None):
        def call(side):
            return self.load.measure(side, in_flight, self.plan.warm_up, self.plan.seconds, accepted)

        contenders = {"baseline": lambda: call(baseline), **(more or {})}
        results = {}
        if isinstance(tradewind, BenchError):
            results["tradewind"] = tradewind
        elif tradewind is not None:
            contenders = {"tradewind": lambda: call(tradewind), **contenders}
        return {"tradewind": [], **results, **interleave(self.plan.repeats, contenders)}

    def _round_trip(self):
        return run_program([self.places.programs / "bench-round-trip", "--brokers", self.places.brokers,
                            "--warm-up", self.plan.warm_up, "--seconds", self.plan.seconds])[0]

    def _add_rate(self, name, results, setting):
        self.report.add(name, "calls/s", "higher", field(results["tradewind"], "rate"),
                        field(results["baseline"], "rate"), baseline_setting=str(setting), error=_error(results),
                        failed_calls=_failed_calls(results["tradewind"]))

    def _add_latency(self, name, results, percentile, against, setting):
        in_ms = {side: [value / 1000 for value in field(results[side], f"{percentile}_us")]
                 for side in ("tradewind", against)}
        self.report.add(name, "ms", "lower", in_ms["tradewind"], in_ms[against], baseline_setting=setting,
                        error=_error(results))

    # ---- the decide loop --------------------------------------------------------------------------------------------

    def decide_loop(self):
        """Commands through one task, with Kafka and without, against the same writes by SQLite alone."""
        say("decide loop")
        outbox_bytes = []
        if self.tradewind:
            try:
                first = self._decide_loop([])
                say(f"  {first['events_per_commit']:.0f} events a commit, {first['outbox_bytes_per_event']:.0f} bytes of "
                    "outbox each")
                outbox_bytes = ["--outbox-bytes", round(first["outbox_bytes_per_event"])]
            except BenchError as error:
                say(f"  decide loop: {error}")
        swept = self._bare_store(outbox_bytes)
        for result in swept:
            say(f"  sweep: bare store, {result['variant']}: {result['rate']:,.0f} events/s")
        best = max(swept, key=lambda result: result["rate"])["variant"]

        contenders = {"bare": lambda: self._bare_store([*outbox_bytes, "--variant", best])[0]}
        if self.tradewind:
            contenders["memory"] = lambda: self._decide_loop([])
            contenders["Kafka"] = lambda: self._decide_loop(["--brokers", self.places.brokers])
        results = interleave(self.plan.repeats, contenders)
        for bus in ("memory", "Kafka"):
            found = results.get(bus, [])
            self.report.add(f"decide loop, bus: {bus}", "events/s", "higher", field(found, "rate"),
                            field(results["bare"], "rate"), baseline_setting=f"bare SQLite, {best}",
                            error=_error({bus: found}))

    def _decide_folder(self):
        folder = self.places.work / "decide" / str(time.monotonic_ns())
        folder.mkdir(parents=True)
        return folder

    def _decide_loop(self, flags):
        return run_program([self.places.programs / "bench-decide-loop", "--directory", self._decide_folder(), "--events",
                            self.plan.decide_events, *flags])[0]

    def _bare_store(self, flags):
        return run_program([self.places.programs / "bench-bare-store", "--directory", self._decide_folder(), "--events",
                            self.plan.decide_events, *flags])

    # ---- one worker where things go wrong, take long or have grown ---------------------------------------------------

    def worker(self):
        """A failing key, key lanes, a restart on a large store, and memory over many events."""
        if not self.tradewind:
            return
        say("worker")
        events = ["--events", self.plan.decide_events]
        results = interleave(self.plan.repeats, {
            "none": lambda: self._worker([*events, "failing", "--bad", 0]),
            "one": lambda: self._worker([*events, "failing"]),
        })
        self.report.add("commands of other keys, one key failing for ever", "commands/s", "higher",
                        field(results["one"], "rate"), field(results["none"], "rate"),
                        baseline_setting="no key failing", error=_error(results))
        messages = ["--events", self.plan.lane_messages, "lanes"]
        results = interleave(self.plan.worker_repeats, {
            "sequential": lambda: self._worker([*messages, "--sequential"]),
            "lanes": lambda: self._worker(messages),
        })
        self.report.add(f"{self.plan.lane_messages:,} messages of 0-5 ms through 20 keys", "s", "lower",
                        field(results["lanes"], "seconds"), field(results["sequential"], "seconds"),
                        baseline_setting="in partition order", error=_error(results))
        results = interleave(self.plan.worker_repeats, {
            "empty": lambda: self._worker(["restart", "--aggregates", 0, "--parked", 0]),
            "large": lambda: self._worker(["restart"]),
        })
        self.report.add("restart with 1,000,000 aggregates and 100,000 parked records", "s", "lower",
                        field(results["large"], "seconds"), field(results["empty"], "seconds"),
                        baseline_setting="empty store", error=_error(results))
        soaked = interleave(1, {"soak": lambda: self._worker(["--events", self.plan.soak_events, "soak"])})
        samples = field(soaked["soak"], "resident_mebibytes")
        self.report.add(f"RSS after {self.plan.soak_events:,} events", "MiB", "lower", [one[-1] for one in samples],
                        [one[0] for one in samples], baseline_setting="after the first tenth", error=_error(soaked))

    def _worker(self, flags):
        return run_program([self.places.programs / "bench-worker", "--directory", self._decide_folder(), *flags],
                           timeout=1500)[0]

    # ---- memory and CPU ---------------------------------------------------------------------------------------------

    def footprint(self):
        """Memory and CPU of each process of the whole system, at rest and with 64 calls in flight."""
        say("memory and CPU")
        with contextlib.ExitStack() as stack:
            baseline = stack.enter_context(Baseline(self.places, "outcome", Setting(0, 1)))
            self.load.wait(baseline)
            tradewind = self._tradewind(stack, OWNERS, accepted=False)
            sides = {"baseline": baseline}
            if tradewind is not None and not isinstance(tradewind, BenchError):
                sides["tradewind"] = tradewind
            idle = self._watch_idle(sides.values())
            loaded = interleave(self.plan.repeats,
                                {name: lambda side=side: self._watch_loaded(side) for name, side in sides.items()})
            if isinstance(tradewind, BenchError):
                loaded["tradewind"] = tradewind
        self._add_footprint(idle, loaded)

    def _watch_idle(self, sides):
        pids = {name: process.pid for side in sides for name, process in side.processes.items()}
        with Sampler(pids) as sampler:
            time.sleep(self.plan.idle_seconds)
        return {name: {"idle RSS": rss_bytes(pid) / 2**20, "idle CPU": 100 * sampler.cpu[name] / sampler.seconds}
                for name, pid in pids.items()}

    def _watch_loaded(self, side):
        """What each process took while `side` was called. Kafka counts with the side that makes it work."""
        pids = {name: process.pid for name, process in side.processes.items()} | {"kafka": self.broker.pid}
        with Sampler(pids) as sampler:
            result = self.load.measure(side, 64, 0, self.plan.seconds)
        side.check()
        return {name: {"loaded RSS": sampler.peak_rss[name] / 2**20,
                       "loaded CPU": 100 * sampler.cpu[name] / sampler.seconds,
                       "CPU a call": 1e6 * sampler.cpu[name] / result["ok"]} for name in pids}

    def _add_footprint(self, idle, loaded):
        # What does the same work on the other side.
        counterparts = {**{f"tradewind-{name}": None for name in OWNERS}, "tradewind-gateway": "bench-server",
                        "tradewind-order": "bench-consumer", "kafka": "kafka"}
        units = {"RSS": "MiB", "CPU": "% of a core", "call": "us/call"}

        def values(side, name, quantity):
            if quantity.startswith("idle"):
                return [idle[name][quantity]] if name in idle else []
            return field(field(loaded.get(side, []), name), quantity) if name else []

        for name, counterpart in counterparts.items():
            for quantity in ("idle RSS", "loaded RSS", "idle CPU", "loaded CPU", "CPU a call"):
                if name == "kafka" and quantity.startswith("idle"):
                    continue  # One broker serves both sides.
                self.report.add(f"{quantity}, {name}", units[quantity.split()[-1]], "lower",
                                values("tradewind", name, quantity), values("baseline", counterpart, quantity),
                                baseline_setting=counterpart or "", error=_error(loaded))


def _error(results):
    return next((str(found) for found in results.values() if isinstance(found, BenchError)), "")


def _failed_calls(results):
    return 0 if isinstance(results, BenchError) else sum(sum(result["errors"].values()) for result in results)
