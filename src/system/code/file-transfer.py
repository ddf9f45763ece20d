"""One transfer of files into a session or out of it, as the session's own user, inside its sandbox.

The argument is a JSON request. Standard output is the answer: JSON lines, and for some requests bytes after them. A line
{"error": "PATH_SYMLINK", "path": "a.js"} ends the answer.
  {"do": "list", "base": "extension", "skip": [".git"]}      without folders of these names
      a line a file: {"path", "size", "modified": <ms>, "hash": <SHA-256, where it could be read>}; {"truncated": false}
  {"do": "read", "base": "extension", "path": "a.js"}      {"size", "modified", "hash"}, the bytes
  {"do": "stage", "transfer": "<id>"}                      {"size", "hash"}
  {"do": "unpack", "transfer": "<id>"}                     a line an entry: {"name", "folder": true} or {"name", "size"}; {"done": true}
  {"do": "export", "transfer": "<id>", "base": "extension", "skip": [".map"]}      {"size"}, the bytes
      with "build": [argv], it first runs this command, in which the path of a new folder replaces the words $OUT, and
      exports that folder
For `stage` and `unpack`, the content comes on standard input in frames: a length in four bytes, then that many bytes;
the last frame has the length 0. The files are put into a folder named by the transfer's id. Their names are numbers from
0 on, in the order of the files. The file writer moves them from there. The folder is removed when standard input ends,
for whatever reason.
file-paths.py, transfer-folder.py and, for archives, archive-reader.py go before this text.
"""
import resource
import select
import subprocess

LISTED, LISTED_BYTES, HASHED_BYTES = 20_000, 4 << 20, 1 << 30
MEMORY_BYTES = 1 << 30


class Cut(Exception):
    """The server has given up the transfer."""


def main():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.RLIM_INFINITY))
    request = json.loads(sys.argv[1])
    home = os.open(os.environ['HOME'], FOLDER)
    try:
        {'list': list_files, 'read': read, 'stage': stage, 'unpack': unpack, 'export': export, 'sweep': sweep}[request['do']](home, request)
        sys.stdout.flush()
    except (Cut, BrokenPipeError):
        os._exit(0)
    except Refused as refused:
        fail(*refused.args)
    except OSError as error:
        fail(ERRORS.get(error.errno, 'TRANSFER_FAILED'))
    except MemoryError:
        fail('TRANSFER_FAILED')


def say(answer):
    sys.stdout.buffer.write(json.dumps(answer).encode() + b'\n')


def fail(error, path=''):
    say({'error': error, 'path': path})
    sys.stdout.flush()
    os._exit(0)


def list_files(home, request):
    base = request['base'].split('/')
    files = path_bytes = hashed = 0
    is_truncated = False
    try:
        for parts, found, folder in walk(home, base, lambda parts: parts[-1] in request['skip']):
            path = '/'.join(parts[len(base):])
            if not stat.S_ISREG(found.st_mode) or not is_text(path):
                continue
            files, path_bytes = files + 1, path_bytes + len(path.encode())
            if files > LISTED or path_bytes > LISTED_BYTES or hashed > HASHED_BYTES:
                raise Refused('TOO_MANY_FILES')
            check_cut()
            try:
                with open_regular(parts[-1], folder) as file:
                    digest, size = hash_of(file)
                hashed += size
                say({'path': path, 'size': size, 'modified': modified(found), 'hash': digest})
            except (Refused, PermissionError):
                say({'path': path, 'size': found.st_size, 'modified': modified(found)})
            except FileNotFoundError:
                pass
    except Refused as refused:
        if refused.args[0] != 'TOO_MANY_FILES':
            raise
        is_truncated = True
    say({'truncated': is_truncated})


def is_text(path):
    try:
        return bool(path.encode())
    except UnicodeEncodeError:
        return False


def modified(found):
    return max(0, min(found.st_mtime_ns // 1_000_000, 8_640_000_000_000_000))


def read(home, request):
    parts = [*request['base'].split('/'), *request['path'].split('/')]
    with parent_of(home, parts) as parent:
        found = None if parent is None else lstat(parts[-1], parent)
        if found is None:
            raise Refused('PATH_NOT_FOUND')
        check_regular(found)
        with open_regular(parts[-1], parent) as file:
            digest, size = hash_of(file)
            file.seek(0)
            say({'size': size, 'modified': modified(os.fstat(file.fileno())), 'hash': digest})
            send(file, size, digest)


def send(file, size, digest=None):
    """Sends `size` bytes. If their hash differs from `digest`, the file has changed: the last piece is not sent."""
    again = hashlib.sha256()
    while size > 0:
        piece = file.read(min(CHUNK, size))
        size -= len(piece)
        again.update(piece)
        if not piece or size == 0 and digest not in (None, again.hexdigest()):
            raise Cut
        sys.stdout.buffer.write(piece)


def stage(home, request):
    with transfer_folder(home, request['transfer']) as folder:
        with create('0', folder) as file:
            digest, size = hashlib.sha256(), 0
            for piece in frames():
                digest.update(piece)
                size += len(piece)
                file.write(piece)
        say({'size': size, 'hash': digest.hexdigest()})
        wait()


def unpack(home, request):
    with transfer_folder(home, request['transfer']) as folder:
        with create('archive', folder) as archive:
            os.unlink('archive', dir_fd=folder)
            for piece in frames():
                archive.write(piece)
            number = 0
            for name, content in entries_of(archive):
                if content is None:
                    say({'name': name, 'folder': True})
                    continue
                size = 0
                with create(str(number), folder) as file:
                    for piece in content:
                        size += len(piece)
                        file.write(piece)
                        check_cut()
                say({'name': name, 'size': size})
                number += 1
        say({'done': True})
        wait()


def export(home, request):
    with transfer_folder(home, request['transfer']) as folder:
        base = request['base'].split('/')
        if 'build' in request:
            base = [TRANSFERS, request['transfer'], 'built']
            build([word.replace('$OUT', '/'.join(base)) for word in request['build']])
        paths = exported(home, base, tuple(request['skip']))
        with create('archive', folder) as archive:
            os.unlink('archive', dir_fd=folder)
            write_zip(archive, while_waited_for((path, base + path.split('/')) for path in sorted(paths)), home)
            size = archive.seek(0, os.SEEK_END)
            archive.seek(0)
            say({'size': size})
            send(archive, size)


def exported(home, base, endings):
    """The files below the folder that go to a store, without files of these endings. `_metadata` is Chromium's own."""
    paths = []
    for parts, found, _ in walk(home, base, lambda parts: parts[-1].startswith('.') or parts == [*base, '_metadata']):
        path = '/'.join(parts[len(base):])
        if stat.S_ISREG(found.st_mode) and not parts[-1].startswith('.') and not path.endswith(endings) and is_text(path):
            paths.append(path)
    if 'manifest.json' not in paths:
        raise Refused('NOTHING_TO_EXPORT')
    return paths


def build(argv):
    """Runs the command in the home until it ends or the server gives up the transfer. It dies with this program, too."""
    def unlimited():
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    command = ['setpriv', '--pdeathsig', 'KILL', '--', *argv]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=os.environ['HOME'], stdin=quiet, stdout=quiet, stderr=quiet, preexec_fn=unlimited) as child:
        try:
            while child.poll() is None:
                check_cut(0.05)
        finally:
            child.kill()
    if child.returncode != 0:
        raise Refused('BUILD_FAILED')


def frames():
    """The content on standard input, in pieces. Raises Cut when standard input ends before the last frame."""
    while True:
        head = sys.stdin.buffer.read(4)
        size = int.from_bytes(head, 'big')
        if len(head) == 4 and size == 0:
            return
        piece = sys.stdin.buffer.read(size)
        if len(head) < 4 or len(piece) < size:
            raise Cut
        yield piece


def check_cut(seconds=0):
    """Raises Cut when standard input has ended: after the last frame, or without frames, only its end can come."""
    if select.select([0], [], [], seconds)[0]:
        raise Cut


def while_waited_for(items):
    for item in items:
        check_cut()
        yield item


def wait():
    sys.stdout.flush()
    sys.stdin.buffer.read(1)


if __name__ == '__main__':
    main()
