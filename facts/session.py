"""One snapshot of an investigation: what was asked, what came back, each question once."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime

from facts.access import Access, Attempt, Now, ThisNode, Wishes
from facts.answers import Answer, Answers, Progress, Value
from facts.asking import ask_cluster, asked, derive, read_node_answer, waves
from facts.cluster.nodes import Nodes
from facts.collector.source import NodeSource
from facts.collector.wire import Asked, RawAnswer
from facts.fact import QUESTIONS, Fact, Failed, NotApplicable, Origin
from facts.fleet import Fleet
from facts.needs import Each, Need, closure, needs_of_fact, per_node
from targets.deadline import NODE_SECONDS, Deadline, spoken
from targets.target import ClusterTarget, CommandLog, NodeRef

Watcher = Callable[[Progress], None]
GRACE = 10.0  # seconds beyond a node's deadline until its thread is given up


def _nobody(_: Progress) -> None:
    """Nobody watches."""


class Session:
    """Targets, answers so far, the command log.

    `only` restricts the Windows nodes by name; names that the cluster does not have are reported by `missing`.
    Answers may be read while `gather` runs in another thread.
    """

    def __init__(
        self,
        cluster: ClusterTarget,
        nodes: NodeSource,
        *,
        only: Sequence[str] = (),
        now: datetime | None = None,
        log: CommandLog | None = None,
        workers: int = 16,
        node_seconds: float = NODE_SECONDS,
    ) -> None:
        self.cluster = cluster
        self.nodes = nodes
        self.only = tuple(only)
        self.log = log or CommandLog()
        self.answers = Answers()
        self.workers = workers
        self.node_seconds = node_seconds
        self._recorded_now = now
        self._cancel = threading.Event()
        self._lock = threading.Lock()
        self._wanted: set[type[Fact]] = set()
        self._wishes: dict[str, Wishes] = {}  # by node; "" stands for all others
        self.answers.put(
            Now, "", Answer(Now(now or datetime.now(UTC)), "the console's clock", now or datetime.now(UTC))
        )

    def renewed(self) -> Session:
        """A session on the same targets that has asked nothing yet; this one stays as it is. Wishes are kept."""
        fresh = Session(
            self.cluster,
            self.nodes,
            only=self.only,
            now=self._recorded_now,
            log=self.log,
            workers=self.workers,
            node_seconds=self.node_seconds,
        )
        fresh._wishes = dict(self._wishes)
        return fresh

    # ---- reading -------------------------------------------------------------------------------------------

    def windows_nodes(self) -> list[str]:
        """Names of the Windows nodes that this session looks at; empty while (or if) they are not known."""
        answer = self.answers.find(Nodes, "")
        if answer is None or not isinstance(answer.value, Nodes):
            return []
        return [n.name for n in answer.value.windows if not self.only or n.name in self.only]

    def missing(self) -> list[str]:
        """Names in `only` that are no Windows node of this cluster."""
        return [n for n in self.only if n not in self.windows_nodes()]

    def get(self, fact: type[Fact], node: str = "") -> Value:
        """The answer; a question that nobody has asked yet is Failed with kind "not-asked"."""
        return self.answer(fact, node).value

    def answer(self, fact: type[Fact], node: str = "") -> Answer:
        """Like `get`, with source and time. Derived facts are worked out here, once."""
        where = node if per_node(fact) else ""
        found = self.answers.find(fact, where)
        if found is not None:
            return found
        now = datetime.now(UTC)
        if QUESTIONS[fact].origin is not Origin.DERIVED:
            return Answer(self._why_not(fact), "", now)
        since = self.answers.forgotten
        settled = self.answers.find(Nodes, "") is not None

        def supply(need: Need) -> object:
            nonlocal settled
            value = self.supply(need, where)
            each = value.answers if isinstance(value, Each) else {where if per_node(need.fact) else "": value}
            for place, one in each.items():
                kept = self.answers.find(need.fact, place)
                settled = settled and kept is not None and kept.value is one
            return value

        answer = Answer(derive(fact, supply), "derived", now)
        if (
            settled
        ):  # else it stands on what is not there yet, and is worked out anew when somebody reads it again
            self.answers.put(fact, where, answer, since)
        return answer

    def _why_not(self, fact: type[Fact]) -> Value:
        nodes = self.answers.find(Nodes, "")
        if per_node(fact) and nodes is not None and not isinstance(nodes.value, Nodes):
            return unlisted(nodes.value)
        return Failed("not-asked", f"{QUESTIONS[fact].name} has not been asked.")

    def supply(self, need: Need, node: str) -> object:
        """What a function gets for one of its needs, before its acceptance of non-answers is looked at."""
        if need.each:
            nodes = self.answers.find(Nodes, "")
            if nodes is not None and not isinstance(nodes.value, Nodes):
                return unlisted(nodes.value)  # nobody's answer is not the answer of no node
            return Each({name: self.get(need.fact, name) for name in self.windows_nodes()})
        return self.get(need.fact, node)

    # ---- asking --------------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop a `gather` that runs in another thread; what is known stays."""
        self._cancel.set()
        for name in self.windows_nodes():
            self.nodes.cancel(name)

    def gather(
        self, wanted: Iterable[type[Fact]], watch: Watcher = _nobody, *, nodes: Collection[str] | None = None
    ) -> None:
        """Ask everything that `wanted` needs and nobody asked yet. Returns when all is answered or has failed.

        `nodes`: only these Windows nodes are asked.
        """
        self._cancel.clear()
        facts = closure(set(wanted) | {Nodes})
        self._wanted |= facts
        self._ask_cluster([f for f in facts if QUESTIONS[f].origin is Origin.CLUSTER], watch)
        of_nodes = [f for f in facts if QUESTIONS[f].origin is Origin.NODE]
        chosen = [n for n in self._node_objects() if nodes is None or n.name in nodes]
        self._each_node([n.object.ref for n in chosen], of_nodes, watch)

    def wish(self, wishes: Wishes, node: str = "") -> None:
        """From now on these are the wishes for `node` ("": for every node that has none of its own).

        Nothing is asked yet: `gather` asks what follows, `again([Wishes])` where it has been asked before.
        """
        self._wishes[node] = wishes

    def again(
        self, facts: Iterable[type[Fact]], watch: Watcher = _nobody, *, nodes: Collection[str] | None = None
    ) -> None:
        """Ask `facts` anew, and all that derives from them or takes parameters from them.

        `nodes`: what the other Windows nodes have answered stays, and they are not asked. The session's moment (Now)
        stays too unless it is named: the age of what was read before is to be told as of then.
        """
        facts = set(facts)
        stale = set(facts)
        while True:
            more = {f for f in QUESTIONS if f not in stale and any(n.fact in stale for n in needs_of_fact(f))}
            if not more:
                break
            stale |= more
        renew = {f for f in stale if f in self._wanted} | set(facts)
        if Now in facts:
            now = self._recorded_now or datetime.now(UTC)
            self.answers.put(Now, "", Answer(Now(now), "the console's clock", now))
        for fact in stale:
            if fact is not Nodes and QUESTIONS[fact].origin is not Origin.SESSION:
                self.answers.forget(fact, nodes if per_node(fact) else None)
        if Nodes in stale:
            self._ask_one(Nodes)
        self.gather(renew, watch, nodes=nodes)

    def _node_objects(self) -> list[ThisNode]:
        value = self.get(Nodes)
        if not isinstance(value, Nodes):
            return []
        chosen = [ThisNode(n) for n in value.windows if not self.only or n.name in self.only]
        for node in chosen:
            source = f"kubectl get node {node.name}"
            self.answers.put(ThisNode, node.name, Answer(node, source, datetime.now(UTC)))
            wishes = self._wishes.get(node.name) or self._wishes.get("") or Wishes()
            self.answers.put(Wishes, node.name, Answer(wishes, "what somebody asked for", datetime.now(UTC)))
        return chosen

    def _ask_one(self, fact: type[Fact]) -> None:
        started = datetime.now(UTC)
        before = len(self.log.entries)
        value = ask_cluster(fact, self.cluster)
        now = datetime.now(UTC)
        sent = [s.text for s in self.log.entries[before:] if s.target == self.cluster.context]
        source = getattr(fact, "SOURCE", "") or (sent[0] if sent else f"the API of {self.cluster.context}")
        self.answers.put(fact, "", Answer(value, source, now, int((now - started).total_seconds() * 1000)))

    def _ask_cluster(self, facts: Sequence[type[Fact]], watch: Watcher) -> None:
        todo: queue.SimpleQueue[type[Fact]] = queue.SimpleQueue()
        # The nodes first: the fleet is what a person waits for.
        for fact in sorted(facts, key=lambda f: (f is not Nodes, QUESTIONS[f].name)):
            if self.answers.find(fact, "") is None:
                todo.put(fact)
        total, done = todo.qsize(), 0

        def work() -> None:
            nonlocal done
            while not self._cancel.is_set():
                try:
                    fact = todo.get_nowait()
                except queue.Empty:
                    return
                self._ask_one(fact)
                with self._lock:
                    done += 1
                    told = Progress("", QUESTIONS[fact].name, done, total, outcome_of(self.get(fact)))
                watch(told)

        while not todo.empty() and not self._cancel.is_set():  # again where a thread has died
            _run([work] * min(6, total))
        self._left(facts, "")

    def _left(self, facts: Iterable[type[Fact]], node: str) -> None:
        """What is without an answer when all threads have ended: one of them died of an error of our own."""
        for fact in [] if self._cancel.is_set() else facts:
            if self.answers.find(fact, node) is None:
                name = QUESTIONS[fact].name
                why = f"kwinnow itself failed while it asked {name}{f' of {node}' if node else ''}."
                hint = f"`{_command(fact, node)}` prints the traceback: please report it."
                self.answers.put(fact, node, Answer(Failed("broken", why, hint), "", datetime.now(UTC)))

    def _each_node(self, nodes: list[NodeRef], facts: list[type[Fact]], watch: Watcher) -> None:
        """Ask all nodes, at most `workers` at once. A node that outlives its deadline is given up, not waited for."""
        fleet = Fleet(
            nodes, self.workers, self.node_seconds + GRACE, lambda n: self._ask_node(n, facts, watch)
        )
        for late in fleet.run(self._cancel):
            self.nodes.cancel(late.name)
            why = f"{late.name} did not answer within {spoken(self.node_seconds + GRACE)} s and was given up."
            for fact in facts:
                if self.answers.find(fact, late.name) is None:
                    self.answers.put(fact, late.name, Answer(Failed("deadline", why), "", datetime.now(UTC)))
            if self.answers.find(Access, late.name) is None:
                self._put_access(
                    late.name, Access((Attempt("winrm", "", "connect", "deadline", "deadline", why),))
                )
            watch(Progress(late.name, "", 1, 1, "finished"))
        for node in nodes:
            self._left([Access, *facts], node.name)

    def _ask_node(self, node: NodeRef, facts: list[type[Fact]], watch: Watcher) -> None:
        facts = [f for f in facts if self.answers.find(f, node.name) is None]
        if not facts and self.answers.find(Access, node.name) is not None:
            return
        deadline = Deadline(self.node_seconds)
        total, done = len(facts), 0
        broken = False
        watch(Progress(node.name, "", 0, total, "started"))
        for wave in waves(facts) or [[]]:
            questions = self._prepare(node.name, wave)

            def take(identity: str, raw: RawAnswer | Failed) -> None:
                nonlocal done
                fact = next(f for f in facts if QUESTIONS[f].name == identity)
                value = read_node_answer(fact, raw, lambda need: self.supply(need, node.name))
                at, ms = (raw.at, raw.ms) if isinstance(raw, RawAnswer) else (datetime.now(UTC), 0)
                self.answers.put(fact, node.name, Answer(value, _command(fact, node.name), at, ms))
                done += 1
                watch(Progress(node.name, identity, done, total, outcome_of(value)))

            def hello(access: Access) -> None:
                self._put_access(node.name, access)

            known = self.answers.find(Access, node.name)
            if known is not None and deadline.passed:
                for question in questions:
                    take(question.id, _too_late(node.name, question.id, self.node_seconds))
            elif questions or known is None:
                access = self.nodes.collect(node, questions, deadline, _unheard if broken else hello, take)
                # A way that has worked is not unmade by a second process that came too late; and one that has broken
                # off is not made good by a second one, whose answer was short.
                worked = known is not None and isinstance(known.value, Access) and bool(known.value.way)
                if not broken and (access.way or not worked):
                    self._put_access(node.name, access)
                broken = broken or not (access.way or worked)
        watch(Progress(node.name, "", total, total, "finished"))

    def _put_access(self, node: str, access: Access) -> None:
        self.answers.put(Access, node, Answer(access, "the way into the node", datetime.now(UTC)))

    def _prepare(self, node: str, facts: Sequence[type[Fact]]) -> list[Asked]:
        """The questions of one wave. A fact whose parameters cannot be worked out fails here."""
        ready: list[Asked] = []
        for fact in facts:
            question = asked(fact, lambda need: self.supply(need, node))
            if isinstance(question, Asked):
                ready.append(question)
            else:
                self.answers.put(fact, node, Answer(question, "", datetime.now(UTC)))
        return ready


def _unheard(_: Access) -> None:
    """The greeting of a second process, when the answer of the first has broken off."""


def _command(fact: type[Fact], node: str) -> str:
    """What asks this question of the node again, pasteable."""
    wished = " --probe" if Wishes in closure({fact}) else ""
    return f"kwinnow facts {QUESTIONS[fact].name}{f' --node {node}' if node else ''}{wished}"


def _too_late(node: str, question: str, seconds: float) -> Failed:
    why = f"{node} used up its {spoken(seconds)} s before {question} could be asked."
    return Failed("deadline", why, "Ask this node alone.", "deadline", "answer")


def unlisted(nodes: Value) -> Failed:
    """Why nothing is known of any node: the nodes themselves could not be listed."""
    if isinstance(nodes, Failed):
        return nodes
    why = nodes.why if isinstance(nodes, NotApplicable) else "The nodes are not known."
    return Failed(
        "not-found", why, "Is that a Kubernetes API server? Check the server URL of the kubeconfig."
    )


def outcome_of(value: Value) -> str:
    """ "known", "failed" or "not-applicable", as Progress tells it."""
    if isinstance(value, Failed):
        return "failed"
    return "not-applicable" if isinstance(value, NotApplicable) else "known"


def _run(works: Sequence[Callable[[], None]]) -> None:
    """Run in daemon threads and wait: a thread that hangs must not hold the program's exit."""
    threads = [threading.Thread(target=work, daemon=True, name="kwinnow-ask") for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.5)  # in pieces: an endless join cannot be interrupted on Windows
