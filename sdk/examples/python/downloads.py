"""The work itself: HTTP downloads in threads, which go on after a restart."""

import concurrent.futures
import errno
import http.client
import json
import os
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import downloader_pb2 as pb
from failure import Failure
from log import log

PART = ".part"  # of a file that is not whole
TRIES = 5
# What a job has in the state file.
SAVED = ("url", "dir", "name", "agent", "validator", "complete", "size")


class Job:
    def __init__(self, url, dir, name, agent, validator="", complete=False, size=0):
        self.url, self.dir, self.name, self.agent = url, dir, name, agent
        self.validator = validator  # tells whether the server's file is the same
        self.complete, self.size = complete, size
        self.phase = pb.PHASE_COMPLETE if complete else pb.PHASE_QUEUED
        self.done, self.rate, self.error = size if complete else 0, 0, None
        self.ended = threading.Event()  # asks the thread to end
        self.work = None

    def path(self, suffix=""):
        return os.path.join(self.dir, self.name + suffix)


class Downloads:
    """All jobs. Its methods may be called by several threads."""

    def __init__(self, state_file, at_once, timeout):
        self._file, self._timeout = state_file, timeout
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=at_once)
        self._lock = threading.Lock()  # guards _jobs and their saved fields
        self._jobs = {}
        self._opener = opener()
        if os.path.exists(state_file):
            with open(state_file, encoding="utf-8") as f:
                self._jobs = {id: Job(**saved) for id, saved in json.load(f).items()}
        for job in self._jobs.values():
            self._start(job)

    def add(self, job_id, url, dir, name, agent):
        """Takes a job. The same again changes nothing: a call whose answer was
        lost is repeated, also after a restart."""
        check(job_id, url, dir)
        with self._lock:
            if job_id in self._jobs:
                return
            job = Job(url, dir, name or file_name(url), agent)
            self._jobs[job_id] = job
            try:
                self._save()  # before the answer: an answer is a promise
            except OSError:
                del self._jobs[job_id]
                raise
            self._start(job)

    def status(self, job_id):
        with self._lock:
            job = self._jobs.get(job_id)
            if not job:
                return pb.Status(job_id=job_id, phase=pb.PHASE_GONE)
            status = pb.Status(
                job_id=job_id, phase=job.phase, name=job.name,
                total_bytes=job.size, done_bytes=job.done, download_rate=job.rate,
            )
            if job.error:
                status.err.CopyFrom(job.error.detail)
            if job.complete:
                status.files.add(index=0, path=job.name, size=job.size, done_bytes=job.size)
            return status

    def remove(self, job_id, delete_data):
        with self._lock:
            job = self._jobs.pop(job_id, None)
            if not job:
                return  # removing what is gone succeeds
            self._save()
        job.ended.set()
        if job.work:
            concurrent.futures.wait([job.work], timeout=5)
        if delete_data:
            for path in (job.path(), job.path(PART)):
                try:
                    os.unlink(path)
                except FileNotFoundError:
                    pass

    def close(self):
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.ended.set()
        concurrent.futures.wait([job.work for job in jobs if job.work], timeout=1)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self, job):
        if not job.complete:
            job.work = self._pool.submit(self._run, job)

    def _save(self):
        """Writes the state file, whole or not at all. The lock is held."""
        state = {id: {key: getattr(job, key) for key in SAVED} for id, job in self._jobs.items()}
        temporary = self._file + ".new"
        with open(temporary, "w", encoding="utf-8") as f:
            json.dump(state, f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, self._file)

    def _run(self, job):
        for left in reversed(range(TRIES)):
            if job.ended.is_set():
                return
            try:
                self._load(job)
                return
            except Exception as err:
                failure = explain(err)
                log("debug", "try failed", code=failure.detail.code, err=type(err).__name__)
            if left == 0 or not failure.detail.retryable:
                break
            job.ended.wait(TRIES - left)
        with self._lock:
            job.phase, job.rate, job.error = pb.PHASE_FAILED, 0, failure

    def _load(self, job):
        # Nothing may follow a link that somebody put there.
        fd = os.open(job.path(PART), os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o644)
        with open(fd, "r+b") as file:
            have = file.seek(0, os.SEEK_END)
            request = urllib.request.Request(job.url, headers={"User-Agent": job.agent})
            if have and job.validator:
                request.add_header("Range", f"bytes={have}-")
                request.add_header("If-Range", job.validator)
            with self._opener.open(request, timeout=self._timeout) as response:
                if response.status != 206:
                    have = 0
                    file.seek(0)
                    file.truncate()
                self._begun(job, response, have)
                self._copy(job, response, file)
        if job.ended.is_set():
            return
        os.replace(job.path(PART), job.path())
        with self._lock:
            job.complete, job.size, job.phase, job.rate = True, job.done, pb.PHASE_COMPLETE, 0
            self._save()

    def _begun(self, job, response, have):
        with self._lock:
            length = response.headers.get("Content-Length", "")
            job.size = have + int(length) if length.isdigit() else 0
            job.done, job.phase = have, pb.PHASE_DOWNLOADING
            job.validator = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
            self._save()

    def _copy(self, job, response, file):
        began, first = time.monotonic(), job.done
        while not job.ended.is_set():
            chunk = response.read1(1 << 16)
            if not chunk:
                break
            file.write(chunk)
            with self._lock:
                job.done += len(chunk)
                job.rate = int((job.done - first) / max(time.monotonic() - began, 0.001))
        else:
            return
        if job.size and job.done != job.size:
            raise ConnectionError("the server hung up")
        file.flush()
        os.fsync(file.fileno())


def opener():
    """An opener of http and https alone: urllib.request.urlopen would also read
    local files and FTP, of which a redirect could make use."""
    director = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(), urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.UnknownHandler(),
    ):
        director.add_handler(handler)
    return director


def check(job_id, url, dir):
    try:
        parts = urllib.parse.urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and url.isascii() and url.isprintable()
    except ValueError:
        good = False
    if not good or " " in url:
        raise Failure("invalid_source", pb.ERROR_KIND_INVALID, "The URL is not valid.")
    if not job_id or not os.path.isabs(dir):
        raise Failure("invalid_request", pb.ERROR_KIND_INVALID, "The job has no id, or no absolute directory.")


def file_name(url):
    """A name that stays inside of the job's directory, whatever the URL is."""
    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rsplit("/", 1)[-1], errors="replace")
    name = "".join(c for c in name if c.isprintable() and c != "/")
    name = name.encode()[:200].decode(errors="ignore")
    return "index" if name in ("", ".", "..") else name


def explain(err):
    """Says in haul's codes why a try came to nothing."""
    invalid, unavailable = pb.ERROR_KIND_INVALID, pb.ERROR_KIND_UNAVAILABLE
    if isinstance(err, urllib.error.HTTPError):
        if err.code in (404, 410):
            return Failure("source_not_found", pb.ERROR_KIND_NOT_FOUND, f"The server says that there is no such file ({err.code}).")
        if err.code in (401, 403):
            return Failure("source_forbidden", pb.ERROR_KIND_FORBIDDEN, f"The server does not hand out the file ({err.code}).")
        later = err.code in (408, 425, 429, 500, 502, 503, 504)
        return Failure("source_server_error", unavailable, f"The server answers with status {err.code}.", retryable=later)
    if isinstance(err, urllib.error.URLError) and isinstance(err.reason, Exception):
        err = err.reason
    if isinstance(err, ssl.SSLCertVerificationError):
        return Failure("source_tls_error", unavailable, "The server's certificate is not valid.")
    if isinstance(err, (TimeoutError, socket.timeout)):
        return Failure("source_timeout", unavailable, "The server does not answer in time.", retryable=True)
    if isinstance(err, (ConnectionError, socket.gaierror, ssl.SSLError, http.client.HTTPException)):
        return Failure("source_unreachable", unavailable, "The server cannot be reached, or hung up.", retryable=True)
    if isinstance(err, OSError) and err.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure("out_of_space", pb.ERROR_KIND_EXHAUSTED, "The disk is full.", retryable=True)
    if isinstance(err, PermissionError):
        return Failure("path_not_writable", unavailable, "The download folder cannot be written.", retryable=True)
    if isinstance(err, urllib.error.URLError):
        return Failure("invalid_source", invalid, "The server leads to something that is not http.")
    return Failure("downloader_error", unavailable, f"The download failed ({type(err).__name__}).")
