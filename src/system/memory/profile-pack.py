"""Packs the profile of a session's browser, as the session's own user, inside its sandbox.

The argument is a JSON request:
  {"do": "pack", "profile": "profile", "bytes": <the most, unpacked>, "files": <the most>, "seconds": <time limit>}
      Standard output is a tar with the parts of the profile that a person would miss. While they are read, all processes of
      the browser are stopped (SIGSTOP), so that the files are those of one moment, as after a crash: SQLite and LevelDB can
      open them. The exit code is 0 when the tar is whole, 3 when the profile is too large, else 1.
  {"do": "go-on"}
      All processes of the session go on: after a pack that was killed.
file-paths.py goes before this text.
"""
import select
import signal
import tarfile
import time

FAILED, TOO_LARGE = 1, 3
# In the folder of the one profile that a session's browser has. Files may have others beside them: see NEIGHBOURS.
# Not among them: settings and extensions, which belong to a home's path; caches; sessions of tabs, which are kept by other means.
KEPT = {'Cookies', 'Network', 'Local Storage', 'IndexedDB', 'File System', 'WebStorage', 'databases', 'SharedStorage', 'TransportSecurity',
        'History', 'Favicons', 'Top Sites', 'Visited Links', 'Shortcuts', 'Bookmarks', 'Web Data', 'Login Data', 'Custom Dictionary.txt'}
NEIGHBOURS = ('-journal', '-wal', '-shm')
CACHES = {'CacheStorage', 'ScriptCache', 'Cache', 'Code Cache', 'GPUCache'}
LOCKS = {'LOCK'}
STOP_SECONDS = 1


class TooLarge(Exception):
    pass


class Late(Exception):
    """The time is over, or the server has given up."""


def main():
    request = json.loads(sys.argv[1])
    if request['do'] == 'go-on':
        os.kill(-1, signal.SIGCONT)  # all but this process and the sandbox's init, which belongs to root
        return
    home = os.open(os.environ['HOME'], FOLDER)
    browsers = set()
    code = FAILED
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, request['seconds'])
    try:
        check_size(home, request)  # a profile that is too large is not worth a stop
        browsers = browsers_of(f'--user-data-dir={os.environ["HOME"]}/{request["profile"]}'.encode())
        stop(browsers)
        tar = tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.PAX_FORMAT)
        pack(home, request, tar)
        code = 0
    except TooLarge:
        code = TOO_LARGE
    except Refused as refused:
        code = TOO_LARGE if refused.args[0] == 'TOO_MANY_FILES' else FAILED
    except (Late, OSError, tarfile.TarError, MemoryError):
        pass
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        send(members(browsers), signal.SIGCONT)
    try:
        if code == 0:
            tar.close()
            sys.stdout.flush()
    except OSError:
        code = FAILED
    os._exit(code)


def late(*_):
    raise Late


def files_of(home, request):
    """The files of the profile that are kept: path in the profile, name, folder."""
    base = [request['profile'], 'Default']

    def skips(parts):
        return parts[-1] in CACHES or len(parts) == len(base) + 1 and not is_kept(parts[-1])

    for parts, found, folder in walk(home, base, skips):
        path = '/'.join(parts[1:])
        is_plain = path.isascii() and path.isprintable() and '\\' not in path and '%' not in path
        if stat.S_ISREG(found.st_mode) and is_kept(parts[len(base)]) and parts[-1] not in LOCKS and is_plain:
            yield path, parts[-1], folder, found.st_size


def is_kept(name):
    for end in NEIGHBOURS:
        name = name.removesuffix(end)
    return name in KEPT


def check_size(home, request):
    count = total = 0
    for _, _, _, size in files_of(home, request):
        count, total = count + 1, total + size
        if count > request['files'] or total > request['bytes'] or size > FILE_BYTES:
            raise TooLarge


def pack(home, request, tar):
    """Adds the files in an order, and without times and owners: an equal profile gives equal bytes."""
    count = total = 0
    for path, name, folder, _ in files_of(home, request):
        if select.select([0], [], [], 0)[0]:
            raise Late
        with open_regular(name, folder) as file:
            entry = tarfile.TarInfo(path)
            entry.size = os.fstat(file.fileno()).st_size
            count, total = count + 1, total + entry.size
            if count > request['files'] or total > request['bytes'] or entry.size > FILE_BYTES:
                raise TooLarge
            tar.addfile(entry, file)  # fails when the file has become shorter


def browsers_of(word):
    """The POSIX sessions of the browsers with this word in their commands: s6 gives each one of its own, with all its processes."""
    found = set()
    for pid in processes():
        try:
            with open(f'/proc/{pid}/cmdline', 'rb') as file:
                if word in file.read(CHUNK).replace(b'\0', b' ').split():  # a process that sets its own title has spaces there
                    found.add(pid)
        except OSError:
            pass  # it has ended, or is not ours
    return found & {posix_session(pid) for pid in found}


def stop(browsers):
    """Stops all processes of the browsers, also those that start meanwhile. Returns when no thread of them runs."""
    stopped, until = set(), time.monotonic() + STOP_SECONDS
    while True:
        new = set(members(browsers)) - stopped
        send(new, signal.SIGSTOP)
        stopped |= new
        if not new and all(map(is_still, stopped)):
            return
        if time.monotonic() > until:
            raise Late
        time.sleep(0.002)


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass


def processes():
    return [int(name) for name in os.listdir('/proc') if name.isdigit()]


def members(browsers):
    return [pid for pid in processes() if posix_session(pid) in browsers] if browsers else []


def posix_session(pid):
    fields = stat_of(f'/proc/{pid}/stat')
    return int(fields[3]) if fields else None


def is_still(pid):
    """Whether all threads of the process are stopped, or it has ended."""
    try:
        threads = os.listdir(f'/proc/{pid}/task')
    except OSError:
        return True
    states = (stat_of(f'/proc/{pid}/task/{thread}/stat') for thread in threads)
    return all(not fields or fields[0] in 'TtZXx' for fields in states)


def stat_of(path):
    """The fields of /proc/PID/stat from the state on; none when the process has ended."""
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return file.read().rpartition(')')[2].split()
    except OSError:
        return []


if __name__ == '__main__':
    main()
