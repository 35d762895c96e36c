"""`models.processes`: what every process of the program relies on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from models.processes import spawn_python
from tests.support.paths import ROOT

WORK = """
import json, multiprocessing, os, signal, time
from models.processes import init_worker

def work():
    init_worker()
    import cv2
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    print(json.dumps([os.getpid(), cv2.getNumThreads(), [h == signal.SIG_IGN for h in handlers]]), flush=True)
    time.sleep(60)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=work)
    process.start()
    process.join()
"""


def test_worker_leaves_ctrl_c_to_its_parent_and_ends_with_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(WORK)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script], env=environment, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid, threads, ignored = json.loads(parent.stdout.readline())
        assert (threads, ignored) == (1, [True, False])
        os.kill(pid, signal.SIGINT)
        time.sleep(0.2)
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
        assert parent.stdout.read() == b"", "the pipe closes when the worker, which also holds it, has ended"


INTERRUPTED_WORKER = """
import multiprocessing, os, signal, sys
from models.processes import init_worker, starting_workers

def work():
    init_worker()
    print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), flush=True)

if __name__ == "__mp_main__":  # Ctrl-C comes while the worker imports
    os.kill(os.getpid(), signal.SIGINT)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=work)
    with starting_workers():
        process.start()
    process.join()
    sys.exit(process.exitcode)
"""


def test_a_worker_that_imports_does_not_answer_ctrl_c(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED_WORKER)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "set()\n", "")


def test_spawned_python_finds_the_modules_in_its_own_group() -> None:
    program = "import os, sys; from models import processes; print(os.getpgrp(), *sys.argv[1:], os.environ['WORD'])"
    with spawn_python(program, "a", Path("b"), stdout=subprocess.PIPE, env={"WORD": "c"}) as process:
        assert process.stdout is not None
        assert process.stdout.read().decode().split() == [str(process.pid), "a", "b", "c"]
