"""account-locks.py [--remove SECONDS]

Lists the lock files and temporaries in /etc that a killed useradd or userdel left, one a line; with --remove, removes
them, after waiting up to SECONDS for the tools that work on the account files now.

All of these tools hold the lock of lckpwdf(3) around their lock files. That lock ends with its holder. So while this
program holds it, every lock file is stale, whatever pid the file names: that pid may belong to another process by now.
"""
import fcntl
import os
import re
import signal
import sys

LEFT = re.compile(r'(passwd|shadow|group|gshadow|subuid|subgid)(\.lock|\.\d+|\+)')

lock = os.open('/etc/.pwd.lock', os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
removes = sys.argv[1:2] == ['--remove']
if removes:
    signal.alarm(int(sys.argv[2]))  # ends this program
    fcntl.lockf(lock, fcntl.LOCK_EX)
    signal.alarm(0)
else:
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit()  # a tool works on the account files: the lock files are its own
for name in sorted(os.listdir('/etc')):
    if LEFT.fullmatch(name):
        print('/etc/' + name)
        if removes:
            os.unlink('/etc/' + name)
