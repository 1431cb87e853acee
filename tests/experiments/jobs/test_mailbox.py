"""What processes say is heard, whoever is killed while speaking."""

import os
import struct
import threading
from contextlib import suppress
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


def test_who_does_not_know_the_password_is_not_heard(mailbox, heard):
    for password in (b"", b"another", b"x" * 32, b"much too long" * 10):
        unknown = Sender(mailbox.address._replace(password=password))
        with suppress(OSError):
            unknown.send("unknown")
    Sender(mailbox.address).send("known")
    assert heard.wait_for(1) == ["known"]


def test_nobody_connects_to_a_closed_mailbox(heard):
    mailbox = Mailbox(heard.take)
    mailbox.close()
    with pytest.raises(OSError):
        Sender(mailbox.address)
