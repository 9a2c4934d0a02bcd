"""The last step before a child program runs: ties it to us and gives up root; a script, never imported.

It runs in the child's own process and then becomes the program (exec), so nothing of it stays behind. It is a
script because Python code between fork and exec is not safe once the parent has threads. It uses the standard
library only: it runs with `-I -S`, without our packages.
"""

import argparse
import ctypes
import os
import pwd
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
CANNOT_START = 126  # as a shell says "found, but may not be run"


def die_with_parent(death_signal: int, parent: int) -> None:
    """Ask the kernel for `death_signal` when the parent ends; only Linux can be asked."""
    if not sys.platform.startswith("linux"):
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel refused to tie this process to its parent")
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), signal.SIGKILL)


def enter_user_namespace() -> None:
    """Become an ordinary user to ourselves, while files outside still see the same owner."""
    uid, gid = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not allowed here")
    # initdb looks its user up by number, so it must be one that this machine knows.
    user = min((entry for entry in pwd.getpwall() if entry.pw_uid != 0), key=lambda entry: entry.pw_uid)
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{user.pw_gid} {gid} 1", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user.pw_uid} {uid} 1", encoding="ascii")


def become_user(name: str) -> None:
    entry = pwd.getpwnam(name)
    os.setgroups([entry.pw_gid])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", type=int, required=True)
    parser.add_argument("--namespace", action="store_true")
    parser.add_argument("--user")
    parser.add_argument("argv", nargs="+")
    options = parser.parse_args()
    try:
        if options.namespace:
            enter_user_namespace()
        elif options.user:
            become_user(options.user)
        # Last, because a change of user makes the kernel forget it.
        die_with_parent(options.death_signal, options.parent)
        os.execvp(options.argv[0], options.argv)  # noqa: S606 - to become the program is what this script is for
    except OSError as error:
        sys.stderr.write(f"{options.argv[0]} was not started: {error.strerror}\n")
        sys.exit(CANNOT_START)


if __name__ == "__main__":
    main()
