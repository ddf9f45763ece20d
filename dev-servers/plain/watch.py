"""The dev server of a plain extension: Chromium loads the sources themselves, so there is nothing to build.

  watch.py --port PORT FOLDER        FOLDER is relative to the home

It notices every change in the folder, by whatever means, and reports over HTTP on 127.0.0.1 (docs/templates.md):
  GET /                        the page that a session begins with
  GET /changes?after=N&wait=MS the changes since version N, and the problems of the files; waits up to MS for a change
One thread does all work, because the memory of this program counts in every session.
"""
import json
import os
import re
import select
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from concerns import Concerns  # noqa: E402 -- the path is set just above
from tree import Tree  # noqa: E402

QUIET_S = 0.02      # a change is over after this time without events,
LATEST_S = 0.5      # or when it has gone on for this time
KEPT = 500          # versions whose changes are remembered
MANIFEST_BYTES = 256 * 1024
REQUEST_BYTES = 16384
MAX_CLIENTS = 64


class Watcher:
    def __init__(self, folder):
        self.tree = Tree(folder)
        self.concerns = Concerns(self.tree)
        self.version = now_ms()
        self.history = []  # (version, parts)
        self.first = self.version
        self.pending = set()
        self.began = self.last = None
        self.problems = self.concerns.problems()

    def read(self):
        """Reads the events that the kernel has queued so far."""
        paths = self.tree.read()
        if not paths:
            return
        self.pending |= paths
        self.last = time.monotonic()
        self.began = self.began or self.last

    def settles_in(self):
        """Seconds until the pending events count as one change; None when there are none."""
        if self.last is None:
            return None
        return max(0, min(self.last + QUIET_S, self.began + LATEST_S) - time.monotonic())

    def settle(self):
        changed, self.pending, self.began, self.last = self.pending, set(), None, None
        parts = self.concerns.parts_of(changed)
        problems = self.concerns.problems() if changed else self.problems
        if not parts and problems == self.problems:
            return
        self.problems = problems
        self.version = max(self.version + 1, now_ms())
        self.history = [*self.history, (self.version, parts)][-KEPT:]
        if len(self.history) == KEPT:
            self.first = self.history[0][0]

    def answer(self, after):
        parts = {part for version, changed in self.history if version > after for part in changed}
        if after < self.first:
            parts = {'loaded'}
        manifest = self.tree.text('manifest.json', MANIFEST_BYTES)
        return {'version': self.version, 'ok': True, 'changed': sorted(parts), 'problems': self.problems,
                **({} if manifest is None else {'manifest': manifest})}


class Server:
    """A minimal HTTP server: each answer ends its connection."""

    def __init__(self, port, watcher, page):
        self.watcher, self.page = watcher, page
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(('127.0.0.1', port))
        self.listener.listen(64)
        self.listener.setblocking(False)
        self.reading = {}  # socket -> the bytes that it has sent
        self.waiting = []  # (socket, after, until)

    def run(self):
        watcher = self.watcher
        while True:
            times = [until - time.monotonic() for _, _, until in self.waiting]
            if watcher.settles_in() is not None:
                times.append(watcher.settles_in())
            sockets = [self.listener, watcher.tree.descriptor, *self.reading, *(client for client, _, _ in self.waiting)]
            ready, _, _ = select.select(sockets, [], [], max(0, min(times)) if times else None)
            if watcher.tree.descriptor in ready:
                watcher.read()
            if watcher.settles_in() == 0:
                watcher.settle()
            if self.listener in ready:
                self.accept()
            for client in [client for client in self.reading if client in ready]:
                self.receive(client)
            self.serve_waiting(ready)

    def accept(self):
        try:
            client, _ = self.listener.accept()
        except OSError:
            return  # the client has gone already
        client.setblocking(False)
        if len(self.reading) + len(self.waiting) >= MAX_CLIENTS:
            client.close()
        else:
            self.reading[client] = b''

    def receive(self, client):
        try:
            more = client.recv(4096)
        except OSError:
            more = b''
        text = self.reading[client] + more
        self.reading[client] = text
        if b'\r\n\r\n' in text:
            del self.reading[client]
            self.request(client, (text.split(b' ', 2) + [b''])[1].decode('latin-1'))
        elif not more or len(text) > REQUEST_BYTES:
            del self.reading[client]
            client.close()

    def request(self, client, path):
        if path == '/':
            return reply(client, '200 OK', 'text/html; charset=utf-8', self.page)
        match = re.fullmatch(r'/changes\?after=(\d{1,16})&wait=(\d{1,6})', path)
        if not match:
            return reply(client, '404 Not Found', 'text/plain', b'there is nothing here\n')
        after, wait = int(match[1]), int(match[2])
        if wait == 0:
            self.watcher.read()  # the kernel has queued the events of all writes before the request
            self.watcher.settle()
        self.waiting.append((client, after, time.monotonic() + wait / 1000))

    def serve_waiting(self, ready):
        still = []
        for client, after, until in self.waiting:
            if client in ready and is_gone(client):
                client.close()
            elif self.watcher.version > after or time.monotonic() >= until:
                reply(client, '200 OK', 'application/json', json.dumps(self.watcher.answer(after)).encode())
            else:
                still.append((client, after, until))
        self.waiting = still


def is_gone(client):
    try:
        return client.recv(4096) == b''
    except BlockingIOError:
        return False
    except OSError:
        return True


def reply(client, status, content_type, body):
    head = f'HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n'
    try:
        client.settimeout(2)
        client.sendall(head.encode() + body)
    except OSError:
        pass  # the client has gone
    client.close()


def now_ms():
    return int(time.time() * 1000)


def main():
    port, folder = int(sys.argv[2]), os.path.join(os.environ['HOME'], sys.argv[3])
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'start.html'), 'rb') as file:
        page = file.read()
    watcher = Watcher(folder)
    print(f'watching {sys.argv[3]}: {len(watcher.tree.files)} files', flush=True)
    Server(port, watcher, page).run()


if __name__ == '__main__':
    main()
