"""init.py NAME=VALUE...
Runs in the new namespaces, as root and before any process of the session. Makes the sandbox's own root, an allow-list:
what is not named here does not exist in a session. Then becomes s6-svscan, the sandbox's init, which supervises the
services in DIR/services. Writes DIR/init (this process's line of /proc/PID/stat, as the host sees it), then one byte to
descriptor 3. One process makes all mounts: a program for each would take longer than the mount.

dir, uid, gid, home: the session's root-owned folder and its account. node, template, npm_cache: shown in /run/ex10.
browser, may be missing: the copy of Chromium's folder (kept-browser.ts), shown in its place. show, any number: a folder that is
shown under its own path. port, any number: harden.py's.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import harden  # noqa: E402

LIBC = harden.LIBC
READ_ONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, RECURSIVE, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2
PIVOT_ROOT = harden.REFUSED['pivot_root']

# Links at the host's root, or folders on a host that has not merged them.
PROGRAMS = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']
CHROMIUM = '/usr/lib/chromium'
# What programs read of the machine's settings: the linker, names and addresses, time, certificates, fonts, Chromium.
ETC = ['ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'alternatives', 'hosts', 'host.conf', 'gai.conf', 'services', 'protocols',
       'localtime', 'timezone', 'os-release', 'debian_version', 'locale.alias', 'mime.types', 'ssl/certs', 'ssl/openssl.cnf',
       'fonts', 'chromium', 'chromium.d']
# The accounts that a session sees beside its own. Its names come from these files only: other sources know the host's users.
USERS, GROUPS = {'root', 'nobody'}, {'root', 'tty', 'nogroup'}
NAMES = 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n'
DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty']


def main():
    options = {}
    for word in sys.argv[1:]:
        name, _, value = word.partition('=')
        options.setdefault(name, []).append(value)
    ports, shown = [int(port) for port in options.pop('port', [])], options.pop('show', [])
    session = {name: values[0] for name, values in options.items()}
    folder, home = session['dir'], session['home']
    uid, gid = int(session['uid']), int(session['gid'])
    os.umask(0o022)
    note_init(folder)
    keep_resolv_conf(folder)

    root = make(folder + '/root')
    mount(None, '/', None, RECURSIVE | PRIVATE)  # nothing from here on shows outside
    tmpfs(root, 'size=4m,nr_inodes=4k,mode=755', NODEV)
    show_programs(root, session.get('browser'))
    make_etc(root, folder, uid, gid)
    make_devices(root)
    make_folders(root, uid, gid, session)
    # the session can list neither of these two
    for path, mode in [(os.path.dirname(folder), 0o700), (os.path.dirname(home), 0o711)]:
        os.chmod(make(root + path), mode)
    bind(folder, root + folder, 0)
    mount_home(home, root + home)
    for path in shown:
        if os.path.isdir(path) and not os.path.isdir(root + path):  # what is there already is never covered
            bind(path, root + path)
    with open(folder + '/cgroups') as file:
        for group in file.read().split():
            bind(group, root + group)  # its own limits: node sizes its heap by them
    mount(None, root, None, REMOUNT | BIND | READ_ONLY | NOSUID | NODEV)

    log = os.open(folder + '/init.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    enter(root)
    sethostname(b'ex10')
    os.chdir(folder + '/services')
    os.dup2(os.open('/dev/null', os.O_RDONLY), 0)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    harden.restrict(ports)
    harden.filter_calls()
    os.execvp('s6-svscan', ['s6-svscan', '-d', '3', '.'])


def note_init(folder):
    """/proc is still the host's here: its line has the host's pid and the start time, by which a later server identifies this init."""
    with open('/proc/self/stat') as stat, open(folder + '/init.new', 'w') as file:
        file.write(stat.read())
    os.rename(folder + '/init.new', folder + '/init')


def keep_resolv_conf(folder):
    """The session reads a copy, which the server keeps up to date (resolv-conf.ts): the machine's file may be replaced."""
    write(folder + '/resolv.conf', read('/etc/resolv.conf'))


def show_programs(root, browser):
    bind('/usr', root + '/usr', READ_ONLY, RECURSIVE)
    for mounted in mounts_below(root + '/usr'):
        mount(None, mounted, None, REMOUNT | BIND | READ_ONLY | NOSUID | NODEV)
    if browser:
        bind(browser, root + CHROMIUM)
    for name in PROGRAMS:
        show(root, name)


def make_etc(root, folder, uid, gid):
    etc = make(root + '/etc')
    for name in ETC:
        show(root, 'etc/' + name)
    write(etc + '/passwd', ''.join(lines_of('/etc/passwd', USERS, uid)))
    # without the members of the groups
    write(etc + '/group', ''.join(line.rpartition(':')[0] + ':\n' for line in lines_of('/etc/group', GROUPS, gid)))
    write(etc + '/nsswitch.conf', NAMES)
    write(etc + '/hostname', 'ex10\n')
    write(etc + '/machine-id', read('/proc/sys/kernel/random/uuid').replace('-', ''))
    bind(folder + '/resolv.conf', etc + '/resolv.conf')


def lines_of(path, names, number):
    """The lines of passwd(5) or group(5) with one of these names, or with this id."""
    for line in read(path).splitlines(keepends=True):
        fields = line.split(':')
        if fields[0] in names or (len(fields) > 2 and fields[2] == str(number)):
            yield line


def make_devices(root):
    dev = make(root + '/dev')
    for name in DEVICES:
        if os.path.exists('/dev/' + name):
            bind('/dev/' + name, f'{dev}/{name}', NOSUID | NOEXEC)
    for name, target in [('fd', '/proc/self/fd'), ('stdin', 'fd/0'), ('stdout', 'fd/1'), ('stderr', 'fd/2'), ('ptmx', 'pts/ptmx')]:
        os.symlink(target, f'{dev}/{name}')
    tmpfs(make(dev + '/shm'), 'size=512m,nr_inodes=16k,mode=1777', NODEV)
    # the host has 4096 in all
    mount('devpts', make(dev + '/pts'), 'devpts', NOSUID | NOEXEC, 'newinstance,ptmxmode=0666,mode=620,max=64')


def make_folders(root, uid, gid, session):
    make(root + '/sys')
    mount('proc', make(root + '/proc'), 'proc', NOSUID | NODEV | NOEXEC)
    tmpfs(make(root + '/tmp'), 'size=512m,nr_inodes=64k,mode=1777', NODEV)
    os.mkdir(root + '/tmp/.X11-unix')
    os.chmod(root + '/tmp/.X11-unix', 0o1777)
    run = make(root + '/run')
    tmpfs(run, 'size=16m,nr_inodes=4k,mode=755', NODEV)
    own = make(f'{run}/user/{uid}')
    os.chown(own, uid, gid)
    os.chmod(own, 0o700)
    make(run + '/lock')
    bind(session['node'], run + '/ex10/node')
    bind(session['template'], run + '/ex10/template')
    if os.path.isdir(session['npm_cache']):
        bind(session['npm_cache'], run + '/ex10/npm-cache')
    tmpfs(make(root + '/var/tmp'), 'size=64m,nr_inodes=16k,mode=1777', NODEV)
    os.symlink('/run', root + '/var/run')
    os.symlink('/run/lock', root + '/var/lock')
    show(root, 'var/cache/fontconfig')


def mount_home(home, place):
    image = home + '.img'
    if not os.path.isfile(image):
        bind(home, place, 0)
        return
    command = ['sh', HERE + '/mount-home.sh', image, make(place)]
    if os.waitpid(os.posix_spawnp('sh', command, os.environ), 0)[1] != 0:
        raise OSError('the home could not be mounted')
    # only root has used the home yet: from here on, root opens nothing in it
    os.chmod(place, 0o700)
    os.rmdir(place + '/lost+found')


def enter(root):
    """Makes the folder the root of all processes of this mount namespace, and removes the host's from it: there is no way back."""
    os.chdir(root)
    harden.checked(LIBC.syscall(PIVOT_ROOT[harden.MACHINES[os.uname().machine][0]], b'.', b'.'))
    harden.checked(LIBC.umount2(b'.', DETACH))
    os.chdir('/')


def show(root, name):
    """Shows the host's file or folder of this name, if there is one. A link into /usr stays one."""
    path, target = '/' + name, os.path.realpath('/' + name)
    if os.path.islink(path) and (target + '/').startswith('/usr/'):
        make(os.path.dirname(f'{root}/{name}'))
        os.symlink(target, f'{root}/{name}')
    elif os.path.exists(path):
        bind(target, f'{root}/{name}')


def bind(source, target, flags=READ_ONLY, recursive=0):
    """Shows a file or folder of the host without its devices, and without the rights of setuid programs."""
    if os.path.isdir(source):
        make(target)
    else:
        make(os.path.dirname(target))
        write(target, '')
    mount(source, target, None, BIND | recursive)
    mount(None, target, None, REMOUNT | BIND | flags | NOSUID | (0 if flags & NOEXEC else NODEV))


def tmpfs(target, options, flags):
    mount('tmpfs', target, 'tmpfs', NOSUID | flags, options)


def mount(source, target, kind, flags, options=None):
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, options)]
    if LIBC.mount(words[0], words[1], words[2], harden.ctypes.c_ulong(flags), words[3]) != 0:
        error = harden.ctypes.get_errno()
        raise OSError(error, os.strerror(error), target)


def mounts_below(folder):
    """The mount points below the folder, without it."""
    points = [line.split()[4].encode().decode('unicode_escape') for line in read('/proc/self/mountinfo').splitlines()]
    return [point for point in points if point.startswith(folder + '/')]


def sethostname(name):
    harden.checked(LIBC.sethostname(name, len(name)))


def make(folder):
    os.makedirs(folder, exist_ok=True)
    return folder


def read(path):
    try:
        with open(path, encoding='utf-8', errors='surrogateescape') as file:
            return file.read()
    except FileNotFoundError:
        return ''


def write(path, text):
    with open(path, 'w', encoding='utf-8', errors='surrogateescape') as file:
        file.write(text)


if __name__ == '__main__':
    main()
