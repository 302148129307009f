"""Runs the measuring programs, sweeps settings and interleaves repeats."""

import dataclasses
import json
import statistics
import subprocess
import sys

from .processes import BenchError


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long everything takes. Durations in seconds."""
    repeats: int
    warm_up: float
    seconds: float
    sweep_seconds: float
    lingers_ms: tuple
    brokers_in_flight: tuple
    decide_events: int
    idle_seconds: float
    # Of one worker: restarts and lanes are repeated less often, since they take long and differ by much.
    worker_repeats: int
    lane_messages: int
    soak_events: int


FULL = Plan(repeats=5, warm_up=1.0, seconds=3.0, sweep_seconds=1.5, lingers_ms=(0, 1, 5), brokers_in_flight=(1, 5),
            decide_events=200_000, idle_seconds=10.0, worker_repeats=2, lane_messages=10_000, soak_events=10_000_000)
QUICK = Plan(repeats=3, warm_up=0.4, seconds=1.0, sweep_seconds=0.5, lingers_ms=(0, 1), brokers_in_flight=(1, 5),
             decide_events=40_000, idle_seconds=3.0, worker_repeats=1, lane_messages=1_000, soak_events=500_000)


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_program(command, timeout=300):
    """The JSON objects a measuring program printed, one a line."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout)
    if done.returncode != 0:
        raise BenchError(f"{command[0].name} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


class Load:
    """bench-load, pointed at a side."""

    def __init__(self, program, more_flags=()):
        self._program = program
        self._more_flags = list(more_flags)

    def wait(self, side, accepted=False, stock=False):
        """Until a first call was answered, and then a little longer: a first record to a new partition takes a while.
        With `stock` there is then something to sell."""
        try:
            self._run(side, 64, 0, 0.5, accepted, ["--wait", 30, *(["--stock"] if stock else [])])
        except BenchError:
            side.check()
            raise

    def measure(self, side, in_flight, warm_up, seconds, accepted=False):
        result = self._run(side, in_flight, warm_up, seconds, accepted, [])
        if result["errors"]:
            code, count = max(result["errors"].items(), key=lambda item: item[1])
            say(f"  {sum(result['errors'].values())} of {result['calls']} calls failed, {count} of them with: {code}")
        if result["ok"] == 0:
            side.check()
            raise BenchError(f"no call to {side.address} succeeded: {result['errors']}")
        return result

    def _run(self, side, in_flight, warm_up, seconds, accepted, more):
        flags = ["--address", side.address, "--in-flight", in_flight, "--warm-up", warm_up, "--seconds", seconds]
        return run_program([self._program, *flags, *(["--accepted"] if accepted else []), *side.load_flags, *self._more_flags, *more])[0]


def interleave(repeats, contenders):
    """Runs the contenders in turn, A B A B ..., so that drift of the machine meets all of them alike. `contenders` maps a
    name to a function; returns the list of results of each. One that fails drops out, and its error takes the place of
    its results."""
    results = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, measure in contenders.items():
            if isinstance(results[name], BenchError):
                continue
            try:
                results[name].append(measure())
            except BenchError as error:
                say(f"  {name}: {error}")
                results[name] = error
    return results


def field(results, name):
    """That field of each result; empty where the measurement failed."""
    return [] if isinstance(results, BenchError) else [result[name] for result in results if name in result]


def median(values):
    return statistics.median(values) if values else None
