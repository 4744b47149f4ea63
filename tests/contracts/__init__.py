"""What every adapter of a kind must do, as suites to subclass."""

import pytest

pytest.register_assert_rewrite("tests.contracts.bench", "tests.contracts.engine")
