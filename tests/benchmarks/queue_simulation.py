"""How long a grid takes on a cluster, on a simulated clock.

20 cells of 20 runs, of 60 to 300 seconds, on 10 nodes with 8 slots each. A run of a node that is
lost begins again from its last checkpoint on another node.
"""

import heapq
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from textgen.studies.jobs import Job, Kind, run_job
from textgen.studies.queue import Ended, Queue, work_off
from textgen.studies.study import Resources

CELLS, RUNS = 20, 20
NODES, SLOTS_OF_A_NODE = 10, 8
CHECKPOINT_SECONDS = 30.0
PAGE_SECONDS = 40.0
ONE_CORE = Resources(cores=1)


def grid(seed=1, order="as they come", page=PAGE_SECONDS):
    """The jobs of a grid, whose runs take what is expected of them.

    Args:
        seed: of the runs' seconds.
        order: of the cells: as they come; with budgets that rise in each of four texts; or with the
            longest runs of all last, the worst there is.
        page: seconds of a cell's page.
    """
    draw = random.Random(seed)
    seconds = [draw.uniform(60, 300) for _ in range(CELLS * RUNS)]
    if order == "longest last":
        seconds.sort()
    if order == "budgets of four texts":
        budgets = [60, 120, 180, 240, 300]
        seconds = [budgets[number // RUNS % len(budgets)] for number in range(CELLS * RUNS)]
    jobs = []
    for cell in range(CELLS):
        names = []
        for turn in range(RUNS):
            name = run_job(f"cell{cell}", f"run-{turn}")
            names.append(name)
            about = {"cell": f"cell{cell}", "arm": name, "run": f"run-{turn}"}
            took = seconds[cell * RUNS + turn]
            jobs.append(Job(name, Kind.RUN, (cell, turn), ONE_CORE, seconds=took, **about))
        about = {"needs": tuple(names), "cell": f"cell{cell}"}
        jobs.append(Job(f"page/cell{cell}", Kind.PAGE, (cell, -1), ONE_CORE, seconds=page, **about))
    return jobs


@dataclass
class Nodes:
    """A crew on a simulated clock.

    Attributes:
        slots: of all nodes.
        error: runs take up to so many times what is expected, or as many times less.
        lost_at: when a node is lost, in seconds; never if None.
        now: the time.
    """

    slots: int = NODES * SLOTS_OF_A_NODE
    error: float = 1.0
    lost_at: float | None = None
    now: float = 0.0
    prefers: frozenset = frozenset()
    _ends: list = field(default_factory=list)
    _draw: random.Random = field(default_factory=lambda: random.Random(7))

    def has_room(self, job: Job, running: Iterable[Job]) -> bool:
        return len(list(running)) < self.slots

    def take(self, job: Job) -> bool:
        return True

    def outcome(self, job: Job) -> None:
        return None

    def begin(self, job: Job) -> None:
        seconds = job.seconds * self.error ** self._draw.uniform(-1, 1)
        heapq.heappush(self._ends, (self.now + seconds, job.name, job, seconds))

    def wait(self, seconds: float | None) -> Sequence[Ended]:
        end, _, job, taken = self._ends[0]
        if self.lost_at is not None and end >= self.lost_at:
            self._lose_a_node()
            return self.wait(seconds)
        heapq.heappop(self._ends)
        self.now = end
        return [Ended(job, None, taken)]

    def _lose_a_node(self) -> None:
        """Its runs wait for a free slot, and repeat what they did since their last checkpoint."""
        assert self.lost_at is not None
        self.now = self.lost_at
        self.lost_at = None
        self.slots -= SLOTS_OF_A_NODE
        self._draw.shuffle(self._ends)
        lost = self._ends[:SLOTS_OF_A_NODE]
        going_on = self._ends[SLOTS_OF_A_NODE:]
        # the cluster tries them again as soon as other tasks end
        free = sorted(end for end, *_ in going_on)[: len(lost)]
        for (end, name, job, taken), start in zip(lost, free, strict=True):
            again = start + (end - self.now) + CHECKPOINT_SECONDS
            going_on.append((again, name, job, taken + again - end))
        self._ends = going_on
        heapq.heapify(self._ends)


def makespan(jobs, nodes, done=()):
    """Seconds until all jobs are done."""
    queue = Queue(jobs, done, clock=lambda: nodes.now)
    for _ in work_off(queue, nodes):
        pass
    assert len(queue.done) == len(jobs)
    return nodes.now


def lower_bound(jobs, slots=NODES * SLOTS_OF_A_NODE):
    """No order of the runs is faster: all slots are always busy, or the longest run is alone."""
    seconds = [job.seconds for job in jobs]
    return max(sum(seconds) / slots, max(seconds))


def cell_by_cell(jobs, nodes):
    """Seconds if a cell begins when the last one has its page."""
    cells = dict.fromkeys(job.cell for job in jobs)
    for cell in cells:
        makespan([job for job in jobs if job.cell == cell], nodes)
    return nodes.now


def main():
    for order in ("as they come", "budgets of four texts", "longest last"):
        jobs = grid(order=order)
        bound = lower_bound(jobs)
        shown = {
            "one queue": makespan(jobs, Nodes()),
            "expected within a factor of 1.3": makespan(jobs, Nodes(error=1.3)),
            "a node is lost midway": makespan(jobs, Nodes(lost_at=bound / 2)),
            "cell by cell": cell_by_cell(jobs, Nodes()),
        }
        print(f"cells {order}: lower bound {bound:.0f} s")
        for name, seconds in shown.items():
            print(f"  {name:32} {seconds:5.0f} s, {seconds / bound:.2f} times the lower bound")


if __name__ == "__main__":
    main()
