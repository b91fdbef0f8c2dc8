"""Errors with a code, as they go over the wire."""

import collections

import grpc

import downloader_pb2 as pb
import status_pb2

# Each kind of error has one gRPC status.
STATUS = {
    pb.ERROR_KIND_INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    pb.ERROR_KIND_FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    pb.ERROR_KIND_NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    pb.ERROR_KIND_CONFLICT: grpc.StatusCode.FAILED_PRECONDITION,
    pb.ERROR_KIND_UNSUPPORTED: grpc.StatusCode.UNIMPLEMENTED,
    pb.ERROR_KIND_EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    pb.ERROR_KIND_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    pb.ERROR_KIND_INTERNAL: grpc.StatusCode.INTERNAL,
}

_Status = collections.namedtuple("_Status", "code details trailing_metadata")


class _RPCStatus(_Status, grpc.Status):
    """What context.abort_with_status takes."""


class Failure(Exception):
    """A failure for the user: a stable code, its kind, and a sentence.

    Neither the message nor the hint may hold secrets. fields is a list of
    (name, message) for single fields of a request.
    """

    def __init__(self, code, kind, message, hint="", retryable=False, fields=()):
        super().__init__(message)
        self.detail = pb.ErrorDetail(
            code=code,
            kind=kind,
            message=message,
            hint=hint,
            retryable=retryable,
            fields=[pb.ErrorField(name=name, message=text) for name, text in fields],
        )

    def status(self):
        """The failure as a gRPC status with its detail."""
        code = STATUS[self.detail.kind]
        status = status_pb2.Status(code=code.value[0], message=self.detail.message)
        status.details.add().Pack(self.detail)
        trailer = (("grpc-status-details-bin", status.SerializeToString()),)
        return _RPCStatus(code, self.detail.message, trailer)
