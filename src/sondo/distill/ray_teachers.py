"""Teachers in workers of Ray, on one machine or on many: each makes its own, reads the sound, and sends vectors back.

One process, the one that was started, goes on writing the bank. Ray places the workers, starts one that died again, and
gives it its steps again; steps come back in the order of the bank's rows, so that an interrupted stage goes on as ever.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.bank import Bank
from sondo.bank.column import describe_difference
from sondo.bank.sound import is_gone
from sondo.distill.sound import Clip
from sondo.distill.teach import Heard, decode, embed_clips, origin_of
from sondo.errors import SondoError, require
from sondo.in_threads import num_cores
from sondo.recipe import RayConfig, TeacherConfig
from sondo.screen import say
from sondo.teachers import Teacher, create

_AT_ONCE = 2
"""Steps that a worker has at a time: it decodes one while its teacher listens to the other."""

_RETRIES = 3
_NEEDS_RAY = "Teaching in workers (--ray.workers) needs Ray"
_PATIENCE_S = 30.0


def check_ray(config: RayConfig, teachers: Sequence[TeacherConfig], *, is_object: bool = False) -> None:
    """Refuse what workers of Ray cannot do, before anything is done.

    Args:
        config: The workers.
        teachers: Who is asked.
        is_object: Whether the teacher is an object of this process.

    Raises:
        SondoError: Ray is not installed, or a teacher that other processes cannot make.
    """
    if not config.workers:
        return
    require("ray", extra="ray", why=_NEEDS_RAY)
    if is_object or any(each.name.startswith("__main__:") for each in teachers):
        raise SondoError(
            "workers of Ray make their own teacher, which they find by its name: put its code into a module and give "
            "package.module:function, or leave out ray.workers"
        )


def ray_teachers(config: RayConfig, teacher: TeacherConfig) -> RayTeachers | None:
    """The workers for a teacher; None where this process listens itself."""
    return RayTeachers(config, teacher) if config.workers else None


class RayTeachers:
    """The workers that a configuration asks for; `heard` starts and ends them.

    Args:
        config: How many, and where.
        teacher: How each makes its teacher.
    """

    def __init__(self, config: RayConfig, teacher: TeacherConfig) -> None:
        path = teacher.checkpoint
        if path is not None and Path(path).exists():  # a worker may have another working folder
            teacher = replace(teacher, checkpoint=os.path.abspath(path))
        self._config, self._teacher = config, teacher

    def heard(self, bank: Bank, teacher: Teacher, steps: Iterable[list[Clip]]) -> Generator[Heard, None, None]:
        """Steps of clips, in their order, with their vectors.

        Args:
            bank: The bank.
            teacher: The teacher of this process: those of the workers must be the same.
            steps: Clips that a worker gets at a time.

        Shape:
            -> (clips, embedding_dim) for each step.

        Raises:
            SondoError: No Ray, too few processors for so many workers, a worker with another teacher or without the
                sound, whatever is wrong with a clip, or workers that died again and again.
        """
        left = iter(steps)
        room = _room(self._config)
        first = list(islice(left, room))  # more workers than steps would start for nothing
        if not first:
            return
        left = chain(first, left)
        config = replace(self._config, workers=len(first))
        if config.workers < self._config.workers:
            why = "there is no more to do" if config.workers < room else f"this machine has no more cores than {room}"
            say(f"teach: {config.workers} of {self._config.workers} workers, for {why}")
        with _running(config) as ray:
            processes = self._start(ray, bank, teacher, config)
            free = deque([*processes] * _AT_ONCE)
            at_work: dict[Any, Any] = {}
            waiting: deque[tuple[list[Clip], Any, Any]] = deque()
            # A slow worker must not let the vectors of the others pile up.
            while True:
                while free and len(waiting) < 2 * _AT_ONCE * len(processes) and (clips := next(left, None)) is not None:
                    worker = free.popleft()
                    answer = worker.listen.remote(clips)
                    at_work[answer] = worker
                    waiting.append((clips, worker, answer))
                if not waiting:
                    return
                if waiting[0][-1] in at_work:
                    for done in ray.wait(list(at_work))[0]:
                        free.append(at_work.pop(done))
                    continue
                clips, worker, answer = waiting.popleft()
                process, vectors = _answer(
                    ray, answer, f"{clips[0].uri} at {clips[0].offset_s:g} s or a clip behind it"
                )
                if process != processes[worker]:
                    processes[worker] = process
                    say("teach: a worker died, and Ray started it again")
                yield clips, vectors

    def _start(self, ray: Any, bank: Bank, teacher: Teacher, config: RayConfig) -> dict[Any, int]:
        """The workers, each with the teacher and within reach of the sound, and the number of its process."""
        count = config.workers
        kind = ray.remote(_Worker).options(
            num_cpus=1,
            num_gpus=_gpus_per_worker(ray, config),
            max_concurrency=_AT_ONCE,
            max_restarts=-1,
            max_task_retries=_RETRIES,
        )
        origin = origin_of(teacher)
        workers = [kind.remote(self._teacher, origin, bank.info.compat) for _ in range(count)]
        uri = bank.take([0], ["uri"]).column(0)[0].as_py()
        looked_for = None if is_gone(uri) else uri
        answers = [worker.ready.remote(looked_for) for worker in workers]
        while late := ray.wait(answers, num_returns=count, timeout=_PATIENCE_S)[1]:
            say(f"teach: {count - len(late)} of {count} workers of Ray are ready, waiting for the others")
        processes = [_answer(ray, answer, f"making the teacher {teacher.name}") for answer in answers]
        return dict(zip(workers, processes, strict=True))


def _answer(ray: Any, answer: Any, what: str) -> Any:
    """What a worker says, or the error that it met."""
    try:
        value = ray.get(answer)
    except ray.exceptions.RayTaskError:
        raise  # of the teacher's own code, with the traceback there
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        raise SondoError(
            f"workers of Ray died {_RETRIES + 1} times at {what} (too little memory?): what was done is kept, the same "
            f"command goes on from there. Ray says: {reason}"
        ) from error
    if isinstance(value, SondoError):
        raise value
    return value


def _room(config: RayConfig) -> int:
    """How many of the workers there are cores for, where Ray is started here; one that runs says so itself."""
    ray = require("ray", extra="ray", why=_NEEDS_RAY)
    if config.address or ray.is_initialized():
        return config.workers
    return min(config.workers, num_cores())


def _gpus_per_worker(ray: Any, config: RayConfig) -> float:
    """The GPUs of a worker, where there are enough of them.

    Raises:
        SondoError: There are too few GPUs or processor cores for so many workers, which Ray would wait for.
    """
    there = ray.cluster_resources()
    gpus = config.gpus_per_worker
    if gpus is None:
        gpus = 1.0 if there.get("GPU") else 0.0
    for kind, each in (("CPU", 1.0), ("GPU", gpus)):
        if each * config.workers > there.get(kind, 0.0):
            raise SondoError(
                f"{config.workers} workers of {each:g} {kind} each do not fit: Ray has {there.get(kind, 0.0):g}. Set "
                "fewer --ray.workers" + (", or a part of a GPU for each (--ray.gpus_per_worker 0.5)" * (kind == "GPU"))
            )
    return gpus


@contextmanager
def _running(config: RayConfig) -> Iterator[Any]:
    """Ray, joined or started here and then left; one that runs in this process already stays.

    Raises:
        SondoError: There is none at the address.
    """
    ray = require("ray", extra="ray", why=_NEEDS_RAY)
    if ray.is_initialized():
        yield ray
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # What Ray knows of dead workers it writes on standard output, where results go; it has no public switch for that.
    ray._private.worker._worker_logs_enabled = False
    cores = {"include_dashboard": False, "num_cpus": num_cores()}
    try:
        with warnings.catch_warnings():
            # Lance warns of forks; those of Ray become programs of its own at once.
            warnings.filterwarnings("ignore", "lance is not fork-safe")
            warnings.filterwarnings("ignore", module="ray")  # the error says the same
            ray.init(
                address=config.address or "local",
                logging_level=logging.ERROR,
                log_to_driver=False,
                **({} if config.address else cores),
            )
    except (ConnectionError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SondoError(
            f"no Ray answers at {config.address} ({reason}): start it there with `ray start --head`, give this machine "
            "its token where it asks for one, or leave out --ray.address for one on this machine"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


class _Worker:
    """What Ray starts: a process with a teacher of its own."""

    def __init__(self, teacher: TeacherConfig, origin: dict[str, Any], compat: str | None) -> None:
        self._config, self._origin, self._compat = teacher, origin, compat
        self._teacher: Teacher | None = None
        self._one_at_a_time = threading.Lock()
        self._pool = ThreadPoolExecutor(2)

    def ready(self, uri: str | None) -> int | SondoError:
        """Make the teacher, and look for a file that the process which started this one sees; the process's number."""
        try:
            self._made()
            if uri is not None and is_gone(uri):
                raise SondoError(
                    f"{socket.gethostname()} does not see {uri}: workers read the sound where the bank says, so it has "
                    "to lie at the same path on all machines, as in a shared folder"
                )
        except SondoError as error:
            return error
        return os.getpid()

    def listen(self, clips: list[Clip]) -> tuple[int, NDArray[np.float32]] | SondoError:
        """The process's number, and the vectors of a step, (clips, embedding_dim)."""
        try:
            teacher = self._made()
            futures = decode(clips, teacher.sample_rate, compat=self._compat, pool=self._pool)
            sounds = [sound for future in futures for sound in future.result()]
            with self._one_at_a_time:
                return os.getpid(), embed_clips(teacher, clips, sounds, self._config.batch_size)
        except SondoError as error:
            return error  # as a value: what is raised comes back in Ray's words

    def _made(self) -> Teacher:
        """The teacher, made at first use: a worker that was started again has to make it again."""
        with self._one_at_a_time:
            if self._teacher is None:
                made = create(self._config.name, **self._config.options())
                if (found := origin_of(made)) != self._origin:
                    raise SondoError(
                        f"{socket.gethostname()} has another teacher {made.name}: "
                        f"{describe_difference(self._origin, found)}. All machines need the same files and versions"
                    )
                self._teacher = made
            return self._teacher
