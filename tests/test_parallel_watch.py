"""Workers meet, hear of each other's failures, and name the one at fault."""

import contextlib
import json
import socket
import threading
import time

import pytest

from ae_lib.training import _parallel_meet as meeting
from ae_lib.training import _parallel_watch as watching
from ae_lib.training._parallel_meet import Failure, free_port, meet
from ae_lib.training._parallel_watch import Watch

GUARD = 240  # seconds after which a run hangs: a guard for the suite, no claim about speed


def listens(where):
    with socket.socket() as probe:
        return not probe.connect_ex(meeting.split_address(where))


def card(index, processes=2, stored="", **settings):
    settings = {"batch": 64, **settings}
    return {
        "index": index,
        "processes": processes,
        "host": f"host{index}",
        "settings": settings,
        "stored": stored,
    }


def met(*cards, patience=20):
    """What ``meet`` gave or raised to each of these workers."""
    address = f"127.0.0.1:{free_port()}"
    return outcomes(*(lambda own=own: meet(address, own, patience) for own in cards))


def test_three_meet():
    teams = met(*(card(i, processes=3) for i in range(3)))
    engines = [c["engine"] for c in teams[0].cards]
    assert len(set(engines)) == 3
    assert all(team.cards == teams[0].cards for team in teams)
    for team in teams:
        team.close()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (card(1, batch=32), "batch: worker 1 on host1 has 32, worker 0 on host0 has 64"),
        (card(1, processes=3), "processes: worker 1 on host1 has 3, worker 0 on host0 has 2"),
        (card(1, stored="x"), "worker 1 on host1 and worker 0 on host0 see different checkpoints"),
    ],
)
def test_workers_that_disagree_all_hear_why(other, words):
    for failure in met(card(0), other):
        assert isinstance(failure, Failure)
        assert words in str(failure)


def test_an_index_given_twice():
    found = met(card(0, processes=3), card(1, processes=3), card(1, processes=3), patience=2)
    said = sorted(str(failure) for failure in found)
    assert said[0].startswith("index: worker 1 is there already, on host1")
    assert said[1:] == [said[1]] * 2 and said[1].startswith("worker 2 of 3 did not come")


def test_a_stranger_at_the_door():
    """Whoever else connects to the port neither joins nor stops the workers."""
    address = f"127.0.0.1:{free_port()}"

    def late():
        while not listens(address):  # itself a stranger that says nothing
            time.sleep(0.01)
        with socket.create_connection(meeting.split_address(address)) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            return meet(address, card(1), 20)

    first, other = outcomes(lambda: meet(address, card(0), 20), late)
    assert [len(team.cards) for team in (first, other)] == [2, 2]
    for team in (first, other):
        team.close()


@pytest.mark.parametrize(
    "line",
    [b'{"index": 1}', b'{"index": [1], "processes": 2}', b"[]", b"1", b"[" * 10_000]
    + [json.dumps({**card(i), "engine": "127.0.0.1:9"}).encode() for i in (-1, 0, 2, True)]
    + [json.dumps({**card(1), "engine": "nowhere"}).encode()]
    + [json.dumps({**card(1), "engine": "127.0.0.1:9", "name_address": 7}).encode()],
)
def test_a_stranger_who_speaks_json(line):
    address = f"127.0.0.1:{free_port()}"

    def late():
        while not listens(address):
            time.sleep(0.01)
        with socket.create_connection(meeting.split_address(address)) as stranger:
            stranger.sendall(line + b"\n")
            return meet(address, card(1), 20)

    first, other = outcomes(lambda: meet(address, card(0), 20), late)
    assert [len(team.cards) for team in (first, other)] == [2, 2]
    for team in (first, other):
        team.close()


def test_one_that_went_may_come_again():
    """Stopped by hand while it waited for the others, say."""
    address = f"127.0.0.1:{free_port()}"

    def twice():
        while not listens(address):
            time.sleep(0.01)
        own = json.dumps({**card(1, processes=3), "engine": "127.0.0.1:9"}).encode() + b"\n"
        with socket.create_connection(meeting.split_address(address)) as gone:
            gone.sendall(own)
        return outcomes(*(lambda i=i: meet(address, card(i, processes=3), 20) for i in (1, 2)))

    first, (again, other) = outcomes(lambda: meet(address, card(0, processes=3), 20), twice)
    assert [len(team.cards) for team in (first, again, other)] == [3, 3, 3]
    for team in (first, again, other):
        team.close()


@pytest.mark.parametrize(
    "line",
    [b"", b"1", b"[]", b'"stop"', b"HTTP/1.1 400", b'{"cards": 5}', b'{"cards": [1]}']
    + [b'{"cards": [{"engine": "nowhere"}]}'],
)
def test_who_listens_is_no_worker_0(line):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def answer():
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as lines:
                lines.readline()
                connection.sendall(line + b"\n")

        failure, _ = outcomes(lambda: meet(address, card(1), 20), answer)
    assert str(failure) == f"coordinator: who listens on {address} is no worker 0 of this"


def test_worker_0_waits_for_longer_than_another():
    with socket.create_server(("127.0.0.1", 0)) as server:  # it takes the call, and is silent
        address = f"127.0.0.1:{server.getsockname()[1]}"
        (failure,) = outcomes(lambda: meet(address, card(1), 0.2))
    assert str(failure).startswith(f"coordinator: worker 0 on {address} still waits for others")


class Connection:
    """One that came to worker 0 by an address."""

    def __init__(self, host):
        self.host = host

    def getsockname(self):
        return self.host, 5000


@pytest.mark.parametrize(
    ("hosts", "address"),
    [
        ([], "127.0.0.1"),
        (["127.0.0.1", "127.0.0.1"], "127.0.0.1"),
        (["10.1.2.3", "10.1.2.3"], "10.1.2.3"),
        (["::1"], "::1"),
        (["::ffff:10.1.2.3"], "10.1.2.3"),  # IPv4, to a socket for both
    ],
)
def test_worker_0_is_where_the_others_have_reached_it(hosts, address):
    arrived = {i: (Connection(host), None) for i, host in enumerate(hosts, 1)}
    assert meeting._address_of_all(arrived, {}) == address


def test_one_by_the_loopback_among_others_from_outside_is_refused():
    arrived = {i: (Connection(host), None) for i, host in [(1, "127.0.1.1"), (2, "10.1.2.3")]}
    with pytest.raises(Failure, match="worker 1 on host1 has come by 127.0.1.1, .*/etc/hosts"):
        meeting._address_of_all(arrived, {1: card(1), 2: card(2)})


def by_ipv6():
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return ["::1"] * socket.has_dualstack_ipv6()
    return []


@pytest.mark.parametrize("by", ["127.0.0.1", *by_ipv6()])
def test_a_name_that_stands_for_the_loopback_is_listened_to_everywhere(monkeypatch, by):
    """As Debian writes a host's own name: 127.0.1.1 in its /etc/hosts."""
    port = free_port("127.0.1.1")
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *a, **k: real({"me": "127.0.1.1"}.get(host, host), *a, **k),
    )
    first, other = outcomes(
        lambda: meet(f"me:{port}", card(0), 20),
        lambda: meet(meeting.join_address(by, port), card(1), 20),  # as if from elsewhere
    )
    assert [meeting.split_address(c["engine"])[0] for c in first.cards] == [by] * 2
    assert other.cards == first.cards
    for team in (first, other):
        team.close()


def named(index, real, name):
    return {**card(index), "engine": meeting.join_address(real, 9), "name_address": name}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("127.0.1.1", '127.0.1.1, .*"10.0.0.2 host1", and no longer "127.0.1.1 host1"$'),
        ("", 'no address that it has, .* say "10.0.0.2 host1"$'),
    ],
)
def test_a_machine_whose_name_means_nothing_to_others_is_told_what_to_write(name, words):
    cards = {0: named(0, "10.0.0.1", "10.0.0.1"), 1: named(1, "10.0.0.2", name)}
    with pytest.raises(Failure, match=f"host: host1, where worker 1 runs, .* for {words}"):
        meeting._check_names(cards)


def test_on_one_machine_its_name_may_mean_what_it_will():
    meeting._check_names({i: named(i, "127.0.0.1", name) for i, name in enumerate(["", "::1"])})
    meeting._check_names({i: card(i) | {"engine": "10.0.0.1:9"} for i in (0, 1)})  # TensorFlow


@pytest.mark.parametrize(
    ("stands_for", "address"),
    [(["127.0.1.1"], "127.0.1.1"), (["192.0.2.1"], ""), (["192.0.2.1", "127.0.0.1"], "127.0.0.1")],
)
def test_what_the_machine_s_name_stands_for(monkeypatch, stands_for, address):
    """The first that it can listen on; 192.0.2.1 is nobody's."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in stands_for]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: found)
    assert meeting.name_address() == address


@pytest.fixture
def pair():
    teams = met(card(0), card(1))
    yield teams
    for team in teams:
        team.close()


def watch(team, saved=40, keeps=True):
    shown = []
    return Watch(team, saved, keeps, shown.append), shown


def outcomes(*functions):
    """What each of these, run side by side, returned or raised; fails if one hangs."""
    found = [TimeoutError("it hangs")] * len(functions)

    def go(place):
        try:
            found[place] = functions[place]()
        except Failure as failure:
            found[place] = failure

    threads = [threading.Thread(target=go, args=(i,), daemon=True) for i in range(len(functions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GUARD / 8)
    return found


def failure_of(watched):
    (failure,) = outcomes(watched.run)
    assert isinstance(failure, Failure), failure
    return str(failure)


def test_both_finish(pair):
    first, other = (watch(team)[0] for team in pair)
    for team in pair:
        team.messages.put((team.index, {"step": 50, "finished": True}))
    assert outcomes(first.run, other.run) == [None, None]
    assert first.done and other.done


def test_silence_is_noticed_on_both_sides(pair, monkeypatch):
    monkeypatch.setattr(watching, "SILENCE", 0.3)
    monkeypatch.setattr(watching, "GRACE", 60)
    (first, _), (other, _) = (watch(team) for team in pair)
    said = failure_of(first)
    assert said.startswith("worker 1 of 2 on host host1 stopped answering at step 40 (silent")
    assert said.endswith("start again with the same command to go on from step 40")
    assert failure_of(other).startswith("worker 0 of 2 on host host0 stopped answering")


def test_workers_that_wait_for_each_other_are_stopped(pair, monkeypatch):
    monkeypatch.setattr(watching, "START", 0.3)
    first = Watch(pair[0], 40, True, print, stall=0.2)
    assert failure_of(first).startswith("no worker has taken a step for 0 s after step 40: all")
    assert not first.moving


def test_a_first_step_may_take_longer_than_the_later_ones(pair):
    first = Watch(pair[0], 40, True, lambda message: None, stall=0.1)
    first.moved -= 60
    first.take(0, {"step": 0})  # its trainer has not read the checkpoint yet
    first.check_time()  # not one step yet: something large may be compiling
    pair[0].messages.put((0, {"resumed": 41, "step": 41}))
    pair[0].messages.put((0, {"step": 42}))
    said = failure_of(first)
    assert said.startswith("no worker has taken a step for 0 s after step 42: all were stopped")
    assert said.endswith("with a longer --stall if a step takes that long")


def test_lost_connection(pair):
    first, _ = watch(pair[0], saved=0, keeps=False)
    pair[1].close()
    said = failure_of(first)
    assert said.startswith("worker 1 of 2 on host host1 stopped answering at step 0;")
    assert said.endswith("with --folder it would go on from its last checkpoint")


def test_the_cause_counts_not_its_consequence(pair):
    """Worker 0's engine gives up first; the kill that made it so is heard of a moment later."""
    first, _ = watch(pair[0])
    pair[0].messages.put((0, {"ended": 1, "words": "RuntimeError: connection closed by peer"}))
    pair[1].send({"step": 47})
    pair[1].send({"ended": -9, "words": ""})
    said = failure_of(first)
    assert said.startswith("worker 1 of 2 on host host1 stopped answering at step 47 (killed by")


def test_a_frozen_worker_is_named_not_the_one_that_complains(pair, monkeypatch):
    monkeypatch.setattr(watching, "QUIET", 0.2)
    first, _ = watch(pair[0])
    time.sleep(0.3)
    pair[0].messages.put((0, {"step": 41}))
    pair[0].messages.put((0, {"ended": -6, "words": "unhealthy tasks"}))
    assert failure_of(first).startswith("worker 1 of 2 on host host1 stopped answering")


def test_a_failure_of_its_own(pair, monkeypatch):
    monkeypatch.setattr(watching, "GRACE", 0.1)
    first, _ = watch(pair[0])
    pair[1].send({"step": 43, "saved": 42, "ended": 1, "words": "MemoryError: no room"})
    said = failure_of(first)
    assert said.startswith("worker 1 of 2 on host host1 failed at step 43 (MemoryError: no room)")
    assert said.endswith("to go on from step 42")


def test_a_clear_error_is_passed_on_as_it_is(pair):
    first, _ = watch(pair[0])
    pair[1].send({"error": "the loss became nan in step 7: nothing more can be learned"})
    assert failure_of(first) == "the loss became nan in step 7: nothing more can be learned"
