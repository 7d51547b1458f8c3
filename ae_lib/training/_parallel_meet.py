"""Workers that meet: who listens where, who may come in, and by which address all reach all.

Worker 0 listens where all can reach it; the others connect. What they send are lines of JSON,
nothing that could be executed; the network is taken to be a trusted one. The numbers that are
trained do not pass here: they are the engine's business.
"""

import contextlib
import errno
import ipaddress
import json
import os
import queue
import socket
import threading
import time


class Failure(Exception):
    """What went wrong, in one line, and what to do. ``status`` is the exit status."""

    def __init__(self, message, status=1, advice=""):
        super().__init__(message)
        self.status, self.advice = status, advice

    def __str__(self):
        return "; ".join(filter(None, [super().__str__(), self.advice]))


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


def name_address():
    """What this machine's name stands for on it; ``""``: for no address that it has.

    There gloo listens, by which JAX's processes talk on CPUs, and tells the others so. As gloo
    does, this takes the first address that can be listened on.
    """
    found = []
    with contextlib.suppress(OSError):
        found = socket.getaddrinfo(socket.gethostname(), 0, type=socket.SOCK_STREAM)
    for family, kind, _, _, where in found:
        with contextlib.suppress(OSError), socket.socket(family, kind) as probe:
            probe.bind(where)
            return where[0]
    return ""


def free_port(host="127.0.0.1"):
    """A port of this machine that nobody listened on a moment ago."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def _host(where):
    """The host of a socket's address; IPv4 as such, where a socket for both has ``::ffff:…``."""
    return where[0].removeprefix("::ffff:") if "." in where[0] else where[0]


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


def meet(address, card, patience):
    """Wait until all workers are there and agree on what to do.

    Args:
        address: ``"host:port"`` of worker 0.
        card: dict with ``index``, ``processes``, ``host`` (this machine's name), ``settings``
            and ``stored`` (the digest of the checkpoints this worker sees); ``name_address``
            beside, if the engine goes by it.
        patience: seconds to wait.

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
        return _join(host, port, where[0], card, patience)
    both = socket.has_dualstack_ipv6()
    try:
        if is_loopback(host):
            listener = socket.create_server(where, family=family)
        else:
            family = socket.AF_INET6 if both else socket.AF_INET
            listener = socket.create_server(("", port), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise Failure(
            f"coordinator: worker 0 cannot listen on {address}: {os.strerror(error.errno)}; it "
            "must be a free port of the machine that worker 0 runs on",
            PORT_TAKEN if error.errno == errno.EADDRINUSE else 2,
        ) from error
    with listener:
        return _gather(listener, card, patience)


def _join(host, port, meaning, card, patience):
    end, address = time.monotonic() + patience, join_address(host, port)
    while True:
        with contextlib.suppress(OSError):
            seconds = max(0.1, min(5.0, end - time.monotonic()))
            connection = socket.create_connection((host, port), seconds)
            if connection.getsockname() != connection.getpeername():
                break
            connection.close()  # nobody listens, and the kernel let us call from that very port
        if time.monotonic() > end:
            known = is_loopback(host) or not is_loopback(meaning)
            itself = "" if known else f" ({meaning}, this very machine)"
            raise Failure(
                f"coordinator: nobody answers on {address}{itself} for {patience:g} s; is worker "
                "0 started there, and does no firewall stand between?"
            )
        time.sleep(0.2)
    here = _host(connection.getsockname())
    _send(connection, {**card, "engine": join_address(here, free_port(here))})
    connection.settimeout(max(1.0, end - time.monotonic()) + patience)
    lines = connection.makefile("rb")
    try:
        answer = json.loads(lines.readline())
        stop = answer.get("stop")
        if stop is None:
            first, *others = answer["cards"]
            _, port = split_address(first["engine"])
    except TimeoutError:
        stop = (
            f"coordinator: worker 0 on {address} still waits for others after {patience:g} s; "
            "start all of them, or give all a longer --patience"
        )
    except (OSError, ValueError, AttributeError, KeyError, TypeError, Failure):
        stop = f"coordinator: who listens on {address} is no worker 0 of this"
    if stop:
        _close(connection)
        raise Failure(stop)
    connection.settimeout(None)
    first["engine"] = join_address(_host(connection.getpeername()), port)  # as reached from here
    return Team(card["index"], {0: (connection, lines)}, [first, *others])


def _gather(listener, me, patience):
    end, arrived, cards = time.monotonic() + patience, {}, {0: me}
    try:
        while True:
            for i in [i for i in arrived if not _is_there(arrived[i][0])]:
                _close(arrived.pop(i)[0])
                del cards[i]
            if len(cards) == me["processes"]:
                break
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
                card = _card(lines.readline(1 << 20))
                index = card["index"]
            except (OSError, ValueError, RecursionError, Failure):  # a stranger
                connection.close()
                continue
            if index in arrived and _is_there(arrived[index][0]):
                words = f"index: worker {index} is there already, on {cards[index]['host']}"
                _send(connection, {"stop": words})
                connection.close()
                continue
            connection.settimeout(None)
            arrived[index], cards[index] = (connection, lines), card
            _compare(me, card)
        mine = _address_of_all(arrived, cards)
        cards[0] = {**me, "engine": join_address(mine, free_port(mine))}
        _check_names(cards)
    except Failure as failure:
        for connection, _ in arrived.values():
            _send(connection, {"stop": str(failure)})
            _close(connection)
        raise
    cards = [cards[i] for i in range(me["processes"])]
    for connection, _ in arrived.values():
        _send(connection, {"cards": cards})
    return Team(0, arrived, cards)


_KINDS = {"index": int, "processes": int, "settings": dict}
_KINDS |= dict.fromkeys(("host", "stored", "engine"), str)


def _card(line):
    """What a worker says of itself; ValueError or Failure from whoever is none."""
    card = json.loads(line)
    if not isinstance(card, dict) or not all(
        type(card.get(name)) is kind for name, kind in _KINDS.items()
    ):
        raise ValueError("no card")
    split_address(card["engine"])
    if not 0 < card["index"] < card["processes"] or type(card.get("name_address", "")) is not str:
        raise ValueError("no index, or no address")
    return card


def _is_there(connection):
    """Whether a worker's end is still open. Until all are there it says no more."""
    connection.setblocking(False)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        connection.setblocking(True)


def _address_of_all(arrived, cards):
    """The address of worker 0's by which the others came; the loopback if there are none."""
    reached = {i: _host(connection.getsockname()) for i, (connection, _) in arrived.items()}
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


def _check_names(cards):
    """Raise Failure if another machine would look in vain for what a machine's name stands for."""
    for i, card in sorted(cards.items()):
        real, _ = split_address(card["engine"])
        name = card.get("name_address", real)
        if not is_loopback(real) and (not name or is_loopback(name)):
            raise Failure(
                f"host: {card['host']}, where worker {i} runs, takes its own name for "
                f"{name or 'no address that it has'}, and there the others would look for it. Let "
                f'its /etc/hosts say "{real} {card["host"]}"'
                + (f', and no longer "{name} {card["host"]}"' if name else ""),
                2,
            )


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
