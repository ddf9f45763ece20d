"""What has changed among a session's source files, for its history. file-paths.py goes before this text.

A scan reports the files whose content differs from the last scan of this program, and the files that are gone since. It
hashes only files whose inode, size or times are not those of the last scan.
  {"do": "scan", "base": "extension", "skip": [".git"], "also": ["dist/a.js"], "all": false}
      {"files": [{"path", "size", "hash", "content": <base64, of small files>}], "gone": [path], "left": <files that it could not read>}
      without folders that match "skip" (fnmatch), but with the files that "also" names; with "all", as if it were the first scan
  {"do": "piece", "base": "extension", "path": "a.js", "at": 0}      {"content": <base64>}: at most 256 KiB, from this offset on
"""
import base64
import fnmatch
import time

SCANNED = 20_000
SCANNED_BYTES = 2 << 20  # of paths
INLINE_BYTES, ALL_INLINE_BYTES = 64 << 10, 1 << 20
PIECE_BYTES = 256 << 10
RECENT_NS = 100_000_000  # a file may change again without another time: the clock of file times is coarse


class Scan:
    def __init__(self):
        self.known = {}  # path -> (state, hash)

    def scan(self, home, request):
        base = request['base'].split('/')
        if request['all']:
            self.known = {}
        seen, files, left, path_bytes, inline = {}, [], 0, 0, 0
        began = time.time_ns()
        for path, found, folder, name in self.found(home, base, request):
            path_bytes += len(path.encode())
            if len(seen) >= SCANNED or path_bytes > SCANNED_BYTES:
                raise Refused('TOO_MANY_FILES')
            state = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
            known = self.known.get(path)
            if known is not None and known[0] == state:
                seen[path] = known
                continue
            content = None
            try:
                with open_regular(name, folder) as file:
                    if found.st_size <= INLINE_BYTES and inline < ALL_INLINE_BYTES:
                        content = file.read(INLINE_BYTES + 1)
                        digest, size = hashlib.sha256(content).hexdigest(), len(content)
                    else:
                        digest, size = hash_of(file)
            except FileNotFoundError:
                continue
            except (Refused, PermissionError):
                left += 1
                continue
            is_recent = max(found.st_mtime_ns, found.st_ctime_ns) > began - RECENT_NS
            seen[path] = (None if is_recent else state, digest)
            if known is None or known[1] != digest:
                file = {'path': path, 'size': size, 'hash': digest}
                if content is not None and size <= INLINE_BYTES:
                    inline += size
                    file['content'] = base64.b64encode(content).decode()
                files.append(file)
        gone = [path for path in self.known if path not in seen]
        self.known = seen
        return {'files': files, 'gone': gone, 'left': left}

    def found(self, home, base, request):
        """All regular files below the base, outside folders that match "skip", and those that "also" names, wherever they are."""
        def skips(parts):
            return any(fnmatch.fnmatchcase(parts[-1], pattern) for pattern in request['skip'])

        for parts, found, folder in walk(home, base, skips):
            path = '/'.join(parts[len(base):])
            if stat.S_ISREG(found.st_mode) and is_text(path):
                yield path, found, folder, parts[-1]
        for path in request['also']:
            parts = base + path.split('/')
            with parent_of(home, parts, refuses=False) as folder:
                found = None if folder is None else lstat(parts[-1], folder)
                if found is not None and stat.S_ISREG(found.st_mode):
                    yield path, found, folder, parts[-1]


def piece(home, request):
    parts = request['base'].split('/') + request['path'].split('/')
    with parent_of(home, parts) as parent:
        if parent is None:
            raise Refused('PATH_NOT_FOUND')
        with open_regular(parts[-1], parent) as file:
            file.seek(request['at'])
            return {'content': base64.b64encode(file.read(PIECE_BYTES)).decode()}


def is_text(path):
    try:
        return bool(path.encode())
    except UnicodeEncodeError:
        return False


