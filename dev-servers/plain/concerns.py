"""Decides about each change: it concerns the loaded extension, or only pages, which Chromium reads from disk each time."""
import json
import os
import re

PAGES = ('.html', '.htm', '.xhtml')
TEXTS = (*PAGES, '.js', '.mjs', '.cjs', '.css', '.json')
CODE = ('.js', '.mjs', '.cjs', '.css', '.json', '.wasm')
IDLE = ('.md', '.txt', '.map', '.license')
SCANNED_BYTES = 4 * 1024 * 1024
MAX_PROBLEMS = 40
LITERAL = re.compile(r'''["'`]([^"'`\n\\]{1,255})["'`]|url\(\s*([^"')\s]{1,255})\s*\)|(?:src|href)\s*=\s*([^"'\s>]{1,255})''')
REFERENCE = re.compile(r'''<(?:script|link)\b[^>]*?\s(?:src|href)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^"'\s>]+))''', re.I)
BARE_IMPORT = re.compile(r'''^[ \t]*(?:import|export)\b(?:[\w\s{},*$]*?\bfrom)?\s*["']([@A-Za-z][^"'\n:]*)["']''', re.M)
ESCAPED = re.compile(r'(?:%[0-9a-fA-F]{2})+')
COMMENT = re.compile(r'''"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/''', re.S)
PAGE_KEYS = [('action', 'default_popup'), ('options_page',), ('options_ui', 'page'), ('side_panel', 'default_path'), ('devtools_page',),
             ('chrome_url_overrides', 'newtab'), ('chrome_url_overrides', 'history'), ('chrome_url_overrides', 'bookmarks')]


class Concerns:
    def __init__(self, tree):
        self.tree = tree
        self.cache = {}  # path -> (content, the strings that it mentions)

    def parts_of(self, changed):
        """The parts that the changed files belong to: `loaded`, `pages`, both or none."""
        if not changed:
            return set()
        loaded, pages = self.loaded(), self.pages()
        return {part for part in (self.part_of(path, loaded, pages) for path in changed) if part}

    def part_of(self, path, loaded, pages):
        if path in loaded or path == 'manifest.json' or path.startswith('_locales/'):
            return 'loaded'
        if path.endswith(PAGES) or path in pages:
            return 'pages'
        if path.endswith(CODE):
            return 'loaded'  # code may build its name at run time
        return None if path.lower().endswith(IDLE) or '.' not in path else 'pages'

    def loaded(self):
        """The files that the manifest names, and the files that those mention in turn. Pages are left out: they are read when they are opened."""
        roots = [path for path in self.targets('manifest.json') if not path.endswith(PAGES)]
        return self.reach(roots, lambda path: not path.endswith(PAGES))

    def used(self):
        """The files that the extension can use. Repositories have tests and tools beside them."""
        return self.reach(self.targets('manifest.json'), lambda path: path in self.tree.files)

    def pages(self):
        return self.reach([path for path in self.tree.files if path.endswith(PAGES)], lambda path: True)

    def reach(self, paths, is_part):
        seen = set()
        left = list(paths)
        while left:
            path = left.pop()
            if path in seen or not is_part(path):
                continue
            seen.add(path)
            left.extend(self.targets(path))
        return seen

    def targets(self, path):
        """The paths in the file's strings, existing or not: from the extension's folder, or from the file's own."""
        here = os.path.dirname(path)
        for name in self.mentions(path):
            name = name.split('?')[0].split('#')[0]
            if name and not re.match(r'[a-z][a-z0-9+.-]*:', name):
                yield os.path.normpath(name.lstrip('/'))
                if here and not name.startswith('/'):
                    yield os.path.normpath(os.path.join(here, name))

    def mentions(self, path):
        if not path.endswith(TEXTS):
            return ()
        content = self.tree.files.get(path)
        known = self.cache.get(path)
        if known and known[0] == content and content is not None:
            return known[1]
        text = self.tree.text(path, SCANNED_BYTES) or ''
        names = {next(filter(None, match)) for match in LITERAL.findall(text) if any(match)}
        names = {name for name in names if '.' in name}
        self.cache[path] = (content, names)
        return names

    def problems(self):
        """The problems that Chromium ignores but a person wants to know. Chromium reports the others itself."""
        found = self.wrong_template()
        manifest = parse_manifest(self.tree.text('manifest.json', SCANNED_BYTES))
        for key in PAGE_KEYS if manifest else []:
            page = value_at(manifest, key)
            if page is not None and not self.has(page, ''):
                found.append(problem('missing-file', f'manifest.json names {page} as {".".join(key)}, and there is no such file', 'manifest.json', 'manifest'))
        for path in sorted(path for path in self.used() if path.endswith(PAGES)):
            text = re.sub(r'<!--.*?-->', '', self.tree.text(path, SCANNED_BYTES) or '', flags=re.S)
            for name in sorted({''.join(match).strip().replace('&amp;', '&') for match in REFERENCE.findall(text)}):
                if not re.match(r'[a-z][a-z0-9+.-]*:|//', name, re.I) and not self.has(name, os.path.dirname(path)):
                    found.append(problem('missing-file', f'{path} refers to {name}, and there is no such file', path, 'page'))
        return found[:MAX_PROBLEMS]

    def has(self, name, here):
        name = name.split('?')[0].split('#')[0]
        if name in ('', '/'):
            return True
        for spelling in (name, ESCAPED.sub(lambda match: bytes.fromhex(match[0].replace('%', '')).decode('utf-8', 'replace'), name)):
            path = os.path.normpath(spelling.lstrip('/') if spelling.startswith('/') else os.path.join(here, spelling))
            if path.startswith('..') or path in self.tree.files:
                return True
        return False

    def wrong_template(self):
        files = self.tree.files
        if 'manifest.json' not in files:
            elsewhere = next((path for path in ('src/manifest.json', 'public/manifest.json', 'app/manifest.json', 'extension/manifest.json') if path in files), None)
            if 'package.json' in files or elsewhere:
                what = elsewhere or 'package.json'
                return [problem('wrong-template', f'There is {what} and no manifest.json: this is a project. Create the session with template=project, or push the built folder', what, 'manifest')]
            return []
        scripts = self.used()
        typed = next((path for path in sorted(scripts) if re.search(r'\.(ts|tsx|jsx)$', path)), None)
        if typed:
            return [problem('wrong-template', f'{typed} must be compiled, and a plain extension runs as it is: create the session with template=typescript, react or project, or push the built folder', typed, 'manifest')]
        for path in sorted(scripts):
            if path.endswith(('.js', '.mjs')):
                bare = BARE_IMPORT.search(self.tree.text(path, SCANNED_BYTES) or '')
                if bare:
                    line = self.tree.text(path, SCANNED_BYTES)[:bare.start(1)].count('\n') + 1
                    return [{**problem('wrong-template', f'{path} imports the package "{bare[1]}", and a plain extension has no packages: create the session with template=project, or push the built folder', path), 'line': line}]
        return []


def problem(kind, message, file, context=None):
    return {'kind': kind, 'message': message[:1000], 'file': file[:1000], **({'context': context} if context else {})}


def parse_manifest(text):
    """The manifest, read as Chromium reads it: with comments, and a byte order mark. None when it is not a JSON object."""
    if text is None:
        return None
    try:
        value = json.loads(COMMENT.sub(lambda match: match[0] if match[0].startswith('"') else ' ', text.removeprefix('\ufeff')))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def value_at(value, keys):
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
