"""Workers that meet, tell one another how far they are, and notice when one is gone.

Worker 0 listens where all can reach it; the others connect. What they send are lines of JSON,
nothing that could be executed; the network is taken to be a trusted one. The numbers that are
trained do not pass here: they are the engine's business.
"""

import contextlib
import ipaddress
import json
import queue
import signal
import socket
import threading
import time

SILENCE = 30.0  # seconds without a sign of life after which a worker counts as gone
STALL = 300.0  # seconds in which all are alive and none takes a step: they wait for each other
START = 1800.0  # the same before the first step, which has to be compiled
QUIET = 5.0  # the same, when the engine of another worker has given up already
GRACE = 3.0  # seconds in which the cause of a failure may still overtake its consequence


class Failure(Exception):
    """What went wrong, in one line. ``status`` is the exit status."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


PORT_TAKEN = 75  # exit status: try again with another port


def split_address(text):
    """``("host", port)`` of ``"host:port"``; an IPv6 address stands in brackets."""
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        raise Failure(f"coordinator: expected host:port, got {text!r}", 2)
    return host.strip("[]"), int(port)


def join_address(host, port):
    """The inverse of ``split_address``."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host):
    """Whether an address, or a host's name as it was given, is for this machine alone."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def free_port(host="127.0.0.1"):
    """A port of this machine that nobody listened on a moment ago."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def _resolve(host, port):
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise Failure(f"coordinator: no host is called {host!r} ({error.strerror})", 2) from error


class Team:
    """The other workers, as one of them sees them.

    ``cards`` holds what each worker said of itself when they met, by index. ``messages`` is a
    queue of ``(index, message)``; None for a message says that the connection is closed. For
    all but worker 0, everything comes from worker 0.
    """

    def __init__(self, index, connections, cards):
        self.index, self.cards = index, cards
        self.messages = queue.Queue()
        self._files = {i: reader[1] for i, reader in connections.items()}
        self._sockets = {i: reader[0] for i, reader in connections.items()}
        for i in connections:
            threading.Thread(target=self._listen, args=(i,), daemon=True).start()

    def send(self, message):
        """To worker 0; from worker 0, to all. Who is gone misses it."""
        for connection in self._sockets.values():
            _send(connection, message)

    def close(self):
        for connection in self._sockets.values():
            _close(connection)

    def _listen(self, i):
        try:
            for line in self._files[i]:
                self.messages.put((i, json.loads(line)))
        except (OSError, ValueError):
            pass
        self.messages.put((i, None))


def _send(connection, message):
    with contextlib.suppress(OSError):  # the listener will say so
        connection.sendall(json.dumps(message).encode() + b"\n")


def _close(connection):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def meet(address, card, patience, engine_port=free_port):
    """Wait until all workers are there and agree on what to do.

    Args:
        address: ``"host:port"`` of worker 0.
        card: dict with ``index``, ``processes``, ``host`` (this machine's name), ``settings``
            and ``stored`` (the digest of the checkpoints this worker sees).
        patience: seconds to wait.
        engine_port: function from this worker's own address to a free port there.

    Returns:
        ``Team``; each of its cards has an ``engine`` address beside what its worker gave: the
        address by which that worker and worker 0 have reached each other.

    Raises:
        Failure: the host is unknown, the port taken, someone does not come in time, or
            two workers disagree; or workers on several machines, one of them by an address
            that only its own machine knows.

    Given a loopback address worker 0 listens on that, else on all of its machine's addresses:
    its own name may stand for 127.* in its /etc/hosts, and a machine in a cloud does not have
    the address that others know it by.
    """
    host, port = split_address(address)
    family, _, _, _, where = _resolve(host, port)
    if card["index"]:
        return _join(family, where, address, card, patience, engine_port)
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    everywhere = ("::" if family == socket.AF_INET6 else "", port)
    try:
        listener.bind(where if is_loopback(host) else everywhere)
    except OSError as error:
        listener.close()
        raise Failure(
            f"coordinator: worker 0 cannot listen on {address}: {error.strerror}; it must be a "
            "free port of the machine that worker 0 runs on",
            PORT_TAKEN,
        ) from error
    with listener:
        listener.listen()
        return _gather(listener, card, patience, engine_port)


def _join(family, where, address, card, patience, engine_port):
    end = time.monotonic() + patience
    while True:
        connection = socket.socket(family)
        try:
            connection.settimeout(max(0.1, min(5.0, end - time.monotonic())))
            connection.connect(where)
            break
        except OSError:
            connection.close()
            if time.monotonic() > end:
                raise Failure(
                    f"coordinator: nobody answers on {address} for {patience:g} s; is worker 0 "
                    "started there, and does no firewall stand between?"
                ) from None
            time.sleep(0.2)
    here = connection.getsockname()[0]
    _send(connection, {**card, "engine": join_address(here, engine_port(here))})
    connection.settimeout(max(1.0, end - time.monotonic()) + patience)
    lines = connection.makefile("rb")
    try:
        answer = json.loads(lines.readline())
    except (OSError, ValueError):
        _close(connection)
        raise Failure(f"coordinator: who listens on {address} is no worker 0 of this") from None
    if "stop" in answer:
        raise Failure(answer["stop"])
    connection.settimeout(None)
    first, *others = answer["cards"]
    _, port = split_address(first["engine"])
    first["engine"] = join_address(connection.getpeername()[0], port)  # as it is reached from here
    return Team(card["index"], {0: (connection, lines)}, [first, *others])


def _gather(listener, me, patience, engine_port):
    end, arrived, cards = time.monotonic() + patience, {}, {0: me}
    try:
        while len(cards) < me["processes"]:
            listener.settimeout(max(0.01, end - time.monotonic()))
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                missing = sorted(set(range(me["processes"])) - set(cards))
                raise Failure(
                    f"worker {missing[0]} of {me['processes']} did not come within {patience:g} s"
                    f": start it with --index {missing[0]} and else the same options"
                ) from None
            connection.settimeout(5)
            lines = connection.makefile("rb")
            try:
                card = _card(lines.readline())
                index = card["index"]
            except (OSError, ValueError, Failure):  # a stranger
                connection.close()
                continue
            if index in cards:
                words = f"index: worker {index} is there already, on {cards[index]['host']}"
                _send(connection, {"stop": words})
                connection.close()
                continue
            connection.settimeout(None)
            arrived[index], cards[index] = (connection, lines), card
            _compare(me, card)
        mine = _address_of_all(arrived, cards)
        cards[0] = {**me, "engine": join_address(mine, engine_port(mine))}
    except Failure as failure:
        for connection, _ in arrived.values():
            _send(connection, {"stop": str(failure)})
            _close(connection)
        raise
    cards = [cards[i] for i in range(me["processes"])]
    for connection, _ in arrived.values():
        _send(connection, {"cards": cards})
    return Team(0, arrived, cards)


_KINDS = {"index": int, "processes": int, "host": str, "settings": dict, "stored": str}


def _card(line):
    """What a worker says of itself; ValueError or Failure from whoever is none."""
    card = json.loads(line)
    if not isinstance(card, dict) or not all(
        isinstance(card.get(name), kind) for name, kind in _KINDS.items()
    ):
        raise ValueError("no card")
    split_address(str(card.get("engine")))
    if card["index"] < 1:
        raise ValueError("no index")
    return card


def _address_of_all(arrived, cards):
    """The address of worker 0's by which the others came; the loopback if there are none."""
    reached = {i: connection.getsockname()[0] for i, (connection, _) in arrived.items()}
    far = [host for host in reached.values() if not is_loopback(host)]
    if not far:
        return next(iter(reached.values()), "127.0.0.1")
    for i, host in reached.items():
        if is_loopback(host):
            raise Failure(
                f"coordinator: worker {i} on {cards[i]['host']} has come by {host}, which the "
                "workers on other machines cannot reach. Give it the address itself, or take the "
                "host's name off the line with 127 in its /etc/hosts",
                2,
            )
    return far[0]


def _compare(first, other):
    """Raise Failure unless both workers would compute the same thing."""
    who = f"worker {other['index']} on {other['host']}"
    wanted = {"processes": first["processes"], **first["settings"]}
    found = {"processes": other["processes"], **other["settings"]}
    for name in wanted:
        if found.get(name) != wanted[name]:
            raise Failure(
                f"{name}: {who} has {found.get(name)}, worker 0 on {first['host']} has "
                f"{wanted[name]}; start all with the same options and versions",
                2,
            )
    if other["stored"] != first["stored"]:
        raise Failure(
            f"folder: {who} and worker 0 on {first['host']} see different checkpoints; give all "
            "a folder that they share, or copy worker 0's to the others",
            2,
        )


class Watch:
    """Follow all workers until they are done or one of them fails.

    Args:
        team: ``Team``.
        saved: step of the newest checkpoint, 0 for none.
        keeps: whether there are checkpoints to go on from.
        show: function that is given this worker's own messages.
        stall: seconds without a step by anyone after which all stop; before the first step of
            this run it is ``START`` if that is longer.
    """

    def __init__(self, team, saved, keeps, show, stall=STALL):
        self.team, self.saved, self.keeps, self.show = team, saved, keeps, show
        self.stall, self.moving = stall, False
        now = time.monotonic()
        others = range(len(team.cards)) if team.index == 0 else {0, team.index}
        self.heard = dict.fromkeys(others, now)
        self.steps = dict.fromkeys(others, saved)
        self.moved = now  # when a step was last heard of
        self.finished = set()
        self.done = False
        self.suspect = None  # (deadline, message): a failure that may be a consequence

    def run(self):
        """Return when all are done.

        Raises:
            Failure: in the words that all survivors show.
        """
        while not self.done:
            try:
                who, message = self.team.messages.get(timeout=0.5)
                self.take(who, message)
            except queue.Empty:
                pass
            self.check_time()

    def take(self, who, message):
        mine, chief = who == self.team.index, self.team.index == 0
        if message is None:
            if who not in self.finished:
                raise self.gone(who, "stopped answering")
            return
        if "stop" in message:
            raise Failure(message["stop"])
        if message.get("end"):  # worker 0 says that all are done
            self.done = True
            return
        self.heard[who] = time.monotonic()
        if message.get("step", self.steps[who]) != self.steps[who]:
            self.steps[who], self.moved = message["step"], self.heard[who]
            self.moving = self.moving or "resumed" not in message
        self.saved = message.get("saved", self.saved)
        if mine:
            self.show(message)
            self.team.send(message)
        if message.get("finished"):
            self.finished.add(who)
            if chief and len(self.finished) == len(self.team.cards):
                self.team.send({"end": True})
                self.done = True
        if chief and "error" in message:
            raise Failure(message["error"])
        if chief and "ended" in message:
            self.judge(who, message)

    def judge(self, who, message):
        """A worker's training ended early: at whose fault?"""
        status, words = message["ended"], message["words"]
        if status < 0 and status != -signal.SIGABRT:  # an abort is what an engine does to itself
            raise self.gone(who, "stopped answering", f"killed by {_signal(-status)}")
        now = time.monotonic()
        for other, last in self.heard.items():  # an engine may miss it before we do
            if other not in self.finished and now - last > QUIET:
                raise self.gone(other, "stopped answering", f"silent for {now - last:.0f} s")
        if self.suspect is None:
            failure = self.gone(who, "failed", words)
            self.suspect = now + GRACE, failure

    def check_time(self):
        now = time.monotonic()
        if self.suspect and now > self.suspect[0]:
            raise self.suspect[1]
        for who, last in self.heard.items():
            if who != self.team.index and who not in self.finished and now - last > SILENCE:
                raise self.gone(who, "stopped answering", f"silent for {SILENCE:.0f} s")
        limit = self.stall if self.moving else max(self.stall, START)
        if now - self.moved > limit and not self.finished:
            raise Failure(
                f"no worker has taken a step for {limit:.0f} s after step {self.steps[0]}: all "
                f"were stopped; {self.advice()}, with a longer --stall if a step takes that long"
            )
        me = self.team.index
        if me not in self.finished and now - self.heard[me] > SILENCE + GRACE:
            raise self.gone(me, "stopped answering", f"silent for {SILENCE:.0f} s")

    def gone(self, who, what, why=""):
        card, n = self.team.cards[who], len(self.team.cards)
        advice = self.advice()
        return Failure(
            f"worker {who} of {n} on host {card['host']} {what} at step {self.steps[who]}"
            + (f" ({why})" if why else "")
            + (f"; the others were stopped; {advice}" if n > 1 else f"; {advice}")
        )

    def advice(self):
        again = "start again with the same command"
        if self.saved:
            return f"{again} to go on from step {self.saved}"
        if self.keeps:
            return again
        return f"{again}; with --folder it would go on from its last checkpoint"


def _signal(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
