"""The files of a Google Drive in memory: what is on it, how it is searched, and which fields of it are shown."""

import datetime
import hashlib
import re
import secrets
import time

FOLDER = "application/vnd.google-apps.folder"
ROOT = "0AMyDriveRootFolderPVA"


class DriveError(Exception):
    """An answer other than success, in Google's words."""

    def __init__(self, status, reason, message):
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


def not_found(file_id):
    return DriveError(404, "notFound", f"File not found: {file_id}.")


def timestamp(text=None):
    """Google's form of a time: UTC, with milliseconds, whatever was given."""
    if text is None:
        moment = datetime.datetime.now(datetime.timezone.utc)
    else:
        # Python reads no more than six digits of a second.
        moment = datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00"))
        moment = moment.astimezone(datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class File:
    def __init__(self, meta, content, drive):
        self.id = meta.get("id") or "1" + secrets.token_urlsafe(24)
        self.name = meta.get("name", "Untitled")
        self.mime = meta.get("mimeType") or "application/octet-stream"
        self.parents = list(meta.get("parents") or [ROOT])
        self.drive = drive
        self.created = timestamp(meta.get("createdTime"))
        self.modified = timestamp(meta.get("modifiedTime"))
        self.trashed = False
        self.version = 1
        # When listings show it; the file itself is there at once.
        self.listed_from = 0.0
        self.more = {key: meta[key] for key in ("description", "properties", "appProperties", "starred") if key in meta}
        self.content = None
        if self.mime != FOLDER:
            self.fill(content or b"")

    def fill(self, content):
        self.content = bytes(content)
        self.md5 = hashlib.md5(content).hexdigest()
        self.sha1 = hashlib.sha1(content).hexdigest()
        self.sha256 = hashlib.sha256(content).hexdigest()

    @property
    def is_folder(self):
        return self.mime == FOLDER

    @property
    def size(self):
        return 0 if self.content is None else len(self.content)

    def resource(self, is_trashed):
        document = {
            "kind": "drive#file", "id": self.id, "name": self.name, "mimeType": self.mime, "parents": self.parents,
            "createdTime": self.created, "modifiedTime": self.modified, "trashed": is_trashed,
            "explicitlyTrashed": self.trashed, "version": str(self.version), "spaces": ["drive"], "starred": False,
            "ownedByMe": self.drive is None, "shared": False, "quotaBytesUsed": str(self.size), **self.more,
        }
        if self.drive:
            document["driveId"] = self.drive
        if not self.is_folder:
            document |= {
                "size": str(self.size), "md5Checksum": self.md5, "sha1Checksum": self.sha1,
                "sha256Checksum": self.sha256, "originalFilename": self.name,
            }
        return document


class Drive:
    """My Drive, and shared drives. Whoever calls holds the lock."""

    def __init__(self):
        self.files = {}
        self.shared = {}
        self.limit = 15 * 1024**3
        self.lag = 0.0
        self.snapshots = {}
        root = File({"id": ROOT, "name": "My Drive", "mimeType": FOLDER}, None, None)
        root.parents = []
        self.files[ROOT] = root

    # --- looking ---

    def get(self, file_id):
        file = self.files.get(ROOT if file_id == "root" else file_id)
        if file is None:
            raise not_found(file_id)
        return file

    def is_trashed(self, file):
        return file.trashed or any(self.is_trashed(self.files[parent]) for parent in file.parents if parent in self.files)

    def resource(self, file):
        return file.resource(self.is_trashed(file))

    def path(self, file):
        if not file.parents:
            return ""
        parent = self.files.get(file.parents[0])
        above = self.path(parent) if parent else "?"
        return f"{above}/{file.name}" if above else file.name

    def at(self, path):
        """Everything at a path that is not in the trash, as there may be several."""
        return [file for file in self.files.values() if file.parents and self.path(file) == path and not self.is_trashed(file)]

    def usage(self):
        used = sum(file.size for file in self.files.values() if not file.drive)
        trashed = sum(file.size for file in self.files.values() if not file.drive and self.is_trashed(file))
        return used, trashed

    def list(self, query, page_size, page_token, drive_id):
        """Files of one page, and the token of the next. A page shows what was there when the first was asked for."""
        if page_token:
            if page_token not in self.snapshots:
                raise DriveError(400, "invalid", "Invalid Value")
            found = self.snapshots.pop(page_token)
        else:
            matches, now = Query(query).matches, time.monotonic()
            found = [
                file for file in self.files.values()
                if file.parents and file.drive == drive_id and file.listed_from <= now and matches(file, self)
            ]
            # The newest first, as people find Drive to do it; no order is promised.
            found.reverse()
        page, rest = found[:page_size], found[page_size:]
        if not rest:
            return page, None
        token = secrets.token_hex(8)
        self.snapshots[token] = rest
        return page, token

    # --- changing ---

    def room(self, size, drive):
        if self.limit is not None and drive is None and self.usage()[0] + size > self.limit:
            raise DriveError(403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.")

    def create(self, meta, content):
        meta = dict(meta)
        meta["parents"] = [self.get(parent).id for parent in meta.get("parents") or [ROOT]]
        drive = self.files[meta["parents"][0]].drive
        self.room(len(content or b""), drive)
        if meta.get("id") in self.files:
            raise DriveError(409, "fileIdInUse", "A file already exists with the provided ID.")
        file = File(meta, content, drive)
        file.listed_from = time.monotonic() + self.lag
        self.files[file.id] = file
        return file

    def update(self, file, meta, content=None, add=(), remove=()):
        if content is not None:
            self.room(len(content) - file.size, file.drive)
            file.fill(content)
            file.modified = timestamp()
        for parent in remove:
            file.parents = [each for each in file.parents if each != self.get(parent).id]
        for parent in add:
            file.parents.append(self.get(parent).id)
        if len(file.parents) > 1:
            raise DriveError(403, "cannotAddParent", "Increasing the number of parents is not allowed")
        file.name = meta.get("name", file.name)
        file.mime = meta.get("mimeType", file.mime)
        file.trashed = meta.get("trashed", file.trashed)
        if "modifiedTime" in meta:
            file.modified = timestamp(meta["modifiedTime"])
        for key in ("description", "properties", "appProperties", "starred"):
            if key in meta:
                file.more[key] = meta[key]
        file.version += 1
        return file

    def copy(self, file, meta):
        if file.is_folder:
            raise DriveError(403, "cannotCopyFile", "This file cannot be copied by the user.")
        given = {"name": file.name, "mimeType": file.mime, "parents": file.parents, "modifiedTime": file.modified} | meta
        return self.create(given, file.content)

    def delete(self, file):
        for child in [each for each in self.files.values() if file.id in each.parents]:
            self.delete(child)
        self.files.pop(file.id, None)

    def empty_trash(self):
        for file in [each for each in self.files.values() if each.trashed]:
            self.delete(file)

    def folder(self, path, again=False):
        """The folder at a path, made where it is missing; the last one is made once more if asked for."""
        here = self.files[ROOT]
        words = [word for word in path.split("/") if word]
        for number, word in enumerate(words, 1):
            there = [each for each in self.files.values() if here.id in each.parents and each.name == word and each.is_folder]
            if there and not (again and number == len(words)):
                here = there[0]
            else:
                here = self.create({"name": word, "mimeType": FOLDER, "parents": [here.id]}, None)
        return here

    def share(self, name):
        """A shared drive; its id is that of its top folder, too."""
        folder = File({"name": "Drive", "mimeType": FOLDER, "id": "0A" + secrets.token_hex(8)}, None, None)
        folder.parents, folder.drive = [], folder.id
        self.files[folder.id] = folder
        self.shared[folder.id] = name
        return folder.id


# --- the query language of files.list ---


class Query:
    """`trashed=false and ('ID' in parents) and (name='x' or name='y')`"""

    TOKEN = re.compile(r"\s*('(?:[^'\\]|\\.)*'|\(|\)|!=|<=|>=|=|<|>|[A-Za-z]+)")
    FIELDS = {
        "name": lambda file, drive: file.name,
        "mimeType": lambda file, drive: file.mime,
        "trashed": lambda file, drive: drive.is_trashed(file),
        "starred": lambda file, drive: file.more.get("starred", False),
        "sharedWithMe": lambda file, drive: False,
        "modifiedTime": lambda file, drive: file.modified,
        "createdTime": lambda file, drive: file.created,
    }

    def __init__(self, text):
        self.words, position = [], 0
        while text and text[position:].strip():
            match = self.TOKEN.match(text, position)
            if not match:
                raise self.invalid()
            self.words.append(match[1])
            position = match.end()
        self.matches = self.either() if self.words else lambda file, drive: True
        if self.words:
            raise self.invalid()

    @staticmethod
    def invalid():
        return DriveError(400, "invalid", "Invalid Value")

    def next(self):
        if not self.words:
            raise self.invalid()
        return self.words.pop(0)

    def takes(self, word):
        if self.words and self.words[0] == word:
            self.words.pop(0)
            return True
        return False

    def either(self):
        terms = [self.all()]
        while self.takes("or"):
            terms.append(self.all())
        return lambda file, drive: any(term(file, drive) for term in terms)

    def all(self):
        terms = [self.one()]
        while self.takes("and"):
            terms.append(self.one())
        return lambda file, drive: all(term(file, drive) for term in terms)

    def one(self):
        if self.takes("not"):
            inner = self.one()
            return lambda file, drive: not inner(file, drive)
        if self.takes("("):
            inner = self.either()
            if not self.takes(")"):
                raise self.invalid()
            return inner
        word = self.next()
        if word.startswith("'"):
            return self.parent(self.value(word))
        field = self.FIELDS.get(word)
        if field is None:
            raise self.invalid()
        if word == "sharedWithMe" and (not self.words or self.words[0] in ("and", "or", ")")):
            return field
        return self.comparison(field, self.next(), self.value(self.next()))

    def parent(self, file_id):
        if not (self.takes("in") and self.takes("parents")):
            raise self.invalid()
        file_id = ROOT if file_id == "root" else file_id
        return lambda file, drive: file_id in file.parents

    def comparison(self, field, sign, value):
        if sign == "contains":
            return lambda file, drive: str(field(file, drive)).lower().startswith(value.lower())
        tests = {
            "=": lambda a: a == value, "!=": lambda a: a != value, "<": lambda a: a < value, "<=": lambda a: a <= value,
            ">": lambda a: a > value, ">=": lambda a: a >= value,
        }
        if sign not in tests:
            raise self.invalid()
        return lambda file, drive: tests[sign](field(file, drive))

    def value(self, word):
        if word.startswith("'"):
            return re.sub(r"\\(.)", r"\1", word[1:-1])
        if word in ("true", "false"):
            return word == "true"
        raise self.invalid()


# --- which fields are shown ---


class Mask:
    """`nextPageToken,files(id,name)`: a tree of names; an empty one shows everything below."""

    def __init__(self, text, resource, facts):
        self.facts = facts
        self.tokens = re.findall(r"[A-Za-z0-9_*]+|[(),/]", text)
        self.tree = self.group(resource)
        if self.tokens:
            raise self.invalid(self.tokens[0])

    @staticmethod
    def invalid(name):
        return DriveError(400, "invalidParameter", f"Invalid field selection {name}")

    def group(self, resource):
        tree = {}
        while True:
            self.field(resource, tree)
            if not (self.tokens and self.tokens[0] == ","):
                return tree
            self.tokens.pop(0)

    def field(self, resource, tree):
        name = self.tokens.pop(0) if self.tokens else ""
        if name != "*" and resource and name not in self.facts.resources[resource]:
            raise self.invalid(name)
        part = self.facts.part(resource, name)
        below = tree.setdefault(name, {})
        if self.tokens and self.tokens[0] == "/":
            self.tokens.pop(0)
            self.field(part, below)
        elif self.tokens and self.tokens[0] == "(":
            self.tokens.pop(0)
            below |= self.group(part)
            if not self.tokens or self.tokens.pop(0) != ")":
                raise self.invalid(name)

    def show(self, document):
        return self.shown(document, self.tree)

    def shown(self, value, tree):
        if not tree or "*" in tree:
            return value
        if isinstance(value, list):
            return [self.shown(each, tree) for each in value]
        if isinstance(value, dict):
            return {name: self.shown(value[name], below) for name, below in tree.items() if name in value}
        return value
