"""The folder of a file transfer, in the session's home. file-paths.py goes before this text."""
import fcntl
import shutil

TRANSFERS = '.ex10-transfer'


def create(name, folder):
    return os.fdopen(os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=folder), 'w+b')


@contextlib.contextmanager
def transfer_folder(home, name):
    """A folder for the files of this transfer, while it runs. First removes the folders of killed transfers."""
    every = open_transfers(home)
    fcntl.flock(every, fcntl.LOCK_EX)
    remove_left(every)
    os.mkdir(name, 0o700, dir_fd=every)
    folder = os.open(name, FOLDER, dir_fd=every)
    fcntl.flock(folder, fcntl.LOCK_EX)
    fcntl.flock(every, fcntl.LOCK_UN)
    try:
        yield folder
    finally:
        remove(every, name, folder)


def sweep(home, request):
    every = open_transfers(home)
    fcntl.flock(every, fcntl.LOCK_EX)
    remove_left(every)


def open_transfers(home):
    try:
        os.mkdir(TRANSFERS, 0o700, dir_fd=home)
    except FileExistsError:
        pass
    return os.open(TRANSFERS, FOLDER, dir_fd=home)


def remove_left(every):
    """Removes the folders of killed transfers: a running transfer has locked its own."""
    for name in os.listdir(every):
        with contextlib.suppress(OSError):
            folder = os.open(name, FOLDER, dir_fd=every)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(every, name, folder)
            finally:
                os.close(folder)


def remove(every, name, folder):
    for inner in os.listdir(folder):
        try:
            os.unlink(inner, dir_fd=folder)
        except IsADirectoryError:
            shutil.rmtree(inner, dir_fd=folder)
    os.rmdir(name, dir_fd=every)


