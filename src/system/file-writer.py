"""The file writer of a session: writes what is pushed, as the session's own user, inside its sandbox.

One JSON request a line on standard input, one JSON answer a line on standard output:
  {"base": "extension", "files": [{"path": "a/b.js", "content": "<base64>"}, {"path": "c.js", "delete": true}]}
  {"ok": true}   or   {"error": "PATH_SYMLINK", "path": "a/b.js"}
A request is done as a whole or not at all, even when this program is killed half-way: what it is about to replace is
linked into a staging folder and listed in a journal first, and whoever starts next goes back by that journal.
No path is followed through a symbolic link. Ends when its standard input does.
"""
import base64
import errno
import json
import os
import stat
import sys

STAGING = '.ex10-push'
JOURNAL = 'journal'
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ERRORS = {errno.ENOSPC: 'DISK_FULL', errno.EDQUOT: 'DISK_FULL', errno.ENAMETOOLONG: 'PATH_TOO_LONG',
          errno.ENOTDIR: 'PATH_NOT_DIRECTORY', errno.EEXIST: 'PATH_NOT_DIRECTORY', errno.EISDIR: 'PATH_IS_DIRECTORY',
          errno.ENOTEMPTY: 'PATH_IS_DIRECTORY', errno.ELOOP: 'PATH_SYMLINK'}


class Refused(Exception):
    """This push cannot be done; its first argument says why."""


def main():
    home = os.open(os.environ['HOME'], FOLDER)
    staging = make_staging(home)
    roll_back(home, staging)
    for line in sys.stdin.buffer:
        print(json.dumps(answer(home, staging, line)), flush=True)


def answer(home, staging, line):
    path = ''
    try:
        request = json.loads(line)
        base = request['base'].split('/') if request['base'] else []
        parts = [(base + file['path'].split('/'), file) for file in request['files']]
        for path_parts, file in parts:
            path = file['path']
            check(home, path_parts, file)
        path = ''  # what goes wrong from here on concerns the push as a whole
        push(home, staging, parts)
        return {'ok': True}
    except Refused as refused:
        return {'error': refused.args[0], 'path': path}
    except OSError as error:
        return {'error': ERRORS.get(error.errno, 'WRITER_FAILED'), 'path': path}


def check(home, parts, file):
    """Refuses what can be seen to be wrong before anything is written."""
    parent = open_parent(home, parts, make=False)
    target = None
    if parent is not None:
        try:
            target = lstat(parts[-1], parent)
        finally:
            os.close(parent)
    if target is None:
        if file.get('delete'):
            raise Refused('PATH_NOT_FOUND')
    elif stat.S_ISLNK(target.st_mode):
        raise Refused('PATH_SYMLINK')
    elif stat.S_ISDIR(target.st_mode):
        raise Refused('PATH_IS_DIRECTORY')
    elif not stat.S_ISREG(target.st_mode):
        raise Refused('PATH_NOT_REGULAR')


def push(home, staging, parts):
    try:
        for index, (path_parts, file) in enumerate(parts):
            if not file.get('delete'):
                stage(staging, f'new-{index}', base64.b64decode(file['content']))
        journal = [{'parts': path_parts, 'had': keep_old(home, staging, path_parts, f'old-{index}')}
                   for index, (path_parts, _) in enumerate(parts)]
        made = sorted({'/'.join(path_parts[:depth]) for path_parts, _ in parts for depth in range(1, len(path_parts))
                       if not exists(home, path_parts[:depth])}, key=len)
        stage(staging, 'journal.new', json.dumps({'files': journal, 'made': made}).encode())
        os.rename('journal.new', JOURNAL, src_dir_fd=staging, dst_dir_fd=staging)
        for index, (path_parts, file) in enumerate(parts):
            apply(home, staging, path_parts, file, index)
        os.unlink(JOURNAL, dir_fd=staging)
    finally:
        roll_back(home, staging)


def apply(home, staging, parts, file, index):
    parent = open_parent(home, parts, make=True)
    try:
        old = lstat(parts[-1], parent)
        if file.get('delete'):
            os.unlink(parts[-1], dir_fd=parent)
            return
        if old is not None:
            os.chmod(f'new-{index}', stat.S_IMODE(old.st_mode) & 0o777, dir_fd=staging)
        os.rename(f'new-{index}', parts[-1], src_dir_fd=staging, dst_dir_fd=parent)
    finally:
        os.close(parent)


def roll_back(home, staging):
    """Undoes a push that did not come to its end, as the journal tells, and empties the staging folder."""
    if exists(staging, [JOURNAL]):
        with os.fdopen(os.open(JOURNAL, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=staging)) as file:
            journal = json.load(file)
        for index, entry in enumerate(journal['files']):
            put_back(home, staging, entry, f'old-{index}')
        for path in reversed(journal['made']):
            remove_folder(home, path.split('/'))
    # the journal goes first: without it, what is left in the folder means nothing
    for name in sorted(os.listdir(staging), key=lambda name: name != JOURNAL):
        os.unlink(name, dir_fd=staging)


def put_back(home, staging, entry, old):
    parent = open_parent(home, entry['parts'], make=False)
    if parent is None:
        return
    try:
        if entry['had']:
            if lstat(old, staging) is None:
                return  # it is back already: an earlier roll-back was killed half-way
            os.rename(old, entry['parts'][-1], src_dir_fd=staging, dst_dir_fd=parent)
        elif lstat(entry['parts'][-1], parent) is not None:
            os.unlink(entry['parts'][-1], dir_fd=parent)
    finally:
        os.close(parent)


def remove_folder(home, parts):
    try:
        parent = open_parent(home, parts, make=False)
        if parent is None:
            return
        try:
            os.rmdir(parts[-1], dir_fd=parent)
        finally:
            os.close(parent)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
            raise


def keep_old(home, staging, parts, name):
    """Links what stands at the path into the staging folder; False where nothing does."""
    parent = open_parent(home, parts, make=False)
    if parent is None:
        return False
    try:
        if lstat(parts[-1], parent) is None:
            return False
        os.link(parts[-1], name, src_dir_fd=parent, dst_dir_fd=staging, follow_symlinks=False)
        return True
    finally:
        os.close(parent)


def open_parent(home, parts, make):
    """A descriptor of the folder that holds the path's last part; None where it is missing and not to be made."""
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


def exists(home, parts):
    parent = open_parent(home, parts, make=False)
    if parent is None:
        return False
    try:
        return lstat(parts[-1], parent) is not None
    finally:
        os.close(parent)


def lstat(name, folder):
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def stage(staging, name, content):
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=staging)
    with os.fdopen(descriptor, 'wb') as file:
        file.write(content)


def make_staging(home):
    try:
        os.mkdir(STAGING, 0o700, dir_fd=home)
    except FileExistsError:
        pass
    return os.open(STAGING, FOLDER, dir_fd=home)


if __name__ == '__main__':
    main()
