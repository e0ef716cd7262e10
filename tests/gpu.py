"""What a GPU computes: ``python tests/gpu.py``, where there is one."""

import sys
from pathlib import Path

import pytest

sys.exit(pytest.main(["-n", "0", "-m", "slow", str(Path(__file__).with_name("test_gpu.py"))]))
