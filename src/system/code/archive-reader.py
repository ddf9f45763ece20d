"""Reads untrusted zip, tar.gz and CRX files, and writes zip files.

Sizes that an archive declares are not trusted: the unpacked bytes are counted. An entry that is neither a file nor a
folder makes it refuse the whole archive. Names are only reported: the server decides about paths. file-paths.py goes
before this text.
"""
import gzip
import tarfile
import zipfile
import zlib

ENTRIES = 20_000
UNPACKED_BYTES = 200_000_000
RATIO, RATIO_FROM = 100, 1 << 20  # small archives of repetitive content may have a higher ratio
DIRECTORY_BYTES = 8 << 20  # the central directory of a zip with the most entries and long names
HEADER_BYTES = 1 << 20
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError,
           IndexError, KeyError, OverflowError, TypeError)


def entries_of(archive):
    """Yields name and content of each entry: None for a folder, else the pieces of a file, to be read before the next entry."""
    size = archive.seek(0, os.SEEK_END)
    head = os.pread(archive.fileno(), 12, 0)
    start = 0
    if head[:4] == b'Cr24':
        start = 12 + int.from_bytes(head[8:12], 'little')
        if head[4:8] != b'\3\0\0\0' or start > min(size, HEADER_BYTES):
            raise Refused('ARCHIVE_UNKNOWN')
        head = os.pread(archive.fileno(), 4, start)
    part = Part(archive, start)
    count = Count(size - start)
    if head[:4] in (b'PK\3\4', b'PK\5\6'):
        entries = of_zip(part, count)
    elif head[:2] == b'\x1f\x8b' and start == 0:
        entries = of_tar(part, count)
    else:
        raise Refused('ARCHIVE_UNKNOWN')
    with damaged_is_refused():
        yield from entries


@contextlib.contextmanager
def damaged_is_refused():
    try:
        yield
    except DAMAGED:
        raise Refused('BAD_ARCHIVE') from None
    except OSError as error:
        if error.errno in ERRORS:
            raise
        raise Refused('BAD_ARCHIVE') from None


class Count:
    """Counts the entries and unpacked bytes of an archive of `size` bytes."""

    def __init__(self, size):
        self.most = min(UNPACKED_BYTES, max(RATIO_FROM, RATIO * size))
        self.entries = self.bytes = 0

    def entry(self):
        self.entries += 1
        if self.entries > ENTRIES:
            raise Refused('ARCHIVE_TOO_LARGE')

    def pieces(self, content, told):
        """The content, which must have the length that the archive declares."""
        size = 0
        with damaged_is_refused():
            while piece := content.read(CHUNK):
                size += len(piece)
                self.bytes += len(piece)
                if self.bytes > self.most or size > FILE_BYTES:
                    raise Refused('ARCHIVE_TOO_LARGE')
                yield piece
        if size != told:
            raise Refused('BAD_ARCHIVE')


class Part:
    """A file from `start` on. It never reads much into memory, whatever length an archive declares."""

    def __init__(self, file, start):
        self.file, self.start = file, start
        self.seek(0)

    def seekable(self):
        return True

    def tell(self):
        return self.file.tell() - self.start

    def seek(self, offset, whence=os.SEEK_SET):
        position = self.file.seek(offset + self.start if whence == os.SEEK_SET else offset, whence)
        if position < self.start:
            raise OSError(errno.EINVAL, 'before its start')
        return position - self.start

    def read(self, size=-1):
        piece = self.file.read(DIRECTORY_BYTES + 1 if size is None or size < 0 else min(size, DIRECTORY_BYTES + 1))
        if len(piece) > DIRECTORY_BYTES:
            raise Refused('ARCHIVE_TOO_LARGE')
        return piece


class Forward:
    """The unpacked bytes of a tar.gz, read from start to end."""

    def __init__(self, stream, most):
        self.stream, self.most, self.position = stream, most, 0

    def tell(self):
        return self.position

    def seek(self, position):
        if position < self.position:
            raise Refused('BAD_ARCHIVE')
        while self.position < position and self.read(min(CHUNK, position - self.position)):
            pass

    def read(self, size):
        if not 0 <= size <= HEADER_BYTES:
            raise Refused('BAD_ARCHIVE')
        piece = self.stream.read(size)
        self.position += len(piece)
        if self.position > self.most:
            raise Refused('ARCHIVE_TOO_LARGE')
        return piece


class Member(tarfile.TarInfo):
    """An entry of a tar. A malformed header is an error, not the end of the archive."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        try:
            return super().frombuf(buf, encoding, errors)
        except (tarfile.EmptyHeaderError, tarfile.EOFHeaderError):
            raise
        except tarfile.HeaderError:
            raise Refused('BAD_ARCHIVE') from None


def of_zip(part, count):
    with zipfile.ZipFile(part) as archive:
        for _ in archive.infolist():
            count.entry()  # count all entries before unpacking the first
        for entry in archive.infolist():
            name = zip_name(entry)
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise Refused('ARCHIVE_LINK', name)
            if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Refused('BAD_ARCHIVE', name)
            if name.endswith('/') or kind == stat.S_IFDIR:
                yield name, None
                continue
            with archive.open(entry) as content:
                yield name, count.pieces(content, entry.file_size)


def zip_name(entry):
    """The entry's name. Many programs write UTF-8 without setting the flag for it."""
    if entry.flag_bits & 0x800:
        return entry.orig_filename
    try:
        return entry.orig_filename.encode('cp437').decode()
    except UnicodeError:
        return entry.orig_filename


def of_tar(part, count):
    heads = ENTRIES * 3 * tarfile.BLOCKSIZE
    with gzip.GzipFile(fileobj=part) as stream, tarfile.open(fileobj=Forward(stream, count.most + heads), mode='r:', tarinfo=Member) as archive:
        for entry in archive:
            count.entry()
            if entry.isdir():
                yield entry.name + '/', None
            elif entry.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not entry.issparse():
                with archive.extractfile(entry) as content:
                    yield entry.name, count.pieces(content, entry.size)
            else:
                raise Refused('ARCHIVE_LINK', entry.name)
        while archive.fileobj.read(CHUNK):
            pass  # read on to the checksum


def write_zip(file, paths, home):
    """Writes a zip of these files, each a name and a path. Equal files give equal bytes."""
    entries = unpacked = 0
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, parts in paths:
            with parent_of(home, parts) as folder:
                if folder is None:
                    raise FileNotFoundError(errno.ENOENT, name)
                with open_regular(parts[-1], folder) as content:
                    entry = zipfile.ZipInfo(name)
                    entry.external_attr = (stat.S_IFREG | 0o644) << 16
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    entries += 1
                    with archive.open(entry, 'w') as target:
                        while piece := content.read(CHUNK):
                            unpacked += len(piece)
                            if unpacked > UNPACKED_BYTES or entries > ENTRIES:
                                raise Refused('EXPORT_TOO_LARGE')
                            target.write(piece)


