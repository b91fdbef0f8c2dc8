"""A plugin of haul in Python: the process, from the handshake to its end.

Nothing here knows of downloads; copy it as it is. See contract.py for the calls
and downloads.py for the work.
"""

import os
import signal
import sys
import tempfile
import threading
from concurrent import futures

import grpc

import contract
from log import log

COOKIE = ("HAUL_PLUGIN", "haul.downloader")
# The version of the contract that this plugin speaks.
VERSION = 2
# Largest request in bytes: 1000 refs of a Check have up to 4 KiB each.
MAX_MESSAGE = 64 << 20


def main():
    if os.environ.get(COOKIE[0]) != COOKIE[1]:
        sys.exit("This is a plugin of haul: put it into one of haul's plugin directories.")
    # One thread for each call that is under way.
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=16),
        options=[("grpc.max_receive_message_length", MAX_MESSAGE)],
    )
    plugin = contract.Plugin()
    end = threading.Event()
    server.add_generic_rpc_handlers((plugin.handlers(), control(end)))
    # haul gives each process a directory for its socket that nobody else can
    # enter. That is the protection: this plugin does without TLS.
    directory = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.mkdtemp()
    path = os.path.join(directory, "plugin.sock")
    if server.add_insecure_port("unix:" + path) == 0:
        sys.exit("cannot listen at " + path)
    server.start()
    watch_host(end)
    # The handshake: version of the handshake, version of the contract, network,
    # address, protocol. It is the one line of stdout; a log goes to stderr.
    print(f"1|{VERSION}|unix|{path}|grpc", flush=True)
    end.wait()
    plugin.close()
    server.stop(0.5).wait()
    log("debug", "plugin ends")
    # Python would wait for threads that wait for a server; all that counts is
    # in the state file.
    os._exit(0)


def control(end):
    """What go-plugin asks of a process: is it well, and to end it.

    The messages are so small that no generated code is needed: a
    HealthCheckResponse of SERVING is the two bytes 08 01, an Empty is none.
    """

    def shutdown(request, context):
        end.set()
        return b""

    health = {"Check": grpc.unary_unary_rpc_method_handler(lambda request, context: b"\x08\x01")}
    ending = {"Shutdown": grpc.unary_unary_rpc_method_handler(shutdown)}

    class Control(grpc.GenericRpcHandler):
        handlers = {
            "/grpc.health.v1.Health/Check": health["Check"],
            "/plugin.GRPCController/Shutdown": ending["Shutdown"],
        }

        def service(self, details):
            return self.handlers.get(details.method)

    return Control()


def watch_host(end):
    """Ends the process when haul asks it to, and when haul is gone."""
    signal.signal(signal.SIGTERM, lambda number, frame: end.set())
    fd = os.environ.get("HAUL_HOST_FD")
    if not fd:
        return

    def read():
        with open(int(fd), "rb") as pipe:
            pipe.read()  # returns when haul's end is closed
        end.set()

    threading.Thread(target=read, daemon=True).start()


if __name__ == "__main__":
    main()
