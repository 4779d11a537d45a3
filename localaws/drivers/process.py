"""Runs the containers of tasks as child processes, for machines and tests without Docker.

Each container is the leader of a session of its own, and when it ends, what is left of its process group is killed. A
task has an address of its own in 127.0.0.0/8 and is told it as WALLCRAWLER_GUEST_HOST, so that the same port works for
all. Processes carry who they are in their environment, as containers do in labels. With `keep`, that and the number in
a file are how they are found again; without, the kernel kills them when localaws dies, however it dies.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from localaws.containers import ContainerSpec, Exit, Launch, ending
from localaws.drivers import CannotStart, Ended
from localaws.network import LoopbackAddresses
from localaws.tasklogs import TaskLogs
from localaws.tasks import Address, Started
from wallcrawler import log as logs

log = logs.get()

INSTANCE: Final = "LOCALAWS_INSTANCE"
TASK: Final = "LOCALAWS_TASK"
CONTAINER: Final = "LOCALAWS_CONTAINER"
ADDRESS: Final = "LOCALAWS_ADDRESS"
GUEST_HOST: Final = "WALLCRAWLER_GUEST_HOST"

#: All that a process has from this one's environment: an image would bring as much.
INHERITED: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")

#: Runs a command and leaves its status in a file: a process of the next localaws' parent can't be waited for. A `wait`
#: that a signal has cut short is done again.
_RECORD: Final = """
file=$1; shift
"$@" & child=$!
trap 'kill -TERM $child' TERM
wait $child; status=$?
while kill -0 $child 2>/dev/null; do wait $child; status=$?; done
echo $status >"$file.half" && mv "$file.half" "$file"
"""


@dataclass(frozen=True, slots=True)
class _Process:
    """One container. `child` is None where it was found, not started."""

    pid: int
    pidfd: int
    child: subprocess.Popen[bytes] | None
    over: threading.Event = field(default_factory=threading.Event)

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


class ProcessDriver:
    """The Driver port for processes."""

    def __init__(
        self,
        *,
        instance: str,
        folder: Path,
        logs: TaskLogs,
        images: Mapping[str, list[str]],
        keep: bool,
        addresses: LoopbackAddresses | None = None,
    ) -> None:
        self._instance = instance
        self._folder = folder
        self._logs = logs
        self._images = images
        self._keep = keep
        self._addresses = addresses or LoopbackAddresses()
        self._running: dict[str, dict[str, _Process]] = {}
        self._lock = threading.Lock()
        self._closing = False
        # PDEATHSIG comes when the *thread* that started a process ends: all are started by this one, which stays.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="starter")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def watch(self, ended: Ended) -> None:
        self._ended = ended

    def reserve(self, task_id: str) -> Address | None:
        return self._addresses.take(task_id)

    def start(self, launch: Launch) -> Started:
        address = self._addresses.take(launch.task_id)
        runtime_ids = {}
        try:
            for spec in launch.containers:
                process = self._start(launch.task_id, spec, address)
                runtime_ids[spec.name] = str(process.pid)
        except CannotStart:
            self._undo(launch.task_id)
            raise
        return Started(address, runtime_ids)

    def _undo(self, task_id: str) -> None:
        """End what was started of a task that can't be, and tell nobody."""
        with self._lock:
            processes = self._running.pop(task_id, {})
        for process in processes.values():
            process.kill_group()
            process.over.wait()
            os.close(process.pidfd)
        self._clear(task_id)

    def _start(self, task_id: str, spec: ContainerSpec, address: Address) -> _Process:
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment |= {GUEST_HOST: address.ip} | dict(spec.environment)
        environment |= {INSTANCE: self._instance, TASK: task_id, CONTAINER: spec.name, ADDRESS: address.ip}
        command = self._command(spec, environment.get("PATH", os.defpath))
        if self._keep:
            command = ["/bin/sh", "-c", _RECORD, "localaws", str(self._file(task_id, spec.name, "status")), *command]
        else:
            command = [*_dies_with_us(), *command]
        with self._logs.open(task_id, spec.name) as output:
            started = self._starter.submit(
                subprocess.Popen[bytes],
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=spec.definition.get("workingDirectory"),
                start_new_session=True,
            )
            try:
                child = started.result()
            except OSError as refused:
                raise CannotStart(f"CannotStartContainerError: {command[0]}: {refused.strerror}") from None
        if self._keep:
            self._file(task_id, spec.name, "pid").write_text(str(child.pid))
        process = _Process(child.pid, os.pidfd_open(child.pid), child)
        self._attend(task_id, spec.name, process)
        return process

    def _command(self, spec: ContainerSpec, path: str) -> list[str]:
        """The program and its arguments. Raises CannotStart."""
        words = [*(spec.entry_point or ()), *(spec.command or ())] or self._images.get(spec.image, [])
        if not words:
            raise CannotStart(
                f"CannotCreateContainerError: container {spec.name} has neither entryPoint nor command, and "
                f"LOCALAWS_IMAGES has no command for {spec.image}"
            )
        program = shutil.which(words[0], path=path)
        if program is None:
            raise CannotStart(f"CannotStartContainerError: exec: {words[0]!r}: executable file not found in $PATH")
        return [program, *words[1:]]

    def _file(self, task_id: str, container: str, kind: str) -> Path:
        return self._folder / f"{task_id}.{container}.{kind}"

    def _clear(self, task_id: str) -> None:
        for file in self._folder.glob(f"{task_id}.*"):
            file.unlink(missing_ok=True)

    def _attend(self, task_id: str, container: str, process: _Process) -> None:
        with self._lock:
            self._running.setdefault(task_id, {})[container] = process
        threading.Thread(
            target=self._await_end, args=(task_id, container, process), name=f"container {process.pid}", daemon=True
        ).start()

    def _await_end(self, task_id: str, container: str, process: _Process) -> None:
        poll = select.poll()
        poll.register(process.pidfd, select.POLLIN)
        poll.poll()
        # Before the leader is reaped, so that its group's number is nobody else's.
        process.kill_group()
        ended = self._reap(task_id, container, process)
        process.over.set()
        with self._lock:
            wanted = not self._closing and self._running.get(task_id, {}).get(container) is process
        if wanted:
            self._ended(task_id, container, ended)

    def _reap(self, task_id: str, container: str, process: _Process) -> Exit:
        status = process.child.wait() if process.child is not None else None
        if self._keep:
            return self._recorded(task_id, container)
        assert status is not None  # noqa: S101 - only with `keep` is a process not our child
        return ending(status if status >= 0 else 128 - status, out_of_memory=False)

    def _recorded(self, task_id: str, container: str) -> Exit:
        file = self._file(task_id, container, "status")
        # Without a file, the shell that writes it was killed, and its command with it.
        return Exit(int(file.read_text())) if file.is_file() else Exit(128 + signal.SIGKILL)

    def stop(self, task_id: str, *, grace: Mapping[str, float]) -> None:
        with self._lock:
            processes = dict(self._running.get(task_id, {}))
        for name, process in processes.items():
            process.send(signal.SIGTERM if grace.get(name) else signal.SIGKILL)
        for name, process in processes.items():
            if not process.over.wait(grace.get(name, 0)):
                process.kill_group()
                process.over.wait()

    def remove(self, task_id: str) -> None:
        with self._lock:
            processes = self._running.pop(task_id, {})
        for process in processes.values():
            os.close(process.pidfd)
        self._clear(task_id)
        self._addresses.give_back(task_id)

    def find(self) -> Mapping[str, Started]:
        marked = self._marked()
        found: dict[str, dict[str, str]] = {}
        addresses: dict[str, Address] = {}
        for file in self._folder.glob("*.pid") if self._keep else ():
            task_id, container = file.name.removesuffix(".pid").split(".", 1)
            number = file.read_text()
            found.setdefault(task_id, {})[container] = number
            pid = int(number or 0)
            environment = marked.get(pid, {})
            if (environment.get(TASK), environment.get(CONTAINER)) == (task_id, container):
                self._addresses.keep(task_id, environment[ADDRESS])
                addresses[task_id] = self._addresses.take(task_id)
                self._attend(task_id, container, _Process(pid, os.pidfd_open(pid), None))
            else:
                self._ended(task_id, container, self._recorded(task_id, container))
        for pid, environment in marked.items():
            # What a container that is over, or is not kept, had started may have outlived it.
            if environment[CONTAINER] not in self._running.get(environment[TASK], {}):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return {task_id: Started(addresses.get(task_id), containers) for task_id, containers in found.items()}

    def _marked(self) -> dict[int, dict[str, str]]:
        """The environment of every process that a container of this instance is or has started, by its number."""
        return {
            process.pid: process.info["environ"]
            for process in psutil.process_iter(["environ"])
            if (process.info["environ"] or {}).get(INSTANCE) == self._instance
        }

    def logs(self, task_id: str, container: str) -> bytes:
        return self._logs.read(task_id, container)

    def close(self, *, keep: bool) -> None:
        self._closing = True
        with self._lock:
            left = [process for processes in self._running.values() for process in processes.values()]
        for process in left if not keep else ():
            process.kill_group()
            process.over.wait()
        self._starter.shutdown()


def _dies_with_us() -> list[str]:
    """A prefix that has the kernel kill the process when the thread that started it ends."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        log.warning("driver.without_setpriv", consequence="processes outlive a localaws that is killed")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
