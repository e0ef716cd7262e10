"""nanoGPT's recipe for a laptop's processor, written anew: a transformer to hold LSTMs against.

    python nanogpt_cpu.py tiny_shakespeare/input.txt --iterations 2000
    python nanogpt_cpu.py tiny_shakespeare/input.txt --seconds 300

The settings are those that https://github.com/karpathy/nanoGPT publishes for a computer without a
GPU: 4 layers of 4 heads, 128 wide, 64 characters of context, batches of 12, AdamW at 1e-3 (betas
0.9 and 0.99, weight decay 0.1 on matrices), 5% of warm-up (100 of its 2,000 iterations), then a
cosine to 1e-4, gradients clipped at 1, no dropout, no biases, embedding and output tied. Nothing is
selected: the last weights are scored. With ``--seconds`` the rate follows the clock.

The last tenth of the text is held out. nanoGPT trains on all before it; with ``--train 0.85`` the
network is trained on what textgen's arms are trained on. All of the tenth is scored, its first
character after the one before it. There are two figures, in nats and in bits per character:

side by side   the text in windows of 64, each predicted from what stands before it in its window:
               32 characters on average. What nanoGPT prints is an estimate of this, from 20 random
               batches. It understates the network.
strided        a window every 8 characters, of which only the last 8 are scored: each character has
               at least 57 before it (all there is, in the first window). Neither uses any character
               twice.

There is no end mark here; textgen's figures pay for one. Needs PyTorch: pip install torch.
Results are kept in a JSON file: a repeated command prints what is there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

LAYERS, HEADS, WIDTH, CONTEXT, BATCH = 4, 4, 128, 64, 12
RATE, LOWEST_RATE, WARMUP = 1e-3, 1e-4, 0.05
BETAS, WEIGHT_DECAY, CLIP = (0.9, 0.99), 0.1, 1.0
STRIDE = 8
SPREAD = 0.02
"""Standard deviation of the first weights."""


class Block(nn.Module):
    """Self-attention and a feed-forward layer, each behind a normalisation and added to its
    input."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH, bias=False), nn.LayerNorm(WIDTH, bias=False)
        self.queries_keys_values = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.attended = nn.Linear(WIDTH, WIDTH, bias=False)
        self.wide = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.narrow = nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        rows, length, _ = x.shape
        parts = self.queries_keys_values(self.first(x)).view(rows, length, 3, HEADS, -1)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        x = x + self.attended(seen.transpose(1, 2).reshape(rows, length, WIDTH))
        return x + self.narrow(functional.gelu(self.wide(self.second(x))))


class Transformer(nn.Module):
    """A decoder over ``size`` characters."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(size, WIDTH)
        self.places = nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.last = nn.LayerNorm(WIDTH, bias=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                added = name.endswith(("attended.weight", "narrow.weight"))
                nn.init.normal_(weight, 0.0, SPREAD / math.sqrt(2 * LAYERS) if added else SPREAD)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, T) → logits (B, T, size)."""
        x = self.characters(tokens) + self.places.weight[: tokens.shape[1]]
        return functional.linear(self.last(self.blocks(x)), self.characters.weight)

    def nats(self, spans: Tensor) -> Tensor:
        """(B, T + 1) → −ln P of all but the first of each: (B, T)."""
        logits = self(spans[:, :-1]).flatten(0, 1)
        targets = spans[:, 1:]
        nats = functional.cross_entropy(logits, targets.flatten(), reduction="none")
        return nats.view_as(targets)


def rate_at(share: float) -> float:
    """The learning rate when this share of the training is done."""
    if share < WARMUP:
        return RATE * share / WARMUP
    left = 0.5 * (1 + math.cos(math.pi * min(1.0, (share - WARMUP) / (1 - WARMUP))))
    return LOWEST_RATE + left * (RATE - LOWEST_RATE)


def train(
    network: Transformer, text: Tensor, iterations: int | None, seconds: float | None
) -> dict[str, float]:
    """Train for so many iterations or seconds; how many of both it took."""
    matrices = [p for p in network.parameters() if p.dim() == 2]
    gains = [p for p in network.parameters() if p.dim() < 2]
    groups = [{"params": matrices}, {"params": gains, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, RATE, BETAS, weight_decay=WEIGHT_DECAY)
    begin, done, recent = time.perf_counter(), 0, 0.0
    while True:
        passed = time.perf_counter() - begin
        share = (done + 1) / (iterations + 1) if iterations else passed / seconds
        if share >= 1:
            return {"iterations": done, "seconds": passed}
        for group in optimizer.param_groups:
            group["lr"] = rate_at(share)
        starts = torch.randint(len(text) - CONTEXT, (BATCH, 1))
        loss = network.nats(text[starts + torch.arange(CONTEXT + 1)]).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        done, recent = done + 1, loss.item()
        if done % 250 == 0:
            print(f"  {done:,} iterations, {passed:.0f} s: {recent:.3f} nats", flush=True)


@torch.no_grad()
def held_out_nats(network: Transformer, text: Tensor, first: int, stride: int) -> float:
    """−ln P of all characters from ``first`` on, each from those before it in its window.

    Windows end ``stride`` characters apart, and of each only the targets after the last window's
    are scored; the first window begins with the character before ``first``.
    """
    total, scored = 0.0, first
    begin, rows = first - 1, []
    while scored < len(text):
        end = min(begin + CONTEXT, len(text) - 1)  # the last target
        rows.append((begin, end, end + 1 - scored))
        scored, begin = end + 1, begin + stride
    for batch in (rows[i : i + 256] for i in range(0, len(rows), 256)):
        whole = [row for row in batch if row[1] - row[0] == CONTEXT]
        for group in ([whole] if whole else []) + [[row] for row in batch if row not in whole]:
            nats = network.nats(torch.stack([text[a : b + 1] for a, b, _ in group]))
            for row, (_, _, new) in zip(nats, group, strict=True):
                total += float(row[len(row) - new :].double().sum())
    return total


def measure(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Train on the first share ``train`` of a text and score its last tenth; the settings, too."""
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(settings["seed"])
    text = path.read_bytes().decode("utf-8")
    cut = int(0.9 * len(text))
    alphabet = sorted(set(text[:cut]))
    if unknown := set(text[cut:]) - set(alphabet):
        raise SystemExit(f"{path}: the last tenth has characters that the rest lacks: {unknown}")
    code = {c: i for i, c in enumerate(alphabet)}
    tokens = torch.tensor([code[c] for c in text])
    network = Transformer(len(alphabet))
    found: dict[str, Any] = {**settings, "held_out_characters": len(text) - cut}
    found["parameters"] = sum(p.numel() for p in network.parameters())
    found["torch"] = torch.__version__
    found |= train(network, tokens[: int(settings["train"] * len(text))], **settings["asked"])
    network.eval()
    for name, stride in (("side_by_side", CONTEXT), ("strided", STRIDE)):
        nats = held_out_nats(network, tokens, cut, stride) / (len(text) - cut)
        found[name] = {"nats_per_character": nats, "bits_per_character": nats / math.log(2)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path)
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--iterations", type=int)
    budget.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--train", type=float, default=0.9, help="first share of the text")
    parser.add_argument("--out", type=Path, default=Path("runs/nanogpt_cpu.json"))
    given = parser.parse_args()
    results = json.loads(given.out.read_text()) if given.out.exists() else []
    settings: dict[str, Any] = {"sha256": hashlib.sha256(given.text.read_bytes()).hexdigest()}
    settings |= {name: getattr(given, name) for name in ("seed", "threads", "train")}
    settings["asked"] = {"iterations": given.iterations, "seconds": given.seconds}
    found = next((result for result in results if settings.items() <= result.items()), None)
    if found is None:
        found = measure(given.text, settings)
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps([*results, found], indent=1) + "\n")
    print(f"{found['iterations']:,} iterations in {found['seconds']:.0f} s")
    for name in ("side_by_side", "strided"):
        nats, bits = found[name]["nats_per_character"], found[name]["bits_per_character"]
        print(f"{name.replace('_', ' '):<13}{nats:.4f} nats  {bits:.4f} bits per character")


if __name__ == "__main__":
    main()
