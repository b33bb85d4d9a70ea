"""Threads share what glibc keeps."""

import ctypes
import subprocess
import sys

import pytest

CODE = """
import ctypes, threading
from triagebot.bootstrap.memory import few_arenas
if {called}: few_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
barrier = threading.Barrier(8)
def work():
    libc.malloc(ctypes.c_size_t(1000))
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc has arenas to limit")
def test_threads_share_two_arenas():
    def arenas(called: bool) -> int:
        code = CODE.format(called=called)
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.count(
            "<heap nr="
        )

    assert arenas(True) <= 2 < arenas(False)
