"""What processes say is heard, whoever is killed while speaking."""

import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tf_lottery.experiments.jobs.mailbox import Mailbox, Sender

_ROOT = Path(__file__).parents[3]


class Heard:
    """Notes messages, and waits for a number of them."""

    def __init__(self):
        self.messages, self._more = [], threading.Condition()

    def take(self, message):
        with self._more:
            self.messages.append(message)
            self._more.notify_all()

    def wait_for(self, count):
        with self._more:
            assert self._more.wait_for(lambda: len(self.messages) >= count, timeout=30)
        return self.messages


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def mailbox(heard):
    mailbox = Mailbox(heard.take)
    yield mailbox
    mailbox.close()


def test_messages_of_each_come_in_order(mailbox, heard):
    senders = {name: Sender(mailbox.address) for name in "abc"}
    for number in range(100):
        for name, sender in senders.items():
            sender.send((name, number))
    messages = heard.wait_for(300)
    for name in senders:
        assert [number for own, number in messages if own == name] == list(range(100))


def test_threads_of_one_process_do_not_mix_their_messages(mailbox, heard):
    sender = Sender(mailbox.address)
    threads = [
        threading.Thread(target=lambda text=text: [sender.send(text * 100_000) for _ in range(20)])
        for text in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard.wait_for(80)) == sorted(
        text * 100_000 for text in "abcd" for _ in range(20)
    )


def test_who_is_cut_off_in_a_message_does_not_keep_others_from_being_heard(mailbox, heard):
    cut_off, other = Sender(mailbox.address), Sender(mailbox.address)
    os.write(cut_off._connection.fileno(), struct.pack("!i", 1_000) + b"half of it")
    cut_off.close()
    other.send("whole")
    Sender(mailbox.address).send("new")
    assert sorted(heard.wait_for(2)) == ["new", "whole"]


def test_who_does_not_know_the_key_is_not_heard(mailbox, heard):
    process, key = multiprocessing.current_process(), multiprocessing.current_process().authkey
    try:
        process.authkey = b"another"
        with pytest.raises(multiprocessing.AuthenticationError):
            Sender(mailbox.address)
    finally:
        process.authkey = key
    Sender(mailbox.address).send("known")
    assert heard.wait_for(1) == ["known"]


def test_nobody_connects_to_a_closed_mailbox(heard):
    mailbox = Mailbox(heard.take)
    mailbox.close()
    with pytest.raises(OSError):
        Sender(mailbox.address)


_KILLED = """
import faulthandler, os, signal, threading
from tf_lottery.experiments.jobs import worker
from tf_lottery.experiments.jobs.processes import Processes
from tf_lottery.report.side_by_side import SideBySideProgress

def speak():
    while True:
        worker._sender.send(("live", 0, ("all the time " * 10_000, None)))

def die():
    for _ in range(4):
        threading.Thread(target=speak, daemon=True).start()
    threading.Event().wait(0.5)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    faulthandler.dump_traceback_later(100, exit=True)
    try:
        with Processes(print, 2, (), 0) as processes:
            processes._progress = SideBySideProgress(["one"])
            processes.call(1, die).result()
    except ConnectionError as error:
        print(error)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_worker_that_is_killed_while_it_speaks_ends_the_study(tmp_path):
    program = tmp_path / "killed.py"
    program.write_text(_KILLED)
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    done = subprocess.run(
        [sys.executable, str(program)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert "ended from outside" in done.stdout and "the same command continues" in done.stdout
