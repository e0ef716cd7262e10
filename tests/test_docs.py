"""Guides of docs name commands that there are; references are what the code says."""

import re
import shlex
import sys

import pytest
from conftest import ROOT

from textgen import cli

sys.path.insert(0, str(ROOT / "docs"))
import reference

pytestmark = pytest.mark.fast
GUIDES = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", reference.PAGES)
def test_a_reference_is_what_the_code_says(name):
    path = ROOT / "docs" / "reference" / f"{name}.md"
    page = reference.page(name)
    assert path.read_text("utf-8").split() == page.split(), f"run: python docs/reference.py {name}"


def test_the_index_has_all_guides():
    listed = re.findall(r"\]\(([\w-]+)\.md\)", GUIDES["README"])
    assert sorted(listed) == sorted(GUIDES.keys() - {"README"})


@pytest.mark.parametrize("name", GUIDES)
def test_every_command_and_option_of_a_guide_exists(name):
    blocks = [block for language, block in BLOCK.findall(GUIDES[name]) if not language]
    for line in "".join(blocks).splitlines():
        for words in (shlex.split(each, comments=True) for each in line.split(" && ")):
            if words[:1] == ["textgen"]:
                parser = cli.Parser()
                cli.COMMANDS[words[1]][0](parser)
                parser.parse_args(words[2:])
