"""Paths below a session's home, for the programs that run there with its user. This text goes before theirs.

A path is a list of names, from the home on. Each name is opened in the folder before it. No symbolic link is followed.
"""
import contextlib
import errno
import hashlib
import json
import os
import stat
import sys

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ERRORS = {errno.ENOSPC: 'DISK_FULL', errno.EDQUOT: 'DISK_FULL', errno.ENAMETOOLONG: 'PATH_TOO_LONG',
          errno.ENOTDIR: 'PATH_NOT_DIRECTORY', errno.EEXIST: 'PATH_NOT_DIRECTORY', errno.EISDIR: 'PATH_IS_DIRECTORY',
          errno.ENOTEMPTY: 'PATH_IS_DIRECTORY', errno.ELOOP: 'PATH_SYMLINK'}
CHUNK = 1 << 16
FILE_BYTES = 100 << 20  # the most bytes of a file that is read or written
WALKED = 200_000
DEPTH = 256


class Refused(Exception):
    """The request is refused. The arguments are the error's name and, optionally, the path."""


def open_parent(home, parts, make=False):
    """A descriptor of the folder that holds the path's last part; None when it is missing and `make` is false."""
    folder = os.dup(home)
    try:
        for part in parts[:-1]:
            found = lstat(part, folder)
            if found is None:
                if not make:
                    return None
                os.mkdir(part, 0o755, dir_fd=folder)
            elif stat.S_ISLNK(found.st_mode):
                raise Refused('PATH_SYMLINK')
            elif not stat.S_ISDIR(found.st_mode):
                raise Refused('PATH_NOT_DIRECTORY')
            inner = os.open(part, FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        result, folder = folder, None
        return result
    finally:
        if folder is not None:
            os.close(folder)


@contextlib.contextmanager
def parent_of(home, parts, make=False, refuses=True):
    """`open_parent` for a `with` statement. Without `refuses`, None also when a link or a file is in the way."""
    try:
        parent = open_parent(home, parts, make)
    except Refused:
        if refuses:
            raise
        parent = None
    try:
        yield parent
    finally:
        if parent is not None:
            os.close(parent)


def lstat(name, folder):
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def check_regular(found):
    if stat.S_ISLNK(found.st_mode):
        raise Refused('PATH_SYMLINK')
    if stat.S_ISDIR(found.st_mode):
        raise Refused('PATH_IS_DIRECTORY')
    if not stat.S_ISREG(found.st_mode):
        raise Refused('PATH_NOT_REGULAR')


def open_regular(name, folder):
    """Opens a file for reading. Checks its type again: it may have been replaced since the first check."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    file = os.fdopen(descriptor, 'rb')
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise Refused('PATH_NOT_REGULAR')
    return file


def hash_of(file):
    """The SHA-256 of a file's content from its present position, as hex, and the number of these bytes."""
    digest, size = hashlib.sha256(), 0
    while piece := file.read(CHUNK):
        digest.update(piece)
        size += len(piece)
        if size > FILE_BYTES:
            raise Refused('FILE_TOO_LARGE')
    return digest.hexdigest(), size


def walk(home, base, skips):
    """Yields everything below the folder: path, status, and a descriptor of its folder. Nothing if there is no such folder.

    A folder comes before its entries, and entries come in the order of their names. A folder is left out if `skips` is true
    for its path.
    """
    walked, stack = 0, [base]
    while stack:
        parts = stack.pop()
        inner = []
        with parent_of(home, [*parts, '']) as folder:
            for name in sorted(os.listdir(folder) if folder is not None else []):
                found = lstat(name, folder)
                if found is None or stat.S_ISDIR(found.st_mode) and skips([*parts, name]):
                    continue
                walked += 1
                if walked > WALKED or len(parts) > DEPTH:
                    raise Refused('TOO_MANY_FILES')
                yield [*parts, name], found, folder
                if stat.S_ISDIR(found.st_mode):
                    inner.append([*parts, name])
        stack += reversed(inner)


def unlink(home, parts):
    """Removes the entry at the path, unless it is a folder."""
    with parent_of(home, parts, refuses=False) as parent:
        found = None if parent is None else lstat(parts[-1], parent)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            os.unlink(parts[-1], dir_fd=parent)


def remove_folder(home, parts):
    """Removes the folder, if it exists and is empty."""
    with parent_of(home, parts, refuses=False) as parent:
        try:
            if parent is not None:
                os.rmdir(parts[-1], dir_fd=parent)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.ENOTDIR):
                raise


def make_folder(home, parts, mode):
    """Makes a removed folder again, unless the path is taken."""
    with parent_of(home, parts, refuses=False) as parent:
        if parent is not None and lstat(parts[-1], parent) is None:
            os.mkdir(parts[-1], dir_fd=parent)
            os.chmod(parts[-1], mode, dir_fd=parent)


def permissions(home, parts):
    """The permissions of the folder at the path; None when there is none."""
    with parent_of(home, parts, refuses=False) as parent:
        found = None if parent is None else lstat(parts[-1], parent)
        return stat.S_IMODE(found.st_mode) if found is not None and stat.S_ISDIR(found.st_mode) else None


