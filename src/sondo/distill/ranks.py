"""Processes that train together, one for each device (in torch's word, ranks), and the one that started them.

Neither of lightning's launchers fits a command that has done other stages before: one runs the command line again for
each device, the other has every process write on the screen. So the processes are started here, by Python's
multiprocessing, and each finds its place taken: lightning trains in them as in processes of `torchrun`.

They are bare: what they have done is on disk after every epoch, so there is nothing that they need to tidy. Ctrl-C goes
to the process that started them, which ends them; where that one is killed, each ends itself.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch
from torch import distributed
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from sondo.errors import SondoError
from sondo.screen import Shown, elsewhere

_HOST = "127.0.0.1"
_GRACE_S = 3.0
"""How long other processes may say why they failed: where one dies, the rest only know that a connection is lost."""

_REFUSED, _FAILED, _BEGUN = "refused", "failed", "begun"


@dataclass
class _Rank:
    """One of the processes, as the one that started them sees it."""

    process: BaseProcess
    pipe: Connection
    has_begun: bool = False


def run_ranks(work: Callable[[], None], *, num_ranks: int) -> None:
    """Do something in several processes that torch.distributed joins; returns when all have done it.

    Args:
        work: What each does; it is sent pickled, through a pipe. There `torch.distributed` is set up, and what is said
            in the first process stands on the screen of this one.
        num_ranks: Number of processes.

    Raises:
        SondoError: As `work`; or a process that was killed or could not begin. None is left.
        RuntimeError: `work` failed in another way; the message ends with its traceback.
    """
    sent = _pickled(work)
    store = TCPStore(_HOST, 0, is_master=True, wait_for_workers=False)  # 0: a port that is free
    context = multiprocessing.get_context("spawn")  # a fork would lose the threads of Lance, and CUDA forbids it
    ranks: list[_Rank] = []
    try:
        with _interrupts_held_back():
            for rank in range(num_ranks):
                here, there = context.Pipe()
                process = context.Process(target=_work_as, args=(rank, num_ranks, store.port, there))
                process.start()
                there.close()
                ranks.append(_Rank(process, here))
        for each in ranks:
            with suppress(OSError):  # it is dead, which `_watch` will find
                each.pipe.send_bytes(sent)
        _watch(ranks)
    finally:
        for each in ranks:
            each.process.kill()
        for each in ranks:
            each.process.join()


def _pickled(work: Callable[[], None]) -> bytes:
    try:
        # Not by torch's own pickler, which would let all processes train one copy of the weights in shared memory.
        return pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise SondoError(
            f"what is trained cannot be sent to other processes ({error}): take a network whose classes and functions "
            "stand in a module, or one device (--train.devices 1)"
        ) from error


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let processes that are started in this block never hear of Ctrl-C; here it takes effect behind the block."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows each then says that it was interrupted
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# -- in the process that started them ------------------------------------------------------------------------


def _watch(ranks: list[_Rank]) -> None:
    """Show what the processes say until all have ended."""
    at_work = {each.pipe: number for number, each in enumerate(ranks)}
    reasons: list[Exception] = []
    until_s: float | None = None
    with Shown() as shown:
        while at_work:
            ready = wait(list(at_work), timeout=None if until_s is None else max(0.0, until_s - time.monotonic()))
            if not ready:
                break
            for pipe in ready:
                assert isinstance(pipe, Connection)
                try:
                    event = pipe.recv()
                except (EOFError, OSError):
                    number = at_work.pop(pipe)
                    ranks[number].process.join()
                    reasons += _of_its_end(ranks[number], number, len(ranks))
                    continue
                if event[0] == _BEGUN:
                    ranks[at_work[pipe]].has_begun = True
                elif event[0] in (_REFUSED, _FAILED):
                    reasons.append((SondoError if event[0] == _REFUSED else RuntimeError)(event[1]))
                else:
                    shown(event)
            if reasons and until_s is None:
                until_s = time.monotonic() + _GRACE_S
    if reasons:
        # What one process ran into makes the others fail too, in the words of torch: a sentence of ours tells more.
        raise next((reason for reason in reasons if isinstance(reason, SondoError)), reasons[0])


def _of_its_end(rank: _Rank, number: int, num_ranks: int) -> list[Exception]:
    """What to say of a process that has ended; nothing where it did its work, or has said itself what was wrong."""
    code = rank.process.exitcode or 0
    if code < 0:
        return [
            SondoError(
                f"process {number + 1} of the {num_ranks} that train was ended by signal {-code} (too little memory?): "
                "what was done is kept, the same command goes on from there"
            )
        ]
    if code and not rank.has_begun:
        return [
            SondoError(
                f"process {number + 1} of the {num_ranks} that train could not begin (see above): a script that trains "
                'on several devices has its calls behind `if __name__ == "__main__":`, for each process reads it anew'
            )
        ]
    return []


# -- in each of them -----------------------------------------------------------------------------------------


def _work_as(rank: int, num_ranks: int, port: int, pipe: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    pipe.send((_BEGUN, ""))
    with elsewhere(pipe.send if rank == 0 else _unheard):
        try:
            work = _unpickled(pipe.recv_bytes())
            _join(rank, num_ranks, port)
            work()
            distributed.destroy_process_group()
        except BaseException as error:
            is_told = isinstance(error, SondoError)
            pipe.send((_REFUSED, str(error)) if is_told else (_FAILED, traceback.format_exc()))
            pipe.close()
            os._exit(1)  # tidying up would wait for processes that are gone


def _unheard(_: Any) -> None:
    """Nothing is shown of the other processes: they say the same."""


def _unpickled(sent: bytes) -> Callable[[], None]:
    sys.path.append(os.getcwd())  # as `sondo.students.own` finds networks of users
    try:
        work: Callable[[], None] = pickle.loads(sent)  # noqa: S301, from the process that started this one
    except (AttributeError, ImportError) as error:
        raise SondoError(
            f"what is trained cannot be made in other processes ({error}): put the code of the network into a module, "
            "or train on one device (--train.devices 1)"
        ) from error
    return work


def _join(rank: int, num_ranks: int, port: int) -> None:
    has_gpus = torch.cuda.is_available()
    if has_gpus:
        torch.cuda.set_device(rank)
    else:
        torch.set_num_threads(max(1, torch.get_num_threads() // num_ranks))
    os.environ["LOCAL_RANK"], os.environ["NODE_RANK"] = str(rank), "0"  # where lightning's own environment looks
    store = TCPStore(_HOST, port, is_master=False)
    backend = "nccl" if has_gpus else "gloo"
    distributed.init_process_group(backend, store=store, rank=rank, world_size=num_ranks)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, whatever it waits for."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "another process started this one"
    parent.join()
    os._exit(1)
