"""One training on several devices or machines: plain data parallelism, the same as one device.

Every replica has its own copy of the network and the optimizer, reads its own rows of each batch
and keeps their states. Gradients are added up by the all-reduce of ``tf.distribute``, so that all
copies make the same update. The first worker is the chief: it alone decides and writes.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from textgen.core import TextgenError, Training, silenced_stderr


class Share:
    """This process's share in a training.

    Args:
        strategy: of ``tf.distribute``, or None for one device and no other process.
        devices: of this process, a replica each.
        workers: processes in all.
        rank: the number of this process; 0 is the chief.
    """

    def __init__(
        self, strategy: Any, devices: Sequence[str], workers: int = 1, rank: int = 0
    ) -> None:
        self._strategy, self.devices = strategy, tuple(devices)
        self.workers, self.chief = workers, rank == 0
        self.replicas = workers * len(self.devices)
        self.first = rank * len(self.devices)
        """Number of this process's first replica."""

    def rows(self, batch: int) -> list[slice]:
        """The rows of a batch that each replica of this process reads.

        Raises:
            TextgenError: the batch cannot be divided evenly.
        """
        if batch % self.replicas:
            raise TextgenError(
                "training.batch",
                found=f"{batch}, for {self.replicas} replicas",
                expected=f"a multiple of {self.replicas}: every replica takes as many rows",
                hint=f"set training.batch = {-(-batch // self.replicas) * self.replicas}",
            )
        each = batch // self.replicas
        numbers = range(self.first, self.first + len(self.devices))
        return [slice(i * each, (i + 1) * each) for i in numbers]

    def on(self, replica: int) -> contextlib.AbstractContextManager[Any]:
        """Places variables and operations on the device of a replica of this process."""
        import tensorflow as tf

        return tf.device(self.devices[replica]) if self._strategy else contextlib.nullcontext()

    def sum(self, parts: list[list[list[Any]]]) -> list[list[list[Any]]]:
        """Add up the parts of all replicas.

        Args:
            parts: for each replica of this process, for each tensor, what adds up to it.

        Returns:
            The same with one part, the sum over all replicas; of a single replica as it is.
        """
        if self._strategy is None:
            return parts
        import tensorflow as tf

        def add_up(tensors: list[Any]) -> Any:
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tensors)

        added = []
        for replica, tensors in enumerate(parts):
            with self.on(replica):  # the reduction needs to know where they are
                added.append([tf.add_n(tensor) for tensor in tensors])
        values = self._strategy.experimental_distribute_values_from_function(
            lambda context: added[context.replica_id_in_sync_group - self.first]
        )
        sums = self._strategy.run(add_up, args=(values,))
        by_replica = zip(*map(self._strategy.experimental_local_results, sums), strict=True)
        return [[[tensor] for tensor in tensors] for tensors in by_replica]

    def gather(self, rows: list[np.ndarray], batch: int) -> np.ndarray:
        """All rows (batch, …) float32 out of those of each replica; all workers call it at once."""
        whole = np.zeros((batch, *rows[0].shape[1:]), rows[0].dtype)
        for place, values in zip(self.rows(batch), rows, strict=True):
            whole[place] = values
        return self._total(whole)

    def agree(self, value: Any) -> Any:
        """The chief's value, JSON, for everybody; all workers call it at once."""
        return json.loads(self._from_chief(json.dumps(value).encode()))

    def agree_arrays(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The chief's arrays for everybody; all workers call it at once."""
        if self.workers == 1:
            return arrays
        buffer = io.BytesIO()
        if self.chief:
            np.savez(buffer, **arrays)  # type: ignore[arg-type]  # not allow_pickle
        with np.load(io.BytesIO(self._from_chief(buffer.getvalue())), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def _from_chief(self, data: bytes) -> bytes:
        """The chief's bytes, as numbers to which the others add nothing."""
        if self.workers == 1:
            return data
        size = int(self._total(np.array([len(data) * self.chief], np.int32))[0])
        words = np.zeros(-(-size // 4), np.int32)
        if self.chief:
            words[:] = np.frombuffer(data.ljust(4 * len(words), b"\0"), np.int32)
        return self._total(words).tobytes()[:size]

    def _total(self, array: np.ndarray) -> np.ndarray:
        if self.workers == 1:
            return array
        import tensorflow as tf

        mine = [tf.constant(array), *[tf.zeros_like(array)] * (len(self.devices) - 1)]
        return self.sum([[[part]] for part in mine])[0][0][0].numpy()


ALONE = Share(None, ("",))


def start_strategy(settings: Training) -> Share:
    """The share of this process, before TensorFlow's first operation. Workers of
    ``strategy = "ray"`` wait for each other here.

    Raises:
        TextgenError: a single device to mirror on, or a batch that cannot be divided.
    """
    if settings.strategy == "one" or (settings.strategy == "ray" and settings.workers == 1):
        return ALONE
    import tensorflow as tf

    if settings.strategy == "ray":
        with silenced_stderr():
            strategy: Any = tf.distribute.MultiWorkerMirroredStrategy()  # of TF_CONFIG
        workers, rank = settings.workers, strategy.cluster_resolver.task_id
    else:
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        if len(devices) == 1:
            raise TextgenError(
                "training.strategy",
                found=f'"mirrored", with one device ({devices[0].name})',
                expected="two or more GPUs",
                hint='take strategy = "one"',
            )
        strategy = tf.distribute.MirroredStrategy([device.name for device in devices])
        workers, rank = 1, 0
    share = Share(strategy, strategy.extended.worker_devices, workers, rank)
    share.rows(settings.batch)
    return share
