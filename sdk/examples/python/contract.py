"""The calls of the contract (downloader.proto), and what is checked in each."""

import json
import os
import threading

import grpc

import downloader_pb2 as pb
from downloads import Downloads, explain
from failure import Failure
from log import log

NAME = "python-http"
VERSION = "0.1.0"
SERVICE = "haul.downloader.v1.Downloader"

SETTINGS = {
    "type": "object",
    "title": "Python",
    "additionalProperties": False,
    "properties": {
        "timeout": {
            "type": "integer",
            "title": "Timeout",
            "description": "Seconds without any data after which a download is tried again.",
            "minimum": 1,
            "maximum": 600,
            "default": 30,
        },
    },
}

OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "user_agent": {
            "type": "string",
            "title": "User agent",
            "description": "What the download calls itself towards the server.",
            "pattern": "^[ -~]{1,256}$",
        },
    },
}


class Plugin:
    """One process: it is configured once, runs jobs, and is drained."""

    def __init__(self):
        self._lock = threading.Lock()  # guards what follows
        self._downloads = None
        self._ending = False

    def handlers(self):
        """The service for grpc.server. Calls that are not here are answered with
        UNIMPLEMENTED, which means "not offered"."""
        calls = {
            "Describe": (self.describe, pb.DescribeRequest, pb.DescribeResponse),
            "Configure": (self.configure, pb.ConfigureRequest, pb.ConfigureResponse),
            "Add": (self.add, pb.AddRequest, pb.AddResponse),
            "Check": (self.check, pb.CheckRequest, pb.CheckResponse),
            "Remove": (self.remove, pb.RemoveRequest, pb.RemoveResponse),
            "Drain": (self.drain, pb.DrainRequest, pb.DrainResponse),
        }
        return grpc.method_handlers_generic_handler(SERVICE, {
            name: grpc.unary_unary_rpc_method_handler(
                answering(name, call), request.FromString, response.SerializeToString
            )
            for name, (call, request, response) in calls.items()
        })

    def describe(self, request):
        return pb.DescribeResponse(description=pb.Description(
            name=NAME,
            version=VERSION,
            display_name="Python",
            sources=[pb.SOURCE_KIND_HTTP],
            settings_schema=json.dumps(SETTINGS).encode(),
            options_schema=json.dumps(OPTIONS).encode(),
            reserved_options=["dir", "name", "url"],
            managed=True,  # it needs neither a daemon nor settings
        ))

    def configure(self, request):
        settings = parse(request.settings, SETTINGS, "invalid_settings", "settings")
        timeout = settings.get("timeout", 30)
        if not isinstance(timeout, int) or isinstance(timeout, bool) or not 1 <= timeout <= 600:
            raise invalid("invalid_settings", "The timeout is not valid.", "timeout", "must be from 1 to 600")
        with self._lock:
            if self._downloads:
                raise Failure("conflict", pb.ERROR_KIND_CONFLICT, "The plugin was configured before.")
            state = os.path.join(request.state_dir, "jobs.json")
            self._downloads = Downloads(state, max(1, request.max_active), timeout)
        return pb.ConfigureResponse()

    def add(self, request):
        downloads = self._ready()
        if request.source.kind != pb.SOURCE_KIND_HTTP:
            raise Failure("source_not_supported", pb.ERROR_KIND_UNSUPPORTED, "Only http and https URLs are taken.")
        options = parse(request.options, OPTIONS, "invalid_options", "options")
        agent = options.get("user_agent", "haul")
        if not isinstance(agent, str) or not 1 <= len(agent) <= 256 or not (agent.isascii() and agent.isprintable()):
            raise invalid("invalid_options", "The user agent is not valid.", "options.user_agent", "must be plain text")
        downloads.add(request.job_id, request.source.uri, request.dir, request.source.name, agent)
        return pb.AddResponse(ref=pb.Ref(job_id=request.job_id, version=1))

    def check(self, request):
        downloads = self._ready()
        return pb.CheckResponse(statuses=[downloads.status(ref.job_id) for ref in request.refs])

    def remove(self, request):
        self._ready().remove(request.ref.job_id, request.delete_data)
        return pb.RemoveResponse()

    def drain(self, request):
        self.close()
        return pb.DrainResponse()

    def close(self):
        """Refuses further calls, and lets go of the downloads."""
        with self._lock:
            self._ending = True
            downloads = self._downloads
        if downloads:
            downloads.close()

    def _ready(self):
        with self._lock:
            if self._ending:
                raise Failure("unavailable", pb.ERROR_KIND_UNAVAILABLE, "The plugin is ending.", retryable=True)
            if not self._downloads:
                raise Failure("conflict", pb.ERROR_KIND_CONFLICT, "The plugin is not configured yet.")
            return self._downloads


def answering(name, call):
    """Makes a gRPC handler of a call: its failures become statuses."""

    def handle(request, context):
        try:
            return call(request)
        except Failure as err:
            failure = err
            log("debug", "call failed", op=name, code=failure.detail.code)
        except OSError as err:  # such as a disk that is full
            failure = explain(err)
            log("warn", "call failed", op=name, code=failure.detail.code, err=err.strerror)
        except Exception as bug:  # a bug fails this call alone
            log("error", "call failed", op=name, err=repr(bug))
            failure = Failure("internal", pb.ERROR_KIND_INTERNAL, "The plugin has a bug.")
        context.abort_with_status(failure.status())

    return handle


def parse(raw, schema, code, what):
    """Reads a JSON object with the keys of a schema. haul has held it against
    the schema already; a key that came by another way is refused here."""
    try:
        value = json.loads(raw or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Failure(code, pb.ERROR_KIND_INVALID, f"The {what} are not a JSON object.")
    for key in value:
        if key not in schema["properties"]:
            raise invalid(code, f"There is no such key in the {what}.", key, "is not known")
    return value


def invalid(code, message, field, text):
    return Failure(code, pb.ERROR_KIND_INVALID, message, fields=[(field, text)])
