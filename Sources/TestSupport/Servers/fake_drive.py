#!/usr/bin/env python3
"""A Google Drive on loopback for rclone's own, unmodified drive backend, which has no option for another host.

So this is the proxy that rclone is told to use, and it answers itself: it ends TLS for Google's two hosts with a
certificate of its own throw-away authority, and refuses any other host, so that no test reaches the network.

  HTTPS_PROXY=http://127.0.0.1:PORT  RCLONE_CA_CERT=FILE of --ca  rclone …      any client_id, refresh_token "refresh"

Plain HTTP to the same port controls it (all answers are JSON):

  POST /control/set      bandwidth (bytes a second), lag (seconds until a new file is listed), limit (bytes of the user's
                         storage, null for no limit), revoked, service_account, page_size, token_seconds
  POST /control/rule     a fault: which requests (verb, path, name: regular expressions; after: so many are let through;
                         times: so many are hit, else all), and what becomes of them:
                           "fault": a name of FAULTS, or "error" with status, reason, message
                           "fault": "reset" (the connection is cut, nothing is done), "drop" (it is done, the answer is lost)
                           "fault": "hold" (it waits until released, then is done)
  POST /control/release  lets everything go that is held, and takes all rules back
  POST /control/plant    a file (path, content) or folder (path, folder) that somebody else has put there; "again": once more
                         even if there is one
  POST /control/alter    path, content         POST /control/rename   id, name
  POST /control/delete   path, "forever"
  POST /control/share    name: a shared drive
  GET  /control/files    everything on it      GET /control/content?id=ID
  GET  /control/state    counts of requests, bytes received, hits of faults, violations of Google's documented API, refused hosts
  GET  /control/wait     ?received=BYTES or ?hits=N or ?requests=N: answers when so much has been seen, or 408 after ?seconds
  POST /control/reset    an empty Drive without faults; who has signed in stays so

Not modelled: Google Docs, shortcuts, permissions, what the scope drive.file hides, revisions, Google's own rate limits.
"""

import argparse
import base64
import collections
import http.server
import json
import os
import re
import secrets
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time
import urllib.parse

import drive_facts
import drive_files
import lifeline
from drive_files import DriveError

API = "www.googleapis.com"
TOKENS = "oauth2.googleapis.com"
REFRESH_TOKEN = "refresh"
PIECE = 64 * 1024

# What Google answers: status, reason, message.
FAULTS = {
    "rate_limit": (403, "userRateLimitExceeded", "User Rate Limit Exceeded. Rate of requests for user exceed configured project quota, you may consider re-evaluating expected per-user traffic to the API and adjust project quota limits accordingly."),
    "too_many": (429, "rateLimitExceeded", "Too many requests."),
    # The limit of 750 GB a day: the same reason, told apart only by these exact words.
    "daily_limit": (403, "userRateLimitExceeded", "User rate limit exceeded."),
    "quota": (403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded."),
    "service_account": (403, "storageQuotaExceeded", "Service Accounts do not have storage quota. Leverage shared drives (https://developers.google.com/workspace/drive/api/guides/about-shareddrives), or use OAuth delegation (http://support.google.com/a/answer/7281227) instead."),
    "unauthorized": (401, "authError", "Invalid Credentials"),
    "forbidden": (403, "insufficientFilePermissions", "The user does not have sufficient permissions for this file."),
    "scope": (403, "insufficientPermissions", "Request had insufficient authentication scopes."),
    "backend": (503, "backendError", "Transient failure"),
    "not_found": (404, "notFound", "File not found: ."),
}


class Rule:
    def __init__(self, options):
        self.verb = re.compile(options.get("verb", ""))
        self.path = re.compile(options.get("path", ""))
        self.name = re.compile(options.get("name", ""))
        self.after = options.get("after", 0)
        self.times = options.get("times")
        self.fault = options["fault"]
        self.released = threading.Event()
        self.error = (options.get("status", 500), options.get("reason", "backendError"), options.get("message", "Backend Error"))
        if self.fault in FAULTS:
            self.fault, self.error = "error", FAULTS[self.fault]
        if self.fault not in ("error", "reset", "drop", "hold"):
            raise ValueError(f"no such fault: {self.fault}")

    def takes(self, verb, path, name):
        if not (self.verb.search(verb) and self.path.search(path) and self.name.search(name)):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            if self.times <= 0:
                return False
            self.times -= 1
        return True


class Service:
    """Everything that the connections share."""

    def __init__(self, record):
        self.record = record
        self.facts = drive_facts.Facts()
        self.lock = threading.RLock()
        self.seen = threading.Condition(self.lock)
        self.rules = []
        # Access tokens: until when they hold, and whether they are a service account's. rclone keeps them in its
        # configuration, so a reset keeps them too.
        self.tokens = {}
        self.reset()

    def reset(self):
        self.release()
        self.drive = drive_files.Drive()
        self.sessions = {}
        self.settings = {
            "bandwidth": None, "lag": 0, "limit": 15 * 1024**3, "revoked": False, "service_account": False, "page_size": 1000,
            "token_seconds": 3599,
        }
        self.counts = collections.Counter()
        self.clients, self.violations, self.refused = set(), [], []
        self.requests = self.received = self.hits = 0
        self.next_piece = 0.0

    def release(self):
        for rule in self.rules:
            rule.released.set()
        self.rules = []

    def violates(self, what):
        with self.lock:
            if what not in self.violations:
                self.violations.append(what)

    def meter(self, count, is_upload):
        """Makes whoever moves bytes wait until the bandwidth allows them."""
        with self.lock:
            if is_upload:
                self.received += count
                self.seen.notify_all()
            bandwidth = self.settings["bandwidth"]
            if not bandwidth:
                self.next_piece = 0.0
                return
            start = max(self.next_piece, time.monotonic())
            self.next_piece = start + count / bandwidth
        time.sleep(max(0.0, start - time.monotonic()))

    def rule(self, verb, path, name):
        with self.lock:
            for rule in self.rules:
                if rule.takes(verb, path, name):
                    self.hits += 1
                    self.seen.notify_all()
                    return rule
        return None

    def wait(self, seconds, **least):
        """Whether so much has been seen in time."""
        def enough():
            return all(getattr(self, what) >= count for what, count in least.items())

        with self.lock:
            return self.seen.wait_for(enough, seconds)


class Dropped(Exception):
    """The connection is cut without an answer."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "drive"
    sys_version = ""
    timeout = 120
    disable_nagle_algorithm = True
    # The host that the connection was made for, once it is one.
    tunnel = None

    def log_message(self, *_):
        pass

    @property
    def service(self):
        return self.server.service

    # --- connections ---

    def do_CONNECT(self):
        host, _, port = self.path.rpartition(":")
        if host not in (API, TOKENS) or port != "443" or self.tunnel:
            with self.service.lock:
                self.service.refused.append(self.path)
            self.answer(502, {"error": f"{self.path} is not served here"})
            return
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.wfile.flush()
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self.tunnel = host
        self.close_connection = False

    def cut(self, abruptly):
        """Ends the connection with nothing said, by a reset if abruptly."""
        self.close_connection = True
        if abruptly:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        raise Dropped

    def answer(self, status, document=None, headers=(), body=None):
        if body is None:
            body = b"" if document is None else json.dumps(document).encode()
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if body and not any(name == "Content-Type" for name, _ in headers):
            self.send_header("Content-Type", "application/json; charset=UTF-8")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for start in range(0, len(body), PIECE):
            piece = body[start : start + PIECE]
            self.service.meter(len(piece), is_upload=False)
            self.wfile.write(piece)
        self.wfile.flush()

    def body(self):
        is_upload = self.path.startswith("/upload/")
        parts = []

        def take(count):
            while count > 0:
                piece = self.rfile.read1(min(count, PIECE))
                if not piece:
                    raise Dropped
                self.service.meter(len(piece), is_upload)
                parts.append(piece)
                count -= len(piece)

        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while True:
                line = self.rfile.readline(100)
                if not line.endswith(b"\n"):
                    raise Dropped
                size = int(line.split(b";")[0], 16)
                take(size)
                self.rfile.readline(100)
                if size == 0:
                    break
        else:
            take(int(self.headers.get("Content-Length") or 0))
        return b"".join(parts)

    def handle_any(self):
        path, _, query = self.path.partition("?")
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        try:
            body = self.body()
            if self.tunnel is None:
                self.control(path, query, body)
                return
            status, document, headers, content = self.faulty(path, query, body)
            self.service.record.write(verb=self.command, path=path, query=query, status=status)
            self.answer(status, document, headers, content)
        except (Dropped, OSError):
            # Whoever asked is gone, or is meant to think so.
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def finish(self):
        try:
            super().finish()
        except OSError:
            pass

    # --- what is asked of Google ---

    def faulty(self, path, query, body):
        """Status, document, headers and content of the answer, after whatever a rule has in store for the request."""
        service = self.service
        with service.lock:
            service.requests += 1
            service.counts[f"{self.command} {re.sub('/files/[^/]+', '/files/ID', path)}"] += 1
            service.seen.notify_all()
            rule = service.rule(self.command, self.path, self.name_of(path, query, body))
        if rule and rule.fault == "reset":
            self.cut(abruptly=True)
        if rule and rule.fault == "error":
            return self.failure(DriveError(*rule.error))
        if rule and rule.fault == "hold":
            rule.released.wait()
        try:
            with service.lock:
                done = self.token(body) if self.tunnel == TOKENS else self.api(path, query, body)
        except DriveError as error:
            done = self.failure(error)
        except Exception as error:
            # A mistake of this program, or a request that Google would not have understood: no test may pass over it.
            service.violates(f"{self.command} {self.path}: {type(error).__name__}: {error}")
            done = self.failure(DriveError(500, "internalError", "Internal Error"))
        if rule and rule.fault == "drop":
            self.cut(abruptly=False)
        return done

    def name_of(self, path, query, body):
        """The path on the Drive of the file that a request is about, as far as that is seen."""
        drive = self.service.drive
        if query.get("upload_id") in self.service.sessions:
            return self.service.sessions[query["upload_id"]].path
        found = self.service.facts.find(self.command, path) if self.tunnel == API else None
        if found and found[2] and found[2][0] in drive.files:
            return drive.path(drive.files[found[2][0]])
        if found and found[0].name == "files.create":
            meta, _ = self.parts(query, body)
            parent = drive.files.get((meta.get("parents") or [drive_files.ROOT])[0])
            return f"{drive.path(parent) if parent else '?'}/{meta.get('name', '')}".lstrip("/")
        return ""

    @staticmethod
    def failure(error):
        details = {"domain": "global" if error.status in (401, 404) else "usageLimits", "reason": error.reason, "message": error.message}
        document = {"error": {"code": error.status, "message": error.message, "errors": [details]}}
        return error.status, document, (), None

    def token(self, body):
        service, form = self.service, dict(urllib.parse.parse_qsl(body.decode()))
        # Newer programs say who they are in a header.
        kind, _, text = self.headers.get("Authorization", "").partition(" ")
        basic = base64.b64decode(text).decode().partition(":")[0] if kind == "Basic" else ""
        service.clients.add(form.get("client_id") or urllib.parse.unquote(basic))
        is_refresh = form.get("grant_type") == "refresh_token" and form.get("refresh_token") == REFRESH_TOKEN
        is_service = form.get("grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer" and form.get("assertion", "").count(".") == 2
        if service.settings["revoked"] or not (is_refresh or is_service):
            said = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            return 400, said, (), None
        token, seconds = secrets.token_urlsafe(16), service.settings["token_seconds"]
        service.tokens[token] = (time.monotonic() + seconds, is_service)
        said = {"access_token": token, "expires_in": seconds, "token_type": "Bearer", "scope": "https://www.googleapis.com/auth/drive.file"}
        return 200, said, (), None

    def authorize(self):
        """Whether a service account asks; nobody else than a user or one of these may."""
        service = self.service
        until, is_service = service.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "), (0, False))
        if service.settings["revoked"] or until <= time.monotonic():
            raise DriveError(*FAULTS["unauthorized"])
        return is_service or service.settings["service_account"]

    def api(self, path, query, body):
        service = self.service
        is_service = self.authorize()
        if self.command in ("PUT", "POST") and query.get("upload_id") in service.sessions:
            return self.chunk(service.sessions[query["upload_id"]], body)
        found = service.facts.find(self.command, path)
        if found is None:
            service.violates(f"no such method: {self.command} {path}")
            raise DriveError(404, "notFound", "Not Found")
        method, is_upload, words = found
        for name in query:
            if name not in method.parameters:
                service.violates(f"{method.name}: no such parameter: {name}")
        if query.get("alt") == "media":
            return self.media(service.drive.get(words[0]))
        mask = self.mask(method, query)
        meta, content = self.parts(query, body) if method.request else ({}, None)
        if method.request:
            for name in service.facts.unknown(method.request, meta):
                service.violates(f"{method.name}: no such field in the request: {name}")
        if method.name == "files.create" and is_service and meta.get("mimeType") != drive_files.FOLDER:
            if not any(service.drive.get(parent).drive for parent in meta.get("parents") or [drive_files.ROOT]):
                raise DriveError(*FAULTS["service_account"])
        if is_upload and query.get("uploadType") == "resumable":
            return self.session(method, query, words, meta, mask)
        document = getattr(self, method.name.replace(".", "_"))(query, meta, content, *words)
        if document is None:
            return 204, None, (), None
        return self.shown(method, mask, document)

    def shown(self, method, mask, document):
        for name in self.service.facts.unknown(method.response, document):
            self.service.violates(f"{method.name}: no such field in the answer: {name}")
        return 200, mask.show(document), (), None

    def mask(self, method, query):
        if method.response is None:
            return None
        short = "kind,id,name,mimeType"
        default = {"File": short, "FileList": f"kind,incompleteSearch,nextPageToken,files({short})", "Drive": "kind,id,name"}
        text = query.get("fields") or default.get(method.response, "*")
        if method.name == "about.get" and "fields" not in query:
            raise DriveError(400, "required", "The 'fields' parameter is required for this method.")
        try:
            return drive_files.Mask(text, method.response, self.service.facts)
        except DriveError as error:
            self.service.violates(f"{method.name}: {error.message}")
            raise

    def parts(self, query, body):
        """What a request says of a file, and the file's content if it came along."""
        if query.get("uploadType") != "multipart":
            # A change of parents only has the body `null`.
            return (json.loads(body) if body else None) or {}, None
        boundary = b"--" + re.search(r'boundary="?([^";]+)', self.headers["Content-Type"])[1].encode()
        second = body.index(b"\r\n" + boundary, len(boundary))
        meta = body[:second].partition(b"\r\n\r\n")[2]
        content = body[second : body.rindex(b"\r\n" + boundary + b"--")].partition(b"\r\n\r\n")[2]
        return json.loads(meta), content

    # Uploads in chunks.

    class Session:
        def __init__(self, path, finish):
            self.path, self.finish, self.bytes, self.done = path, finish, bytearray(), None

    def session(self, method, query, words, meta, mask):
        def finish(content):
            return self.shown(method, mask, getattr(self, method.name.replace(".", "_"))(query, meta, content, *words))

        drive = self.service.drive
        place = drive.get(words[0] if words else (meta.get("parents") or [drive_files.ROOT])[0])
        drive.room(int(self.headers.get("X-Upload-Content-Length") or 0) - place.size, place.drive)
        key = secrets.token_hex(16)
        self.service.sessions[key] = self.Session(self.name_of(self.path.partition("?")[0], query, json.dumps(meta).encode()), finish)
        location = f"https://{API}{self.path}&upload_id={key}"
        return 200, None, (("Location", location), ("X-GUploader-UploadID", key)), None

    def chunk(self, session, body):
        match = re.fullmatch(r"bytes (?:\*|(\d+)-(\d+))/(\*|\d+)", self.headers.get("Content-Range", ""))
        if match is None:
            raise DriveError(400, "badRequest", "Failed to parse Content-Range header.")
        if session.done is None:
            if match[1] is not None:
                start = int(match[1])
                if start > len(session.bytes) or int(match[2]) + 1 - start != len(body):
                    raise DriveError(400, "badRequest", "Invalid request.")
                session.bytes[start:] = body
            if match[3] == str(len(session.bytes)):
                session.done = session.finish(session.bytes)
                session.bytes = bytearray()
        if session.done is None:
            has = (("Range", f"bytes=0-{len(session.bytes) - 1}"),) if session.bytes else ()
            return 308, None, has, None
        # Asked again after an answer that was lost, it is answered again.
        return session.done

    def media(self, file):
        if file.is_folder:
            raise DriveError(403, "fileNotDownloadable", "Only files with binary content can be downloaded.")
        content, status, headers = file.content, 200, [("Content-Type", file.mime)]
        match = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if match and (match[1] or match[2]):
            start = int(match[1]) if match[1] else max(0, file.size - int(match[2]))
            end = min(file.size, int(match[2]) + 1 if match[1] and match[2] else file.size)
            if start >= file.size:
                raise DriveError(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
            content, status = content[start:end], 206
            headers.append(("Content-Range", f"bytes {start}-{end - 1}/{file.size}"))
        return status, None, headers, content

    # The methods, by Google's names.

    def about_get(self, query, meta, content):
        drive = self.service.drive
        used, trashed = drive.usage()
        quota = {"usage": str(used), "usageInDrive": str(used), "usageInDriveTrash": str(trashed)}
        if drive.limit is not None:
            quota["limit"] = str(drive.limit)
        user = {"kind": "drive#user", "displayName": "Test", "emailAddress": "test@example.com", "me": True}
        return {"kind": "drive#about", "storageQuota": quota, "user": user}

    def drives_list(self, query, meta, content):
        drives = [self.drives_get(query, meta, content, each) for each in self.service.drive.shared]
        return {"kind": "drive#driveList", "drives": drives}

    def drives_get(self, query, meta, content, drive_id):
        if drive_id not in self.service.drive.shared:
            raise DriveError(404, "notFound", f"Shared drive not found: {drive_id}")
        return {"kind": "drive#drive", "id": drive_id, "name": self.service.drive.shared[drive_id]}

    def files_list(self, query, meta, content):
        drive = self.service.drive
        size = min(int(query.get("pageSize", 100)), self.service.settings["page_size"])
        page, token = drive.list(query.get("q", ""), size, query.get("pageToken"), query.get("driveId"))
        document = {"kind": "drive#fileList", "incompleteSearch": False, "files": [drive.resource(file) for file in page]}
        if token:
            document["nextPageToken"] = token
        return document

    def files_get(self, query, meta, content, file_id):
        return self.service.drive.resource(self.service.drive.get(file_id))

    def files_create(self, query, meta, content):
        drive = self.service.drive
        return drive.resource(drive.create(meta, content))

    def files_update(self, query, meta, content, file_id):
        drive = self.service.drive
        lists = [[each for each in query.get(side, "").split(",") if each] for side in ("addParents", "removeParents")]
        return drive.resource(drive.update(drive.get(file_id), meta, content, *lists))

    def files_copy(self, query, meta, content, file_id):
        drive = self.service.drive
        return drive.resource(drive.copy(drive.get(file_id), meta))

    def files_delete(self, query, meta, content, file_id):
        self.service.drive.delete(self.service.drive.get(file_id))

    def files_emptyTrash(self, query, meta, content):
        self.service.drive.empty_trash()

    # --- what is asked by tests ---

    def control(self, path, query, body):
        action = getattr(self, "control_" + path.removeprefix("/control/"), None) if path.startswith("/control/") else None
        if action is None:
            with self.service.lock:
                self.service.refused.append(self.path)
            self.answer(502, {"error": f"{self.path} is not served here"})
        elif action == self.control_wait:
            self.answer(*action(query))
        else:
            with self.service.lock:
                try:
                    said = action(json.loads(body) if body else query)
                except (KeyError, ValueError, IndexError, DriveError) as error:
                    said = (400, {"error": f"{type(error).__name__}: {error}"})
            self.answer(*(said if isinstance(said, tuple) else (200, {} if said is None else said)))

    def control_set(self, options):
        service = self.service
        for name, value in options.items():
            if name not in service.settings:
                raise ValueError(f"no such setting: {name}")
            service.settings[name] = value
        service.drive.lag, service.drive.limit = service.settings["lag"], service.settings["limit"]

    def control_rule(self, options):
        self.service.rules.append(Rule(options))

    def control_release(self, options):
        self.service.release()

    def control_reset(self, options):
        self.service.reset()

    def control_plant(self, options):
        drive = self.service.drive
        if options.get("folder"):
            return {"id": drive.folder(options["path"], options.get("again", False)).id}
        above, _, name = options["path"].rpartition("/")
        meta = {"name": name, "parents": [drive.folder(above).id]}
        if drive.at(options["path"]) and not options.get("again"):
            raise ValueError("it is there already")
        file = drive.create(meta, self.given(options))
        file.listed_from = 0.0
        return {"id": file.id}

    @staticmethod
    def given(options):
        return base64.b64decode(options["base64"]) if "base64" in options else options["content"].encode()

    def control_alter(self, options):
        self.service.drive.update(self.service.drive.at(options["path"])[0], {}, self.given(options))

    def control_rename(self, options):
        self.service.drive.update(self.service.drive.get(options["id"]), {"name": options["name"]})

    def control_delete(self, options):
        drive = self.service.drive
        for file in drive.at(options["path"]):
            if options.get("forever"):
                drive.delete(file)
            else:
                file.trashed = True

    def control_share(self, options):
        return {"id": self.service.drive.share(options["name"])}

    def control_files(self, options):
        drive = self.service.drive
        return [
            {"path": drive.path(file), "id": file.id, "folder": file.is_folder, "size": file.size, "md5": file.md5 if not file.is_folder else "",
             "trashed": drive.is_trashed(file), "modified": file.modified, "version": file.version}
            for file in drive.files.values() if file.parents
        ]

    def control_content(self, options):
        return 200, None, (("Content-Type", "application/octet-stream"),), self.service.drive.get(options["id"]).content

    def control_state(self, options):
        service = self.service
        return {
            "counts": service.counts, "requests": service.requests, "received": service.received, "hits": service.hits,
            "violations": service.violations, "refused": service.refused, "clients": sorted(service.clients),
            "settings": service.settings,
        }

    def control_wait(self, options):
        seconds = float(options.pop("seconds", 30))
        least = {name: int(count) for name, count in options.items() if name in ("received", "hits", "requests")}
        return (200, {}) if least and self.service.wait(seconds, **least) else (408, {"error": "not seen in time"})


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


def certificates(authority):
    """A TLS context for Google's two names, and the authority that vouches for it as a file for rclone."""
    folder = tempfile.mkdtemp(prefix="cloudjobs-drive-")
    try:
        def openssl(*words):
            subprocess.run(["openssl", *words], cwd=folder, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test Drive authority",
                "-addext", "keyUsage=critical,keyCertSign")
        openssl("req", "-new", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=Test Drive")
        with open(os.path.join(folder, "names"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName=DNS:{API},DNS:{TOKENS}\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem",
                "-days", "2", "-extfile", "names")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(folder, "server.pem"), os.path.join(folder, "server.key"))
        shutil.copyfile(os.path.join(folder, "ca.pem"), authority)
        return context
    finally:
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record")
    parser.add_argument("--ca", required=True, help="where the authority's certificate is written to")
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", arguments.port), Handler)
    server.context = certificates(arguments.ca)
    server.service = Service(lifeline.Record(arguments.record))
    lifeline.die_with_parent()
    lifeline.announce(server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
