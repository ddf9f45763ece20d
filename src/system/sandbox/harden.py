"""harden.py PORT... [-- CMD...]
Denies this process, and all that it starts, the system calls and ports that no program of a session needs; then becomes
CMD. Root runs it, in the sandbox. Skips parts that the kernel lacks. Without CMD it prints the parts in force: Landlock, seccomp.

Landlock: TCP is bound on the ports given and on 0 (any that is free), and abstract sockets of others are out of reach.
File-system rights are left alone, and so are namespaces: Chromium's own sandbox needs them.
seccomp: no socket but local, IP and netlink ones, and none of the calls below.
"""
import ctypes
import errno
import os
import struct
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
ALLOW, REFUSE = 0x7fff0000, 0x00050000  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO

# System calls into parts of the kernel in which many holes were found, and which a user, or the root of a user namespace,
# can reach. Chromium, Xpra and node use none of them. Each has its number on x86-64 and on arm64.
REFUSED = {
    'bpf': (321, 280), 'perf_event_open': (298, 241), 'userfaultfd': (323, 282),
    'io_uring_setup': (425, 425), 'io_uring_enter': (426, 426), 'io_uring_register': (427, 427),
    'add_key': (248, 217), 'request_key': (249, 218), 'keyctl': (250, 219),
    'mount': (165, 40), 'umount2': (166, 39), 'pivot_root': (155, 41), 'open_tree': (428, 428), 'move_mount': (429, 429),
    'fsopen': (430, 430), 'fsconfig': (431, 431), 'fsmount': (432, 432), 'fspick': (433, 433),
    'mount_setattr': (442, 442), 'open_tree_attr': (467, 467),
    'open_by_handle_at': (304, 265), 'kexec_load': (246, 104), 'kexec_file_load': (320, 294),
    'init_module': (175, 105), 'finit_module': (313, 273), 'delete_module': (176, 106),
}
SOCKET = {'socket': (41, 198), 'socketpair': (53, 199)}
MACHINES = {'x86_64': (0, 0xc000003e), 'aarch64': (1, 0xc00000b7)}  # column above, AUDIT_ARCH
# family -> protocols, None for all. MPTCP (262) would be TCP past Landlock; of netlink: routes, sockets, devices.
FAMILIES = {1: None, 2: (0, 1, 6, 17), 10: (0, 6, 17, 58), 16: (0, 4, 15)}
SOCK_PACKET = 10  # with AF_INET, the old name of AF_PACKET


def main():
    words = sys.argv[1:]
    end = words.index('--') if '--' in words else len(words)
    in_force = restrict([int(port) for port in words[:end]]), filter_calls()
    if words[end + 1:]:
        os.execvp(words[end + 1], words[end + 1:])
    print(*in_force)


def restrict(ports):
    """Landlock(7); its numbers are the same on every machine."""
    abi = LIBC.syscall(444, None, 0, 1)
    if abi < 4:
        return 'none'
    # handled: file system, network (BIND_TCP), scoped (abstract sockets; signals stay in the pid namespace anyway)
    attributes = struct.pack('QQQ', 0, 1, 1) if abi >= 6 else struct.pack('QQ', 0, 1)
    ruleset = checked(LIBC.syscall(444, attributes, len(attributes), 0))
    for port in [0, *ports]:
        checked(LIBC.syscall(445, ruleset, 2, struct.pack('QQ', 1, port), 0))
    checked(LIBC.syscall(446, ruleset, 0))
    os.close(ruleset)
    return 'bind+abstract' if abi >= 6 else 'bind'


def filter_calls():
    """seccomp(2), mode 2."""
    if os.uname().machine not in MACHINES:
        return 'none'
    program = b''.join(struct.pack('HBBI', *instruction) for instruction in rules(*MACHINES[os.uname().machine]))
    text = ctypes.create_string_buffer(program)
    header = struct.pack('HxxxxxxP', len(program) // 8, ctypes.addressof(text))
    if LIBC.prctl(22, 2, header, 0, 0) != 0:
        if ctypes.get_errno() == errno.EINVAL:
            return 'none'  # a kernel without it
        checked(-1)
    return 'filter'


def rules(column, machine):
    """The filter, as instructions of classic BPF on struct seccomp_data: number, architecture, address, arguments."""
    number, architecture, family, kind, protocol = (load(offset) for offset in (0, 4, 16, 24, 32))
    yield from [architecture, equal(machine, 1, 0), answer(errno.ENOSYS)]  # 32-bit programs use other numbers
    yield from [number, (0x35, 0, 1, 0x40000000), answer(errno.ENOSYS)]  # x32 programs use these numbers
    for numbers in REFUSED.values():
        yield from [equal(numbers[column], 0, 1), answer(errno.EPERM)]
    yield from [equal(SOCKET['socket'][column], 2, 0), equal(SOCKET['socketpair'][column], 1, 0), ALLOWED]
    yield from [kind, (0x54, 0, 0, 0xf), equal(SOCK_PACKET, 0, 1), answer(errno.EAFNOSUPPORT)]
    for value, protocols in FAMILIES.items():
        block = [ALLOWED]
        if protocols is not None:
            block = [protocol, *(part for each in protocols for part in (equal(each, 0, 1), ALLOWED)), answer(errno.EPROTONOSUPPORT)]
        yield from [family, equal(value, 0, len(block)), *block]
    yield answer(errno.EAFNOSUPPORT)


def load(offset):
    return 0x20, 0, 0, offset


def equal(value, then, otherwise):
    """Jumps over `then` instructions when the loaded value equals `value`, else over `otherwise`."""
    return 0x15, then, otherwise, value


def answer(error):
    return 0x06, 0, 0, REFUSE | error


ALLOWED = 0x06, 0, 0, ALLOW


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


if __name__ == '__main__':
    main()
