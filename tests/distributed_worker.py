"""One process of a training on several devices, for test_distributed.py.

python distributed_worker.py STRATEGY FOLDER: trains a tiny network, once at a stretch and once
cut short, and leaves the weights and the figures in FOLDER.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from textgen.core import backend
from textgen.core.errors import TextgenError
from textgen.core.settings import Training
from textgen.training import meeting

STOP = 1


def main(strategy: str, folder: Path) -> None:
    backend.start_tensorflow(1, parts=True)
    import keras
    import numpy as np
    import tensorflow as tf
    from conftest import made_up, tiny_model

    from textgen.models.backbones.recurrent import Adaptive
    from textgen.models.objectives.stepwise import NextToken
    from textgen.tokenizers.characters import Characters
    from textgen.training import loop, strategy

    if strategy == "mirrored":
        processor = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(processor, two)
    settings = Training(
        updates=20, batch=4, learning_rate=2e-2, validations=2, clip_norm=0.05, strategy=strategy
    )
    cluster = meeting.find_cluster(settings)
    meeting.meet(cluster, {"test": "the same"}, wait=60)
    share = strategy.start_strategy(settings, cluster)
    tokenizer = Characters().fit([made_up(50, 0)])
    encoded = (
        [tokenizer.encode(made_up(30, i)) for i in range(6)],
        [tokenizer.encode(made_up(20, 9))],
    )
    model = {"input": "embedding", "embedding_size": 6, "adaptive_softmax": Adaptive(9)}

    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == STOP:
                raise KeyboardInterrupt

    def fit(name, *callbacks, seed=share.first):
        """Networks differ from worker to worker: the chief's weights are the ones."""
        network = tiny_model(NextToken(8), tokenizer.size, seed=seed, **model)
        progress = loop.train(
            folder / name, network, NextToken(8), network.parts()[0].config, settings, encoded, 3,
            lambda *_: list(callbacks), share=share,
        )  # fmt: skip
        np.savez(folder / f"{name}{share.first}.npz", *network.get_weights())
        path = folder / f"{name}{share.first}.json"
        path.write_text(json.dumps(asdict(progress) | {"replicas": share.replicas}))

    with share.together():
        fit("whole")
        if strategy != "one":
            try:
                fit("cut", Killed())
            except KeyboardInterrupt:
                fit("cut", seed=7)


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]))
    except TextgenError as error:
        sys.exit(str(error))
