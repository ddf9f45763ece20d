"""A folder's files by name and content, and their changes, as the kernel reports them (inotify(7))."""
import ctypes
import hashlib
import os
import stat
import struct

CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE, DELETE_SELF = 0x8, 0x40, 0x80, 0x100, 0x200, 0x400
OVERFLOW, IGNORED, IS_DIR = 0x4000, 0x8000, 0x40000000
EVENTS = CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF
MAX_FILES = 50_000
HASHED_BYTES = 32 * 1024 * 1024

libc = ctypes.CDLL(None, use_errno=True)


class Tree:
    """`files` maps each path, relative to the folder, to a value that identifies its content."""

    def __init__(self, folder):
        self.folder = folder
        self.files = {}
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.descriptor < 0:
            raise OSError(ctypes.get_errno(), 'inotify_init1')
        self.watched = {}  # watch descriptor -> folder, relative
        os.makedirs(folder, exist_ok=True)
        self.parent = libc.inotify_add_watch(self.descriptor, os.fsencode(os.path.dirname(folder)), MOVED_FROM | MOVED_TO | CREATE | DELETE)
        for path in self.scan(''):
            self.refresh(path)

    def read(self):
        """The paths of files that were added, removed or changed since the last call."""
        touched = set()
        while True:
            try:
                data = os.read(self.descriptor, 65536)
            except BlockingIOError:
                break
            for watch, mask, name in parse(data):
                self.note(watch, mask, name, touched)
        return {path for path in touched if self.refresh(path)}

    def text(self, path, most):
        """The file's text; None when there is no file, or more than `most` bytes."""
        try:
            with open(os.path.join(self.folder, path), 'rb') as file:
                data = file.read(most + 1)
        except OSError:
            return None
        return None if len(data) > most else data.decode('utf-8', 'replace')

    def note(self, watch, mask, name, touched):
        if mask & OVERFLOW:
            touched |= set(self.files) | self.scan('')
            return
        if watch == self.parent:
            if name == os.path.basename(self.folder):
                touched |= self.begin_again()
            return
        if mask & IGNORED:
            self.watched.pop(watch, None)
        folder = self.watched.get(watch)
        if folder is None:
            return
        if mask & DELETE_SELF:
            touched |= self.below(folder)
            return
        path = f'{folder}/{name}' if folder else name
        if is_ignored(path):
            return
        if mask & IS_DIR:
            touched |= self.below(path)
            if mask & (CREATE | MOVED_TO):
                touched |= self.scan(path)
        elif not mask & CREATE or self.is_link(path):  # a new file is written and closed later, which is another event; a link is not
            touched.add(path)

    def begin_again(self):
        """Watches anew: the folder was replaced or removed."""
        for watch in self.watched:
            libc.inotify_rm_watch(self.descriptor, watch)
        self.watched = {}
        return set(self.files) | self.scan('')

    def below(self, folder):
        return {path for path in self.files if folder == '' or path.startswith(f'{folder}/')}

    def is_link(self, path):
        try:
            status = os.lstat(os.path.join(self.folder, path))
        except OSError:
            return False  # it has been removed already
        return stat.S_ISLNK(status.st_mode) or status.st_nlink > 1

    def scan(self, folder):
        """Watches the folder and all folders below it, and returns the files there."""
        found = set()
        folders = [folder]
        while folders:
            here = folders.pop()
            self.watch(here)
            try:
                entries = list(os.scandir(os.path.join(self.folder, here)))
            except OSError:
                continue  # it has been removed already
            for entry in entries:
                path = f'{here}/{entry.name}' if here else entry.name
                if is_ignored(path):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif len(found) < MAX_FILES:
                    found.add(path)
        return found

    def watch(self, folder):
        watch = libc.inotify_add_watch(self.descriptor, os.fsencode(os.path.join(self.folder, folder)), EVENTS)
        if watch >= 0:
            self.watched[watch] = folder

    def refresh(self, path):
        """Reads the file. Returns whether it has changed since the last time."""
        known = self.files.pop(path, None)
        found = content_of(os.path.join(self.folder, path))
        if found is not None:
            self.files[path] = found
        return known != found


def content_of(path):
    """A value that identifies the file's content; None when there is no file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None  # a link to a folder
        if status.st_size > HASHED_BYTES:
            return (status.st_ino, status.st_size, status.st_mtime_ns)
        with os.fdopen(os.dup(descriptor), 'rb') as file:
            return hashlib.blake2b(file.read(), digest_size=16).digest()
    except OSError:
        return None
    finally:
        os.close(descriptor)


def is_ignored(path):
    """Chromium writes _metadata and a theme's cache itself; names that begin with a dot belong to other programs (.git)."""
    return path.startswith('_metadata') or path == 'Cached Theme.pak' or any(part.startswith('.') for part in path.split('/'))


def parse(data):
    at = 0
    while at < len(data):
        watch, mask, _, length = struct.unpack_from('iIII', data, at)
        yield watch, mask, os.fsdecode(data[at + 16:at + 16 + length].rstrip(b'\0'))
        at += 16 + length
