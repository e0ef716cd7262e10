"""Linux as if it were another system: with this folder on PYTHONPATH, every Python process begins
without what Linux alone has, and with what Windows does otherwise.

Taken away: fork, process groups, most signals, affinity, /proc and /sys, the C library by no name.
As on Windows: a process that is ended has the exit code 1; text is in cp1252, with CRLF, where
nothing else is said; some names no file can have; a file that is open cannot be removed, and no
other takes its place; paths are sorted without regard to capitals; a process's time goes in steps
of 16 ms; a C long has 32 bits; a script's type is not known.
"""

import builtins
import csv
import ctypes
import errno
import io
import mimetypes
import multiprocessing
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
}
# whose own ways of removing files on Linux are left as they are
TRUSTED = {"tempfile", "filelock", "_pytest", "pytest", "xdist", "execnet"}
LOCALE = "cp1252"

for module, names in {
    os: "fork forkpty killpg getpgid setpgid setsid sched_getaffinity sched_setaffinity",
    signal: "SIGKILL SIGHUP SIGUSR1 SIGUSR2 SIGALRM SIGSTOP SIGCHLD setitimer alarm",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
multiprocessing.set_start_method("spawn")
shutil._use_fd_functions = False


class Library(ctypes.CDLL):
    def __init__(self, name, *arguments, **settings):
        if name is None:
            raise TypeError("argument of type 'NoneType' is not iterable")
        super().__init__(name, *arguments, **settings)


ctypes.CDLL = Library


def end(process):
    process.send_signal(9)


def handle_exit(process, *arguments, known=subprocess.Popen._handle_exitstatus):
    known(process, *arguments)
    if process.returncode is not None and process.returncode < 0:
        process.returncode = 1


subprocess.Popen.kill = subprocess.Popen.terminate = end
subprocess.Popen._handle_exitstatus = handle_exit


def check_name(path):
    name = os.fsdecode(path).rpartition("/")[2]
    is_strange = any(letter in '<>:"|?*\\' or ord(letter) < 32 for letter in name)
    is_cut = name not in (".", "..") and name.endswith((".", " "))
    if is_strange or is_cut or name.partition(".")[0].lower() in RESERVED:
        raise OSError(errno.EINVAL, "The filename or directory name is incorrect", path)


def open_elsewhere(
    file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True,
    opener=None, known=io.open,
):  # fmt: skip
    if not isinstance(file, int):
        if os.fsdecode(file).startswith(("/proc/", "/sys/")):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", file)
        if set(mode) & set("wax"):
            check_name(file)
    if "b" not in mode:
        encoding = LOCALE if encoding in (None, "locale") else encoding
        if newline is None and set(mode) & set("wax"):
            newline = "\r\n"
    return known(file, mode, buffering, encoding, errors, newline, closefd, opener)


io.open = builtins.open = open_elsewhere


def check_closed(path):
    """Whoever removes or moves a file or a folder: nothing in it may be open in this process."""
    frame = sys._getframe(2)
    while frame and frame.f_globals.get("__name__", "").startswith(("pathlib", "shutil", "os")):
        frame = frame.f_back
    if frame and frame.f_globals.get("__name__", "").partition(".")[0] in TRUSTED:
        return
    here = os.path.realpath(os.fsdecode(path))
    for number in pathlib.Path("/proc/self/fd").iterdir():
        try:
            opened = str(number.readlink())
        except OSError:
            continue
        if opened == here or opened.startswith(here + os.sep):
            raise PermissionError(errno.EACCES, "The file is being used by a process", path)


def careful(known, targets=False):
    def call(path, *arguments, **settings):
        check_closed(path)
        if targets:
            check_name(arguments[0])
            check_closed(arguments[0])
        return known(path, *arguments, **settings)

    return call


def make_folder(path, *arguments, known=os.mkdir, **settings):
    check_name(path)
    return known(path, *arguments, **settings)


def find_status(path, *arguments, known=os.stat, **settings):
    if not isinstance(path, int) and os.fsdecode(path).startswith(("/proc/", "/sys/")):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
    return known(path, *arguments, **settings)


os.stat = find_status
os.mkdir = make_folder
os.unlink = os.remove = careful(os.unlink)
os.rmdir = careful(os.rmdir)
os.rename = careful(os.rename, targets=True)
os.replace = careful(os.replace, targets=True)
pathlib.PurePath.__lt__ = lambda path, other: str(path).lower() < str(other).lower()


def process_time(known=time.process_time):
    return known() * 64 // 1 / 64


def field_size_limit(*limit, known=csv.field_size_limit):
    if limit and limit[0] >= 2**31:
        raise OverflowError("Python int too large to convert to C long")
    return known(*limit)


time.process_time = process_time
csv.field_size_limit = field_size_limit
mimetypes.add_type("text/plain", ".js")
if "PYTHONIOENCODING" not in os.environ:
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is not None and not stream.isatty():
            stream.reconfigure(encoding=LOCALE, newline=None if stream is sys.stdin else "\r\n")
