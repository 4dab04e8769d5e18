"""Chooses one woven change after the other and runs the tests that reach it, until one of them fails.

`run.py TREE [--jobs N] [FILE..]`: after `weave.py`, under `scripts/with-postgres`. First every test runs once, which shows that
all pass and which changes each reaches. A change that no test reaches is missed without running anything. What is known is kept in
TREE/results.jsonl, a line per change as it comes: a run that was stopped goes on. With files named, those come first.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

# How long tests may take, compared with what they took without a change: then they hang.
PATIENCE = 10
LEAST_S = 60
# So many tests at first in one go, those that found a neighbour before the others; then ever more.
FIRST = 3
# A change that so many did not notice waits for the rest until all others had their turn: most are noticed early.
BEFORE_OTHERS = 15


def execute(test, names, **environment):
    """Whether these tests pass; None if they hang."""
    begun = time.monotonic()
    allowed = LEAST_S + PATIENCE * sum(test.get("took", {}).get(name, 30) for name in names)
    child = subprocess.Popen(
        [test["executable"], "--exact", "--test-threads=2", *names],
        cwd=test["folder"],
        env={**os.environ, "CARGO_MANIFEST_DIR": test["folder"], "PROPTEST_FAILURE_PERSISTENCE": "off", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        said = child.communicate(timeout=allowed)[0].decode(errors="replace")
        passed = child.returncode == 0
    except subprocess.TimeoutExpired:
        passed, said = None, ""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
    return passed, time.monotonic() - begun, said


def database_answers():
    """A test that fails since its database is gone has noticed nothing."""
    folder = re.search(r"host=([^&]+)", os.environ["BEDSIDE_TEST_POSTGRES"]).group(1)
    with socket.socket(socket.AF_UNIX) as server:
        return server.connect_ex(os.path.join(folder, ".s.PGSQL.5432")) == 0


def failed(said):
    lines = said.splitlines()
    return next((line.split()[1] for line in lines if line.startswith("test ") and line.endswith("FAILED")), "?")


def reach(tree, tests, jobs):
    """Runs each test alone, without a change; what each reaches and how long it takes."""
    kept = tree / "reached.json"
    if kept.exists():
        return json.loads(kept.read_text())
    reached = []

    def one(index, name):
        with tempfile.NamedTemporaryFile() as file:
            passed, took, said = execute(tests[index], [name], BEDSIDE_MUTANTS_REACHED=file.name)
            if not passed:
                print(f"{name} does not pass without a change, and is left out:\n{said[-2000:]}", flush=True)
                return None
            return {"test": index, "name": name, "took": took, "reached": sorted({int(n) for n in Path(file.name).read_text().split()})}

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = []
        for index, test in enumerate(tests):
            listed = subprocess.run([test["executable"], "--list", "--format=terse"], cwd=test["folder"], capture_output=True, text=True)
            waiting += [pool.submit(one, index, line.removesuffix(": test")) for line in listed.stdout.splitlines() if line.endswith(": test")]
        reached = [done for done in (one.result() for one in waiting) if done]
    kept.write_text(json.dumps(reached))
    return reached


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tree", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    tree = options.tree
    mutants, tests = json.loads((tree / "mutants.json").read_text()), json.loads((tree / "tests.json").read_text())
    begun = time.monotonic()
    reached = reach(tree, tests, options.jobs)
    print(f"{len(reached)} tests reach {len({n for one in reached for n in one['reached']})} changes, in {time.monotonic() - begun:.0f} s", flush=True)
    by_change = collections.defaultdict(list)
    for one in reached:
        tests[one["test"]].setdefault("took", {})[one["name"]] = one["took"]
        for number in one["reached"]:
            by_change[number].append(one)
    results = tree / "results.jsonl"
    known = {json.loads(line)["number"] for line in results.read_text().splitlines()} if results.exists() else set()
    named = options.files
    first = lambda file: next((place for place, name in enumerate(named) if file.startswith(name)), len(named))
    order = sorted(mutants, key=lambda m: (first(m["file"]), m["number"]))
    killers = collections.defaultdict(collections.Counter)
    lock = threading.Lock()

    later = []

    def examine(mutant, all_of_it=False):
        function = (mutant["file"], (mutant.get("function") or {}).get("function_name"))
        found = {"number": mutant["number"], "name": mutant["name"], "file": mutant["file"]}
        if mutant["state"] != "woven":
            found["outcome"] = mutant["state"]
        else:
            begun, outcome = time.monotonic(), "missed"
            with lock:
                good = killers[function] + killers[mutant["file"]]
            todo = sorted(by_change[mutant["number"]], key=lambda one: (-good[one["name"]], len(one["reached"]) * one["took"]))
            found["tests"], many = len(todo), FIRST
            if all_of_it:
                todo = todo[BEFORE_OTHERS:] + todo[:BEFORE_OTHERS]
            while todo and outcome == "missed":
                if not all_of_it and found["tests"] - len(todo) >= BEFORE_OTHERS:
                    later.append(mutant)
                    return
                batch, todo = todo[:many], todo[many:]
                many *= 4
                for index in sorted({one["test"] for one in batch}):
                    names = [one["name"] for one in batch if one["test"] == index]
                    passed, _, said = execute(tests[index], names, BEDSIDE_MUTANT=str(mutant["number"]))
                    if not passed:
                        if not database_answers():
                            os._exit(1)
                        outcome, found["by"] = ("timeout", names) if passed is None else ("caught", failed(said))
                        break
            found.update(outcome=outcome, took=round(time.monotonic() - begun, 1))
        with lock:
            if found["outcome"] == "caught":
                killers[function][found["by"]] += 3
                killers[mutant["file"]][found["by"]] += 1
            with results.open("a") as file:
                file.write(json.dumps(found) + "\n")
            if found["outcome"] in ("missed", "timeout"):
                print(f"{found['outcome']}: {mutant['name']} (reached by {found['tests']} tests)", flush=True)

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(examine, [m for m in order if m["number"] not in known]))
        print(f"{len(later)} changes wait for the rest of their tests", flush=True)
        list(pool.map(lambda mutant: examine(mutant, all_of_it=True), later))
    report(mutants, results)


def report(mutants, results):
    outcomes = {}
    for line in results.read_text().splitlines():
        one = json.loads(line)
        outcomes[one["number"]] = one["outcome"]
    columns = ["caught", "timeout", "missed", "unviable", "left", "not run"]
    table = collections.defaultdict(collections.Counter)
    for mutant in mutants:
        for file in (mutant["file"], "all"):
            table[file][outcomes.get(mutant["number"], "not run")] += 1
    print("file".ljust(40), *(column.rjust(9) for column in columns))
    for file, counts in table.items():
        print(file.ljust(40), *(str(counts[column]).rjust(9) for column in columns))
    every = table["all"]
    ran = every["caught"] + every["timeout"] + every["missed"]
    print(f"{(every['caught'] + every['timeout']) / max(ran, 1):.1%} of {ran} that ran were noticed")


if __name__ == "__main__":
    main()
