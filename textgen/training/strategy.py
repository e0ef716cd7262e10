"""One training on several devices or machines: plain data parallelism, the same as one device.

Every replica has its own copy of the network and the optimizer, reads its own rows of each batch
and keeps their states. Gradients are added up by the all-reduce of ``tf.distribute``, so that all
copies make the same update. The first worker is the chief: it alone decides and writes.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from textgen.core import TextgenError, Training, silenced_stderr
from textgen.training.meeting import Cluster, divided


class Share:
    """This process's share in a training.

    Args:
        strategy: of ``tf.distribute``, or None for one device and no other process.
        cluster: the processes.
        devices: of this process, a replica each.
    """

    def __init__(self, strategy: Any, cluster: Cluster, devices: Sequence[str]) -> None:
        self._strategy, self.cluster, self.devices = strategy, cluster, tuple(devices)
        self.chief = cluster.chief
        self.replicas = cluster.workers * len(self.devices)
        self.first = cluster.index * len(self.devices)
        """Number of this process's first replica."""

    def rows(self, batch: int) -> list[slice]:
        """The rows of a batch that each replica of this process reads.

        Raises:
            TextgenError: the batch cannot be divided.
        """
        each = divided(batch, self.replicas)
        numbers = range(self.first, self.first + len(self.devices))
        return [slice(i * each, (i + 1) * each) for i in numbers]

    def on(self, replica: int) -> contextlib.AbstractContextManager[Any]:
        """Places variables and operations on the device of a replica of this process."""
        import tensorflow as tf

        return tf.device(self.devices[replica]) if self._strategy else contextlib.nullcontext()

    def sum(self, parts: list[list[list[Any]]]) -> list[list[list[Any]]]:
        """Add up what the replicas have found.

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
        if self.cluster.workers == 1:
            return value
        return json.loads(self._broadcast(json.dumps(value).encode()))

    def agree_arrays(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The chief's arrays for everybody; all workers call it at once."""
        if self.cluster.workers == 1:
            return arrays
        buffer = io.BytesIO()
        if self.chief:
            np.savez(buffer, **arrays)  # type: ignore[arg-type]  # not allow_pickle
        with np.load(io.BytesIO(self._broadcast(buffer.getvalue())), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def _broadcast(self, data: bytes) -> bytes:
        """The others add nothing to the chief's numbers."""
        size = int(self._total(np.array([len(data) * self.chief], np.int32))[0])
        words = np.zeros(-(-size // 4), np.int32)
        if self.chief:
            words[:] = np.frombuffer(data.ljust(4 * len(words), b"\0"), np.int32)
        return self._total(words).tobytes()[:size]

    def _total(self, array: np.ndarray) -> np.ndarray:
        if self.cluster.workers == 1:
            return array
        import tensorflow as tf

        mine = [tf.constant(array), *[tf.zeros_like(array)] * (len(self.devices) - 1)]
        return self.sum([[[part]] for part in mine])[0][0][0].numpy()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Raises:
        TextgenError: a worker has gone while others were waiting for it.
        """
        from tensorflow import errors

        try:
            yield
        except (errors.UnavailableError, errors.AbortedError, errors.CancelledError) as error:
            if self.cluster.workers == 1:
                raise
            raise TextgenError(
                "training",
                found=f"another worker has gone ({type(error).__name__})",
                expected=f"all {self.cluster.workers} workers until the end",
                hint="see what it printed, then start all of them again: they go on from the "
                "chief's last checkpoint",
            ) from error

    def describe(self) -> dict[str, Any]:
        """What the manifest says."""
        return {
            "strategy": type(self._strategy).__name__ if self._strategy else None,
            "replicas": self.replicas,
            "workers": list(self.cluster.addresses),
            "devices": list(self.devices) if self._strategy else [],
        }


ALONE = Share(None, Cluster(), ("",))


def start_strategy(settings: Training, cluster: Cluster) -> Share:
    """The share of this process, before TensorFlow's first operation; all workers have met.

    Raises:
        TextgenError: a single device to mirror on, or a batch that cannot be divided.
    """
    if settings.strategy == "one":
        return ALONE
    import tensorflow as tf

    if settings.strategy == "multi_worker":
        with silenced_stderr():
            strategy: Any = tf.distribute.MultiWorkerMirroredStrategy()
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
    share = Share(strategy, cluster, strategy.extended.worker_devices)
    share.rows(settings.batch)
    return share
