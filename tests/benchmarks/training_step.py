"""An update of the matched arms against PyTorch's, and as a share of a large product of matrices.

Both sides have an arm's settings, carry states from update to update, and read the same made-up
batches, whose making is included. One side is PyTorch's ``nn.LSTM`` in float32, without tied
vectors, or NumPy's product on the same cores. Where the processor has more than AVX2,
``XLA_FLAGS=--xla_cpu_max_isa=AVX2``, ``ONEDNN_MAX_CPU_ISA=AVX2``, ``ATEN_CPU_CAPABILITY=avx2``,
``MKL_ENABLE_INSTRUCTIONS=AVX2`` and ``OPENBLAS_CORETYPE=Haswell`` limit all of them to that.
"""

import itertools
import os

import numpy as np
from timing import faster, timed

UPDATES, SIDE = 3, 2048  # of a measurement; of the matrices of the product
ARMS = {"characters": 90, "subwords": 4_002, "words": 9_000}  # tokens that each has on the tales


def setting(arm):
    """An experiment, its vocabulary, and windows of texts in which Zipf's law holds."""
    from textgen.core.experiment import load_experiment
    from textgen.models.batches import Windows

    experiment, size = load_experiment(f"matched/{arm}"), ARMS[arm]
    shares = 1 / np.arange(1, size - 1)
    drawn = np.random.default_rng(0).choice(size - 2, (40, 20_000), p=shares / shares.sum()) + 2
    return experiment, size, Windows(list(drawn.astype(np.uint16)), experiment.objective)


def seconds_per_update(update, experiment, windows):
    """What measures the seconds of an update, which waits for its result."""
    from textgen.training.stream import Stream, stages_of

    stages = stages_of(experiment.training, experiment.objective)
    batches = Stream(windows, stages, seed=0).batches()

    def work():
        results = [update(*next(batches)) for _ in range(UPDATES)]
        float(results[-1])

    work()
    return timed(work, UPDATES)


def textgen(arm, threads):
    return textgen_update(*setting(arm), threads)


def textgen_update(experiment, size, windows, threads):
    """What measures textgen's seconds of an update."""
    from textgen.core import tensorflow

    shards = tensorflow.start_tensorflow(threads, parts=True)  # no more than there are cores
    from textgen.training import loop

    network = experiment.objective.build(experiment.backbone, size)
    step = loop.new_step(network, experiment, windows, shards)
    return seconds_per_update(lambda *batch: step.update(*batch)[0], experiment, windows)


def pytorch(arm, threads):
    return pytorch_update(*setting(arm), threads)


def pytorch_update(experiment, size, windows, threads):
    """What measures PyTorch's seconds of an update."""
    from torch_side import Trainer

    trainer = Trainer(size, experiment.backbone, experiment.training, threads=threads)
    return seconds_per_update(lambda *batch: trainer.update(*batch, 1e-3), experiment, windows)


def operations(experiment, size, windows):
    """Additions and multiplications in an update's products: forward, and twice as many back."""
    backbone, (units,) = experiment.backbone, experiment.backbone.units
    width, levels, output = backbone.embedding_size, backbone.adaptive(size), size
    if levels:
        output = levels.head + 1 + windows.share(levels.head) * (size - levels.head)
    weights = 4 * units * (width + units) + (units + output) * width
    tokens = experiment.training.batch * experiment.objective.window
    return 6 * tokens * weights


def product(arm, _):
    """Seconds in which a product of large matrices takes as many operations as an update."""
    first, second = np.random.default_rng(0).random((2, SIDE, SIDE), dtype=np.float32)
    share, each = operations(*setting(arm)) / (2 * SIDE**3), timed(lambda: first @ second, 1)
    return lambda: share * each()


def measure(options):
    rows, figures = [], {"milliseconds": lambda seconds: round(1e3 * seconds, 2)}
    sides = (pytorch, "PyTorch float32", "≥ 1"), (product, "a large product", "")
    for arm, threads, (other, *labels) in itertools.product(ARMS, (1, 2), sides):
        os.environ["OPENBLAS_NUM_THREADS"] = f"{threads}"  # of the processes of the sides
        what = f"training step, {arm}, {threads} thread{'s' * (threads > 1)}"
        pair = (textgen, other), (arm, threads), options.repeats
        rows.append(faster(*pair, what, *labels, **figures))
    return rows
