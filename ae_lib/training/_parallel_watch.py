"""How workers that have met notice when one is gone, and whose fault it is."""

import queue
import signal
import time

from ae_lib.training._parallel_meet import Failure

SILENCE = 30.0  # seconds without a sign of life after which a worker counts as gone
STALL = 300.0  # seconds in which all are alive and none takes a step: they wait for each other
START = 1800.0  # the same before the first step, which has to be compiled
QUIET = 5.0  # the same, when the engine of another worker has given up already
GRACE = 3.0  # seconds in which the cause of a failure may still overtake its consequence


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
        if message.get("step", 0) > self.steps[who]:  # until a checkpoint is read, it says 0
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
        return Failure(
            f"worker {who} of {n} on host {card['host']} {what} at step {self.steps[who]}"
            + (f" ({why})" if why else "")
            + ("; the others were stopped" if n > 1 else ""),
            advice=self.advice(),
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
