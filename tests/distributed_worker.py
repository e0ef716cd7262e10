"""A training on several devices, for test_distributed.py: a tiny network, once at a stretch and
once cut short. Its weights and figures are left in a folder.

python distributed_worker.py FOLDER: on one device, then on two devices of this machine.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from conftest import compile_where_it_is_tested, made_up, tiny_experiment, tiny_model

from textgen.core import TextgenError, Training, start_tensorflow

STOP = 1
REFUSED = "nothing is wrong with it, but all has been seen"


def train(strategy: str, folder: Path, stop) -> None:
    """Train without and with an interruption by ``stop``, a function, before round STOP."""
    import keras
    import numpy as np

    from textgen.models.backbones.stacked import Adaptive
    from textgen.models.objectives.stepwise import NextToken
    from textgen.tokenizers.characters import Characters
    from textgen.training import loop, start_strategy

    settings = Training(
        updates=20, batch=4, learning_rate=2e-2, validations=2, clip_norm=0.05, strategy=strategy,
        workers=2 if strategy == "ray" else 1,
    )  # fmt: skip
    share = start_strategy(settings)
    tokenizer = Characters().fit([made_up(50, 0)])
    encoded = (
        [tokenizer.encode(made_up(30, i)) for i in range(6)],
        [tokenizer.encode(made_up(20, 9))],
    )
    model = {"input": "embedding", "embedding_size": 6, "adaptive_softmax": Adaptive(9)}

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == STOP:
                stop(share)

    def fit(name, *callbacks, seed=share.first):
        """Networks differ from worker to worker: the chief's weights are the ones."""
        network = tiny_model(NextToken(8), tokenizer.size, seed=seed, **model)
        progress = loop.train(
            folder / name, network, tiny_experiment(NextToken(8), network, settings), encoded,
            loop.Engine(share=share), lambda *_: list(callbacks),
        )  # fmt: skip
        np.savez(folder / f"{name}{share.first}.npz", *network.get_weights())
        path = folder / f"{name}{share.first}.json"
        path.write_text(json.dumps(asdict(progress) | {"replicas": share.replicas}))

    if not (folder / f"whole{share.first}.json").exists():
        fit("whole")
    if strategy != "one":
        begun = (folder / "cut").exists()
        try:
            fit("cut", *[] if begun else [Stop()], seed=share.first + 7 * begun)
        except KeyboardInterrupt:
            fit("cut", seed=7)


def on_ray(folder: Path, rank: int) -> None:
    """One worker's part. The second is killed before the chief's last round; when all is done the
    first is refused, and the workers must not be started again for that."""
    start_tensorflow(1, parts=True)
    compile_where_it_is_tested()
    with (folder / f"starts{rank}").open("a") as file:
        file.write("x")

    def stop(share):
        if not share.chief:
            os.kill(os.getpid(), signal.SIGKILL)

    train("ray", folder, stop)
    if rank == 0:
        raise TextgenError("training", found=REFUSED)


def main(folder: Path) -> None:
    start_tensorflow(1, parts=True)
    compile_where_it_is_tested()
    import tensorflow as tf

    processor = tf.config.list_physical_devices("CPU")[0]
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(processor, two)

    def stop(share):
        raise KeyboardInterrupt

    for strategy in ("one", "mirrored"):
        (folder / strategy).mkdir()
        train(strategy, folder / strategy, stop)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
