"""Array types and the few helpers that every part of the simulation shares. Times are seconds since the epoch, UTC."""

import hashlib
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import orjson

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Rng = np.random.Generator
T = TypeVar("T")

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


def rng_for(*parts: str | int) -> Rng:
    """A generator that depends on `parts` only, so that one part of a case can grow without moving the others."""
    return np.random.Generator(np.random.PCG64([zlib.crc32(str(part).encode()) for part in parts]))


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -30, 30))), dtype=np.float64)


def logit(p: float) -> float:
    return float(np.log(p / (1.0 - p)))


def log_uniform(rng: Rng, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def chance(rng: Rng, p: float) -> bool:
    return bool(rng.random() < p)


def one(rng: Rng, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def token(rng: Rng, length: int) -> str:
    """Lower-case hexadecimal of the given length."""
    return rng.bytes(length // 2 + 1).hex()[:length]


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def fingerprint(value: Any) -> str:
    return "sha256:" + hashlib.sha256(value.encode() if isinstance(value, str) else canonical(value)).hexdigest()
