"""The log of a plugin: a JSON object a line on stderr, which haul takes into
its own log. Never log a secret, nor a URL above debug."""

import datetime
import json
import sys
import threading

_lock = threading.Lock()


def log(level, message, **fields):
    """level is trace, debug, info, warn or error."""
    now = datetime.datetime.now(datetime.timezone.utc)
    line = {"@level": level, "@message": message, "@timestamp": now.isoformat(timespec="microseconds")}
    line.update((key, str(value)) for key, value in fields.items())
    with _lock:
        print(json.dumps(line), file=sys.stderr, flush=True)
