"""How many units and rows: ``"auto"`` chosen for a budget in seconds, this machine and this text.

The rule says what a network will have learnt: bits per character as a function of its size and of
the characters that it sees, in the form of Hoffmann et al. (2022, "Training compute-optimal large
language models", eq. 2), where characters that are seen again count for less (Muennighoff et al.
2023, "Scaling data-constrained language models", eq. 5), and so do those of an update that has
more of them at once (McCandlish et al. 2018, "An empirical model of large-batch training", eq.
2.11). Its constants are fitted by ``experiments/scaling.py`` to runs that are recorded there. How
many updates the seconds leave time for follows from one product of matrices, timed here in the
shape that each candidate has.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from textgen.core import Experiment, TextgenError, start_tensorflow
from textgen.training.preparation import Prepared, subtract_preparation_time

UNITS = (128, 192, 256, 320, 384, 512, 640, 768, 1024)
ROWS = (16, 32)
PASSES = 3
"""Products of an update for each of a prediction: forward, and backward twice."""
STEPS, ROUNDS = 64, 5
FILE = Path(__file__).with_name("scaling.json")


@dataclass(frozen=True)
class Law:
    """Bits per character on held-out text after training, and what training costs.

    Attributes:
        characters_per_token: of the tokens that it was fitted to.
        floor, size, text: bits per character = floor + size / weights^size_power + text /
            characters^text_power, of the recurrent layers' weights.
        size_power, text_power: see there.
        at_once: characters of an update with which one of them counts for half.
        repeated: repetitions after which a text has given most of what they can.
        overhead: an update's time over that of its products.
    """

    characters_per_token: float
    floor: float
    size: float
    text: float
    size_power: float
    text_power: float
    at_once: float
    repeated: float
    overhead: float

    def bits(self, weights: float, characters: float, distinct: float, at_once: float) -> float:
        """Bits per character.

        Args:
            weights: of the recurrent layers.
            characters: seen in all.
            distinct: characters of the training text.
            at_once: characters of an update.
        """
        seen = self.worth(characters, distinct) / (1 + at_once / self.at_once)
        parts = self.size / weights**self.size_power, self.text / seen**self.text_power
        return self.floor + sum(parts)

    def worth(self, characters: float, distinct: float) -> float:
        """Characters that were seen, in characters seen for the first time: what is seen again
        tells less (Muennighoff et al. 2023)."""
        again = max(0.0, characters / distinct - 1)
        once = min(characters, distinct)
        return once * (1 + self.repeated * (1 - math.exp(-again / self.repeated)))

    def seconds(self, multiplications: float, each: float) -> float:
        """Of an update with so many multiplications a prediction, each of so many seconds."""
        return self.overhead * PASSES * multiplications * each


def law_for(characters_per_token: float) -> Law:
    """The law of the tokens that are most nearly as long."""
    laws = [Law(**values) for values in json.loads(FILE.read_text(encoding="utf-8")).values()]
    return min(laws, key=lambda law: abs(math.log(law.characters_per_token / characters_per_token)))


@dataclass(frozen=True)
class Candidate:
    """A size, and what is expected of it.

    Attributes:
        units, batch: of each layer; rows.
        updates: that the seconds leave time for.
        characters: that these see.
        bits: per character afterwards, on held-out text.
    """

    units: tuple[int, ...]
    batch: int
    updates: int
    characters: float
    bits: float


def settle(experiment: Experiment, prepared: Prepared) -> tuple[Experiment, list[Candidate]]:
    """Choose what is ``"auto"``.

    Returns:
        The experiment with numbers, and all candidates, best first.

    Raises:
        TextgenError: no time is left for a single update of any candidate.
    """
    settings = subtract_preparation_time(experiment.training, prepared.seconds)
    threads = start_tensorflow(settings.threads, settings.deterministic, parts=True)
    tokenizer, length = prepared.tokenizer, experiment.objective.length
    law = law_for(tokenizer.characters_per_token)
    distinct = sum(encoded.characters for encoded in prepared.encoded[0])
    own, found = experiment.backbone, list[Candidate]()
    for units in [(n,) for n in UNITS] if "backbone" in experiment.automatic else [own.units]:
        backbone = replace(own, units=units)
        for batch in ROWS if "training" in experiment.automatic else [settings.batch]:
            parts = math.gcd(batch, threads)
            each = multiplication_seconds(max(units), batch // parts) / parts
            products = backbone.multiplications(tokenizer.size) * batch * length
            updates = int((settings.seconds or 0) / law.seconds(products, each))
            at_once = batch * length * tokenizer.characters_per_token
            if updates:
                seen = updates * at_once
                bits = law.bits(backbone.recurrent_weights, seen, distinct, at_once)
                found.append(Candidate(units, batch, updates, seen, bits))
    if not found:
        raise TextgenError(
            "training.seconds",
            found=f"{settings.seconds:g}: too few for an update of the smallest network",
            expected="time to train",
            hint="give more, e.g. --set training.seconds=60",
        )
    found.sort(key=lambda candidate: candidate.bits)
    best = {"backbone": {"units": list(found[0].units)}, "training": {"batch": found[0].batch}}
    return experiment.settled(best), found


def described(candidates: Iterable[Candidate]) -> dict[str, Any]:
    """What the manifest has of a choice: the chosen size, and what was expected of each."""
    rows = [asdict(each) for each in candidates]
    return {"units": rows[0]["units"], "batch": rows[0]["batch"], "candidates": rows}


def multiplication_seconds(units: int, rows: int) -> float:
    """Seconds of one multiplication in products of (rows, units) and (units, 4 units) on one
    thread, the quickest of some rounds."""
    return _timed(units, rows) / (4 * units * units * rows)


def _timed(units: int, rows: int) -> float:
    """Seconds of one product; each reads what the one before it wrote, as in a recurrence."""
    import tensorflow as tf

    weights = tf.random.stateless_normal([units, 4 * units], [1, 2]) / units

    @tf.function(autograph=False, jit_compile=True)
    def chain(h: Any) -> Any:
        def step(t: Any, h: Any) -> tuple[Any, Any]:
            return t + 1, tf.tanh(tf.matmul(h, weights)[:, :units])

        return tf.while_loop(lambda t, h: t < STEPS, step, (0, h))[1]

    h, took = tf.ones([rows, units]), []
    for _ in range(ROUNDS + 1):  # the first compiles
        start = time.process_time()  # what else the machine does for a moment does not count
        chain(h).numpy()
        took.append(time.process_time() - start)
    return min(took[1:]) / STEPS
