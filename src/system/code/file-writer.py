"""The file writer of a session: writes pushed files, as the session's own user, inside its sandbox.

One JSON request a line on standard input, one JSON answer a line on standard output:
  {"base": "extension", "files": [{"path": "a/b.js", "content": "<base64>"}, {"path": "c.js", "delete": true}]}
  {"ok": true, "made": 1, "written": 1, "deleted": 1}   or   {"error": "PATH_SYMLINK", "path": "a/b.js"}
`made` is the number of new files among the written ones. Optional fields of a file:
  "staged": its content is the file of that name in the folder of a file transfer (file-transfer.py), which the
    request's "transfer" names
  "ifExists": deleting a missing file is no error
  "ifMatch", "ifNoneMatch": its content's hash must be one, or none, of these; "*" is any file
With "sync": true, files below the base that the request does not name are deleted, except in folders that match "keep"
(fnmatch) and hold none of the named files. With "leaves": true, nothing that the request does not name is deleted in such folders.
Files that have the content already are left alone, and so is a file with "same": true.
A request is done as a whole or not at all, even when this program is killed half-way: it first links the files that it
will replace into a staging folder and lists them in a journal, and the next writer rolls back by that journal.
No symbolic link is followed. A folder that a deletion has emptied is removed, too, but never the base. The program ends
with its standard input. It also reads the files for the history: source-scan.py, which goes with file-paths.py before this text.
"""

STAGING = '.ex10-push'
TRANSFERS = '.ex10-transfer'
JOURNAL = 'journal'
SCAN = Scan()


def main():
    home = os.open(os.environ['HOME'], FOLDER)
    staging = make_staging(home)
    roll_back(home, staging)
    for line in sys.stdin.buffer:
        print(json.dumps(answer(home, staging, line)), flush=True)


def answer(home, staging, line):
    path = ''
    transfer = None
    try:
        request = json.loads(line)
        if 'do' in request:
            return {'scan': SCAN.scan, 'piece': piece}[request['do']](home, request)
        base = request['base'].split('/') if request['base'] else []
        files = [{**file, 'parts': base + file['path'].split('/')} for file in request['files']]
        if 'transfer' in request:
            transfer = open_parent(home, [TRANSFERS, request['transfer'], ''])
            if transfer is None:
                raise Refused('WRITER_FAILED')
        needed = {tuple(file['parts'][:depth]) for file in files if not file.get('delete') for depth in range(len(file['parts']))}
        if request.get('sync'):
            deletes, folders = others(home, base, files, () if request.get('leaves') else needed, request['keep'])
            writes = [file for file in files if 'same' not in file and not has_already(home, file, transfer)]
        else:
            deletes, writes = [], []
            for file in files:
                path = file['path']
                is_there = check(home, file)
                if is_there or not file.get('delete'):
                    (deletes if file.get('delete') else writes).append(file)
            path = ''  # later errors concern the push as a whole
            folders = folders_of(home, base, deletes)
        folders = [folder for folder in folders if tuple(folder[0]) not in needed]
        return push(home, staging, transfer, deletes, writes, folders)
    except Refused as refused:
        return {'error': refused.args[0], 'path': path}
    except OSError as error:
        return {'error': ERRORS.get(error.errno, 'WRITER_FAILED'), 'path': path}
    finally:
        if transfer is not None:
            os.close(transfer)


def check(home, file):
    """Refuses a file that is wrong before anything is written. Returns whether there is such a file."""
    may_miss = file.get('delete') and file.get('ifExists')
    try:
        with parent_of(home, file['parts']) as parent:
            found = None if parent is None else lstat(file['parts'][-1], parent)
            if found is not None:
                check_regular(found)
            check_conditions(file, None if found is None else parent)
    except Refused as refused:
        if may_miss and refused.args[0] == 'PATH_NOT_DIRECTORY':
            return False
        raise
    if found is None and file.get('delete') and not may_miss:
        raise Refused('PATH_NOT_FOUND')
    return found is not None


def check_conditions(file, parent):
    """Checks ifMatch and ifNoneMatch. `parent` is the file's folder, or None when there is no such file."""
    match, none_match = file.get('ifMatch'), file.get('ifNoneMatch')
    if parent is None:
        is_met = match is None
    elif match in (None, '*') and none_match in (None, '*'):
        is_met = none_match is None
    else:
        with open_regular(file['parts'][-1], parent) as content:
            found, _ = hash_of(content)
        is_met = match in (None, '*') or found in match
        is_met = is_met and none_match != '*' and found not in (none_match or [])
    if not is_met:
        raise Refused('PRECONDITION_FAILED')


def others(home, base, files, needed, keep):
    """All files below the base that the request does not name, and all folders there, with their permissions."""
    def is_kept(parts):
        return tuple(parts) not in needed and any(fnmatch.fnmatchcase(parts[-1], pattern) for pattern in keep)

    named = {tuple(file['parts']) for file in files}
    deletes, folders = [], []
    for parts, found, _ in walk(home, base, is_kept):
        if stat.S_ISDIR(found.st_mode):
            folders.append([parts, stat.S_IMODE(found.st_mode)])
        elif tuple(parts) not in named:
            deletes.append({'parts': parts})
    return deletes, folders


def has_already(home, file, transfer):
    """Tells whether the file at the path has the content already."""
    with parent_of(home, file['parts'], refuses=False) as parent:
        found = None if parent is None else lstat(file['parts'][-1], parent)
        if found is None or not stat.S_ISREG(found.st_mode):
            return False
        with open_regular(file['parts'][-1], parent) as old:
            if 'content' in file:
                content = base64.b64decode(file['content'])
                return found.st_size == len(content) and old.read(len(content) + 1) == content
            with open_regular(file['staged'], transfer) as new:
                return found.st_size == os.fstat(new.fileno()).st_size and hash_of(old) == hash_of(new)


def folders_of(home, base, deletes):
    """The folders below the base that the deletions might empty, with their permissions."""
    paths = {tuple(file['parts'][:depth]) for file in deletes for depth in range(len(base) + 1, len(file['parts']))}
    return [[path, permissions(home, path)] for path in sorted(paths, key=len)]


def push(home, staging, transfer, deletes, writes, folders):
    try:
        for index, file in enumerate(writes):
            if 'content' in file:
                stage(staging, f'new-{index}', base64.b64decode(file['content']))
        journal = [{'parts': file['parts'], 'had': keep_old(home, staging, file['parts'], f'old-{index}'), 'delete': index < len(deletes)}
                   for index, file in enumerate(deletes + writes)]
        made = {tuple(file['parts'][:depth]) for file in writes for depth in range(1, len(file['parts']))}
        made = [path for path in sorted(made, key=len) if permissions(home, path) is None]
        stage(staging, 'journal.new', json.dumps({'files': journal, 'made': made, 'folders': folders}).encode())
        os.rename('journal.new', JOURNAL, src_dir_fd=staging, dst_dir_fd=staging)
        for file in deletes:
            unlink(home, file['parts'])
        for path, _ in reversed(folders):
            remove_folder(home, path)
        for index, file in enumerate(writes):
            put(home, file['parts'], *((staging, f'new-{index}') if 'content' in file else (transfer, file['staged'])))
        os.unlink(JOURNAL, dir_fd=staging)
        return {'ok': True, 'made': sum(not entry['had'] for entry in journal), 'written': len(writes), 'deleted': len(deletes)}
    finally:
        roll_back(home, staging)


def put(home, parts, source, staged):
    with parent_of(home, parts, make=True) as parent:
        check_regular(os.stat(staged, dir_fd=source, follow_symlinks=False))
        old = lstat(parts[-1], parent)
        if old is not None and stat.S_ISREG(old.st_mode):
            os.chmod(staged, stat.S_IMODE(old.st_mode) & 0o777, dir_fd=source)
        os.rename(staged, parts[-1], src_dir_fd=source, dst_dir_fd=parent)


def roll_back(home, staging):
    """Undoes an unfinished push by the journal, and empties the staging folder."""
    if lstat(JOURNAL, staging) is not None:
        with os.fdopen(os.open(JOURNAL, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=staging)) as file:
            journal = json.load(file)
        entries = list(enumerate(journal['files']))
        for index, entry in entries:
            if not entry['delete']:
                put_back(home, staging, entry, f'old-{index}')
        for path in reversed(journal['made']):
            remove_folder(home, path)
        for path, mode in journal['folders']:
            make_folder(home, path, mode)
        for index, entry in entries:
            if entry['delete']:
                put_back(home, staging, entry, f'old-{index}')
    # remove the journal first: without it, the other files in the folder have no meaning
    for name in sorted(os.listdir(staging), key=lambda name: name != JOURNAL):
        os.unlink(name, dir_fd=staging)


def put_back(home, staging, entry, old):
    if not entry['had']:
        unlink(home, entry['parts'])
    elif lstat(old, staging) is not None:  # it may be back already: an earlier roll-back was killed half-way
        with parent_of(home, entry['parts'], refuses=False) as parent:
            if parent is not None:
                os.rename(old, entry['parts'][-1], src_dir_fd=staging, dst_dir_fd=parent)


def keep_old(home, staging, parts, name):
    """Links the file at the path into the staging folder. False when there is none, or a folder, which a file cannot replace."""
    with parent_of(home, parts, refuses=False) as parent:
        found = None if parent is None else lstat(parts[-1], parent)
        if found is None or stat.S_ISDIR(found.st_mode):
            return False
        os.link(parts[-1], name, src_dir_fd=parent, dst_dir_fd=staging, follow_symlinks=False)
        return True


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
