"""The tutorial notebook runs from top to bottom and shows tables and figures."""

from __future__ import annotations

import nbclient
import nbformat
from conftest import ROOT


def test_the_tutorial_runs(tmp_path):
    notebook = nbformat.read(ROOT / "experiments" / "tutorial.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()  # raises what a cell raises
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not any(output.get("name") == "stderr" for output in outputs)
    shown = [output["data"] for output in outputs if "data" in output]
    assert sum("image/png" in data for data in shown) == 2
    assert any("<table>" in data.get("text/html", "") for data in shown)
    assert (tmp_path / "reports" / "tiny-words" / "index.html").exists()
