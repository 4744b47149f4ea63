"""Secrets of the two-step log-in at rest: allauth keeps them, the key ring seals them. Pure.

A sealed secret is `jinsuan-sealed:` and the base64 of what the ring makes. No clear secret looks
like that: allauth's are base32 (TOTP), hex (the seed of recovery codes) or digits.
"""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from jinsuan.registry.errors import (
    DataKeyMissing,
    DataKeyUnknown,
    PersonalDataDamaged,
    TwoStepUnreadable,
)
from jinsuan.registry.sealing import Keyring, Place

PREFIX = "jinsuan-sealed:"
PLACE = Place(field="mfa_authenticator.data", row=UUID(int=0))
"""One for all rows: allauth seals before there is a row and does not say whose secret it is.

So a sealed secret opens in another row of this column too, but nowhere else.
"""
SECRETS = ("secret", "seed")
"""The keys of `mfa_authenticator.data` under which a secret stands: TOTP, recovery codes."""


def seal_secret(text: str, keys: Keyring) -> str:
    """Seal a secret. Without any key it stays as it is: two steps in clear are better than one."""
    if not keys.keys:
        return text
    return PREFIX + base64.urlsafe_b64encode(keys.seal(text, PLACE)).decode()


def open_secret(kept: str, keys: Keyring) -> str:
    """A secret as allauth needs it; one that was never sealed is given back as it is.

    Raises:
        TwoStepUnreadable: it is sealed and no configured key opens it.
    """
    if not kept.startswith(PREFIX):
        return kept
    # `from None`: what stood in the row must not come along in a traceback.
    try:
        return keys.open(_raw(kept), PLACE)
    except DataKeyMissing:
        raise TwoStepUnreadable("没有配置数据密钥") from None
    except DataKeyUnknown as error:
        raise TwoStepUnreadable(f"它用的密钥 {error.key} 没有配置") from None
    except PersonalDataDamaged:
        raise TwoStepUnreadable("密文核对不上，密钥不对或内容被改动过") from None


def stale_secret(kept: str, keys: Keyring) -> bool:
    """Whether a secret is in clear or under a key that is not the first any more.

    Raises:
        TwoStepUnreadable: it is sealed and cannot be taken apart.
    """
    if not kept.startswith(PREFIX):
        return True
    try:
        return keys.stale(_raw(kept), PLACE)
    except PersonalDataDamaged:
        raise TwoStepUnreadable("密文核对不上，内容被改动过") from None


def _raw(kept: str) -> bytes:
    try:
        return base64.b64decode(kept.removeprefix(PREFIX), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise PersonalDataDamaged(PLACE.field) from None
