"""Fuzz a target for as long as is wanted, guided by coverage: see ../README.md."""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

HERE = Path(__file__).parent
sys.path[:1] = [str(HERE.parent), str(HERE.parents[1])]

with atheris.instrument_imports(include=["textgen"]):
    from fuzz.targets import CASES, ODD, TARGETS, words_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=0, help="end earlier")
    parser.add_argument("--corpus", type=Path, help="a folder for inputs that reached new code")
    options = parser.parse_args()
    target, cases = TARGETS[options.target], CASES / options.target
    cases.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        seeds, dictionary = Path(scratch, "seeds"), Path(scratch, "words")
        seeds.mkdir()
        for number, seed in enumerate(target.seeds):
            (seeds / f"{number:03d}").write_bytes(seed)
        words = [word for word in (*ODD, *words_of(target.seeds)) if word]
        escaped = ["".join(f"\\x{byte:02x}" for byte in word) for word in words]
        dictionary.write_text("".join(f'"{word}"\n' for word in escaped))
        arguments = [
            sys.argv[0], *([str(options.corpus)] if options.corpus else []), str(seeds),
            f"-artifact_prefix={cases}/", f"-dict={dictionary}", f"-runs={options.runs}",
            f"-max_total_time={options.seconds}", "-max_len=4096", "-len_control=0", "-timeout=60",
            "-rss_limit_mb=4096", "-seed=1",
        ]  # fmt: skip
        atheris.Setup(arguments, target.check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
