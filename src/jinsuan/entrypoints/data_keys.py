"""The keys of personal data: read from the environment, once per change, and given to actions."""

from __future__ import annotations

import os
from functools import lru_cache

from jinsuan.registry.sealing import Keyring, read_keyring

VARIABLE = "JINSUAN_DATA_KEY"


def keyring() -> Keyring:
    """The configured keys; none at all is fine until somebody keeps or shows personal data.

    Raises:
        DataKeyInvalid: the variable is set and cannot be read.
    """
    return _read(os.environ.get(VARIABLE, ""))


_read = lru_cache(maxsize=4)(read_keyring)
