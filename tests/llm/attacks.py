"""Programs that try to get out. Each defines `attack()`, which says "escaped" when it succeeded.

A program is written with names of the `Host` that the test sets up: `{secret}` a file with a
random content, `{outside}` a folder, `{tcp}` and `{udp}` ports that somebody listens to, `{unix}`
a socket's path, `{abstract}` an abstract socket's name, `{victim}` a process that must live on.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """One hostile program.

    `harmless`: it may be let loose on the test's own files and processes, to see it succeed.
    """

    name: str
    program: str
    harmless: bool = False


def _lines(*lines: str) -> str:
    return "\n".join(lines)


def _attack(body: str) -> str:
    """Put the lines of `body` into `attack()`."""
    return "def attack():\n" + "\n".join(f"    {line}" for line in body.strip().splitlines())


NETWORK = (
    Attack(
        "tcp",
        _attack("""
import socket
socket.create_connection(("127.0.0.1", {tcp}), timeout=1).sendall(b"x")
return "escaped"
"""),
        harmless=True,
    ),
    Attack(
        "tcp-listen",
        _attack("""
import socket
server = socket.create_server(("127.0.0.1", 0))
return "escaped"
"""),
        harmless=True,
    ),
    Attack(
        "udp",
        _attack("""
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", {udp}))
return "escaped"
"""),
        harmless=True,
    ),
    Attack(
        "unix-socket",
        _attack("""
import socket
line = socket.socket(socket.AF_UNIX)
line.connect({unix!r})
return "escaped"
"""),
        harmless=True,
    ),
    Attack(
        "abstract-socket",
        _attack("""
import socket
line = socket.socket(socket.AF_UNIX)
line.connect({abstract!r})
return "escaped"
"""),
        harmless=True,
    ),
    Attack(
        "raw-system-call-socket",
        _attack("""
import ctypes, platform
number = {{"x86_64": 41, "aarch64": 198}}[platform.machine()]
handle = ctypes.CDLL(None).syscall(number, 2, 1, 0)
return "escaped" if handle >= 0 else "stopped"
"""),
        harmless=True,
    ),
    Attack(
        "io-uring",
        _attack("""
import ctypes
handle = ctypes.CDLL(None).syscall(425, 8, ctypes.create_string_buffer(256))
return "escaped" if handle >= 0 else "stopped"
"""),
    ),
)

FILES = (
    Attack("read-secret", _attack("return 'escaped ' + open({secret!r}).read()"), harmless=True),
    Attack(
        "read-through-symlink",
        _attack("""
import os
os.symlink({secret!r}, "link")
return "escaped " + open("link").read()
"""),
        harmless=True,
    ),
    Attack(
        "read-through-dots",
        _attack("""
import os, sys
stdlib = os.path.dirname(os.__file__)
return "escaped " + open(stdlib + "/.." * stdlib.count("/") + {secret!r}).read()
"""),
        harmless=True,
    ),
    Attack(
        "read-through-proc-root",
        _attack("return 'escaped ' + open('/proc/self/root' + {secret!r}).read()"),
        harmless=True,
    ),
    Attack(
        "list-folder", _attack("import os\nreturn 'escaped' if os.listdir({outside!r}) else ''")
    ),
    Attack(
        "write-outside",
        _attack("""
open({outside!r} + "/new", "w").write("x")
return "escaped"
"""),
        harmless=True,
    ),
    Attack("overwrite", _attack("open({secret!r}, 'w').write('gone')\nreturn 'escaped'")),
    Attack(
        "truncate-while-reading",
        _attack("""
import os
os.open({secret!r}, os.O_RDONLY | os.O_TRUNC)
return "escaped"
"""),
    ),
    Attack("truncate-by-name", _attack("import os\nos.truncate({secret!r}, 0)\nreturn 'escaped'")),
    Attack("delete", _attack("import os\nos.unlink({secret!r})\nreturn 'escaped'")),
    Attack(
        "rename", _attack("import os\nos.rename({secret!r}, {secret!r} + '2')\nreturn 'escaped'")
    ),
    Attack("chmod", _attack("import os\nos.chmod({secret!r}, 0o777)\nreturn 'escaped'")),
    Attack("touch", _attack("import os\nos.utime({secret!r}, (1, 1))\nreturn 'escaped'")),
    Attack(
        "hard-link", _attack("import os\nos.link({secret!r}, {outside!r} + '/l')\nreturn 'escaped'")
    ),
    Attack(
        "device-node",
        _attack(
            "import os\nos.mknod({outside!r} + '/d', 0o20666, os.makedev(1, 1))\nreturn 'escaped'"
        ),
    ),
    Attack(
        "poison-stdlib",
        _attack("""
import os
open(os.path.dirname(os.__file__) + "/poison_of_a_test.py", "w").close()
return "escaped"
"""),
    ),
    Attack(
        "fill-disk",
        _attack("""
import itertools
for count in itertools.count():
    open(f"file-{{count}}", "wb").write(bytes(1 << 20))
    if count == 3:
        return "escaped"
"""),
    ),
    Attack(
        "devices",
        _attack("""
import os
for name in ("/dev/mem", "/dev/kmsg", "/dev/vda", "/dev/sda", "/dev/tty", "/dev/shm"):
    try:
        os.open(name, os.O_RDONLY)
        return "escaped"
    except OSError:
        pass
return "stopped"
"""),
    ),
    Attack(
        "system-files",
        _attack("""
for name in ("/etc/passwd", "/etc/shadow", "/proc/1/cmdline", "/proc/kcore", "/sys/kernel/notes"):
    try:
        open(name, "rb").read(1)
        return "escaped"
    except OSError:
        pass
return "stopped"
"""),
    ),
    Attack(
        "memory-file",
        _attack("import os\nos.write(os.memfd_create('x'), b'x')\nreturn 'escaped'"),
    ),
)

PROCESSES = (
    Attack(
        "parent-environment",
        _attack("""
import os
return "escaped " + str(open(f"/proc/{{os.getppid()}}/environ", "rb").read())
"""),
    ),
    Attack(
        "own-environment",
        _attack("""
import os
left = dict(os.environ)
for name in ("/proc/self/environ", "/proc/thread-self/environ"):
    try:
        left[name] = open(name, "rb").read()
    except OSError:
        pass
return "escaped " + str(left) if left else "stopped"
"""),
    ),
    Attack(
        "fork-bomb",
        _attack("""
import os
os.fork()
while True:
    os.fork()
"""),
    ),
    Attack(
        "thread-bomb",
        _attack("""
import threading, time
for _ in range(100_000):
    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
return "escaped"
"""),
    ),
    Attack(
        "daemon",
        _attack("""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open({outside!r} + "/daemon", "w").write("x")
        time.sleep(0.5)
    os._exit(0)
return "escaped"
"""),
    ),
    Attack(
        "shell",
        _attack("""
import os
return "escaped" if os.system("echo x > " + {outside!r} + "/shell") == 0 else "stopped"
"""),
        harmless=True,
    ),
    Attack(
        "exec",
        _attack("""
import os
os.execv("/bin/sh", ["/bin/sh", "-c", "echo x > " + {outside!r} + "/exec"])
"""),
    ),
    Attack(
        "spawn",
        _attack("""
import os
os.posix_spawn("/bin/sh", ["/bin/sh", "-c", "echo x > " + {outside!r} + "/spawn"], {{}})
return "escaped"
"""),
    ),
    Attack(
        "kill-victim", _attack("import os\nos.kill({victim}, 9)\nreturn 'escaped'"), harmless=True
    ),
    Attack(
        "kill-parent",
        _attack("import os\nos.kill(os.getppid(), 0)\nreturn 'escaped'"),
        harmless=True,
    ),
    Attack(
        "kill-by-descriptor",
        _attack("""
import os, signal
signal.pidfd_send_signal(os.pidfd_open({victim}), 9)
return "escaped"
"""),
        harmless=True,
    ),
    Attack(
        "kill-by-owner-of-a-pipe",
        _attack("""
import fcntl, os
write = 2
fcntl.fcntl(write, 10, 9)  # F_SETSIG
fcntl.fcntl(write, fcntl.F_SETOWN, {victim})
fcntl.fcntl(write, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
for _ in range(1000):
    os.write(write, b"x")
return "escaped"
"""),
        harmless=True,
    ),
    Attack(
        "squeeze-victim",
        _attack("""
import resource
resource.prlimit({victim}, resource.RLIMIT_CPU, (0, 0))
return "escaped"
"""),
        harmless=True,
    ),
    Attack(
        "raise-own-limits",
        _attack("""
import resource
resource.setrlimit(resource.RLIMIT_CPU, (999, 999))
return "escaped"
"""),
    ),
    Attack(
        "trace-victim",
        _attack("""
import ctypes
return "escaped" if ctypes.CDLL(None).ptrace(16, {victim}, 0, 0) == 0 else "stopped"
"""),
    ),
    Attack(
        "read-victim-memory",
        _attack("""
import ctypes
class Span(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
room = ctypes.create_string_buffer(8)
mine, theirs = Span(ctypes.addressof(room), 8), Span(0x1000, 8)
libc = ctypes.CDLL(None, use_errno=True)
libc.process_vm_readv({victim}, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
EFAULT = 14  # let through, only the address was wrong
return "escaped" if ctypes.get_errno() == EFAULT else "stopped"
"""),
    ),
    Attack(
        "new-namespace",
        _attack("""
import ctypes
return "escaped" if ctypes.CDLL(None).unshare(0x10000000) == 0 else "stopped"
"""),
    ),
    Attack(
        "keyring",
        _attack("""
import ctypes, platform
number = {{"x86_64": 250, "aarch64": 219}}[platform.machine()]
return "escaped" if ctypes.CDLL(None).syscall(number, 0, -3, 1) > 0 else "stopped"
"""),
    ),
    Attack(
        "shared-memory",
        _attack("""
import ctypes
return "escaped" if ctypes.CDLL(None).shmget(0, 4096, 0o1600) >= 0 else "stopped"
"""),
    ),
    Attack(
        "become-somebody",
        _attack("import os\nos.setgroups([])\nos.setuid(12345)\nreturn 'escaped'"),
    ),
)

EXHAUSTION = {
    "memory-bomb": (
        "memory",
        "def attack():\n    return len([bytes(1 << 24) for _ in range(999)])",
    ),
    "memory-bomb-at-once": ("memory", "x = 'a' * 10**10"),
    "memory-bomb-of-lists": (
        "memory",
        "def attack():\n    x = []\n    while True:\n        x.append([x] * 1000)",
    ),
    "busy-loop": ("timeout", "def attack():\n    while True:\n        pass"),
    "busy-loop-at-start": ("timeout", "while True:\n    pass"),
    "sleep": ("timeout", "import time\ntime.sleep(1000)"),
    "deaf": (
        "timeout",
        _lines(
            "import signal",
            "for number in range(1, 65):",
            "    try:",
            "        signal.signal(number, signal.SIG_IGN)",
            "    except (OSError, ValueError):",
            "        pass",
            "while True:",
            "    try:",
            "        while True:",
            "            pass",
            "    except BaseException:",
            "        pass",
        ),
    ),
    "slow-in-c": ("timeout", "def attack():\n    return sum(iter(int, 1))"),
    "catastrophic-pattern": (
        "timeout",
        "import re\ndef attack():\n    return re.match('(a+)+$', 'a' * 60 + 'b')",
    ),
    "deep-recursion": ("ok", "def attack(n=0):\n    return attack(n + 1)"),
    "bottomless-recursion": (
        "killed",
        "import sys\nsys.setrecursionlimit(10**9)\n"
        "class A:\n    def __getattr__(self, name):\n        return getattr(self, name)\n"
        "def attack():\n    return A().x",
    ),
    "null-pointer": ("killed", "import ctypes\nctypes.string_at(0)"),
    "abort": ("killed", "import os\nos.abort()"),
    "huge-int": ("ok", "def attack():\n    return 10 ** 100_000"),
    "huge-int-unlimited": (
        "ok",
        "import sys\nsys.set_int_max_str_digits(0)\ndef attack():\n    return 1 << 10**8",
    ),
    "huge-string": ("ok", "def attack():\n    return 'a' * 10**7"),
    "endless-list": ("ok", "def attack():\n    x = []\n    x.append(x)\n    return x"),
    "deep-list": (
        "ok",
        "def attack():\n    x = []\n    for _ in range(100_000):\n        x = [x]\n    return x",
    ),
    "flood-print": ("output", "while True:\n    print('x' * 1000)"),
    "flood-errors": ("output", "import sys\nwhile True:\n    sys.stderr.write('x' * 1000)"),
    "flood-report": (
        "output",
        "import os\nwhile True:\n    for handle in range(3, 32):\n        try:\n"
        "            os.write(handle, b'x' * 4096)\n        except OSError:\n            pass",
    ),
}
"""Programs that take too much, with the status that each must end in."""

_WRITE_FRAME = _lines(
    "import os",
    "def write(content):",
    "    for handle in range(3, 32):",
    "        try:",
    "            os.write(handle, content)",
    "        except OSError:",
    "            pass",
)
FORGERIES = {
    "leave-with-0": "import os\nos._exit(0)",
    "leave-with-0-later": "import os\ndef attack():\n    os._exit(0)",
    "sys-exit": "import sys\nsys.exit(0)",
    "sys-exit-later": "import sys\ndef attack():\n    sys.exit(0)",
    "says-yes": _lines(
        "class Yes:",
        "    __eq__ = lambda self, other: True",
        "    __ne__ = lambda self, other: False",
        "    __hash__ = lambda self: 0",
        "    __bool__ = lambda self: True",
        "    __repr__ = lambda self: '42'",
        "def attack():",
        "    return Yes()",
    ),
    "int-that-says-yes": _lines(
        "class Yes(int):",
        "    __eq__ = lambda self, other: True",
        "    __repr__ = lambda self: '42'",
        "    __index__ = lambda self: 42",
        "def attack():",
        "    return Yes(0)",
    ),
    "str-that-says-yes": _lines(
        "class Yes(str):",
        "    __eq__ = lambda self, other: True",
        "    __str__ = __repr__ = lambda self: '42'",
        "def attack():",
        "    return Yes('x')",
    ),
    "class-that-lies": _lines(
        "class Yes:",
        "    __class__ = int",
        "    __repr__ = lambda self: '42'",
        "def attack():",
        "    return Yes()",
    ),
    "patched-builtins": _lines(
        "import builtins, ast",
        "builtins.repr = builtins.str = ast.literal_eval = lambda *x: '42'",
        "builtins.all = builtins.any = builtins.isinstance = lambda *x: True",
        "def attack():",
        "    return 41",
    ),
    "printed-frame": "print('Rk0:3:v42.', flush=True)\ndef attack():\n    return 41",
    "second-frame": _WRITE_FRAME + "\nwrite(b'k0:3:v42.')\ndef attack():\n    return 41",
    "frame-and-more": _WRITE_FRAME + "\nwrite(b'k0:3:v42.!')\nos._exit(0)",
    "two-outputs": _WRITE_FRAME + "\nwrite(b'k0:3:v42.3:v42.')\nos._exit(0)",
    "cut-frame": _WRITE_FRAME + "\nwrite(b'k0:3:v42')\nos._exit(0)",
    "wrong-length": _WRITE_FRAME + "\nwrite(b'k0:999999999:v42.')\nos._exit(0)",
    "expression-for-literal": _WRITE_FRAME + "\nwrite(b'k0:7:v6 * 7.')\nos._exit(0)",
    "call-for-literal": _WRITE_FRAME
    + "\nwrite(b'k0:26:v__import__(\"os\").getpid().')\nos._exit(0)",
    "minus-for-literal": _WRITE_FRAME
    + "\nwrite(b'k0:30001:v' + b'-' * 29999 + b'1.')\nos._exit(0)",
    "brackets-for-literal": (
        _WRITE_FRAME + "\nwrite(b'k0:20001:v' + b'[' * 10000 + b']' * 10000 + b'.')\nos._exit(0)"
    ),
    "search-for-the-answer": _lines(
        "import gc, sys",
        "def attack():",
        "    frame, seen = sys._getframe(), []",
        "    while frame:",
        "        seen += [frame.f_locals, frame.f_globals]",
        "        frame = frame.f_back",
        "    found = [x for x in gc.get_objects() if type(x) in (list, tuple, dict)]",
        "    text = str(seen)[:10**6] + ' '.join(str(x)[:1000] for x in found[:5000])",
        "    return ''.join(['{first}', '{second}']) in text",
    ),
}
"""Programs that want `attack()` to be taken for 42 without returning it."""
